"""Runs of a sweep that fail: told, kept apart, and trained again only when asked."""
import os
import pathlib
import signal
import struct
import unittest

from command_line import LIMIT
from small_sweep import BRANCHES, LONG, SHORT, SweepTest


class Failures(SweepTest):
    def break_run(self, run):
        """The trainer refuses a directory of another run."""
        self.directory(run).mkdir(parents=True)
        (self.directory(run) / "run_id").write_text("0123456789abcdef\n")

    def test_a_failed_run_is_isolated_and_trained_again_only_when_asked(self):
        self.study(SHORT)
        run = self.runs()["a-D10240-s1"]
        self.break_run(run)
        for _ in range(2):
            done = self.train(code=3)
            self.assertIn("1 of 2 runs finished", done.stdout)
            self.assertIn("holds run 0123456789abcdef", done.stdout)
            self.assertIn(f"{run['run']}/log", done.stdout)
        self.assertEqual(self.log(run).count("holds run"), 1, "it was tried again")
        (self.directory(run) / "run_id").unlink()
        self.train("--retry-failed")

    def test_another_build_may_begin_the_runs_that_wait(self):
        self.study(SHORT)
        self.train()
        run = self.runs()["a-D10240-s1"]
        configuration = self.directory(run) / "run.toml"
        mine = configuration.read_text()
        other = self.folder / "other" / "run.toml"
        other.parent.mkdir()
        other.write_text("# of isoflop 0.0.1 (0123456789ab)\n" + mine.split("\n", 1)[1])
        self.isoflop("train", configuration, "--out", "other")
        self.assertEqual(other.read_text(), mine)

    def test_a_parent_that_ignores_children_does_no_harm(self):
        self.study(SHORT)
        self.break_run(self.runs()["a-D10240-s1"])
        manager = self.start(preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(manager.wait(timeout=LIMIT), 3)
        self.assertEqual(self.states(), {"a-D10240-s1": "failed", "b-D10240-s1": "finished"})

    def test_branches_of_a_failed_trunk_are_reported(self):
        self.study(BRANCHES)
        runs = self.runs()
        self.break_run(runs["a-trunk-s1"])
        done = self.train(code=3)
        self.assertIn("failed: a-D20480-s1: its trunk a-trunk-s1 failed", done.stdout)
        self.assertFalse(self.directory(runs["a-D20480-s1"]).exists())

    def test_a_trainer_that_dies_is_a_failure_that_is_remembered(self):
        self.study(LONG)
        runs = self.runs()
        manager = self.start()
        victim = runs["a-D1.5e6-s1"]
        self.wait_for(self.under_way(victim), "a checkpoint")
        for child in pathlib.Path(f"/proc/{manager.pid}/task/{manager.pid}/children").read_text().split():
            if victim["run"] in pathlib.Path(f"/proc/{child}/cmdline").read_text():
                os.kill(int(child), signal.SIGKILL)
        self.assertEqual(manager.wait(timeout=LIMIT), 3)
        self.assertEqual(self.states(), {"a-D1.5e6-s1": "failed", "b-D1.5e6-s1": "finished"})
        self.assertIn("killed by signal 9", self.train(code=3).stdout)
        self.train("--retry-failed")
        self.assertIn("goes on after step", self.log(victim))

    def test_a_finished_run_that_lost_its_record_is_told_by_all_and_trained_again_once_moved_away(self):
        self.study(SHORT)
        self.train()
        run = self.runs()["a-D10240-s1"]
        folder = self.directory(run)
        before = self.losses({"a": run})["a"]["loss"]
        record = folder / "run.h5"
        content = record.read_bytes()
        loss = struct.pack("<d", before)
        self.assertIn(loss, content)
        harms = {"damaged": (lambda: record.write_bytes(content[:5000]), lambda: record.write_bytes(b""),
                             lambda: record.write_bytes(content.replace(loss, bytes(8)))),
                 "missing": (record.unlink,)}
        for word, ways in harms.items():
            for harm in ways:
                harm()
                advice = f"it finished, but its run.h5 is {word}; move {folder.relative_to(self.folder)} away"
                for more in ((), ("--retry-failed",)):  # neither trains it again
                    self.assertIn("failed: a-D10240-s1: " + advice, self.train(*more, code=3).stdout)
                self.assertIn(f"run a-D10240-s1: {advice}", self.isoflop("sweep", "collect", "sweep", code=2).stderr)
                self.assertIn(advice, self.isoflop("sweep", "status", "sweep").stdout)
                self.assertEqual(self.states(), {"a-D10240-s1": "failed", "b-D10240-s1": "finished"})
        folder.rename(self.folder / "away")
        self.train()
        self.assertEqual(self.losses({"a": run})["a"]["loss"], before)
        self.isoflop("sweep", "collect", "sweep")

    def test_a_diverging_run_is_reported_with_its_step(self):
        self.study(SHORT + "[[size]]\nlabel = 'wild'\nmodel.layers = 1\nmodel.width = 16\n"
                   "optimizer.learning_rate = 1e3\noptimizer.clip_norm = 0.0\noptimizer.weight_decay = 1e3\n")
        done = self.train(code=3)
        self.assertIn("2 of 3 runs finished", done.stdout)
        self.assertIn("failed: wild-D10240-s1", done.stdout)
        self.assertRegex(done.stdout, r"step \d+")


if __name__ == "__main__":
    unittest.main()
