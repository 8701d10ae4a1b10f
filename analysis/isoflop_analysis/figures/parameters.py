"""How the parameters of the law that predicts trade off against each other over its bootstrap draws."""

from __future__ import annotations

import numpy as np

from .. import style
from ..fits import Fit
from ..study import NotEnough, Study
from .base import Drawing


def _draws(fit: Fit) -> np.ndarray:
    """(draws, parameters); ln of a parameter that is positive in all draws, because scales differ."""
    section = fit.raw.get("draws")
    rows = section.get("rows") if isinstance(section, dict) else None
    if not rows or len(rows) < 10:
        raise NotEnough("the fit has fewer than 10 bootstrap draws; fit with --bootstrap 1000")
    values = np.array(rows, float)
    return np.where((values > 0).all(axis=0), np.log(np.maximum(values, 1e-300)), values)


def _chosen(study: Study) -> tuple[Fit, np.ndarray]:
    """The fit that predicts and its draws; where it has none, the first of chinchilla and the others that has."""
    reason = NotEnough("no fit with draws")
    for fit in filter(None, (study.predicting_fit, study.law_fit, *study.fits)):
        if len(fit.parameters) < 2:
            continue
        try:
            return fit, _draws(fit)
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
    names = list(fit.parameters)
    moving = [i for i in range(len(names)) if np.ptp(draws[:, i]) > 0]
    if len(moving) < 2:
        raise NotEnough("fewer than two parameters move over the draws")
    draws, names = draws[:, moving], [names[i] for i in moving]
    matrix = np.corrcoef(draws, rowvar=False)
    fig = style.figure(1.1 + 0.62 * len(names))
    left, right = fig.subplots(1, 2, width_ratios=(1, 1.1))
    image = left.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    for (row, column), value in np.ndenumerate(matrix):
        left.text(column, row, f"{value:.3f}".replace("-", "\N{MINUS SIGN}"), ha="center", va="center", fontsize=9,
                  color="white" if abs(value) > 0.6 else "black")  # fmt: skip
    left.set_xticks(range(len(names)), names)
    left.set_yticks(range(len(names)), names)
    left.grid(False)
    left.set_title("Correlation over the draws")
    fig.colorbar(image, ax=left, pad=0.03, aspect=25).outline.set_visible(False)
    strongest = np.abs(matrix - np.eye(len(names)))
    a, b = sorted(np.unravel_index(np.argmax(strongest), strongest.shape))
    right.plot(draws[:, a], draws[:, b], "o", color=style.SECOND, ms=3.5, alpha=0.35, mew=0)
    right.set(xlabel=_label(names[a], fit), ylabel=_label(names[b], fit))
    right.set_title(f"The strongest pair: {names[a]} and {names[b]}")
    return Drawing(
        fig,
        f"{len(draws)} bootstrap draws of {_whose(study, fit)}. Positive parameters as logarithms. Where two parameters trade "
        "off, their own intervals say little: judge the fit by its predictions.",
        "Correlation of the fitted parameters, and a scatter of the pair that trades off most.",
    )


def _label(name: str, fit: Fit) -> str:
    values = [row[list(fit.parameters).index(name)] for row in fit.raw["draws"]["rows"]]
    return f"ln {name}" if min(values) > 0 else name
