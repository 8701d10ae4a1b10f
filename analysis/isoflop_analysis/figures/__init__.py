"""One function a figure: Study -> Drawing, or NotEnough with what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import matplotlib

from .. import style
from ..study import NotEnough, Study
from .base import Drawing
from .curves import frontier, loss_curves
from .isoflop import isoflop_profiles, optimal_allocation
from .parameters import correlation
from .schedules import fitted_curves
from .slices import has_kaplan_laws, kaplan_laws, slices
from .surface import residuals, surface
from .target import learning_curve, prediction

_FIGURES: tuple[tuple[str, Callable[[Study], Drawing]], ...] = (
    ("Prediction against measurement", prediction),
    ("The target's learning curve", learning_curve),
    ("Loss curves", loss_curves),
    ("Loss against compute", frontier),
    ("IsoFLOP profiles", isoflop_profiles),
    ("Compute-optimal size and tokens", optimal_allocation),
    ("L(N) and L(D)", slices),
    ("Kaplan's power laws", kaplan_laws),
    ("The fitted surface", surface),
    ("Residuals", residuals),
    ("How the parameters trade off", correlation),
)


_OF_RECORDS = (learning_curve, loss_curves, frontier)  # need the runs' own records


def _belongs(function: Callable[[Study], Drawing], study: Study) -> bool:
    """Whether a page about this study has such a figure at all."""
    if function is kaplan_laws:
        return has_kaplan_laws(study)
    if function in (slices, surface) and study.law is None and study.fits:
        return False  # of a law that nobody asked for
    return bool(study.sweep.runs) and (study.sweep.has_records or function not in _OF_RECORDS)


def _figures_of(study: Study) -> Iterator[tuple[str, str, Callable[[Study], Drawing]]]:
    """(heading, name, function)"""
    for heading, function in _FIGURES:
        if _belongs(function, study):
            yield heading, function.__name__.replace("_", "-"), function
    fits = study.fits_of_curves()
    for number, fit in enumerate(fits, 1):
        of, which = (f": {fit.path.name}", f"-{number}") if len(fits) > 1 else ("", "")
        yield f"Curves against their law{of}", f"fitted-curves{which}", partial(fitted_curves, fit=fit)


@dataclass(frozen=True)
class Drawn:
    heading: str
    name: str
    drawing: Drawing | None
    missing: str | None  # why there is no drawing


def draw_all(study: Study) -> list[Drawn]:
    drawn = []
    with matplotlib.rc_context(style.PARAMETERS):
        for heading, name, function in _figures_of(study):
            try:
                drawn.append(Drawn(heading, name, function(study), None))
            except NotEnough as reason:
                drawn.append(Drawn(heading, name, None, str(reason)))
    return drawn
