"""The law that predicts as prediction.json has it: losses at pairs of sizes and tokens, and smooth between them."""

from __future__ import annotations

import numpy as np


def _neighbours(position: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of positions on an axis: indices of four entries of the widened table, and their weights (Catmull and Rom's cubic)."""
    first = np.clip(np.floor(position).astype(int), 0, count - 2)
    t = position - first
    weights = np.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]) / 2
    return first + np.arange(4).reshape(4, *[1] * t.ndim), weights


class TabulatedLaw:
    """Loss in nats/token at N total parameters and D tokens, both axes evenly spaced in their logarithm; `table` is [D, N]."""

    def __init__(self, params, tokens, table):
        self.n, self.d = np.log(np.asarray(params, float)), np.log(np.asarray(tokens, float))
        table = np.asarray(table, float).reshape(self.d.size, self.n.size)
        for axis in (0, 1):  # straight on beyond the edges
            rows = np.moveaxis(table, axis, 0)
            table = np.moveaxis(np.concatenate([2 * rows[:1] - rows[1:2], rows, 2 * rows[-1:] - rows[-2:-1]]), 0, axis)
        self.table = table

    def loss(self, n, d):
        n, d = np.broadcast_arrays(np.log(np.asarray(n, float)), np.log(np.asarray(d, float)))
        columns, across = _neighbours((n - self.n[0]) / (self.n[1] - self.n[0]), self.n.size)
        rows, down = _neighbours((d - self.d[0]) / (self.d[1] - self.d[0]), self.d.size)
        return np.einsum("i...,j...,ij...->...", down, across, self.table[rows[:, None], columns[None, :]])

    def optimal(self, c):
        """N, D and L that minimise the loss at C = 6 N D FLOP; NaN where that lies outside the table."""
        c = np.asarray(c, float)
        n = np.linspace(self.n[0], self.n[-1], 1000)
        d = np.log(c[..., None] / 6) - n
        loss = np.where((d >= self.d[0]) & (d <= self.d[-1]), self.loss(np.exp(n), np.exp(d)), np.inf)
        best = loss.argmin(axis=-1)
        inner = np.isfinite(np.take_along_axis(loss, np.clip(best[..., None] + [-1, 1], 0, n.size - 1), -1)).all(axis=-1)
        inner &= (best > 0) & (best < n.size - 1)
        size = np.where(inner, np.exp(n[best]), np.nan)
        return size, c / (6 * size), np.where(inner, loss.min(axis=-1), np.nan)
