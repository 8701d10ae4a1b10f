import numpy as np
import pytest
from synthetic import TRUTH

from isoflop_analysis.tabulated import TabulatedLaw

N, D = np.geomspace(5e3, 4e6, 40), np.geomspace(3e4, 6e7, 30)
LAW = TabulatedLaw(N, D, TRUTH.loss(N[None, :], D[:, None]).ravel())


def test_between_the_entries_the_loss_is_that_of_the_law():
    noise = np.random.default_rng(1)
    n, d = (np.exp(noise.uniform(np.log(axis[0]), np.log(axis[-1]), 500)) for axis in (N, D))
    assert LAW.loss(n, d) == pytest.approx(TRUTH.loss(n, d), rel=1e-3)
    assert LAW.loss(N[3], D[7]) == pytest.approx(TRUTH.loss(N[3], D[7]), rel=1e-12)
    assert LAW.loss(N[None, :], D[:, None]).shape == (30, 40)


def test_the_optimum_is_that_of_the_law_inside_the_table_alone():
    compute = np.geomspace(1e11, 1e14, 20)
    for found, exact in zip(LAW.optimal(compute), TRUTH.optimal(compute), strict=True):
        assert found == pytest.approx(exact, rel=0.02)
    assert np.isnan(LAW.optimal(np.array([1e7, 1e17]))).all()
    assert LAW.optimal(1e12)[0].shape == ()
