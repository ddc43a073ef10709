"""The kinds of metric: each passes the suite that any kind must pass."""

import pytest

from overnight.referee.kinds import KINDS, shown
from overnight.referee.kinds.deterministic import Deterministic
from overnight.referee.kinds.noisy import Noisy
from overnight.referee.kinds.success import Success
from overnight.referee.kinds.timing import Timing
from overnight.testing.kinds import SHOWN, KindSuite


class TestNoisy(KindSuite):
    kind = Noisy()


class TestNoisyWithHeavyTails(KindSuite):
    kind = Noisy()

    def null(self, lots):
        return lots.gauss(0.0, 1.0) / lots.gammavariate(1.5, 2.0) ** 0.5


class TestTiming(KindSuite):
    kind = Timing()


class TestDeterministic(KindSuite):
    kind = Deterministic()
    variance = 0.0

    def null(self, lots):
        return 0.0

    def better(self, lots):
        return 1.0


class TestDeterministicThatIsNot(TestDeterministic):
    """A candidate whose number depends on the seed is no better."""

    def null(self, lots):
        return lots.gauss(0.0, 1.0)


class TestSuccess(KindSuite):
    kind = Success()
    nulls = 100  # each is measured some hundred times

    def null(self, lots):
        return lots.choice((-1.0, 0.0, 1.0))

    def better(self, lots):
        return lots.choice((0.0, 0.0, 1.0, 1.0))


def test_every_kind_passes_the_suite():
    assert {type(kind) for kind in KINDS.values()} == {each.kind.__class__ for each in KindSuite.__subclasses__()}


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_known_by_its_own_name(name):
    assert KINDS[name].name == name


def test_any_baseline_shows_a_kind():
    assert all(shown(calibration) in KINDS.values() for calibration in SHOWN)
