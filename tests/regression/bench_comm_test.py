"""isoflop bench comm under mpirun: what it counts of every collective, and that `cluster` plans with the file it writes."""
import json
import subprocess
import unittest

from command_line import BINARY, CommandLineTest, LIMIT

LARGEST = 65536


def shares(ranks):
    """Of a message's bytes, what one link has to carry at least."""
    others = (ranks - 1) / ranks
    return {"broadcast": 1, "all_gather": others, "reduce_scatter": others, "all_reduce": 2 * others,
            "unordered_reduce_scatter": others, "unordered_all_reduce": 2 * others, "all_to_all": others, "send": 1}


class BenchComm(CommandLineTest):
    def measure(self, ranks):
        done = subprocess.run(["mpirun", "--oversubscribe", "-n", str(ranks), BINARY, "bench", "comm", "--largest", str(LARGEST),
                               "--repetitions", "3", "--json", "comm.json"], cwd=self.folder, capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads((self.folder / "comm.json").read_text())

    def test_every_collective_is_measured_and_planned_with(self):
        self.assertEqual(self.run_here("bench", "train", "run.toml", "--steps", 1, "--json", "bench.json").returncode, 0)
        for ranks in (2, 4):
            measured = self.measure(ranks)
            self.assertEqual(measured["ranks"], ranks)
            expected = shares(ranks)
            barrier = measured["collectives"].pop("barrier")
            self.assertEqual([point["bytes"] for point in barrier["points"]], [0])
            self.assertGreater(barrier["points"][0]["seconds"], 0)
            self.assertEqual(measured["collectives"].keys(), expected.keys())
            for name, seen in measured["collectives"].items():
                sizes = [point["bytes"] for point in seen["points"]]
                self.assertEqual(sizes, [4 * ranks * 4**i for i in range(len(sizes))], name)
                self.assertLessEqual(sizes[-1], LARGEST)
                self.assertGreater(4 * sizes[-1], LARGEST, name)
                for point in seen["points"]:
                    self.assertGreater(point["seconds"], 0, name)
                    carried = point["bus_bytes_per_second"] * point["seconds"]
                    self.assertAlmostEqual(carried / point["bytes"], expected[name], msg=name)
                line = [seen["alpha_seconds"], seen["beta_seconds_per_byte"]]
                self.assertGreaterEqual(min(line), 0, name)
                self.assertGreater(max(line), 0, name)

            done = self.run_here("cluster", "layouts", "run.toml", "--ranks", 2, "--bench", "bench.json", "--comm", "comm.json", "--json", "-")
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = {(row["data"], row["tensor"], row["pipeline"], row["zero"]): row for row in json.loads(done.stdout)["layouts"]}
            self.assertGreater(rows[2, 1, 1, 0]["replicas_seconds"], 0)
            self.assertGreater(rows[1, 2, 1, 0]["tensor_seconds"], 0)

            for change, rc in ({}, 0), ({"unordered_all_reduce": {}}, 2):  # as in files of versions that did not measure it
                measured["collectives"] |= change
                (self.folder / "comm.json").write_text(json.dumps(measured))
                done = self.run_here("cluster", "layouts", "run.toml", "--ranks", 2, "--bench", "bench.json", "--comm", "comm.json",
                                     "--set", "train.reproducible=false", "--json", "-")
                self.assertEqual(done.returncode, rc, done.stderr)
            self.assertIn("seen nothing at /collectives/unordered_all_reduce/alpha_seconds", done.stderr)

            send = measured["collectives"]["send"]
            done = self.run_here("cluster", "plan", "--comm", "comm.json", "--message-bytes", 4096, "--json", "-")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertAlmostEqual(json.loads(done.stdout)["message"] / (send["alpha_seconds"] + 4096 * send["beta_seconds_per_byte"]), 1)


if __name__ == "__main__":
    unittest.main()
