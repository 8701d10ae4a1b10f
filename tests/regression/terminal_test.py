"""What commands draw on a terminal of 80 x 24: one line or one table that is rewritten in place, and no piece of it left behind."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unittest

from command_line import BINARY, CommandLineTest, LIMIT, write_text

ROWS, COLUMNS = 24, 80
ESCAPE = re.compile(rb"\x1b\[(\d*)([A-Za-z])")


class Screen:
    """A terminal as the commands use it. `lines` is all that was ever on it: what has scrolled off the top stays as it is."""

    def __init__(self):
        self.lines, self.top, self.row, self.column = [""], 0, 0, 0

    def feed(self, data):
        at = 0
        while at < len(data):
            escape = ESCAPE.match(data, at)
            if escape:
                self.obey(int(escape[1] or 0), escape[2].decode())
                at = escape.end()
            else:
                self.put(chr(data[at]))
                at += 1

    def obey(self, count, letter):
        if letter == "A":
            self.row = max(self.top, self.row - count)
        elif letter == "K":
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif letter == "J":
            self.lines[self.row:] = [self.lines[self.row][:self.column]]
        else:
            raise ValueError(f"an escape that the commands do not use: {count} {letter}")

    def put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.down()
        else:
            if self.column == COLUMNS:  # wraps
                self.down()
                self.column = 0
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[:self.column] + character + line[self.column + 1:]
            self.column += 1

    def down(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")
        self.top = max(self.top, self.row - ROWS + 1)


def watch(folder, *arguments, kind="xterm"):
    """The screen after the command, and all that was sent to it; its exit code must be 0. `kind` is $TERM."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execve(BINARY, [BINARY, *map(str, arguments)], {**os.environ, "TERM": kind})
    sent = b""
    deadline = time.monotonic() + LIMIT
    ended = False
    try:
        with os.fdopen(terminal, "rb", buffering=0) as output:
            while not ended and select.select([output], [], [], max(0, deadline - time.monotonic()))[0]:
                try:
                    piece = output.read(65536)
                except OSError:  # EIO: the command has ended
                    piece = b""
                sent += piece
                ended = not piece
    finally:
        if not ended:
            os.kill(process, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code != 0:
        raise AssertionError(f"exit code {code}: {sent.decode(errors='replace')}")
    screen = Screen()
    screen.feed(sent)
    return screen.lines, sent


class Terminal(CommandLineTest):
    def lines_with(self, text, lines):
        return [line for line in lines if text in line]

    def test_a_run_leaves_its_last_line_alone(self):
        lines, sent = watch(self.folder, "train", "run.toml", "--out", "out", "--set", "train.tokens=786432")
        self.assertGreater(sent.count(b"\r\x1b[K"), 1, "the run was too short to draw anything")
        self.assertIn(b"ETA", sent[:sent.index(b"\r\x1b[K", sent.index(b"\r\x1b[K") + 1)])
        self.assertEqual(len(self.lines_with("tokens/s", lines)), 1, lines)
        self.assertIn("step 3072/3072  loss", self.lines_with("tokens/s", lines)[0])
        self.assertEqual(len(self.lines_with("|g|", lines)), 1, lines)

    def test_more_runs_at_once_than_rows(self):
        (self.folder / "study.toml").write_text(STUDY)
        lines, sent = watch(self.folder, "sweep", "run", "study.toml", "--out", "sweep", "--jobs", "64")
        self.assertGreater(sent.count(b"\x1b[J"), 2)
        self.assertIn(b"more that do not fit", sent)
        for run in range(MANY):
            self.assertEqual(len(self.lines_with(f"finished s{run:02}", lines)), 1, lines)
        self.assertEqual(self.lines_with("running, 0 failed", lines), [])
        self.assertEqual(self.lines_with("do not fit", lines), [])
        self.assertEqual(self.lines_with(" left", lines), [])

    def test_a_bar_a_stage(self):
        write_text(self.folder / "a-source-of-a-long-name", documents=400)
        lines, sent = watch(self.folder, "data", "prepare", "--source", "a-source-of-a-long-name=a-source-of-a-long-name/*.txt",
                            "--tokenizer", "bpe:400", "--validation", "0.02", "--out", "new")
        self.assertIn(b"[#", sent)
        stages = [line for line in lines if "MB/s" in line]
        self.assertEqual(len(stages), len({re.sub(r"[\d.]+|#|\[|\]", "", line) for line in stages}), lines)
        self.assertEqual([line for line in stages if len(line) >= COLUMNS], [])
        self.assertTrue("".join(lines[len(stages):]).startswith("new: made"), lines)

    def test_a_terminal_without_escapes_gets_plain_lines(self):
        (self.folder / "study.toml").write_text(STUDY.replace("40_960", "4_096"))
        for arguments in (["train", "run.toml", "--out", "out", "--set", "train.tokens=786432"],
                          ["sweep", "run", "study.toml", "--out", "sweep", "--jobs", "2"],
                          ["data", "prepare", "--source", "a=text", "--tokenizer", "bytes", "--validation", "0.1", "--out", "new"]):
            for kind in ("dumb", ""):
                _, sent = watch(self.folder, *arguments, kind=kind)
                self.assertNotIn(b"\x1b", sent)
                self.assertEqual(sent.count(b"\r"), sent.count(b"\r\n"), sent)


MANY = 30  # more than ROWS
STUDY = """\
[study]
name = "many"
[base.model]
layers = 1
context = 32
[base.data]
corpus = "corpus"
[base.train]
global_batch = 8
micro_batch = 4
precision = "fp32"
[base.optimizer]
learning_rate = 0.01
[[grid]]
tokens = [40_960]
""" + "".join(f'[[size]]\nlabel = "s{i:02}"\nmodel.width = {16 + 2 * i}\nmodel.heads = 1\n' for i in range(MANY))

if __name__ == "__main__":
    unittest.main()
