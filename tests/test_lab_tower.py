"""Claims that stand on one another on many benches, in a simulated world."""

from functools import cache, partial

import pytest
from msgspec.structs import replace

from fakes import CONTRACT, FakeWorld, Idea, Night, held, lots_of
from overnight.lab.events import Claimed, Judged, Measured, Rebased, Vetoed
from overnight.lab.jobs import Accept, Measure, Measurement, Rebase, Rebasing, Try, Veto
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.lab.tower import FEW, SLOTS_FOR_CLAIM
from overnight.referee.decision import Evidence, Policy
from overnight.referee.kinds import NOISY
from overnight.referee.wealth import Earned

ONE_BY_ONE = CONTRACT + "[referee]\nstack = 1\nmay_crash = 0.3\n"
TIMED = ONE_BY_ONE.replace('"minimize"', '"minimize"\nkind = "timing"')
GUARDED = ONE_BY_ONE + '[[guard]]\nmetric = "cost"\nat_most = "1.25x"\n'
MANY = 32  # benches


def often_better(lots):
    return Idea(gain=lots.uniform(1.0, 2.0) if lots.random() < 0.3 else -lots.expovariate(1.0))


def always_better(lots):
    return Idea(gain=lots.choice((1.0, 6.0)), correlation=0.5)


def night(world, slots=MANY, contract=ONE_BY_ONE, **ends):
    return Night(world, contract=contract, measure_slots=slots).go(**ends or {"runs": 350})


@cache
def usual():
    return night(FakeWorld(9, often_better), runs=400)


@cache
def timed():
    return night(FakeWorld(7, always_better), contract=TIMED, runs=250)


NIGHTS = pytest.mark.parametrize("made", [usual, timed])


def lifted(events):
    """Moves onto a commit whose claim was open then: (experiment, number of the other, its commit)."""
    commits, claims, found = {}, set(), []
    for event in events:
        match event:
            case Rebased():
                claims.discard(event.experiment)
                commits[event.experiment] = event.commit
                if event.base in claims:
                    found.append((event.experiment, event.base, event.base_commit))
            case Claimed():
                claims.add(event.experiment)
            case Judged():
                claims.discard(event.experiment)
    return found


def pairs(state):
    """How many each open experiment has, but those on a keep that was taken back."""
    return {e.id: sum(map(len, state.known.pairs(e))) for e in state.open.values() if e.base_commit not in state.taken_back}


def proven(event, state, claim, runs):
    """The proof of a keep is that of its own pairs with the frontier of that moment, counted again from the runs."""
    mine = state.experiments[event.experiment]
    assert mine.base_commit == state.commit
    theirs = {run.seed: run.metrics["y"] for run in reversed(runs) if run.commit == mine.base_commit}
    fresh = tuple((run.paired_metrics.get("y") or theirs[run.seed]) - run.metrics["y"] for run in runs
                  if run.commit == mine.commit and run.stage == "confirm" and (run.paired_metrics or run.seed in theirs))
    proof = NOISY.proof(Evidence((), fresh, 1.0, claim=claim), Policy())
    assert len(fresh) == event.fresh_pairs and proof == pytest.approx(event.e_value) and proof * event.alpha >= 1


def stands(experiment, state):
    """Whether there are nothing but open claims between it and the frontier."""
    if experiment.base_commit == state.commit:
        return True
    below = next((e for e in state.open.values() if e.claim and e.commit == experiment.base_commit), None)
    return below is not None and stands(below, state)


def sound(done):
    """How many were kept, after a look at each event: keeps are proven where they stand, no fresh pair is measured before its
    claim, none is lost by what befalls another, and no claim is withdrawn while all that it stands on is in place."""
    state, runs, kept = State(), [], 0
    for event in done.events:
        moved = isinstance(event, Judged | Rebased)
        before = pairs(state) if moved else {}
        mine = state.open.get(getattr(event, "experiment", 0))
        if isinstance(event, Measured) and event.outcome == "ok":
            runs.append(event)
            asked = event.stage == "confirm" and mine and mine.commit == event.commit not in state.taken_back
            assert not asked or mine.claim
        if isinstance(event, Rebased):
            assert not mine.claim or done.measure_slots < MANY or not stands(mine, state)
        if isinstance(event, Judged) and event.verdict == "keep":
            proven(event, state, mine.claim, runs)
            kept += 1
        state.apply(event)
        after = pairs(state) if moved else {}
        assert all(after[n] >= before[n] for n in after.keys() & before.keys())
    return kept


@NIGHTS
def test_a_change_that_is_about_to_claim_is_put_on_the_claim_before_it_and_kept_there(made):
    kept = {e.id: e for e in made().lab.state.chain()}
    moved = [e for e in made().events if isinstance(e, Rebased)]
    last = {e.experiment: e for e in moved}
    there = [upper for upper, lower, commit in lifted(made().events)
             if upper in kept and lower in kept and last[upper].base_commit == commit == kept[lower].commit]
    assert there, "no claim was kept on top of one that was open when it was made"


def test_what_is_proven_on_a_claim_is_kept_as_soon_as_that_is():
    kept = [sum(isinstance(e, Judged) and e.verdict == "keep" for e in batch) for batch in timed().batches]
    assert max(kept) > 1


@NIGHTS
def test_every_keep_stands_on_the_keep_before_it_and_is_proven_by_its_own_pairs_with_that(made):
    assert sound(made()) > 3


@NIGHTS
def test_a_replay_knows_what_the_live_lab_knew(made):
    lab = Lab(State())
    for event in made().events:
        lab.apply(event)
    assert repr(held(lab.state)) == repr(held(made().lab.state))


def test_what_stood_on_a_claim_that_was_not_kept_is_judged_elsewhere():
    state = usual().lab.state
    fallen = {upper for upper, lower, commit in lifted(usual().events)
              if state.experiments[lower].verdict == "discard" and state.experiments[lower].commit == commit}
    assert fallen and any(state.experiments[n].verdict == "keep" for n in fallen)


@pytest.mark.parametrize("outcome", ["foul", "crash"])
def test_where_the_lower_claim_fails_what_stood_on_it_is_put_back_on_the_frontier(outcome):
    class World(FakeWorld):
        def _measure(self, job):
            doomed = job.stage == "confirm" and lots_of("doomed", job.commit).random() < 0.3
            return Measurement(job, outcome=outcome, reason="it breaks") if doomed else super()._measure(job)

    done = night(World(3, often_better), experiments=60)
    state = done.lab.state
    fallen = [upper for upper, lower, commit in lifted(done.events)
              if state.experiments[lower].verdict == outcome and state.experiments[lower].commit == commit]
    assert fallen and not state.open
    assert sound(done)


def test_a_claim_goes_on_where_what_it_stands_on_fails_on_a_seed():
    class World(FakeWorld):
        def _measure(self, job):
            fails = job.commit != "c0" and lots_of("fails", job.commit, job.seed).random() < 0.2
            return Measurement(job, outcome="crash", reason="a bad seed") if fails else super()._measure(job)

    def watch(_night):
        """No claim waits for a pair that is not on its way."""
        lab = done.lab
        known, flying = lab.state.known, {(j.commit, j.seed) for j in lab.flight.of(Measure)}
        for each in (e for e in lab.state.open.values() if e.claim and not e.decided and lab.tower.settled(e, lab.tower.floors)):
            waits = len(known.pairs(each)[1]) < each.confirming
            assert not waits or {seed for _, seed in flying} & {*known.own_seeds(each)} \
                or list(lab.measuring.runs_for(each, flying))

    done = Night(World(4, often_better), contract=ONE_BY_ONE, measure_slots=FEW + SLOTS_FOR_CLAIM)
    done.go(experiments=80, watch=watch)
    assert lifted(done.events) and not done.lab.state.open
    assert sound(done)


def test_no_change_breaks_a_guard_because_the_claim_below_it_costs_less_than_the_frontier():
    def ideas(lots):
        return Idea(gain=lots.uniform(1.0, 2.0), metrics={"cost": lots.choice((10.0, 12.0))})

    done = night(FakeWorld(5, ideas, baseline=Idea(metrics={"cost": 10.0})), contract=GUARDED, runs=250)
    assert lifted(done.events) and sound(done)
    assert not [e.reason for e in done.events if isinstance(e, Judged) and "guard" in e.reason]


def test_what_git_cannot_put_on_a_claim_makes_its_own_on_the_frontier():
    class World(FakeWorld):
        def _rebase(self, job):
            found = super()._rebase(job)
            return Rebasing(job, "") if job.onto != done.lab.state.commit else found

    done = Night(World(1, often_better), contract=ONE_BY_ONE, measure_slots=MANY)
    done.go(runs=300)
    assert not lifted(done.events) and done.lab.tower.refused
    assert not any("conflicts" in e.reason for e in done.events if isinstance(e, Judged))
    assert sound(done) > 2


def test_a_move_that_comes_late_does_not_withdraw_a_claim():
    lab = timed().lab
    _, upper = lab.tower.claims[:2]
    late = Rebase(upper.id, "as it was before", "c0", upper.base_commit), Rebase(upper.id, upper.commit, "c0", lab.state.commit)
    assert not any(lab.tower.wants(job, upper) for job in late)


def test_on_few_benches_there_is_one_frontier():
    assert not lifted(night(FakeWorld(9, often_better), FEW).events)


def test_a_keep_is_taken_back_while_claims_stand_on_it_and_on_one_another():
    def steep(state):
        """Whether two claims stand on the frontier, which was kept, one on the other."""
        return state.frontier and len(done.lab.tower.claims) > 1

    def take_back(_night):
        if steep(done.lab.state) and not vetoed:
            vetoed.append(({e.id for e in done.lab.tower.claims}, done.lab.state.frontier))
            done._record(done.lab.hear(Veto("1-a", done.lab.state.frontier, "it cannot be read"), done.now))

    vetoed = []
    done = Night(FakeWorld(6, often_better), contract=ONE_BY_ONE, measure_slots=MANY)
    done.go(experiments=60, watch=take_back)
    (standing, victim), state = vetoed[0], done.lab.state
    after = done.events[next(n for n, e in enumerate(done.events) if isinstance(e, Vetoed)):]
    assert standing <= {e.experiment for e in after if isinstance(e, Rebased)}
    assert not state.open and state.experiments[victim].verdict == "discard" and sound(done)
    assert not state.wealth.claims


def test_a_night_that_is_killed_anywhere_is_carried_on_to_an_end():
    first = usual().events
    places = [n for n, e in enumerate(first) if isinstance(e, Claimed | Rebased) or (isinstance(e, Judged) and e.verdict == "keep")]
    for slots, cut in ((MANY, places[9]), (MANY, places[20] + 1), (1, places[-1])):
        after = Night(usual().world, contract=ONE_BY_ONE, measure_slots=slots, past=first[:cut]).go(experiments=5)
        assert not after.lab.state.open and not after.lab.state.wealth.claims
        assert sound(after)


def test_a_coordinator_s_wealth_is_charged_for_the_claims_that_are_open():
    wealth = Earned()

    def same(night):
        mine = night.lab.state.wealth
        assert (wealth.claims, wealth.keeps, wealth.lost) == (mine.claims, mine.keeps, mine.lost)
        assert wealth.charged == pytest.approx(mine.charged)

    done = Night(FakeWorld(9, often_better), contract=ONE_BY_ONE, measure_slots=MANY, lab=partial(Lab, wealth=wealth))
    done.go(runs=250, watch=same)
    assert lifted(done.events) and wealth.claims


def test_the_holdout_is_asked_about_all_pairs_of_a_keep_on_a_claim():
    contract = ONE_BY_ONE.replace("[referee]", 'holdout = "unseen.txt"\n[referee]').replace("stack = 1\n", "")
    done = night(FakeWorld(7, always_better, holdout=1.0), contract=contract, runs=250)
    state = done.lab.state
    asked = {each.experiment: len(each.pairs) for each in state.monitor.asked}
    assert {upper for upper, *_ in lifted(done.events)} & {e.id for e in state.chain()}
    assert asked == {e.id: e.fresh_pairs for e in state.chain()} and sound(done)


def test_changes_that_are_handed_in_stand_on_claims_and_go_on_where_benches_idle():
    def hand_in(night):
        if len(night.lab.state.experiments) >= 3 * len(handed) + 3 and len(handed) < 8:
            base, name = night.lab.state.commit, f"1-{len(handed)}"
            handed.append(name)
            order = Try(name, base, night.world.made(Idea(1.0, 0.5), base, name), name, patient=30.0)
            night._record(night.lab.hear(order, night.now))

    class World(FakeWorld):
        def answer(self, job):
            found = super().answer(job)
            return replace(found, patch=job.order.message) if isinstance(job, Accept) else found

    handed = []
    done = Night(World(9, often_better), contract=ONE_BY_ONE, measure_slots=MANY)
    done.go(experiments=60, watch=hand_in)
    state = done.lab.state
    mine = {e.id for e in state.experiments.values() if e.request}
    assert len(mine) == 8 and {upper for upper, *_ in lifted(done.events)} & mine and sound(done)
    assert not state.open and state.wealth.claims.keys() <= {*state.resumable}
