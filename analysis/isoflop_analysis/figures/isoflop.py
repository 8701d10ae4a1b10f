"""Approach 2 as a picture: parabolas of L in log N per budget, and power laws through their minima."""

from __future__ import annotations

import numpy as np

from .. import style
from ..study import NotEnough, Study
from .base import C_LABEL, CONVENTION, D_LABEL, L_LABEL, N_LABEL, Drawing, span
from .curves import star_key


def _budgets(study: Study):
    if not study.profiles:
        raise NotEnough("no finished runs in IsoFLOP cells (column budget is 0 everywhere)")
    return study.profiles, style.Palette([p.budget for p in study.profiles], style.BUDGET_MAP)


def isoflop_profiles(study: Study) -> Drawing:
    profiles, palette = _budgets(study)
    fig = style.figure(5.0)
    ax = fig.subplots()
    for profile in profiles:
        colour = palette[profile.budget]
        n = np.array([r.n for r in profile.runs])
        ax.plot(n, [r.loss for r in profile.runs], "o", color=colour, ms=6, mec="white", mew=0.7, zorder=4)
        if profile.coefficients is not None:
            grid = span(n, 1.08)
            ax.plot(grid, profile.loss(grid), color=colour, lw=1.7)
    minima = study.parabolas.minima
    for m in minima:
        ax.plot(m.n, m.loss, "D", color="white", mec=palette[m.profile.budget], mew=1.8, ms=7, zorder=5)
    extra = [style.key("run", marker="o", lw=0, color=style.MUTED),
             style.key("parabola in log N", color=style.MUTED),
             style.key("minimum", marker="D", lw=0, mfc="white", mec=style.MUTED, mew=1.8)]  # fmt: skip
    if len(minima) >= 2:
        ax.plot([m.n for m in minima], [m.loss for m in minima], color=style.LAW, lw=1.1, ls=(0, (2, 2)), zorder=3)
        extra.append(style.key("path of the minima", lw=1.1, ls=(0, (2, 2))))
        title = (
            f"The best size grows from {style.count(minima[0].n)} parameters at {style.flop(minima[0].c)} FLOP to "
            f"{style.count(minima[-1].n)} at {style.flop(minima[-1].c)}"
        )
    else:
        title = "Too few budgets have a minimum between measured sizes"
    style.log_axis(ax.xaxis, "count")
    style.loss_axis(ax.yaxis)
    ax.set(xlabel=N_LABEL, ylabel=L_LABEL)
    ax.set_title(title)
    palette.explain(fig, ax, "C (FLOP)", style.flop, extra)
    caption = (
        "Final validation loss; parabolas by least squares of the loss in ln N, one a budget. Minima: "
        f"{study.parabolas.origin}. {CONVENTION}"
    )
    for budget, reason in study.parabolas.without.items():
        caption += f" No estimate at {budget:.1e} FLOP: {reason}."
    return Drawing(fig, caption, "IsoFLOP profiles: loss against model size for each compute budget.")


def _draw_growth(ax, study: Study, index: int, reach: float, palette: style.Palette) -> None:
    """The best N (index 0) or D (1) against compute: minima, the line through them, the law, the target."""
    parabolas, minima, target = study.parabolas, study.parabolas.minima, study.sweep.target
    grid = np.geomspace(minima[0].c / 1.3, reach * 1.3, 100)
    line = (parabolas.best_n, parabolas.best_d)[index]
    if line:
        ax.plot(grid, line(grid), color=style.SECOND)
        ax.set_title(f"Optimal {'ND'[index]} grows as {style.powered('C', line.exponent)}")
    if study.law:
        ax.plot(grid, study.law.optimal(grid)[index], color=style.LAW, ls=(0, (5, 2)))
    for m in minima:
        ax.plot(m.c, (m.n, m.d)[index], "D", color="white", mec=palette[m.profile.budget], mew=1.8, ms=7, zorder=4)
    if target:
        ax.plot(target.c, (target.n, target.d)[index], **style.star())
    style.log_axis(ax.xaxis, "flop")
    style.log_axis(ax.yaxis, "count")
    ax.set(xlabel=C_LABEL, ylabel=("compute-optimal N (parameters)", f"compute-optimal {D_LABEL[9:]}")[index])


def optimal_allocation(study: Study) -> Drawing:
    _, palette = _budgets(study)
    minima, target = study.parabolas.minima, study.sweep.target
    if len(minima) < 2:
        raise NotEnough("fewer than two budgets have a minimum between measured sizes")
    fig = style.figure(4.2)
    reach = max(minima[-1].c, target.c if target else 0)
    for index, ax in enumerate(fig.subplots(1, 2)):
        _draw_growth(ax, study, index, reach, palette)
    handles = [style.key("minimum of a profile", marker="D", lw=0, mfc="white", mec=style.MUTED, mew=1.8),
               style.key("approach 2: through the minima", color=style.SECOND)]  # fmt: skip
    if study.law:
        handles.append(style.key("optimum of the fitted surface", ls=(0, (5, 2))))
    if target:
        handles.append(style.key("target run", **star_key()))
    fig.legend(handles=handles, loc="outside lower center", ncols=4)
    return Drawing(
        fig,
        f"Minima of the profiles and their power laws: {study.parabolas.origin}; beside them the optimum of the fitted "
        f"surface. {CONVENTION}",
        "Compute-optimal model size and tokens against compute.",
    )
