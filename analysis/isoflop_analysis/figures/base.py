from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from .. import style
from ..records import Run
from ..study import NotEnough, Study

N_LABEL = "model size N (parameters)"
D_LABEL = "training tokens D"
C_LABEL = "training compute C = 6 N D (FLOP)"
L_LABEL = "loss (nats/token)"
CONVENTION = "C = 6 N D with N the total number of parameters."


@dataclass(frozen=True)
class Drawing:
    figure: Figure
    caption: str
    summary: str  # what the picture shows, for those who cannot see it


def fitted_runs(study: Study) -> list[Run]:
    runs = study.fitted
    if not runs:
        raise NotEnough("no finished fit run yet")
    return runs


def fitted_losses(study: Study, runs: list[Run]) -> tuple[np.ndarray, str]:
    """Of the runs by the law that predicts, where prediction.json has all of them; by the surface otherwise. And its name."""
    p = study.prediction
    if p and runs and all(r.name in p.fitted for r in runs):
        return np.array([p.fitted[r.name] for r in runs]), f"the law that predicts ({p.fit})"
    return study.surface().loss([r.n for r in runs], [r.d for r in runs]), study.law_origin


def sizes(study: Study, runs: Iterable[Run]) -> style.Palette:
    """Colours of N; the same for a size in all figures."""
    return style.Palette([r.n for r in runs], style.SIZE_MAP, [r.n for r in study.sweep.runs if r.n > 0])


def span(values, factor: float = 1.15, points: int = 200) -> np.ndarray:
    """Log-spaced over the values and a little beyond."""
    return np.geomspace(min(values) / factor, max(values) * factor, points)


def percent(value: float) -> str:
    return f"{value:+.2f}%".replace("-", "\N{MINUS SIGN}")
