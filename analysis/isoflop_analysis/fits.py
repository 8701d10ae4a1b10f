"""Reads fit-<law>[-<method>].json and prediction.json of a sweep directory."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from .records import InputError, Run
from .refit import Chinchilla
from .tabulated import TabulatedLaw


ENSEMBLE = "ensemble"
_TITLES = {
    "chinchilla": "Chinchilla",
    "kaplan-n": "Kaplan L(N)",
    "kaplan-d": "Kaplan L(D)",
    "kaplan-c": "Kaplan L(C)",
    "kaplan-nd": "Kaplan L(N, D)",
    "kaplan-ns": "Kaplan L(N, S)",
    "multi-power": "Multi-power law of whole curves",
}

# Laws of accuracies and errors, for files of versions that did not write a scale; nothing in those names the response.
_OF_SHARES = {"accuracy-sigmoid", "error-exponential", "task-ladder"}


@dataclass(frozen=True)
class Estimate:
    value: float
    stderr: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Member:
    """A law of an ensemble."""

    law: str
    weight: float | None
    rollout_error: float | None  # rms of ln loss
    residual: float | None  # of the points, ln loss

    @property
    def title(self) -> str:
        return _TITLES.get(self.law, self.law)


@dataclass(frozen=True)
class Fit:
    path: Path
    law: str  # "ensemble" too
    method: str | None
    parameters: dict[str, Estimate]
    derived: dict[str, Estimate]
    objective: float | None
    used: int | None
    left_out: list[str]  # with reasons, for people
    left_out_runs: list[str] = field(default_factory=list)  # a name an entry: rows of a CSV may share one
    source: str | None = None  # the file that the program read the points from
    members: list[Member] = field(default_factory=list)  # of an ensemble, heaviest first: it has the parameters
    raw: dict = field(default_factory=dict)

    @property
    def title(self) -> str:
        """For people: "Chinchilla, approach 3"; a law this page does not know keeps its name."""
        if self.members:
            return f"Ensemble of {len(self.members)} law{'s' if len(self.members) > 1 else ''}"
        law = _TITLES.get(self.law, self.law)
        return f"{law}, {self.method.replace('approach', 'approach ')}" if self.method else law

    @property
    def scale(self) -> str:
        """What its misses are differences of: "log", or "linear" for the response itself."""
        return self.raw.get("scale") or ("linear" if self.law in _OF_SHARES else "log")

    @property
    def weights(self) -> str | None:
        """How the program weighed the points, where it says so; the page knows no weights but those of a column."""
        return next((note for note in self.raw.get("notes") or [] if str(note).startswith("weights:")), None)

    @property
    def fixed(self) -> list[str]:
        """Parameters that the program held instead of fitting them; the page's own re-fit holds none."""
        return [str(name) for name in self.raw.get("fixed") or []]

    def uses(self, run: Run) -> bool:
        return not {run.name, run.row.get("label")}.intersection(self.left_out_runs)

    def value(self, name: str) -> float | None:
        estimate = self.parameters.get(name) or self.derived.get(name)
        return estimate.value if estimate else None

    def chinchilla(self) -> Chinchilla | None:
        """The surface, if this fit has all five parameters of it."""
        values = {name: self.value(name) for name in ("E", "A", "B", "alpha", "beta")}
        return None if None in values.values() else Chinchilla(**values)


@dataclass(frozen=True)
class Prediction:
    n: float
    d: float
    c: float
    predicted: float
    measured: float | None
    low: float | None
    high: float | None
    level: float | None
    fit: str | None = None  # what predicts: "ensemble", "chinchilla-approach3"
    fitted: dict[str, float] = field(default_factory=dict)  # run to the loss that the same fit gives it
    curve: tuple[list[float], list[float]] | None = None  # tokens and loss of the target's size
    surface: TabulatedLaw | None = None  # the same fit at any N and D

    @property
    def error_percent(self) -> float | None:
        """Of the predicted loss, relative to the measured one; positive: predicted too high."""
        if self.measured is None:
            return None
        return 100 * (self.predicted - self.measured) / self.measured

    @property
    def inside(self) -> bool | None:
        if None in (self.measured, self.low, self.high):
            return None
        return self.low <= self.measured <= self.high


def number(value) -> float | None:
    """A finite JSON number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def load_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not JSON ({error}); write it again with isoflop") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds {type(content).__name__}, a JSON object is needed")
    return content


def _estimates(section, path: Path) -> dict[str, Estimate]:
    result = {}
    for name, entry in (section or {}).items():
        fields = entry if isinstance(entry, dict) else {"value": entry}
        value = number(fields.get("value"))
        if value is not None:
            rest = (number(fields.get(key)) for key in ("stderr", "low", "high"))
            result[name] = Estimate(value, *rest)
    return result


def _left_out(entries) -> tuple[list[str], list[str]]:
    """Readable reasons, and the names alone."""
    texts, runs = [], []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            name = str(next((entry[k] for k in ("name", "run", "label") if k in entry), "?"))
            runs.append(name)
            texts.append(f"{name}: {entry['reason']}" if "reason" in entry else name)
        else:
            runs.append(str(entry))
            texts.append(str(entry))
    return texts, runs


def _members(entries) -> list[Member]:
    return [
        Member(str(entry["law"]), *(number(entry.get(key)) for key in ("weight", "rollout_error", "residual_rms")))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and "law" in entry
    ]


def read_fit(path: Path) -> Fit:
    raw = load_json(path)
    parameters = _estimates(raw.get("parameters"), path)
    if not isinstance(raw.get("law"), str) or not parameters:
        raise InputError(f"{path}: needs \"law\" and \"parameters\"; write it with `isoflop fit`")
    points = raw.get("points") if isinstance(raw.get("points"), dict) else {}
    used = points.get("used")
    texts, runs = _left_out(points.get("left_out"))
    members = _members(raw.get("members")) if raw.get("ensemble") is True else []
    return Fit(
        path=path,
        law=ENSEMBLE if members else raw["law"],
        method=raw.get("method") or None,
        parameters=parameters,
        derived=_estimates(raw.get("derived"), path),
        objective=number(raw.get("objective")),
        used=len(used) if isinstance(used, list) else used if isinstance(used, int) else None,
        left_out=texts,
        left_out_runs=runs,
        source=points.get("source") or None,
        members=members,
        raw=raw,
    )


def read_fits(directory: Path) -> tuple[list[Fit], list[str]]:
    """(fits, troubles); a damaged file costs its own fit only."""
    fits, troubles = [], []
    for path in sorted(directory.glob("fit-*.json")):
        try:
            fits.append(read_fit(path))
        except InputError as error:
            troubles.append(str(error))
    return fits, troubles


def _surface(section) -> TabulatedLaw | None:
    """None where there is none, or not a whole one."""
    if not isinstance(section, dict):
        return None
    params, tokens, loss = (section.get(key) or [] for key in ("params", "tokens", "loss"))
    if min(len(params), len(tokens)) < 2 or len(loss) != len(params) * len(tokens) or None in map(number, loss):
        return None
    return TabulatedLaw(params, tokens, loss)


def read_prediction(directory: Path) -> tuple[Prediction | None, str | None]:
    path = directory / "prediction.json"
    if not path.is_file():
        return None, None
    try:
        raw = load_json(path)
    except InputError as error:
        return None, str(error)
    target, interval = raw.get("target") or {}, raw.get("interval") or {}
    n, d, c = (number(target.get(key)) for key in ("params", "tokens", "flops"))
    predicted = number(raw.get("predicted"))
    if None in (n, d, predicted):
        return None, f"{path}: needs target.params, target.tokens and predicted"
    low, high, level = (number(interval.get(key)) for key in ("low", "high", "level"))
    measured = number(raw.get("measured"))
    fitted = {name: loss for name, entry in (raw.get("fitted") or {}).items() if (loss := number(entry)) is not None}
    curve = raw.get("curve") or {}
    points = [(x, y) for x, y in zip(curve.get("tokens", []), curve.get("loss", []), strict=False) if number(x) and number(y)]
    lines = tuple(map(list, zip(*points, strict=True))) if len(points) > 1 else None
    return Prediction(n, d, c or 6 * n * d, predicted, measured, low, high, level, raw.get("fit"), fitted, lines,
                      _surface(raw.get("surface"))), None  # fmt: skip
