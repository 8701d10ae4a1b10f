from pathlib import Path

import numpy as np
import pytest
from synthetic import BUDGETS, TRUTH, plan

from isoflop_analysis.fits import Estimate, Fit
from isoflop_analysis.profiles import envelope, find_profiles, parabolas_of, power_law
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


def test_minima_and_lines_are_those_of_a_fit_by_approach_2():
    profiles = find_profiles([Run(r) for r in plan()[0] if r["role"] == "fit"])
    budgets = [{"flops": 1.01 * c, "params": c / 1e8, "tokens": 2e7, "loss": 3.0, "rejected": ""} for c in BUDGETS[:3]]
    budgets.append({"flops": BUDGETS[3], "params": None, "tokens": None, "loss": None, "rejected": "5 points, needs 6"})
    parameters = {name: Estimate(value) for name, value in {"G": 2.0, "a": 0.3, "H": 3.0, "b": 0.7}.items()}
    fit = Fit(Path("fit.json"), "chinchilla", "approach2", parameters, {}, None, None, [], raw={"budgets": budgets})
    found = parabolas_of(fit, profiles)
    assert [(m.profile, m.c, m.n) for m in found.minima] == [
        (profile, 1.01 * c, c / 1e8) for profile, c in zip(profiles, BUDGETS[:3], strict=False)]  # fmt: skip
    assert found.without == {BUDGETS[3]: "5 points, needs 6"}
    assert found.best_n(6e12) == pytest.approx(2.0 * 1e12**0.3) and found.best_d(6e12) == pytest.approx(3.0 * 1e12**0.7)
    assert "fit.json" in found.origin


def test_without_such_a_fit_the_report_says_that_the_parabolas_are_its_own():
    profiles = find_profiles([Run(r) for r in plan(sigma=0)[0] if r["role"] == "fit"])
    found = parabolas_of(None, profiles)
    assert "own parabolas" in found.origin
    assert [m.n for m in found.minima] == [p.optimum for p in profiles]
    assert found.best_n.exponent == pytest.approx(TRUTH.beta / (TRUTH.alpha + TRUTH.beta), rel=0.1)
    assert parabolas_of(None, []).minima == [] and parabolas_of(None, []).best_n is None


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
