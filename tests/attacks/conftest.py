"""The nights of the suite: one for each module, with the attacks that it names."""

import pytest

pytest.register_assert_rewrite("attacks.suite")

from attacks.host import Bait  # noqa: E402
from attacks.night import BETTER, Night  # noqa: E402
from overnight.sandbox import choose  # noqa: E402


def pytest_generate_tests(metafunc):
    """A case for each attack, and one for each that has a control."""
    attacks = getattr(metafunc.module, "ATTACKS", [])
    for fixture, chosen in (("attack", attacks), ("control", [a for a in attacks if a.works])):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, chosen, ids=[a.name for a in chosen])


@pytest.fixture(scope="session")
def box():
    """The sandbox as a session chooses it, with its self-test passed and its control groups, where there are any."""
    return choose("bubblewrap")


@pytest.fixture(scope="module")
def night(request, tmp_path_factory, box):
    """The module's night, already over. A module may name a GROUND (files of the track), what is BETTER on it, and a
    function that PREPAREs its repository."""
    plain = pytest.MonkeyPatch()
    for name, value in (("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")):
        plain.setenv(name, value)
    module, bait = request.module, Bait(tmp_path_factory.mktemp("night"))
    try:
        yield Night(bait, module.ATTACKS, box, getattr(module, "GROUND", {}), getattr(module, "BETTER", BETTER),
                    getattr(module, "PREPARE", lambda folder: None))
    finally:
        bait.clear()
        plain.undo()
