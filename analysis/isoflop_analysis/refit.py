"""An independent fit of L(N, D) = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, approach 3).

Objective: sum over points of w Huber_delta(f - ln L), f = LSE(ln E, ln A - alpha ln N, ln B - beta ln D).
Minimised by a damped Newton method with the exact Hessian, on all starts at once, from starts of its
own: with the C++ fit it shares the objective and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MINIMUM_POINTS = 6  # one more than there are parameters


@dataclass(frozen=True)
class Chinchilla:
    """Loss in nats/token at N total parameters and D tokens."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, n, d):
        n, d = np.asarray(n, float), np.asarray(d, float)
        return self.E + self.A * n**-self.alpha + self.B * d**-self.beta

    def optimal(self, c):
        """N, D and L that minimise the loss at C = 6 N D FLOP."""
        c = np.asarray(c, float)
        a = self.beta / (self.alpha + self.beta)
        scale = (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))
        n = scale * (c / 6) ** a
        d = c / (6 * n)
        return n, d, self.loss(n, d)

    def values(self) -> dict[str, float]:
        return {"E": self.E, "A": self.A, "B": self.B, "alpha": self.alpha, "beta": self.beta}


@dataclass(frozen=True)
class Refit:
    law: Chinchilla
    objective: float  # sum of Huber losses
    points: int


def _starts(x: np.ndarray, y: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Rows (ln E, a, b, alpha, beta) in centred coordinates: E takes a share of the least loss and
    the two power laws halve what is left, with exponents on a grid."""
    grid = [
        (share, alpha, beta)
        for share in (0.2, 0.6, 0.9)
        for alpha in (0.1, 0.3, 0.6, 1.2)
        for beta in (0.1, 0.3, 0.6, 1.2)
    ]
    rows = []
    for share, alpha, beta in grid:
        e = share * loss.min()
        rest = (loss - e) / 2
        rows.append(
            (
                np.log(e),
                np.mean(np.log(rest) + alpha * x),
                np.mean(np.log(rest) + beta * y),
                alpha,
                beta,
            )
        )
    return np.array(rows)


def _terms(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f = LSE of the three terms, shape (starts, points), and their shares p, (starts, points, 3)."""
    e, a, b, alpha, beta = (theta[:, i, None] for i in range(5))
    z = np.stack(np.broadcast_arrays(e, a - alpha * x, b - beta * y), axis=-1)
    top = z.max(axis=-1, keepdims=True)
    weights = np.exp(z - top)
    total = weights.sum(axis=-1, keepdims=True)
    return (top + np.log(total))[..., 0], weights / total


def _objective(theta, x, y, target, weight, delta):
    residual = _terms(theta, x, y)[0] - target
    size = np.abs(residual)
    return (weight * np.where(size <= delta, residual**2 / 2, delta * (size - delta / 2))).sum(axis=1)


def _derivatives(theta, x, y, target, weight, delta):
    f, p = _terms(theta, x, y)
    residual = f - target
    slope = weight * np.clip(residual, -delta, delta)
    inside = weight * (np.abs(residual) <= delta)
    # z is linear in theta: dz/dtheta = J, so grad f = J'p and Hess f = J'(diag p - pp')J.
    jacobian = np.zeros((x.size, 3, 5))
    jacobian[:, 0, 0] = jacobian[:, 1, 1] = jacobian[:, 2, 2] = 1
    jacobian[:, 1, 3], jacobian[:, 2, 4] = -x, -y
    grad_f = np.einsum("spk,pki->spi", p, jacobian)
    gradient = np.einsum("sp,spi->si", slope, grad_f)
    hessian = np.einsum("sp,spi,spj->sij", inside - slope, grad_f, grad_f)
    hessian += np.einsum("sp,spk,pki,pkj->sij", slope, p, jacobian, jacobian, optimize=True)
    return gradient, hessian


def _newton(theta, x, y, target, weight, delta, steps):
    """Levenberg-damped Newton on every row of theta; a step is taken only where it descends."""
    damping = np.full(len(theta), 1e-2)
    value = _objective(theta, x, y, target, weight, delta)
    for _ in range(steps):
        gradient, hessian = _derivatives(theta, x, y, target, weight, delta)
        curvature, axes = np.linalg.eigh(hessian)
        # Absolute curvature turns saddles into descent directions; the floor bounds flat valleys.
        scale = np.abs(curvature).max(axis=1, keepdims=True)
        size = np.maximum(np.abs(curvature), 1e-14 * scale) + damping[:, None] * scale + 1e-300
        step = np.einsum("sij,sj->si", axes, np.einsum("sij,si->sj", axes, gradient) / size)
        step *= np.minimum(1, 2 / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-300))
        trial = theta - step
        trial_value = _objective(trial, x, y, target, weight, delta)
        better = trial_value < value
        theta = np.where(better[:, None], trial, theta)
        value = np.where(better, trial_value, value)
        damping = np.clip(np.where(better, damping / 10, damping * 4), 1e-18, 1e6)
        if not better.any() and damping.min() > 1e3:
            break
    return theta, value


def refit(n, d, loss, weight=None, delta: float = 1e-3) -> Refit:
    """Fits E, A, B, alpha, beta to points (N parameters, D tokens, L nats/token, weight; 1 for each without)."""
    n, d, loss = (np.asarray(v, float) for v in (n, d, loss))
    weight = np.ones_like(n) if weight is None else np.asarray(weight, float)
    if not (n.shape == d.shape == loss.shape == weight.shape and n.ndim == 1):
        raise ValueError(f"refit needs equal columns, got {n.shape}, {d.shape}, {loss.shape}, {weight.shape}")
    if n.size < MINIMUM_POINTS:
        raise ValueError(f"refit needs at least {MINIMUM_POINTS} points, got {n.size}")
    if not all(np.isfinite(v).all() and (v > 0).all() for v in (n, d, loss)):
        raise ValueError("refit needs finite positive parameters, tokens and losses")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any()):
        raise ValueError("refit needs finite weights, 0 or above, and one above 0")
    centre_n, centre_d = np.log(n).mean(), np.log(d).mean()
    x, y, target = np.log(n) - centre_n, np.log(d) - centre_d, np.log(loss)

    # A wide Huber first (nearly least squares) walks every start into its basin, then the asked one.
    theta = _starts(x, y, loss)
    for width, steps, keep in ((max(delta, 0.1), 60, 12), (delta, 100, 4), (delta, 300, 1)):
        theta, value = _newton(theta, x, y, target, weight, width, steps)
        theta = theta[np.argsort(value)[:keep]]
    e, a, b, alpha, beta = theta[0]
    law = Chinchilla(
        E=float(np.exp(e)),
        A=float(np.exp(a + alpha * centre_n)),
        B=float(np.exp(b + beta * centre_d)),
        alpha=float(alpha),
        beta=float(beta),
    )
    return Refit(law, float(value.min()), n.size)
