"""A score of orders is one."""

import json

from fakes import FakeWorld, Idea, Night, lots_of
from overnight.scoring import numbers
from overnight.scoring.disorder import disorder
from overnight.testing.scorers import ScorerSuite

KEYS = tuple(lots_of("keys").sample(range(1000), 30))


class TestDisorder(ScorerSuite):
    artifacts = {"order.json": json.dumps(sorted(range(30), key=KEYS.__getitem__)).encode()}

    def score(self):
        return {"disorder": disorder(numbers("order.json"), KEYS)}


def test_order_scores_nothing_and_its_reverse_scores_one():
    order = sorted(range(30), key=KEYS.__getitem__)
    assert (disorder(order, KEYS), disorder(order[::-1], KEYS)) == (0.0, 1.0)


class Sorting(FakeWorld):
    """A world whose runs leave an order that is scored: the better the commit, the fewer swaps from the right one."""

    def __init__(self, folder):
        super().__init__(1, lambda lots: Idea(gain=lots.choice((2.0, 0.0, -1.0)), correlation=0.9), level=60.0, sigma=6.0)
        self.folder = folder

    def ran(self, commit, seed):
        lots, order = lots_of(seed), sorted(range(30), key=KEYS.__getitem__)
        for _ in range(max(0, round(super().ran(commit, seed)))):
            place = lots.randrange(29)
            order[place:place + 2] = reversed(order[place:place + 2])
        (self.folder / "order.json").write_text(json.dumps(order))
        return TestDisorder().score()["disorder"]


def test_a_night_lowers_it(tmp_path, monkeypatch):
    monkeypatch.setenv("OVERNIGHT_ARTIFACTS", str(tmp_path))
    state = Night(Sorting(tmp_path)).go(experiments=25).lab.state
    assert state.counts["keep"] and state.levels.frontier < state.levels.baseline
