import json

import numpy as np
import pytest
from synthetic import TRUTH

from isoflop_analysis.refit import Chinchilla, refit
from isoflop_analysis.study import read_study
from isoflop_analysis.tables import cross_check, disagreement

LAWS = [
    TRUTH,
    Chinchilla(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28),  # Hoffmann et al. 2022, as printed
    Chinchilla(E=1.8172, A=477.83, B=2143.4, alpha=0.3473, beta=0.3672),  # their points, fitted again
]


def isoflop_grid(law, budgets):
    """Nine sizes from an eighth to eight times the optimum of each budget."""
    budgets = np.asarray(budgets)[:, None]
    n = law.optimal(budgets)[0] * np.geomspace(1 / 8, 8, 9)
    return n.ravel(), (budgets / (6 * n)).ravel()


@pytest.mark.parametrize("law", LAWS)
def test_noise_free_points_give_the_parameters_back(law):
    n, d = isoflop_grid(law, np.geomspace(6e18, 3e21, 9))
    found = refit(n, d, law.loss(n, d))
    for name, value in law.values().items():
        assert found.law.values()[name] == pytest.approx(value, rel=1e-6), name
    assert found.points == 81


def test_a_weight_counts_like_as_many_points():
    n, d = isoflop_grid(TRUTH, np.geomspace(1e12, 1e14, 5))
    loss = TRUTH.loss(n, d) * np.exp(0.01 * np.random.default_rng(4).standard_normal(n.size))
    times = np.arange(n.size) % 4
    weighted, repeated = refit(n, d, loss, times), refit(*(np.repeat(v, times) for v in (n, d, loss)))
    assert weighted.objective == pytest.approx(repeated.objective, rel=1e-9)
    for name, value in repeated.law.values().items():
        assert weighted.law.values()[name] == pytest.approx(value, rel=1e-6), name
    assert weighted.law.alpha != pytest.approx(refit(n, d, loss).law.alpha, rel=1e-4)


def test_one_bad_point_moves_the_huber_fit_little():
    n, d = isoflop_grid(TRUTH, np.geomspace(1e12, 1e14, 5))
    loss = TRUTH.loss(n, d)
    loss[7] *= 1.3
    found = refit(n, d, loss).law
    assert found.alpha == pytest.approx(TRUTH.alpha, rel=0.01)
    assert found.beta == pytest.approx(TRUTH.beta, rel=0.01)


def test_the_fit_is_a_minimum_of_the_stated_objective():
    n, d = isoflop_grid(TRUTH, np.geomspace(1e12, 1e14, 5))
    loss = TRUTH.loss(n, d) * np.exp(0.01 * np.random.default_rng(3).standard_normal(n.size))
    found = refit(n, d, loss)

    def objective(law):
        size = np.abs(np.log(law.loss(n, d) / loss))
        return np.where(size <= 1e-3, size**2 / 2, 1e-3 * (size - 5e-4)).sum()

    assert found.objective == pytest.approx(objective(found.law), rel=1e-9)
    for name, value in found.law.values().items():
        for factor in (0.9999, 1.0001):
            assert objective(Chinchilla(**{**found.law.values(), name: value * factor})) > found.objective


def test_the_optimum_is_where_the_loss_is_least():
    compute = 1e14
    n, d, loss = TRUTH.optimal(compute)
    assert 6 * n * d == pytest.approx(compute)
    nearby = n * np.array([0.98, 1.02])
    assert (TRUTH.loss(nearby, compute / (6 * nearby)) > loss).all()


@pytest.mark.parametrize(
    ("n", "d", "loss", "message"),
    [
        ([1e6] * 5, [1e8] * 5, [3.0] * 5, "at least 6 points, got 5"),
        ([1e6] * 6, [1e8] * 6, [3.0] * 5 + [float("nan")], "finite positive"),
        ([1e6] * 6, [1e8] * 5, [3.0] * 6, "equal columns"),
    ],
)
def test_unusable_points_are_refused(n, d, loss, message):
    with pytest.raises(ValueError, match=message):
        refit(n, d, loss)


def test_a_fit_of_the_same_points_agrees(sweep):
    study = read_study(sweep)
    for name, value in study.refit.law.values().items():
        assert value == pytest.approx(study.law_fit.value(name), rel=1e-5), name
    assert disagreement(study) < 1e-8


def test_a_fit_with_weights_is_not_comparable(sweep, tmp_path):
    content = json.loads((sweep / "fit-chinchilla-approach3.json").read_text())
    content["notes"] = ["weights: compute over its mean"]
    content["parameters"]["alpha"]["value"] *= 1.01
    for name in ("results.h5", "runs"):
        (tmp_path / name).symlink_to(sweep / name)
    (tmp_path / "fit-chinchilla-approach3.json").write_text(json.dumps(content))
    study = read_study(tmp_path)
    assert disagreement(study) is None
    assert "Not comparable: the fit weighs its points (weights: compute over its mean)" in cross_check(study)


def test_points_that_the_fit_left_out_stay_out(sweep, tmp_path):
    study = read_study(sweep)
    worst = max(study.fitted, key=lambda r: r.loss)
    content = json.loads((sweep / "fit-chinchilla-approach3.json").read_text())
    content["points"]["left_out"] = [{"name": worst.name, "reason": "too early"}]
    for name in ("results.h5", "runs"):
        (tmp_path / name).symlink_to(sweep / name)
    (tmp_path / "fit-chinchilla-approach3.json").write_text(json.dumps(content))
    assert read_study(tmp_path).refit.points == len(study.fitted) - 1
