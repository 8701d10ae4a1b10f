"""How the parameters of the law that predicts trade off against each other, at its optimum and over its bootstrap draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import style
from ..fits import Fit
from ..study import NotEnough, Study
from .base import Drawing


_FEWEST = 10


@dataclass(frozen=True)
class _Draws:
    """Of a fit, those that leave none of `names` open."""

    values: np.ndarray  # (draws, names); ln of a parameter that is positive in all of them, because scales differ
    asked: int
    names: list[str]
    labels: list[str]  # "ln A"
    open: str  # what is said of the parameters that too many draws leave open; they are not among `names`

    @staticmethod
    def of(fit: Fit) -> _Draws:
        asked, values = _rows(fit)
        if asked < _FEWEST:
            raise NotEnough(f"the fit has fewer than {_FEWEST} bootstrap draws; fit with --bootstrap 1000")
        known = np.isfinite(values)
        complete = known.all(axis=1)
        lost = len(values) - complete.sum()
        # The draws that leave none open are no fair sample once they are too few for the program's own intervals.
        shown = known.all(axis=0) | (lost <= (1 - _level(fit)) / 2 * asked)
        rows = known[:, shown].all(axis=1)
        if rows.sum() < _FEWEST or shown.sum() < 2:
            raise NotEnough(f"only {complete.sum()} of {asked} bootstrap draws leave no parameter open")
        values = values[np.ix_(rows, shown)]
        positive = (values > 0).all(axis=0)
        names = [name for name, is_shown in zip(fit.parameters, shown, strict=True) if is_shown]
        hidden = [name for name in fit.parameters if name not in names]
        labels = [f"ln {name}" if ln else name for name, ln in zip(names, positive, strict=True)]
        said = f"Not shown: {', '.join(hidden)}, open in {lost} of the draws. " if hidden else ""
        return _Draws(np.where(positive, np.log(np.maximum(values, 1e-300)), values), asked, names, labels, said)

    @property
    def count(self) -> str:
        """"475 of 1000" where some are left out."""
        return f"{len(self.values)}" + (f" of {self.asked}" if len(self.values) < self.asked else "")


def _rows(fit: Fit) -> tuple[int, np.ndarray]:
    """(draws asked for, those that the file has); a draw that determined nothing has no row."""
    section = fit.raw.get("draws")
    section = section if isinstance(section, dict) else {}
    rows, asked = section.get("rows") or [], section.get("asked")
    values = np.array(rows or np.empty((0, len(fit.parameters))), float)
    return max(len(rows), asked if isinstance(asked, int) else 0), values


def _level(fit: Fit) -> float:
    level = fit.raw.get("level")
    return level if isinstance(level, float) else 0.8  # the program's own


def _correlation(fit: Fit, draws: _Draws) -> tuple[np.ndarray, str, str]:
    """(matrix, title, explanation): what the program prints where it does, so that page and program say the same."""
    stored = (fit.raw.get("precision") or {}).get("correlation") or []
    if len(stored) == len(fit.parameters):
        shown = [name in draws.names for name in fit.parameters]
        return (np.array(stored, float)[np.ix_(shown, shown)], "Correlation at the optimum",
                "what isoflop fit prints, of the linearised fit (the same for a parameter and its logarithm)")  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):  # a parameter that does not move
        return np.corrcoef(draws.values, rowvar=False), "Correlation over the draws", "over the draws on the right"


def _chosen(study: Study) -> tuple[Fit, _Draws]:
    """The fit that predicts and its draws; where it has none, the first of chinchilla and the others that has."""
    reason = None  # that of the first, which the others only stand in for
    for fit in filter(None, (study.predicting_fit, study.law_fit, *study.fits)):
        if len(fit.parameters) < 2:
            continue
        try:
            return fit, _Draws.of(fit)
        except NotEnough as found:
            reason = reason or found
    raise reason or NotEnough("no fit with draws")


def _whose(study: Study, fit: Fit) -> str:
    """Whose the draws are, for people."""
    law = f"{fit.members[0].title}, the heaviest law of the ensemble" if fit.members else fit.title
    if not study.prediction or not study.prediction.fit:
        return law
    if fit is study.predicting_fit:
        return f"{law}, which predicts"
    is_open = study.predicting_fit and _rows(study.predicting_fit)[0] >= _FEWEST
    why = "whose draws leave a parameter open" if is_open else "which has none"
    return f"{law}; not of the law that predicts ({study.prediction.fit}), {why}"


def correlation(study: Study) -> Drawing:
    fit, draws = _chosen(study)
    names = np.array(draws.names)
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
    right.set_title(f"The strongest pair, over the draws: {names[a]} and {names[b]}")
    return Drawing(
        fig,
        f"Right: {draws.count} bootstrap draws of {_whose(study, fit)}. {draws.open}Positive parameters as logarithms. Left: {explanation}. "
        "Where two parameters trade off, their own intervals say little: judge the fit by its predictions.",
        "Correlation of the fitted parameters, and a scatter of the pair that trades off most.",
    )
