"""A kind of metric by signs alone is one."""

from fakes import CONTRACT, FakeWorld, Idea, Night
from overnight.referee.kinds import KINDS
from overnight.testing.kinds import KindSuite


class TestSigns(KindSuite):
    kind = KINDS["signs"]


class TestSignsWithoutAScale(TestSigns):
    """Differences whose sizes say nothing."""

    def null(self, lots):
        return lots.choice((-1, 1)) * 10 ** lots.uniform(-3, 1)

    def better(self, lots):
        return abs(self.null(lots)) * (1 if lots.random() < 0.95 else -1) + 0.3


def mixed(lots):
    """One change in four is better, the others do nothing or harm."""
    return Idea(gain=lots.choice((3.0, 0.0, 0.0, -1.0)), correlation=0.8)


def test_a_night_is_judged_by_it_where_the_contract_says_so():
    world = FakeWorld(2, mixed)
    state = Night(world, contract=CONTRACT.replace("[run]", 'kind = "signs"\n[run]')).go(experiments=40).lab.state
    kept = [e for e in state.experiments.values() if e.verdict == "keep"]
    assert state.known.kind is KINDS["signs"] and kept
    assert all(world.gain(e.commit, e.base_commit) > 0 for e in kept)
