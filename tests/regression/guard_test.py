"""Spike guards on a corpus with a few poisoned sequences: what they do, what they record, and that every layout and every stop and
resumption decides alike, to the bit."""
import random
import re
import shutil
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np
from command_line import BINARY, CommandLineTest, LIMIT

RUN = ["--set", "train.tokens=65536", "--set", "train.micro_batch=2", "--set", "parallel.virtual_ranks=4", "--set", "guard.window=32",
       "--set", "optimizer.clip_norm=0.0", "--set", "checkpoint.every_tokens=4096"]
SKIP = [*RUN, "--set", "guard.on_spike=skip"]
ROLLBACK = [*RUN, "--set", "guard.on_spike=rollback"]
LAYOUTS = [(1, []), (3, ["--set", "parallel.zero=2"]), (2, ["--set", "parallel.zero=3"]), (4, ["--set", "parallel.pipeline=2"])]
EVENT = re.compile(r"(loss|gradient norm) (\S+), z-score (\S+); (skipped the update|back to step (\d+)|went on); sequences (\d+) to (\d+)")


class Guard(CommandLineTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        noise = random.Random(5)
        poison = "".join(chr(noise.randrange(33, 127)) for _ in range(700))
        (cls.made / "text/poison.txt").write_text(poison + "\n")
        done = cls.isoflop("data", "prepare", "--source", "text=text/*.txt", "--tokenizer", "bytes", "--validation", "0.1",
                           "--out", "corpus", "--force", cwd=cls.made)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    def train(self, out, arguments, ranks=1, code=0):
        launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks > 1 else []
        done = subprocess.run([*launcher, BINARY, "train", "run.toml", "--out", out, *arguments], cwd=self.folder, capture_output=True,
                              text=True, timeout=LIMIT)
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        return done

    def record(self, out):
        with h5py.File(self.folder / out / "run.h5") as file:
            rows = {name: file["train"][name][()] for name in ("step", "loss", "grad_norm")}
            rows["validation"] = file["eval/validation/loss"][()]
            events = list(zip(file["events/step"][()], file["events/kind"].asstr()[()], file["events/text"].asstr()[()]))
        return rows, [event for event in events if event[1].startswith("spike")]

    def assert_same(self, out, reference):
        (mine, my_events), (theirs, their_events) = self.record(out), self.record(reference)
        for name in theirs:
            np.testing.assert_array_equal(mine[name], theirs[name], err_msg=f"{out}: {name}")
        self.assertEqual(set(my_events), set(their_events))
        same = self.isoflop("checkpoint", "diff", out, reference, cwd=self.folder)
        self.assertEqual(same.returncode, 0, same.stdout + same.stderr)

    def stop(self, out, arguments, after, number):
        """Ends the run with a signal once it has a checkpoint of step `after` or later; whether the signal came in time."""
        process = subprocess.Popen([BINARY, "train", "run.toml", "--out", out, *arguments], cwd=self.folder, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        deadline = time.monotonic() + LIMIT
        steps = lambda: [int(path.parent.name[5:]) for path in (self.folder / out / "checkpoint").glob("step-*/complete")]
        while process.poll() is None and max(steps(), default=0) < after:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.002)
        process.send_signal(number)
        process.communicate(timeout=LIMIT)
        return not (self.folder / out / "finished").exists()

    def test_skipped_updates_are_recorded_and_the_run_goes_on(self):
        self.train("free", RUN)
        self.train("skip", SKIP)
        free, seen = self.record("free")
        rows, events = self.record("skip")
        self.assertEqual(seen[0][0], events[0][0])
        for step, kind, text in seen:  # told, and trained on
            self.assertEqual((kind, EVENT.fullmatch(text).group(4)), ("spike trained on", "went on"))
            self.assertIn(float(EVENT.fullmatch(text).group(2)), (free["loss"][step - 1], free["grad_norm"][step - 1]))
        self.assertGreaterEqual(len(events), 2, "the poisoned sequences went unnoticed")
        np.testing.assert_array_equal(rows["step"], np.arange(1, 257))
        first = events[0][0]
        np.testing.assert_array_equal(rows["loss"][:first], free["loss"][:first])
        self.assertNotEqual(rows["loss"][first], free["loss"][first], "the update was not skipped")
        for step, kind, text in events:
            self.assertEqual(kind, "spike skipped")
            what, value, z, _, _, begin, end = EVENT.fullmatch(text).groups()
            self.assertEqual((int(begin), int(end)), ((step - 1) * 8, step * 8 - 1))
            column = rows["loss" if what == "loss" else "grad_norm"]
            self.assertEqual(float(value), column[step - 1])
            ordinary = np.delete(column[:step - 1], [other - 1 for other, *_ in events if other < step])[-32:]
            self.assertAlmostEqual(float(z), (column[step - 1] - ordinary.mean()) / ordinary.std(ddof=1), delta=0.01)
            self.assertGreater(float(z), 6.0)

    def test_rollback_passes_over_the_data_since_the_checkpoint(self):
        self.train("free", RUN)
        self.train("rollback", ROLLBACK)
        free, _ = self.record("free")
        rows, events = self.record("rollback")
        self.assertGreaterEqual(len(events), 1)
        np.testing.assert_array_equal(rows["step"], np.arange(1, 257))
        step, kind, text = events[0]
        self.assertEqual(kind, "spike rolled back")
        target = int(EVENT.fullmatch(text).group(5))
        self.assertEqual(target, (step - 1) // 16 * 16)
        np.testing.assert_array_equal(rows["loss"][:target], free["loss"][:target])
        self.assertNotEqual(rows["loss"][target], free["loss"][target], "the same data again")
        skipped = 0  # sequences name their place in the order of the data, whatever was passed over before
        for step, _, text in events:
            groups = EVENT.fullmatch(text).groups()
            self.assertEqual(int(groups[5]), (step - 1 + skipped) * 8)
            skipped += step - int(groups[4])

    def test_every_layout_decides_alike(self):
        for name, arguments in (("free", RUN), ("skip", SKIP), ("rollback", ROLLBACK)):
            for index, (ranks, layout) in enumerate(LAYOUTS):
                self.train(f"{name}-{index}", [*arguments, *layout], ranks=ranks)
                self.assert_same(f"{name}-{index}", f"{name}-0")

    def test_a_run_that_was_stopped_decides_alike(self):
        for name, arguments in (("skip", SKIP), ("rollback", ROLLBACK)):
            self.train(name, arguments)
            spikes = [step for step, *_ in self.record(name)[1]]
            for number in (signal.SIGTERM, signal.SIGKILL):
                for after in (32, spikes[0]):
                    out = f"{name}-{number}-{after}"
                    for _ in range(5):  # a run may end before the signal comes
                        if self.stop(out, arguments, after, number):
                            break
                        shutil.rmtree(self.folder / out)
                    self.assertIn("goes on after step", self.train(out, arguments).stdout)
                    self.assert_same(out, name)

    def test_what_cannot_be_is_refused(self):
        self.refused("train", "run.toml", "--set", "guard.on_spike=rollback", says=["guard.on_spike", "checkpoint.every_tokens = 0"])
        self.refused("train", "run.toml", "--set", "guard.on_spike=skp", says=["guard.on_spike", '"skip"'])
        self.refused("train", "run.toml", *ROLLBACK, "--from", "nowhere", "--out", "out", says=["guard.on_spike"])


if __name__ == "__main__":
    unittest.main()
