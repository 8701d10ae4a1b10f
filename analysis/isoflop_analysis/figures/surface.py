"""The fitted surface over (N, D) with the runs on it, and what the fit leaves over."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patheffects import withStroke

from .. import style
from ..study import Study
from .base import C_LABEL, CONVENTION, D_LABEL, N_LABEL, Drawing, fitted_losses, fitted_runs, sizes, span
from .curves import star_key


def surface(study: Study) -> Drawing:
    runs = fitted_runs(study)
    law = study.surface()
    target = study.sweep.target
    shown = [*runs, *([target] if target else [])]
    n, d = span([r.n for r in shown], 1.6), span([r.d for r in shown], 1.6)
    loss = law.loss(n[None, :], d[:, None])
    fig = style.figure(5.6)
    ax = fig.subplots()
    low, high = loss.min(), np.quantile(loss, 0.97)
    floor = study.chinchilla.E if study.chinchilla else low - 0.3 * (high - low)  # levels crowd towards it
    levels = np.unique(np.round(floor + np.geomspace(low - floor, high - floor, 15), 1 if high - low > 2 else 2))
    filled = ax.contourf(n, d, loss, levels=levels, cmap=style.TOKEN_MAP.reversed(), extend="both",
                         norm=LogNorm(levels[0], levels[-1]), alpha=0.85)  # fmt: skip
    bar = fig.colorbar(filled, ax=ax, pad=0.015, aspect=30, ticks=levels, format=lambda v, _: f"{v:.3g}")
    bar.ax.minorticks_off()
    bar.set_label("fitted loss (nats/token)")
    bar.outline.set_visible(False)
    for exponent in range(int(np.floor(np.log10(6 * n[0] * d[0]))), int(np.ceil(np.log10(6 * n[-1] * d[-1]))) + 1):
        _compute_line(ax, 10.0**exponent, n, d)
    compute = np.geomspace(6 * n[0] * d[0], 6 * n[-1] * d[-1], 300)
    best_n, best_d, _ = law.optimal(compute)
    ax.plot(best_n, best_d, color="black", lw=2)
    ax.plot([r.n for r in runs], [r.d for r in runs], "o", color="white", mec="black", mew=1, ms=6, zorder=4)
    handles = [style.key("fit run", marker="o", lw=0, mfc="white", mec="black"),
               style.key("compute-optimal path", lw=2),
               style.key("equal compute C (FLOP)", color="#444444", lw=0.9, ls=(0, (4, 3)))]  # fmt: skip
    if target:
        ax.plot(target.n, target.d, **style.star(mec="black"))
        handles.insert(1, style.key("target run", **{**star_key(), "mec": "black"}))
    style.log_axis(ax.xaxis, "count")
    style.log_axis(ax.yaxis, "count")
    ax.grid(False)
    ax.set(xlabel=N_LABEL, ylabel=D_LABEL, xlim=(n[0], n[-1]), ylim=(d[0], d[-1]))
    ax.set_title(_tokens_per_parameter(study))
    fig.legend(handles=handles, loc="outside lower center", ncols=4)
    formula = study.chinchilla and f"L = {law.E:.4g} + {law.A:.4g} / N^{law.alpha:.4f} + {law.B:.4g} / D^{law.beta:.4f}, from "
    return Drawing(fig, f"{formula or 'Loss by '}{study.law_origin}. {CONVENTION}",
                   "Contours of the fitted loss over model size and tokens with the runs on them.")  # fmt: skip


def _compute_line(ax, compute: float, n: np.ndarray, d: np.ndarray) -> None:
    """Dashed line of equal compute, named where it enters the picture at the top or the left."""
    at_top = compute / (6 * d[-1])
    if at_top >= n[-1] or compute / (6 * n[0]) <= d[0]:
        return
    ax.plot(n, compute / (6 * n), color="#222222", lw=0.9, ls=(0, (4, 3)), path_effects=[
        withStroke(linewidth=2.2, foreground="#ffffff80")])  # fmt: skip
    x = at_top * 1.05 if at_top > n[0] else n[0] * 1.03
    y = compute / (6 * x)
    if d[0] * 1.3 < y and x < n[-1] / 2:
        ax.annotate(style.flop(compute), (x, y), xytext=(5, -3), textcoords="offset points", fontsize=8.5,
                    va="top", ha="left", color="#222222",
                    bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75})  # fmt: skip


def _tokens_per_parameter(study: Study) -> str:
    compute = np.array([min(r.c for r in study.fitted), max(r.c for r in study.fitted)])
    best_n, best_d, _ = study.law.optimal(compute)
    low, high = sorted(best_d / best_n)
    if not np.isfinite([low, high]).all():
        return "The fitted loss over size and tokens"
    ratio = f"{low:.3g}" if high / low < 1.1 else f"{low:.3g} to {high:.3g}"
    return f"Compute-optimal training takes {ratio} tokens a parameter"


def residuals(study: Study) -> Drawing:
    runs = fitted_runs(study)
    fitted, origin = fitted_losses(study, runs)
    n, d, c, loss = (np.array([getattr(r, k) for r in runs]) for k in ("n", "d", "c", "loss"))
    error = 100 * (fitted / loss - 1)
    rms = float(np.sqrt(np.mean(error**2)))
    palette = sizes(study, runs)
    fig = style.figure(3.8)
    axes = fig.subplots(1, 3, sharey=True)
    for ax, x, label, kind in zip(
        axes, (n, d, c), (N_LABEL, D_LABEL, C_LABEL.removeprefix("training ")), ("count", "count", "flop"), strict=True
    ):
        ax.axhspan(-rms, rms, color="#eef0f3", zorder=0)
        ax.axhline(0, color=style.LAW, lw=1)
        ax.scatter(x, error, c=[palette[v] for v in n], s=32, edgecolors="white", linewidths=0.6, zorder=3)
        style.log_axis(ax.xaxis, kind)
        ax.set_xlabel(label)
    axes[0].set_ylabel("fitted / measured \N{MINUS SIGN} 1 (%)")
    worst = runs[int(np.argmax(np.abs(error)))]
    fig.suptitle(f"The law misses the runs by {rms:.2f}% (root mean square), at most {np.abs(error).max():.2f}%",
                 x=0.01, ha="left", fontsize=11, fontweight="bold")  # fmt: skip
    palette.explain(fig, axes, "N (parameters)", style.count, [style.key("± root mean square", color="#d5d9df", lw=7)])
    return Drawing(
        fig,
        f"Residuals of the final validation loss by {origin}; band: root mean square. Largest: "
        f"{worst.row.get('label') or worst.name}. A trend along an axis means that the form does not fit. {CONVENTION}",
        "Residuals of the fit against model size, tokens and compute.",
    )
