"""The surface seen along one variable, and Kaplan's single-variable power laws."""

from __future__ import annotations

import numpy as np
from matplotlib.cm import ScalarMappable

from .. import style
from ..fits import Fit
from ..study import NotEnough, Study
from .base import CONVENTION, D_LABEL, L_LABEL, N_LABEL, Drawing, fitted_runs, span


def _levels(values, number: int = 4) -> np.ndarray:
    """A few round values across the range."""
    low, high = min(values), max(values)
    if high <= low:
        return np.array([low])
    raw = np.geomspace(low, high, number)
    digits = 10.0 ** np.floor(np.log10(raw))
    return np.unique(np.round(raw / digits) * digits)


def _slice(fig, ax, x, other, loss, curve, floor, colour_map, label, title) -> None:
    """Dots coloured by the other variable; curves at a few of its values; the limit, if known, as a dashed line."""
    palette = style.Palette([*other, *_levels(other)], colour_map)
    grid = span(x, 1.3)
    for level in _levels(other):
        ax.plot(grid, curve(grid, level), color=palette[level], lw=1.4)
    if floor:
        ax.plot(grid, floor(grid), color=style.LAW, ls=(0, (5, 2)), lw=1.4)
    ax.scatter(x, loss, c=[palette[v] for v in other], s=32, edgecolors="white", linewidths=0.6, zorder=4)
    style.log_axis(ax.xaxis, "count")
    style.loss_axis(ax.yaxis)
    ax.set(xlabel=label)
    ax.set_title(title)
    bar = fig.colorbar(ScalarMappable(palette.norm, palette.map), ax=ax, location="bottom", pad=0.02, aspect=40)
    bar.set_label("colour: " + ("D (tokens)" if colour_map is style.TOKEN_MAP else "N (parameters)"))
    style.finish_bar(bar, style.count)


def _limits(law):
    """Of L(N) and L(D): what is left when the other has no limit, and a title; of Chinchilla's form alone."""
    if law is None:
        return (None, "Loss against size"), (None, "Loss against tokens")
    return ((lambda v: law.E + law.A * v**-law.alpha, f"With unlimited data L = E + {law.A:.3g} / {style.powered('N', law.alpha)}"),
            (lambda v: law.E + law.B * v**-law.beta, f"With unlimited size L = E + {law.B:.3g} / {style.powered('D', law.beta)}"))


def slices(study: Study) -> Drawing:
    runs = fitted_runs(study)
    law = study.surface()
    n, d, loss = (np.array([getattr(r, k) for r in runs]) for k in ("n", "d", "loss"))
    fig = style.figure(5.4)
    left, right = fig.subplots(1, 2, sharey=True)
    (floor_n, title_n), (floor_d, title_d) = _limits(study.chinchilla)
    _slice(fig, left, n, d, loss, law.loss, floor_n, style.TOKEN_MAP, N_LABEL, title_n)
    _slice(fig, right, d, n, loss, lambda v, size: law.loss(size, v), floor_d, style.SIZE_MAP, D_LABEL, title_d)
    left.set_ylabel(L_LABEL)
    right.tick_params(labelleft=True)
    handles = [style.key("run", marker="o", lw=0, color=style.MUTED),
               style.key("surface at a fixed D (left) or N (right)", color=style.MUTED)]  # fmt: skip
    if study.chinchilla:
        handles.append(style.key("limit of unlimited data (left) or size (right)", ls=(0, (5, 2))))
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
    return Drawing(
        fig,
        f"Final validation loss of every fit run; curves: {study.law_origin}"
        + (f", E = {law.E:.4g} nats/token" if study.chinchilla else "") + ". N counts all parameters.",
        "Loss against model size coloured by tokens, and loss against tokens coloured by model size.",
    )


_KAPLAN = (
    ("kaplan-n", "non-embedding parameters", "N", "count", lambda r: float(r.row.get("n_non_embedding", 0))),
    ("kaplan-d", D_LABEL, "D", "count", lambda r: r.d),
    ("kaplan-c", "compute C (FLOP)", "C", "flop", lambda r: r.c),
)


def _power(fit: Fit) -> tuple[float, float] | None:
    """(Xc, exponent) of L = (Xc / X)^exponent: the two parameters, whatever the exponent is called."""
    scale = next((e.value for k, e in fit.parameters.items() if k.endswith("c") and k[0].isupper()), None)
    exponent = next((e.value for k, e in fit.parameters.items() if k.startswith("a")), None)
    return None if None in (scale, exponent) else (scale, exponent)


def has_kaplan_laws(study: Study) -> bool:
    return any(study.fit(name) for name, *_ in _KAPLAN)


def kaplan_laws(study: Study) -> Drawing:
    runs = fitted_runs(study)
    found = []
    for name, label, symbol, kind, column in _KAPLAN:
        fit = study.fit(name)
        if fit and _power(fit) and all(column(r) > 0 for r in runs):
            found.append((fit, label, symbol, kind, column))
    if not found:
        raise NotEnough("no fit-kaplan-n, -d or -c.json")
    fig = style.figure(4.0)
    axes = np.atleast_1d(fig.subplots(1, len(found), sharey=True))
    for ax, (fit, label, symbol, kind, column) in zip(axes, found, strict=True):
        scale, exponent = _power(fit)
        x = np.array([column(r) for r in runs])
        out = np.array([not fit.uses(r) for r in runs])
        loss = np.array([r.loss for r in runs])
        ax.plot(x[out], loss[out], "o", color="white", mec=style.MUTED, ms=5)
        ax.plot(x[~out], loss[~out], "o", color=style.SECOND, mec="white", mew=0.6, ms=5.5)
        grid = span(x[~out] if (~out).any() else x, 1.3)
        ax.plot(grid, (scale / grid) ** exponent, color=style.LAW)
        style.log_axis(ax.xaxis, kind)
        style.loss_axis(ax.yaxis)
        ax.set_xlabel(label)
        ax.set_title(f"L({symbol}) goes as {style.powered(symbol, -exponent)}")
    axes[0].set_ylabel(L_LABEL)
    handles = [style.key("run the fit used", marker="o", lw=0, color=style.SECOND),
               style.key("run it left out", marker="o", lw=0, mfc="white", mec=style.MUTED),
               style.key("power law")]  # fmt: skip
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
    return Drawing(
        fig,
        "L = (Xc / X)^a, a straight line without a floor. Kaplan's N counts no embeddings; the other figures count "
        "them. Each law holds where its variable alone limits the loss. " + CONVENTION,
        "Kaplan power laws of loss against parameters, tokens and compute.",
    )
