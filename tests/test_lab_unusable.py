"""An answer that cannot be used says nothing of the frontier: its researcher rests a while, is told why, and the night goes on."""

import pytest

from fakes import FakeWorld, Night, referee_world
from overnight.lab.attempts import Attempts
from overnight.lab.events import Passed, Proposed
from overnight.lab.jobs import Proposal
from overnight.lab.roster import LONGEST_REST_SECONDS, MOST_UNUSABLE_IN_A_ROW, MOST_WITHOUT_END, REST_SECONDS, Roster
from overnight.track.roles import Role

NEWS = (0, 0, 0)
WHY = "there is no edit in the answer"


class Clumsy(FakeWorld):
    """A world whose researcher writes what cannot be used, so many times at first; `told` is what its briefs say of that."""

    def __init__(self, times):
        super().__init__(1, referee_world)
        self.times, self.told = times, []

    def _propose(self, job):
        self.told.append(job.brief.unusable)
        if len(self.told) <= self.times:
            return Proposal(job, reason=WHY, unusable=True)
        return super()._propose(job)


def passed(roster, times):
    for _ in range(times):
        roster.attempts.passed(Passed(0.0, "llm", 0, WHY, unusable=True), NEWS)


@pytest.mark.parametrize("times", [1, 3, 7])
def test_a_night_of_one_model_goes_on_after_answers_that_cannot_be_used(times):
    world = Clumsy(times)
    done = Night(world, roles=[Role("llm", "llm")], think_slots=1, think=2.0).go(until=600.0)
    unusable = [e for e in done.events if isinstance(e, Passed)]
    assert len(unusable) == times and all(e.unusable and not e.away for e in unusable)
    assert sum(isinstance(e, Proposed) for e in done.events) > 5
    assert world.told[:times + 2] == ["", *[WHY] * times, ""]


def test_a_night_whose_model_never_writes_anything_of_use_lasts_until_its_time_is_over():
    world = Clumsy(10**6)
    done = Night(world, roles=[Role("llm", "llm")], think_slots=1, think=2.0).go(until=600.0)
    assert done.now >= 600.0 and 8 < len(world.told) < 60, "it is asked again and again, but not without a rest"


def test_it_rests_longer_from_time_to_time_and_is_given_up_in_the_end():
    roster = Roster(Attempts(), [Role("llm", "llm")])
    rests = []
    for _ in range(12):
        passed(roster, 1)
        roster.rest("llm", 100.0, True)
        rests.append(next(n for n in range(1, 1000) if roster.here("llm", 100.0 + n)))
    assert rests[:4] == [REST_SECONDS, REST_SECONDS, REST_SECONDS, 2 * REST_SECONDS]
    assert rests == sorted(rests) and rests[-1] == LONGEST_REST_SECONDS
    assert roster.willing(NEWS) == ["llm"]
    passed(roster, MOST_UNUSABLE_IN_A_ROW)
    roster.rest("llm", 100.0, True)
    assert roster.willing(NEWS) == [] and WHY in roster.gone()["llm"]


def test_a_change_that_can_be_used_ends_the_row():
    attempts = Attempts()
    attempts.passed(Passed(0.0, "llm", 0, WHY, unusable=True), NEWS)
    assert attempts.unusable == {"llm": (1, WHY)} and attempts.passes("llm", NEWS) == 0 and attempts.times("llm") == 1
    attempts.proposed(Proposed(0.0, 1, 0, "c", "llm", "a change", commit="d", patch="p", size_delta=0))
    assert attempts.unusable == {}


def test_without_an_end_in_time_it_is_given_up_soon():
    roster = Roster(Attempts(), [Role("llm", "llm")])
    passed(roster, MOST_WITHOUT_END - 1)
    roster.rest("llm", 100.0, False)
    assert not roster.gone()
    passed(roster, 1)
    roster.rest("llm", 100.0, False)
    assert "answers in a row could not be used" in roster.gone()["llm"]
