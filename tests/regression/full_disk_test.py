"""A disk that fills up under a run, so that its log, its record and its checkpoint fail together. Needs the right to mount a small
one in a namespace of its own; skipped (exit code 77) where the system gives it to nobody."""
import os
import subprocess
import sys
import tempfile
import time
import unittest

from command_line import BINARY, CommandLineTest, LIMIT

INSIDE = "ISOFLOP_TEST_HAS_ITS_OWN_MOUNTS"
# Between two checkpoints the log grows by more than the rest of its last page, which a full disk still has.
TRAIN = ["train", "run.toml", "--out", "disk/out", "--set", "train.tokens=25600000", "--set", "evaluate.every_tokens=256",
         "--set", "checkpoint.every_tokens=25600"]


class FullDisk(CommandLineTest):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", self.disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=True)

    def start(self):
        run = subprocess.Popen([BINARY, *TRAIN], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)  # before that
        return run

    def checkpoints(self):
        return sorted((self.disk / "out/checkpoint").glob("*/complete"))

    def wait_for(self, condition):
        deadline = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)

    def fill(self):
        """Takes what there is, also what a removed checkpoint gives back."""
        with open(self.disk / "fill", "ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def test_one_line_says_why_the_run_ended_and_it_goes_on_once_there_is_room(self):
        run = self.start()
        self.wait_for(lambda: self.checkpoints() or run.poll() is not None)

        def has_ended():
            self.fill()
            return run.poll() is not None

        self.wait_for(has_ended)
        said, error = run.communicate(timeout=LIMIT)
        self.assertEqual(run.returncode, 2, (said, error))
        self.assertEqual(error.count("\n"), 1, error)
        self.assertIn("No space left on device", error)
        full = (self.disk / "out/log").stat().st_size % os.sysconf("SC_PAGE_SIZE") == 0  # else a checkpoint may have failed before the log
        self.assertIn(said.count("warning: lines are lost"), [1] if full else [0, 1], said)
        kept = self.checkpoints()
        self.assertTrue(kept)
        for mark in kept:
            verified = self.run_here("checkpoint", "verify", mark.parent)
            self.assertEqual(verified.returncode, 0, verified.stderr)

        (self.disk / "fill").unlink()
        log = self.disk / "out/log"
        again = self.start()
        self.wait_for(lambda: "goes on after step" in log.read_text() or again.poll() is not None)
        again.terminate()
        said, error = again.communicate(timeout=LIMIT)
        self.assertEqual(again.returncode, 75, (said, error))


if __name__ == "__main__":
    if INSIDE not in os.environ:
        mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=4m", "none", tempfile.gettempdir()]
        if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
            print("skipped: this system lets nobody mount a disk in a namespace (unshare -rm)")
            sys.exit(77)
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])
    unittest.main()
