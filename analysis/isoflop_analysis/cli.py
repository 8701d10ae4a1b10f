"""python -m isoflop_analysis SWEEP_DIR | POINTS.csv [FIT.json...] [--out FILE] [--png DIR]"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from .figures import Drawn, draw_all
from .page import build_page
from .points_file import COLUMNS, read_points_study
from .records import InputError
from .study import Study, read_study


def write_beside(path: Path, text: str) -> None:
    """Written under another name and renamed: readers see the old page or the new one. A name that is no UTF-8 shows a ?."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); give another --out") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror}); give another --out") from None


def refuse_other_files(path: Path) -> None:
    """Nobody means to replace points or results by a page."""
    if path.is_file():
        with path.open("rb") as file:
            if file.read(1) not in (b"", b"<"):
                raise InputError(f"{path}: is there and is no page; give another --out, or remove it")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message}; --help lists what it takes\n")


def read_columns(arguments: list[str]) -> dict[str, str]:
    """COLUMN=NAME as isoflop fit takes it."""
    columns = {}
    for argument in arguments:
        column, equals, name = argument.partition("=")
        if not (equals and name):
            raise InputError(f"--column: saw '{argument}', needed COLUMN=NAME, for example params=\"Model Size\"")
        if column not in COLUMNS:
            raise InputError(f"--column: '{column}' is unknown, needed one of {', '.join(COLUMNS)}")
        columns[column] = name
    return columns


def read_input(options) -> tuple[Study, Path]:
    """The study and where its page goes by default."""
    path = Path(options.input)
    if path.is_file():
        columns = read_columns(options.column)
        prediction = Path(options.prediction) if options.prediction else None
        return read_points_study(path, [Path(f) for f in options.fits], columns, prediction), path.with_suffix(".html")
    if options.fits or options.column or options.prediction:
        raise InputError(f"{path}: is no CSV file; FIT.json, --column and --prediction go with one")
    return read_study(path), path / "report.html"


def write_pngs(folder: Path, drawn: list[Drawn]) -> None:
    for one in drawn:
        if one.drawing:
            try:
                one.drawing.figure.savefig(folder / f"{one.name}.png", dpi=120, metadata={"Software": None})
            except OSError as error:
                raise InputError(f"{folder}: cannot be written ({error.strerror}); give another --png") from None


def print_path(path: Path) -> None:
    """Its own bytes, whatever encoding standard output has: they name the file to a shell, and any name has them."""
    if sys.stdout is not None:  # it may be closed
        sys.stdout.buffer.write(os.fsencode(path) + b"\n")


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(
        prog="isoflop_analysis",
        description="Writes one self-contained HTML page about a sweep, or about a CSV of points and its fits: "
        "prediction against measurement, loss curves, IsoFLOP profiles, laws with intervals, residuals, the run table "
        "and provenance. Fits of law multi-power are shown with the curves they were made from.",
        epilog="Exit codes: 0 written, 2 the input cannot be used (one line says why).",
    )
    parser.add_argument("input", metavar="SWEEP_DIR|POINTS.csv",
                        help="directory with results.h5 (isoflop sweep collect), or a CSV as isoflop fit reads it")  # fmt: skip
    parser.add_argument("fits", metavar="FIT.json", nargs="*", default=[], help="with a CSV: what isoflop fit --json wrote")
    parser.add_argument("--prediction", metavar="FILE", help="with a CSV: what isoflop predict --json wrote for one run, or for a schedule")
    parser.add_argument("--column", metavar="COLUMN=NAME", action="append", default=[],
                        help="with a CSV: as in isoflop fit, where the file's name differs; what --weight-by named is weight=NAME")  # fmt: skip
    parser.add_argument("--out", metavar="FILE", help="default: SWEEP_DIR/report.html, or POINTS.html beside the CSV")
    parser.add_argument("--png", metavar="DIR", help="also write every figure as DIR/<figure>.png")
    options = parser.parse_args(arguments)
    try:
        study, default = read_input(options)
        out = Path(options.out) if options.out else default
        for folder in (out.parent, *([Path(options.png)] if options.png else [])):
            if not folder.is_dir():  # before the work, not after it
                raise InputError(f"{folder}: no such directory; give an existing one")
        refuse_other_files(out)
        drawn = draw_all(study)
        write_beside(out, build_page(study, drawn))
        if options.png:
            write_pngs(Path(options.png), drawn)
    except InputError as error:
        print(f"isoflop_analysis: {error}", file=sys.stderr)
        return 2
    except PermissionError as error:
        print(f"isoflop_analysis: {error.filename}: {error.strerror}; give yourself the right to it", file=sys.stderr)
        return 2
    print_path(out)
    return 0
