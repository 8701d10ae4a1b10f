"""Lints sources of a build, on all cores, and remembers those that passed.

    lint.py CLANG_TIDY_FOLDER BUILD [SOURCE...] -- CLANG_TIDY_ARGUMENT...      without SOURCE: all

A source passes once for its compile commands, .clang-tidy and the contents of all files that it includes, as the build
noted them: CLANG_TIDY_FOLDER/passed/ holds a file for each such state. What nobody met for a month is forgotten.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
GCC_ONLY = "#pragma GCC target"  # and with it builtins that clang does not know
CUDA = " -x cu "  # of the device check: nvcc's options
MONTH = 30 * 24 * 3600


def commands_of(build):
    """Every source of the checkout with a compile command; of a kernel's, one for each instruction set, the last."""
    commands = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.Path(entry["file"])
        if not source.is_relative_to(ROOT) or source.is_relative_to(ROOT / "build") or CUDA in entry["command"]:
            continue
        if GCC_ONLY not in source.read_text():
            commands[source] = entry
    return commands


def includes_of(build):
    """Of every object, the files that made it."""
    listed = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True).stdout
    includes, files = {}, []
    for line in listed.splitlines():
        if line.startswith("    "):
            files.append((build / line.strip()).resolve())
        elif line:
            files = includes[line.split(":")[0]] = []
    return includes


class Keys:
    """A name for all that decides what clang-tidy says of a source; the same in any checkout."""

    def __init__(self, build):
        self.includes, self.hashes = includes_of(build), {}
        self.settings = b"".join((ROOT / folder / ".clang-tidy").read_bytes() for folder in (".", "tests"))

    def hash_of(self, path):
        if path not in self.hashes:
            self.hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self.hashes[path]

    def of(self, command):
        """None where the build has not made the source."""
        made = self.includes.get(re.search(r" -o (\S+)", command)[1])
        if not made or not all(path.is_file() for path in made):
            return None
        key = hashlib.sha256(self.settings + command.replace(str(ROOT), ".").encode())
        for path in made:
            key.update(self.hash_of(path).encode())
        return key.hexdigest()


def forget_old(passed):
    for stamp in passed.iterdir():
        if stamp.stat().st_mtime < time.time() - MONTH:
            stamp.unlink(missing_ok=True)


def chosen_of(commands, names):
    wanted = {pathlib.Path(name).resolve() for name in names}
    for path in sorted(wanted - commands.keys()):
        print(f"lint: {path}: is no source of this build, or one for gcc or nvcc alone")
    return {source: entry for source, entry in commands.items() if source in wanted}


def main(folder, build, *words):
    names, arguments = words[:words.index("--")], words[words.index("--") + 1:]
    folder, build = pathlib.Path(folder), pathlib.Path(build).resolve()
    passed = folder / "passed"
    passed.mkdir(exist_ok=True)
    keys, todo = Keys(build), {}
    commands = chosen_of(commands_of(build), names) if names else commands_of(build)
    for source, entry in commands.items():
        key = keys.of(entry["command"])
        if key and (passed / key).exists():
            (passed / key).touch()
        else:
            todo[source] = key
    forget_old(passed)

    with tempfile.TemporaryDirectory(prefix="isoflop-lint-") as database:
        (pathlib.Path(database) / "compile_commands.json").write_text(json.dumps(list(commands.values())))

        def lint(source):
            done = subprocess.run([folder / "bin/clang-tidy", "-p", database, *arguments, source], capture_output=True, text=True)
            if done.returncode == 0 and todo[source]:
                (passed / todo[source]).touch()
            elif done.returncode != 0:
                print(done.stdout or done.stderr, flush=True)
            return done.returncode == 0

        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            failed = list(pool.map(lint, todo)).count(False)
    print(f"lint: {len(commands)} sources, {len(commands) - len(todo)} passed before, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
