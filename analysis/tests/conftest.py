import pytest
from synthetic import write_sweep


@pytest.fixture(scope="session")
def sweep(tmp_path_factory):
    """A finished sweep with its target; tests that change files make their own."""
    directory = tmp_path_factory.mktemp("sweep")
    write_sweep(directory)
    return directory
