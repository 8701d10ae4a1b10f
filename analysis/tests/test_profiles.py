import numpy as np
import pytest
from synthetic import BUDGETS, TRUTH, plan

from isoflop_analysis.profiles import envelope, find_profiles, power_law
from isoflop_analysis.records import Run


def runs_of(budget, sizes, losses):
    row = {"role": "fit", "status": "finished", "budget": budget, "flops_6nd": budget}
    return [
        Run({**row, "run": str(i), "n_total": n, "tokens": budget / (6 * n), "loss": loss})
        for i, (n, loss) in enumerate(zip(sizes, losses, strict=True))
    ]


def test_a_parabola_in_log_n_gives_its_minimum_back():
    sizes = 1e5 * 2.0 ** np.arange(5)
    profile, = find_profiles(runs_of(1e13, sizes, 3 + 0.1 * np.log(sizes / 3e5) ** 2))
    assert profile.optimum == pytest.approx(3e5, rel=1e-9)
    assert profile.loss(profile.optimum) == pytest.approx(3, rel=1e-9)


def test_a_minimum_outside_the_sizes_is_no_estimate():
    sizes = 1e5 * 2.0 ** np.arange(5)
    for losses in (3 + 0.1 * np.log(sizes / 3e6) ** 2, 3 - 0.1 * np.log(sizes / 3e5) ** 2):
        assert find_profiles(runs_of(1e13, sizes, losses))[0].optimum is None


def test_fewer_than_three_sizes_have_no_parabola():
    assert find_profiles(runs_of(1e13, [1e5, 2e5, 2e5], [3, 2, 2.1]))[0].coefficients is None


def test_the_minima_of_a_sweep_follow_the_law():
    rows, _ = plan(sigma=0)
    profiles = find_profiles([Run(r) for r in rows if r["role"] == "fit"])
    assert [p.budget for p in profiles] == list(BUDGETS)
    for profile in profiles:
        assert profile.optimum == pytest.approx(TRUTH.optimal(profile.budget)[0], rel=0.2)


def test_power_law():
    x = np.array([1.0, 10, 100])
    law = power_law(x, 3 * x**-0.5)
    assert (law.scale, law.exponent) == (pytest.approx(3), pytest.approx(-0.5))
    assert power_law([1, 1], [2, 3]) is None


def test_the_envelope_is_the_least_loss_so_far():
    x = np.geomspace(1, 100, 50)
    early, late = (x, 3 - 0.1 * np.log(x)), (x * 10, 3.2 - 0.3 * np.log(x))
    compute, least = envelope([early, late])
    assert compute[0] == pytest.approx(1) and compute[-1] == pytest.approx(1000)
    assert (np.diff(least) <= 0).all()
    assert least[-1] == pytest.approx(late[1][-1])
    assert np.interp(5, compute, least) == pytest.approx(3 - 0.1 * np.log(5), abs=1e-3)
    assert envelope([])[0].size == 0
