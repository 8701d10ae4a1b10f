"""isoflop cluster plan: figures, picture and refusals of the real binary."""
import json
import pathlib
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

from command_line import BINARY


class ClusterPlan(unittest.TestCase):
    def plan(self, *arguments):
        return subprocess.run([BINARY, "cluster", "plan", *map(str, arguments)], capture_output=True, text=True, timeout=60)

    def figures(self, *arguments):
        done = self.plan(*arguments, "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_bubbles_of_all_schedules(self):
        expected = {"gpipe": (3 / 11, [8, 8, 8, 8]), "1f1b": (3 / 11, [4, 3, 2, 1]), "zero-bubble": (1 / 9, [4, 4, 4, 4])}
        for schedule, (bubble, in_flight) in expected.items():
            got = self.figures("--pipeline", 4, "--micro-batches", 8, "--schedule", schedule)
            self.assertAlmostEqual(got["bubble"], bubble)
            self.assertAlmostEqual(got["bubble_formula"], bubble)
            self.assertEqual(got["activations_in_flight"], in_flight)
        got = self.figures("--pipeline", 4, "--micro-batches", 8, "--schedule", "interleaved", "--chunks", 2)
        self.assertAlmostEqual(got["bubble"], 3 / 19)

    def test_messages_make_it_longer(self):
        self.assertGreater(self.figures("--message", 0.5)["bubble"], self.figures()["bubble"])

    def test_messages_are_timed_by_what_bench_comm_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            measured = pathlib.Path(folder) / "comm.json"
            measured.write_text(json.dumps({"ranks": 2, "collectives": {
                "send": {"alpha_seconds": 0.25, "beta_seconds_per_byte": 0.001, "points": []}}}))
            got = self.figures("--comm", measured, "--message-bytes", 250)
            self.assertAlmostEqual(got["message"], 0.5)
            self.assertEqual(got["makespan"], self.figures("--message", 0.5)["makespan"])

            subprocess.run([BINARY, "bench", "comm", "--repetitions", "1", "--largest", "64", "--json", measured],
                           check=True, capture_output=True, timeout=60)
            for text in (measured.read_text(), "no JSON", "[]"):   # one rank alone sends nothing
                measured.write_text(text)
                done = self.plan("--comm", measured, "--message-bytes", 250)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("comm.json: has no number /collectives/send/alpha_seconds, needed what `mpirun", done.stderr)

    def test_draws_a_picture(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "schedule.svg"
            done = self.plan("--pipeline", 2, "--micro-batches", 3, "--draw", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("rank 1 | .  F0 B0 B0 F1 B1 B1 F2 B2 B2 .  .", done.stdout)
            root = xml.etree.ElementTree.parse(path).getroot()
            self.assertEqual(sum(1 for element in root.iter() if element.tag.endswith("title")), 2 * 2 * 3)

    def test_refuses_nonsense(self):
        for arguments in (["--pipeline", 0], ["--schedule", "1f2b"], ["--chunks", 2, "--schedule", "gpipe"], ["--forward", 0],
                          ["--message-bytes", 4], ["--comm", "comm.json"],
                          ["--comm", "comm.json", "--message-bytes", 4, "--message", 1]):
            done = self.plan(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertEqual(len(done.stderr.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
