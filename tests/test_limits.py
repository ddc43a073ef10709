"""What noise keeps from being found: what a proof takes, and when and how a night says it."""

import random
import statistics
from pathlib import Path

import pytest
from msgspec.structs import replace

from fakes import CONTRACT, FakeWorld, Idea, Night
from overnight.contracts import EXPECTS
from overnight.lab.jobs import Measure, Propose
from overnight.referee import limits as price
from overnight.referee.decision import Evidence, More, Policy
from overnight.referee.kinds import KINDS
from overnight.report import files
from overnight.report.morning import report_md
from overnight.report.standing import standing
from overnight.views.track import track

WORTHWHILE = CONTRACT.replace('"minimize"', '"minimize"\nunit = "nats"\nworthwhile = 0.1')


def small(lots):
    """Effects of a tenth of a run's noise."""
    return Idea(lots.choice((0.1, 0.0, -0.1)), 0.0)


def plain(lots):
    return Idea(lots.choice((4.0, 0.0, -2.0)), 0.5)


class Believing(FakeWorld):
    """A world whose researchers say of each point what they expect of it."""

    def __init__(self, expects, **how):
        super().__init__(5, small, explores=10_000, **how)
        self.expects = expects

    def answer(self, job):
        result = super().answer(job)
        if isinstance(job, Propose) and result.change:
            return replace(result, change=replace(result.change, note={**result.change.note, EXPECTS: self.expects}))
        return replace(result, metrics={"y": 0.0}) if isinstance(job, Measure) and job.stage == "explore" else result


def ended(world, contract=WORTHWHILE, runs=120):
    return track(Night(world, contract=contract).go(runs=runs).lab.state)


# ---- what a proof takes --------------------------------------------------------------------------------------------


def taken(effect, lots):
    """Runs until the referee keeps a change of this effect where it gives up nothing."""
    policy = Policy(most_pairs=500, most_fresh=500, futile=0.0, hopeless=0.0)
    evidence, kind = Evidence((), (), 1.0, alpha=0.025), KINDS["noisy"]
    while isinstance(step := kind.next_step(evidence, policy), More):
        if step.stage == "race":
            more = step.pairs - len(evidence.race)
            evidence = replace(evidence, race=(*evidence.race, *(lots.gauss(effect, 1) for _ in range(more))))
        else:
            claim = evidence.claim or kind.claim(evidence, policy)
            more = step.pairs - len(evidence.fresh)
            evidence = replace(evidence, claim=claim, fresh=(*evidence.fresh, *(lots.gauss(effect, 1) for _ in range(more))))
    return len(evidence.race) + 2 * len(evidence.fresh)


@pytest.mark.parametrize("effect", [0.7, 1.0, 2.0, 8.0])
def test_the_referee_takes_about_as_many_runs_as_is_said(effect):
    lots = random.Random(3)
    real = statistics.median(taken(effect, lots) for _ in range(40))
    assert 0.6 * real < price.runs_for(effect, 1.0) < 1.5 * real


def test_what_so_many_runs_confirm_takes_so_many_runs():
    for runs in (10, 30, 46, 4000):
        assert price.runs_for(price.least(0.3, runs), 0.3) == pytest.approx(runs)
    assert price.runs_for(0.01, 0.3) == pytest.approx(30 * 30**2)


# ---- what a night says ---------------------------------------------------------------------------------------------


def test_under_ten_times_as_much_noise_as_effects_a_night_says_what_it_could_not_have_found():
    found = ended(FakeWorld(4, small, explores=12))
    said = found.limits
    assert found.kept == 0 and 0.6 < found.noise < 2
    assert said.least == pytest.approx(found.noise * (30 / 46) ** 0.5)  # a verdict takes no more, however long the night
    assert said.worthwhile_runs == pytest.approx(30 * (found.noise / 0.1) ** 2, abs=1) and said.lead_runs is None
    assert said.sentence.startswith(f"with noise of {found.noise:.2g} nats (one pair's standard deviation) an improvement of 0.1 nats")
    assert said.sentence.endswith(f"in the 46 runs that a verdict takes at most only changes of at least about {said.least:.2g} nats could be "
                                  "confirmed")


def test_a_short_night_could_have_found_less_than_a_long_one():
    short, long = (ended(FakeWorld(4, small, explores=12), runs=runs) for runs in (12, 60))
    assert short.limits.least / short.noise > 2 > long.limits.least / long.noise


def test_where_plain_effects_were_kept_nothing_is_said():
    found = ended(FakeWorld(4, plain, explores=12))
    assert found.kept and found.limits is None


@pytest.mark.parametrize(("world", "contract", "runs"), [
    (FakeWorld(4, small, explores=12), WORTHWHILE, 4),  # the noise is not known yet
    (FakeWorld(4, lambda lots: Idea(nothing=True)), WORTHWHILE, 120),  # nothing was tried
    (FakeWorld(4, small, explores=12, sigma=0.02), WORTHWHILE, 120),  # all that is worthwhile could have been found
    (FakeWorld(4, small, explores=12), CONTRACT.replace('"minimize"', '"minimize"\nkind = "success"'), 60)])  # what it takes is not known
def test_where_there_is_nothing_to_say_nothing_is_said(world, contract, runs):
    assert ended(world, contract, runs).limits is None


def test_without_worthwhile_it_is_said_what_could_be_confirmed_alone():
    said = ended(FakeWorld(4, small, explores=12), CONTRACT).limits
    assert said.worthwhile_runs is None and "which is worthwhile" not in said.sentence and "could be confirmed" in said.sentence


def test_a_lead_that_was_not_confirmed_says_what_its_proof_would_take():
    found = ended(Believing([1.6, 0.3]), runs=40)
    gain, said = found.lead.gain, found.limits
    assert said.lead_runs == round(price.runs_for(gain, found.noise)) > 0
    assert f"the best point explored, {found.lead.point}, is thought to be better by +{gain:.2g} ± " in said.sentence
    assert said.sentence.endswith("runs more")


def test_a_lead_that_may_well_be_luck_is_no_promise():
    assert ended(Believing([0.3, 2.0]), runs=40).limits.lead_runs is None


def test_status_and_report_say_it():
    state = Night(FakeWorld(4, small, explores=12), contract=WORTHWHILE).go(runs=60).lab.state
    said = track(state).limits.sentence
    assert f"{said}." in list(standing(track(state), (), at_work=False))
    assert f"{said[1:]}." in report_md(files.read(state, Path("nowhere")))
