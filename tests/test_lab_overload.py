"""A time that is measured while the machine is overloaded does not count, and is measured again later."""

import msgspec
import pytest

from fakes import CONTRACT, FakeWorld, Idea, Night
from overnight.errors import TrackError
from overnight.lab.events import Judged, Measured, Started
from overnight.lab.jobs import Measure
from overnight.lab.overload import LONGEST_PAUSE, MOST_WAITING, Overload
from overnight.report.live import sentence
from overnight.report.morning import effort
from overnight.track.spec import parse
from overnight.views.track import track

TIMED = CONTRACT.replace('"minimize"', '"minimize"\nkind = "timing"')


def run(starved=msgspec.UNSET, outcome="ok"):
    return Measured(0.0, 1, 1, "c", 1, "race", outcome=outcome, starved=starved, busy=2.5)


def test_a_run_counts_up_to_its_bound_and_where_nothing_was_read_and_where_it_cheated():
    overload = Overload()
    told = [overload.spoils(each, 0.1) for each in (run(), run(0.0), run(0.1), run(0.11), run(0.9, "timeout"), run(0.9, "foul"))]
    assert told == [False, False, False, True, True, False] and (overload.lost, overload.in_a_row) == (2, 0)


def test_pauses_grow_from_what_the_lost_run_took_to_eight_times_that_and_end_with_a_good_run():
    overload, pauses = Overload(), []
    for _ in range(6):
        overload.spoils(run(0.37), 0.1)
        pauses.append(overload.pause)
    assert pauses == [2.5, 5.0, 10.0, 20.0, 20.0, 20.0] and overload.waited == sum(pauses)
    assert "overloaded by other work (for 37 % of its time" in overload.sentence
    overload.spoils(run(0.0), 0.1)
    assert overload.pause == overload.waited == 0.0 and overload.sentence == ""
    overload.spoils(msgspec.structs.replace(run(0.37), busy=7200.0), 0.1)
    assert overload.pause == LONGEST_PAUSE


class Loaded(FakeWorld):
    """A machine on which the runs in `busy`, counted as they end, waited for a core, and gave a number that flatters."""

    busy = range(8, 30)

    def answer(self, job):
        result = super().answer(job)
        if not isinstance(job, Measure):
            return result
        self.ended = getattr(self, "ended", 0) + 1
        if self.ended not in self.busy:
            return msgspec.structs.replace(result, starved=0.02)
        flattered = {name: value - 50.0 * bool(job.paired_with) for name, value in result.metrics.items()}
        return msgspec.structs.replace(result, metrics=flattered, starved=0.4)


def nothing(_lots):
    return Idea()


def better(_lots):
    return Idea(gain=6.0)


def test_what_is_measured_under_load_keeps_nothing_and_waits():
    night = Night(Loaded(1, nothing), contract=TIMED, measure_slots=1).go(experiments=4)
    lost = [e for e in night.runs if e.starved == 0.4]
    assert len(lost) == len(Loaded.busy) == night.lab.state.overload.lost
    assert not any(isinstance(e, Judged) and e.verdict == "keep" for e in night.events)
    assert all(e.pairs < 20 for e in night.lab.state.experiments.values())


def test_the_same_without_a_bound_keeps_what_the_load_flattered():
    free = TIMED + "[referee]\nmay_starve = 1.0\n"
    night = Night(Loaded(1, nothing), contract=free, measure_slots=1).go(experiments=4)
    assert any(isinstance(e, Judged) and e.verdict == "keep" for e in night.events) and night.lab.state.overload.lost == 0


def test_a_metric_that_is_no_time_counts_whatever_the_load():
    night = Night(Loaded(1, nothing), contract=CONTRACT, measure_slots=1).go(experiments=4)
    assert any(e.starved == 0.4 for e in night.runs) and night.lab.state.overload.lost == 0


def test_what_is_better_is_kept_when_the_load_is_over():
    night = Night(Loaded(1, better), contract=TIMED, measure_slots=1).go(experiments=1)
    assert night.lab.state.experiments[1].verdict == "keep"
    counted = [e for e in night.runs if e.experiment == 1 and e.starved == 0.02]
    assert night.lab.state.experiments[1].pairs == len(counted) > 0


def night_under_load():
    """A night whose last run was lost."""
    night = Night(Loaded(1, better), contract=TIMED, measure_slots=1)
    night.go(watch=lambda night: night.lab.state.overload.in_a_row and night.lab.stop("enough"))
    night.lab.flight.stopping = ""
    return night


def test_no_run_is_begun_before_the_pause_is_over_and_then_one_by_itself():
    lab = night_under_load().lab
    lab.flight.rest(5.0)
    assert lab.ask(100.0, ["measure"]) is None and lab.ask(104.9, ["measure"]) is None  # from the first question on
    assert lab.ask(105.0, ["measure"]) is not None and lab.ask(105.0, ["measure"]) is None


def test_the_user_is_told_while_it_lasts_and_how_much_was_lost():
    night = night_under_load()
    state = night.lab.state
    lost = next(e for e in reversed(night.events) if isinstance(e, Measured))
    assert sentence(state, lost).endswith("nothing is kept meanwhile; tried again in 1 s")
    found = track(state)
    assert "1 run did not count, because other work overloaded the machine then." in effort(found)
    assert found.overload.startswith("the machine is overloaded by other work (for 40 % of its time") and found.lost_to_load == 1
    state.apply(Started(0.0, 1, "none", "0"))
    assert track(state).overload == "" and track(state).lost_to_load == 1


class Always(Loaded):
    """A machine that is always overloaded."""

    busy = range(8, 10**9)


def test_a_session_without_an_end_gives_up_after_an_hour_and_says_why():
    night = Night(Always(1, nothing), contract=TIMED, measure_slots=1).go(experiments=4)
    assert night.lab.problem.endswith(" runs in a row were lost to it")
    assert MOST_WAITING < night.now < 1.5 * MOST_WAITING
    assert not any(isinstance(e, Judged) for e in night.events if e.at)


def test_a_contract_says_how_much_may_be_lost():
    assert parse(TIMED).referee.may_starve == 0.05 and parse(TIMED + "[referee]\nmay_starve = 0.3\n").referee.may_starve == 0.3
    with pytest.raises(TrackError, match="may_starve must be between 0 and 1"):
        parse(TIMED + "[referee]\nmay_starve = 1.5\n")
