#!/usr/bin/env python3
"""Refuses a source that no build file lists: a test nobody builds, a library source nobody compiles.

    check_registered.py [SOURCE_DIR]
"""
import fnmatch
import pathlib
import sys


def unlisted(root):
    for path in sorted([*root.glob("tests/**/*.cpp"), *root.glob("src/**/*.cpp"), *root.glob("kernels/**/*.cpp")]):
        lists = [folder / "CMakeLists.txt" for folder in path.parents if (folder / "CMakeLists.txt").is_file()]
        # The nearest build file is responsible; it names the source relative to itself, or globs it ("forms/*.cpp").
        name = path.relative_to(lists[0].parent).as_posix()
        words = [word for word in lists[0].read_text().replace("(", " ").replace(")", " ").split() if word.endswith(".cpp")]
        if not any(fnmatch.fnmatchcase(name, word) for word in words):
            yield f"{path.relative_to(root)}: is not listed in {lists[0].relative_to(root)}"
    for script in sorted([*root.glob("tests/**/*.sh"), *root.glob("tests/**/*_test.py")]):
        lists = [folder / "CMakeLists.txt" for folder in script.parents if (folder / "CMakeLists.txt").is_file()]
        if not any(script.name in file.read_text() for file in lists):
            yield f"{script.relative_to(root)}: no CMakeLists.txt above it runs it"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = list(unlisted(root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
