"""Writes sweep directories in isoflop's formats from a known law, so that every figure has a truth."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import h5py
import numpy as np

from isoflop_analysis.refit import Chinchilla, refit

TRUTH = Chinchilla(E=1.35, A=60.0, B=300.0, alpha=0.34, beta=0.37)
BUDGETS = (1e12, 3e12, 1e13, 3e13)
VOCABULARY = 1024
WIDTHS = (32, 48, 64, 96, 128, 160, 192)
COLUMNS = np.dtype(
    [("run", "S16"), ("label", "S64"), ("role", "S8"), ("status", "S16"), ("n_total", "i8"),
     ("n_non_embedding", "i8"), ("tokens", "i8"), ("d_unique", "i8"), ("epochs", "f8"),
     ("flops_6nd", "f8"), ("flops_exact", "f8"), ("loss", "f8"), ("bits_per_byte", "f8"),
     ("seconds", "f8"), ("budget", "f8"), ("layers", "i8"), ("width", "i8"), ("heads", "i8"),
     ("context", "i8"), ("vocabulary", "i8"), ("global_batch", "i8"), ("micro_batch", "i8"),
     ("steps", "i8"), ("learning_rate", "f8"), ("schedule", "S16"), ("precision", "S8"),
     ("seed", "i8"), ("peak_memory_bytes", "i8"), ("restarts", "i8"), ("data_fingerprint", "S16")]
)  # fmt: skip
TOKENS_A_STEP = 8 * 256


def model_size(width: int) -> tuple[int, int, int]:
    """(layers, total, non-embedding parameters) with a tied head."""
    layers = max(2, width // 32)
    non_embedding = 12 * layers * width**2
    return layers, non_embedding + VOCABULARY * width, non_embedding


def _row(width: int, budget: float, role: str, noise: np.random.Generator, sigma: float) -> dict:
    layers, total, non_embedding = model_size(width)
    steps = max(20, round(budget / (6 * total * TOKENS_A_STEP)))
    tokens = steps * TOKENS_A_STEP
    loss = float(TRUTH.loss(total, tokens)) * float(np.exp(sigma * noise.standard_normal()))
    name = hashlib.sha256(f"{width} {budget} {role}".encode()).hexdigest()[:16]
    flops = 6.0 * total * tokens
    return {
        "run": name, "label": f"{layers}x{width} at {budget:.0e} FLOP", "role": role, "status": "finished",
        "n_total": total, "n_non_embedding": non_embedding, "tokens": tokens, "d_unique": tokens,
        "epochs": 1.0, "flops_6nd": flops, "flops_exact": flops * 1.13, "loss": loss,
        "bits_per_byte": loss / np.log(2), "seconds": flops / 4e10, "budget": budget if role == "fit" else 0.0,
        "layers": layers, "width": width, "heads": max(1, width // 32), "context": 256, "vocabulary": VOCABULARY,
        "global_batch": 8, "micro_batch": 8, "steps": steps, "learning_rate": 3e-3,
        "schedule": "cosine", "precision": "bf16", "seed": 1,
        "peak_memory_bytes": 16 * total + 20_000_000, "restarts": 0, "data_fingerprint": "0123456789abcdef",
    }  # fmt: skip


def write_run(directory: Path, row: dict, noise: np.random.Generator, seen: float = 1.0) -> h5py.File:
    """run.h5 after the share `seen` of its steps; the caller closes (or does not close) the file."""
    directory.mkdir(parents=True, exist_ok=True)
    file = h5py.File(directory / "run.h5", "w", libver="latest")
    attributes = {"schema": 1, "isoflop_version": "0.1.0", "isoflop_commit": "0a1b2c3d4e5f",
                  "device": "cpu", "processor": "Example CPU", "ranks": 1, "threads": 1}  # fmt: skip
    for key, value in {**row, **attributes, "config": "[model]\n"}.items():
        file.attrs[key] = value
    count = max(1, int(row["steps"] * seen))
    step = np.arange(1, count + 1)
    tokens = step * TOKENS_A_STEP
    left = 1 - tokens / row["tokens"]
    falling = TRUTH.B * (tokens.astype(float) ** -TRUTH.beta - row["tokens"] ** -TRUTH.beta)
    learning = row["loss"] + 0.8 * falling + 0.06 * row["loss"] * left**1.5
    start = np.log(VOCABULARY)  # smooth minimum of the start and the power law: ends at the row's loss
    clean = -np.log(np.exp(-4 * start) + np.exp(-4 * learning)) / 4
    columns = {
        "step": step, "tokens": tokens, "loss": clean * np.exp(0.015 * noise.standard_normal(count)),
        "lr": np.full(count, 3e-3), "grad_norm": np.ones(count),
        "seconds": row["seconds"] * step / row["steps"], "flops": row["flops_exact"] * step / row["steps"],
    }  # fmt: skip
    for name, values in columns.items():
        file.create_dataset(f"train/{name}", data=values, chunks=(1024,), maxshape=(None,), fletcher32=True)
    at = np.unique(np.linspace(count / 10, count, 10).astype(int).clip(1)) - 1
    evaluation = {"step": step[at], "tokens": tokens[at], "loss": clean[at], "bits_per_byte": clean[at] / np.log(2)}
    for name, values in evaluation.items():
        file.create_dataset(f"eval/validation/{name}", data=values, chunks=(64,), maxshape=(None,), fletcher32=True)
    return file


def write_results(directory: Path, rows: list[dict]) -> None:
    table = np.zeros(len(rows), COLUMNS)
    for i, row in enumerate(rows):
        for name, value in row.items():
            table[name][i] = value.encode() if isinstance(value, str) else value
    with h5py.File(directory / "results.h5", "w") as file:
        file.attrs.update({"schema": 1, "isoflop_version": "0.1.0", "isoflop_commit": "0a1b2c3d4e5f",
                           "sweep": "synthetic", "data_fingerprint": "0123456789abcdef"})  # fmt: skip
        file["runs"] = table
        for row in rows:
            file[f"curves/{row['run']}"] = h5py.ExternalLink(f"runs/{row['run']}/run.h5", "/")


def _estimate(value: float, spread: float) -> dict:
    low, high = sorted((value * (1 - 1.28 * spread), value * (1 + 1.28 * spread)))
    return {"value": value, "stderr": abs(value) * spread, "low": low, "high": high}


def _kaplan_fits(rows: list[dict]) -> dict:
    """Power laws through the best run of each size, number of tokens (to a factor of 3) and budget."""
    groups = {"n": lambda r: r["width"], "d": lambda r: round(np.log(r["tokens"]) / np.log(3)), "c": lambda r: r["budget"]}
    columns = {"n": "n_non_embedding", "d": "tokens", "c": "flops_6nd"}
    fits = {}
    for kind, group in groups.items():
        best = {}
        for row in sorted(rows, key=lambda r: -r["loss"]):
            best[group(row)] = row
        used = {r["run"] for r in best.values()}
        x, loss = np.log([(r[columns[kind]], r["loss"]) for r in best.values()]).T
        slope, offset = np.polyfit(x, loss, 1)
        values = {f"{kind.upper()}c": float(np.exp(-offset / slope)), f"a{kind.upper()}": float(-slope)}
        fits[f"kaplan-{kind}"] = {
            "law": f"kaplan-{kind}", "objective": 0.01,
            "parameters": {k: _estimate(v, 0.05) for k, v in values.items()},
            "points": {"used": len(used), "left_out": [{"name": r["run"], "reason": "not the best of its group"}
                                                       for r in rows if r["run"] not in used]},
        }  # fmt: skip
    return fits


def write_fits(directory: Path, rows: list[dict]) -> Chinchilla:
    """fit-*.json with made-up intervals around honest values; returns the fitted surface."""
    rows = [r for r in rows if r["role"] == "fit" and r["status"] == "finished"]
    n, d, c, loss = (np.array([r[k] for r in rows], float) for k in ("n_total", "tokens", "flops_6nd", "loss"))
    result = refit(n, d, loss)
    law = result.law
    a = law.beta / (law.alpha + law.beta)
    fits = {
        "chinchilla-approach3": {
            "law": "chinchilla", "method": "approach3", "objective": result.objective, "level": 0.8,
            "huber_delta": 1e-3, "warnings": ["an example of a warning"],
            "parameters": {k: _estimate(v, 0.1 if k in "AB" else 0.02) for k, v in law.values().items()},
            "derived": {"a": _estimate(a, 0.02), "b": _estimate(1 - a, 0.02)},
        },
        "chinchilla-approach2": {
            "law": "chinchilla", "method": "approach2", "objective": 1e-4,
            "parameters": {"a": _estimate(0.515, 0.03), "b": _estimate(0.485, 0.03), "G": _estimate(0.11, 0.2)},
        },
    }  # fmt: skip
    spread = np.random.default_rng(2).standard_normal((40, 5)) * 0.01
    fits["chinchilla-approach3"]["draws"] = {"rows": (np.array([*law.values().values()]) * np.exp(spread)).tolist()}
    for name, fit in fits.items():
        fit["points"] = {"used": len(rows), "left_out": []}
    fits |= _kaplan_fits(rows)
    for name, fit in fits.items():
        (directory / f"fit-{name}.json").write_text(json.dumps({"scale": "log", **fit}))
    return law


def write_prediction(directory: Path, law: Chinchilla, target: dict, measured: bool) -> None:
    value = float(law.loss(target["n_total"], target["tokens"]))
    prediction = {
        "target": {"params": target["n_total"], "tokens": target["tokens"], "flops": target["flops_6nd"]},
        "predicted": value, "interval": {"level": 0.8, "low": value * 0.988, "high": value * 1.013},
    }  # fmt: skip
    if measured:
        prediction["measured"] = target["loss"]
        prediction["error_percent"] = 100 * (value - target["loss"]) / target["loss"]
    (directory / "prediction.json").write_text(json.dumps(prediction))


def plan(sigma: float = 0.004, seed: int = 1) -> tuple[list[dict], np.random.Generator]:
    """Rows of an IsoFLOP grid around each optimum and a target of 6 times the largest budget."""
    noise = np.random.default_rng(seed)
    rows = []
    for budget in BUDGETS:
        best = float(TRUTH.optimal(budget)[0])
        near = sorted(WIDTHS, key=lambda w: abs(np.log(model_size(w)[1] / best)))[:5]
        rows += [_row(w, budget, "fit", noise, sigma) for w in sorted(near)]
    rows.append(_row(160, 6 * BUDGETS[-1], "target", noise, sigma))
    return rows, noise


def write_sweep(directory: Path, target: str = "finished", sigma: float = 0.004) -> list[dict]:
    """A whole sweep; target: "finished", "running" (no loss yet) or "absent"."""
    directory.mkdir(parents=True, exist_ok=True)
    rows, noise = plan(sigma)
    if target == "running":
        rows[-1] |= {"status": "running", "loss": float("nan"), "bits_per_byte": float("nan")}
    known = float(TRUTH.loss(rows[-1]["n_total"], rows[-1]["tokens"]))
    shown = rows if target != "absent" else rows[:-1]
    for row in shown:
        complete = row["status"] == "finished"
        curve = row if complete else {**row, "loss": known}
        write_run(directory / "runs" / row["run"], curve, noise, 1.0 if complete else 0.4).close()
    write_results(directory, shown)
    law = write_fits(directory, rows)
    write_prediction(directory, law, rows[-1], target == "finished")
    (directory / "manifest.toml").write_text('[model]\ncontext = 256\n[data]\ncorpus = "corpus/quickstart"\n')
    return shown
