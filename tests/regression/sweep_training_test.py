"""What a sweep trains, what it does not train again, and branches."""
import json
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

import h5py
from command_line import BINARY, LIMIT, write_text
from small_sweep import BASE, BRANCHES, LONG, SHORT, SweepTest


class Training(SweepTest):
    def children(self, manager):
        """Command line and environment of every trainer at work."""
        for child in pathlib.Path(f"/proc/{manager.pid}/task/{manager.pid}/children").read_text().split():
            try:
                yield [pathlib.Path(f"/proc/{child}/{name}").read_text().split("\0") for name in ("cmdline", "environ")]
            except OSError:  # it has just ended
                continue

    def test_finished_runs_are_not_trained_again(self):
        self.study(SHORT)
        self.train()
        before = {path: path.stat().st_mtime_ns for path in self.sweep.glob("runs/*/*")}
        self.assertIn("2 of 2 runs finished", self.train().stdout)
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.sweep.glob("runs/*/*")}, before)

    def test_progress_keeps_out_of_json(self):
        self.study(SHORT)
        done = self.train("--json", "-")
        self.assertEqual(json.loads(done.stdout)["finished"], 2)
        self.assertIn("finished a-D10240-s1", done.stderr)

    def test_finished_runs_need_no_memory(self):
        self.study(SHORT)
        self.train(out="small")
        record = next(self.folder.glob("small/runs/*/run.h5"))
        huge = "[[size]]\nlabel = 'huge'\nmodel.layers = 100\nmodel.width = 65536\n"
        self.study(huge + "[[grid]]\nsizes = ['a', 'huge']\ntokens = [10_240]\n")
        self.assertIn("GiB left", self.train(code=2).stderr)
        status = json.loads(self.isoflop("sweep", "status", "study.toml", "--out", "sweep", "--json", "-").stdout)
        done = next(run for run in status["runs"] if run["label"].startswith("huge"))
        self.directory(done).mkdir(parents=True)
        (self.directory(done) / "finished").write_text("{}")
        copied = pathlib.Path(shutil.copy(record, self.directory(done)))
        with h5py.File(copied, "r+") as file:
            file.attrs["run"] = done["run"]
        trained = self.train()
        self.assertIn("2 of 2 runs finished", trained.stdout)
        self.assertIn("bench train, which measures the speed, failed: it needs", trained.stderr)

    def test_runs_are_single_threaded_and_labelled(self):
        self.study(LONG)
        runs, manager = self.start_and_wait()
        trainers = [environment for line, environment in self.children(manager) if "train" in line]
        manager.send_signal(signal.SIGINT)
        manager.wait(timeout=LIMIT)
        self.assertGreater(len(trainers), 0)
        for environment in trainers:
            self.assertIn("OMP_NUM_THREADS=1", environment)
        for label, run in runs.items():
            with h5py.File(self.directory(run) / "run.h5", swmr=True) as record:
                self.assertEqual((record.attrs["label"], record.attrs["threads"]), (label, 1))
                self.assertEqual(list(record["events/kind"].asstr()[:2]), ["started", "entropy"])
            self.assertRegex(self.log(run), r"entropy of the data: \d\.\d+ nats/token")

    def test_a_sweep_directory_means_the_same_in_any_folder(self):
        write_text(self.folder / "text")
        self.isoflop("data", "prepare", "--source", "text=text/*.txt", "--tokenizer", "bytes", "--validation", "0.1", "--out", "corpus")
        (self.folder / "study.toml").write_text(BASE.replace('kind = "markov"\nsymbols = 16', 'corpus = "corpus"') + SHORT)
        self.train()
        stored = (self.sweep / "manifest.toml").read_text()
        self.assertRegex(stored, r"\A# of isoflop \d+\.\d+\.\d+ \([0-9a-f]+\+?|unknown\)\n")
        self.assertIn(str(self.folder / "corpus"), stored)
        runs = self.states()
        (self.folder / "corpus").rename(self.folder / "moved")  # what was trained needs it no more
        for folder in (pathlib.Path("/"), self.folder):
            status = subprocess.run([BINARY, "sweep", "status", self.sweep, "--json", "-"], cwd=folder, capture_output=True,
                                    text=True, timeout=LIMIT)
            self.assertEqual(status.returncode, 0, status.stderr)
            self.assertEqual({run["label"]: run["state"] for run in json.loads(status.stdout)["runs"]}, runs)
        self.assertEqual(set(runs.values()), {"finished"})
        self.isoflop("sweep", "collect", "sweep")
        self.assertIn("corpus", self.isoflop("sweep", "run", "sweep", code=2).stderr)

    def test_branches_give_the_losses_of_plain_runs(self):
        self.study(BRANCHES)
        self.train()
        branches = self.runs()
        self.assertIn("branches off", self.log(branches["a-D20480-s1"]))
        self.assertIn("after step 30", self.log(branches["a-D20480-s1"]))
        self.study(BRANCHES.replace("branch = true", ""))
        self.train(out="plain")
        plain = self.runs(out="plain")
        self.assertEqual(self.losses(plain, "plain"), {k: v for k, v in self.losses(branches).items() if k in plain})

    def test_branches_of_a_run_that_a_grid_asks_for(self):
        self.study("[[size]]\nlabel = 'flat'\nmodel.layers = 1\nmodel.width = 16\nschedule.decay_fraction = 0.0\n" + BRANCHES
                   + "[[grid]]\nsizes = ['flat']\ntokens = [30_720]\n")
        self.train()
        runs = self.runs()
        self.assertEqual(set(runs), {"flat-D30720-s1", "a-D20480-s1", "a-D40960-s1"})
        for label, step in (("a-D20480-s1", 30), ("a-D40960-s1", 60)):
            self.assertIn(f"after step {step}\n", self.log(runs[label]))
        self.isoflop("sweep", "collect", "sweep")

    def test_a_point_added_later_starts_from_an_earlier_checkpoint(self):
        self.study(BRANCHES)
        self.train()
        runs = self.runs()
        far = runs["a-D40960-s1"]
        loss = self.losses(runs)["a-D40960-s1"]
        shutil.rmtree(self.directory(far))
        shutil.rmtree(self.directory(runs["a-trunk-s1"]) / "checkpoint" / "step-60")
        self.train()
        self.assertIn("after step 30", self.log(far))
        self.assertEqual(self.losses(runs)["a-D40960-s1"], loss)
        self.assertEqual(self.log(runs["a-trunk-s1"]).count("finished"), 1)

    def test_the_printed_plan_is_what_is_trained(self):
        self.study(BRANCHES)
        arguments = ["sweep", "plan", "study.toml", "--out", "sweep", "--jobs", "2"]
        plan = json.loads(self.isoflop(*arguments, "--json", "-").stdout)
        printed = self.isoflop(*arguments).stdout
        total = {key: 0.0 for key in ("tokens", "flops_6nd", "core_seconds")}

        def same_memory(mebibytes, count):  # the program's own part is measured anew
            self.assertAlmostEqual(float(mebibytes), count / 2**20, delta=0.02 * count / 2**20)

        for run in plan["runs"]:
            steps = run["steps"] - run["first_step"]
            if run["role"] == "trunk":  # trained up to where its last branch leaves it
                self.assertEqual(run["first_step"], 0)
            self.assertAlmostEqual(run["flops_6nd"], 6.0 * run["n_total"] * run["tokens"])
            self.assertGreater(run["seconds"], 0)
            total["tokens"] += 512 * steps  # of a step: 16 sequences of 32
            total["flops_6nd"] += 6.0 * run["n_total"] * 512 * steps
            total["core_seconds"] += run["seconds"]
            row = next(line.split() for line in printed.splitlines() if line.startswith(run["label"]))
            self.assertEqual(row[1], run["role"])
            self.assertEqual((row[5], row[6]), (f"{run['flops_6nd']:.3e}", f"{run['flops_exact']:.3e}"))
            self.assertEqual((int(row[7]), row[8]), (steps, f"{run['epochs']:.2f}"))
            same_memory(row[10], run["memory_bytes"])
        for key, value in total.items():
            self.assertAlmostEqual(plan[key], value, delta=1e-9 * value)
        memory = sorted(run["memory_bytes"] for run in plan["runs"])
        self.assertEqual(plan["memory_bytes"], sum(memory[-2:]))
        self.assertGreaterEqual(plan["wall_seconds"], plan["core_seconds"] / 2)
        self.assertLessEqual(plan["wall_seconds"], plan["core_seconds"])
        trunks = sum(run["role"] == "trunk" for run in plan["runs"])
        for text in (f"{len(plan['runs']) - trunks} runs" + (f" and {trunks} trunk" if trunks else ", "), f"compute {plan['flops_6nd']:.3e} FLOP (6ND)"):
            self.assertIn(text, printed)
        same_memory(re.search(r"with 2 processes; memory at once ([\d.]+) MiB", printed)[1], plan["memory_bytes"])
        self.train()
        for run in plan["runs"]:
            with h5py.File(self.directory(run) / "run.h5") as record:
                self.assertEqual(len(record["train/step"]), run["steps"] - run["first_step"])

    def test_runs_are_counted_alike_wherever_they_are_told(self):
        self.study(BRANCHES)
        self.assertIn("\n2 runs and 1 trunk, ", self.isoflop("sweep", "plan", "study.toml").stdout)
        for finished in (0, 2):
            said = self.train().stdout.splitlines()
            self.assertIn(f"2 runs, {finished} finished before; 2 at once", said)
            self.assertEqual(said[-1], "2 of 2 runs finished")
            self.assertIn("\n2 of 2 runs finished in sweep\n", self.isoflop("sweep", "status", "sweep").stdout)

    def test_a_trunk_whose_branches_are_finished_is_not_trained(self):
        self.study(BRANCHES.replace("branch = true", ""))
        self.train()
        self.study(BRANCHES)
        self.train()
        self.assertFalse(self.directory(self.runs()["a-trunk-s1"]).exists())


if __name__ == "__main__":
    unittest.main()
