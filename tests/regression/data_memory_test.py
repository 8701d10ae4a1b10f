"""`data prepare` takes no more memory for much text than for little, in one file or in many."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from command_line import BINARY

LITTLE, MUCH = 8 << 20, 64 << 20  # bytes of text
ALLOWED = 16 << 20  # bytes: what is read ahead, and 4,096 names; a quarter of the text


def write_text(folder, size, files):
    """As many bytes, no two documents alike, beside small ones: some fall to validation."""
    folder.mkdir()
    line = b"line %012d of a text that is long enough to be found in memory\n"
    each = size // files // len(line % 0)
    for number in range(files):
        (folder / f"{number}.txt").write_bytes(b"".join(line % (number * each + i) for i in range(each)))
    for number in range(20):
        (folder / f"small{number}.txt").write_bytes(line % -number)


class Memory(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="isoflop-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def peak(self, size, files):
        """Bytes that the program takes at most."""
        name = f"{size}-{files}"
        write_text(self.folder / name, size, files)
        process = subprocess.Popen([BINARY, "data", "prepare", "--source", f"text={name}", "--tokenizer", "bytes", "--threads", "2",
                                    "--validation", "0.3", "--out", f"corpus-{name}"], cwd=self.folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        made = sum(path.stat().st_size for path in (self.folder / f"corpus-{name}").iterdir())
        self.assertGreater(made, size)  # of tokens of two bytes
        return 1024 * usage.ru_maxrss

    def test_one_large_file(self):
        self.assertLess(self.peak(MUCH, 1), self.peak(LITTLE, 1) + ALLOWED)

    def test_many_files(self):
        self.assertLess(self.peak(MUCH, 4096), self.peak(LITTLE, 4096) + ALLOWED)


if __name__ == "__main__":
    if "ISOFLOP_TEST_SANITIZED" in os.environ:
        print("skipped: sanitizers take memory beside the program's")
        sys.exit(77)
    unittest.main()
