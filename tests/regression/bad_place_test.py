"""Places that may not be read or written, belong to something else or have no room: one line that says so, exit code 2,
nothing lost."""
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import time
import unittest

from command_line import BINARY, CommandLineTest, LIMIT, kill, ranks_of


class BadRights(CommandLineTest):
    """Root may do anything, so root gives up its capabilities first."""

    WITHOUT_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]

    def setUp(self):
        super().setUp()
        self.modes = []
        self.addCleanup(self.give_rights_back)
        self.drop = self.WITHOUT_CAPABILITIES if os.geteuid() == 0 else []
        if subprocess.run([*self.drop, "true"], capture_output=True).returncode != 0:
            self.skipTest("capabilities cannot be given up here")

    def refused_without_rights(self, *arguments, says):
        done = subprocess.run([*self.drop, BINARY, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 2, (arguments, done.stdout, done.stderr))
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for text in says:
            self.assertIn(text, done.stderr)

    def closed(self, name, mode):
        path = self.folder / name
        self.modes.append((path, path.stat().st_mode))
        path.chmod(mode)

    def give_rights_back(self):
        for path, mode in self.modes:
            path.chmod(mode)
        self.modes.clear()

    def test_corpus_that_may_not_be_read(self):
        self.closed("corpus", 0)
        self.refused_without_rights("data", "inspect", "corpus", says=["corpus", "Permission denied"])

    def test_points_that_may_not_be_read(self):
        (self.folder / "points.csv").write_text("params,tokens,loss\n")
        self.closed("points.csv", 0)
        self.refused_without_rights("fit", "points.csv", "--law", "chinchilla", says=["points.csv", "Permission denied"])

    def test_folder_below_a_source(self):
        (self.folder / "text/below").mkdir()
        self.closed("text/below", 0)
        self.refused_without_rights("data", "prepare", "--source", "a=text", "--tokenizer", "bytes", "--out", "new",
                               says=["text/below: Permission denied; leave it out"])

    def test_run_directory_that_may_not_be_written(self):
        (self.folder / "out").mkdir()
        self.closed("out", 0o555)
        for out in ("out", "out/below"):
            self.refused_without_rights("train", "run.toml", "--out", out, says=["out", "Permission denied"])

    SAVING = ["train", "run.toml", "--out", "out", "--set", "checkpoint.every_tokens=2048", "--set", "train.tokens=262144"]

    def checkpoints(self):
        return sorted((self.folder / "out/checkpoint").glob("*/complete"))

    def start_saving(self):
        """A run that has a checkpoint."""
        job = subprocess.Popen([*self.drop, BINARY, *self.SAVING], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(job.wait)
        self.addCleanup(job.kill)  # before that
        deadline = time.monotonic() + LIMIT
        while not self.checkpoints():
            self.assertIsNone(job.poll(), "the run ended before it saved")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.002)
        return job

    def stop(self, job):
        job.terminate()
        job.communicate(timeout=LIMIT)
        self.assertEqual(job.returncode, 75)
        return self.checkpoints()

    def goes_on_from(self, checkpoints):
        """The last checkpoint is intact, and where the same command goes on."""
        self.assertEqual(self.checkpoints(), checkpoints)
        newest = max((mark.parent for mark in checkpoints), key=lambda path: int(path.name[5:]))
        verified = self.run_here("checkpoint", "verify", newest)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        done = self.run_here(*self.SAVING)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"goes on after step {newest.name[5:]}\n", done.stdout)

    def test_a_run_that_goes_on_without_rights_keeps_its_checkpoint(self):
        checkpoints = self.stop(self.start_saving())
        for path in [self.folder / "out", *(self.folder / "out").rglob("*")]:
            self.closed(path.relative_to(self.folder), path.stat().st_mode & 0o555)
        self.refused_without_rights(*self.SAVING, says=["out: the run directory cannot be written", "Permission denied"])
        self.give_rights_back()
        self.goes_on_from(checkpoints)

    def test_rights_that_go_while_it_trains_leave_the_checkpoint_before(self):
        job = self.start_saving()
        self.closed("out/checkpoint", 0o555)
        _, errors = job.communicate(timeout=LIMIT)
        self.assertEqual(job.returncode, 2, errors)
        self.assertRegex(errors, r"\Aisoflop: out/checkpoint/step-\d+\S*: .*Permission denied.*\n\Z")
        checkpoints = self.checkpoints()
        self.give_rights_back()
        self.goes_on_from(checkpoints)

    def test_a_read_only_file_system_leaves_the_checkpoint_intact(self):
        checkpoints = self.stop(self.start_saving())
        read_only = ["unshare", "-rm", "sh", "-c", 'mount --bind out out && mount -o remount,bind,ro out && exec "$@"', "sh"]
        if subprocess.run([*read_only, "true"], cwd=self.folder, capture_output=True).returncode != 0:
            self.skipTest("file systems cannot be mounted here")
        done = subprocess.run([*read_only, BINARY, *self.SAVING], cwd=self.folder, capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 2, (done.stdout, done.stderr))
        self.assertRegex(done.stderr, r"\Aisoflop: out: .*Read-only file system.*\n\Z")
        self.goes_on_from(checkpoints)

    def test_name_too_long(self):
        self.refused("train", "run.toml", "--out", "x" * 300, says=["File name too long"])


class BadRunDirectory(CommandLineTest):
    def test_a_folder_of_other_files(self):
        for folder in ("text", "corpus"):
            self.refused("train", "run.toml", "--out", folder, says=[f"{folder}: holds", "and no run; choose another --out"])

    def test_an_own_name_that_another_thing_has(self):
        (self.folder / "out/lock").mkdir(parents=True)
        self.refused("train", "run.toml", "--out", "out", says=["out/lock: open: Is a directory", "name another place"])
        (self.folder / "out/lock").rmdir()
        (self.folder / "out/log").mkdir()
        done = self.run_here("train", "run.toml", "--out", "out")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("out/log", done.stderr)

    def test_trained_by_another_process(self):
        (self.folder / "out").mkdir()
        with open(self.folder / "out/lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refused("train", "run.toml", "--out", "out", says=["out/lock", "another process"], code=4)

    def test_holds_another_run(self):
        self.assertEqual(self.run_here("train", "run.toml", "--out", "out").returncode, 0)
        self.refused("train", "run.toml", "--out", "out", "--set", "train.seed=2", says=["out", "holds run"])

    def test_checkpoint_of_another_model(self):
        done = self.run_here("train", "run.toml", "--out", "out")
        self.assertEqual(done.returncode, 0, done.stderr)
        checkpoint = next((self.folder / "out/checkpoint").glob("step-*"))
        for value in ("model.width=64", "train.seed=2"):
            self.refused("train", "run.toml", "--out", "new", "--from", checkpoint, "--set", value, says=[str(checkpoint), "trunk"])
        self.refused("train", "run.toml", "--out", "new", "--from", "nowhere", says=["nowhere"])
        self.assertFalse((self.folder / "new").exists())

    def test_a_run_refused_while_it_loads_leaves_the_directory_free(self):
        wsd = ["--set", "schedule.name=wsd", "--set", "checkpoint.at_tokens=[8192]"]
        self.assertEqual(self.run_here("train", "run.toml", "--out", "trunk", *wsd).returncode, 0)
        checkpoint = self.folder / "trunk/checkpoint/step-32"
        state = bytearray((checkpoint / "state.h5").read_bytes())
        middle = len(state) // 2  # values
        state[middle:middle + 1000] = bytes(byte ^ 1 for byte in state[middle:middle + 1000])
        (checkpoint / "state.h5").write_bytes(state)
        branch = ["train", "run.toml", "--out", "new", *wsd, "--set", "train.tokens=32768"]
        done = self.run_here(*branch, "--from", checkpoint)
        self.assertEqual(done.returncode, 2, (done.stdout, done.stderr))
        self.assertIn("checksum", done.stderr)
        done = self.run_here(*branch, "--set", "train.seed=2")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_old_checkpoint_that_cannot_be_removed_is_a_warning(self):
        kept = self.folder / "out/checkpoint/step-half.partial/complete/file"
        kept.parent.mkdir(parents=True)
        kept.touch()
        done = self.run_here("train", "run.toml", "--out", "out")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("warning: an old checkpoint cannot be removed", done.stdout)
        self.assertIn("step-half.partial", done.stdout)

    def test_disk_full_while_saving_leaves_the_checkpoint_before_valid(self):
        largest = 1_500_000  # bytes: more than run.h5, less than state.h5
        start = ["train", "run.toml", "--out", "out", "--set", "checkpoint.every_tokens=2048", "--set", "model.width=128",
                 "--set", "train.tokens=131072"]
        checkpoints = lambda: sorted((self.folder / "out/checkpoint").glob("*/complete"))  # noqa: E731

        def smaller_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

        first = subprocess.Popen([BINARY, *start], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while first.poll() is None and not checkpoints():
            time.sleep(0.002)
        first.terminate()
        self.assertEqual(first.wait(timeout=LIMIT), 75)
        before = checkpoints()
        self.assertGreater((before[-1].parent / "state.h5").stat().st_size, largest)
        done = self.run_here(*start, preexec_fn=smaller_files)
        self.assertEqual(done.returncode, 2, (done.stdout, done.stderr))
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("checkpoint", done.stderr)
        self.assertIn("goes on after step", done.stdout)
        self.assertEqual(checkpoints(), before)
        verified = self.run_here("checkpoint", "verify", before[-1].parent)
        self.assertEqual(verified.returncode, 0, verified.stderr)
        done = self.run_here(*start)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_disk_full_on_one_of_several_ranks_ends_all_and_leaves_the_checkpoint_before(self):
        """More than the shared memory of Open MPI, less than state.h5; the root makes that file as long as it will be."""
        limited = ["bash", "-c", "trap '' XFSZ; ulimit -f 16384; exec \"$@\"", "bash"]
        start = [BINARY, "train", "run.toml", "--out", "out", "--set", "checkpoint.every_tokens=256", "--set", "model.width=512",
                 "--set", "model.heads=8", "--set", "train.tokens=4096", "--set", "parallel.zero=3"]
        checkpoints = lambda: sorted((self.folder / "out/checkpoint").glob("*/complete"))  # noqa: E731
        first = subprocess.Popen(["mpirun", "--oversubscribe", "-n", "2", *start], cwd=self.folder, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        self.addCleanup(first.wait)
        self.addCleanup(kill, first)  # before that
        deadline = time.monotonic() + LIMIT
        while not checkpoints():
            self.assertIsNone(first.poll(), "the run ended before it saved")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        os.kill(ranks_of(first)[0], signal.SIGTERM)
        self.assertEqual(first.wait(timeout=LIMIT), 75)
        before = checkpoints()
        self.assertGreater((before[-1].parent / "state.h5").stat().st_size, 16384 * 1024)
        done = subprocess.run(["mpirun", "--oversubscribe", "-n", "1", *start, ":", "-n", "1", *limited, *start], cwd=self.folder,
                              capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 2, (done.stdout, done.stderr))
        self.assertRegex(done.stderr, r"isoflop: out/checkpoint/step-\d+\S*state.h5: .*File too large")
        self.assertIn("goes on after step", done.stdout)
        self.assertEqual(checkpoints(), before)
        verified = self.run_here("checkpoint", "verify", before[-1].parent)
        self.assertEqual(verified.returncode, 0, verified.stderr)
        self.assertFalse(list((self.folder / "out/checkpoint").glob("*.partial")))


if __name__ == "__main__":
    unittest.main()
