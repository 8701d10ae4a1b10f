"""Runs of a sweep that fail: told, kept apart, and trained again only when asked."""
import os
import pathlib
import shutil
import signal
import struct
import unittest

from command_line import LIMIT
from small_sweep import BRANCHES, LONG, SHORT, SweepTest


class Failures(SweepTest):
    def break_run(self, run):
        """The trainer refuses a record that is none."""
        self.directory(run).mkdir(parents=True)
        (self.directory(run) / "run.h5").write_bytes(b"")

    def test_a_failed_run_is_isolated_and_trained_again_only_when_asked(self):
        self.study(SHORT)
        run = self.runs()["a-D10240-s1"]
        self.break_run(run)
        for _ in range(2):
            done = self.train(code=3)
            self.assertIn("1 of 2 runs finished", done.stdout)
            self.assertIn("it is no run record", done.stdout)
            self.assertIn(f"{run['run']}/log", done.stdout)
        self.assertEqual(self.log(run).count("it is no run record"), 1, "it was tried again")
        (self.directory(run) / "run.h5").unlink()
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

    def assert_all_refuse(self, label, run, seen):
        """Every command must say what was seen in the run's directory, and take nothing from it."""
        folder = self.directory(run)
        advice = f"{seen}; move {folder.relative_to(self.folder)} away and isoflop sweep run trains it again"
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for more in ((), ("--retry-failed",)):
            self.assertIn(f"failed: {label}: {advice}", self.train(*more, code=3).stdout)
        self.assertIn(f"run {label}: {advice}", self.isoflop("sweep", "collect", "sweep", code=2).stderr)
        self.assertRegex(self.isoflop("sweep", "status", "sweep").stdout, f"{label} +fit +{run['run']} +failed +{advice}\n")
        self.assertEqual({path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}, before, "another run's files")

    def test_a_directory_that_holds_another_run_counts_for_none(self):
        self.study(SHORT)
        self.train()
        runs = self.runs()
        mine, other = (self.directory(runs[label]) for label in ("a-D10240-s1", "b-D10240-s1"))
        mine.rename(self.folder / "mine")
        shutil.copytree(other, mine)
        foreign = f"its directory holds run {other.name}, needed run {mine.name}"
        self.assert_all_refuse("a-D10240-s1", runs["a-D10240-s1"], foreign)
        (mine / "run_id").unlink()  # then the record says whose it is
        self.assert_all_refuse("a-D10240-s1", runs["a-D10240-s1"], f"it finished, but its run.h5 is of run {other.name}")
        for name in ("run_id", "run.toml"):
            shutil.copy(self.folder / "mine" / name, mine)
        self.assertIn(f"run.h5: is of run {other.name}, though the run is finished",
                      self.isoflop("train", mine / "run.toml", "--out", mine, code=2).stderr)
        shutil.copy(other / "run_id", mine)
        (mine / "finished").unlink()  # it would go on as the other
        self.assert_all_refuse("a-D10240-s1", runs["a-D10240-s1"], foreign)
        shutil.rmtree(mine)
        (self.folder / "mine").rename(mine)
        self.train()

    def test_a_branch_takes_no_checkpoint_of_another_run(self):
        self.study(BRANCHES + "[[grid]]\nsizes = ['b']\ntokens = [10_240]\n")
        runs = self.runs()
        self.train()
        trunk, other = (self.directory(runs[label]) for label in ("a-trunk-s1", "b-D10240-s1"))
        shutil.rmtree(self.directory(runs["a-D20480-s1"]))
        (trunk / "run_id").write_text(other.name + "\n")
        self.assertIn("failed: a-D20480-s1: its trunk a-trunk-s1 failed", self.train(code=3).stdout)
        self.assertFalse(self.directory(runs["a-D20480-s1"]).exists())

    def test_a_branch_takes_the_checkpoint_of_a_trunk_that_lost_its_record(self):
        self.study(BRANCHES)
        runs = self.runs()
        self.train()
        (self.directory(runs["a-trunk-s1"]) / "run.h5").unlink()
        shutil.rmtree(self.directory(runs["a-D20480-s1"]))
        self.assertIn("finished a-D20480-s1", self.train(code=3).stdout)

    def test_a_record_of_another_run_is_not_collected(self):
        self.study(SHORT)
        self.train()
        runs = self.runs()
        mine, other = (self.directory(runs[label]) for label in ("a-D10240-s1", "b-D10240-s1"))
        (mine / "finished").unlink()
        shutil.copy(other / "run.h5", mine)
        self.assertIn(f"run a-D10240-s1: its record is of run {other.name}, needed {mine.name}; move ",
                      self.isoflop("sweep", "collect", "sweep", code=2).stderr)

    def test_a_run_whose_directory_cannot_be_read_is_a_failed_one(self):
        self.study(SHORT)
        self.train()
        run = self.runs()["a-D10240-s1"]
        folder = self.directory(run)
        folder.rename(self.folder / "mine")
        harms = {f"runs/{folder.name}/run_id": lambda: (folder.mkdir(), (folder / "run_id").touch(0)),  # may not be read
                 f"runs/{folder.name}": lambda: folder.touch()}  # is no directory
        for name, harm in harms.items():
            harm()
            for more in ((), ("--retry-failed",)):
                said = self.unprivileged("sweep", "run", "study.toml", "--out", "sweep", *more, code=3)
                self.assertRegex(said.stdout, f"failed: a-D10240-s1: sweep/{name}.*: (Permission denied|Not a directory); ")
                self.assertIn("1 of 2 runs finished", said.stdout)
            self.assertRegex(self.unprivileged("sweep", "status", "sweep").stdout, f"a-D10240-s1 .* failed .*sweep/{name}")
            self.assertRegex(self.unprivileged("sweep", "collect", "sweep", code=2).stderr, f"run a-D10240-s1: sweep/{name}")
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
        (self.folder / "mine").rename(folder)
        self.train()

    def test_a_run_whose_directory_cannot_be_written_keeps_no_other_from_starting(self):
        self.study(SHORT)
        folder = self.directory(self.runs()["a-D10240-s1"])
        folder.mkdir(parents=True)
        folder.chmod(0o555)
        said = self.unprivileged("sweep", "run", "study.toml", "--out", "sweep", "--jobs", "1", code=3).stdout
        self.assertRegex(said, f"failed: a-D10240-s1: sweep/runs/{folder.name}/run.toml.*: open: Permission denied; ")
        self.assertIn("1 of 2 runs finished", said)
        folder.chmod(0o755)
        for name in ("failed", "lock"):
            (folder / name).touch()
        folder.chmod(0o555)
        said = self.unprivileged("sweep", "run", "study.toml", "--out", "sweep", "--retry-failed", code=3).stdout
        self.assertRegex(said, f"failed: a-D10240-s1: sweep/runs/{folder.name}/failed: remove: Permission denied; ")
        folder.chmod(0o755)
        (folder / "failed").unlink()
        self.train()  # nothing says that it failed once

    def test_a_branch_whose_checkpoints_may_not_be_read_keeps_no_other_from_starting(self):
        self.study(BRANCHES)
        checkpoints = self.directory(self.runs()["a-D20480-s1"]) / "checkpoint"
        checkpoints.mkdir(parents=True)
        checkpoints.chmod(0)
        said = self.unprivileged("sweep", "run", "study.toml", "--out", "sweep", code=3).stdout
        self.assertRegex(said, "failed: a-D20480-s1: .*checkpoint.*Permission denied")
        self.assertIn("1 of 2 runs finished", said)
        checkpoints.chmod(0o755)
        self.train("--retry-failed")

    def test_a_branch_of_a_trunk_that_may_not_be_read_does_not_begin_at_nothing(self):
        self.study(BRANCHES)
        self.train()
        runs = self.runs()
        shutil.rmtree(self.directory(runs["a-D20480-s1"]))
        checkpoints = self.directory(runs["a-trunk-s1"]) / "checkpoint"
        checkpoints.chmod(0)
        said = self.unprivileged("sweep", "run", "study.toml", "--out", "sweep", code=3).stdout
        self.assertRegex(said, "failed: a-D20480-s1: .*checkpoint.*Permission denied")
        checkpoints.chmod(0o755)
        self.assertIn("finished a-D20480-s1", self.train().stdout)

    def test_a_deadline_that_is_none_is_refused_before_any_run(self):
        self.study(SHORT)
        for command in ("plan", "run"):
            done = self.isoflop("sweep", command, "study.toml", "--out", "sweep", code=2, env={**os.environ, "ISOFLOP_DEADLINE": "soon"})
            self.assertIn('ISOFLOP_DEADLINE: seen "soon"', done.stderr)
            self.assertFalse(self.sweep.exists())

    def test_a_diverging_run_is_reported_with_its_step(self):
        self.study(SHORT + "[[size]]\nlabel = 'wild'\nmodel.layers = 1\nmodel.width = 16\n"
                   "optimizer.learning_rate = 1e3\noptimizer.clip_norm = 0.0\noptimizer.weight_decay = 1e3\n")
        done = self.train(code=3)
        self.assertIn("2 of 3 runs finished", done.stdout)
        self.assertIn("failed: wild-D10240-s1", done.stdout)
        self.assertRegex(done.stdout, r"step \d+")


if __name__ == "__main__":
    unittest.main()
