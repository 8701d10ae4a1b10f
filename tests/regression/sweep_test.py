"""A sweep on this machine: real runs, branches, failures, kill -9 and signals at any moment."""
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import h5py
from command_line import BINARY, CommandLineTest, write_text

ANALYSIS = pathlib.Path(__file__).parents[2] / "analysis"
sys.path.insert(0, str(ANALYSIS / "tests"))
from synthetic import COLUMNS  # noqa: E402

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
STEP = 16 * 32  # tokens
BRANCHES = "[[grid]]\nsizes = ['a']\ntokens = [20_480, 40_960]\nbranch = true\n"
LONG = "[[grid]]\ntokens = [1_500_000]\n"  # seconds
SHORT = "[[grid]]\ntokens = [10_240]\n"


class SweepTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="isoflop-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.sweep = self.folder / "sweep"

    def isoflop(self, *arguments, code=0):
        done = subprocess.run([BINARY, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def study(self, grids):
        (self.folder / "study.toml").write_text(BASE + grids)

    def train(self, *more, code=0, out="sweep"):
        return self.isoflop("sweep", "run", "study.toml", "--out", out, "--jobs", 2, *more, code=code)

    def start(self, **options):
        """A manager at work."""
        return subprocess.Popen([BINARY, "sweep", "run", "study.toml", "--out", "sweep", "--jobs", "2"], cwd=self.folder,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)

    def runs(self, out="sweep"):
        """Planned runs by label."""
        plan = json.loads(self.isoflop("sweep", "plan", "study.toml", "--out", out, "--json", "-").stdout)
        return {run["label"]: run for run in plan["runs"]}

    def directory(self, run, out="sweep"):
        return self.folder / out / "runs" / run["run"]

    def log(self, run, out="sweep"):
        return (self.directory(run, out) / "log").read_text()

    def states(self):
        status = json.loads(self.isoflop("sweep", "status", "study.toml", "--out", "sweep", "--json", "-").stdout)
        return {run["label"]: run["state"] for run in status["runs"]}

    def wait_for(self, condition, what):
        for _ in range(2000):
            if condition():
                return
            time.sleep(0.005)
        self.fail(f"never came: {what}")

    def is_locked(self, run):
        with open(self.directory(run) / "lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                return True

    def children(self, manager):
        """Command line and environment of every trainer at work."""
        for child in pathlib.Path(f"/proc/{manager.pid}/task/{manager.pid}/children").read_text().split():
            try:
                yield [pathlib.Path(f"/proc/{child}/{name}").read_text().split("\0") for name in ("cmdline", "environ")]
            except OSError:  # it has just ended
                continue

    def under_way(self, run):
        return lambda: any((self.directory(run) / "checkpoint").glob("step-*/complete"))

    def losses(self, runs, out="sweep"):
        return {label: json.loads((self.directory(run, out) / "finished").read_text()) for label, run in runs.items()}


class Training(SweepTest):
    def test_finished_runs_are_not_trained_again(self):
        self.study(SHORT)
        self.train()
        before = {path: path.stat().st_mtime_ns for path in self.sweep.glob("runs/*/*")}
        self.assertIn("2 of 2 runs finished", self.train().stdout)
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.sweep.glob("runs/*/*")}, before)

    def test_finished_runs_need_no_memory(self):
        huge = "[[size]]\nlabel = 'huge'\nmodel.layers = 100\nmodel.width = 65536\n"
        self.study(huge + "[[grid]]\nsizes = ['a', 'huge']\ntokens = [10_240]\n")
        self.assertIn("GiB left", self.train(code=2).stderr)
        status = json.loads(self.isoflop("sweep", "status", "study.toml", "--out", "sweep", "--json", "-").stdout)
        done = next(run for run in status["runs"] if run["label"].startswith("huge"))
        self.directory(done).mkdir(parents=True)
        (self.directory(done) / "finished").write_text("{}")
        (self.directory(done) / "run.h5").touch()
        trained = self.train()
        self.assertIn("2 of 2 runs finished", trained.stdout)
        self.assertIn("bench train, which measures the speed, failed: it needs", trained.stderr)

    def test_runs_are_single_threaded_and_labelled(self):
        self.study(LONG)
        runs = self.runs()
        manager = self.start()
        for run in runs.values():
            self.wait_for(self.under_way(run), "a checkpoint")
        trainers = [environment for line, environment in self.children(manager) if "train" in line]
        manager.send_signal(signal.SIGINT)
        manager.wait(timeout=100)
        self.assertGreater(len(trainers), 0)
        for environment in trainers:
            self.assertIn("OMP_NUM_THREADS=1", environment)
        for label, run in runs.items():
            with h5py.File(self.directory(run) / "run.h5", swmr=True) as record:
                self.assertEqual((record.attrs["label"], record.attrs["threads"]), (label, 1))
                self.assertEqual(record["events/kind"].asstr()[0], "entropy")
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
                                    text=True, timeout=100)
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

    def test_a_trunk_whose_branches_are_finished_is_not_trained(self):
        self.study(BRANCHES.replace("branch = true", ""))
        self.train()
        self.study(BRANCHES)
        self.train()
        self.assertFalse(self.directory(self.runs()["a-trunk-s1"]).exists())


class Failures(SweepTest):
    def break_run(self, run):
        """The trainer refuses a directory of another run."""
        self.directory(run).mkdir(parents=True)
        (self.directory(run) / "run_id").write_text("0123456789abcdef\n")

    def test_a_failed_run_is_isolated_and_trained_again_only_when_asked(self):
        self.study(SHORT)
        run = self.runs()["a-D10240-s1"]
        self.break_run(run)
        for _ in range(2):
            done = self.train(code=3)
            self.assertIn("1 of 2 runs finished", done.stdout)
            self.assertIn("holds run 0123456789abcdef", done.stdout)
            self.assertIn(f"{run['run']}/log", done.stdout)
        self.assertEqual(self.log(run).count("holds run"), 1, "it was tried again")
        (self.directory(run) / "run_id").unlink()
        self.train("--retry-failed")

    def test_a_parent_that_ignores_children_does_no_harm(self):
        self.study(SHORT)
        self.break_run(self.runs()["a-D10240-s1"])
        manager = self.start(preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(manager.wait(timeout=100), 3)
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
        self.assertEqual(manager.wait(timeout=100), 3)
        self.assertEqual(self.states(), {"a-D1.5e6-s1": "failed", "b-D1.5e6-s1": "finished"})
        self.assertIn("killed by signal 9", self.train(code=3).stdout)
        self.train("--retry-failed")
        self.assertIn("goes on after step", self.log(victim))

    def test_a_diverging_run_is_reported_with_its_step(self):
        self.study(SHORT + "[[size]]\nlabel = 'wild'\nmodel.layers = 1\nmodel.width = 16\n"
                   "optimizer.learning_rate = 1e3\noptimizer.clip_norm = 0.0\noptimizer.weight_decay = 1e3\n")
        done = self.train(code=3)
        self.assertIn("2 of 3 runs finished", done.stdout)
        self.assertIn("failed: wild-D10240-s1", done.stdout)
        self.assertRegex(done.stdout, r"step \d+")


class Interruptions(SweepTest):
    def finish_and_compare(self, runs):
        self.train()
        for run in runs.values():
            self.assertIn("goes on after step", self.log(run))
        losses = self.losses(runs)
        self.train(out="undisturbed")
        self.assertEqual(losses, self.losses(runs, "undisturbed"))

    def test_a_killed_manager_is_continued_with_the_same_bits(self):
        self.study(LONG)
        runs = self.runs()
        manager = self.start()
        for run in runs.values():
            self.wait_for(self.under_way(run), "a checkpoint")
        manager.kill()
        manager.wait()
        for run in runs.values():
            self.wait_for(lambda: not self.is_locked(run), "the end of the children")
        self.assertEqual(set(self.states().values()), {"stopped"})
        self.finish_and_compare(runs)

    def test_the_next_manager_waits_for_children_that_still_save(self):
        self.study(LONG)
        runs = self.runs()
        manager = self.start()
        for run in runs.values():
            self.wait_for(self.under_way(run), "a checkpoint")
        manager.kill()
        manager.wait()
        self.finish_and_compare(runs)

    def test_a_signal_stops_all_runs_and_is_reported(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                shutil.rmtree(self.sweep, ignore_errors=True)
                self.study(LONG)
                runs = self.runs()
                manager = self.start()
                for run in runs.values():
                    self.wait_for(self.under_way(run), "a checkpoint")
                manager.send_signal(number)
                self.assertEqual(manager.wait(timeout=100), 75)
                for run in runs.values():
                    self.assertIn("stopped by signal", self.log(run))
                self.assertEqual(set(self.states().values()), {"stopped"})

    def test_a_second_manager_is_refused(self):
        self.study(LONG)
        runs = self.runs()
        manager = self.start()
        self.wait_for(self.under_way(runs["a-D1.5e6-s1"]), "a checkpoint")
        self.assertIn("locked by another process", self.train(code=4).stderr)
        manager.send_signal(signal.SIGINT)
        manager.wait(timeout=100)

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
        self.assertEqual(manager.wait(timeout=100), 0)
        self.assertEqual(set(self.states().values()), {"finished"})


class Collection(SweepTest):
    STUDY = ("[[size]]\nlabel = 'c'\nmodel.layers = 2\nmodel.width = 16\n[[grid]]\nbudgets = [2e8, 4e8, 8e8]\nbranch = true\n[target]\nmodel.layers = 1\nmodel.width = 32\nflops = 3e9\n"
             "[fit]\nlaws = ['chinchilla']\nbootstrap = 20\n")

    def test_from_runs_to_the_error_of_the_prediction(self):
        self.study(self.STUDY)
        self.train()
        done = self.isoflop("sweep", "collect", "sweep")
        for text in ("a-C2e8-s1", "approach3", "target: N", "measured ", "% of the measured loss", "the interval",
                     "left out   3 points: it is a trunk", "sweep/prediction.json", "sweep/fit-chinchilla-approach3.json"):
            self.assertIn(text, done.stdout)
        prediction = json.loads((self.sweep / "prediction.json").read_text())
        target = json.loads((self.directory(self.runs()["target"]) / "finished").read_text())
        self.assertEqual(prediction["measured"], target["loss"])
        self.assertAlmostEqual(prediction["error_percent"], 100 * (prediction["predicted"] / target["loss"] - 1))
        fit = json.loads((self.sweep / "fit-chinchilla-approach3.json").read_text())
        self.assertEqual(fit["points"]["used"], 9)
        reasons = " ".join(point["reason"] for point in fit["points"]["left_out"])
        self.assertIn("it is a trunk", reasons)
        self.assertIn("it is a target", reasons)

    def test_any_law_of_what_runs_record_predicts(self):
        self.study(self.STUDY)
        self.train()
        for law in ("repeated-data", "kaplan-ns"):
            self.study(self.STUDY.replace("chinchilla", law).replace("bootstrap", f"predict = '{law}'\nbootstrap"))
            done = self.isoflop("sweep", "collect", "study.toml", "--out", "sweep")
            self.assertIn(f"nats/token by {law}", done.stdout)
            prediction = json.loads((self.sweep / "prediction.json").read_text())
            self.assertEqual((prediction["fit"], len(prediction["fitted"]), len(prediction["curve"]["loss"])), (law, 9, 100))
            self.assertEqual(sorted(prediction["curve"]["loss"], reverse=True), prediction["curve"]["loss"])

    def test_the_report_reads_what_the_program_writes(self):
        self.study(self.STUDY)
        self.train()
        self.isoflop("sweep", "collect", "sweep")
        with h5py.File(self.sweep / "results.h5") as results:
            stored = results["runs"].dtype
        self.assertEqual([(name, stored[name].kind, stored[name].itemsize) for name in stored.names],
                         [(name, COLUMNS[name].kind, COLUMNS[name].itemsize) for name in COLUMNS.names])
        done = subprocess.run([sys.executable, "-m", "isoflop_analysis", self.sweep], capture_output=True, text=True, timeout=200)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = (self.sweep / "report.html").read_text()
        for text in ("Chinchilla, approach 3", "the law that predicts (chinchilla-approach3)"):
            self.assertIn(text, report)

    def test_only_finished_runs_are_fitted(self):
        self.study(self.STUDY)
        self.train()
        run = self.runs()["a-C8e8-s1"]
        (self.directory(run) / "finished").unlink()
        collected = json.loads(self.isoflop("sweep", "collect", "sweep", "--json", "-").stdout)
        row = next(row for row in collected["results"] if row["label"] == "a-C8e8-s1")
        self.assertEqual((row["status"], row["loss"]), ("stopped", None))
        self.assertEqual(collected["fits"]["chinchilla-approach3"]["points"]["used"], 8)

    def test_a_finished_run_without_a_readable_record_is_named_and_trained_again_when_removed(self):
        self.study(SHORT)
        self.train()
        folder = self.directory(self.runs()["a-D10240-s1"])
        record = folder / "run.h5"
        record.write_bytes(record.read_bytes()[:5000])
        self.assertIn("run a-D10240-s1: its record cannot be read", self.isoflop("sweep", "collect", "sweep", code=2).stderr)
        self.assertIn("its run.h5 is damaged; remove", self.isoflop("sweep", "status", "sweep").stdout)
        record.unlink()
        refused = self.isoflop("sweep", "collect", "sweep", code=2).stderr
        self.assertIn("run a-D10240-s1: it finished, but its run.h5 is missing", refused)
        self.assertIn(f"remove {folder.relative_to(self.folder)}", refused)
        self.assertIn("its run.h5 is missing", self.train(code=3).stdout)
        self.assertEqual(self.states()["a-D10240-s1"], "failed")
        shutil.rmtree(folder)
        self.train()
        self.isoflop("sweep", "collect", "sweep")

    def test_no_figures_of_an_earlier_collection_stay(self):
        self.study(self.STUDY)
        self.train()
        self.isoflop("sweep", "collect", "sweep")
        runs = self.runs()
        for label, run in runs.items():
            if "-C" in label and not label.startswith("a-C2e8"):
                (self.directory(run) / "finished").unlink()
        (self.directory(runs["target"]) / "finished").unlink()
        own = self.sweep / "fit-own.json"
        own.write_text("{}")
        self.isoflop("sweep", "collect", "sweep", code=2)
        self.assertEqual(list(self.sweep.glob("fit-*.json")), [own])
        self.assertFalse((self.sweep / "prediction.json").exists())

    def test_a_collection_that_fails_leaves_the_one_before(self):
        self.study(self.STUDY)
        self.train()
        self.isoflop("sweep", "collect", "sweep")
        names = ("results.h5", "prediction.json", "fit-chinchilla-approach3.json")
        before = {name: (self.sweep / name).read_bytes() for name in names}
        record = self.directory(self.runs()["b-C2e8-s1"]) / "run.h5"
        whole = record.read_bytes()
        record.write_bytes(whole[:len(whole) // 2])
        self.assertIn(str(record.relative_to(self.folder)), self.isoflop("sweep", "collect", "sweep", code=2).stderr)
        self.assertEqual({name: (self.sweep / name).read_bytes() for name in names}, before)

    def test_too_few_points_is_said_after_the_rest_is_written(self):
        self.study("[[grid]]\nsizes = ['a']\nbudgets = [2e8]\n[fit]\nlaws = ['chinchilla']\n")
        self.train()
        done = self.isoflop("sweep", "collect", "sweep", code=2)
        self.assertIn("a-C2e8-s1", done.stdout)
        self.assertIn("chinchilla-approach3", done.stderr)
        self.assertTrue((self.sweep / "results.h5").exists())

    def test_nothing_to_collect(self):
        self.study(SHORT)
        self.assertIn("has no run yet", self.isoflop("sweep", "collect", "study.toml", code=2).stderr)


class BadManifest(CommandLineTest):
    GRID = "[[grid]]\ntokens = [10_240]\n"

    def study(self, text):
        (self.folder / "study.toml").write_text(text)

    def test_is_refused_before_anything_is_written(self):
        for text, says in (
                (BASE, ["grid: is missing"]),
                (BASE + self.GRID + "sizes = ['c']\n", ["study.toml:", "seen 'c'", "'a'"]),
                (BASE + self.GRID + "[fit]\nlaws = ['chinchila']\n", ["study.toml:", "fit.laws", "chinchilla"]),
                (BASE + self.GRID + "[fit]\nlaws = ['chinchilla']\nmethods = ['approach4']\n", ["fit.methods", "approach3"]),
                (BASE + self.GRID + "[fit]\nlaws = ['chinchilla']\npredict = 'kaplan-n'\n", ["fit.predict", "chinchilla-approach3"]),
                (BASE + "[[grid]]\nbudgets = [1e3]\n", ["study.toml:", "budget of 1000 FLOP", "tokens of a step"]),
                (BASE.replace("micro_batch = 8", "micro_batch = 8_000_000\nglobal_batch = 8_000_000").replace(
                    "global_batch = 16\n", "") + self.GRID, ["1048576"]),
                (BASE.replace('kind = "markov"\nsymbols = 16', 'corpus = "nowhere"') + self.GRID, ["nowhere"]),
        ):
            for command in ("plan", "run"):
                with self.subTest(command=command, says=says):
                    self.study(text)
                    self.refused("sweep", command, "study.toml", says=says)

    def test_more_memory_than_the_machine_has(self):
        self.study(BASE + "[[size]]\nlabel = 'huge'\nmodel.layers = 100\nmodel.width = 65536\n" + self.GRID)
        self.refused("sweep", "plan", "study.toml", says=["--jobs", "GiB"])

    def test_a_manifest_that_is_not_there(self):
        self.refused("sweep", "run", "nowhere.toml", says=["nowhere.toml"])


class Quickstart(CommandLineTest):
    def test_the_manifest_plans_what_its_first_lines_promise(self):
        made = self.run_here("data", "prepare", "--source", "english=text/1*.txt", "--source", "cxx=text/2*.txt", "--tokenizer", "bytes",
                             "--validation", "0.1", "--out", "corpus/quickstart")
        self.assertEqual(made.returncode, 0, made.stderr)
        manifest = pathlib.Path(__file__).parents[2] / "experiments/quickstart/manifest.toml"
        plan = json.loads(self.run_here("sweep", "plan", manifest, "--out", "sweep", "--json", "-").stdout)
        fitted = [run for run in plan["runs"] if run["role"] == "fit"]
        budgets = {run["budget"] for run in fitted}
        self.assertEqual((len(fitted), len({run["n_total"] for run in fitted}), len(budgets)), (21, 7, 4))
        self.assertAlmostEqual(max(budgets) / min(budgets), 32)
        [target] = (run for run in plan["runs"] if run["role"] == "target")
        self.assertAlmostEqual(target["flops_6nd"] / max(budgets), 5, delta=0.05)


if __name__ == "__main__":
    unittest.main()
