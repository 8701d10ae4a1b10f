"""Whole loss curves against the law that was fitted through them, with their learning rates below."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

from .. import style
from ..fits import Fit
from ..schedules import FittedCurve, PredictedCurve
from ..study import Study
from .base import L_LABEL, Drawing

MOST_SHOWN = len(style.CATEGORIES)


def fitted_curves(study: Study, fit: Fit) -> Drawing:
    curves = [one for one in study.curves if one.fit is fit]
    worst = sorted(curves, key=lambda one: one.rms, reverse=True)[:MOST_SHOWN]
    shown = [one for one in curves if one in worst]
    fig = style.figure(7.4)
    axes = fig.subplots(3, 2, sharex="col", height_ratios=(3, 1.1, 1.4))
    _draw_column(axes[:, 0], study, shown, 0)
    _draw_column(axes[:, 1], study, shown, max(one.curve.steps[-1] for one in shown) / 3)
    for row, label in zip(axes, (L_LABEL, "learning rate", "fitted / measured\n\N{MINUS SIGN} 1 (%)"), strict=True):
        row[0].set_ylabel(label)
    axes[0, 0].set_title("behind the warm-up", fontweight="normal")
    axes[0, 1].set_title("last two thirds", fontweight="normal")
    fig.align_ylabels()
    rms = float(np.sqrt(np.mean(np.concatenate([one.misses for one in curves]) ** 2)))
    number = f"{len(curves)} curves" if len(curves) > 1 else "curve"
    fig.suptitle(f"The multi-power law misses the {number} by {100 * rms:.2g}% (root mean square)", x=0.01, ha="left",
                 fontsize=11, fontweight="bold")  # fmt: skip
    fig.legend(handles=_keys(study, shown), loc="outside right upper", handlelength=1.6)
    return Drawing(fig, _caption(len(curves) - len(shown), shown), "Measured loss curves, the fitted law, learning rates and residuals.")


def _draw_column(axes, study: Study, shown: list[FittedCurve], first_step: float) -> None:
    """Losses, rates and residuals from this step on."""
    losses, rates, misses = axes
    for one, color in zip(shown, style.CATEGORIES, strict=False):
        at, records = one.steps >= first_step, one.curve.steps >= max(first_step, one.steps[0])
        losses.plot(one.steps[at], one.measured[at], "o", color=color, ms=3, alpha=0.35, mew=0)
        losses.plot(one.steps[at], one.fitted[at], color=color, lw=1.6)
        rates.plot(one.curve.steps[records], one.curve.rates[records], color=color, lw=1.4)
        misses.plot(one.steps[at], 100 * np.expm1(one.misses[at]), "o", color=color, ms=2.2, alpha=0.6, mew=0)
    if study.predicted_curve:
        _draw_predicted(losses, rates, study.predicted_curve, first_step)
    misses.axhline(0, color=style.LAW, lw=1)
    style.log_axis(misses.xaxis, "count")
    style.loss_axis(losses.yaxis)
    rates.yaxis.set_major_locator(MaxNLocator(3))
    rates.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    rates.set_ylim(bottom=0)
    misses.set_xlabel("optimizer steps")


def _draw_predicted(losses, rates, curve: PredictedCurve, first_step: float) -> None:
    at = curve.steps >= first_step
    losses.plot(curve.steps[at], curve.losses[at], color=style.LAW, ls=(0, (5, 2)), zorder=4)
    losses.fill_between(curve.steps[at], curve.low[at], curve.high[at], color=style.LAW, alpha=0.15, lw=0)
    rates.plot(curve.steps[at], curve.rates[at], color=style.LAW, ls=(0, (5, 2)))


def _keys(study: Study, shown: list[FittedCurve]) -> list:
    keys = [style.key(one.curve.name, color=color, lw=3) for one, color in zip(shown, style.CATEGORIES, strict=False)]
    keys += [style.key("measured", marker="o", lw=0, ms=4, color=style.MUTED, alpha=0.5), style.key("law")]
    predicted = study.predicted_curve
    if predicted:
        keys.append(style.key("predicted schedule", ls=(0, (5, 2))))
        if predicted.level:
            keys.append(style.key(f"{predicted.level:.0%} interval", lw=7, alpha=0.15))
    return keys


def _caption(left: int, shown: list[FittedCurve]) -> str:
    which = f" Shown are the {len(shown)} that it misses most; the table has all." if left else ""
    return (
        "Dots: means over neighbouring records, at most 200 a curve, behind the warm-up. Lines: the law, summed over every "
        f"drop of the learning rate by this page itself.{which} A trend in the lowest panel means that the form does not fit."
    )
