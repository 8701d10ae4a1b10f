"""A study from POINTS.csv and the fits of it, for those who train elsewhere and have no sweep directory."""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from .fits import Fit, Prediction, load_json, number, read_fit
from .records import InputError, Run, Sweep
from .schedules import LAW as CURVES
from .schedules import Curve, FittedCurve, PredictedCurve, fit_to
from .study import Study, make_study, make_study_of_curves

NEIGHBOUR = 1.2  # points within this factor of compute are one IsoFLOP budget, as in approach 2
WIDEST = 1.5
COLUMNS = ("params", "tokens", "flops", "steps", "unique_tokens", "batch", "learning_rate", "loss", "task_loss", "accuracy",
           "error", "weight", "group", "name", "params_kind", "flops_kind", "loss_unit", "bytes_per_token", "stage",
           "tokenizer", "data", "context", "evaluation", "status", "warmup_tokens")  # fmt: skip   # as isoflop fit knows them; not all matter here

_ALIASES = {"step": "steps", "lr": "learning_rate"}


def _positive(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{place}: saw '{text}', needed a number") from None
    if not math.isfinite(value) or value <= 0:
        raise InputError(f"{place}: saw '{text}', needed a finite number above 0")
    return value


def _records(path: Path, columns: dict[str, str]) -> list[tuple[int, dict[str, str]]]:
    """(line, column -> text) of every row; columns by the names that isoflop knows."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header, rows, end = None, [], 0
            for fields in reader:
                line, end = end + 1, reader.line_num
                if not fields:
                    continue
                fields = [field.strip(" \t") for field in fields]
                if header is None:
                    header = fields
                elif len(fields) != len(header):
                    raise InputError(f"{path}:{line}: saw {len(fields)} fields, the header has {len(header)}")
                else:
                    rows.append((line, dict(zip(header, fields, strict=True))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV file ({error})") from None
    for column, theirs in columns.items():
        if theirs not in (header or []):
            raise InputError(f"{path}: {column}: the column '{theirs}' is missing, the file has {', '.join(header or [])}")
    known = {_ALIASES.get(name, name): name for name in header or []} | {name: name for name in header or []} | columns
    return [(line, {name: row[theirs] for name, theirs in known.items()}) for line, row in rows]


def _loss(row: dict[str, str], place: str) -> float:
    """In nats a token where the unit allows it."""
    value = _positive(row.get("loss", ""), f"{place}: loss")
    unit = row.get("loss_unit", "")
    if unit == "perplexity":
        return math.log(value)
    if unit == "bits_per_byte" and row.get("bytes_per_token"):
        return value * _positive(row["bytes_per_token"], f"{place}: bytes_per_token") * math.log(2)
    return value


def _number_or(text: str | None, default: float) -> float:
    try:
        value = float(text or "")
    except ValueError:
        return default
    return value if math.isfinite(value) else default


def _doubts(rows: list[dict[str, str]]) -> list[tuple]:
    """Of each row; of several rows with one name, isoflop leaves out the largest first: no point, a repeat, a high loss."""
    seen, doubts = set(), []
    for row in rows:
        is_point = row.get("status", "") in ("", "finished") and _number_or(row.get("weight"), 1) > 0
        text = tuple(row.values())
        doubts.append((not is_point, text in seen, _number_or(row.get("loss"), math.inf)))
        seen.add(text)
    return doubts


def _left_out(fit: Fit, names: list[str], doubts: list[tuple]) -> set[int]:
    """Positions of the rows that the fit did not use: it knows them by name, and a name may stand for several rows."""
    rows = defaultdict(list)
    for i, name in enumerate(names):
        rows[name].append(i)
    found = set()
    for name, count in Counter(fit.left_out_runs).items():
        found.update(sorted(rows[name], key=doubts.__getitem__, reverse=True)[:count])
    return found


def _match(fits: list[Fit], lines: list[int], rows: list[dict], points: str) -> tuple[list[Fit], list[str], set[int]]:
    """The fits with names that are each row's own, those names, and the positions of the rows that no fit used."""

    def names_in(source: str) -> list[str]:
        return [row.get("name") or f"{source}:{line}" for line, row in zip(lines, rows, strict=True)]

    names, doubts = names_in(points), _doubts(rows)
    times = Counter(names)
    own = [f"{name}, line {line}" if times[name] > 1 else name for name, line in zip(names, lines, strict=True)]
    left_out = [_left_out(fit, names_in(fit.source or points), doubts) for fit in fits]
    fits = [replace(fit, left_out_runs=[own[i] for i in out]) for fit, out in zip(fits, left_out, strict=True)]
    return fits, own, set.intersection(*left_out) if fits else {i for i, doubt in enumerate(doubts) if doubt[0]}


def _run(row: dict[str, str], place: str, name: str, is_used: bool) -> Run:
    if is_used:
        status = {"status": "finished", "loss": _loss(row, place)}
    else:
        status = {"status": "left out", "loss": math.nan}
    if row.get("weight") and is_used:
        status["weight"] = _positive(row["weight"], f"{place}: weight")
    sizes = {key: _positive(row[key], f"{place}: {key}") for key in ("params", "tokens", "flops") if row.get(key)}
    if len(sizes) < 2:
        raise InputError(f"{place}: needs two of params, tokens, flops; name other columns with --column")
    n = sizes.get("params") or sizes["flops"] / (6 * sizes["tokens"])
    d = sizes.get("tokens") or sizes["flops"] / (6 * sizes["params"])
    return Run(
        {
            "run": name,
            "role": "fit",
            **status,
            "n_total": n,
            "tokens": d,
            "flops_6nd": 6 * n * d,
            "budget": sizes.get("flops", 6 * n * d),
        }
    )


def _mark_budgets(runs: list[Run]) -> None:
    """The geometric mean of each group of equal compute; 0 where compute has no gaps or few sizes."""
    ordered = sorted(runs, key=lambda r: r.row["budget"])
    groups: list[list[Run]] = []
    for run in ordered:
        if not groups or run.row["budget"] > NEIGHBOUR * groups[-1][-1].row["budget"]:
            groups.append([])
        groups[-1].append(run)
    for group in groups:
        values = [r.row["budget"] for r in group]
        isoflop = values[-1] <= WIDEST * values[0] and len({r.n for r in group}) >= 3
        mean = math.exp(sum(map(math.log, values)) / len(values)) if isoflop else 0.0
        for run in group:
            run.row["budget"] = mean


def read_single_prediction(path: Path) -> Prediction:
    """What `isoflop predict --params N --tokens D --json FILE` writes."""
    raw = load_json(path)
    interval = raw.get("interval") or {}
    n, d, c, loss = (number(raw.get(key)) for key in ("params", "tokens", "flops", "loss"))
    if None in (n, d, loss):
        raise InputError(f"{path}: needs params, tokens and loss; write it with `isoflop predict --json`")
    return Prediction(n, d, c or 6 * n * d, loss, None, *(number(interval.get(k)) for k in ("low", "high", "level")))


def read_predicted_curve(path: Path) -> PredictedCurve:
    """What `isoflop predict --schedule FILE --json FILE` writes."""
    points = load_json(path).get("curve")
    if not isinstance(points, list) or not points or not all(isinstance(point, dict) for point in points):
        raise InputError(f"{path}: needs the key curve with points; write it with `isoflop predict --schedule FILE --json`")
    intervals = [point.get("interval") or {} for point in points]

    def column(entries: list[dict], key: str):
        return np.array([nan if (value := number(entry.get(key))) is None else value for entry in entries])

    nan = math.nan
    return PredictedCurve(*(column(points, key) for key in ("step", "learning_rate", "loss")), column(intervals, "low"),
                          column(intervals, "high"), number(intervals[-1].get("level")))  # fmt: skip


def _curves(rows: list[dict[str, str]], places: list[str], unused: set[int]) -> list[Curve]:
    """The points of each group by step, in the order of the file."""
    records: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for i, (row, place) in enumerate(zip(rows, places, strict=True)):
        if i in unused:
            continue
        missing = [name for name in ("steps", "learning_rate", "loss") if not row.get(name)]
        if missing:
            raise InputError(f"{place}: needs {', '.join(missing)}; name other columns with --column")
        rate = _number_or(row["learning_rate"], math.nan)
        if not rate >= 0:
            raise InputError(f"{place}: learning_rate: saw '{row['learning_rate']}', needed a number, 0 or above")
        records[row.get("group", "")].append((_positive(row["steps"], f"{place}: steps"), rate, _loss(row, place)))
    return [Curve(name or "curve", *np.array(sorted(points)).T) for name, points in records.items()]


def _fitted(curves: list[Curve], fit: Fit) -> list[FittedCurve]:
    return [fitted for curve in curves if (fitted := fit_to(fit, curve))]


def read_points_study(points: Path, fits: list[Path], columns: dict[str, str], prediction: Path | None) -> Study:
    read: list[Fit] = [read_fit(path) for path in fits]
    records = _records(points, columns)
    if not records:
        raise InputError(f"{points}: has no points, needed a header and rows")
    lines, rows = map(list, zip(*records, strict=True))
    read, names, unused = _match(read, lines, rows, str(points))
    places = [f"{points}:{line}" for line in lines]
    made_by = read[0].raw.get("isoflop", {}) if read else {}
    attributes = {"sweep": points.stem, **{f"isoflop_{key}": made_by[key] for key in made_by}}
    of_curves = sum(fit.law == CURVES for fit in read)
    if of_curves and len(read) > 1:
        raise InputError(f"{points}: saw {len(read)} fits, {of_curves} of them of law {CURVES}, needed that fit alone: give one")
    if of_curves:
        curves = _fitted(_curves(rows, places, unused), read[0])
        if not curves:
            raise InputError(f"{points}: no curve goes on behind its largest learning rate, needed one that falls")
        predicted = read_predicted_curve(prediction) if prediction else None
        notes = [f"{len(unused)} of {len(rows)} records were left out of the fit and are in no figure."] if unused else []
        return make_study_of_curves(Sweep(points.parent, attributes, [], None, points.name), read, curves, predicted, notes)
    runs = [_run(row, place, name, i not in unused)
            for i, (place, row, name) in enumerate(zip(places, rows, names, strict=True))]  # fmt: skip
    _mark_budgets([r for r in runs if r.finished])
    notes = []
    if not read:
        notes.append("No fit: give the file that `isoflop fit --json` wrote for laws with intervals.")
    out = sum(not r.finished for r in runs)
    if out:
        notes.append(f"{out} of {len(runs)} points were left out of every fit and are in no figure; the laws say why.")
    target = read_single_prediction(prediction) if prediction else None
    return make_study(Sweep(points.parent, attributes, runs, None, points.name), read, target, notes)
