"""The commands of quickstart.sh after its set-up, on a corpus of toy packages and a hundredth of the compute: from
prepare_corpus.sh to the report; and once more up to the runs, which must find everything done."""
import gzip
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from command_line import BINARY, LIMIT

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A file for each pattern of prepare_corpus.sh, where Debian 12 has them.
ENGLISH = ("linux-doc-6.1/usr/share/doc/linux-doc-6.1/Documentation/mm/{}.rst.gz",
           "linux-doc-6.1/usr/share/doc/linux-doc-6.1/Documentation/arch/{}.txt",
           "python3.11-doc/usr/share/doc/python3.11/html/_sources/library/{}.rst.txt",
           "vim-runtime/usr/share/vim/vim90/doc/{}.txt", "perl-doc/usr/share/perl/5.36.0/pod/{}.pod",
           "git-doc/usr/share/doc/git/{}.txt", "cmake-doc/usr/share/doc/cmake/html/_sources/{}.txt",
           "python-sqlalchemy-doc/usr/share/doc/python-sqlalchemy-doc/{}.txt")
CXX = ("libboost1.74-dev/usr/include/boost/{}.hpp", "libstdc++-12-dev/usr/include/c++/12/bits/{}.h",
       "libeigen3-dev/usr/include/eigen3/Eigen/src/Core/{}.h")
DOCUMENTS = 60  # a pattern


def write_packages(folder):
    """Documents of words that follow each other as in a chain, so that there is something to learn."""
    chance = random.Random(1)
    words = ["".join(chance.choices("aeinorstlhdcum", k=chance.randint(1, 8))) for _ in range(800)]
    following = {word: chance.choices(words, k=6) for word in words}
    for pattern in ENGLISH + CXX:
        for document in range(DOCUMENTS):
            path = folder / pattern.format(f"part{document}")
            path.parent.mkdir(parents=True, exist_ok=True)
            word, text = chance.choice(words), []
            for _ in range(400):
                text.append(word)
                word = chance.choice(following[word])
            text = (" " if pattern in ENGLISH else "; ").join(text) + "\n"
            if path.suffix == ".gz":
                path.write_bytes(gzip.compress(text.encode()))
            else:
                path.write_text(text)


def small_study():
    """The quickstart's, with a hundredth of each budget, in steps of as much fewer tokens."""
    text = (ROOT / "experiments/quickstart/manifest.toml").read_text()
    text, budgets = re.subn(r"(budgets = \[|\nflops = )([\d.]+e\d+)", lambda m: f"{m[1]}{float(m[2]) / 100:g}", text)
    text, batches = re.subn(r"(global_batch|micro_batch) = 16", r"\1 = 2", text)
    text, warmups = re.subn(r"warmup_tokens = 40_960", "warmup_tokens = 256", text)
    # Runs as short as these have no profiles with a minimum, and their fits many draws that go astray.
    text, fits = re.subn(r'methods = .*', 'methods = ["approach3"]\nbootstrap = 50', text)
    assert (budgets, batches, warmups, fits) == (5, 2, 1, 1), "the quickstart's manifest has changed: so must this test"
    return text


class Quickstart(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="isoflop-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("analysis", "tools"):
            (self.folder / name).symlink_to(ROOT / name)
        study = self.folder / "experiments/quickstart"
        study.mkdir(parents=True)
        shutil.copy(ROOT / "experiments/quickstart/prepare_corpus.sh", study)
        (study / "manifest.toml").write_text(small_study())
        cache = self.folder / "cache/isoflop"
        write_packages(cache / "quickstart-text")
        for known in (pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "isoflop").glob("python-*"):
            (cache / known.name).symlink_to(known)

    def run_commands(self, up_to=""):
        script = (ROOT / "quickstart.sh").read_text()
        settings = re.findall(r"^(?:study|results)=.*\n", script, re.M)
        self.assertEqual(len(settings), 2)
        commands = script[script.index("ISOFLOP_BINARY=$isoflop "):]
        commands = commands[:commands.index(up_to)] if up_to else commands
        shell = subprocess.Popen(["bash", "-euc", f"isoflop={BINARY}\n{''.join(settings)}{commands}"], cwd=self.folder,
                                 env=os.environ | {"XDG_CACHE_HOME": str(self.folder / "cache")}, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            said, errors = shell.communicate(timeout=5 * LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)  # with what the shell has started
            shell.communicate()
            raise
        self.assertEqual(shell.returncode, 0, (said, errors))
        return said

    def test_text_to_report_and_again(self):
        said = self.run_commands()
        corpus = json.loads((self.folder / "corpus/quickstart/corpus.json").read_text())
        documents = {source["name"]: sum(source["documents"].values()) for source in corpus["sources"]}
        self.assertEqual(documents, {"english": DOCUMENTS * len(ENGLISH), "cxx": DOCUMENTS * len(CXX)})
        self.assertEqual(corpus["tokenizer"]["vocabulary"], 1024)
        self.assertIn("22 of 22 runs finished", said)
        self.assertIn("target: N 869K", said)
        results = self.folder / "results/quickstart"
        prediction = json.loads((results / "prediction.json").read_text())
        self.assertEqual((prediction["fit"], len(prediction["fitted"])), ("ensemble", 21))
        self.assertIn("Prediction against measurement", (results / "report.html").read_text())
        marks = {path: path.stat().st_mtime_ns for path in (results / "runs").glob("*/finished")}
        self.assertEqual(len(marks), 28)  # trunks too

        self.assertIn("is there already", self.run_commands(up_to='"$isoflop" sweep collect'))
        self.assertEqual({path: path.stat().st_mtime_ns for path in marks}, marks)


if __name__ == "__main__":
    if missing := [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]:
        print(f"skipped: prepare_corpus.sh needs {' and '.join(missing)}")
        sys.exit(77)
    unittest.main()
