"""The held-out run: predicted against measured, and its curve on the way there."""

from __future__ import annotations

import numpy as np

from .. import style
from ..study import NotEnough, Study
from .base import C_LABEL, CONVENTION, L_LABEL, Drawing, fitted_losses, fitted_runs, percent, sizes, span
from .curves import star_key


def _finding(study: Study) -> str:
    p = study.prediction
    if p is None:
        return "No prediction of a target yet"
    if p.measured is None:
        return f"Predicted: {p.predicted:.4f} nats/token; the target is not measured yet"
    where = {True: ", inside its interval", False: ", outside its interval", None: ""}[p.inside]
    return f"Predicted {p.predicted:.4f}, measured {p.measured:.4f}: {percent(p.error_percent)} error{where}"


def prediction(study: Study) -> Drawing:
    runs = fitted_runs(study)
    p = study.prediction
    fitted, origin = fitted_losses(study, runs)
    palette = sizes(study, runs)
    fig = style.figure(4.0)
    left, right = fig.subplots(1, 2, width_ratios=(1, 1.1))
    loss = np.array([r.loss for r in runs])
    dots = {"c": [palette[r.n] for r in runs], "s": 34, "edgecolors": "white", "linewidths": 0.6, "zorder": 4}
    left.scatter(loss, fitted, **dots)
    right.scatter([r.c for r in runs], 100 * (fitted / loss - 1), **dots)
    ends = [*fitted, *loss, *([p.predicted] if p else []), *([p.measured] if p and p.measured else [])]
    diagonal = span(ends, 1.05)
    left.plot(diagonal, diagonal, color=style.LAW, lw=1)
    right.axhline(0, color=style.LAW, lw=1)
    handles = [style.key("fit run", marker="o", lw=0, color=style.MUTED), style.key("exact", lw=1)]
    if p:
        handles += _draw_target(left, right, p)
    style.loss_axis(left.xaxis)
    style.loss_axis(left.yaxis)
    left.set(xlabel="measured " + L_LABEL, ylabel="fitted or predicted " + L_LABEL, xlim=diagonal[[0, -1]],
             ylim=diagonal[[0, -1]], box_aspect=1)  # fmt: skip
    style.log_axis(right.xaxis, "flop")
    right.margins(y=0.12)
    right.set(xlabel=C_LABEL, ylabel="predicted / measured \N{MINUS SIGN} 1 (%)")
    fig.suptitle(_finding(study), x=0.01, ha="left", fontsize=11, fontweight="bold")
    palette.explain(fig, [left, right], "N of fit runs", style.count, handles)
    caption = f"Dots: runs the fit saw, against {origin}. "
    if p:
        bounds = f" with its {p.level:.0%} interval" if p.level and p.low is not None else ""
        caption += f"Star: prediction.json{bounds} for the target, which no fit saw. "
    return Drawing(fig, caption + CONVENTION, "Predicted against measured loss of all runs and the target.")


def _draw_target(left, right, p) -> list:
    """The prediction and its interval, relative to the measurement where there is one."""
    truth = p.predicted if p.measured is None else p.measured
    handles = []
    if p.low is not None and p.high is not None:
        bar = {"color": style.TARGET, "lw": 5, "alpha": 0.35, "solid_capstyle": "butt", "zorder": 3}
        left.plot([truth] * 2, [p.low, p.high], **bar)
        right.plot([p.c] * 2, [100 * (p.low / truth - 1), 100 * (p.high / truth - 1)], **bar)
        level = f"{p.level:.0%} interval" if p.level else "interval"
        handles.append(style.key(level, color=style.TARGET, lw=5, alpha=0.35))
    hollow = {"mfc": "white", "mec": style.TARGET, "mew": 1.4} if p.measured is None else {}
    left.plot(truth, p.predicted, **style.star(**hollow))
    right.plot(p.c, 100 * (p.predicted / truth - 1), **style.star(**hollow))
    label = "target, predicted" if p.measured is not None else "target, not yet measured"
    handles.append(style.key(label, **style.star(ms=11, **hollow)))
    return handles


def learning_curve(study: Study) -> Drawing:
    target = study.sweep.target
    if target is None:
        raise NotEnough("the sweep has no target run")
    if target.curve is None or len(target.curve.smoothed()[0]) < 2:
        raise NotEnough(f"no training curve of the target ({target.trouble or 'fewer than two steps'})")
    law = study.surface()
    final = max(6 * target.n * target.curve.smoothed()[0][-1], target.c)
    fig = style.figure(4.9)
    whole, end = fig.subplots(1, 2, width_ratios=(1.45, 1))
    handles = _draw_curve(whole, study, law, final / 300, final * 1.6)
    _draw_curve(end, study, law, final / 3, final * 1.25)
    whole.set_ylabel(L_LABEL)
    fig.suptitle(_end_title(study, target, law), x=0.01, ha="left", fontsize=11, fontweight="bold")
    whole.set_title("whole run", fontweight="normal")
    end.set_title("last two thirds of its compute", fontweight="normal")
    fig.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=2)
    return Drawing(
        fig,
        "The law says where runs of the target's size end, not what they pass through: while the learning rate is high a run "
        "lies above it, and the decay at the end brings it down. It is drawn from the fewest tokens of a fitted run on. "
        "Training losses are of the training text; law, star and interval of the validation split. " + CONVENTION,
        "Learning curve of the target run against the fitted frontier.",
    )


def _draw_curve(ax, study: Study, law, low: float, high: float) -> list:
    """The target's curve, both lines of the law and the end, between two values of compute."""
    target = study.sweep.target
    tokens, loss = target.curve.smoothed(0.03)
    compute = 6 * target.n * tokens
    handles = [ax.plot(compute, loss, color=style.TARGET, lw=1.2, alpha=0.7, label="target, training")[0]]
    on_the_way = slice(None, -1 if target.finished else None)  # the star stands for the last
    checked, losses = target.curve.validation_tokens[on_the_way], target.curve.validation_loss[on_the_way]
    if checked.size:
        handles += ax.plot(6 * target.n * checked, losses, "o",
                           color=style.TARGET, mec="white", mew=0.6, ms=5.5, zorder=4, label="target, validation")  # fmt: skip
    grid = np.geomspace(low, high, 200)
    best = law.optimal(grid)[2]
    fewest = 6 * target.n * min((r.d for r in study.fitted), default=0)
    reach = np.geomspace(min(max(low, fewest), high), high, 200)
    own, name = _own_losses(study, law, reach / (6 * target.n))
    handles += ax.plot(grid, best, color=style.LAW, ls=(0, (5, 2)), label="fitted frontier L*(C)")
    handles += ax.plot(reach, own, color=style.SECOND, lw=1.4, label=f"{name} at N = {style.count(target.n)}")
    seen = max((r.c for r in study.fitted), default=0)
    if seen > low:
        ax.axvspan(low, min(seen, high), color="#f0f1f4", zorder=0, lw=0)
        handles.append(style.key("compute that the fit saw", color="#dfe2e6", lw=7))
    handles += _mark_end(ax, study, target)
    style.log_axis(ax.xaxis, "flop")
    style.loss_axis(ax.yaxis)
    inside = (compute >= low) & (compute <= high)
    ends = [*best[np.isfinite(best)], own.min(), *([target.loss] if target.finished else []), *loss[inside]]
    top = max(*ends, *(own[reach >= compute[inside][0]] if inside.any() else own))
    ax.set(xlabel=C_LABEL.replace("training", "target's"), xlim=(low, high), ylim=(min(ends) * 0.985, top * 1.03))
    return handles


def _own_losses(study: Study, law, tokens) -> tuple[np.ndarray, str]:
    """Of the target's size: by the law that predicts, where prediction.json has its curve."""
    p = study.prediction
    if p is None or p.curve is None:
        return law.loss(study.sweep.target.n, tokens), "law"
    known, loss = p.curve
    return np.interp(np.log(tokens), np.log(known), loss), f"law that predicts ({p.fit})"


def _mark_end(ax, study: Study, target) -> list:
    handles, p = [], study.prediction
    if p and p.low is not None and p.high is not None:
        ax.errorbar(p.c, p.predicted, [[p.predicted - p.low], [p.high - p.predicted]], fmt="_", color=style.LAW,
                    ms=12, mew=1.6, capsize=5, lw=1.6, zorder=5)  # fmt: skip
        level = f", {p.level:.0%} interval" if p.level else ""
        handles.append(style.key(f"prediction{level}", marker="_", ms=10, mew=1.6, lw=0))
    if target.finished:
        ax.plot(target.c, target.loss, **style.star())
        handles.append(style.key("measured at the end", **star_key()))
    return handles


def _end_title(study: Study, target, law) -> str:
    if not target.finished:
        seen = 6 * target.n * target.curve.train_tokens[-1] / target.c
        return f"The target is {target.row['status']}, {seen:.0%} of its compute spent"
    above = 100 * (target.loss / float(law.optimal(target.c)[2]) - 1)
    if not np.isfinite(above):  # outside what is known of the law
        return f"The target ends at {target.loss:.4f} nats/token"
    side = "above" if above >= 0 else "below"
    return f"The target ends {abs(above):.2f}% {side} the fitted compute-optimal frontier"
