"""Helpers of the command-line tests: runs the real binary in a scratch folder with a small real corpus."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

BINARY = os.environ["ISOFLOP_BINARY"]
# Seconds for a command to end, or for what is waited for to come; cmake/Testing.cmake knows of programs that are slow.
LIMIT = 100 * int(os.environ.get("ISOFLOP_TEST_PATIENCE", "1"))

RUN = """\
[model]
layers = 1
width = 32
heads = 2
context = 32
[data]
corpus = "corpus"
[train]
tokens = 16384
global_batch = 8
micro_batch = 4
precision = "fp32"
[optimizer]
learning_rate = 0.01
"""


def write_text(folder, documents=40):
    """Documents of real sentences, different enough that none is a duplicate."""
    folder.mkdir(parents=True)
    for i in range(documents):
        lines = [f"Document {i}, line {j}: the {'quick brown fox jumps over a lazy dog' if (i + j) % 3 else 'law of large numbers'}."
                 for j in range(60 + i)]
        (folder / f"{i}.txt").write_text("\n".join(lines) + "\n")


def ranks_of(mpirun):
    """Process ids of the ranks of this mpirun that have not ended."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            rest = pathlib.Path("/proc", process, "stat").read_text().rsplit(")", 1)[1]
        except OSError:  # it has just ended
            continue
        state, parent = rest.split()[:2]
        if int(parent) == mpirun.pid and state != "Z":
            found.append(int(process))
    return found


def kill(job):
    """Ends a program, or an mpirun and its ranks."""
    for process in [*ranks_of(job), job.pid] if job.poll() is None else []:
        os.kill(process, signal.SIGKILL)


class CommandLineTest(unittest.TestCase):
    """Each test works in a folder of its own that holds text/ and, made once, corpus/ (bytes)."""

    @classmethod
    def setUpClass(cls):
        cls.made = pathlib.Path(tempfile.mkdtemp(prefix="isoflop-test-"))
        write_text(cls.made / "text")
        done = cls.isoflop("data", "prepare", "--source", "text=text/*.txt", "--tokenizer", "bytes", "--validation", "0.1",
                           "--out", "corpus", cwd=cls.made)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.made)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="isoflop-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copytree(self.made / "text", self.folder / "text")
        shutil.copytree(self.made / "corpus", self.folder / "corpus")
        (self.folder / "run.toml").write_text(RUN)

    @staticmethod
    def isoflop(*arguments, cwd, **options):
        return subprocess.run([BINARY, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=LIMIT, **options)

    def files(self):
        """Contents by name; None for what is no file, such as a folder that was left behind."""
        return {path.relative_to(self.folder): path.read_bytes() if path.is_file() else None
                for path in sorted(self.folder.rglob("*"))}

    def run_here(self, *arguments, **options):
        return self.isoflop(*arguments, cwd=self.folder, **options)

    def refused(self, *arguments, says, code=2, **options):
        """The command must end with `code`, one line that holds every text of `says`, and the folder as it was."""
        before = self.files()
        done = self.run_here(*arguments, **options)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for text in says:
            self.assertIn(text, done.stderr)
        self.assertEqual(self.files(), before, "a refused command changed files")
        return done
