import pytest
from synthetic import write_sweep

from isoflop_analysis import style


@pytest.fixture(scope="session")
def sweep(tmp_path_factory):
    """A finished sweep with its target; tests that change files make their own."""
    directory = tmp_path_factory.mktemp("sweep")
    write_sweep(directory)
    return directory


@pytest.fixture
def unrendered(monkeypatch):
    """Figures are composed but not rendered, which takes nearly all the time of a page."""
    monkeypatch.setattr(style, "as_svg", lambda figure, name: b"<svg/>")
