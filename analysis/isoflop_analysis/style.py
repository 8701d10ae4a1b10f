"""One look for all figures: sizes, colours (colourblind-safe), log axes with readable ticks."""

from __future__ import annotations

import base64
import io
import math

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullFormatter, NullLocator

WIDTH = 10.0  # inches; the page shows figures 1000 pixels wide
LAW = "#111111"  # fitted surface (approach 3)
SECOND = "#0072b2"  # other approaches
TARGET = "#d55e00"  # the held-out run
MUTED = "#8a8f98"
# Okabe and Ito's colours: things without an order
CATEGORIES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6d31")
LEGEND_ENTRIES = 9  # more sizes or budgets than this get a colour bar

PARAMETERS = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#50555d",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e5e8",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "lines.linewidth": 1.6,
    "svg.fonttype": "path",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.06,
}


def _cut(name: str, low: float, high: float) -> Colormap:
    """Without the ends that vanish on white paper."""
    return ListedColormap(matplotlib.colormaps[name](np.linspace(low, high, 256)), name=f"{name}-cut")


SIZE_MAP = _cut("viridis", 0.0, 0.88)  # N
BUDGET_MAP = _cut("plasma", 0.0, 0.82)  # C
TOKEN_MAP = _cut("cividis", 0.0, 0.9)  # D


def figure(height: float = 4.6) -> Figure:
    return Figure(figsize=(WIDTH, height), layout="constrained")


def count(value: float, _position=None) -> str:
    """1.2k, 35M, 7B: parameters and tokens, two or three significant digits."""
    if not math.isfinite(value) or value <= 0:
        return ""
    for limit, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= limit * 0.9995:
            scaled = value / limit
            return f"{scaled:.3g}" + suffix if scaled < 999.5 else f"{scaled:.0f}{suffix}"
    return f"{value:.3g}"


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def flop(value: float) -> str:
    """3e13 as 3×10¹³; characters, because mathtext costs most of a drawing's time."""
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = value / 10**exponent
    text = f"{mantissa:.1f}".removesuffix(".0")
    power = "10" + str(exponent).translate(_SUPERSCRIPTS)
    return power if text == "1" else f"{text}×{power}"


def powered(symbol: str, exponent: float) -> str:
    """C^0.50 for a bold title."""
    return rf"$\mathbf{{{symbol}^{{{exponent:.3f}}}}}$"


class _LogLocator(Locator):
    """1-2-5, 1-3, decades, or fewer: the densest whose labels, `inches` wide each, fit the axis."""

    def __init__(self, inches: float):
        self.inches = inches

    def __call__(self):
        return self.tick_values(*self.axis.get_view_interval())

    def _room(self) -> int:
        figure, box = self.axis.axes.figure, self.axis.axes.get_position()
        if self.axis.axis_name == "x":
            return round(box.width * figure.get_figwidth() / self.inches)
        return int(box.height * figure.get_figheight() / 0.3)

    def tick_values(self, vmin, vmax):
        low, high = sorted((vmin, vmax))
        room = max(2, self._room())
        exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        choices = [(steps, 1) for steps in ((1, 2, 5), (1, 3), (1,))] + [((1,), k) for k in (2, 3, 4, 6)]
        for steps, stride in choices:
            ticks = [s * 10.0**e for e in exponents[::stride] for s in steps]
            inside = [t for t in ticks if low * 0.999 <= t <= high * 1.001]
            if len(inside) <= room:
                break
        return inside if len(inside) >= 2 else MaxNLocator(min(4, room)).tick_values(low, high)


class _LossLocator(Locator):
    """Round values on a log axis that spans less than a decade."""

    def __call__(self):
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin, vmax):
        low, high = sorted((vmin, vmax))
        coarse = [t for t in MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(low, high) if t > 0]
        ticks = coarse[-1:]
        for below, above in zip(coarse, coarse[1:], strict=False):
            share = math.log(above / below) / math.log(high / low)
            parts = 1 if share < 0.22 else 2 if share < 0.5 else 5  # equal steps are far apart at the bottom
            ticks += np.linspace(below, above, parts, endpoint=False).tolist()
        kept = []
        for tick in sorted(t for t in ticks if low <= t <= high):
            if not kept or math.log(tick / kept[-1]) > math.log(high / low) / 16:
                kept.append(tick)
        return kept


def log_axis(axis, kind: str) -> None:
    """kind: "count" (N, D) or "flop" (C); call on ax.xaxis or ax.yaxis."""
    _set_log(axis)
    axis.set_major_locator(_LogLocator(0.5 if kind == "count" else 0.72))
    text = count if kind == "count" else lambda v, _: flop(v) if v > 0 else ""
    axis.set_major_formatter(FuncFormatter(text))
    axis.set_minor_locator(NullLocator())


def loss_axis(axis) -> None:
    _set_log(axis)
    axis.set_major_locator(_LossLocator())
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.4g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _set_log(axis) -> None:
    (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")


def finish_bar(bar, text) -> None:
    """Log ticks labelled by text(value) on a colour bar."""
    axis = bar.ax.xaxis if bar.orientation == "horizontal" else bar.ax.yaxis
    axis.set_major_locator(_LogLocator(0.5))
    axis.set_major_formatter(FuncFormatter(lambda v, _: text(v)))
    axis.set_minor_locator(NullLocator())
    bar.outline.set_visible(False)


class Palette:
    """Colours of positive values (N, D or C) on a log scale, with the legend or bar that explains them.

    `within` fixes the ends of the scale, so that a size has one colour in all figures.
    """

    def __init__(self, values, colour_map: Colormap, within=None):
        self.values = sorted(set(values))
        ends = sorted(within or self.values)
        low, high = ends[0], ends[-1]
        self.norm = LogNorm(low, high) if high > low else LogNorm(low / 2, high * 2)
        self.map = colour_map

    def __getitem__(self, value: float):
        return self.map(self.norm(value))

    def explain(self, fig: Figure, axes, title: str, text, extra: list | None = None) -> None:
        """Outside the axes, at the right: a legend for few values, else a colour bar; extra handles join."""
        extra = extra or []
        if len(self.values) <= LEGEND_ENTRIES:
            handles = [
                Line2D([], [], color=self[v], lw=3, label=text(v)) for v in reversed(self.values)
            ]
            heading = Line2D([], [], lw=0, label=title)
            fig.legend(handles=[heading, *handles, *_spaced(extra)], loc="outside right upper",
                       handlelength=1.6)  # fmt: skip
            return
        bar = fig.colorbar(ScalarMappable(self.norm, self.map), ax=axes, pad=0.015, aspect=30)
        bar.set_label(title)
        finish_bar(bar, text)
        if extra:
            fig.legend(handles=extra, loc="outside lower center", ncols=min(4, len(extra)))


def _spaced(extra: list) -> list:
    return [Line2D([], [], lw=0, label=" "), *extra] if extra else []


def key(label: str, **style) -> Line2D:
    """A legend entry that belongs to no data."""
    return Line2D([], [], **{"color": LAW, "lw": 1.6, **style}, label=label)


def star(**style) -> dict:
    """The target's marker, everywhere the same."""
    return {"marker": "*", "ms": 15, "mfc": TARGET, "mec": "white", "mew": 0.8, "lw": 0, "color": TARGET,
            "zorder": 6, **style}  # fmt: skip


def as_svg(fig: Figure, name: str) -> bytes:
    with matplotlib.rc_context({**PARAMETERS, "svg.hashsalt": name}):
        buffer = io.BytesIO()
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def data_uri(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
