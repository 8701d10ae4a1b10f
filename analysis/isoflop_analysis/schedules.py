"""Whole loss curves under learning rate schedules, and the multi-power law through them.

Luo et al. 2025 (arXiv 2503.12811), warm-up over:

    L(t) = L0 + A S(t)^-alpha - B sum_(k<=t) (eta_(k-1) - eta_k) (1 - (1 + C eta_k^-gamma S_k(t))^-beta)

eta_k: learning rate of step k; S(t): sum of the rates up to t, warm-up included; S_k(t): sum of the rates of steps k to t.
The sum is taken over every drop; the program gathers small ones, so the page checks that too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fits import Fit

LAW = "multi-power"
MOST_ROWS = 200  # of a curve, each a mean over its neighbours: what the program fits
LEAST_RATE = 1e-9  # of the peak: a rate of 0 has no power
_NAMES = ("L0", "A", "alpha", "B", "C", "beta", "gamma")


@dataclass(frozen=True, eq=False)  # arrays do not compare to one truth
class Curve:
    """The records of one run by step; between two of them the rate is that of the later one."""

    name: str
    steps: np.ndarray
    rates: np.ndarray
    losses: np.ndarray  # nats/token

    @property
    def after_warmup(self) -> int:
        """Position of the first record behind the largest rate."""
        return int(np.argmax(self.rates)) + 1


@dataclass(frozen=True, eq=False)
class FittedCurve:
    """What the law makes of a curve, at the rows that the program fits."""

    fit: Fit
    curve: Curve
    steps: np.ndarray
    measured: np.ndarray  # means over neighbouring records, nats/token
    fitted: np.ndarray

    @property
    def misses(self) -> np.ndarray:
        """ln fitted - ln measured."""
        return np.log(self.fitted / self.measured)

    @property
    def rms(self) -> float:
        return float(np.sqrt(np.mean(self.misses**2)))


@dataclass(frozen=True, eq=False)
class PredictedCurve:
    """`isoflop predict --schedule`: the loss along a schedule; NaN bounds where it gives no interval."""

    steps: np.ndarray
    rates: np.ndarray
    losses: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float | None


def evaluate(fit: Fit, curve: Curve, positions: np.ndarray) -> np.ndarray:
    """The law's loss at some records of a curve, none of them in its warm-up."""
    l0, a, alpha, b, c, beta, gamma = (fit.parameters[name].value for name in _NAMES)
    area = np.cumsum(curve.rates * np.diff(curve.steps, prepend=0.0))
    least = LEAST_RATE * curve.rates.max()
    first = curve.after_warmup
    drops = curve.rates[first - 1 : -1] - curve.rates[first:]
    speed = c * np.maximum(curve.rates[first:], least) ** -gamma
    losses = []
    for t in positions:
        seen = slice(0, t - first + 1)
        since = np.maximum(area[t] - area[first - 1 : t], least)
        gained = np.sum(drops[seen] * (1 - (1 + speed[seen] * since) ** -beta))
        losses.append(l0 + a * area[t] ** -alpha - b * gained)
    return np.array(losses)


def fit_to(fit: Fit, curve: Curve) -> FittedCurve | None:
    """None: nothing lies behind the curve's warm-up, or the fit is none of the law."""
    first, size = curve.after_warmup, curve.steps.size
    count = min(MOST_ROWS, size - first)
    if count < 1 or not all(name in fit.parameters for name in _NAMES):
        return None
    ends = first + np.arange(count + 1) * (size - first) // count
    middle = (ends[:-1] + ends[1:] - 1) // 2
    measured = np.add.reduceat(curve.losses, ends[:-1]) / np.diff(ends)
    return FittedCurve(fit, curve, curve.steps[middle], measured, evaluate(fit, curve, middle))
