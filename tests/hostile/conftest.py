"""The scenes of the suite: each attack gets a fresh one, copied from one repository."""

import pytest

pytest.register_assert_rewrite("hostile.suite")

from hostile.scene import Scene, template  # noqa: E402


def pytest_generate_tests(metafunc):
    """A case for each attack, and one for each that has a control."""
    attacks = getattr(metafunc.module, "ATTACKS", [])
    for fixture, chosen in (("attack", attacks), ("control", [a for a in attacks if a.control])):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, chosen, ids=[each.name for each in chosen])


@pytest.fixture(scope="session")
def little_repository(tmp_path_factory):
    """The repository that every scene is a copy of."""
    plain = pytest.MonkeyPatch()
    for name, value in (("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")):
        plain.setenv(name, value)
    try:
        yield template(tmp_path_factory.mktemp("template") / "track")
    finally:
        plain.undo()


@pytest.fixture
def scene(tmp_path_factory, little_repository):
    """A victim's machine."""
    made = Scene(tmp_path_factory.mktemp("s"), little_repository)
    yield made
    made.close()
