"""Reads a sweep directory: results.h5, the run.h5 files it links to, and nothing else.

A run may be going on, killed or damaged: then its curve is what could be read, or None, and `trouble`
says why. Only a sweep directory without a usable results.h5 is an error (InputError).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

SCHEMA = 1
REQUIRED_COLUMNS = (
    "run",
    "role",
    "status",
    "n_total",
    "tokens",
    "flops_6nd",
    "loss",
)


class InputError(Exception):
    """What the user gave cannot be used; the message is one line: path: seen, needed, what to do."""


@dataclass(frozen=True)
class Curve:
    """Losses (nats/token) against tokens seen, in order."""

    train_tokens: np.ndarray
    train_loss: np.ndarray
    validation_tokens: np.ndarray
    validation_loss: np.ndarray
    train_steps: np.ndarray
    train_rates: np.ndarray  # learning rate

    def smoothed(self, width: float = 0.06) -> tuple[np.ndarray, np.ndarray]:
        """Training loss averaged over bins of this width in ln tokens, the same for a whole run and for the short
        branch that ends one; empty bins are skipped."""
        good = np.isfinite(self.train_loss) & (self.train_tokens > 0)
        tokens, loss = self.train_tokens[good].astype(float), self.train_loss[good]
        if tokens.size < 2 or tokens[0] == tokens[-1]:
            return tokens, loss
        bins = math.ceil(math.log(tokens[-1] / tokens[0]) / width)
        edges = np.geomspace(tokens[0], tokens[-1], bins + 1)
        index = np.clip(np.searchsorted(edges, tokens, side="right") - 1, 0, bins - 1)
        count = np.bincount(index, minlength=bins)
        used = count > 0
        mean_log = np.bincount(index, np.log(tokens), bins)[used] / count[used]
        return np.exp(mean_log), np.bincount(index, loss, bins)[used] / count[used]


@dataclass(frozen=True)
class Run:
    row: dict  # the row of /runs, text decoded
    attributes: dict = field(default_factory=dict)  # of run.h5
    curve: Curve | None = None
    trouble: str | None = None  # why there is no curve

    @property
    def name(self) -> str:
        return self.row["run"]

    @property
    def is_target(self) -> bool:
        return self.row["role"] == "target"

    @property
    def is_trunk(self) -> bool:
        """Branches start from it; its own learning rate never decayed, so no law speaks of its loss."""
        return self.row["role"] == "trunk"

    @property
    def n(self) -> float:
        return float(self.row["n_total"])

    @property
    def d(self) -> float:
        return float(self.row["tokens"])

    @property
    def c(self) -> float:
        """Training compute, 6 N D FLOP."""
        return float(self.row["flops_6nd"])

    @property
    def loss(self) -> float:
        return float(self.row["loss"])

    @property
    def weight(self) -> float:
        """Its share in the objective; only a CSV may have a column of them."""
        return float(self.row.get("weight", 1.0))

    @property
    def budget(self) -> float:
        value = float(self.row.get("budget", 0.0))
        return value if np.isfinite(value) and value > 0 else 0.0

    @property
    def finished(self) -> bool:
        return self.row["status"] == "finished" and np.isfinite(self.loss) and self.loss > 0

    @property
    def has_final_loss(self) -> bool:
        """One that laws speak of."""
        return self.finished and not self.is_trunk


@dataclass(frozen=True)
class Sweep:
    directory: Path
    attributes: dict
    runs: list[Run]
    manifest: str | None
    source: str = "results.h5"  # the file that the runs came from

    @property
    def has_records(self) -> bool:
        """A CSV of points has none."""
        return self.source == "results.h5"

    @property
    def fitted(self) -> list[Run]:
        """Not the target, and no trunk either: those have not decayed."""
        return [r for r in self.runs if r.finished and r.row["role"] == "fit"]

    @property
    def target(self) -> Run | None:
        """The finished target with the most compute, else the one that is still on its way."""
        targets = [r for r in self.runs if r.is_target]
        return max(targets, key=lambda r: (r.finished, r.c), default=None)


def plain(value):
    """numpy scalars and bytes as Python values."""
    if isinstance(value, np.generic):
        value = value.item()
    return value.decode("utf-8", "replace").rstrip("\0") if isinstance(value, bytes) else value


def open_for_reading(path: Path) -> h5py.File:
    """Also opens a file that is being written, or whose writer was killed (marked open for SWMR)."""
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise
    except OSError as first:
        if "truncated" in str(first):  # with swmr=True, HDF5 would wait for ever for the missing end
            raise
        try:
            return h5py.File(path, "r", swmr=True)
        except (OSError, ValueError):
            raise first from None


def _column(group: h5py.Group, name: str) -> np.ndarray:
    return np.asarray(group[name][()])


def _columns(file: h5py.File, path: str, *names: str) -> list[np.ndarray]:
    """Columns of a group; the writer may be between two of them, so the shortest length counts."""
    if path not in file:
        return [np.empty(0) for _ in names]
    columns = [_column(file[path], name) for name in names]
    length = min(column.size for column in columns)
    return [column[:length] for column in columns]


def read_curve(path: Path) -> tuple[Curve | None, dict, str | None]:
    """(curve, root attributes, trouble) of a run.h5 in any state."""
    try:
        with open_for_reading(path) as file:
            attributes = {key: plain(value) for key, value in file.attrs.items()}
            tokens, loss, steps, rates = _columns(file, "train", "tokens", "loss", "step", "lr")
            curve = Curve(tokens, loss, *_columns(file, "eval/validation", "tokens", "loss"), steps, rates)
    except FileNotFoundError:
        return None, {}, "no run.h5"
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        return None, {}, f"run.h5 cannot be read ({str(error).splitlines()[0]})"
    if curve.train_tokens.size + curve.validation_tokens.size == 0:
        return None, attributes, "run.h5 holds no steps yet"
    return curve, attributes, None


def _run_file(results: h5py.File, directory: Path, run: str) -> Path:
    """Where the external link points; opened by path, because a link cannot ask for SWMR."""
    fallback = directory / "runs" / run / "run.h5"
    try:
        link = results.get(f"curves/{run}", getlink=True)
    except (KeyError, RuntimeError):
        return fallback
    linked = directory / link.filename if isinstance(link, h5py.ExternalLink) else fallback
    return linked if linked.exists() else fallback


def _read_table(results: h5py.File, path: Path) -> list[dict]:
    if "runs" not in results or not isinstance(results["runs"], h5py.Dataset):
        raise InputError(f"{path}: no table /runs; run `isoflop sweep collect` again")
    table = results["runs"]
    missing = [name for name in REQUIRED_COLUMNS if name not in (table.dtype.names or ())]
    if missing:
        raise InputError(
            f"{path}: /runs has no column {', '.join(missing)}; run `isoflop sweep collect` again"
        )
    rows = table[()]
    if rows.size == 0:
        raise InputError(f"{path}: /runs is empty; run `isoflop sweep run` first")
    return [{name: plain(row[name]) for name in table.dtype.names} for row in rows]


def read_sweep(directory: str | os.PathLike) -> Sweep:
    directory = Path(directory)
    if not directory.is_dir():
        raise InputError(f"{directory}: no such directory; give the one `isoflop sweep run` filled")
    path = directory / "results.h5"
    if not path.is_file():
        raise InputError(f"{directory}: has no results.h5; run `isoflop sweep collect` first")
    try:
        with open_for_reading(path) as results:
            attributes = {key: plain(value) for key, value in results.attrs.items()}
            schema = attributes.get("schema")
            if schema != SCHEMA:
                raise InputError(
                    f"{path}: schema is {schema}, this report reads {SCHEMA}; "
                    "use tools/python.sh -m isoflop_analysis of the same version"
                )
            rows = _read_table(results, path)
            files = [_run_file(results, directory, row["run"]) for row in rows]
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable HDF5 file ({reason}); collect again") from None
    runs = []
    for row, file in zip(rows, files, strict=True):
        curve, run_attributes, trouble = read_curve(file)
        runs.append(Run(row, run_attributes, curve, trouble))
    manifest = directory / "manifest.toml"
    text = manifest.read_text("utf-8", "replace") if manifest.is_file() else None
    return Sweep(directory, attributes, runs, text)
