"""Manifests: bad ones are refused with their place, the quickstart's plans what it promises."""
import json
import pathlib
import unittest

from command_line import CommandLineTest
from small_sweep import BASE


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
