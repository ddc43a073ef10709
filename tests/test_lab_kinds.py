"""What kind of metric a track has is what its runs show, and is revised by what later runs show."""

import math
import random

import pytest

from fakes import CONTRACT, FakeWorld, Idea, Night, lots_of, no_op
from overnight.lab.events import Claimed
from overnight.referee.decision import Policy
from overnight.referee.kinds.kind import Calibration
from overnight.referee.kinds.success import Success
from overnight.referee.kinds.timing import is_duration

UP = CONTRACT.replace("minimize", "maximize")


def some(lots):
    return Idea(gain=lots.choice((0.0, 3.0)))


def worlds(value):
    """A world whose commits measure what `value(world, commit, seed)` says."""
    return type("World", (FakeWorld,), {"value": value})


def kinds():
    """The kinds that the metric was taken for, one after the other, once it was calibrated."""
    found = []

    def watch(now):
        if now.lab.state.calibrated and now.lab.state.known.kind.name not in found[-1:]:
            found.append(now.lab.state.known.kind.name)
    return found, watch


def verdicts(night):
    return {(night.world.ideas_of[e.commit].gain > 0, e.verdict) for e in night.lab.state.experiments.values()}


# ---- numbers that look like rates --------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [0.0, 1.0])
def test_a_baseline_of_nothing_but_0_or_1_is_not_taken_for_a_rate(base):
    """A loss of exactly 0 or an accuracy of exactly 1: until something varies it is a number without noise."""
    night = Night(worlds(lambda self, commit, seed: base - self.worth[commit])(0, some)).go(experiments=12)
    assert night.lab.state.known.kind.name == "deterministic"
    assert verdicts(night) == {(True, "keep"), (False, "discard")}
    assert night.lab.state.runs < 60  # a rate would take some hundred for each


def test_successes_and_failures_are_a_rate_as_soon_as_one_commit_has_both():
    tries = worlds(lambda self, commit, seed: float(lots_of(commit, seed).random() < 0.8 * (self.worth[commit] > 0)))
    found, watch = kinds()
    night = Night(tries(2, lambda lots: Idea(gain=1.0)), contract=UP).go(experiments=4, watch=watch)
    assert found == ["deterministic", "success"]
    kept = [e for e in night.lab.state.experiments.values() if e.verdict == "keep"]
    claims = {e.experiment: e.claim.alpha for e in night.events if isinstance(e, Claimed)}
    assert kept and all(e.e_value * claims[e.id] >= 1 for e in kept) and night.lab.state.wealth.keeps == len(kept)


def test_a_number_that_is_neither_ends_the_rate():
    def value(self, commit, seed):
        return float(lots_of(commit, seed).random() < 0.5) if commit == "c0" else lots_of(commit, seed).gauss(4.0, 0.5)
    found, watch = kinds()
    night = Night(worlds(value)(1, some), contract=UP).go(experiments=2, watch=watch)
    assert found == ["success", "noisy"] and night.lab.state.counts["keep"]


@pytest.mark.parametrize(("seeds", "varies", "beyond", "rate"), [
    ((0.0,) * 5, False, False, False), ((1.0,) * 5, False, False, False), ((1.0,) * 5, True, False, True),
    ((0.0, 1.0, 1.0), True, False, True), ((0.0, 1.0, 1.0), True, True, False), ((0.0, 0.5), True, True, False)])
def test_what_shows_a_rate(seeds, varies, beyond, rate):
    assert Success().shown_by(Calibration("y", seeds, seeds[:1] * 2, False, varies, beyond)) == rate


# ---- numbers that look constant ----------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [0.0, 1.0, 17.5])
@pytest.mark.parametrize("seed", range(3))
def test_a_baseline_of_one_number_is_no_reason_to_discard_what_varies_and_is_better(base, seed):
    """A classifier that always says the same: what learns something depends on the seed."""
    def value(self, commit, seed):
        return base if commit == "c0" else base - self.worth[commit] + 0.5 * self._luck(commit, seed)
    found, watch = kinds()
    night = Night(worlds(value)(seed, some)).go(experiments=10, watch=watch)
    assert found[:1] == ["deterministic"] and found[-1] == "noisy" and len(found) == 2
    first = next(e for e in night.lab.state.experiments.values() if night.world.ideas_of[e.commit].gain > 0)
    assert first.verdict == "keep" and first.e_value * night.lab.state.policy.level > 1
    assert [e for e in night.events if isinstance(e, Claimed)]


def test_what_was_revised_is_not_forgotten_when_the_commit_that_varied_is():
    def value(self, commit, seed):
        return 5.0 - (self.worth[commit] < 0) * (lots_of(commit, seed).random() - 0.6)
    night = Night(worlds(value)(1, lambda lots: Idea(gain=lots.choice((-1.0, 0.0))))).go(experiments=8)
    assert night.lab.state.known.varies and night.lab.state.known.kind.name == "noisy"
    assert set(night.lab.state.known.values) == {"c0"} and len(set(night.lab.state.known.numbers("c0"))) == 1


def test_a_replay_knows_the_same_kind_at_every_place():
    from overnight.lab.lab import Lab
    from overnight.lab.state import State
    night = Night(FakeWorld(3, some, grain=2.5)).go(experiments=10)
    again = Lab(State(), [])
    for event in night.events:
        again.apply(event)
    mine, theirs = again.state.known, night.lab.state.known
    assert (mine.kind, mine.alike, mine.varies, mine.beyond) == (theirs.kind, theirs.alike, theirs.varies, theirs.beyond)


# ---- numbers in coarse steps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_numbers_in_coarse_steps_keep_nothing_that_is_not_better(seed):
    """Most of them are equal, at calibration too."""
    night = Night(FakeWorld(seed, no_op, grain=2.5)).go(runs=200)
    assert night.lab.state.counts["keep"] == 0 and night.lab.state.known.alike > 0
    assert night.lab.state.known.kind.name == "noisy"


@pytest.mark.parametrize("seed", range(4))
def test_numbers_in_coarse_steps_keep_what_is_better(seed):
    night = Night(FakeWorld(seed, lambda lots: Idea(gain=lots.choice((0.0, 0.0, 4.0))), grain=2.5)).go(experiments=20)
    kept = [e for e in night.lab.state.experiments.values() if e.verdict == "keep"]
    assert len(kept) >= 3 and all(night.world.ideas_of[e.commit].gain for e in kept)
    assert all(e.interval[0] > 0 and e.interval[0] < e.interval[1] for e in kept)


def test_before_seeds_are_known_not_to_matter_a_keep_repeats_its_number_on_many():
    exact = worlds(lambda self, commit, seed: 10.0 - self.worth[commit])
    night = Night(exact(0, lambda lots: Idea(gain=1.0)), measure_slots=1).go(experiments=5)
    pairs = [e.pairs for e in night.lab.state.experiments.values()]
    assert pairs[0] > pairs[-1] == 2 and pairs == sorted(pairs, reverse=True)
    at_the_first = 4 + 2 * pairs[0] - 2  # the baseline's calibration, then both sides of its pairs
    assert at_the_first >= Policy().repeats


# ---- times -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["seconds", "wall_seconds", "latency", "p99_latency_ms", "time", "runtime", "train_time", "elapsed",
                                  "ms", "tokens_per_second", "tokens_per_s", "throughput", "fps", "duration", "Time"])
def test_a_duration_is_known_by_its_name(name):
    assert is_duration(name, (), ())


@pytest.mark.parametrize("name", ["loss", "accuracy", "runs", "items", "timeouts_of_two", "params", "bits_per_byte", "rmse", "overtime"])
def test_other_names_are_none(name):
    assert not is_duration(name, (1.0,) * 5, (1.0,) * 5)


def follows(lots, power, off):
    seconds = [math.exp(lots.gauss(0.0, 0.2)) for _ in range(6)]
    return [3.0 * s**power * math.exp(lots.gauss(0.0, off)) for s in seconds], seconds


@pytest.mark.parametrize(("power", "off", "time"), [(1.0, 0.02, True), (-1.0, 0.02, True), (0.0, 0.2, False)])
def test_a_duration_is_known_by_going_with_the_clock_under_whatever_name(power, off, time):
    """Or something per time; what has nothing to do with it is taken for one by chance only."""
    found = [is_duration("y", *follows(random.Random(seed), power, off)) for seed in range(100)]
    assert sum(found) >= 95 if time else sum(found) <= 5


@pytest.mark.parametrize("numbers", [(1.0, 2.0, 3.0), (2.0,) * 6, (0.0, 1.0, 2.0, 3.0, 4.0), (-1.0, 1.0, 2.0, 3.0, 4.0)])
def test_few_or_equal_numbers_and_those_that_are_not_above_zero_are_no_times(numbers):
    assert not is_duration("y", numbers, tuple(1.0 + n for n in range(len(numbers))))


@pytest.mark.parametrize("metric", ["y", "train_seconds"])
def test_what_goes_with_the_clock_is_a_time_whatever_it_is_called(metric):
    class Clocked(FakeWorld):
        def _measure(self, job):
            found = super()._measure(job)
            found.metrics["wall_seconds"] = found.metrics[metric] if metric == "y" else 1.0
            return found
    contract = CONTRACT.replace('"y"', f'"{metric}"')
    night = Night(Clocked(2, no_op, level=20.0, metric=metric, bursts=2.0), contract=contract).go(runs=30)
    assert night.lab.state.known.kind.name == "timing" and all(j.paired_with for j in night.jobs if getattr(j, "stage", "") == "race")


# ---- what does not repeat itself ---------------------------------------------------------------------------------


def sides(night, stage):
    return {bool(j.paired_with) for j in night.jobs if getattr(j, "stage", "") == stage}


def test_what_does_not_repeat_on_one_seed_is_confirmed_side_by_side_and_raced_on_common_seeds():
    night = Night(FakeWorld(1, some, bursts=1.0)).go(experiments=8)
    assert not night.lab.state.known.deterministic and night.lab.state.known.kind.name == "noisy"
    assert sides(night, "confirm") == {True} and sides(night, "race") == {False}
    assert night.lab.state.counts["keep"]
    fresh = {(r.commit, r.seed) for r in night.runs if r.stage == "confirm"}
    assert not [r for r in night.runs if r.experiment == 0 and (r.commit, r.seed) in fresh]  # the base's side is in the pair


def test_what_repeats_is_confirmed_one_side_at_a_time():
    assert sides(Night(FakeWorld(1, some)).go(experiments=8), "confirm") == {False}


@pytest.mark.parametrize("seed", range(3))
def test_load_that_comes_in_bursts_keeps_nothing_that_is_not_better(seed):
    night = Night(FakeWorld(seed, no_op, bursts=3.0), measure_slots=1).go(runs=250)
    assert night.lab.state.counts["keep"] == 0
