"""A sweep of two tiny models on this machine, and a test case that plans, trains and inspects it."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

from command_line import BINARY, LIMIT

BASE = """\
[study]
name = "small"
[base.model]
context = 32
[base.data]
kind = "markov"
symbols = 16
[base.train]
global_batch = 16
micro_batch = 8
precision = "fp32"
[base.optimizer]
learning_rate = 0.01
[base.schedule]
name = "wsd"
warmup_tokens = 2048
decay_fraction = 0.25
[base.checkpoint]
every_tokens = 51_200
[[size]]
label = "a"
model.layers = 1
model.width = 16
[[size]]
label = "b"
model.layers = 1
model.width = 32
"""
BRANCHES = "[[grid]]\nsizes = ['a']\ntokens = [20_480, 40_960]\nbranch = true\n"
LONG = "[[grid]]\ntokens = [1_500_000]\n"  # seconds
SHORT = "[[grid]]\ntokens = [10_240]\n"


class SweepTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="isoflop-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.sweep = self.folder / "sweep"

    def isoflop(self, *arguments, code=0, before=(), **options):
        done = subprocess.run([*before, BINARY, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True, timeout=LIMIT,
                              **options)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def unprivileged(self, *arguments, **options):
        """As somebody to whom rights of files mean something, which they do not to root."""
        without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
        if subprocess.run([*without, "true"], capture_output=True).returncode != 0:
            self.skipTest("capabilities cannot be given up here")
        return self.isoflop(*arguments, before=without, **options)

    def study(self, grids):
        (self.folder / "study.toml").write_text(BASE + grids)

    def train(self, *more, code=0, out="sweep"):
        return self.isoflop("sweep", "run", "study.toml", "--out", out, "--jobs", 2, *more, code=code)

    def start(self, **options):
        """A manager at work."""
        return subprocess.Popen([BINARY, "sweep", "run", "study.toml", "--out", "sweep", "--jobs", "2"], cwd=self.folder,
                                **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options})

    def runs(self, out="sweep"):
        """Planned runs by label."""
        plan = json.loads(self.isoflop("sweep", "plan", "study.toml", "--out", out, "--json", "-").stdout)
        return {run["label"]: run for run in plan["runs"]}

    def start_and_wait(self):
        """The planned runs by label, and a manager at work on them once each has a checkpoint."""
        runs = self.runs()
        manager = self.start()
        for run in runs.values():
            self.wait_for(self.under_way(run), "a checkpoint")
        return runs, manager

    def directory(self, run, out="sweep"):
        return self.folder / out / "runs" / run["run"]

    def log(self, run, out="sweep"):
        return (self.directory(run, out) / "log").read_text()

    def states(self):
        status = json.loads(self.isoflop("sweep", "status", "study.toml", "--out", "sweep", "--json", "-").stdout)
        return {run["label"]: run["state"] for run in status["runs"]}

    def wait_for(self, condition, what):
        deadline = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"never came: {what}")
            time.sleep(0.005)

    def under_way(self, run):
        return lambda: any((self.directory(run) / "checkpoint").glob("step-*/complete"))

    def losses(self, runs, out="sweep"):
        return {label: json.loads((self.directory(run, out) / "finished").read_text()) for label, run in runs.items()}
