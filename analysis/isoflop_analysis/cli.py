"""isoflop-report SWEEP_DIR [--out FILE]"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from .page import build_page
from .records import InputError
from .study import read_study


def write_beside(path: Path, text: str) -> None:
    """Written under another name and renamed: readers see the old page or the new one."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); give another --out") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror}); give another --out") from None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="isoflop-report",
        description="Writes one self-contained HTML page about a sweep: prediction against measurement, loss "
        "curves, IsoFLOP profiles, laws with intervals, residuals, the run table and provenance.",
        epilog="Exit codes: 0 written, 2 the sweep directory cannot be used (one line says why).",
    )
    parser.add_argument("sweep", metavar="SWEEP_DIR", help="directory with results.h5 (isoflop sweep collect)")
    parser.add_argument("--out", metavar="FILE", help="default: SWEEP_DIR/report.html")
    options = parser.parse_args(arguments)
    out = Path(options.out) if options.out else Path(options.sweep) / "report.html"
    try:
        if not out.parent.is_dir():  # before the work, not after it
            raise InputError(f"{out.parent}: no such directory; give an existing one")
        write_beside(out, build_page(read_study(options.sweep)))
    except InputError as error:
        print(f"isoflop-report: {error}", file=sys.stderr)
        return 2
    print(out)
    return 0
