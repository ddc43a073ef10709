"""Each result is taken once: what is told twice, too late, out of order or by a place that is broken changes no verdict."""

import msgspec
import pytest

from fakes import CONTRACT, FakeWorld, Idea, Night
from overnight.errors import Declined
from overnight.lab.flight import MOST_FAULTS_IN_A_ROW, SLACK_SECONDS, Budget, Flight, lease
from overnight.lab.jobs import Measure, Measurement, Proposal, Propose, Rebase, Result, Thought, Trouble
from overnight.track.spec import parse

JOB = Measure(7, 1, "c1", 3, "race")


def mixed(lots):
    """Changes that are better, worse or crash."""
    return Idea(outcome="crash") if lots.random() < 0.1 else Idea(gain=lots.choice((3.0, 0.0, -1.0)), correlation=0.9)


def test_a_result_is_taken_once():
    flight = Flight()
    flight.give(JOB, 9.0)
    flight.land(Measurement(JOB, outcome="ok"))
    with pytest.raises(Declined, match="was not waited for"):
        flight.land(Measurement(JOB, outcome="ok"))


def test_a_job_is_the_same_after_a_journey():
    flight = Flight()
    flight.give(JOB, 9.0)
    flight.land(msgspec.json.decode(msgspec.json.encode(Measurement(JOB, outcome="ok")), type=Result))
    assert not len(flight)


@pytest.mark.parametrize("other", [msgspec.structs.replace(JOB, seed=4), msgspec.structs.replace(JOB, commit="c2"),
                                   Rebase(1, "c1", "c0", "c2")])
def test_a_result_of_a_job_that_was_never_given_out_is_declined(other):
    flight = Flight()
    flight.give(JOB, 9.0)
    with pytest.raises(Declined):
        flight.land(Trouble(other, "lost"))
    assert JOB in flight


def test_a_place_that_answers_with_something_else_is_declined_and_the_job_stays_in_flight():
    flight = Flight()
    flight.give(JOB, 9.0)
    with pytest.raises(Declined, match="a proposal is no answer to a measure"):
        flight.land(Proposal(JOB))
    with pytest.raises(Declined, match="a thought is no answer"):
        flight.land(Thought(JOB))
    assert JOB in flight


def test_a_job_is_lost_when_its_lease_ends():
    flight = Flight()
    flight.give(JOB, 9.0)
    flight.lapse(9.0)
    assert JOB in flight
    flight.lapse(9.1)
    assert JOB not in flight


def test_a_lease_covers_all_that_the_contract_allows_a_run():
    track = parse(CONTRACT)
    alone, paired = lease(JOB, track), lease(msgspec.structs.replace(JOB, paired_with="c0"), track)
    assert alone > SLACK_SECONDS and paired - SLACK_SECONDS == 2 * (alone - SLACK_SECONDS)


# ---- places that fail ------------------------------------------------------------------------------------------


def test_a_place_that_fails_again_and_again_is_set_aside_and_the_night_goes_on():
    class OneBad(FakeWorld):
        def answer(self, job):
            if isinstance(job, Measure) and job.run % 2 and not night.lab.flight.set_aside:  # then nothing is given to it
                return Trouble(job, "the disk is full", "measure 2")
            result = super().answer(job)
            return msgspec.structs.replace(result, worker=1) if isinstance(result, Measurement) else result

    night = Night(OneBad(0, mixed), measure_slots=2)
    night.go(experiments=3)
    assert night.lab.flight.set_aside == {"measure 2"} and not night.lab.problem
    assert len(night.lab.state.experiments) == 3 and not night.lab.state.open


def test_the_last_place_of_its_kind_ends_the_night():
    flight = Flight()
    assert [flight.failed("measure 1", others=0) for _ in range(MOST_FAULTS_IN_A_ROW)] == [False] * (MOST_FAULTS_IN_A_ROW - 1) + [True]


def test_a_job_that_is_done_wipes_out_the_faults_of_its_place_alone():
    flight = Flight()
    for _ in range(MOST_FAULTS_IN_A_ROW - 1):
        assert not flight.failed("measure 1", 1) and not flight.failed("measure 2", 1)
    flight.worked("measure 1")
    flight.failed("measure 1", 1)
    flight.failed("measure 2", 1)
    assert flight.set_aside == {"measure 2"}


def test_a_sealed_run_carries_what_its_scorer_needs_and_never_the_tracks_key():
    night = Night(FakeWorld(2, mixed), measure_slots=2, key="the track's own key").go(experiments=12)
    runs = [job for job in night.jobs if isinstance(job, Measure)]
    assert len({job.secret for job in runs}) == len({job.scorer_seed for job in runs}) == len({job.seed for job in runs})
    assert all(len(job.secret) == 64 and job.scorer_seed != job.seed for job in runs)
    proposals = [msgspec.structs.replace(job, brief=msgspec.structs.replace(job.brief, contract=""))
                 for job in night.jobs if isinstance(job, Propose)]
    assert b"the track's own key" not in msgspec.json.encode([*runs, *proposals])


def test_a_stop_before_a_session_begins_is_not_lost_and_one_of_an_earlier_session_is_over():
    flight = Flight()
    flight.stopping = "stopped by SIGINT"
    flight.begin(Budget())
    assert flight.over(0.0)
    flight.begin(Budget())
    assert not flight.stopping
