"""Campaigns in whole simulated nights: what points of a campaign may do to a night, and what they may never do."""

import random
import statistics
import sys
import tracemalloc
from collections import Counter
from functools import cache

import msgspec
import pytest

from fakes import CONTRACT, FakeWorld, Idea, Night, held
from overnight.contracts import Explore
from overnight.lab import snapshot
from overnight.lab.campaign import LEAST_CLOSING
from overnight.lab.events import Claimed, Faulted, Judged, Measured, Opened, Probed, Proposed, Started, Vetoed
from overnight.lab.experiment import mark
from overnight.lab.flight import Budget
from overnight.lab.jobs import Measure, Propose, Veto
from overnight.lab.probes import BEST, NEWEST
from overnight.lab.state import State
from overnight.track.roles import Role

TIMED = CONTRACT.replace('"minimize"', '"minimize"\nkind = "timing"')
GUARDED = CONTRACT + '[[guard]]\nmetric = "cost"\nat_most = "1.25x"\n'
OFF = CONTRACT + '[referee]\ncampaign = "off"\n'


def some(lots):
    return Idea(lots.choice((2.0, 1.0, 0.0, 0.0, -1.0, -1.0)), lots.choice((0.9, 0.5, 0.0)))


def rough(lots):
    """With crashes, for good and now and then, and fouls."""
    kind = lots.random()
    if kind < 0.2:
        return Idea(outcome="crash")
    return Idea(lots.choice((2.0, 0.0, -1.0)), 0.5, crashes=0.3 if kind < 0.4 else 0.0, foul="it touches score.py" if kind > 0.9 else "")


def costly(lots):
    return Idea(lots.choice((2.0, 0.0)), 0.5, metrics={"cost": lots.choice((1.0, 2.0))})


class Exact(FakeWorld):
    """A metric without noise, that no edit which does nothing moves."""

    def value(self, commit, seed):
        return self.level - self.worth[commit]


class Tries(FakeWorld):
    """Each run succeeds or does not."""

    def value(self, commit, seed):
        return float(random.Random(f"{commit} {seed}").random() > 0.5 + 0.2 * self.worth[commit])


class Loaded(FakeWorld):
    """A machine on which one run in three waited for a core, and gave a number that flatters."""

    def answer(self, job):
        result = super().answer(job)
        if not isinstance(job, Measure) or self._answered % 3:
            return result
        return msgspec.structs.replace(result, starved=0.5, metrics={name: value - 50 for name, value in result.metrics.items()})


class Falling(FakeWorld):
    """Points of a campaign are stopped by the scorer, or reported to fall behind."""

    def answer(self, job):
        result = super().answer(job)
        if not isinstance(job, Measure) or job.stage != "explore":
            return result
        how = ("ok", "foul", "behind")[self._answered % 3]
        return msgspec.structs.replace(result, outcome=how, reason=how, metrics=result.metrics if how == "ok" else {})


def broken(job, number):
    """The machine fails in one point's run out of four."""
    return isinstance(job, Measure) and job.stage == "explore" and number % 4 == 0


def world(kind, seed=3):
    explores = {"explores": 12}
    return {
        "plain": lambda: FakeWorld(seed, some, **explores),
        "maximize": lambda: FakeWorld(seed, some, direction="maximize", level=5.0, **explores),
        "heavy": lambda: FakeWorld(seed, some, heavy=True, **explores),
        "rough": lambda: FakeWorld(seed, rough, **explores),
        "timed": lambda: FakeWorld(seed, some, sigma=0.1, level=10.0, drift=0.002, **explores),
        "loaded": lambda: Loaded(seed, some, sigma=0.1, level=10.0, **explores),
        "exact": lambda: Exact(seed, some, **explores),
        "tries": lambda: Tries(seed, some, **explores),
        "guarded": lambda: FakeWorld(seed, costly, baseline=Idea(metrics={"cost": 1.0}), **explores),
        "holdout": lambda: FakeWorld(seed, some, holdout=1.0, **explores),
        "falling": lambda: Falling(seed, some, **explores),
        "faulty": lambda: FakeWorld(seed, some, faults=broken, **explores),
    }[kind]()


KINDS = ("plain", "maximize", "heavy", "rough", "timed", "loaded", "exact", "tries", "guarded", "holdout", "falling", "faulty")
SLOW = ("tries", "falling", "loaded")  # in which so few runs prove nothing
CONTRACTS = {"timed": TIMED, "loaded": TIMED, "guarded": GUARDED, "maximize": CONTRACT.replace("minimize", "maximize")}


def night(kind="plain", runs=160, **how):
    return Night(world(kind), contract=CONTRACTS.get(kind, CONTRACT), **{"measure_slots": 3, **how}).go(runs=runs)


def endless(done, runs):
    """A session that is stopped after so many runs of the track, and did not know that it would be."""
    return done.go(watch=lambda now: now.lab.stop("enough") if now.lab.state.runs >= runs else None)


ran = cache(night)


def replayed(events):
    state = State()
    for event in events:
        state.apply(event)
    return state


def of(events, *kinds):
    return [event for event in events if isinstance(event, kinds)]


def explored(events):
    return [event for event in of(events, Measured) if event.stage == "explore"]


# ---- what must be true of every record, counted from its raw runs --------------------------------------------------


def sound(events):
    """What a probe may never do."""
    probes, proposed = of(events, Probed), of(events, Proposed)
    assert [probe.probe for probe in probes] == list(range(1, len(probes) + 1))  # also where a session or the track begins anew
    assert {judged.experiment for judged in of(events, Judged, Claimed)} <= {each.experiment for each in proposed}
    marks = {probe.probe: mark(probe.base_commit, probe.patch) for probe in probes}
    commits = {probe.probe: probe.commit for probe in probes}
    runs = explored(events)
    assert all(run.commit == commits[run.experiment] and run.holdout is None and run.paired_holdout is None for run in runs)
    good = Counter((marks[run.experiment], run.seed) for run in runs if not (run.starved and run.starved > 0.1))
    assert not good or max(good.values()) == 1  # the same change is never run twice on one seed
    for keep in of(events, Judged):
        if keep.verdict == "keep":
            proven(events, keep)


def proven(events, keep):
    """A keep rests on confirming pairs alone, on seeds on which no point had run when they were drawn."""
    first = next(n for n, event in enumerate(events) if getattr(event, "experiment", None) == keep.experiment
                 and (isinstance(event, Claimed) or getattr(event, "stage", "") == "confirm"))
    seen = {run.seed for run in explored(events[:first])}
    commits = {event.commit: event.base_commit for event in events[: events.index(keep)]
               if getattr(event, "experiment", None) == keep.experiment and hasattr(event, "base_commit")}
    commit, base = list(commits.items())[-1]
    runs = [run for run in of(events[: events.index(keep)], Measured) if run.metrics and run.stage != "explore"]
    mine = {run.seed: run for run in runs if run.commit == commit and run.stage == "confirm" and run.experiment == keep.experiment}
    theirs = {run.seed: run.metrics for run in runs if run.commit == base}
    fresh = {seed for seed, run in mine.items() if run.paired_metrics or seed in theirs}
    assert len(fresh) == keep.fresh_pairs > 0 and not fresh & seen


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_the_metric_probes_claim_nothing_and_keeps_rest_on_fresh_pairs_alone(kind):
    done = ran(kind)
    events, state = done.events, done.lab.state
    sound(events)
    assert len(of(events, Probed)) > 20 and (state.counts["keep"] if kind not in SLOW else state.experiments)
    assert state.usage.runs >= 160 and not state.problem and not done.lab.problem
    names = {"timed": "timing", "loaded": "timing", "exact": "deterministic", "tries": "success"}
    assert state.known.kind.name == names.get(kind, state.known.kind.name)
    assert {e.commit for e in state.chain()}.isdisjoint(probe.commit for probe in of(events, Probed))


@pytest.mark.parametrize("kind", ["plain", "timed", "rough", "guarded"])
def test_a_probe_and_its_run_leave_all_that_was_judged_as_it_was(kind):
    """The wealth, the frontier, the counts, the experiments, what is kept for the referee: bit for bit."""
    state = State()

    def judged():
        known = state.known
        return held([state.wealth, state.frontier, state.commit, dict(state.counts), list(state.experiments.values()), state.stacks,
                     known.confirmed, known.values, known.paired, known.curves, known._races, known.variance, state.monitor])
    for event in ran(kind).events:
        probing = isinstance(event, Probed) or (isinstance(event, Measured) and event.stage == "explore")
        before = judged() if probing else None
        state.apply(event)
        assert not probing or judged() == before


def test_an_experiment_of_the_same_change_begins_its_race_with_the_runs_of_the_probe():
    events = ran("plain").events
    inherited = 0
    for place, claim in enumerate(events):
        if not isinstance(claim, Proposed):
            continue
        state = replayed(events[: place + 1])
        same = {probe.probe for probe in of(events[:place], Probed)
                if (probe.base_commit, probe.patch) == (claim.base_commit, claim.patch)}
        runs = {run.seed: run.metrics for run in explored(events[:place]) if run.experiment in same}
        experiment = state.experiments[claim.experiment]
        assert same and runs and state.known.of(claim.commit) == runs and not state.known.confirmed.get(claim.commit)
        if claim.base_commit == state.commit:
            inherited += 1
            assert len(state.known.pairs(experiment)[0]) == len(runs.keys() & state.known.of(state.commit).keys()) > 0
        raced = {run.seed for run in of(events, Measured) if run.commit == claim.commit and run.stage == "race"}
        assert not raced & runs.keys()
    assert inherited > 2


@pytest.mark.parametrize("kind", ["plain", "rough", "timed", "loaded"])
def test_a_replay_of_every_beginning_and_its_bytes_are_the_live_state(kind):
    fresh = Night(world(kind), contract=CONTRACTS.get(kind, CONTRACT), measure_slots=3)
    seen = []

    def watch(now):
        if len(now.batches) % 23 == 0:
            live = now.lab.state
            again = replayed(now.events)
            assert held(again) == held(live) == held(snapshot.decode(snapshot.encode(live)))
            seen.append(len(live.probes.made))
    fresh.go(runs=100, watch=watch)
    assert seen[-1] > 20


@pytest.mark.parametrize("kind", ["plain", "rough"])
def test_a_session_that_is_killed_anywhere_is_taken_up_without_the_points_whose_commits_nothing_holds(kind):
    past, known = ran(kind).events, ran(kind).world
    for cut in range(1, len(past), 29):
        begun = replayed(past[:cut])
        lost = set(begun.probes.unrun)
        again = endless(Night(known, past=past[:cut], measure_slots=3), begun.runs + 25)
        sound(again.events)
        runs = explored(again.events[cut:])
        assert not lost.intersection(run.experiment for run in runs) and len(again.events) > cut + 10
        assert not lost.intersection(again.lab.state.probes.unrun) and not lost & again.lab.state.probes.made.keys()
        assert len({run.experiment for run in runs}) == len(runs)


def test_probes_are_counted_on_where_the_track_begins_anew():
    past = list(ran("plain").events)
    opened = past[0]
    assert isinstance(opened, Opened)
    anew = [msgspec.structs.replace(opened, at=past[-1].at), Started(past[-1].at, 3, "fake", "0", ("r",))]
    again = Night(ran("plain").world, past=[*past, *anew], measure_slots=3).go(runs=90)
    sound(again.events)
    known = again.lab.state.probes.made
    assert known and min(known) == len(of(past, Probed)) + 1 and again.lab.state.probes.since <= len(known)


# ---- a frontier that moves -----------------------------------------------------------------------------------------


def test_probes_made_on_a_keep_that_is_taken_back_stay_what_they_were():
    done = Night(world("plain"), measure_slots=3, edit_slots=4, propose=1.0)

    def veto(now):
        state = now.lab.state
        on_it = sum(probe.base == state.frontier for probe in state.probes.made.values())
        if state.frontier and on_it > 4 and not of(now.events, Vetoed):
            now._record(now.lab.hear(Veto("r1", state.frontier, "no"), now.now))
    done.go(runs=220, watch=veto)
    sound(done.events)
    (taken,) = of(done.events, Vetoed)
    place, commit = done.events.index(taken), done.lab.state.experiments[taken.experiment].commit
    after = [probe for probe in of(done.events[place:], Probed) if probe.base_commit == commit]
    assert after  # which were in flight when it was taken back
    assert {done.lab.state.probes.made[probe.probe].base for probe in after} == {taken.experiment}
    assert len(of(done.events[place:], Probed)) > 20 and of(done.events[place:], Claimed)


def test_probes_in_flight_while_the_frontier_moves_are_told_of_on_what_they_were_made():
    done = ran("plain", runs=200, measure_slots=8, edit_slots=8, propose=1.0)
    sound(done.events)
    owners = {done.events[0].commit: 0} | {e.commit: e.id for e in done.lab.state.experiments.values()}
    made = done.lab.state.probes.made
    assert all(owners[probe.base_commit] == probe.base for probe in made.values())
    keep = next(event for event in done.events if isinstance(event, Judged) and event.verdict == "keep")
    late = [probe for probe in of(done.events[done.events.index(keep):], Probed) if probe.base_commit == done.events[0].commit]
    assert late and {run.experiment for run in explored(done.events)} >= {probe.probe for probe in late}


# ---- which sessions have a campaign --------------------------------------------------------------------------------


def test_no_campaign_where_it_is_off_or_verdicts_are_counted_or_the_researcher_takes_its_time():
    off = Night(world("plain"), contract=OFF).go(runs=60)
    counted = Night(world("plain")).go(experiments=12)
    thinker = Night(world("plain"), roles=[Role("r", "llm")], think_slots=2).go(runs=40)
    for each in (off, counted, thinker):
        assert not of(each.events, Probed) and not explored(each.events) and of(each.events, Judged)
        assert all(job.brief.explore is None for job in each.jobs if isinstance(job, Propose))


def test_a_change_that_says_it_is_a_probe_where_there_is_no_leave_is_an_experiment():
    class Bold(FakeWorld):
        def _propose(self, job):
            result = super()._propose(job)
            return msgspec.structs.replace(result, change=msgspec.structs.replace(result.change, probe=True))
    done = Night(Bold(3, some), contract=OFF).go(runs=40)
    assert not of(done.events, Probed) and of(done.events, Judged)


def test_a_change_outside_the_boundary_is_a_foul_and_no_probe():
    done = ran("rough")
    fouls = [judged.experiment for judged in of(done.events, Judged) if judged.verdict == "foul"]
    assert fouls and not {done.lab.state.experiments[n].commit for n in fouls} & {run.commit for run in of(done.events, Measured)}
    assert done.world.ideas_of and not any(done.world.ideas_of[probe.commit].foul for probe in of(done.events, Probed))


# ---- benches, faults, the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [1, 2, 8, 32])
def test_benches_are_kept_busy(slots):
    idle, done = [], Night(world("plain"), measure_slots=slots)

    def watch(now):
        if now.lab.state.probes.made and len(explored(now.batches[-1] if now.batches else [])):
            idle.append(slots - sum(1 for _ in now.lab.flight.of(Measure)))
    done.go(runs=200, watch=watch)
    sound(done.events)
    assert idle and statistics.fmean(idle) < 0.06 * slots + 0.5


def test_a_fault_of_the_machine_is_no_result_of_a_probe():
    done = ran("faulty")
    faults = of(done.events, Faulted)
    assert len(faults) > 5 and not done.lab.flight.problem
    assert not [run for run in explored(done.events) if not run.metrics]
    assert {run.experiment for run in explored(done.events)} >= {p.probe for p in of(done.events, Probed)[:-6]}


def test_a_run_on_an_overloaded_machine_is_no_result_of_a_probe():
    done = ran("loaded")
    assert done.lab.state.overload.lost > 20
    runs = [number for probe in done.lab.state.probes.made.values() for number in probe.runs.values()]
    assert runs and min(metrics["y"] for metrics in runs) > 0


def test_what_failed_is_told_as_such():
    made = ran("rough").lab.state.probes.made.values()
    failed = [probe for probe in made if {} in probe.runs.values()]
    told = ran("rough").lab.briefing.role("r").explore.points
    assert failed and sum(point.failed for point in told) >= len(failed)
    stopped = {run.experiment: run.outcome for run in explored(ran("falling").events)}
    probes = ran("falling").lab.state.probes.made
    assert {"ok", "foul", "behind"} == {*stopped.values()}
    assert all(bool(next(iter(probes[n].runs.values()))) == (how == "ok") for n, how in stopped.items())


def test_a_probe_is_told_how_near_it_comes_to_a_guard_and_one_that_breaks_it_is_never_kept():
    done = ran("guarded")
    costs = {round(probe.guard_usage, 6): done.world.ideas_of[probe.commit].metrics["cost"] for probe in done.lab.state.probes.made.values()
             if probe.guard_usage is not None}
    assert costs == {0.8: 1.0, 1.6: 2.0}
    assert all(done.world.ideas_of[e.commit].metrics["cost"] == 1.0 for e in done.lab.state.chain())


def test_researchers_are_told_no_seed():
    done = ran("plain")
    seeds = {run.seed for run in done.runs}
    told = done.lab.briefing.role("r").explore
    assert isinstance(told, Explore) and len(told.points) > 20
    labels = {label for point in told.points for label, _ in point.runs}
    assert labels == set(range(len(labels))) and not labels & seeds


def test_a_bounded_session_claims_before_it_ends():
    class Reserved(FakeWorld):
        """Claims where the session closes alone."""
    done = Night(Reserved(5, some, explores=10_000), measure_slots=2)
    done.go(runs=120)
    claims = [event for event in done.events if isinstance(event, Proposed)]
    before = len([run for run in done.events[: done.events.index(claims[0])] if isinstance(run, Measured)])
    assert claims and 0.6 * 120 < before <= 120 - LEAST_CLOSING + 2
    other = endless(Night(FakeWorld(5, some, explores=10_000), measure_slots=2), 80)
    assert not of(other.events, Proposed) and not any(j.brief.explore.closing for j in other.jobs if isinstance(j, Propose))


@pytest.mark.parametrize("slots", [4, 8, 16])
@pytest.mark.parametrize("bound", ["runs", "time"])
def test_on_many_benches_too_the_last_claim_has_its_verdict_before_the_end(slots, bound):
    class Clear(FakeWorld):
        """Claims where what is left is just enough for a clear effect."""

        def _lead(self, job, explore):
            return super()._lead(job, explore) if explore.runs is not None and explore.runs <= 14 else ""
    done = Night(Clear(5, lambda lots: Idea(4.0 * (lots.random() < 0.5), 0.9), explores=1), measure_slots=slots)
    done.go(runs=120) if bound == "runs" else done.go(until=120 / slots)
    judged = of(done.events, Judged)
    assert [each.verdict for each in judged][:1] == ["keep"] and len(explored(done.events)) > 40


def test_the_same_change_is_never_run_twice_on_one_seed():
    done = endless(Night(world("plain"), measure_slots=3), 20)
    lab = done.lab
    lab.begin(Budget(), done.now)
    first, base = lab.state.probes.next, lab.state.commit
    theirs = {seed for seed, metrics in lab.state.known.of(base).items() if metrics}
    for number in range(first, first + 12):
        lab.apply(Probed(1.0, number, base, "r", "again", commit=f"s{number}", patch="the very change"))
        done.world.ideas_of[f"s{number}"], done.world.parents[f"s{number}"], done.world.worth[f"s{number}"] = Idea(), "c0", 0.0
    while flying := list(iter(lambda: lab.ask(done.now, ["measure"]), None)):
        for job in flying:
            lab.tell(done.world.answer(job), done.now)
    seeds = [seed for probe in lab.state.probes.made.values() if probe.id >= first for seed in probe.runs]
    assert len(seeds) >= 12 == len({*seeds}) and {*seeds} > theirs


# ---- many points ---------------------------------------------------------------------------------------------------


def crowd(count):
    """A night in which so many points were made before, of which the 300 oldest but ten are the best, and some failed."""
    done = Night(world("plain")).go(runs=20)
    state, seed = done.lab.state, done.lab.state.known.calibration[0]
    first = state.probes.next
    for number in range(first, first + count):
        old, metrics = number - first, {"y": float(number)} if number % 7 else {}
        state.apply(Probed(1.0, number, "c0", "r", f"x {number}", {"at": str(number)}, 5, 0.1, commit=f"p{number}", patch=str(old)))
        state.apply(Measured(1.0, 1000 + number, number, f"p{number}", seed, "explore", outcome="ok" if metrics else "crash",
                             metrics=metrics, busy=1.0))
    return done


def test_of_many_points_the_newest_are_told_of_and_the_best_of_the_others():
    done = crowd(2000)
    probes = done.lab.state.probes
    told = [probe.id for probe in probes.told()]
    assert told == sorted(told) and len(told) == NEWEST + BEST and told[BEST:] == list(range(probes.next - NEWEST, probes.next))
    means = {n: statistics.fmean(m["y"] for m in probe.runs.values()) for n, probe in probes.made.items()
             if n < probes.next - NEWEST and probe.runs and all(probe.runs.values())}
    assert {*told[:BEST]} == {*sorted(means, key=means.__getitem__)[:BEST]}
    few = crowd(200).lab.state.probes
    assert few.told() == [*few.made.values()]


def test_what_is_asked_and_told_costs_no_more_where_there_are_many_points():
    def steps(done, action):
        count = 0

        def step(_frame, what, _arg):
            nonlocal count
            count += what in ("call", "c_call")
        sys.setprofile(step)
        try:
            action(done)
        finally:
            sys.setprofile(None)
        return count

    def one_more(done):
        done.lab.state.apply(Measured(1.0, 9000, done.lab.state.probes.next - 1, "p", 5, "explore", outcome="ok", metrics={"y": 1.0}))
        done.lab.ask(done.now, ["edit", "measure"])
        done.lab.briefing.role("r")
    few, many = steps(crowd(600), one_more), steps(crowd(6000), one_more)
    assert few > 500 and many < 1.05 * few


def test_a_point_takes_two_kilobytes_at_most():
    crowd(10)
    tracemalloc.start()
    try:
        done = crowd(3000)
        taken = tracemalloc.get_traced_memory()[0] / len(done.lab.state.probes.made)
    finally:
        tracemalloc.stop()
    assert taken < 2048


def test_curves_of_points_are_not_kept_for_nothing_is_paced_by_them():
    done = crowd(3)
    event = Measured(1.0, 9000, 3, "p3", 5, "explore", outcome="ok", metrics={"y": 1.0}, curve=((1.0, 2.0), (2.0, 1.0)))
    done.lab.state.apply(event)
    assert done.lab.state.probes.made[3].runs[5] == {"y": 1.0} and not done.lab.state.known.curves.get("p3")


def test_an_experiment_waits_for_no_run_of_the_point_that_has_its_number():
    done = endless(Night(world("plain"), measure_slots=2), 16)
    lab = done.lab
    lab.begin(Budget(), done.now)
    point = next(job for job in iter(lambda: lab.ask(done.now, ["measure"]), None) if job.stage == "explore")
    base = lab.state.commit
    lab.apply(Proposed(1.0, point.experiment, 0, base, "r", "another", commit="other", patch="other"))
    assert [each.id for each in lab.measuring.waiting()] == [point.experiment]


def begun(points):
    """A state with these points: (commit, patch)."""
    state = State()
    state.apply(Opened(0.0, "fake", "c0", CONTRACT, "key"))
    for number, (commit, patch) in enumerate(points, 1):
        state.apply(Probed(1.0, number, "c0", "knobs", "a turn", commit=commit, patch=patch))
        state.apply(Measured(at=2.0, run=number, experiment=number, commit=commit, seed=7, stage="explore", outcome="ok",
                             metrics={"y": 1.0}))
    return state


def test_of_patches_that_may_be_cut_none_is_the_same_as_another():
    cut = "+" * (64 << 10)
    state = begun([("p1", cut), ("p2", cut), ("p3", "short")])
    for number, (commit, patch) in enumerate([("e1", cut), ("e2", "short")], 1):
        state.apply(Proposed(3.0, number, 0, "c0", "knobs", "the same?", commit=commit, patch=patch))
    assert [e.runs for e in state.experiments.values()] == [0, 1] and list(state.probes.claimed) == ["e2"]


def test_what_others_propose_is_no_claim_of_a_point():
    state = begun([("p1", "a"), ("p2", "b")])
    state.apply(Proposed(3.0, 1, 0, "c0", "llm", "an idea", commit="e1", patch="c"))
    assert state.probes.since == 0
    state.apply(Proposed(4.0, 2, 0, "c0", "knobs", "the lead", commit="e2", patch="b"))
    assert state.probes.since == 2
