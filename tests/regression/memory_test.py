"""What `isoflop train` says of a rank's memory before a run is within 2% of the peak that it measures, on 1 to 4 ranks with every
stage of ZeRO and in pipelines: the whole process, the MPI library's own included."""
import os
import re
import subprocess
import sys
import unittest

from command_line import BINARY, CommandLineTest, LIMIT, write_text

BOUND = 0.02
UNORDERED = [(4, {"zero": 0}), (4, {"zero": 1}), (4, {"pipeline": 2, "zero": 1})]  # train.reproducible = false
RUN = """\
[model]
layers = 4
width = 256
heads = 4
context = 64
[data]
corpus = "short"
[train]
tokens = 512
global_batch = 8
micro_batch = 1
precision = "fp32"
"""
LAYOUTS = [(1, {}), *((ranks, {"zero": zero}) for ranks in (2, 3, 4) for zero in range(4)), (2, {"pipeline": 2}),
           (4, {"pipeline": 2, "zero": 1}), (4, {"pipeline": 4})]


class Memory(CommandLineTest):
    def figures(self, name, ranks, keys, *more):
        """MiB predicted and measured, of the rank that has most, and what may come on top."""
        sets = [word for key, value in keys.items() for word in ("--set", f"parallel.{key}={value}")]
        done = subprocess.run(["mpirun", "--oversubscribe", "-n", str(ranks), BINARY, "train", "run.toml", "--out", name, *sets, *more],
                              cwd=self.folder, capture_output=True, text=True, timeout=3 * LIMIT)
        self.assertEqual(done.returncode, 0, done.stderr)
        copies = r"(?:, and up to ([\d.]+) MiB that MPI's reductions copy)?"
        measured, predicted, most = re.search(r"peak memory ([\d.]+) MiB.*\(predicted ([\d.]+) MiB[^,]*?" + copies + r"\)\n", done.stdout).groups()
        said = re.search(r"memory a rank, predicted: at most ([\d.]+) MiB .* activations [\d.]+ MiB" + copies + r"\n", done.stdout)
        self.assertEqual(said and said.groups(), (predicted, most) if ranks > 1 else None)
        return float(predicted), float(measured), float(most or 0)

    def prepare(self):
        write_text(self.folder / "few", documents=10)  # so that evaluations are short
        self.run_here("data", "prepare", "--source", "few=few/*.txt", "--tokenizer", "bytes", "--validation", "0.1", "--out", "short")
        (self.folder / "run.toml").write_text(RUN)

    def test_what_the_reductions_of_mpi_copy_is_said(self):
        self.prepare()
        for number, (ranks, keys) in enumerate(UNORDERED):
            with self.subTest(ranks=ranks, **keys):
                predicted, measured, most = self.figures(f"run-{number}", ranks, keys, "--set", "train.reproducible=false")
                print(f"{ranks} ranks {keys}: {measured} MiB, predicted {predicted} and up to {most}", flush=True)
                self.assertGreater(most, 0)
                self.assertGreaterEqual(measured, (1 - BOUND) * predicted)
                self.assertLessEqual(measured, (1 + BOUND) * (predicted + most))

    def test_predicted_is_measured(self):
        self.prepare()
        for number, (ranks, keys) in enumerate(LAYOUTS):
            with self.subTest(ranks=ranks, **keys):
                predicted, measured, most = self.figures(f"run-{number}", ranks, keys)
                print(f"{ranks} ranks {keys}: {measured} MiB, predicted {predicted}, {100 * (measured / predicted - 1):+.1f}%", flush=True)
                self.assertLessEqual(abs(measured / predicted - 1), BOUND, f"{measured} MiB, predicted {predicted}")
                self.assertEqual(most, 0)


if __name__ == "__main__":
    if "ISOFLOP_TEST_SANITIZED" in os.environ:
        print("skipped: sanitizers take memory beside the program's")
        sys.exit(77)
    unittest.main()
