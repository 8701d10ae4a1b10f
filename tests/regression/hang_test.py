"""A rank that hangs or dies ends the whole job within the deadline; the error names the call, the step and the rank."""
import os
import re
import signal
import subprocess
import sys
import time
import unittest

from command_line import BINARY, CommandLineTest, LIMIT, kill, ranks_of

DEADLINE = LIMIT / 20  # 5 seconds, also for what ranks wait while they start
GRACE = 2.0     # what ranks wait for each other's answers
SLACK = LIMIT / 5  # a busy machine


class Hang(CommandLineTest):
    def start(self, ranks, *command):
        job = subprocess.Popen(["mpirun", "--oversubscribe", "-n", str(ranks), *command], cwd=self.folder, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env={**os.environ, "ISOFLOP_DEADLINE": str(DEADLINE)})
        self.addCleanup(kill, job)
        return job

    def train(self, ranks, layout):
        return self.start(ranks, BINARY, "train", "run.toml", "--out", "run", "--set", "train.tokens=100000000", "--set", "train.micro_batch=1",
                          "--set", "checkpoint.every_tokens=102400", "--set", layout)

    def training_ranks(self, job):
        """Process ids by rank, once all of them train."""
        deadline = time.monotonic() + LIMIT
        while not list(self.folder.glob("run/checkpoint/step-*/complete")):
            self.assertIsNone(job.poll(), "the job ended before it trained")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        ranks = {}
        for pid in ranks_of(job):
            with open(f"/proc/{pid}/environ", encoding="utf-8", errors="replace") as environ:
                ranks[int(re.search(r"OMPI_COMM_WORLD_RANK=(\d+)", environ.read()).group(1))] = pid
        return ranks

    def last_words(self, job):
        """What was said on standard error by a job that must end, and not well."""
        try:
            _, errors = job.communicate(timeout=DEADLINE + GRACE + SLACK)
        except subprocess.TimeoutExpired:
            left = ranks_of(job)
            kill(job)
            _, errors = job.communicate()
            self.assertFalse(left, f"ranks did not end; the job said: {errors}")
            print("all ranks ended, mpirun did not (docs/parallelism.md)", file=sys.stderr)
        self.assertNotEqual(job.returncode, 0)
        return errors

    def end(self, number, ranks=3, layout="parallel.zero=0"):
        job = self.train(ranks, layout)
        pids = self.training_ranks(job)
        self.assertEqual(sorted(pids), list(range(ranks)))
        victim = pids[1]
        begin = time.monotonic()
        os.kill(victim, number)
        return self.last_words(job), time.monotonic() - begin

    def stopped_rank_is_named(self, **job):
        errors, seconds = self.end(signal.SIGSTOP, **job)
        self.assertGreater(seconds, DEADLINE)
        self.assertRegex(errors, r"isoflop: \w+ of group \w+ at \w+/\w+\.[ch]pp:\d+, step \d+, on rank [02]: the deadline")
        # The rank that stopped may have sent its part to one of the others and not to the other, which then waits in an earlier collective.
        self.assertRegex(errors, r"did not arrive: (rank [02] \(waits in [^)]*\), )?rank 1 \(no answer\)")
        self.assertNotRegex(errors, r"rank [02] \(no answer\)")

    def test_a_stopped_rank_is_named_after_the_deadline(self):
        self.stopped_rank_is_named(layout="parallel.zero=0")

    def test_requests_under_way_do_not_hide_the_stopped_rank(self):
        self.stopped_rank_is_named(layout="parallel.zero=3")

    def test_a_stopped_stage_is_named(self):
        self.stopped_rank_is_named(layout="parallel.pipeline=3")

    def test_a_stopped_tensor_parallel_rank_is_named(self):
        self.stopped_rank_is_named(ranks=2, layout="parallel.tensor=2")

    def test_a_rank_that_stops_inside_the_library_ends_the_job(self):
        errors = self.last_words(self.start(2, os.environ["ISOFLOP_STUCK_SPLIT"]))
        self.assertRegex(errors, f"isoflop: MPI_Comm_split of group data on rank 0: the deadline of {DEADLINE:g} s has passed")

    def test_a_killed_rank_ends_the_job(self):
        errors, _ = self.end(signal.SIGKILL)
        self.assertIn("signal 9", errors)


if __name__ == "__main__":
    unittest.main()
