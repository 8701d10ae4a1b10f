"""isoflop cluster plan and layouts: figures, picture and refusals of the real binary."""
import json
import pathlib
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

from command_line import BINARY, LIMIT


class ClusterPlan(unittest.TestCase):
    def plan(self, *arguments):
        return subprocess.run([BINARY, "cluster", "plan", *map(str, arguments)], capture_output=True, text=True, timeout=LIMIT)

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
        for chunks in ([], ["--chunks", 2]):  # as many stages a rank as `train` takes
            got = self.figures("--pipeline", 4, "--micro-batches", 8, "--schedule", "interleaved", *chunks)
            self.assertEqual(got["chunks"], 2)
            self.assertAlmostEqual(got["bubble"], 3 / 19)

    def test_a_formula_is_told_where_it_holds_alone(self):
        for arguments in (["--schedule", "zero-bubble", "--forward", 1, "--backward-input", 1, "--backward-weight", 10],
                          ["--schedule", "zero-bubble", "--micro-batches", 3], ["--schedule", "interleaved", "--micro-batches", 2]):
            got = self.figures("--pipeline", 4, *arguments)
            self.assertIsNone(got["bubble_formula"])
            self.assertTrue(0 < got["bubble"] < 1)
            self.assertIn("% (the formula does not hold here); one step takes", self.plan("--pipeline", 4, *arguments).stdout)

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
                           check=True, capture_output=True, timeout=LIMIT)
            alpha = "at /collectives/send/alpha_seconds, needed a number from 0"
            for text, says in ((measured.read_text(), f"seen nothing {alpha}"),   # one rank alone sends nothing
                               ("no JSON", "is no JSON"), ("[]", f"seen nothing {alpha}"),
                               ('{"collectives": {"send": {"alpha_seconds": null}}}', f"seen null {alpha}")):
                measured.write_text(text)
                done = self.plan("--comm", measured, "--message-bytes", 250)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(f"comm.json: {says}; write it anew with `mpirun -n 2 isoflop bench comm --json FILE`", done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_draws_a_picture(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "schedule.svg"
            done = self.plan("--pipeline", 2, "--micro-batches", 3, "--draw", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("rank 1 | .  F0 B0 B0 F1 B1 B1 F2 B2 B2 .  .", done.stdout)
            root = xml.etree.ElementTree.parse(path).getroot()
            self.assertEqual(sum(1 for element in root.iter() if element.tag.endswith("title")), 2 * 2 * 3)

    def test_draws_svg_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("schedule.png", "schedule", "-"):
                done = subprocess.run([BINARY, "cluster", "plan", "--draw", name], cwd=folder, capture_output=True, text=True, timeout=LIMIT)
                self.assertEqual(done.returncode, 2, (name, done.stderr))
                self.assertIn(f"saw '{name}', needed a name that ends in .svg", done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertEqual(list(pathlib.Path(folder).iterdir()), [])

    def test_refuses_nonsense(self):
        for arguments in (["--pipeline", 0], ["--schedule", "1f2b"], ["--chunks", 2, "--schedule", "gpipe"], ["--forward", 0],
                          ["--message-bytes", 4], ["--comm", "comm.json"],
                          ["--comm", "comm.json", "--message-bytes", 4, "--message", 1]):
            done = self.plan(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertEqual(len(done.stderr.splitlines()), 1)
        for size in (0, 2**40 + 1):
            done = self.plan("--comm", "comm.json", "--message-bytes", size)
            self.assertEqual(done.returncode, 2, size)
            self.assertIn("--message-bytes", done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1)


RUN = """\
[model]
layers = 2
width = 32
heads = 2
context = 32
[data]
kind = "markov"
symbols = 64
[train]
tokens = 16384
global_batch = 8
micro_batch = 4
"""


class ClusterLayouts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "run.toml").write_text(RUN)
        self.write_bench(ranks=1, computed_gflops=10.0)
        line = {"alpha_seconds": 1e-6, "beta_seconds_per_byte": 1e-10, "points": []}
        (self.folder / "comm.json").write_text(json.dumps(
            {"ranks": 2, "collectives": {"send": line, "all_to_all": line, "all_gather": line}}))

    def write_bench(self, **figures):
        (self.folder / "bench.json").write_text(json.dumps(figures))

    def layouts(self, *arguments, bench="bench.json", comm="comm.json"):
        return subprocess.run([BINARY, "cluster", "layouts", "run.toml", "--bench", bench, "--comm", comm, *map(str, arguments)],
                              cwd=self.folder, capture_output=True, text=True, timeout=LIMIT)

    def test_lists_every_layout_that_can_train(self):
        done = self.layouts("--ranks", 4, "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        got = json.loads(done.stdout)["layouts"]
        places = [(row["data"], row["tensor"], row["pipeline"], row["zero"]) for row in got]
        # Two virtual ranks, two heads, at most four stages; ZeRO 2 and 3 do not combine with tensor-parallel ranks.
        self.assertEqual(sorted(places), [(1, 1, 4, 0), (1, 2, 2, 0), *((2, 1, 2, zero) for zero in range(4)),
                                          (2, 2, 1, 0), (2, 2, 1, 1)])
        times = [row["step_seconds"] for row in got]
        self.assertEqual(times, sorted(times))
        for row in got:
            self.assertAlmostEqual(row["step_seconds"], sum(row[part + "_seconds"] for part in
                                                            ("compute", "tensor", "pipeline", "replicas")))
            self.assertEqual(row["tensor_seconds"] > 0, row["tensor"] > 1)
            self.assertEqual(row["replicas_seconds"] > 0, row["data"] > 1)
        memory = {place: row["memory_bytes"] for place, row in zip(places, got)}
        self.assertLess(memory[2, 1, 2, 3], memory[2, 1, 2, 0])

    def test_a_schedule_is_for_the_layouts_with_a_pipeline(self):
        rows = {}
        for schedule in ("1f1b", "interleaved"):
            done = self.layouts("--ranks", 2, "--json", "-", "--set", f"parallel.schedule={schedule}")
            self.assertEqual(done.returncode, 0, done.stderr)
            rows[schedule] = {(row["tensor"], row["pipeline"], row["zero"]): row for row in json.loads(done.stdout)["layouts"]}
            for row in rows[schedule].values():
                del row["memory_bytes"]  # with this process's own
        self.assertEqual(rows["1f1b"].keys(), rows["interleaved"].keys())
        for layout, row in rows["1f1b"].items():
            self.assertEqual(row == rows["interleaved"][layout], layout[1] == 1, layout)

    def test_one_rank_takes_what_it_was_benched_with_recomputation_too(self):
        recompute = ["--set", "parallel.recompute=full"]
        subprocess.run([BINARY, "bench", "train", "run.toml", "--steps", "1", "--json", "bench.json", *recompute], cwd=self.folder,
                       check=True, capture_output=True, timeout=LIMIT)
        benched = json.loads((self.folder / "bench.json").read_text())
        self.assertGreater(benched["computed_gflops"], 1.1 * benched["gflops"])
        done = self.layouts("--ranks", 1, "--json", "-", *recompute)
        self.assertEqual(done.returncode, 0, done.stderr)
        (row,) = json.loads(done.stdout)["layouts"]
        self.assertAlmostEqual(row["step_seconds"] / benched["step_seconds"], 1.0)

    def test_refuses_what_it_cannot_know(self):
        (self.folder / "old.json").write_text(json.dumps({"gflops": 10.0}))
        (self.folder / "idle.json").write_text(json.dumps({"ranks": 1, "computed_gflops": 0}))
        for arguments, files, says in (
                (["--ranks", 64], {}, "run.toml: no layout of 64 ranks can train it"),
                (["--ranks", 2, "--set", "train.tokns=1"], {}, 'the nearest is "tokens"'),
                (["--ranks", 2, "--set", "model.vocabulary=4096"], {}, "model.vocabulary: seen 4096"),
                (["--ranks", 2, "--set", "schedule.warmup_tokens=16384"], {}, "schedule.warmup_tokens"),
                (["--ranks", 2, "--set", "parallel.tensor=2"], {}, "--set parallel.tensor=2: every value of"),
                (["--ranks", 2, "--set", "parallel={zero=1}"], {}, "--set parallel={zero=1}: every value of"),
                (["--ranks", 2], {"bench": "run.toml"}, "run.toml: is no JSON; write it anew with `isoflop bench train"),
                (["--ranks", 2], {"bench": "old.json"}, "old.json: seen nothing at /ranks, needed a number from 0; write"),
                (["--ranks", 2], {"bench": "idle.json"}, "idle.json: seen 0 at /computed_gflops, needed a rate above 0"),
                (["--ranks", 2], {"comm": "bench.json"}, "bench.json: seen figures of 1 rank(s), needed 2 or more; write it")):
            done = self.layouts(*arguments, **files)
            self.assertEqual(done.returncode, 2, (arguments, done.stderr))
            self.assertIn(says, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
