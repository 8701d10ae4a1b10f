"""The console blocks of a document show what their commands print: the same words, numbers to 1%, but for what a machine
and its load make of them: times, rates, and memory with the program itself in it.

    transcript_test.py DOCUMENT.md            compares; ISOFLOP_BINARY is the program
    transcript_test.py DOCUMENT.md --write    puts what the commands print into the blocks that differ

A block is "$ command", more lines of it that begin with "> ", and what they print, errors included; a line "…" stands for
any lines. The blocks run in their order in one scratch folder, with the files that the document says to save: "Save this
as `NAME`" and a block of toml.
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
FILE = re.compile(r"Save this as `(\S+)`.*\n\n```toml\n((?:.*\n)*?)```\n")
ANY = "…"
MACHINE = re.compile(r"""[\d.]+\ s\b | [\d.]+\ ms\b | [\d.]+\ k?\ ?tokens/s | ETA\ [\d:]+ | [\d.]+\ GFLOP/s | [\d.]+%\ of\ the\ (measured\ peak|step)
    | [\d.]+%\ by\ the\ processor | ^\w+\ +[\d.]+%(\ +[\d.]+)?\ *$
    | (predicted:?|at\ most|program|peak\ memory)\ [\d.]+\ MiB(\ on\ rank\ \d+)?""", re.VERBOSE)
STAMP = re.compile(r"^(?:\x1b\[K)?(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d )?", re.MULTILINE)  # of a log, and of the line that a terminal writes over
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def run(command, folder):
    script = "".join(line[2:] for line in command.splitlines(keepends=True))
    path = f"{pathlib.Path(os.environ['ISOFLOP_BINARY']).resolve().parent}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=os.environ | {"PATH": path}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=6 * LIMIT)
    return STAMP.sub("", done.stdout)


def same(shown, printed):
    shown, printed = (MACHINE.sub("~", line) for line in (shown, printed))
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split():
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed))
    return all(abs(float(a) - float(b)) <= TOLERANCE * abs(float(b)) for a, b in pairs)


def differences(shown, printed):
    """Pairs of lines; only their number where that differs."""
    if len(shown) != len(printed):
        yield f"{len(shown)} lines", f"{len(printed)} lines"
    else:
        yield from ((a, b) for a, b in zip(shown, printed) if not same(a, b))


def pieces(lines):
    """The runs of lines between those that stand for any."""
    found = [[]]
    for line in lines:
        if line == ANY:
            found.append([])
        else:
            found[-1].append(line)
    return found


def differences_between_any(shown, printed):
    """Pieces are looked for in their order; the first and the last one are the beginning and the end."""
    first, *middle = pieces(shown)
    if not middle:
        yield from differences(first, printed)
        return
    *middle, last = middle
    yield from differences(first, printed[:len(first)])
    yield from differences(last, printed[max(len(first), len(printed) - len(last)):])
    begin, end = len(first), len(printed) - len(last)
    for piece in filter(None, middle):
        places = [at for at in range(begin, end - len(piece) + 1) if not any(differences(piece, printed[at:at + len(piece)]))]
        if not places:
            yield "\n           ".join(piece), "\n           ".join(printed[begin:end])
            return
        begin = places[0] + len(piece)


def main(document, write):
    text, count = document.read_text(), 0
    if "ISOFLOP_TEST_SANITIZED" in os.environ and "peak memory" in text:
        print("skipped: sanitizers take memory beside the program's")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="isoflop-test-") as folder:
        for name in ("analysis", "docs", "tools"):
            pathlib.Path(folder, name).symlink_to(ROOT / name)

        for name, content in FILE.findall(text):
            pathlib.Path(folder, name).write_text(content)

        def rewrite(block):
            nonlocal count
            command, shown = block.groups()
            printed = run(command, folder)
            found = list(differences_between_any(shown.splitlines(), printed.splitlines()))
            for a, b in found:
                count += 1
                print(f"{command}  shown    {a}\n  printed  {b}")
            return command + (printed if found else shown)

        new, blocks = BLOCK.subn(rewrite, text)
    if write:
        document.write_text(new)
    elif count or not blocks:
        sys.exit(f"{document}: {count} differences in {blocks} blocks: run this again with --write and read what changed")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:] == ["--write"])
