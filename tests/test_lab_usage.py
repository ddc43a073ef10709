"""What a track has used, summed over its sessions."""

import pytest

from overnight.contracts import Call
from overnight.lab.events import Measured, Started, Stopped
from overnight.lab.usage import Usage


def started(at, workers=2, sandbox="bubblewrap"):
    return Started(at, workers, sandbox, "0")


def measured(busy=0.0, **more):
    return Measured(0.0, 1, 1, "c", 1, "race", outcome="ok", busy=busy, **more)


def told(*events):
    """A Usage that heard of these in their order, as a Lab tells it."""
    usage = Usage()
    for event in events:
        {Started: usage.started, Stopped: usage.stopped, Measured: usage.measured}[type(event)](event)
        usage.last = event.at
    return usage


def test_before_anything_nothing_was_used():
    assert (Usage().runs, Usage().seconds, Usage().capacity) == (0, 0.0, 0.0)


def test_a_run_beside_another_is_two():
    assert told(measured(), measured(paired_metrics={"y": 1.0}), measured()).runs == 4


def test_busy_seconds_add_up():
    assert told(measured(1.5), measured(2.0)).busy == 3.5


def test_what_the_harness_took_is_told_by_part():
    usage = told(measured(overhead={"log": 0.1, "tree": 0.2}), measured(overhead={"log": 0.3}),
                 Stopped(0.0, 1.0, deciding=0.01, writing=0.02), Stopped(0.0, 1.0))
    assert usage.parts == {"log": [0.1, 0.3], "tree": [0.2], "decision": [0.01], "journal": [0.02]}


def test_sessions_add_up_and_the_time_between_them_does_not_count():
    usage = told(started(100.0, 2), Stopped(160.0, 60.0), started(1000.0, 4), Stopped(1010.0, 10.0))
    assert (usage.seconds, usage.capacity) == (70.0, 160.0)


def test_a_session_under_way_lasts_until_its_last_record():
    usage = told(started(100.0, 3))
    usage.last = 130.0
    assert (usage.seconds, usage.capacity) == (30.0, 90.0)


def test_a_session_that_was_killed_ended_with_its_last_record():
    usage = told(started(100.0, 2))
    usage.last = 150.0
    usage.started(started(9000.0, 1))
    usage.last = 9005.0
    assert (usage.seconds, usage.capacity) == (55.0, 105.0)


def test_every_sandbox_that_was_used_is_remembered():
    assert told(started(0.0), Stopped(1.0, 1.0), started(2.0, sandbox="none")).sandboxes == {"bubblewrap", "none"}


def test_a_clock_that_went_back_takes_no_time_away():
    usage = told(started(100.0, 2))
    usage.last = 40.0
    assert (usage.seconds, usage.capacity) == (0.0, 0.0)


def test_a_session_that_was_killed_goes_on_with_its_budget_and_one_that_ended_does_not():
    usage, call = told(started(0.0)), Call("author", "m", "propose", 1, 100, 20, dollars=0.5)
    usage.called(call)
    assert (usage.carried.tokens, usage.carried.dollars) == (120, 0.5)
    usage.started(started(1.0))
    assert usage.session.tokens == 120
    usage.stopped(Stopped(2.0, 1.0))
    assert usage.carried.tokens == 0
    usage.started(started(3.0))
    assert usage.session.tokens == 0 and usage.used["author"].tokens == 120


def test_the_seconds_of_a_run_are_averaged_over_the_runs_of_which_it_is_known_what_they_were_for():
    """An old journal does not say; a run that failed was not scored."""
    usage = told(measured(9.0, overhead={"tree": 5.0}), measured(3.0, spent={"run": 2.0, "start-up": 0.5, "scoring": 0.5}, overhead={"tree": 0.1}),
                 measured(1.0, spent={"run": 0.5, "start-up": 0.5}, overhead={"tree": 0.1, "hash": 0.2}))
    assert usage.divided == pytest.approx({"run": 1.25, "start-up": 0.5, "scoring": 0.25, "harness": 0.2})
    assert Usage().divided == told(measured(9.0)).divided == {}
