"""Training curves: loss against tokens, and against compute with their envelope."""

from __future__ import annotations

import numpy as np

from .. import style
from ..profiles import envelope, power_law
from ..records import Run
from ..study import NotEnough, Study
from .base import C_LABEL, CONVENTION, L_LABEL, Drawing, fitted_runs, sizes

_SMOOTHING = "Training loss averaged over bins of equal width in log tokens"


def _with_curves(study: Study) -> list[Run]:
    runs = [r for r in study.sweep.runs if r.curve and r.n > 0 and len(r.curve.smoothed()[0]) >= 2]
    if not runs:
        raise NotEnough("no run.h5 with a training curve")
    return sorted(runs, key=lambda r: r.is_target)


def _loss_limits(runs: list[Run]) -> tuple[float, float]:
    """From the least loss to where most runs start, or end if they are branches; outliers of diverged runs cut."""
    losses = np.concatenate([r.curve.smoothed()[1] for r in runs])
    starts, ends = zip(*((r.curve.smoothed()[1][0], r.curve.smoothed()[1][-1]) for r in runs), strict=True)
    final = np.array([r.loss for r in runs if r.has_final_loss])
    dots = final[final < 2.5 * np.median(final)].max() * 1.04 if final.size else 0
    return losses[losses > 0].min() * 0.96, max(np.median(starts) * 1.06, np.quantile(ends, 0.95) * 1.1, dots)


def _note_of_lines(runs: list[Run]) -> str:
    """What ends without a dot."""
    unfinished = any(not r.finished and not r.is_trunk for r in runs)
    if not any(r.is_trunk for r in runs):
        return " Lines without a dot are runs that have not ended." if unfinished else ""
    and_runs = " and runs that have not ended" if unfinished else ""
    return f" Lines without a dot are trunks, whose learning rate never decays and from which branches leave{and_runs}."


def _first_fall(x: np.ndarray, loss: np.ndarray, top: float) -> float:
    """Where the loss has left its start and comes into sight; what lies far before says nothing."""
    return x[np.argmax(loss < min(0.95 * loss[0], top))]


def loss_curves(study: Study) -> Drawing:
    runs = _with_curves(study)
    palette = sizes(study, runs)
    fig = style.figure(4.8)
    ax = fig.subplots()
    for run in runs:
        tokens, loss = run.curve.smoothed()
        ax.plot(tokens, loss, color=palette[run.n], lw=2.4 if run.is_target else 1.1, zorder=3)
        if run.has_final_loss:
            marker = style.star() if run.is_target else {"marker": "o", "ms": 4.5, "mec": "white", "mew": 0.6}
            ax.plot(run.d, run.loss, **{"color": palette[run.n], "zorder": 5, **marker})
    style.log_axis(ax.xaxis, "count")
    style.loss_axis(ax.yaxis)
    low, high = _loss_limits(runs)
    ax.set_ylim(low, high)
    ax.set_xlim(left=min(_first_fall(*r.curve.smoothed(), high) for r in runs) / 1.5)
    ax.set(xlabel="tokens seen", ylabel=L_LABEL)
    finished = [r for r in runs if r.has_final_loss]
    if finished:
        best = min(finished, key=lambda r: r.loss)
        ax.set_title(
            f"{len(runs)} runs from {style.count(min(r.n for r in runs))} to "
            f"{style.count(max(r.n for r in runs))} parameters; best final loss {best.loss:.3f} nats/token"
        )
    extra = [style.key("validation, at the end", marker="o", lw=0, color=style.MUTED)]
    if any(r.is_target for r in runs):
        extra.append(style.key("target run", **star_key()))
    palette.explain(fig, ax, "N (parameters)", style.count, extra)
    return Drawing(
        fig,
        f"{_SMOOTHING}; dots: loss on the validation split after the last step.{_note_of_lines(runs)}",
        "Training loss of every run against tokens seen, coloured by model size.",
    )


def star_key() -> dict:
    return style.star(ms=11)


def _compute_curves(runs: list[Run]) -> list[tuple[np.ndarray, np.ndarray]]:
    curves = []
    for run in runs:
        tokens, loss = run.curve.smoothed()
        curves.append((6 * run.n * tokens, loss))
    return curves


def _draw_fitted_frontier(ax, study: Study, final_c: list[float]) -> float:
    """L*(C) of the law from below the cheapest run that has ended to beyond the target; its least loss."""
    target = study.sweep.target
    grid = np.geomspace(min(final_c) / 2, max([*final_c, *([target.c] if target else [])]) * 1.3, 200)
    best = study.law.optimal(grid)[2]
    ax.plot(grid, best, color=style.LAW, ls=(0, (5, 2)), zorder=5)
    return min(best[np.isfinite(best)], default=np.inf)


def frontier(study: Study) -> Drawing:
    fitted_runs(study)
    runs = [r for r in _with_curves(study) if not r.is_target]
    if not runs:
        raise NotEnough("no run.h5 of a fit run with a training curve")
    palette = sizes(study, runs)
    fig = style.figure(4.8)
    ax = fig.subplots()
    curves = _compute_curves(runs)
    for run, (compute, loss) in zip(runs, curves, strict=True):
        ax.plot(compute, loss, color=palette[run.n], lw=0.9, alpha=0.6)
        if run.has_final_loss:
            ax.plot(run.c, run.loss, "o", color=palette[run.n], ms=4.5, mec="white", mew=0.6, zorder=4)
    compute, least = envelope(curves)
    ax.plot(compute, least, color=style.SECOND, lw=2.2, zorder=3)
    extra = [style.key("envelope of the curves", color=style.SECOND, lw=2.2),
             style.key("final validation loss", marker="o", lw=0, color=style.MUTED)]  # fmt: skip
    final_c = [r.c for r in runs if r.has_final_loss]
    low, high = _loss_limits(runs)
    if study.law and final_c:
        low = min(low, _draw_fitted_frontier(ax, study, final_c) * 0.98)
        extra.append(style.key("fitted frontier L*(C)", ls=(0, (5, 2))))
    target = study.sweep.target
    if target and target.finished:
        ax.plot(target.c, target.loss, **style.star())
        extra.append(style.key("target, measured", **star_key()))
        low = min(low, target.loss * 0.96)
    style.log_axis(ax.xaxis, "flop")
    style.loss_axis(ax.yaxis)
    ax.set_ylim(low, high)
    ax.set_xlim(left=_first_fall(compute, least, high) / 1.5)
    ax.set(xlabel=C_LABEL, ylabel=L_LABEL)
    ax.set_title(_frontier_title(study, final_c))
    palette.explain(fig, ax, "N (parameters)", style.count, extra)
    return Drawing(
        fig,
        f"{_SMOOTHING}. The envelope is the least training loss any fit run has reached for its compute, decayed or not; "
        f"dots and frontier are losses on the validation split of runs that have ended.{_note_of_lines(runs)} {CONVENTION}",
        "Loss against compute for every run with the lower envelope and the fitted compute-optimal frontier.",
    )


def _frontier_title(study: Study, final_c: list[float]) -> str:
    law = study.chinchilla
    if law is None or not final_c:
        return "Loss falls with compute"
    low, high = min(final_c), max(final_c)
    if high <= low:
        return "Loss against compute"
    excess = law.optimal(np.array([low, high]))[2] - law.E
    slope = power_law([low, high], excess).exponent
    return f"At the frontier the loss above E = {law.E:.3g} falls as {style.powered('C', slope)}"
