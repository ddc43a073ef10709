"""Podman and Docker: what every sandbox must do, then what is theirs."""

import pytest

from overnight.errors import SandboxMissing
from overnight.sandbox.containers import Containers
from overnight.testing.containment import Contains
from overnight.testing.sandbox import Behaves, Ground


@pytest.fixture(scope="session")
def podman():
    """Podman, where it works."""
    engine = Containers("podman")
    try:
        engine.probe()
    except SandboxMissing as missing:
        pytest.skip(str(missing))
    return engine


@pytest.mark.slow
class TestPodman(Behaves, Contains):
    """Containers on an empty root."""

    @pytest.fixture
    def ground(self, podman, tmp_path):
        return Ground(podman, tmp_path)
