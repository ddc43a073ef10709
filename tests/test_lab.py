"""The Lab, driven through whole nights of a simulated world."""

import dataclasses
import functools
import math
import statistics
from collections import Counter
from functools import partial
from itertools import pairwise

import pytest
from msgspec.structs import replace as with_fields

from fakes import CONTRACT, FakeWorld, Idea, Night, held, lots_of, no_op, referee_world, single, team, without_improvement
from overnight.lab.events import (
    Claimed,
    Faulted,
    Judged,
    Measured,
    Opened,
    Passed,
    Proposed,
    Rebased,
    Stacked,
    Started,
    Stopped,
)
from overnight.lab.flight import MOST_FAULTS_IN_A_ROW, Budget
from overnight.lab.jobs import Combine, Combined, Measure, Propose, Rebase, Rebasing
from overnight.lab.lab import Lab
from overnight.lab.measurements import CALIBRATION, LASTING_RUNS
from overnight.lab.roster import MOST_PASSES_IN_A_ROW
from overnight.lab.state import State
from overnight.referee.decision import Evidence, Policy
from overnight.referee.drift import RUNS_BETWEEN_LOOKS
from overnight.referee.kinds import NOISY
from overnight.referee.stacks import FIRST_SINGLE_EDITS


def better(_lots):
    return Idea(gain=3.0, correlation=0.9)


def mixed(lots):
    """A bit of everything that can happen to a proposal."""
    kind = lots.random()
    if kind < 0.1:
        return Idea(outcome="crash")
    if kind < 0.2:
        return Idea(foul="it touches score.py")
    return Idea(gain=lots.choice((3.0, 0.0, -1.0)), correlation=0.9, conflicts=kind < 0.4)


ALONE = CONTRACT + "[referee]\nstack = 1\n"


def guarded(text):
    return CONTRACT + f"\n[[guard]]\n{text}\n"


def verdicts(night):
    return Counter(e.verdict for e in night.events if isinstance(e, Judged))


def replayed(events):
    lab = Lab(State(), team("r"), 2)
    for event in events:
        lab.apply(event)
    return lab


# ---- calibration -----------------------------------------------------------------------------------------------


def test_the_baseline_is_measured_first_on_five_seeds_the_first_of_them_twice():
    first = Night(FakeWorld()).go(experiments=1).runs[: CALIBRATION + 1]
    assert {r.stage for r in first} == {"calibrate"}
    assert {r.commit for r in first} == {"c0"}
    assert sorted(Counter(r.seed for r in first).values()) == [1, 1, 1, 1, 2]


def test_no_candidate_runs_before_the_baseline_is_known():
    runs = Night(FakeWorld(), measure_slots=8).go(experiments=5).runs
    assert [r.stage for r in runs].index("race") == CALIBRATION + 1


def test_the_noise_is_unknown_until_then():
    night = Night(FakeWorld())
    assert night.lab.state.noise is None
    assert night.go(experiments=1).lab.state.noise > 0


def test_a_metric_that_repeats_itself_on_one_seed_is_deterministic():
    assert Night(FakeWorld()).go(experiments=1).lab.state.known.deterministic


def test_a_metric_that_does_not_repeat_itself_is_not_deterministic():
    class Clock(FakeWorld):
        def value(self, commit, seed):
            return super().value(commit, seed) + self._answered

    assert not Night(Clock()).go(experiments=1).lab.state.known.deterministic


def test_a_baseline_that_crashes_is_a_problem_in_a_sentence():
    night = Night(FakeWorld(baseline=Idea(outcome="timeout"))).go()
    assert night.lab.problem == "the baseline fails: it ended with timeout"
    assert night.lab.finished(night.now)


def test_seeds_cannot_be_foretold_without_the_key():
    seeds = [{r.seed for r in Night(FakeWorld(), key=key).go(experiments=1).runs} for key in ("one", "other")]
    assert seeds[0].isdisjoint(seeds[1])


# ---- places ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure_slots", [1, 2, 5, 16])
def test_no_bench_is_idle_while_something_can_be_proposed(measure_slots):
    night = Night(FakeWorld(3), measure_slots=measure_slots).go(until=60.0)
    assert night.idled / (night.now * measure_slots) < 0.05


def test_what_waits_for_a_bench_stays_short_while_a_desk_is_fast():
    waits = []

    def watch(night):
        flying = {j.experiment for j in night.lab.flight.of(Measure)}
        waits.append(sum(not e.runs and e.id not in flying for e in night.lab.state.open.values()))

    Night(FakeWorld(3), contract=ALONE, measure_slots=4).go(experiments=100, watch=watch)
    assert max(waits) <= 3


def test_a_candidate_that_waits_for_confirmation_comes_before_all_others():
    night = Night(FakeWorld(1, referee_world), measure_slots=1)

    def watch(night):
        confirming = [e for e in night.lab.state.open.values() if e.confirming and e.base_commit == night.lab.state.commit]
        if confirming and isinstance(night.jobs[-1], Measure) and len(night.lab.flight):
            (job,) = night.lab.flight.of(Measure)
            assert job.stage in ("confirm", "check")

    night.go(runs=500, watch=watch)
    assert night.lab.state.counts["keep"]


def test_a_candidate_races_on_one_seed_at_a_time():
    night = Night(FakeWorld(2, referee_world), measure_slots=6)

    def watch(night):
        racing = Counter((j.experiment, j.commit) for j in night.lab.flight.of(Measure)
                         if j.stage == "race" and j.commit != night.lab.state.commit)
        assert not racing or max(racing.values()) == 1

    night.go(experiments=300, watch=watch)


def test_asking_is_deterministic():
    nights = [Night(FakeWorld(5, mixed), measure_slots=3).go(experiments=40) for _ in range(2)]
    assert nights[0].jobs == nights[1].jobs


def test_two_researchers_of_whom_neither_does_better_are_asked_about_as_often():
    night = Night(FakeWorld(), researchers=("a", "b")).go(experiments=40)
    assert all(15 <= count <= 25 for count in Counter(e.researcher for e in night.lab.state.experiments.values()).values())


# ---- verdicts --------------------------------------------------------------------------------------------------


def test_a_real_improvement_is_kept():
    night = Night(FakeWorld(0, better)).go(experiments=3)
    assert night.lab.state.counts["keep"]


def test_an_improvement_is_kept_where_more_is_better():
    contract = CONTRACT.replace("minimize", "maximize")
    night = Night(FakeWorld(0, better, direction="maximize"), contract=contract).go(experiments=3)
    assert night.lab.state.counts["keep"]
    assert night.lab.state.levels.gain > 0 and night.lab.state.levels.frontier > night.lab.state.levels.baseline


def test_a_worse_candidate_is_not_kept_where_more_is_better():
    contract = CONTRACT.replace("minimize", "maximize")
    night = Night(FakeWorld(0, better, direction="minimize"), contract=contract).go(experiments=3)
    assert verdicts(night) == {"discard": 3}


def test_a_keep_rests_on_runs_of_both_sides_on_seeds_drawn_after_the_commit():
    night = Night(FakeWorld(0, better), measure_slots=1).go(experiments=1)
    kept = night.lab.state.experiments[1]
    own = set(night.lab.state.known.own_seeds(kept))
    on = {r.commit: {s.seed for s in night.runs if s.commit == r.commit} & own for r in night.runs}
    assert kept.verdict == "keep"
    assert len(on[kept.commit] & on["c0"]) == kept.fresh_pairs >= night.lab.state.policy.fresh_pairs


def test_confirming_seeds_are_other_ones_for_another_commit():
    night = Night(FakeWorld(0)).go(experiments=2)
    one, other = (set(night.lab.state.known.own_seeds(e)) for e in night.lab.state.experiments.values())
    assert one.isdisjoint(other)


def test_nobody_runs_a_confirming_seed_before_its_commit_exists():
    night = Night(FakeWorld(1, referee_world), measure_slots=1).go(runs=600)
    ran: set[int] = set()
    for event in night.events:
        if isinstance(event, Measured):
            ran.add(event.seed)
        elif isinstance(event, Proposed | Rebased):
            own = night.lab.state.known.own_seeds(with_fields(night.lab.state.experiments[event.experiment], confirmation_seeds=(),
                                                           commit=event.commit))
            assert ran.isdisjoint(own)


def test_a_keep_is_proven_by_the_fresh_pairs_alone_at_the_level_that_was_claimed_before():
    world = FakeWorld(0, better)
    night = Night(world, measure_slots=1).go(experiments=1)
    kept, own = night.lab.state.experiments[1], set(night.lab.state.known.own_seeds(night.lab.state.experiments[1]))
    fresh = [r.seed for r in night.runs if r.commit == kept.commit and r.seed in own]
    pairs = tuple(world.value("c0", s) - world.value(kept.commit, s) for s in fresh)
    at = next(place for place, e in enumerate(night.events) if isinstance(e, Claimed))
    claim, judged = night.events[at].claim, next(e for e in night.events if isinstance(e, Judged))
    assert not [e for e in night.events[:at] if isinstance(e, Measured) and e.seed in own]
    assert judged.alpha == claim.alpha and judged.e_value * claim.alpha >= 1
    assert judged.e_value in [pytest.approx(NOISY.proof(Evidence((), pairs[:n], 1.0, claim=claim), Policy())) for n in (2, 3, 4, 5)]
    assert min(pairs) < kept.effect < max(pairs)  # their mean, drawn towards what the race says
    assert kept.interval[0] < kept.effect < kept.interval[1]


def test_the_frontier_moves_by_nothing_but_a_keep():
    night = Night(FakeWorld(4, mixed), measure_slots=3).go(experiments=60)
    lab = Lab(State(), team("r"), 3)
    for event in night.events:
        before = lab.state.commit
        lab.apply(event)
        if lab.state.commit != before:
            assert isinstance(event, Opened) or (isinstance(event, Judged) and event.verdict == "keep")
    assert lab.state.counts["keep"] > 1


def test_each_keep_stands_on_the_one_before():
    night = Night(FakeWorld(4, mixed), measure_slots=3).go(experiments=60)
    kept = [night.lab.state.experiments[e.experiment] for e in night.events if isinstance(e, Judged) and e.verdict == "keep"]
    assert all(later.base_commit == earlier.commit for earlier, later in pairwise(kept))


def test_levels_are_means_of_runs_and_a_gain_is_the_sum_of_what_was_kept():
    night = Night(FakeWorld(4, mixed), measure_slots=1).go(experiments=40)
    kept = [e for e in night.lab.state.experiments.values() if e.verdict == "keep"]
    found, measured = night.lab.state.levels, {r.seed: r.metrics["y"] for r in night.runs if r.commit == "c0" and r.stage != "check"}
    assert found.gain == pytest.approx(sum(e.effect for e in kept)) and found.ratio is None  # the numbers lie around zero
    assert (found.baseline, found.baseline_runs) == (pytest.approx(sum(measured.values()) / len(measured)), len(measured))
    fresh = {r.seed: r.metrics["y"] for r in night.runs if r.commit == night.lab.state.commit and r.stage != "check"}
    assert min(fresh.values()) <= found.frontier <= max(fresh.values()) and 0 < found.frontier_runs <= len(fresh)


def test_of_numbers_above_zero_the_gain_is_the_product_of_ratios_and_never_more_than_there_was():
    halves = Night(FakeWorld(4, lambda lots: Idea(gain=lots.choice((400.0, 0.0)), correlation=0.9), level=20000.0)).go(experiments=12)
    state = halves.lab.state
    ratios = [statistics.median(mine / theirs for mine, theirs in sides) for sides in fresh_sides(halves)]
    assert state.counts["keep"] > 2 and state.levels.ratio == pytest.approx(math.prod(ratios)) and state.levels.ratio > 0


def fresh_sides(night):
    """For each keep the numbers of its fresh pairs: (its own, its base's)."""
    numbers = {(r.commit, r.seed): r.metrics["y"] for r in night.runs if r.stage != "check"}
    for kept in night.lab.state.chain():
        seeds = [r.seed for r in night.runs if r.experiment == kept.id and r.commit == kept.commit and r.stage == "confirm"]
        yield [(numbers[kept.commit, s], numbers[kept.base_commit, s]) for s in seeds if (kept.base_commit, s) in numbers]


def test_a_crash_is_a_crash_with_its_reason():
    night = Night(FakeWorld(0, lambda lots: Idea(outcome="memory"))).go(experiments=2)
    assert verdicts(night) == {"crash": 2}
    assert night.lab.state.experiments[1].reason == "it ended with memory"


def test_a_foul_is_never_run():
    night = Night(FakeWorld(0, lambda lots: Idea(foul="it touches score.py"))).go(experiments=4)
    assert verdicts(night) == {"foul": 4}
    assert {r.commit for r in night.runs} == {"c0"}


def test_a_broken_guard_is_a_discard_with_the_bound_in_its_sentence():
    idea = Idea(gain=3.0, metrics={"cpu_seconds": 50.0})
    night = Night(FakeWorld(0, lambda lots: idea, baseline=Idea(metrics={"cpu_seconds": 30.0})),
                  contract=guarded('metric = "cpu_seconds"\nat_most = "40s"')).go(experiments=1)
    assert night.lab.state.experiments[1].verdict == "discard"
    assert night.lab.state.experiments[1].reason == "breaks the guard on cpu_seconds (estimated): 50 where 40s is the bound"


def test_a_relative_guard_is_relative_to_the_baseline():
    idea = Idea(gain=3.0, metrics={"cpu_seconds": 50.0})
    night = Night(FakeWorld(0, lambda lots: idea, baseline=Idea(metrics={"cpu_seconds": 30.0})),
                  contract=guarded('metric = "cpu_seconds"\nat_most = "1.5x"')).go(experiments=1)
    assert night.lab.state.experiments[1].reason == \
        "breaks the guard on cpu_seconds (estimated): 1.67x of the baseline's where 1.5x is the bound"


def test_a_guard_that_holds_hinders_nobody():
    idea = Idea(gain=3.0, metrics={"accuracy": 0.9})
    night = Night(FakeWorld(0, lambda lots: idea, baseline=Idea(metrics={"accuracy": 0.9})),
                  contract=guarded('metric = "accuracy"\nat_least = 0.9')).go(experiments=1)
    assert night.lab.state.experiments[1].verdict == "keep"


def test_the_machine_s_own_metric_can_be_the_metric_without_a_scorer():
    contract = CONTRACT.replace('"y"', '"cpu_seconds"').partition("[score]")[0]
    night = Night(FakeWorld(0, better, metric="cpu_seconds", level=20.0), contract=contract).go(experiments=2)
    assert night.lab.state.counts["keep"]


def test_an_improvement_below_what_is_worthwhile_is_discarded():
    contract = CONTRACT.replace('"minimize"', '"minimize"\nworthwhile = 10.0')
    night = Night(FakeWorld(0, lambda lots: Idea(gain=3.0, correlation=0.99)), contract=contract).go(experiments=1)
    assert night.lab.state.experiments[1].verdict == "discard"


def test_a_number_without_any_noise_is_kept_when_it_is_better():
    night = Night(FakeWorld(0, lambda lots: Idea(gain=lots.choice((1.0, 0.0))), sigma=1e-30, level=2.0),
                  contract=CONTRACT).go(experiments=4)
    assert night.lab.state.counts["keep"] == 0  # an effect that no float at this level can hold

    class Exact(FakeWorld):
        def value(self, commit, seed):
            return 100.0 - self.worth[commit]

    night = Night(Exact(0, lambda lots: Idea(gain=lots.choice((1.0, 0.0, -1.0))))).go(experiments=20)
    gains = {e.id: round(night.world.gain(e.commit, e.base_commit)) for e in night.lab.state.experiments.values()}
    assert all((e.verdict == "keep") == (gains[e.id] > 0) for e in night.lab.state.experiments.values())


def test_a_metric_that_is_nothing_but_zero_stops_no_night():
    class Zero(FakeWorld):
        def value(self, commit, seed):
            return 0.0

    assert verdicts(Night(Zero()).go(experiments=5)) == {"discard": 5}


@pytest.mark.parametrize("extreme", [1e308, -1e308, 1e200, 1e-300])
def test_a_number_however_large_stops_no_night(extreme):
    class Extreme(FakeWorld):
        def value(self, commit, seed):
            return extreme if commit != "c0" else super().value(commit, seed)

    night = Night(Extreme()).go(experiments=5)
    assert sum(verdicts(night).values()) == 5


def test_candidates_that_diverge_do_not_blind_the_night():
    def wild(lots):
        return dataclasses.replace(referee_world(lots), wild=0.02)

    assert sum(Night(FakeWorld(seed, wild), measure_slots=1).go(runs=1000).lab.state.counts["keep"] for seed in range(3)) >= 6


# ---- the merge queue -------------------------------------------------------------------------------------------


@functools.cache
def rebased(seed=4, ideas=mixed):
    return Night(FakeWorld(seed, ideas), measure_slots=4).go(experiments=80)


def test_what_stood_on_an_older_frontier_is_put_on_the_new_one_and_confirmed_there():
    night = rebased()
    moved = [e for e in night.events if isinstance(e, Rebased)]
    kept = [e for e in moved if night.lab.state.experiments[e.experiment].verdict == "keep"]
    assert kept
    for event in kept:
        experiment = night.lab.state.experiments[event.experiment]
        on = {r.seed for r in night.runs if r.commit == experiment.commit} \
            & {r.seed for r in night.runs if r.commit == experiment.base_commit}
        assert experiment.fresh_pairs >= night.lab.state.policy.fresh_pairs
        assert len(on) >= experiment.fresh_pairs


def test_evidence_against_an_older_frontier_is_carried_into_the_race_and_never_into_the_confirmation():
    night = rebased()
    record, seen = State(), 0
    for event in night.events:
        if not isinstance(event, Rebased):
            record.apply(event)
            continue
        race, fresh = record.known.pairs(record.experiments[event.experiment])
        record.apply(event)
        after = record.experiments[event.experiment]
        assert after.prior_differences == (*race, *fresh)
        assert after.fresh_pairs == 0
        seen += bool(race)
    assert seen


def test_a_conflict_with_the_new_frontier_is_a_discard():
    night = rebased(ideas=lambda lots: Idea(gain=3.0, correlation=0.9, conflicts=True))
    assert "conflicts with what was kept meanwhile" in {e.reason for e in night.lab.state.experiments.values()}


def test_every_record_names_the_commit_of_the_base_that_it_names():
    night = rebased()
    commits = {0: "c0"} | {e.id: e.commit for e in night.lab.state.experiments.values() if e.verdict == "keep"}
    assert all(commits[e.base] == e.base_commit for e in night.events if isinstance(e, Proposed | Rebased))


def test_a_rebase_onto_a_frontier_that_moved_meanwhile_is_asked_for_again():
    lab = Lab(State(), team("r"), 2)
    night = Night(FakeWorld(0, better), measure_slots=1).go(experiments=1)
    for event in [*night.events, Proposed(1.0, 2, 0, "c0", commit="old", researcher="r", message="late")]:
        lab.apply(event)
    lab.begin(Budget(), 1.0)
    job = lab.ask(1.0, ["edit"])
    assert isinstance(job, Rebase) and (job.experiment, job.commit, job.base_commit, job.onto) == (2, "old", "c0", lab.state.commit)
    late = Rebase(2, "old", "c0", "older")
    lab.flight.give(late, 9.0)  # as it was asked for before the frontier moved
    assert lab.tell(Rebasing(late, "stale"), 1.0) == []
    assert lab.state.open[2].base_commit == "c0"


def test_no_commit_is_run_twice_on_one_seed_but_for_the_first_of_the_baseline():
    counts = Counter((r.commit, r.seed) for r in rebased().runs if r.stage != "check")
    assert sorted(counts.values())[-2:] == [1, 2]


# ---- stacks ----------------------------------------------------------------------------------------------------


def stacked(ideas=without_improvement, seed=1, **others):
    return Night(FakeWorld(seed, ideas, **others), measure_slots=2).go(experiments=300)


def test_where_most_changes_are_worth_nothing_they_are_stacked_and_runs_are_saved():
    alone = Night(FakeWorld(1, without_improvement), measure_slots=2, contract=ALONE).go(experiments=300)
    night = stacked()
    assert any(len(e.experiments) > 2 for e in night.events if isinstance(e, Stacked))
    assert not any(isinstance(e, Stacked) for e in alone.events)
    assert night.lab.state.runs < 0.7 * alone.lab.state.runs


def test_single_changes_are_looked_at_before_any_are_stacked():
    night = stacked()
    first = next(i for i, e in enumerate(night.events) if isinstance(e, Stacked))
    looked = {e.experiment for e in night.events[:first] if isinstance(e, Measured) and e.stage == "race" and e.experiment}
    assert len(looked) >= FIRST_SINGLE_EDITS


def test_a_stack_that_loses_is_dropped_whole_after_one_run_and_each_of_its_changes_says_so():
    night = stacked()
    stack = next(e for e in night.events if isinstance(e, Stacked)
                 and all("together with" in night.lab.state.experiments[n].reason for n in e.experiments))
    runs = [r for r in night.runs if r.commit in stack.commits and r.stage == "screen"]
    assert len(runs) <= len(stack.experiments)
    assert {night.lab.state.experiments[n].verdict for n in stack.experiments} == {"discard"}


def test_the_runs_of_a_stack_are_all_on_one_seed_and_a_keep_of_its_changes_has_its_own_pairs():
    night = Night(FakeWorld(3, referee_world), measure_slots=2).go(runs=900)
    stacks = [e for e in night.events if isinstance(e, Stacked)]
    for stack in stacks:
        assert {r.seed for r in night.runs if r.commit in stack.commits and r.stage == "screen"} <= {stack.seed}
    members = {n for s in stacks for n in s.experiments}
    kept = [e for e in night.lab.state.experiments.values() if e.verdict == "keep" and e.id in members]
    assert kept
    assert all(e.fresh_pairs >= night.lab.state.policy.fresh_pairs for e in kept)


def test_a_stack_is_never_kept_as_such():
    night = Night(FakeWorld(3, referee_world), measure_slots=2).go(runs=900)
    tops = {e.commits[-1] for e in night.events if isinstance(e, Stacked) and e.experiments}
    assert tops.isdisjoint({e.commit for e in night.lab.state.experiments.values() if e.verdict == "keep"})


def test_a_stack_that_crashes_is_taken_apart_until_the_culprit_stands_alone():
    def ideas(lots):
        idea = without_improvement(lots)
        return dataclasses.replace(idea, outcome="crash" if lots.random() < 0.05 else "ok")

    class Chain(FakeWorld):
        def _measure(self, job):
            commit = job.commit
            while commit:  # whoever has a crashing edit below it crashes as well
                if self.ideas_of[commit].outcome != "ok":
                    return type(super()._measure(job))(job, outcome="crash", reason="no such name")
                commit = self.parents[commit]
            return super()._measure(job)

    night = Night(Chain(2, ideas), measure_slots=2).go(experiments=300)
    crashed = {e.id for e in night.lab.state.experiments.values() if e.verdict == "crash"}
    wrong = {e.id for e in night.lab.state.experiments.values() if night.world.ideas_of[e.commit].outcome != "ok"}
    assert crashed <= wrong
    assert len(crashed) >= 4
    assert not night.lab.state.open


def test_changes_that_conflict_are_left_out_of_the_stack_and_tried_in_smaller_company():
    night = stacked(lambda lots: dataclasses.replace(without_improvement(lots), conflicts=lots.random() < 0.3))
    apart = {n for e in night.events if isinstance(e, Stacked) for n in e.apart}
    assert apart
    assert not night.lab.state.open
    assert all(night.lab.state.experiments[n].verdict == "discard" for n in apart)


def test_a_stack_that_was_put_together_for_an_older_frontier_is_put_together_again():
    lab = Night(FakeWorld(3, referee_world), measure_slots=2).go(runs=400).lab
    before = dict(lab.state.stacks)
    job = Combine((1, 2), (("a", "b"), ("c", "d")), "older")
    lab.flight.give(job, 9.0)
    assert lab.tell(Combined(job, (1, 2), ("x", "y")), 1.0) == []
    assert lab.state.stacks == before


# ---- kinds of metric -------------------------------------------------------------------------------------------


class Fixed(FakeWorld):
    """Seeds change nothing."""

    def value(self, commit, seed):
        return 10.0 - self.worth[commit]


class Tries(FakeWorld):
    """A run succeeds with a probability of a half, and more by what the commit is worth."""

    def value(self, commit, seed):
        return float(lots_of(self.seed, commit, seed).random() < 0.5 + self.worth[commit])


def test_a_metric_without_noise_takes_one_run_for_a_discard_and_two_pairs_for_a_keep():
    """Two, once enough runs of the track gave the same number on another seed; until then its keep has to show that."""
    night = Night(Fixed(0, lambda lots: Idea(gain=lots.choice((0.0, 1.0)))), measure_slots=1).go(experiments=20)
    assert night.lab.state.known.kind.name == "deterministic" and not [e for e in night.events if isinstance(e, Claimed)]
    first = next(e for e in night.lab.state.experiments.values() if e.verdict == "keep")
    for e in night.lab.state.experiments.values():
        gains = night.world.ideas_of[e.commit].gain
        assert e.verdict == ("keep" if gains else "discard")
        assert e.pairs == 1 if not gains else e.pairs > 2 if e is first else e.pairs == 2
    assert night.lab.state.known.alike >= Policy().repeats


def test_a_metric_of_successes_is_found_out_and_judged_by_wins_and_losses():
    contract = CONTRACT.replace("minimize", "maximize")
    night = Night(Tries(0, lambda lots: Idea(gain=lots.choice((0.0, 0.0, 0.45)))), contract=contract).go(experiments=9)
    assert night.lab.state.known.kind.name == "success"
    kept = [e for e in night.lab.state.experiments.values() if e.verdict == "keep"]
    assert kept
    assert all(night.world.gain(e.commit, e.base_commit) > 0 for e in kept)
    assert all(-1 <= e.interval[0] <= e.interval[1] <= 1 for e in kept)


def test_a_time_is_measured_beside_the_frontier_and_paired_with_that_run():
    timed = CONTRACT.replace('"minimize"', '"minimize"\nkind = "timing"')
    night = Night(FakeWorld(0, better, drift=0.5), contract=timed, measure_slots=1).go(experiments=2)
    own = [r for r in night.runs if r.stage != "calibrate" and r.stage != "check"]
    assert all(r.paired_metrics for r in own)
    assert night.lab.state.experiments[1].verdict == "keep"
    assert night.lab.state.experiments[1].effect == pytest.approx(3.0, abs=1.5)  # the machine got slower by far more meanwhile


def test_the_contract_s_kind_goes_before_what_was_found_out():
    contract = CONTRACT.replace('"minimize"', '"minimize"\nkind = "noisy"')
    assert Night(Fixed(0), contract=contract).go(experiments=2).lab.state.known.kind.name == "noisy"


class Wavering(FakeWorld):
    """A number that is another one each time, or on each seed."""

    def value(self, commit, seed):
        return 2.0 + (self._answered if self.sigma else seed) / 1e6


@pytest.mark.parametrize(("sigma", "said"), [
    (1.0, "though nothing had changed: find out what else it depends on"),
    (0.0, "take `kind` out, and it is judged as noisy"),
])
def test_a_metric_that_is_declared_deterministic_and_is_not_is_a_problem_that_stays(sigma, said):
    contract = CONTRACT.replace('"minimize"', '"minimize"\nkind = "deterministic"')
    night = Night(Wavering(0, sigma=sigma), contract=contract, measure_slots=1).go(experiments=3)
    assert "y is declared deterministic in track.toml, but" in night.lab.problem and said in night.lab.problem
    assert not any(isinstance(e, Judged) for e in night.events)
    again = Night(night.world, contract=contract, measure_slots=1, past=night.events).go(experiments=3)
    assert again.lab.problem == night.lab.problem and len(again.runs) == len(night.runs)


def test_a_declared_metric_that_repeats_itself_is_judged_as_such():
    contract = CONTRACT.replace('"minimize"', '"minimize"\nkind = "deterministic"')
    assert Night(Fixed(0, better), contract=contract).go(experiments=2).lab.state.counts["keep"] == 2


def test_where_numbers_do_not_repeat_themselves_old_runs_of_the_frontier_are_not_raced_against():
    night = Night(FakeWorld(1, without_improvement, drift=0.01), measure_slots=1).go(experiments=300)
    ran = {}
    for r in night.runs:
        if r.commit == "c0":
            ran[r.seed] = max(ran.get(r.seed, 0), 0) or night.runs.index(r)
    late = [r for r in night.runs[80:] if r.stage in ("race", "screen") and r.commit != "c0" and r.seed in ran]
    assert late
    assert all(night.runs.index(r) - ran[r.seed] <= LASTING_RUNS + 5 for r in late)


# ---- crashes, progress, simplicity -----------------------------------------------------------------------------


class Sometimes(FakeWorld):
    """Every candidate fails on one seed in eight."""

    def _measure(self, job):
        result = super()._measure(job)
        fails = job.commit != "c0" and lots_of("fails", job.commit, job.seed).random() < 0.125
        return type(result)(job, outcome="crash", reason="a bad seed") if fails and job.commit not in self.parents.values() else result


def test_one_crash_where_the_frontier_runs_well_is_a_crash_unless_the_contract_allows_some():
    strict = Night(Sometimes(1, better), measure_slots=1).go(experiments=12)
    lenient = Night(Sometimes(1, better), measure_slots=1, contract=CONTRACT + "[referee]\nmay_crash = 0.4\n").go(experiments=12)
    assert strict.lab.state.counts["crash"] > lenient.lab.state.counts["crash"]
    kept = [e for e in lenient.lab.state.experiments.values() if e.verdict == "keep"]
    assert any(r.outcome == "crash" for e in kept for r in lenient.runs if r.experiment == e.id)


def test_a_crash_where_the_frontier_crashes_too_is_nobody_s():
    class Both(FakeWorld):
        first = set()

        def _measure(self, job):
            result = super()._measure(job)
            self.first |= {job.seed} if job.stage == "calibrate" else set()
            fails = job.seed not in self.first and job.seed % 16 == 0
            return type(result)(job, outcome="crash", reason="an odd seed") if fails else result

    night = Night(Both(3, better), measure_slots=1).go(experiments=30)
    assert night.lab.state.counts["crash"] == 0
    assert any(r.outcome == "crash" for r in night.runs)


def test_a_run_that_fell_behind_is_a_discard_without_a_number():
    class Slow(FakeWorld):
        def _measure(self, job):
            result = super()._measure(job)
            return type(result)(job, outcome="behind", reason="fell behind at step 3") if job.commit != "c0" else result

    night = Night(Slow(0, better)).go(experiments=3)
    assert verdicts(night) == {"discard": 3}
    assert {(e.reason, e.effect, e.pairs) for e in night.lab.state.experiments.values()} == {("fell behind at step 3", None, 0)}


def test_a_candidate_is_given_the_frontier_s_curve_on_its_seed_and_the_frontier_none():
    class Curves(FakeWorld):
        def _measure(self, job):
            return with_fields(super()._measure(job), curve=((1.0, 5.0), (2.0, float(job.seed))))

    night = Night(Curves(1, better), contract=CONTRACT + "[progress]\npattern = '(a)(b)'\n").go(experiments=4)
    paced = [j for j in night.jobs if isinstance(j, Measure) and j.pace]
    assert paced
    assert all(j.pace[1][1] == float(j.seed) for j in paced)
    assert all(j.experiment and j.commit != "c0" for j in paced)
    assert not any(j.pace for j in night.jobs if isinstance(j, Measure) and j.stage == "calibrate")


class Lighter(FakeWorld):
    """Every change removes code."""

    size_delta = -5

    def _propose(self, job):
        return with_fields(super()._propose(job), size_delta=self.size_delta)


SIMPLER = CONTRACT.replace('"minimize"', '"minimize"\nworthwhile = 0.5')


def test_less_code_that_is_no_worse_is_kept_as_a_simplification():
    same = Idea(correlation=0.98)
    night = Night(Lighter(2, lambda lots: same), contract=SIMPLER, measure_slots=1).go(experiments=6)
    assert any(e.verdict == "keep" and e.reason.startswith("simplification") for e in night.lab.state.experiments.values())


def test_more_code_that_is_no_better_is_not_kept():
    class Heavier(Lighter):
        size_delta = 5

    night = Night(Heavier(2, lambda lots: Idea(correlation=0.98)), contract=SIMPLER, measure_slots=1).go(experiments=6)
    assert night.lab.state.counts["keep"] == 0


def test_less_code_that_is_worse_by_more_than_is_worthwhile_is_not_kept():
    night = Night(Lighter(2, lambda lots: Idea(gain=-1.0, correlation=0.98)), contract=SIMPLER).go(experiments=6)
    assert night.lab.state.counts["keep"] == 0


# ---- the machine -----------------------------------------------------------------------------------------------


def test_the_frontier_is_run_again_now_and_then():
    night = Night(FakeWorld(1, without_improvement), measure_slots=2).go(experiments=300)
    looks = [r for r in night.runs if r.stage == "check"]
    assert len(looks) >= len(night.runs) // RUNS_BETWEEN_LOOKS - 2
    assert all(r.metrics == next(e.metrics for e in night.runs if (e.commit, e.seed) == (r.commit, r.seed)) for r in looks)
    assert night.lab.problem == ""


def test_a_frontier_that_no_longer_gives_its_own_numbers_ends_the_night_before_anything_else_is_kept():
    class Changed(FakeWorld):
        def _measure(self, job):
            result = super()._measure(job)
            moved = {"y": result.metrics["y"] + 1.0} if self.measured > 100 else result.metrics
            return with_fields(result, metrics=moved)

    night = Night(Changed(1, without_improvement), measure_slots=1).go(experiments=500)
    assert night.lab.problem.startswith("the frontier no longer reproduces its own numbers")
    assert night.lab.state.runs < 100 + 2 * RUNS_BETWEEN_LOOKS


def test_a_session_begins_by_looking_whether_the_machine_is_still_the_same():
    world = FakeWorld(4, mixed)
    past = Night(world).go(experiments=10).events
    night = Night(world, past=past).go(experiments=2)
    first = next(j for j in night.jobs if isinstance(j, Measure))
    assert (first.stage, first.commit) == ("check", replayed(past).state.commit)


def test_an_improvement_that_shrank_on_the_newer_frontier_is_said_to_overlap():
    class Overlapping(FakeWorld):
        def _rebase(self, job):
            result = super()._rebase(job)
            self.worth[result.commit] -= 2.2
            return result

    reasons = [e.reason for seed in range(6)
               for e in Night(Overlapping(seed, better, sigma=0.3), measure_slots=4).go(experiments=12).lab.state.experiments.values()]
    assert any("overlaps with what was kept since" in reason for reason in reasons)


# ---- troubles --------------------------------------------------------------------------------------------------


def test_a_fault_is_recorded_and_the_job_asked_for_again():
    night = Night(FakeWorld(0, better, faults=lambda job, number: number in (3, 12))).go(experiments=3)
    assert night.lab.state.counts["fault"] == 2
    assert sum(verdicts(night).values()) == 3


def test_a_fault_counts_against_no_experiment():
    plain = Night(FakeWorld(0, mixed), measure_slots=1).go(experiments=20)
    faulty = Night(FakeWorld(0, mixed, faults=lambda job, number: number % 5 == 0), measure_slots=1).go(experiments=20)
    assert verdicts(faulty) == verdicts(plain)


def test_faults_in_a_row_are_a_problem():
    night = Night(FakeWorld(0, faults=lambda job, number: isinstance(job, Measure) and number > 20)).go(experiments=90)
    assert night.lab.problem == f"the machine failed {MOST_FAULTS_IN_A_ROW} times in a row: the disk is full"
    assert sum(isinstance(e, Faulted) for e in night.events) >= MOST_FAULTS_IN_A_ROW


def test_a_baseline_that_fails_on_seed_after_seed_is_a_problem():
    class Rotten(FakeWorld):
        def _measure(self, job):
            result = super()._measure(job)
            fails = job.stage != "calibrate" and job.commit == "c0"
            return type(result)(job, outcome="crash", reason="no memory") if fails else result

    night = Night(Rotten(0, better)).go(experiments=30)
    failed = len(night.lab.state.known.bad)
    assert night.lab.problem == f"the baseline fails on more than half of its seeds ({failed} of {CALIBRATION + failed}): no memory"


def test_a_seed_on_which_the_frontier_fails_once_is_left_out():
    class Once(FakeWorld):
        failed = None

        def _measure(self, job):
            result = super()._measure(job)
            if job.stage == "confirm" and job.commit == "c0" and self.failed in (None, job.seed):
                self.failed = job.seed
                return type(result)(job, outcome="timeout", reason="slow")
            return result

    night = Night(Once(0, better), measure_slots=1).go(experiments=1)
    assert night.lab.state.experiments[1].verdict == "keep"
    assert night.lab.problem == ""


# ---- budgets and ends ------------------------------------------------------------------------------------------


def test_a_budget_of_experiments_is_kept_to():
    night = Night(FakeWorld(), measure_slots=8, edit_slots=2).go(experiments=13)
    assert len(night.lab.state.experiments) == 13
    assert not night.lab.state.open


def test_after_the_time_nothing_new_begins():
    night = Night(FakeWorld(), measure_slots=4).go(until=20.0)
    assert 20.0 <= night.now < 22.0
    assert night.lab.ask(night.now, ["measure", "edit"]) is None


def test_a_researcher_that_passes_is_left_alone_until_there_is_another_verdict():
    night = Night(FakeWorld(0, lambda lots: Idea(nothing=True))).go()
    assert sum(isinstance(e, Passed) for e in night.events) == MOST_PASSES_IN_A_ROW
    assert night.lab.finished(night.now)


def test_a_researcher_that_passes_is_asked_again_after_a_verdict():
    night = Night(FakeWorld(1, lambda lots: Idea(nothing=lots.random() < 0.3)), measure_slots=4).go(experiments=30)
    passes = [i for i, e in enumerate(night.events) if isinstance(e, Passed)]
    assert len(passes) > MOST_PASSES_IN_A_ROW
    assert len(night.lab.state.experiments) == 30


def test_stopping_ends_a_night_at_once():
    def watch(night):
        if night.lab.state.runs >= 10:
            night.lab.stop("stopped by SIGINT")

    assert Night(FakeWorld()).go(watch=watch).lab.state.runs <= 11


def test_a_session_that_was_killed_lasted_until_its_last_record():
    lab = Night(FakeWorld(), measure_slots=2).go(experiments=5).lab
    lasted = lab.state.usage.last
    lab.apply(Started(lasted + 9999.0, 2, "fake", "0"))
    assert lab.state.usage.seconds == pytest.approx(lasted)


def test_a_session_that_ended_in_order_lasted_as_long_as_it_says():
    lab = Night(FakeWorld(), measure_slots=2).go(experiments=5).lab
    lab.apply(Stopped(100.0, 42.0))
    lab.apply(Started(9999.0, 2, "fake", "0"))
    assert (lab.state.usage.seconds, lab.state.usage.capacity) == (42.0, 84.0)


def test_beginning_anew_forgets_the_experiments_but_not_their_numbers():
    lab = Night(FakeWorld()).go(experiments=5).lab
    lab.apply(Opened(1.0, "fake", "c1", CONTRACT, "key"))
    assert (lab.state.experiments, lab.state.commit, lab.state.next_experiment) == ({}, "c1", 6)


# ---- the record is the truth -----------------------------------------------------------------------------------


def test_a_replay_knows_at_every_record_what_the_live_lab_knew():
    seen = {}

    def watch(night):
        seen[len(night.events)] = repr(held(night.lab.state))

    night = Night(FakeWorld(4, mixed), measure_slots=3).go(experiments=40, watch=watch)
    assert len(seen) > 100
    lab, events = Lab(State(), team("r"), 3), night.events
    for count, event in enumerate(events, 1):
        lab.apply(event)
        if count in seen:
            assert repr(held(lab.state)) == seen[count]


def test_a_night_killed_at_any_record_is_carried_on_without_losing_or_repeating_a_run():
    world = FakeWorld(4, mixed)
    events = Night(world, measure_slots=3).go(experiments=12).events
    assert {e.verdict for e in events if isinstance(e, Judged)} == {"keep", "discard", "crash", "foul"}
    assert any(isinstance(e, Rebased) for e in events)
    fouls = {e.experiment for e in events if isinstance(e, Judged) and e.verdict == "foul"}
    for kept in range(2, len(events)):
        past = events[:kept]
        if isinstance(past[-1], Proposed) and past[-1].experiment in fouls:
            continue  # one write with its verdict
        have = sum(isinstance(e, Proposed) for e in past)
        night = Night(world, measure_slots=3, past=past).go(experiments=max(1, 12 - have))
        counts = Counter((r.commit, r.seed) for r in night.runs if r.stage != "check")
        assert max(counts.values()) == 2
        assert sum(n > 1 for n in counts.values()) == 1, kept
        assert not night.lab.state.open
        assert night.events[:kept] == past
        assert len({e.experiment for e in night.events if isinstance(e, Judged)}) == len(night.lab.state.experiments)


@pytest.mark.parametrize("verdict", ["keep", "discard", "crash"])
def test_a_verdict_that_a_kill_left_unwritten_is_given_at_the_next_start(verdict):
    events = Night(FakeWorld(4, mixed), measure_slots=3).go(experiments=40).events
    at = next(i for i, e in enumerate(events) if isinstance(e, Judged) and e.verdict == verdict
              and isinstance(events[i - 1], Measured))
    given = replayed(events[:at]).begin(Budget(), 5.0)[0]
    assert (given.experiment, given.verdict, given.reason) == (events[at].experiment, verdict, events[at].reason)
    assert (given.effect, given.interval, given.e_value) == (events[at].effect, events[at].interval, events[at].e_value)


def test_events_come_in_the_order_in_which_they_are_applied():
    night = Night(FakeWorld(4, mixed), measure_slots=3).go(experiments=40)
    assert repr(held(replayed(night.events).state)) == repr(held(night.lab.state))


# ---- a whole night's promise -----------------------------------------------------------------------------------


def test_nights_of_changes_that_change_nothing_almost_never_end_with_a_keep():
    nights = [Night(FakeWorld(seed, no_op), key=str(seed)).go(experiments=300) for seed in range(10)]
    assert not sum(night.lab.state.counts["keep"] for night in nights)


def test_a_night_of_mixed_ideas_climbs_and_its_keeps_are_true():
    kept, false, gain = 0, 0, 0.0
    for seed in (2, 3):
        night = Night(FakeWorld(seed, referee_world), measure_slots=1, key=str(seed)).go(runs=2000)
        keeps = [e for e in night.lab.state.experiments.values() if e.verdict == "keep"]
        kept += len(keeps)
        false += sum(night.world.gain(e.commit, e.base_commit) <= 1e-12 for e in keeps)
        gain += night.world.worth[night.lab.state.commit] / 2
    assert gain > 25
    assert false / kept < 0.1


def test_a_brief_tells_what_is_known_and_no_seed_of_the_referee():
    night = Night(FakeWorld(1, mixed)).go(experiments=10)
    brief = [j for j in night.jobs if isinstance(j, Propose)][-1].brief
    used = {r.seed for r in night.runs}
    assert [p.id for p in brief.history[:5]] == sorted(p.id for p in brief.history[:5])
    assert brief.seed not in used
    assert brief.metric == "y"


def test_on_many_benches_a_claim_begins_more_of_its_pairs_at_once_than_the_referee_asks_for():
    begun = {}
    for slots in (8, 32):
        night = Night(FakeWorld(1, partial(single, 1.0)), contract=ALONE, measure_slots=slots)
        night.go(experiments=1)
        claim = next(place for place, e in enumerate(night.events) if isinstance(e, Claimed))
        first = next(e for e in night.events[claim:] if isinstance(e, Measured) and e.stage == "confirm")
        known = [job for job in night.jobs if isinstance(job, Measure) and job.stage == "confirm" and job.run <= first.run + slots]
        begun[slots] = len({job.seed for job in known})
    assert begun[32] > begun[8]
