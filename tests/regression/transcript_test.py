"""The console blocks of a document show what their commands print: the same words, numbers to 1%.

    transcript_test.py DOCUMENT.md            compares; ISOFLOP_BINARY is the program
    transcript_test.py DOCUMENT.md --write    puts what the commands print into the document

A block is "$ command", more lines of it that begin with "> ", and what they print, errors included. The blocks run in
their order in one scratch folder.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from command_line import LIMIT

TOLERANCE = 0.01  # search and bootstrap count on the last bits of a machine's exp and log
ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?<=```console\n)(\$ .*\n(?:> .*\n)*)((?:.*\n)*?)(?=```\n)")
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def run(command, folder):
    script = "".join(line[2:] for line in command.splitlines(keepends=True))
    path = f"{pathlib.Path(os.environ['ISOFLOP_BINARY']).resolve().parent}:{os.environ['PATH']}"
    return subprocess.run(["bash", "-c", script], cwd=folder, env=os.environ | {"PATH": path}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=6 * LIMIT).stdout


def same(shown, printed):
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split():
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed))
    return all(abs(float(a) - float(b)) <= TOLERANCE * abs(float(b)) for a, b in pairs)


def differences(shown, printed):
    """Pairs of lines; only their number where that differs."""
    shown, printed = shown.splitlines(), printed.splitlines()
    if len(shown) != len(printed):
        yield f"{len(shown)} lines", f"{len(printed)} lines"
    else:
        yield from ((a, b) for a, b in zip(shown, printed) if not same(a, b))


def main(document, write):
    text, count = document.read_text(), 0
    with tempfile.TemporaryDirectory(prefix="isoflop-test-") as folder:
        for name in ("analysis", "docs", "tools"):
            pathlib.Path(folder, name).symlink_to(ROOT / name)

        def rewrite(block):
            nonlocal count
            command, shown = block.groups()
            printed = run(command, folder)
            for a, b in differences(shown, printed):
                count += 1
                print(f"{command}  shown    {a}\n  printed  {b}")
            return command + printed

        new, blocks = BLOCK.subn(rewrite, text)
    if write:
        document.write_text(new)
    elif count or not blocks:
        sys.exit(f"{document}: {count} differences in {blocks} blocks: run this again with --write and read what changed")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:] == ["--write"])
