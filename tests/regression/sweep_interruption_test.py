"""A sweep under kill -9 and signals at any moment, and beside other processes."""
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

from command_line import BINARY, LIMIT
from small_sweep import LONG, SHORT, SweepTest


class Interruptions(SweepTest):
    def is_locked(self, run):
        with open(self.directory(run) / "lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                return True

    def finish_and_compare(self, runs):
        self.train()
        for run in runs.values():
            self.assertIn("goes on after step", self.log(run))
        losses = self.losses(runs)
        self.train(out="undisturbed")
        self.assertEqual(losses, self.losses(runs, "undisturbed"))

    def test_a_killed_manager_is_continued_with_the_same_bits(self):
        self.study(LONG)
        runs, manager = self.start_and_wait()
        manager.kill()
        manager.wait()
        for run in runs.values():
            self.wait_for(lambda: not self.is_locked(run), "the end of the children")
        self.assertEqual(set(self.states().values()), {"stopped"})
        self.finish_and_compare(runs)

    def test_the_next_manager_waits_for_children_that_still_save(self):
        self.study(LONG)
        runs, manager = self.start_and_wait()
        manager.kill()
        manager.wait()
        self.finish_and_compare(runs)

    def test_a_signal_stops_all_runs_and_is_reported(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            with self.subTest(number):
                shutil.rmtree(self.sweep, ignore_errors=True)
                self.study(LONG)
                runs = self.runs()
                manager = self.start()
                for run in runs.values():
                    self.wait_for(self.under_way(run), "a checkpoint")
                manager.send_signal(number)
                self.assertEqual(manager.wait(timeout=LIMIT), 75)
                for run in runs.values():
                    self.assertIn("stopped by signal", self.log(run))
                self.assertEqual(set(self.states().values()), {"stopped"})

    def test_a_signal_while_the_speed_is_measured_leaves_no_files(self):
        self.study(SHORT)
        study = self.folder / "study.toml"
        study.write_text(study.read_text().replace("model.width = 16", "model.width = 1024"))  # takes seconds
        temporary = self.folder / "tmp"
        temporary.mkdir()
        for command, number in (("plan", signal.SIGINT), ("run", signal.SIGTERM)):
            with self.subTest(command):
                process = subprocess.Popen([BINARY, "sweep", command, "study.toml", "--out", "sweep"], cwd=self.folder,
                                           env={**os.environ, "TMPDIR": str(temporary)}, stderr=subprocess.PIPE, text=True)
                self.wait_for(lambda: any(temporary.glob("isoflop-*/log")), "the measurement")
                process.send_signal(number)
                said = process.communicate(timeout=LIMIT)[1]
                self.assertEqual(process.returncode, 75, said)
                self.assertIn("stopped by a signal while the speed was measured", said)
                self.assertEqual(list(temporary.glob("isoflop-*")), [])

    def measure(self):
        """A plan that measures the speed for seconds, with files in a folder of this test; and that folder."""
        self.study(SHORT.replace("[[grid]]", "[[grid]]\nsizes = ['a']"))
        study = self.folder / "study.toml"
        study.write_text(study.read_text().replace("model.width = 16", "model.width = 1024"))
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        process = subprocess.Popen([BINARY, "sweep", "plan", "study.toml", "--out", "sweep"], cwd=self.folder,
                                   env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)  # before that
        self.wait_for(lambda: any(temporary.glob(f"isoflop-*{process.pid}*/log")), "the measurement")
        return process, temporary

    def test_a_second_signal_waits_for_no_measurement(self):
        process, temporary = self.measure()
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        self.wait_for(lambda: children.read_text().split(), "the child")
        [child] = children.read_text().split()
        os.kill(int(child), signal.SIGSTOP)  # it does not obey any more
        process.send_signal(signal.SIGINT)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=LIMIT), 75)
        self.assertEqual(list(temporary.iterdir()), [])

    def test_what_a_killed_measurement_left_is_removed_by_the_next(self):
        process, temporary = self.measure()
        process.kill()
        process.wait()
        left = set(temporary.iterdir())
        self.assertEqual(len(left), 1)
        process, _ = self.measure()
        self.assertTrue(left.isdisjoint(temporary.iterdir()))

    def test_a_directory_that_is_moved_ends_the_sweep_and_is_not_made_again(self):
        self.study(LONG)
        runs = self.runs()
        manager = self.start(stderr=subprocess.PIPE, text=True)
        for run in runs.values():
            self.wait_for(self.under_way(run), "a checkpoint")
        self.sweep.rename(self.folder / "moved")
        said = manager.communicate(timeout=LIMIT)[1]
        self.assertEqual(manager.returncode, 1, said)
        self.assertRegex(said, r"\Aisoflop: sweep: was moved or removed while its runs were trained \(sweep/lock is gone\)"
                         r".* goes on with the directory where it is now\n\Z")
        self.assertFalse(self.sweep.exists())
        (self.folder / "moved").rename(self.sweep)
        for run in runs.values():
            self.assertFalse((self.directory(run) / "failed").exists())
        self.finish_and_compare(runs)

    def test_a_second_manager_is_refused(self):
        self.study(LONG)
        runs = self.runs()
        manager = self.start()
        self.wait_for(self.under_way(runs["a-D1.5e6-s1"]), "a checkpoint")
        (self.sweep / "calibration.json").unlink()
        refused = self.train(code=4).stderr
        self.assertIn("locked by another process", refused)
        self.assertNotIn("measuring", refused)  # beside the first one's runs
        manager.send_signal(signal.SIGINT)
        manager.wait(timeout=LIMIT)

    def test_a_run_that_another_process_trains_is_left_to_it(self):
        self.study(SHORT)
        run = self.runs()["a-D10240-s1"]
        self.directory(run).mkdir(parents=True)
        with open(self.directory(run) / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            manager = self.start()
            other = self.runs()["b-D10240-s1"]
            self.wait_for((self.directory(other) / "finished").exists, "the other run")
            self.assertIsNone(manager.poll())
        self.assertEqual(manager.wait(timeout=LIMIT), 0)
        self.assertEqual(set(self.states().values()), {"finished"})


if __name__ == "__main__":
    unittest.main()
