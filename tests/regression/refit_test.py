"""isoflop fit against the independent Python re-fit (analysis/isoflop_analysis/refit.py): 1e-5 on every parameter.

    refit_test.py synthetic            five seeded data sets
    refit_test.py published [FOLDER]   the public points in $ISOFLOP_EPOCH_DATA or FOLDER; exit code 77 without them
"""
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from command_line import LIMIT

from isoflop_analysis.refit import Chinchilla, refit

TOLERANCE = 1e-5
HOFFMANN = Chinchilla(E=np.exp(0.5267228), A=np.exp(6.0073404), B=np.exp(6.0179186), alpha=0.33917084, beta=0.2849083)
EPOCH = Chinchilla(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)


def isoflop_grid(law, noise):
    """Nine budgets, nine sizes from an eighth to eight times the optimum, log-normal noise."""
    budgets = np.geomspace(6e18, 3e21, 9)[:, None]
    n = (law.optimal(budgets)[0] * np.geomspace(1 / 8, 8, 9)).ravel()
    d = np.broadcast_to(budgets, (9, 9)).ravel() / (6 * n)
    return n, d, law.loss(n, d) * np.exp(noise(n.size))


def synthetic():
    random = np.random.default_rng(20240917)
    yield "exact IsoFLOP grid", 1e-3, *isoflop_grid(HOFFMANN, np.zeros)
    yield "noisy IsoFLOP grid", 1e-3, *isoflop_grid(EPOCH, lambda size: 0.004 * random.standard_normal(size))
    n, d, loss = isoflop_grid(EPOCH, lambda size: 0.004 * random.standard_normal(size))
    bad = random.choice(n.size, 6, replace=False)
    yield "outliers and a wide Huber loss", 1e-2, n, d, np.where(np.isin(np.arange(n.size), bad), 1.15 * loss, loss)
    n, d = np.exp(random.uniform(np.log(1e6), np.log(3e8), 70)), np.exp(random.uniform(np.log(2e7), np.log(1e10), 70))
    bent = EPOCH.loss(n, d) * (1 + 0.002 * np.log(d / n)) * np.exp(0.003 * random.standard_normal(70))
    yield "small runs off the law", 1e-3, n, d, bent
    n, d, loss = isoflop_grid(HOFFMANN, lambda size: 0.004 * random.standard_normal(size))
    yield "weighted points", 1e-3, n, d, loss, random.choice([0.25, 1, 3], n.size)


def published(folder):
    """The 240 points of Besiroglu et al. 2024: all but the five highest losses."""
    with open(pathlib.Path(folder) / "svg_extracted_data.csv", newline="") as file:
        rows = [(float(r["Model Size"]), float(r["Training FLOP"]), float(r["loss"])) for r in csv.DictReader(file)]
    n, c, loss = np.array(sorted(rows, key=lambda r: r[2])[:-5]).T
    yield "240 published points", 1e-3, n, c / (6 * n), loss


def program_fit(delta, *columns):
    with tempfile.TemporaryDirectory(prefix="isoflop-test-") as folder:
        points = pathlib.Path(folder) / "points.csv"
        header = ",".join(["params", "tokens", "loss", "weight"][: len(columns)])
        lines = [",".join(repr(float(value)) for value in row) for row in zip(*columns, strict=True)]
        points.write_text("\n".join([header, *lines]) + "\n")
        done = subprocess.run(
            [os.environ["ISOFLOP_BINARY"], "fit", points, "--law", "chinchilla", "--bootstrap", "0", "--huber-delta",
             str(delta), "--json", "-"], capture_output=True, text=True, timeout=LIMIT, check=True)
    return {name: entry["value"] for name, entry in json.loads(done.stdout)["parameters"].items()}


def main(kind, folder=None):
    folder = os.environ.get("ISOFLOP_EPOCH_DATA", folder)
    if kind == "published" and not folder:
        print("skipped: ISOFLOP_EPOCH_DATA does not name the folder of svg_extracted_data.csv")
        return 77
    failed = 0
    for name, delta, *points in synthetic() if kind == "synthetic" else published(folder):
        program, own = program_fit(delta, *points), refit(*points, delta=delta).law.values()
        worst = max(own, key=lambda key: abs(program[key] / own[key] - 1))
        difference = abs(program[worst] / own[worst] - 1)
        print(f"{name}: {len(points[0])} points, largest relative difference {difference:.1e} ({worst}), "
              f"alpha {own['alpha']:.6f}, beta {own['beta']:.6f}")
        failed += not difference <= TOLERANCE
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
