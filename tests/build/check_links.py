#!/usr/bin/env python3
"""Refuses a page that points to nothing: a relative link, its heading, or a file named in passing.

    check_links.py [SOURCE_DIR]

Links are those of Markdown. A file named in passing is a path below a folder of the checkout that ends like a source or a
page ("src/core/error.hpp", or from src/ on "core/error.hpp"); sources are searched for pages that they name, too.
"""
import pathlib
import re
import sys

LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(r"(?<![\w./<$*-])((?:[\w-]+/)+[\w.-]*\.(?:cpp|hpp|py|sh|md|cmake))\b")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
FOLDERS = ("analysis", "cmake", "docs", "experiments", "kernels", "src", "tests", "tools")


def anchors(page):
    """What a link's # may name, as the usual renderers make it."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(page.read_text())}


def dead_link(page, link):
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return not target.exists() or bool(anchor) and anchor not in anchors(target)


def dead_name(root, name):
    """A name counts if its first folder is one of ours."""
    bases = [base for base in (root, root / "src") if (base / name.split("/")[0]).is_dir()]
    return bool(bases) and not any((base / name).exists() for base in bases)


def dead(root):
    pages = [*root.glob("*.md"), *(path for folder in FOLDERS for path in (root / folder).rglob("*.md"))]
    sources = [path for folder in FOLDERS for end in ("hpp", "cpp", "py", "sh", "cmake", "txt")
               for path in (root / folder).rglob(f"*.{end}")]
    for file in sorted([*pages, *sources]):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            names = [name for name in NAMED.findall(line) if file.suffix == ".md" or name.startswith("docs/")]
            found = [name for name in names if dead_name(root, name)]
            if file.suffix == ".md":
                found += [link for link in LINK.findall(line) if ":" not in link and dead_link(file, link)]
            for name in dict.fromkeys(found):
                yield f"{file.relative_to(root)}:{number}: {name} is not there"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = list(dead(root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
