"""How the parameters of the law that predicts trade off against each other, at its optimum and over its bootstrap draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import style
from ..fits import Fit
from ..study import NotEnough, Study
from .base import Drawing


@dataclass(frozen=True)
class _Draws:
    """Of a fit, those that leave no parameter open."""

    values: np.ndarray  # (draws, parameters); ln of a parameter that is positive in all of them, because scales differ
    labels: list[str]  # "ln A"

    @staticmethod
    def of(fit: Fit) -> _Draws:
        section = fit.raw.get("draws")
        rows = section.get("rows") if isinstance(section, dict) else None
        values = np.array(rows or np.empty((0, len(fit.parameters))), float)
        values = values[np.isfinite(values).all(axis=1)]
        if len(values) < 10:
            raise NotEnough("the fit has fewer than 10 bootstrap draws that leave no parameter open; fit with --bootstrap 1000")
        positive = (values > 0).all(axis=0)
        labels = [f"ln {name}" if ln else name for name, ln in zip(fit.parameters, positive, strict=True)]
        return _Draws(np.where(positive, np.log(np.maximum(values, 1e-300)), values), labels)


def _correlation(fit: Fit, draws: _Draws) -> tuple[np.ndarray, str, str]:
    """(matrix, title, explanation): what the program prints where it does, so that page and program say the same."""
    stored = (fit.raw.get("precision") or {}).get("correlation") or []
    if len(stored) == len(fit.parameters):
        return (np.array(stored, float), "Correlation at the optimum",
                "what isoflop fit prints, of the linearised fit (the same for a parameter and its logarithm)")  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):  # a parameter that does not move
        return np.corrcoef(draws.values, rowvar=False), "Correlation over the draws", "over the draws on the right"


def _chosen(study: Study) -> tuple[Fit, _Draws]:
    """The fit that predicts and its draws; where it has none, the first of chinchilla and the others that has."""
    reason = NotEnough("no fit with draws")
    for fit in filter(None, (study.predicting_fit, study.law_fit, *study.fits)):
        if len(fit.parameters) < 2:
            continue
        try:
            return fit, _Draws.of(fit)
        except NotEnough as found:
            reason = found
    raise reason


def _whose(study: Study, fit: Fit) -> str:
    """Whose the draws are, for people."""
    law = f"{fit.members[0].title}, the heaviest law of the ensemble" if fit.members else fit.title
    if not study.prediction or not study.prediction.fit:
        return law
    if fit is study.predicting_fit:
        return f"{law}, which predicts"
    return f"{law}; not of the law that predicts ({study.prediction.fit}), which has none"


def correlation(study: Study) -> Drawing:
    fit, draws = _chosen(study)
    names = np.array(list(fit.parameters))
    matrix, title, explanation = _correlation(fit, draws)
    moving = (np.ptp(draws.values, axis=0) > 0) & (np.isfinite(matrix).sum(axis=0) > 1)
    if moving.sum() < 2:
        raise NotEnough("fewer than two parameters move over the draws")
    matrix = matrix[np.ix_(moving, moving)]
    fig = style.figure(1.1 + 0.62 * len(matrix))
    left, right = fig.subplots(1, 2, width_ratios=(1, 1.1))
    image = left.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    for (row, column), value in np.ndenumerate(matrix):
        left.text(column, row, f"{value:.3f}".replace("-", "\N{MINUS SIGN}"), ha="center", va="center", fontsize=9,
                  color="white" if abs(value) > 0.6 else "black")  # fmt: skip
    left.set_xticks(range(len(matrix)), names[moving])
    left.set_yticks(range(len(matrix)), names[moving])
    left.grid(False)
    left.set_title(title)
    fig.colorbar(image, ax=left, pad=0.03, aspect=25).outline.set_visible(False)
    strongest = np.abs(matrix - np.eye(len(matrix)))
    a, b = np.flatnonzero(moving)[sorted(np.unravel_index(np.nanargmax(strongest), strongest.shape))]
    right.plot(draws.values[:, a], draws.values[:, b], "o", color=style.SECOND, ms=3.5, alpha=0.35, mew=0)
    right.set(xlabel=draws.labels[a], ylabel=draws.labels[b])
    right.set_title(f"The strongest pair over the draws: {names[a]} and {names[b]}")
    return Drawing(
        fig,
        f"Right: {len(draws.values)} bootstrap draws of {_whose(study, fit)}. Positive parameters as logarithms. Left: {explanation}. "
        "Where two parameters trade off, their own intervals say little: judge the fit by its predictions.",
        "Correlation of the fitted parameters, and a scatter of the pair that trades off most.",
    )
