"""Stopping and going on must equal never stopping, to the bit: after SIGTERM, after kill -9, on another number of ranks, and for a
branch that starts from a trunk's checkpoint."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np
from command_line import BINARY, CommandLineTest, LIMIT, kill, ranks_of

LONG = ["--set", "train.tokens=98304", "--set", "checkpoint.every_tokens=8192", "--set", "evaluate.every_tokens=16384"]


class Resume(CommandLineTest):
    def train(self, out, *arguments, launcher=()):
        command = [*launcher, BINARY, "train", "run.toml", "--out", out, *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=LIMIT)

    def start(self, out, *arguments):
        return subprocess.Popen([BINARY, "train", "run.toml", "--out", out, *arguments], cwd=self.folder,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_for_checkpoint(self, out, process):
        deadline = time.monotonic() + LIMIT
        while not list((self.folder / out / "checkpoint").glob("step-*/complete")):
            self.assertIsNone(process.poll(), "the run ended before it saved")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.002)

    def state(self, out):
        """Every array of the newest checkpoint, and the losses of the record."""
        newest = max((self.folder / out / "checkpoint").glob("step-*"), key=lambda path: int(path.name.split("-")[1]))
        arrays = {}
        with h5py.File(newest / "state.h5") as file:
            file.visititems(lambda name, item: arrays.update({name: item[()]})
                            if isinstance(item, h5py.Dataset) and item.dtype == np.float32 else None)
        self.assertGreater(len(arrays), 20)
        with h5py.File(self.folder / out / "run.h5") as file:
            arrays["losses"] = file["train/loss"][()]
            arrays["norms"] = file["train/grad_norm"][()]
            arrays["evaluations"] = file["eval/validation/loss"][()]
            arrays["steps"] = file["train/step"][()]
        return arrays

    def assert_same(self, out, reference, skip=()):
        mine, theirs = self.state(out), self.state(reference)
        self.assertEqual(mine.keys(), theirs.keys())
        for name in mine:
            if name not in skip:
                np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)

    def assert_finished(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)

    def goes_on(self, out, *arguments, after, launcher=()):
        """Trains the rest of a run that was stopped, and must not train it from the beginning."""
        done = self.train(out, *arguments, launcher=launcher)
        self.assert_finished(done)
        self.assertIn(f"goes on after step {after}\n", done.stdout)

    def stopped_after(self, output):
        """The step that a run which a signal stopped says was its last."""
        return int(re.search(r"stopped by signal \d+ after step (\d+);", output)[1])

    def test_a_signal_finishes_the_step_saves_and_goes_on(self):
        self.assert_finished(self.train("whole", *LONG))
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
            out = f"stopped-{number}"
            process = self.start(out, *LONG)
            self.wait_for_checkpoint(out, process)
            process.send_signal(number)
            output, errors = process.communicate(timeout=LIMIT)
            self.assertEqual(process.returncode, 75, errors)
            self.assertFalse((self.folder / out / "finished").exists())
            self.goes_on(out, *LONG, after=self.stopped_after(output))
            self.assert_same(out, "whole")

    def test_a_signal_before_the_first_step_stops_after_it(self):
        process = self.start("stopped", *LONG, "--set", "model.width=256")
        while " run " not in (line := process.stdout.readline()):  # the first thing that a run says
            self.assertTrue(line, "the run ended before it began")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 75, (output, errors))
        self.assertLessEqual(self.stopped_after(output), 2)  # the signal itself may come late

    def test_a_signal_to_one_of_several_ranks_stops_all(self):
        self.assert_finished(self.train("whole", *LONG))
        command = ["mpirun", "--oversubscribe", "-n", "2", BINARY, "train", "run.toml", "--out", "stopped", *LONG]
        job = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.wait_for_checkpoint("stopped", job)
        os.kill(ranks_of(job)[-1], signal.SIGTERM)
        output, errors = job.communicate(timeout=LIMIT)
        self.assertEqual(job.returncode, 75, (output, errors))
        self.assertIn(f"stopped by signal {signal.SIGTERM.value} after step", output)
        self.assertEqual(errors.count("isoflop: "), 1, errors)
        self.goes_on("stopped", *LONG, after=self.stopped_after(output))
        self.assert_same("stopped", "whole")

    def stop_mpirun(self, out, number, arguments, **variables):
        """Sends mpirun itself a signal, as a batch system does, in the first step of two ranks, who must save."""
        job = subprocess.Popen(["mpirun", "--oversubscribe", "-n", "2", BINARY, "train", "run.toml", "--out", out, *arguments], cwd=self.folder,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **variables})
        self.addCleanup(kill, job)
        while "time predicted" not in (line := job.stdout.readline()):
            self.assertTrue(line, "the run ended before it trained")
        job.send_signal(number)
        output, errors = job.communicate(timeout=LIMIT)
        self.assertNotEqual(job.returncode, 0)
        self.assertIn(f"stopped by signal {number.value} after step", output, errors)
        self.assertRegex(output, r"training stood still \S+ s for checkpoints\n")
        self.assertTrue((self.folder / out / f"checkpoint/step-{self.stopped_after(output)}/complete").exists())
        with h5py.File(self.folder / out / "run.h5") as file:
            self.assertEqual(file["summary/status"][0], b"stopped")

    def test_mpirun_hands_a_signal_on_and_leaves_long_steps_their_time(self):
        slow = ["--set", "model.width=512", "--set", "model.heads=8", "--set", "train.global_batch=128", "--set", "train.tokens=81920"]
        self.stop_mpirun("stopped", signal.SIGUSR1, slow)  # a step takes longer than what mpirun waits before it kills

    def test_mpirun_that_is_terminated_leaves_its_ranks_the_time_it_is_told(self):
        seconds = LIMIT // 20  # before SIGTERM, and after it (docs/parallelism.md)
        self.stop_mpirun("stopped", signal.SIGTERM, ["--set", "train.tokens=100000000"], OMPI_MCA_odls_base_sigkill_timeout=str(seconds))

    def stop_in_an_evaluation(self, out, ranks, arguments):
        """Starts a run, or goes on with it, and stops it by a signal to the last rank, until one came in an evaluation; its step."""
        for _ in range(8):
            job = subprocess.Popen(["mpirun", "--oversubscribe", "-n", str(ranks), BINARY, "train", "run.toml", "--out", out, *arguments],
                                   cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while "validation loss" not in (line := job.stdout.readline()):
                self.assertTrue(line, "the run ended before it evaluated")
            os.kill(ranks_of(job)[-1], signal.SIGTERM)
            output, errors = job.communicate(timeout=LIMIT)
            self.assertEqual(job.returncode, 75, (output, errors))
            if cut := re.search(r"step (\d+): a signal cut the evaluation short", output):
                return int(cut[1])
        self.fail("no signal came in an evaluation")

    def test_a_signal_cuts_an_evaluation_short_which_is_made_again(self):
        often = ["--set", "model.width=256", "--set", "train.tokens=4096", "--set", "evaluate.every_tokens=256"]
        self.assert_finished(self.train("whole", *often))
        for ranks, layout in ((1, []), (2, ["--set", "parallel.zero=3"]), (2, ["--set", "parallel.pipeline=2"])):
            out = f"stopped-{ranks}{layout[-1:]}"
            step = self.stop_in_an_evaluation(out, ranks, [*often, *layout])
            with h5py.File(self.folder / out / "run.h5") as file:
                self.assertEqual(file["train/step"][-1], step)
                self.assertNotIn(step, file["eval/validation/step"])
            self.goes_on(out, *often, after=step)
            self.assert_same(out, "whole")

    def test_killed_between_the_last_checkpoint_and_the_mark_goes_on(self):
        self.assert_finished(self.train("whole", *LONG))
        shutil.copytree(self.folder / "whole", self.folder / "killed")
        (self.folder / "killed/finished").unlink()
        saved = self.folder / "killed/checkpoint/step-384"
        before = saved.stat()
        done = self.train("killed", *LONG)
        self.assert_finished(done)
        self.assertNotIn("validation loss", done.stdout)
        self.assertEqual(saved.stat(), before, "what is saved is not saved again")
        self.assert_same("killed", "whole")
        marks = [json.loads((self.folder / out / "finished").read_text()) for out in ("killed", "whole")]
        self.assertEqual(*marks)
        self.assertIn("version", marks[0]["isoflop"])

    def test_killed_in_the_last_evaluation_makes_only_that_again(self):
        self.assert_finished(self.train("whole", *LONG))
        shutil.copytree(self.folder / "whole", self.folder / "killed")
        (self.folder / "killed/finished").unlink()
        with h5py.File(self.folder / "killed/run.h5", "r+") as file:
            for column in file["eval/validation"].values():
                column.resize(len(column) - 1, axis=0)
        done = self.train("killed", *LONG)
        self.assert_finished(done)
        self.assertIn("goes on after step 384", done.stdout)
        self.assert_same("killed", "whole")

    def test_ranks_that_see_other_files_follow_the_root(self):
        """As on a network file system where one machine has not yet seen what another wrote."""
        self.assert_finished(self.train("run"))
        elsewhere = self.folder / "elsewhere"
        shutil.copytree(self.folder / "corpus", elsewhere / "corpus")
        shutil.copy(self.folder / "run.toml", elsewhere)
        train = [BINARY, "train", "run.toml", "--out", "run"]
        done = subprocess.run(["mpirun", "--oversubscribe", "-n", "1", *train, ":", "-n", "1", "--wdir", elsewhere, *train],
                              cwd=self.folder, capture_output=True, text=True, timeout=LIMIT)
        self.assert_finished(done)
        self.assertIn("is finished already", done.stdout)

    def test_the_layout_and_what_it_costs_are_printed(self):
        pipeline = ["--set", "model.layers=2", "--set", "parallel.pipeline=2", "--set", "parallel.zero=3", "--set", "train.micro_batch=1"]
        done = self.train("run", *pipeline, launcher=("mpirun", "--oversubscribe", "-n", "4"))
        self.assert_finished(done)
        self.assertIn("mesh 2 replica(s) x 2 pipeline x 1 tensor-parallel rank(s), 4 micro-batches a step\n", done.stdout)
        bubble = re.search(r"pipeline 1f1b, 1 stage\(s\) a rank: bubble (\S+)% predicted, (\S+)% if stages were equal\n", done.stdout)
        self.assertEqual(bubble[2], f"{100 * (2 - 1) / (4 + 2 - 1):.1f}")
        self.assertGreater(float(bubble[1]), float(bubble[2]))  # the head makes the last stage longer
        memory = re.search(r"memory a rank, predicted: at most (\S+) MiB on rank \d = program (.*)\n", done.stdout)
        parts = re.findall(r"(\S+) MiB", memory[2])
        self.assertEqual(len(parts), 5, memory[2])
        self.assertAlmostEqual(float(memory[1]), sum(map(float, parts)), delta=0.3)
        self.assertRegex(done.stdout, r"finished: \S+ s; peak memory \S+ MiB on rank \d \(predicted " + re.escape(memory[1]) + " MiB")
        self.assertRegex(done.stdout, r"training stood still \d+\.\d{3} s for checkpoints\n")
        refused = self.train("none", "--set", "parallel.tensor=3", launcher=("mpirun", "--oversubscribe", "-n", "3"))
        self.assertIn("isoflop: --set parallel.tensor=3: parallel.tensor: seen 3, which does not divide model.heads 2; "
                      "use parallel.pipeline = 3 with parallel.tensor = 1\n",
                      refused.stderr)
        self.assertFalse((self.folder / "none").exists())

    def test_what_ranks_print_into_a_file_is_plain_lines(self):
        done = self.train("run", "--set", "train.tokens=786432", launcher=["mpirun", "--oversubscribe", "-n", "2"])
        self.assert_finished(done)
        self.assertIn("step 3072/3072", done.stdout)
        self.assertNotIn("\x1b", done.stdout)

    @unittest.skipIf("ISOFLOP_TEST_SANITIZED" in os.environ, "sanitizers take memory beside the program's")
    def test_the_process_takes_the_memory_that_was_predicted(self):
        self.assert_finished(self.train("run", "--set", "model.width=512", "--set", "model.heads=8", "--set", "train.tokens=256"))
        with h5py.File(self.folder / "run/run.h5") as file:
            predicted, peak = (int(file.attrs[name]) for name in ("predicted_memory_bytes", "peak_memory_bytes"))
        self.assertAlmostEqual(peak / predicted, 1.0, delta=0.02)

    def test_the_profile_counts_every_second_once(self):
        pipeline = ["--set", "parallel.pipeline=2", "--set", "parallel.zero=2", "--set", "train.micro_batch=1",
                    "--set", "parallel.virtual_ranks=4"]
        for ranks, layout in ((1, []), (4, pipeline)):
            launcher = ("mpirun", "--oversubscribe", "-n", str(ranks)) if ranks > 1 else ()
            out = f"run-{ranks}"
            self.assert_finished(self.train(out, "--set", "evaluate.every_tokens=256", *layout, launcher=launcher))
            with h5py.File(self.folder / out / "run.h5") as file:
                profile = {name.decode(): i for i, name in enumerate(file["profile/region"])}
                self.assertEqual(file["profile/calls"][profile["evaluate"]], len(file["eval/validation/step"]))
                self.assertGreater(file["profile/flops"][profile["evaluate"]], file["profile/flops"][profile["matmul"]])
                self.assertLess(file["profile/seconds"][()].sum(), file.attrs["wall_seconds"])

    def test_kill_at_any_moment_goes_on(self):
        self.assert_finished(self.train("whole", *LONG))
        for delay in (0.0, 0.01, 0.03, 0.06):
            out = f"killed-{delay}"
            for _ in range(5):  # a run may end before the signal comes
                process = self.start(out, *LONG)
                self.wait_for_checkpoint(out, process)
                time.sleep(delay)
                process.kill()
                process.communicate(timeout=LIMIT)
                if not (self.folder / out / "finished").exists():
                    break
                shutil.rmtree(self.folder / out)
            self.assertEqual(process.returncode, -signal.SIGKILL)
            with h5py.File(self.folder / out / "run.h5", swmr=True) as file:
                lengths = {len(file["train"][name]) for name in file["train"]}
            self.assertLessEqual(max(lengths) - min(lengths), 64)
            saved = max(int(mark.parent.name[5:]) for mark in (self.folder / out / "checkpoint").glob("step-*/complete"))
            self.goes_on(out, *LONG, after=saved)
            self.assert_same(out, "whole")

    def test_killed_before_the_first_checkpoint_keeps_what_was_recorded(self):
        rare = ["--set", "train.tokens=98304", "--set", "evaluate.every_tokens=2048"]  # an evaluation flushes the record
        self.assert_finished(self.train("whole", *rare))
        process = self.start("killed", *rare)
        deadline = time.monotonic() + LIMIT
        while self.evaluations("killed") < 2:
            self.assertIsNone(process.poll(), "the run ended before it was killed")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.002)
        process.kill()
        process.communicate(timeout=LIMIT)
        self.assertFalse((self.folder / "killed/checkpoint").exists())
        with h5py.File(self.folder / "killed/run.h5", swmr=True) as file:
            spent = min(len(column) for column in file["train"].values())
            spent = file["train/seconds"][spent - 1]
        done = self.train("killed", *rare)
        self.assert_finished(done)
        self.assertIn("begins anew", done.stdout)
        self.assert_same("killed", "whole")
        with h5py.File(self.folder / "killed/run.h5") as file:
            self.assertEqual(file.attrs["restarts"], 1)
            self.assertEqual(list(file["events/kind"].asstr()), ["started", "resumed"])
            self.assertGreater(file["train/seconds"][0], spent)

    def evaluations(self, out):
        try:
            with h5py.File(self.folder / out / "run.h5", swmr=True) as file:
                return len(file["eval/validation/step"])
        except OSError:  # not there yet
            return 0

    def stopped(self, out):
        """A run that was stopped between two checkpoints, with at least two of them."""
        process = self.start(out, *LONG, "--set", "checkpoint.keep=9")
        while len(list((self.folder / out / "checkpoint").glob("step-*/complete"))) < 2:
            self.assertIsNone(process.poll(), "the run ended before it saved")
            time.sleep(0.002)
        process.kill()
        process.communicate(timeout=LIMIT)
        return sorted((self.folder / out / "checkpoint").glob("step-*/complete"),
                      key=lambda path: int(path.parent.name.split("-")[1]))

    def test_a_damaged_record_is_refused_and_a_removed_one_begins_anew(self):
        self.assert_finished(self.train("whole", *LONG))
        self.stopped("cut")
        record = self.folder / "cut/run.h5"
        content = record.read_bytes()
        for size in (0, 5000, len(content) // 2):
            record.write_bytes(content[:size])
            refused = self.train("cut", *LONG)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn("move cut/run.h5 away: the same command then goes on after step", refused.stderr)
        record.unlink()
        done = self.train("cut", *LONG)
        self.assert_finished(done)
        self.assertIn("warning: run.h5 is missing", done.stdout)
        self.assert_same("cut", "whole", skip=("losses", "norms", "steps", "evaluations"))
        for lose in (lambda: record.write_bytes(content[:5000]), record.unlink):
            lose()
            refused = self.train("cut", *LONG)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn("though the run is finished; move cut away and the same command trains it again", refused.stderr)

    def test_a_damaged_checkpoint_is_set_aside_for_an_older_one(self):
        self.assert_finished(self.train("whole", *LONG))
        marks = self.stopped("damaged")
        newest = marks[-1].parent
        marks[-1].write_bytes(b"")
        done = self.train("damaged", *LONG)
        self.assert_finished(done)
        self.assertIn(f"warning: damaged/checkpoint/{newest.name}/complete: does not fit", done.stdout)
        self.assertTrue((newest.parent / f"damaged-{newest.name}/state.h5").exists())
        self.assert_same("damaged", "whole")
        with h5py.File(self.folder / "damaged/run.h5") as file:
            self.assertIn(b"damaged", file["events/kind"][()])

    def test_a_run_with_damaged_checkpoints_alone_is_refused(self):
        for mark in self.stopped("damaged"):
            (mark.parent / "state.h5").write_bytes(b"")
        refused = self.train("damaged", *LONG)
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("remove damaged and the same command trains from the beginning", refused.stderr)

    def test_goes_on_with_another_number_of_ranks(self):
        self.assert_finished(self.train("whole", *LONG))
        process = self.start("moved", *LONG)
        self.wait_for_checkpoint("moved", process)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 75)
        launcher = ("mpirun", "--oversubscribe", "-n", "2")
        after = self.stopped_after(output)
        self.goes_on("moved", *LONG, "--set", "parallel.zero=1", after=after, launcher=launcher)
        self.assert_same("moved", "whole")
        layout = ('on {} rank(s), {{ data = {}, tensor = 1, pipeline = 1, schedule = "1f1b", chunks = 1, zero = {}, recompute = "none", virtual_ranks = 2, '
                  'reproducible = true, threads = 1 }}')
        with h5py.File(self.folder / "moved/run.h5") as file:
            events = list(zip(file["events/step"][()], file["events/kind"].asstr()[()], file["events/text"].asstr()[()]))
        self.assertEqual(events, [(0, "started", layout.format(1, 1, 0)),
                                  (int(after), "resumed", f"after step {after}, " + layout.format(2, 2, 1))])

    def test_branch_has_the_bits_of_a_run_from_the_beginning(self):
        wsd = ["--set", "schedule.name=wsd", "--set", "schedule.decay_fraction=0.25", "--set", "schedule.warmup_tokens=1024"]
        trunk = ["--set", "schedule.name=wsd", "--set", "schedule.decay_fraction=0.0", "--set", "schedule.warmup_tokens=1024",
                 "--set", "train.tokens=49152", "--set", "checkpoint.at_tokens=[24576]"]
        short = [*wsd, "--set", "train.tokens=32768"]
        self.assert_finished(self.train("trunk", *trunk))
        checkpoint = "trunk/checkpoint/step-96"
        self.assertTrue((self.folder / checkpoint / "complete").exists(), os.listdir(self.folder / "trunk/checkpoint"))
        self.assert_finished(self.train("branch", *short, "--from", checkpoint))
        self.assert_finished(self.train("whole", *short))
        self.assert_same("branch", "whole", skip=("losses", "norms", "steps"))
        branch, whole = self.state("branch"), self.state("whole")
        np.testing.assert_array_equal(branch["losses"], whole["losses"][96:])
        late = self.train("late", *wsd, "--set", "train.tokens=24576", "--from", checkpoint)
        self.assertEqual(late.returncode, 2)
        self.assertIn("begins to decay", late.stderr)

    def test_the_last_and_the_milestones_stay(self):
        keep = ["--set", "train.tokens=20480", "--set", "checkpoint.every_tokens=2048", "--set", "checkpoint.keep_every_tokens=8192"]
        self.assert_finished(self.train("run", *keep))
        self.assertEqual({path.name for path in (self.folder / "run/checkpoint").iterdir()}, {"step-32", "step-64", "step-80"})
        refused = self.train("no", "--set", "checkpoint.every_tokens=2048", "--set", "checkpoint.keep_every_tokens=5000")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("needed a multiple of every_tokens = 2048", refused.stderr)

    def test_checkpoint_commands_verify_and_compare_states(self):
        self.assert_finished(self.train("one"))
        self.assert_finished(self.train("two", "--set", "parallel.zero=1", launcher=("mpirun", "--oversubscribe", "-n", "2")))
        self.assert_finished(self.train("other", "--set", "train.seed=2"))
        same = self.isoflop("checkpoint", "diff", "one", "two", cwd=self.folder)
        self.assertEqual(same.returncode, 0, same.stdout + same.stderr)
        differ = self.isoflop("checkpoint", "diff", "one", "other", cwd=self.folder)
        self.assertEqual(differ.returncode, 3)
        self.assertIn("scalar run:", differ.stdout)
        self.assertRegex(differ.stdout, r"first_moment/\S+: \d+ of \d+ elements differ")
        good = self.isoflop("checkpoint", "verify", "one", "two/checkpoint/step-64", cwd=self.folder)
        self.assertEqual(good.returncode, 0, good.stdout + good.stderr)
        state = self.folder / "one/checkpoint/step-64/state.h5"
        content = bytearray(state.read_bytes())
        content[len(content) // 2] ^= 1
        state.write_bytes(content)
        damaged = self.isoflop("checkpoint", "verify", "one", "two", cwd=self.folder)
        self.assertEqual(damaged.returncode, 3)
        self.assertRegex(damaged.stdout, r"damaged  one\S+state.h5:/\S+: elements \d+ to \d+ do not give their checksum")
        self.assertIn("good     two", damaged.stdout)
        self.assertEqual(self.isoflop("checkpoint", "verify", "text", cwd=self.folder).returncode, 2)
        state.unlink()
        lost = self.isoflop("checkpoint", "verify", "one/checkpoint/step-64", cwd=self.folder)
        self.assertEqual(lost.returncode, 3, lost.stdout + lost.stderr)
        self.assertIn("damaged  one/checkpoint/step-64/state.h5: is missing", lost.stdout)


if __name__ == "__main__":
    unittest.main()
