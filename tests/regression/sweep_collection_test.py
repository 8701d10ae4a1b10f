"""From finished runs to results.h5, fits, prediction and report."""
import json
import pathlib
import re
import subprocess
import sys
import unittest

import h5py
from small_sweep import SHORT, SweepTest

ANALYSIS = pathlib.Path(__file__).parents[2] / "analysis"
DOCUMENT = ANALYSIS.parent / "docs/files.md"
sys.path.insert(0, str(ANALYSIS / "tests"))
from synthetic import COLUMNS  # noqa: E402


WORDS = ("lock", "run_id", "complete")  # files that are a single word, or empty


class Collection(SweepTest):
    STUDY = ("[[size]]\nlabel = 'c'\nmodel.layers = 2\nmodel.width = 16\n[[grid]]\nbudgets = [2e8, 4e8, 8e8]\nbranch = true\n[target]\nmodel.layers = 1\nmodel.width = 32\nflops = 3e9\n"
             "[fit]\nlaws = ['chinchilla']\nbootstrap = 20\n")

    def test_from_runs_to_the_error_of_the_prediction(self):
        self.study(self.STUDY)
        self.train()
        done = self.isoflop("sweep", "collect", "sweep")
        for text in ("a-C2e8-s1", "approach3", "target: N", "measured ", "% of the measured loss", "the interval",
                     "left out   3 points: it is a trunk", "sweep/prediction.json", "sweep/fit-chinchilla-approach3.json",
                     "a page of figures: tools/python.sh -m isoflop_analysis sweep\n"):
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
            if law == "kaplan-ns":  # of parameters without embeddings
                self.assertNotIn("surface", prediction)
                continue
            surface = prediction["surface"]
            self.assertEqual(len(surface["loss"]), len(surface["params"]) * len(surface["tokens"]))
            self.assertTrue(all(low < prediction["target"][key] < high for key, (low, *_, high) in
                                ((key, surface[key]) for key in ("params", "tokens"))))
            self.assertLess(surface["loss"][-1], prediction["predicted"])  # the largest model and the most tokens

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

    def test_every_file_names_the_program(self):
        version, commit = re.fullmatch(r"isoflop (\S+) \((\S+)\)\n", self.isoflop("--version").stdout).groups()
        self.study(self.STUDY)
        self.train()
        self.isoflop("sweep", "collect", "sweep")
        subprocess.run([sys.executable, "-m", "isoflop_analysis", self.sweep], check=True, capture_output=True, timeout=200)
        kinds = set()
        for path in self.sweep.rglob("*"):
            if path.is_dir() or path.name in WORDS:
                continue
            with self.subTest(path=path):
                kinds.add(path.suffix or path.name)
                if path.suffix == ".h5":
                    with h5py.File(path) as file:
                        named = [file.attrs[key] for key in ("isoflop_version", "isoflop_commit")]
                    self.assertEqual([n.decode() if isinstance(n, bytes) else n for n in named], [version, commit])
                elif path.suffix == ".json" or path.name == "finished":
                    self.assertEqual(json.loads(path.read_text())["isoflop"], {"version": version, "commit": commit})
                elif path.suffix == ".html":
                    self.assertIn(commit, path.read_text())
                else:
                    self.assertIn(f"isoflop {version} ({commit})", path.read_text().splitlines()[0])
        self.assertEqual(kinds, {".h5", ".json", ".toml", ".html", "finished", "log"})

    def test_every_key_of_the_plan_is_documented(self):
        self.study(SHORT)
        self.train()
        plan = json.loads((self.sweep / "plan.json").read_text())
        section = DOCUMENT.read_text().partition("## plan.json\n")[2].partition("\n## ")[0]
        described = set(re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))))
        self.assertEqual(described, set(plan) | set(plan["runs"][0]))

    def test_only_finished_runs_are_fitted(self):
        self.study(self.STUDY)
        self.train()
        run = self.runs()["a-C8e8-s1"]
        (self.directory(run) / "finished").unlink()
        collected = json.loads(self.isoflop("sweep", "collect", "sweep", "--json", "-").stdout)
        row = next(row for row in collected["results"] if row["label"] == "a-C8e8-s1")
        self.assertEqual((row["status"], row["loss"]), ("stopped", None))
        self.assertEqual(collected["fits"]["chinchilla-approach3"]["points"]["used"], 8)

    def test_a_damaged_record_of_a_run_that_did_not_finish_is_moved_away_alone(self):
        self.study(SHORT)
        self.train()
        run = self.runs()["a-D10240-s1"]
        (self.directory(run) / "finished").unlink()
        record = self.directory(run) / "run.h5"
        record.write_bytes(record.read_bytes()[:5000])
        refused = self.isoflop("sweep", "collect", "sweep", code=2).stderr
        self.assertIn("run a-D10240-s1: its record cannot be read", refused)
        self.assertIn(f"move {record.relative_to(self.folder)} away and isoflop sweep run goes on", refused)
        failed = self.directory(run) / "failed"
        failed.write_text('{"reason": "lost"}')
        self.assertIn("sweep run --retry-failed goes on", self.isoflop("sweep", "collect", "sweep", code=2).stderr)
        failed.unlink()
        record.unlink()
        self.train()
        self.assertIn("goes on after step", self.log(run))
        self.isoflop("sweep", "collect", "sweep")

    def test_a_record_that_the_system_does_not_read_is_not_called_damaged(self):
        self.study(SHORT)
        self.train()
        record = self.directory(self.runs()["a-D10240-s1"]) / "run.h5"
        record.unlink()
        record.mkdir()
        refused = self.isoflop("sweep", "collect", "sweep", code=2).stderr
        status = self.isoflop("sweep", "status", "sweep").stdout
        for said in (refused, status):
            self.assertIn("Is a directory", said)
            self.assertNotIn("remove", said)
        self.assertEqual(set(self.states().values()), {"finished"})

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
        self.assertIn("run b-C2e8-s1: it finished, but its run.h5 is damaged", self.isoflop("sweep", "collect", "sweep", code=2).stderr)
        self.assertEqual({name: (self.sweep / name).read_bytes() for name in names}, before)

    def test_too_few_points_is_said_after_the_rest_is_written(self):
        self.study("[[grid]]\nsizes = ['a']\nbudgets = [2e8]\n[fit]\nlaws = ['chinchilla']\n")
        self.train()
        done = self.isoflop("sweep", "collect", "sweep", code=2)
        self.assertIn("a-C2e8-s1", done.stdout)
        self.assertIn("chinchilla-approach3", done.stderr)
        self.assertTrue((self.sweep / "results.h5").exists())

    def test_why_there_is_no_prediction_is_said_and_fails_where_it_was_asked_for(self):
        study = self.STUDY.replace("'chinchilla'", "'multi-power'")
        self.study(study)
        self.train()
        reason = "no prediction by multi-power: law multi-power predicts whole curves"
        self.assertIn("target: " + reason, self.isoflop("sweep", "collect", "sweep").stdout)
        self.study(study.replace("bootstrap", "predict = 'multi-power'\nbootstrap"))
        done = self.isoflop("sweep", "collect", "study.toml", "--out", "sweep", code=2)
        self.assertIn(reason, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertFalse((self.sweep / "prediction.json").exists())
        self.study(study.replace("'multi-power'", "'multi-power', 'chinchilla'"))  # another law predicts
        done = self.isoflop("sweep", "collect", "study.toml", "--out", "sweep")
        self.assertNotIn("no prediction", done.stdout)
        self.assertIn("nats/token by chinchilla-approach3", done.stdout)

    def test_nothing_to_collect(self):
        self.study(SHORT)
        self.assertIn("has no run yet", self.isoflop("sweep", "collect", "study.toml", code=2).stderr)


if __name__ == "__main__":
    unittest.main()
