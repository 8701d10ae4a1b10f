#!/usr/bin/env python3
"""Refuses an include that docs/architecture.md does not allow, and a foreign header outside its one folder.
ALLOWED says what it allows, and must say the same as the last column of the map there.

    check_layers.py [SOURCE_DIR]

Prints one line a violation, "file:line: ...", and exits with 1 if there is any.
"""
import pathlib
import re
import sys

# folder -> folders whose headers it may include (itself always). kernels/* may include each other downwards only.
ALLOWED = {
    "kernels/api": {"src/core", "src/device", "kernels/kokkos", "kernels/cpu"},
    "kernels/kokkos": {"src/core", "src/device", "kernels/api"},
    "kernels/cpu": {"src/core", "src/device", "kernels/api", "kernels/kokkos"},
    "kernels/reference": {"src/core", "kernels/api"},
    "kernels/device_check": set(),
    "kernels/bench": {"src/core", "src/device", "kernels/api", "kernels/cpu", "kernels/kokkos", "kernels/reference"},
    "src/core": set(),
    "src/profile": {"src/core"},
    "src/device": {"src/core"},
    "src/comm": {"src/core", "src/profile", "src/device"},
    "src/parallel": {"src/core", "src/profile", "src/device", "src/comm", "kernels/api"},
    "src/model": {"src/core", "src/profile", "src/device", "kernels/api", "src/comm", "src/parallel/layout",
                  "src/parallel/tensor_parallel"},
    "src/optim": {"src/core", "src/device", "kernels/api"},
    "src/data": {"src/core", "src/comm"},
    "src/hdf5": {"src/core"},
    "src/checkpoint": {"src/core", "src/hdf5", "src/comm", "src/parallel/layout"},
    "src/record": {"src/core", "src/hdf5", "src/profile"},
    "src/config": {"src/core", "src/model", "src/optim", "src/parallel/pipeline"},
    "src/train": {"src/core", "src/profile", "src/device", "src/comm", "src/parallel", "src/model", "src/optim", "src/data",
                  "src/checkpoint", "src/record", "src/config", "kernels/api"},
    "src/laws": {"src/core"},
    "src/experiment": {"src/core", "src/record", "src/checkpoint", "src/laws", "src/config", "src/model"},
    "src/cli": {"src/checkpoint", "src/core", "src/device", "src/comm", "src/config", "src/data", "src/experiment", "src/laws", "src/profile",
                "src/record", "src/train", "src/parallel/pipeline"},
}
# folder -> its subfolders as data flows: a file may include headers of its own one and of those before it
ORDERED = {"src/laws": ["numerics", "points", "law", "forms", "search", "fit", "json", "predict", "plan", "tasks"]}
# foreign header -> the only folders that may include it
FOREIGN = {
    r"mpi\.h": {"src/comm"},
    r"nccl\.h": {"src/comm"},
    r"cuda_.*": {"src/comm"},
    r"hdf5\.h": {"src/hdf5"},
    r"Kokkos_.*": {"src/device", "kernels/kokkos", "kernels/cpu", "kernels/bench", "kernels/device_check"},
    r"CLI/.*": {"src/cli"},
    r"toml\+\+/.*": {"src/core"},
}
ROW = re.compile(r"^\| `(src/\w+)/` \|.*\| ([^|]*) \|$", re.MULTILINE)  # of the map
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def folder_of(path):
    parts = path.parts
    if parts[0] == "kernels":
        return "/".join(parts[:2])
    return "/".join(parts[:2]) if parts[0] == "src" else None


def included_folder(root, name):
    for base in ("src", ""):
        target = pathlib.PurePosixPath(base, name)
        if (root / target).is_file():
            return target
    return None


def is_allowed(folder, target):
    own = folder_of(target)
    if own is None or own == folder:
        return True
    return any(own == allowed or str(target).startswith(allowed + "/") for allowed in ALLOWED[folder])


def is_upward(folder, path, target):
    """Whether the subfolder of `target` comes after that of `path`; what lies in none is named by its own path."""
    if folder not in ORDERED or folder_of(target) != folder:
        return False
    before = ORDERED[folder][:ORDERED[folder].index(path.parts[2]) + 1]
    return target.parts[2] in ORDERED[folder] and target.parts[2] not in before


def violations(root):
    for path in sorted([*root.glob("kernels/**/*.[ch]pp"), *root.glob("src/**/*.[ch]pp")]):
        relative = path.relative_to(root)
        folder = folder_of(relative)
        if folder not in ALLOWED:
            yield f"{relative}: folder {folder} has no entry in ALLOWED: add it here and to docs/architecture.md"
            continue
        if folder in ORDERED and relative.parts[2] not in ORDERED[folder]:
            yield f"{relative}: lies in no subfolder that ORDERED names: {', '.join(ORDERED[folder])}"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            quoted, name = match.group(1) == '"', match.group(2)
            target = included_folder(root, name) if quoted else None
            if quoted and not target and f"src/{name.split('/')[0]}" in ALLOWED:
                yield f"{relative}:{number}: {name} is not there"
            if target and not is_allowed(folder, target):
                yield f"{relative}:{number}: {folder} may not include {name}"
            elif target and is_upward(folder, relative, target):
                yield f"{relative}:{number}: {relative.parent} may not include {name}, which comes after it"
            for foreign, homes in FOREIGN.items():
                if not target and re.fullmatch(foreign, name) and folder not in homes:
                    yield f"{relative}:{number}: {name} may be included only in {', '.join(sorted(homes))}"


def disagreements(map_text):
    rows = {folder: {name if name.startswith("kernels/") else f"src/{name}" for name in re.findall(r"`([^`]+)`", allowed)}
            for folder, allowed in ROW.findall(map_text)}
    for folder in sorted(rows.keys() | {folder for folder in ALLOWED if folder.startswith("src/")}):
        if rows.get(folder) != ALLOWED.get(folder):
            differ = sorted(rows.get(folder, set()) ^ ALLOWED.get(folder, set()))
            yield f"docs/architecture.md: {folder}/ is not what ALLOWED says: {', '.join(differ) or 'one of them lacks it'}"
    for folder, subfolders in ORDERED.items():
        told = re.findall(r"^\| `(\w+)/` \|", map_text.partition(f"Inside `{folder}/`")[2], re.MULTILINE)
        if told != subfolders:
            yield f"docs/architecture.md: the subfolders of {folder}/ are {', '.join(told)}; ORDERED says {', '.join(subfolders)}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = [*violations(root), *disagreements((root / "docs/architecture.md").read_text())]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
