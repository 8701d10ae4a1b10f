"""IsoFLOP profiles (Hoffmann et al. 2022, approach 2) and the envelope of curves (approach 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fits import Fit, number
from .records import Run


@dataclass(frozen=True)
class Profile:
    """The runs of one budget and, from three sizes on, the parabola of L in ln N."""

    budget: float  # 6 N D FLOP
    runs: list[Run]
    coefficients: np.ndarray | None  # numpy.polyval order, of x = ln N - centre
    centre: float

    def loss(self, n):
        return np.polyval(self.coefficients, np.log(n) - self.centre)

    @property
    def optimum(self) -> float | None:
        """N at the minimum; None without one, or where it is not between measured sizes."""
        if self.coefficients is None or self.coefficients[0] <= 0:
            return None
        square, slope, _ = self.coefficients
        n = float(np.exp(self.centre - slope / (2 * square)))
        sizes = [r.n for r in self.runs]
        return n if min(sizes) < n < max(sizes) else None


@dataclass(frozen=True)
class PowerLaw:
    """y = scale x^exponent."""

    scale: float
    exponent: float

    def __call__(self, x):
        return self.scale * np.asarray(x, float) ** self.exponent


@dataclass(frozen=True)
class Minimum:
    """The best size of one budget."""

    profile: Profile
    c: float  # FLOP
    n: float
    d: float
    loss: float


@dataclass(frozen=True)
class ParabolaFit:
    """Approach 2: minima of profiles and the power laws through them."""

    origin: str
    minima: list[Minimum]  # cheapest first
    without: dict[float, str]  # budget of a profile to the reason why it has none
    best_n: PowerLaw | None  # of C
    best_d: PowerLaw | None


def find_profiles(runs: list[Run]) -> list[Profile]:
    """Finished fit runs by budget, cheapest first."""
    result = []
    for budget in sorted({r.budget for r in runs if r.budget}):
        group = sorted((r for r in runs if r.budget == budget), key=lambda r: r.n)
        sizes = np.log([r.n for r in group])
        centre, coefficients = float(sizes.mean()), None
        if np.unique(sizes).size >= 3:
            coefficients = np.polyfit(sizes - centre, [r.loss for r in group], 2)
        result.append(Profile(budget, group, coefficients, centre))
    return result


def parabolas_of(fit: Fit | None, profiles: list[Profile]) -> ParabolaFit:
    """As the program fitted them, where a fit by approach 2 is there; else the report's own."""
    budgets = [b for b in (fit.raw.get("budgets") or [] if fit else []) if isinstance(b, dict) and number(b.get("flops"))]
    return _programs_parabolas(fit, budgets, profiles) if budgets and profiles else _own_parabolas(profiles)


def _programs_parabolas(fit: Fit, budgets: list[dict], profiles: list[Profile]) -> ParabolaFit:
    minima, without = [], {}
    for budget in sorted(budgets, key=lambda b: b["flops"]):
        c, n, d, loss = (number(budget.get(key)) for key in ("flops", "params", "tokens", "loss"))
        profile = min(profiles, key=lambda p: abs(np.log(p.budget / c)))
        if budget.get("rejected") or None in (n, d, loss):
            without[profile.budget] = str(budget.get("rejected") or "no minimum")
        else:
            minima.append(Minimum(profile, c, n, d, loss))
    lines = []
    for scale, exponent in (("G", "a"), ("H", "b")):  # N* = G (C/6)^a, D* = H (C/6)^b
        scale, exponent = fit.value(scale), fit.value(exponent)
        lines.append(None if None in (scale, exponent) else PowerLaw(scale / 6**exponent, exponent))
    return ParabolaFit(f"{fit.title} ({fit.path.name})", minima, without, *lines)


def _own_parabolas(profiles: list[Profile]) -> ParabolaFit:
    found = [p for p in profiles if p.optimum]
    minima = [Minimum(p, p.budget, p.optimum, p.budget / (6 * p.optimum), float(p.loss(p.optimum))) for p in found]
    lines = [power_law([m.c for m in minima], best) for best in ([m.n for m in minima], [m.d for m in minima])]
    without = {p.budget: "no minimum between measured sizes" for p in profiles if not p.optimum}
    return ParabolaFit("the report's own parabolas, without a fit by approach 2", minima, without, *lines)


def power_law(x, y) -> PowerLaw | None:
    """Least squares of ln y in ln x; None with fewer than two abscissae."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if np.unique(x).size < 2:
        return None
    exponent, offset = np.polyfit(np.log(x), np.log(y), 1)
    return PowerLaw(float(np.exp(offset)), float(exponent))


def envelope(curves: list[tuple[np.ndarray, np.ndarray]], points: int = 200):
    """Least loss over all curves at each compute: (compute, loss); each curve counts where it has data."""
    curves = [(c, loss) for c, loss in curves if len(c) >= 2]
    if not curves:
        return np.empty(0), np.empty(0)
    grid = np.geomspace(min(c[0] for c, _ in curves), max(c[-1] for c, _ in curves), points)
    rows = [np.interp(np.log(grid), np.log(c), l, np.inf, np.inf) for c, l in curves]
    least = np.min(rows, axis=0)
    least = np.minimum.accumulate(least)
    good = np.isfinite(least)
    return grid[good], least[good]
