"""A run that diverges: exit code 3, a `failed` mark that names step and tensor, and a record that says so."""
import json
import shutil
import subprocess
import unittest

import h5py
from command_line import BINARY, CommandLineTest, LIMIT

WILD = ["--set", "optimizer.learning_rate=1e3", "--set", "optimizer.weight_decay=1e3", "--set", "optimizer.clip_norm=0.0",
        "--set", "schedule.warmup_tokens=0"]
ONE_STEP = ["--set", "train.tokens=256"]


class Divergence(CommandLineTest):
    def diverges(self, *arguments, step):
        done = self.run_here("train", "run.toml", "--out", "out", *WILD, *arguments)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return self.failed(done, step)

    def failed(self, done, step):
        self.assertEqual(done.returncode, 3, (done.stdout, done.stderr))
        mark = json.loads((self.folder / "out/failed").read_text())
        self.assertEqual(mark["step"], step, mark)
        self.assertIn(mark["reason"], done.stderr)
        self.assertNotIn("-nan", mark["reason"], "the sign of what is no number is that of a layout")
        self.assertFalse((self.folder / "out/finished").exists())
        with h5py.File(self.folder / "out/run.h5") as file:
            self.assertEqual(file["summary/status"][0].decode(), "failed")
            self.assertEqual(list(file["events/kind"].asstr())[-1], "failed")
            self.assertEqual(list(file["events/step"])[-1], step)
            self.assertEqual(len(file["train/step"]), 1)
        return mark["reason"]

    def test_a_step_that_is_not_finite_names_step_and_tensor(self):
        reason = self.diverges(step=2)
        self.assertRegex(reason, r"step 2\b.*first non-finite tensor: \S+")

    def test_what_is_computed_again_is_named_too(self):
        named = {}
        for again in ("none", "attention", "full"):
            reason = self.diverges("--set", "model.layers=3", "--set", f"parallel.recompute={again}", step=2)
            named[again] = reason.split("first non-finite tensor: ")[1].split(";")[0]
            shutil.rmtree(self.folder / "out")
        self.assertRegex(named["none"], r"^output of blocks\.0\.attention")
        self.assertEqual(len(set(named.values())), 1, named)

    def test_an_evaluation_that_is_not_finite_names_the_step_and_the_tensor(self):
        reason = self.diverges(*ONE_STEP, step=1)
        self.assertRegex(reason, r"step 1: validation loss .*first non-finite tensor: (weight|output of) \S+")
        self.assertTrue((self.folder / "out/checkpoint/step-1/complete").exists(), "the state is saved before the last evaluation")

    def test_every_rank_ends_with_the_code_and_the_root_leaves_the_mark(self):
        for layout in ("parallel.zero=0", "parallel.zero=3", "parallel.pipeline=2"):
            done = subprocess.run(["mpirun", "--oversubscribe", "-n", "2", BINARY, "train", "run.toml", "--out", "out", *WILD, "--set", layout,
                                   "--set", "parallel.virtual_ranks=2", "--set", "checkpoint.every_tokens=256"],
                                  cwd=self.folder, capture_output=True, text=True, timeout=LIMIT)
            self.assertRegex(self.failed(done, step=2), r"step 2\b.*first non-finite tensor: \S+")
            shutil.rmtree(self.folder / "out")

    def test_the_mark_goes_when_training_begins_again(self):
        self.diverges(*ONE_STEP, step=1)
        done = self.run_here("train", "run.toml", "--out", "out", *WILD, *ONE_STEP, "--set", "parallel.data=2")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertTrue((self.folder / "out/failed").exists(), "a refused attempt changes nothing")
        (self.folder / "out/run.h5").unlink()
        (self.folder / "out/run.h5").mkdir()  # the record cannot be made, which ends the attempt right after it began
        done = self.run_here("train", "run.toml", "--out", "out", *WILD, *ONE_STEP)
        self.assertIn(done.returncode, (1, 2), done.stderr)
        self.assertFalse((self.folder / "out/failed").exists())


if __name__ == "__main__":
    unittest.main()
