"""A contract that audits at confirmations alone: whole simulated nights in which some changes cheat, as only an audit sees."""

from functools import cache

import msgspec
import pytest

from fakes import CONTRACT, FakeWorld, Idea, Night, held, lots_of
from overnight.lab.events import Judged, Measured, Proposed, Vetoed
from overnight.lab.flight import Budget
from overnight.lab.jobs import Measure
from overnight.lab.leads import leads
from overnight.lab.measuring import AUDITED
from overnight.lab.state import State
from overnight.lab.weighing import on_fresh_pairs
from overnight.referee.decision import Evidence, More, Ruling
from overnight.track.spec import parse

SELDOM = CONTRACT + 'audit = "confirm"\n'
ALONE = SELDOM + "[referee]\nstack = 1\n"


def tempting(lots):
    """One change in three is better, and one in three looks better still and cheats."""
    kind = lots.randrange(3)
    return Idea(gain=(0.0, 2.0, 3.0)[kind], correlation=0.8, cheats=kind == 2)


class Exact(FakeWorld):
    """A metric without noise."""

    def value(self, commit, seed):
        return self.level - self.worth[commit]


class Tries(FakeWorld):
    """Each run succeeds or does not."""

    def value(self, commit, seed):
        return float(self._luck(commit, seed) < 0.3 * self.worth[commit] - 0.7)


class Simpler(FakeWorld):
    """What is proposed takes code out and changes no number."""

    def _propose(self, job):
        found = super()._propose(job)
        return msgspec.structs.replace(found, size_delta=-5) if found.change else found


def equal(lots):
    """A change that does nothing, one in two of which cheats."""
    return Idea(correlation=1.0, cheats=lots.random() < 0.5)


UP = SELDOM.replace("minimize", "maximize")
NIGHTS = {
    "noisy": lambda: Night(FakeWorld(5, tempting), contract=SELDOM, measure_slots=3),
    "alone": lambda: Night(FakeWorld(5, tempting), contract=ALONE),
    "exact": lambda: Night(Exact(5, tempting), contract=SELDOM),
    "timed": lambda: Night(FakeWorld(5, tempting, level=50.0, drift=0.001),
                           contract=SELDOM.replace('"minimize"', '"minimize"\nkind = "timing"')),
    "tries": lambda: Night(Tries(5, tempting, direction="maximize"), contract=UP.replace('"maximize"', '"maximize"\nkind = "success"')),
    "many benches": lambda: Night(FakeWorld(5, tempting), contract=SELDOM, measure_slots=24, edit_slots=4),
    "a campaign": lambda: Night(FakeWorld(5, tempting, explores=8), contract=SELDOM, measure_slots=2),
    "simpler": lambda: Night(Simpler(5, equal), contract=SELDOM.replace('"minimize"', '"minimize"\nworthwhile = 1.0')),
    "holdout": lambda: Night(FakeWorld(5, tempting, holdout=1.0), contract=SELDOM.replace('audit', 'holdout = "unseen"\naudit')),
    "edits that do nothing": lambda: Night(FakeWorld(5, tempting, lasting=0.5), contract=SELDOM + "[referee]\nnull_edits = 8\n"),
}


@cache
def night(kind):
    return NIGHTS[kind]().go(runs=700)


def kept(events):
    return [event.experiment for event in events if isinstance(event, Judged) and event.verdict == "keep"]


@pytest.mark.parametrize("kind", NIGHTS)
def test_whatever_is_kept_was_audited_and_found_clean(kind):
    done = night(kind)
    found = done.lab.state.experiments
    fouls = [e for e in found.values() if e.verdict == "foul"]
    assert kept(done.events) and fouls
    assert all(done.world.cheats(e.commit) for e in fouls) and not any(done.world.cheats(found[n].commit) for n in kept(done.events))
    audited = {(job.commit, job.seed) for job in done.jobs if isinstance(job, Measure) and job.audited}
    clean = {run.experiment for run in done.runs if (run.commit, run.seed) in audited and run.outcome == "ok" and run.stage == "confirm"}
    assert set(kept(done.events)) <= clean


@pytest.mark.parametrize("kind", NIGHTS)
def test_what_is_not_about_to_be_kept_is_not_audited(kind):
    jobs = [job for job in night(kind).jobs if isinstance(job, Measure)]
    assert all(job.audited == (job.stage in AUDITED) for job in jobs) and {job.audited for job in jobs} == {True, False}


@pytest.mark.parametrize("kind", NIGHTS)
def test_a_night_with_audits_replays_to_what_it_was(kind):
    done, replayed = night(kind), State()
    for event in done.events:
        replayed.apply(event)
    assert held(replayed) == held(done.lab.state)


def test_without_a_word_of_it_every_run_is_audited():
    done = Night(FakeWorld(5, tempting), measure_slots=3).go(runs=300)
    assert all(job.audited for job in done.jobs if isinstance(job, Measure))
    assert parse(CONTRACT).audits_always and not parse(SELDOM).audits_always
    assert all(run.stage != "confirm" for run in done.runs if run.outcome == "foul")  # it never came so far


def test_what_cheats_measured_says_nothing():
    """Neither its effect nor its pairs are in the record, so that nobody learns from them."""
    fouls = [event for event in night("noisy").events if isinstance(event, Judged) and event.verdict == "foul"]
    assert all((event.effect, event.interval, event.pairs, event.finding) == (None, None, 0, msgspec.UNSET) for event in fouls)


def test_a_point_whose_claim_was_caught_has_failed():
    """What it measured was never audited: no campaign builds on it, and it is nobody's lead."""
    done = night("a campaign")
    state = done.lab.state
    caught = [e for e in state.experiments.values() if e.verdict == "foul" and e.commit in state.probes.claimed]
    points = [probe for e in caught for probe in state.probes.same(state.probes.made[state.probes.claimed[e.commit]].mark)]
    assert points and all(probe.value is None and not any(probe.runs.values()) for probe in points)
    assert not {lead.point for lead in leads(state)} & {probe.id for probe in points}


def test_a_foul_that_is_found_after_a_discard_counts_when_it_is_taken_up_again():
    """Runs that were under way at the verdict may show it: then no later session keeps it."""
    done = Night(FakeWorld(3), contract=ALONE, researchers=()).go()
    state, at = done.lab.state, done.now
    state.apply(Proposed(at, 1, 0, "c0", commit="c1", researcher="mine", message="mine", request="r1", patient=1e6))
    state.apply(Measured(at, 90, 1, "c1", state.known.next_common(), "race", outcome="ok", metrics={"y": -9.0}))
    state.apply(Judged(at, 1, "discard", "not proven in the time that it was given", 9.0, pairs=1, e_value=1.0, resumable=True))
    state.apply(Measured(at, 91, 1, "c1", 12345, "confirm", outcome="foul", reason="an audit caught it"))
    assert state.experiments[1].verdict == "discard" and not state.open
    judged = [event for event in done.lab.begin(Budget(), at) if isinstance(event, Judged)]
    assert [(event.experiment, event.verdict, event.reason) for event in judged] == [(1, "foul", "an audit caught it")]


class Lucky(FakeWorld):
    """An audit catches a cheat in every second run."""

    def _measure(self, job):
        self.seed_now = job.seed
        return super()._measure(job)

    def cheats(self, commit):
        return super().cheats(commit) and lots_of("caught", self.seed_now).random() < 0.5


def test_a_cheat_that_got_past_its_audits_by_luck_is_taken_back_when_later_ones_catch_it():
    """The frontier is audited beside all that is confirmed on it; and so are the runs that ask which keep is to blame."""
    done = Night(Lucky(1, tempting), contract=ALONE, measure_slots=4).go(runs=700)
    found, back = done.lab.state.experiments, [event.experiment for event in done.events if isinstance(event, Vetoed)]
    assert back and all(done.world.ideas_of[found[number].commit].cheats for number in back)
    assert not any(done.world.ideas_of[each.commit].cheats for each in done.lab.state.chain())


def test_no_kind_of_metric_keeps_anything_without_a_fresh_pair():
    """Also one that a stranger adds, and that would be content with its race."""
    keep, discard, more = Ruling("keep", "", 1.0, None, 9.0), Ruling("discard", "", 1.0, None, 0.0), More("race", 4)
    raced, confirmed = Evidence((1.0, 1.0), (), 1.0), Evidence((1.0,), (1.0,), 1.0)
    assert [on_fresh_pairs(step, raced) for step in (keep, discard, more)] == [More("confirm", 1), discard, more]
    assert [on_fresh_pairs(step, confirmed) for step in (keep, discard, more)] == [keep, discard, more]
