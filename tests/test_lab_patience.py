"""A change that is handed in goes on while it may be worth having and nothing else waits for a bench, in a simulated world."""

import random
import re

import pytest
from msgspec import structs

import fakes
from fakes import CONTRACT, FakeWorld, Idea, Night, held, team
from overnight.lab import snapshot
from overnight.lab.events import Claimed, Judged, Measured, Opened, Ordered, Proposed, Rebased, Reopened
from overnight.lab.jobs import Accept, Measure, Try
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.report.live import sentence
from overnight.track.roles import Role

WORTHWHILE = CONTRACT.replace('"minimize"', '"minimize"\nworthwhile = 0.1')
NEAR_MISS = 0.7  # standard deviations by which a change improves that the quick rules hardly ever keep
SLOW = Role("author", "llm")


class World(FakeWorld):
    """The commit is the change: what is the same commit has the same diff."""

    def answer(self, job):
        found = super().answer(job)
        return structs.replace(found, patch=found.commit) if isinstance(job, Accept) else found


def begun(seed, *roles, gain=NEAR_MISS, ideas=fakes.no_op, think_slots=0, think=20.0, **order):
    """A night on one bench that was handed a change."""
    world = World(seed, ideas)
    night = Night(world, contract=WORTHWHILE, researchers=(), roles=roles, measure_slots=1, key=str(seed), think_slots=think_slots,
                  think=think)
    wish = Try("r1", "c0", world.made(Idea(gain=gain), "c0", "mine"), "mine", **order)
    night.lab.hear(wish, 0.0)
    return night


def of(night, *kinds):
    return [e for e in night.events if isinstance(e, kinds)]


def quick_miss(claims=False):
    """The first night that discarded a near miss at once and may resume it, before its claim or after."""
    nights = (begun(seed, patient=0.0).go() for seed in range(400))
    return next(n for n in nights if n.lab.state.resumable and bool(n.lab.state.wealth.claims) == claims)


def cut_short():
    """A night in which a change went on for long, and its record until the middle of that."""
    night = next(n for n in (begun(seed).go() for seed in range(50)) if of(n, Reopened) and len(of(n, Measured)) > 40)
    return night, night.events[:next(n for n, e in enumerate(night.events) if isinstance(e, Reopened)) + 10]


def hand_in(night, request="r2", **order):
    """The same change again, in a session that carries on from the record."""
    after = Night(night.world, contract=WORTHWHILE, researchers=(), measure_slots=1, past=night.events, key="x")
    mine = night.lab.state.experiments[1].commit
    after.lab.hear(Try(request, "c0", mine, "mine", **order), 0.0)
    return after.go()


# ---- alone -----------------------------------------------------------------------------------------------------


def test_where_nothing_else_waits_it_goes_on_until_it_is_proven():
    kept = [begun(seed).go().lab.state.experiments[1] for seed in range(30)]
    quick = [begun(seed, patient=0.0).go().lab.state.experiments[1] for seed in range(30)]
    assert sum(e.verdict == "keep" for e in kept) > 5 + sum(e.verdict == "keep" for e in quick)
    assert max(e.pairs for e in kept) > 30 >= max(e.pairs for e in quick)


def test_the_quick_verdict_is_in_the_record_and_what_goes_on_follows_at_once():
    night = next(n for n in (begun(seed).go() for seed in range(50)) if of(n, Reopened))
    batch = next(b for b in night.batches if any(isinstance(e, Reopened) for e in b))
    judged = next(e for e in batch if isinstance(e, Judged))
    assert judged.verdict == "discard" and judged.resumable and judged.finding.chance >= night.lab.state.policy.unlikely
    assert not any(isinstance(e, Measured) for e in batch[batch.index(judged):])
    assert of(night, Judged)[-1].resumable is not True and not night.lab.state.open


def test_the_sender_reads_that_it_goes_on_and_not_that_it_was_discarded():
    night = begun(next(s for s in range(50) if of(begun(s).go(), Reopened)))
    said = []
    night.go(watch=lambda n: said.extend(sentence(n.lab.state, e) for e in n.batches[-1] if isinstance(e, Judged | Reopened)))
    first = next(line for line in said if line)
    assert re.fullmatch(r"(promising|not settled), going on: #1 mine \(worth having with a chance of \d+ % after \d+ pairs\)", first)


def test_a_change_that_does_nothing_is_given_up():
    done = [begun(seed, gain=0.0).go().lab.state for seed in range(40)]
    assert sum(s.experiments[1].verdict == "keep" for s in done) <= 2
    assert max(s.experiments[1].pairs for s in done) <= done[0].policy.patient_pairs
    assert any("hardly worth having" in s.experiments[1].reason for s in done)


def test_no_longer_than_it_was_told():
    """A run lasts a second."""
    night = next(n for n in (begun(seed, patient=20.0).go() for seed in range(100)) if n.lab.state.resumable)
    mine = night.lab.state.experiments[1]
    assert mine.reason == "not proven in the time that it was given" and 20 <= mine.cost < 24 and mine.reopenings == 1


# ---- the same change again -------------------------------------------------------------------------------------


def test_the_same_change_again_goes_on_from_its_evidence():
    night = quick_miss()
    before = night.lab.state.experiments[1].pairs
    after = hand_in(night)
    reopened = of(after, Reopened)
    assert [(e.experiment, e.request) for e in reopened] == [(1, "r2")] and len(of(after, Proposed)) == 1
    mine = after.lab.state.experiments[1]
    assert mine.pairs > before and not after.lab.state.open and "r2" in after.lab.state.answered


def test_a_claim_that_stood_goes_on_at_its_level_and_is_charged_once():
    night = quick_miss(claims=True)
    wealth, before = night.lab.state.wealth, night.lab.state.experiments[1]
    (level, _), charged = wealth.claims[1], wealth.charged
    assert before.fresh_pairs and charged == pytest.approx(level) and wealth.lost == 0
    after = hand_in(night)
    mine = after.lab.state.experiments[1]
    assert len(of(after, Claimed)) == 1 and mine.fresh_pairs > before.fresh_pairs
    assert not after.lab.state.wealth.claims and after.lab.state.wealth.charged <= charged
    assert of(after, Judged)[-1].alpha == level


def test_what_was_judged_as_any_change_is_judged_as_a_simplification_once():
    """The first order says nothing of a keep, those that follow do."""
    night = begun(3, gain=-1.0, patient=0.0)
    answer = night.world.answer
    night.world.answer = lambda job: structs.replace(answer(job), takes_back=bool(job.order.takes_back)) if isinstance(job, Accept) \
        else answer(job)
    night.go()
    for request in ("r2", "r3", "r4"):
        night = hand_in(night, request, takes_back=1, parts=(0,))
    experiments = night.lab.state.experiments
    assert [e.takes_back for e in experiments.values()] == [0, 1]
    assert [(e.request, e.experiment) for e in of(night, Ordered)] == [("r3", 2), ("r4", 2)]


def test_what_a_change_turns_is_recorded_of_one_that_was_handed_in_too():
    night = begun(3)
    answer, note = night.world.answer, {"set": {"a:x": [1, 2]}}
    night.world.answer = lambda job: structs.replace(answer(job), change=structs.replace(answer(job).change, note=note)) \
        if isinstance(job, Accept) else answer(job)
    night.go()
    assert night.lab.state.experiments[1].note == of(night, Proposed)[0].note == note


def begun_anew(night, contract, at=1e6):
    """The same change handed in after the track was begun anew, in the same world."""
    after = Night(night.world, contract=contract, researchers=(), measure_slots=1, key="anew",
                  past=[*night.events, Opened(at, "fake", "c0", contract, "anew")])
    after.lab.hear(Try("r2", "c0", night.lab.state.experiments[1].commit, "mine"), at)
    return after.go()


def test_its_pairs_outlast_a_new_beginning_as_a_part_of_its_race():
    night = quick_miss()
    after = begun_anew(night, WORTHWHILE)
    mine, before = after.lab.state.experiments[2], night.lab.state.experiments[1]
    assert mine.older == before.pairs and mine.pairs > before.pairs and mine.fresh_pairs <= mine.runs < mine.pairs
    assert snapshot.decode(snapshot.encode(after.lab.state)).earlier == after.lab.state.earlier


def test_by_another_contract_nothing_is_carried_over():
    mine = begun_anew(quick_miss(), CONTRACT).lab.state.experiments[2]
    assert not mine.older


@pytest.mark.parametrize(("order", "gain"), [({"patient": 0.0}, NEAR_MISS), ({}, -2.0)])
def test_else_its_verdict_is_the_answer(order, gain):
    night = quick_miss() if gain > 0 else begun(1, gain=gain).go()
    after = hand_in(night, **order)
    assert [(e.request, e.experiment) for e in of(after, Ordered)] == [("r2", 1)]
    assert after.lab.state.experiments[1].runs == night.lab.state.experiments[1].runs


# ---- where something else waits --------------------------------------------------------------------------------


def test_a_night_with_proposals_gives_the_quick_verdict_and_resumes_it_when_nothing_is_left():
    seed = next(s for s in range(200) if begun(s, patient=0.0).go().lab.state.resumable)
    night = begun(seed, *team("r"), ideas=lambda lots: Idea(gain=-3.0)).go(experiments=6)
    quick, *_, last = [n for n, e in enumerate(night.events) if isinstance(e, Judged) and e.experiment == 1]
    again = next(n for n, e in enumerate(night.events) if isinstance(e, Reopened) and e.experiment == 1)
    others = [n for n, e in enumerate(night.events) if isinstance(e, Proposed | Judged) and e.experiment > 1]
    assert quick < others[-1] < again < last and len(of(night, Proposed)) == 7


def test_it_yields_the_bench_to_whatever_is_proposed_meanwhile():
    """A model thinks for long, and benches are idle: what was handed in goes on, until the model's change is there."""
    seed = next(s for s in range(100) if of(begun(s).go(), Reopened))
    night, seen = begun(seed, SLOW, ideas=lambda lots: Idea(gain=-1.0), think_slots=1, think=15.0), [0, 0]

    def watch(now):
        for job in now.jobs[seen[0]:]:
            if isinstance(job, Measure) and job.experiment == 1 and now.lab.state.experiments[1].patient:
                seen[1] += 1
                assert list(now.lab.state.open) == [1]
        seen[0] = len(now.jobs)

    night.go(experiments=6, watch=watch)
    assert seen[1] and not night.lab.state.open
    assert any(e.experiment > 1 for e in of(night, Proposed)[1:-1])


def test_what_went_on_alone_is_put_aside_by_a_session_whose_benches_are_never_idle():
    alone, past = cut_short()
    alone.world.ideas = lambda lots: Idea(gain=-3.0)
    night = Night(alone.world, contract=WORTHWHILE, measure_slots=1, past=past, key="x").go(experiments=4)
    aside = next(e for e in night.batches[1] if isinstance(e, Judged))
    assert aside.reason == "put aside, for others wait for the measure slots" and aside.resumable
    assert [e.experiment for e in of(night, Reopened)][-1] == 1 and not night.lab.state.open


def test_on_a_newer_frontier_its_pairs_go_on_as_a_race_and_its_claim_is_over():
    night = quick_miss(claims=True)
    before = night.lab.state.experiments[1]
    better = night.world.made(Idea(gain=6.0, correlation=0.5), "c0", "better")
    then = Night(night.world, contract=WORTHWHILE, researchers=(), measure_slots=1, past=night.events, key="x")
    then.lab.hear(Try("r2", "c0", better, "better"), 0.0)
    then.go()
    assert then.lab.state.frontier == 2 and then.lab.state.wealth.claims
    after = hand_in(then, "r3")
    mine = after.lab.state.experiments[1]
    assert len(of(after, Rebased)) == 1 and mine.pairs > before.pairs and mine.verdict != "open"
    assert not after.lab.state.wealth.claims


# ---- the record ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_replay_and_a_snapshot_know_what_the_live_lab_knows(seed):
    night = begun(seed, patient=random.Random(seed).choice((0.0, 15.0, 1e9)))
    night.go()
    night = hand_in(night)
    replayed = Lab(State(), (), 1)
    for event in night.events:
        replayed.apply(event)
    assert held(replayed.state) == held(night.lab.state)
    assert held(snapshot.decode(snapshot.encode(night.lab.state))) == held(night.lab.state)


def test_a_session_that_ended_meanwhile_is_carried_on():
    night, past = cut_short()
    after = Night(night.world, contract=WORTHWHILE, researchers=(), measure_slots=1, past=past, key="x").go()
    assert not after.lab.state.open and after.lab.state.experiments[1].verdict == night.lab.state.experiments[1].verdict


def test_of_too_many_the_oldest_is_given_up_and_its_claim_settled(monkeypatch):
    monkeypatch.setattr("overnight.lab.state.MOST_RESUMABLE", 0)
    nights = (begun(seed, patient=0.0).go() for seed in range(100))
    state = next(n.lab.state for n in nights if n.lab.state.experiments[1].prior_differences)
    mine = state.experiments[1]
    assert not state.resumable and not state.wealth.claims and len(mine.prior_differences) == mine.pairs
    assert mine.commit not in state.known.values



class Coin(World):
    """A run is a success or not; a change succeeds a good deal more often."""

    def value(self, commit, seed):
        chance = 0.5 if commit == "c0" else 0.72
        return float(random.Random(f"{self.seed} {commit} {seed}").random() < chance)


def test_successes_and_failures_go_on_as_well():
    def verdict(seed, **order):
        night = Night(Coin(seed), contract=CONTRACT.replace("minimize", "maximize"), researchers=(), measure_slots=1, key=str(seed))
        night.lab.hear(Try("r1", "c0", night.world.made(Idea(), "c0", "mine"), "mine", **order), 0.0)
        return night.go().lab.state.experiments[1]

    patient, quick = ([verdict(seed, **order) for seed in range(8)] for order in ({}, {"patient": 0.0}))
    assert sum(e.verdict == "keep" for e in patient) > sum(e.verdict == "keep" for e in quick)
    assert all(e.verdict != "open" and e.pairs <= 404 for e in patient)
