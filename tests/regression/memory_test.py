"""What `isoflop train` says of a rank's memory before a run is within 2% of the peak that it measures, on 1 to 4 ranks with every
stage of ZeRO and in pipelines: the whole process, the MPI library's own included."""
import os
import re
import subprocess
import sys
import unittest

from command_line import BINARY, CommandLineTest, LIMIT, write_text

BOUND = 0.02
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
    def figures(self, name, ranks, keys):
        """MiB predicted and measured, of the rank that has most."""
        sets = [word for key, value in keys.items() for word in ("--set", f"parallel.{key}={value}")]
        done = subprocess.run(["mpirun", "--oversubscribe", "-n", str(ranks), BINARY, "train", "run.toml", "--out", name, *sets],
                              cwd=self.folder, capture_output=True, text=True, timeout=3 * LIMIT)
        self.assertEqual(done.returncode, 0, done.stderr)
        measured, predicted = re.search(r"peak memory ([\d.]+) MiB.*\(predicted ([\d.]+) MiB", done.stdout).groups()
        return float(predicted), float(measured)

    def test_predicted_is_measured(self):
        write_text(self.folder / "few", documents=10)  # so that evaluations are short
        self.run_here("data", "prepare", "--source", "few=few/*.txt", "--tokenizer", "bytes", "--validation", "0.1", "--out", "short")
        (self.folder / "run.toml").write_text(RUN)
        for number, (ranks, keys) in enumerate(LAYOUTS):
            with self.subTest(ranks=ranks, **keys):
                predicted, measured = self.figures(f"run-{number}", ranks, keys)
                print(f"{ranks} ranks {keys}: {measured} MiB, predicted {predicted}, {100 * (measured / predicted - 1):+.1f}%", flush=True)
                self.assertLessEqual(abs(measured / predicted - 1), BOUND, f"{measured} MiB, predicted {predicted}")


if __name__ == "__main__":
    if "ISOFLOP_TEST_SANITIZED" in os.environ:
        print("skipped: sanitizers take memory beside the program's")
        sys.exit(77)
    unittest.main()
