"""kill -9 of a random rank at a random moment of training, evaluating and saving, again and again: every time the whole job ends,
says which rank was lost, keeps every flushed row, and what the same command makes of it in the end has the bits of a run that
nobody touched. What a kill fell in is read from what it left on the disk; each of the three is met.

    ISOFLOP_KILLS=200 ISOFLOP_BINARY=build/release/bin/isoflop python3 tests/regression/kill_test.py     the full form; 6 kills in CI
"""
import collections
import os
import pathlib
import random
import re
import signal
import subprocess
import time
import unittest

import h5py
from command_line import BINARY, CommandLineTest, LIMIT, ranks_of

KILLS = int(os.environ.get("ISOFLOP_KILLS", "6"))
DEADLINE = 120  # seconds, for a job to end after it lost a rank; one is enough, unless others starve it
BUSY = ["--set", "train.tokens=98304", "--set", "checkpoint.every_tokens=2048", "--set", "evaluate.every_tokens=2048",
        "--set", "train.micro_batch=2", "--set", "parallel.virtual_ranks=4"]
LAYOUTS = {1: [], 2: ["--set", "parallel.zero=3"], 3: ["--set", "parallel.zero=1"],
           4: ["--set", "parallel.pipeline=2", "--set", "parallel.zero=2"]}
EVERY = 8  # steps: what BUSY's 2048 tokens are
MOST_CHAINS = 5 + KILLS
ACTIVITIES = ("training", "evaluating", "saving")


def rank_of(pid):
    """As mpirun counts; nothing if the process has just ended."""
    try:
        environment = pathlib.Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r"OMPI_COMM_WORLD_RANK=(\d+)", environment)
    return found[1] if found else None


def rarest(kills):
    return min(ACTIVITIES, key=lambda activity: kills[activity])


def missing(kills):
    """Kills to go, so that there are KILLS, and a sixth of them of each kind."""
    return max(KILLS - kills.total(), *(max(1, KILLS // 6) - kills[activity] for activity in ACTIVITIES))


class Kill(CommandLineTest):
    def start(self, out, ranks):
        command = ["mpirun", "--oversubscribe", "-n", str(ranks), BINARY, "train", "run.toml", "--out", out, *BUSY,
                   *LAYOUTS[ranks]]
        # A rank that dies with a lock of PMIx's shared memory keeps mpirun waiting in its own end (docs/parallelism.md).
        environment = {"PMIX_MCA_gds": "hash", **os.environ}
        return subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=environment)

    def flushed(self, out):
        """How often the run was resumed, as its record says, and rows there."""
        try:
            with h5py.File(self.folder / out / "run.h5", swmr=True) as file:
                return list(file["events/kind"].asstr()[()]).count("resumed"), len(file["train/step"])
        except OSError:  # not there yet
            return 0, 0

    def checkpoint_step(self, out):
        return max((int(mark.parent.name[5:]) for mark in (self.folder / out / "checkpoint").glob("step-*/complete")), default=0)

    def activity(self, out, begin):
        """What the run on the disk is in the middle of, as far as a job that began at `begin` (seconds of the clock of files) left it."""
        record = self.folder / out / "run.h5"
        try:
            if record.stat().st_mtime >= begin:  # else it says what the job before was in
                with h5py.File(record, swmr=True) as file:
                    # The record is flushed before an evaluation and after it, so that a last row without one is a run that evaluates.
                    step, evaluated = file["train/step"][-1], file["eval/validation/step"][()]
                    if step % EVERY == 0 and step not in evaluated:
                        return "evaluating"
        except (OSError, IndexError, ValueError, KeyError, RuntimeError):  # nothing there yet, or being written
            pass
        for partial in (self.folder / out / "checkpoint").glob("*.partial"):
            try:
                if partial.stat().st_mtime >= begin:
                    return "saving"
            except FileNotFoundError:  # it has become a checkpoint
                pass
        return "training"

    def wait_for(self, activity, out, job, begin):
        """Until the run does this, or ends."""
        while job.poll() is None and self.activity(out, begin) != activity:
            time.sleep(0.001)

    def kill_one(self, out, choice, wanted):
        """What the kill of a rank fell in; nothing if the run was done before. Training is met at any moment from the start on."""
        resumes_from = self.checkpoint_step(out)
        begin = time.time() - 0.1  # the clock of files is coarse
        job = self.start(out, choice.choice([1, 2, 3, 4]))
        while not ranks_of(job) and job.poll() is None:
            time.sleep(0.01)
        if wanted == "training":
            time.sleep(choice.uniform(0.05, 2.5))
        else:
            self.wait_for(wanted, out, job, begin)
        resumed, rows = self.flushed(out)
        killed = None
        if ranks := ranks_of(job):
            victim = choice.choice(ranks)
            killed = rank_of(victim)
            os.kill(victim, signal.SIGKILL)
        try:
            _, errors = job.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            job.kill()
            self.fail(f"the job still ran {DEADLINE} s after it had lost a rank")
        if job.returncode == 0:
            return None
        self.assertRegex(errors, r"process rank \d+ .*signal 9")
        if killed is not None:
            self.assertEqual(re.search(r"process rank (\d+) .*signal 9", errors)[1], killed)
        resumed_now, rows_now = self.flushed(out)
        # What lies behind the checkpoint goes when the run is resumed, and only then.
        self.assertGreaterEqual(rows_now, rows if resumed_now == resumed else resumes_from)
        return self.activity(out, begin)

    def test_killed_again_and_again_gives_the_same_bits(self):
        seed = int(os.environ.get("ISOFLOP_KILL_SEED", "1"))
        choice = random.Random(seed)
        done = self.start("whole", 1)
        self.assertEqual(done.communicate(timeout=3 * LIMIT) and done.returncode, 0)
        chains, kills = 0, collections.Counter()
        while missing(kills) > 0:
            chains += 1
            self.assertLessEqual(chains, MOST_CHAINS, f"too few kills while {rarest(kills)}: {dict(kills)}")
            out = f"killed-{chains}"
            while missing(kills) > 0 and (met := self.kill_one(out, choice, rarest(kills))):
                kills[met] += 1
            last = self.start(out, choice.choice([1, 2, 4]))
            _, errors = last.communicate(timeout=3 * LIMIT)
            self.assertEqual(last.returncode, 0, errors)
            same = self.isoflop("checkpoint", "diff", out, "whole", cwd=self.folder)
            self.assertEqual(same.returncode, 0, f"seed {seed}, chain {chains}: {same.stdout}{same.stderr}")
            with h5py.File(self.folder / out / "run.h5") as mine, h5py.File(self.folder / "whole/run.h5") as theirs:
                for name in ("train/step", "train/loss", "train/grad_norm", "eval/validation/loss"):
                    self.assertTrue((mine[name][()] == theirs[name][()]).all(), name)
        print(f"{kills.total()} kills in {chains} runs: {dict(kills)}")


if __name__ == "__main__":
    unittest.main()
