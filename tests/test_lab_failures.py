"""Runs that fail and runs that scatter: the frontier is bounded against the baseline, which may fail now and then itself."""

import math
import statistics
from functools import partial

import pytest
from scipy import stats

from fakes import CONTRACT, FakeWorld, Idea, Night, crashing, held, lots_of, referee_world
from overnight.lab.events import Vetoed
from overnight.lab.failures import Failure, Failures
from overnight.lab.flight import Budget
from overnight.lab.jobs import Veto
from overnight.lab.lab import Lab
from overnight.lab.measurements import CALIBRATION
from overnight.lab.state import State
from overnight.referee import failures, noise
from overnight.report.live import sentence
from overnight.report.morning import effort
from overnight.views.track import track

ONE = CONTRACT + "[referee]\nstack = 1\n"
THIRD = Idea(crashes=1 / 3)


def always(idea, lots):
    return idea


def one_after_another(*ideas):
    """These, and the last of them again and again."""
    waiting = list(ideas)
    return lambda lots: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def vetoes(night):
    return [e for e in night.events if isinstance(e, Vetoed)]


def replayed(events):
    lab = Lab(State())
    for event in events:
        lab.apply(event)
    return lab


# ---- how often runs may fail -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("failed", "ran", "share"), [(0, 5, 0.1), (1, 1, 0.3), (2, 20, 0.01), (7, 9, 0.5), (9, 9, 0.9), (3, 40, 1.2)])
def test_the_tail_of_the_failures_is_that_of_the_binomial(failed, ran, share):
    assert failures.tail(failed, ran, share) == pytest.approx(stats.binom.sf(failed - 1, ran, min(1.0, share)), abs=1e-12)


def test_two_failures_among_twenty_are_too_many_where_the_baseline_never_failed_and_not_where_it_did():
    assert failures.too_often(2, 20, failures.upper(0, CALIBRATION))
    assert not failures.too_often(2, 20, failures.upper(0, CALIBRATION) + 0.1)  # which the contract allows
    assert not failures.too_often(8, 20, failures.upper(3, 9))
    assert failures.too_often(17, 20, failures.upper(3, 9))


@pytest.mark.parametrize("share", [0.05, 1 / 3, 0.45])
def test_the_bound_holds_for_nine_baselines_in_ten_and_tightens(share):
    lots = lots_of("bounds", share)
    bounds = [failures.upper(sum(lots.random() < share for _ in range(30)), 30) for _ in range(400)]
    assert 0.75 <= statistics.fmean(bound >= share for bound in bounds) <= 0.99
    assert share < failures.upper(round(share * 300), 300) < share + 0.06


def test_the_scatter_is_compared_by_the_f_test():
    lots = lots_of("scatter")
    for size, theirs, wide in [(6, 5, 3.0), (10, 30, 3.0), (16, 12, 4.0), (4, 40, 2.5)] * 10:
        mine, base = [lots.gauss(0, wide) for _ in range(size)], [lots.gauss(0, 1) for _ in range(theirs)]
        p = stats.f.sf(statistics.variance(mine) / (4 * statistics.variance(base)), size - 1, theirs - 1)
        spreads = [(len(n) - 1, statistics.variance(n) * (len(n) - 1)) for n in (mine, base)]
        assert failures.scatters(*spreads, 2.0, 0.0) == (p <= failures.LEVEL)
    assert not failures.scatters((5, 1.0), (5, 0.0), 2.0, 0.0) and not failures.scatters((0, 0.0), (5, 1.0), 2.0, 0.0)


# ---- which keep is to blame ------------------------------------------------------------------------------------

CHAIN = tuple(f"c{n}" for n in range(33))


@pytest.mark.parametrize("culprit", [1, 2, 16, 31, 32])
def test_the_culprit_is_found_in_few_runs(culprit):
    failure, ran = Failure(7, CHAIN, -1, len(CHAIN)), []
    while failure.wanted:
        ran.append(failure.wanted)
        failure.saw(ran[-1], CHAIN.index(ran[-1]) < culprit)
    assert failure.culprit == CHAIN[culprit]
    assert ran[:2] == [CHAIN[-1], CHAIN[0]] and len(ran) == len(set(ran)) <= 2 + math.log2(len(CHAIN)) + 1


def test_a_failure_that_is_not_repeated_or_that_the_baseline_shares_is_nobodys():
    once, shared = (Failure(7, CHAIN, -1, len(CHAIN)) for _ in range(2))
    once.saw(CHAIN[-1], True)
    shared.saw(CHAIN[-1], False)
    shared.saw(CHAIN[0], False)
    assert [(f.nobodys, f.wanted, f.culprit) for f in (once, shared)] == [(True, "", "")] * 2


def test_of_several_culprits_the_one_that_is_to_blame_for_most_goes_and_of_equals_the_latest():
    known, chain = Failures(), CHAIN[:5]
    for seed in range(30):
        known.frontier(chain, seed, well=seed >= 3)
    assert known.culprit(chain, 0.01) == "" and len(list(known.wanted(chain, 0.01))) == 3
    for seed, culprit in enumerate((2, 3, 3)):
        while wanted := known.found[seed].wanted:
            known.traced(wanted, seed, chain.index(wanted) < culprit)
    assert known.culprit(chain, 0.01) == "c3" and known.culprit(chain, 0.3) == ""
    known.back(chain[:3])
    assert not known.found and known.culprit(chain[:3], 0.01) == ""


@pytest.mark.parametrize("seed", [1, 4])
def test_keeps_that_crash_are_taken_back_and_no_night_ends_by_them(seed):
    night = Night(FakeWorld(20000 + seed, crashing), measure_slots=2, key=f"0{seed}").go(runs=1200)
    state, world, taken = night.lab.state, night.world, vetoes(night)
    assert taken and not night.lab.problem and state.runs == 1200
    for event in taken:
        victim = state.experiments[event.experiment]
        assert world.ideas_of[victim.commit].crashes and victim.verdict == "crash"
        assert victim.reason == f"taken back: {event.reason}" and "the baseline runs well" in victim.reason
        assert event.reason in sentence(state, event) and "person" not in victim.reason
    traces = [r for r in night.runs if r.stage == "trace"]
    assert len(traces) < 16 * len(taken) + 16
    assert held(replayed(night.events).state) == held(state)


def test_a_keep_that_a_killed_session_had_to_take_back_is_taken_back_by_the_next():
    night = Night(FakeWorld(20004, crashing), measure_slots=1, key="04").go(runs=1200)
    place = next(n for n, e in enumerate(night.events) if isinstance(e, Vetoed))
    lab = replayed(night.events[:place])
    again = lab.begin(Budget(), 5.0)
    assert [(e.experiment, e.reason) for e in again if isinstance(e, Vetoed)] == [
        (night.events[place].experiment, night.events[place].reason)]


def test_what_the_contract_allows_is_left():
    text = CONTRACT + "[referee]\nmay_crash = 0.3\n"
    night = Night(FakeWorld(20001, crashing), contract=text, measure_slots=1, key="01").go(runs=800)
    assert not vetoes(night) and not night.lab.problem and night.lab.state.counts["keep"]


def test_a_machine_on_which_a_run_fails_now_and_then_costs_no_keep():
    class Flaky(FakeWorld):
        def _measure(self, job):
            result = super()._measure(job)
            fails = job.stage != "calibrate" and lots_of("flaky", job.run).random() < 0.04
            return type(result)(job, outcome="crash", reason="no memory just now") if fails else result

    night = Night(Flaky(3, referee_world), measure_slots=1).go(runs=800)
    assert night.lab.state.counts["keep"] and not night.lab.problem
    for event in vetoes(night):
        assert not event.fails


# ---- a baseline that fails now and then ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_baseline_that_crashes_one_time_in_three_is_calibrated_on_other_seeds(seed):
    night = Night(FakeWorld(seed, referee_world, baseline=THIRD), measure_slots=1).go(runs=150)
    state, known = night.lab.state, night.lab.state.known
    assert state.calibrated and not night.lab.problem and not vetoes(night)
    assert all(known.of("c0")[s] for s in known.calibration) and len(known.calibration) == CALIBRATION
    assert 0.2 < known.may_fail < 0.75 and state.counts["crash"] <= 1


def test_without_the_key_the_calibration_is_read_from_the_record():
    night = Night(FakeWorld(2, referee_world, baseline=THIRD), measure_slots=2).go(runs=40)
    assert any(not r.metrics for r in night.runs if r.stage == "calibrate")
    lab = Lab(State())
    for event in night.events:
        lab.apply(event)
        if lab.state.opened and lab.state.known.secret is not None:
            lab.state._known = type(lab.state.known)("c0", lab.state.track, None)
    assert sorted(lab.state.known.calibration) == sorted(night.lab.state.known.calibration) and lab.state.calibrated


def test_the_failures_of_the_baseline_are_said():
    night = Night(FakeWorld(2, referee_world, baseline=THIRD), measure_slots=1).go(runs=150)
    found = track(night.lab.state)
    assert 0 < found.baseline_failed < found.baseline_tried == len(night.lab.state.known.of("c0"))
    assert f"The baseline itself failed on {found.baseline_failed} of {found.baseline_tried} seeds" in "".join(effort(found))


def test_a_candidate_that_repairs_the_crashes_is_kept_and_one_that_fails_far_more_often_is_a_crash():
    mended = Night(FakeWorld(1, partial(always, Idea(gain=3.0, mends=True)), baseline=THIRD), measure_slots=1).go(experiments=1)
    assert mended.lab.state.experiments[1].verdict == "keep"
    others = Night(FakeWorld(1, partial(always, Idea(crashes=1 / 3, mends=True)), baseline=THIRD), contract=ONE,
                   measure_slots=1).go(experiments=30)
    assert others.lab.state.counts["crash"] <= 4 and not others.lab.problem
    worse = Night(FakeWorld(1, partial(always, Idea(gain=3.0, crashes=0.95)), baseline=THIRD), contract=ONE,
                  measure_slots=1).go(experiments=10)
    assert worse.lab.state.counts["crash"] == 10


def test_a_baseline_that_always_fails_ends_the_night_with_its_reason_after_five_runs():
    night = Night(FakeWorld(0, baseline=Idea(outcome="timeout")), measure_slots=1).go(experiments=5)
    assert night.lab.problem == "the baseline fails: it ended with timeout" and len(night.runs) == 5
    assert sentence(night.lab.state, night.runs[0]).endswith("which is left out: it ended with timeout")


def test_a_program_that_runs_on_one_seed_alone_ends_the_night_with_a_sentence():
    class One(FakeWorld):
        only = None

        def _measure(self, job):
            self.only = job.seed if self.only is None else self.only
            result = super()._measure(job)
            return result if job.seed == self.only else type(result)(job, outcome="crash", reason="no such fold")

    night = Night(One(0), measure_slots=1).go(experiments=5)
    assert night.lab.problem == "the baseline fails on more than half of its seeds (8 of 9): no such fold"
    assert len(night.runs) < 12


def test_a_baseline_that_never_runs_twice_on_a_seed_ends_the_night_with_a_sentence():
    class Once(FakeWorld):
        seen = set()

        def _measure(self, job):
            result, again = super()._measure(job), job.seed in self.seen
            self.seen.add(job.seed)
            return type(result)(job, outcome="crash", reason="a lock is left") if again else result

    night = Night(Once(0), measure_slots=1).go(experiments=5)
    assert night.lab.problem.startswith("the baseline fails on") and len(night.runs) < 60


# ---- runs that scatter -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [5, 6])
def test_a_keep_scatters_no_more_than_twice_as_much_as_the_baseline(seed):
    night = Night(FakeWorld(seed, partial(always, Idea(gain=40.0, spread=12.0))), contract=ONE, measure_slots=1).go(experiments=6)
    experiments = night.lab.state.experiments.values()
    wide = [e for e in experiments if e.reason.startswith("its runs scatter too much: a standard deviation of ")]
    assert wide and not night.lab.state.counts["keep"]
    for e in wide:
        assert e.verdict == "discard" and "is allowed" in e.reason and e.found is None


@pytest.mark.parametrize("seed", [5, 6])
def test_a_gain_far_beyond_its_own_scatter_is_kept_for_what_hardly_learns_scatters_little(seed):
    night = Night(FakeWorld(seed, partial(always, Idea(gain=60.0, spread=5.0))), contract=ONE, measure_slots=1).go(experiments=1)
    assert night.lab.state.experiments[1].verdict == "keep"


def test_what_stands_on_a_keep_that_earned_to_scatter_is_bounded_by_that_one():
    """A baseline that hardly learns scatters little; what is better than the first that learns scatters as that does."""
    night = Night(FakeWorld(5, one_after_another(Idea(gain=60.0, spread=6.0), Idea(gain=20.0))), contract=ONE, measure_slots=1).go(experiments=3)
    state = night.lab.state
    assert [e.verdict for e in state.experiments.values()] == ["keep"] * 3
    mine, usual = (math.sqrt(squares / freedom) for freedom, squares in (state.known.usual, noise.spread(state.known.numbers("c0"))))
    assert mine > 2 * usual
    for number in (3, 2, 1):
        night._record(night.lab.hear(Veto(f"r{number}", number, "no"), night.now))
    assert state.known.usual == noise.spread(state.known.numbers("c0"))


def test_small_steps_of_scatter_do_not_add_up():
    night = Night(FakeWorld(4, partial(always, Idea(gain=8.0, spread=1.5))), contract=ONE, measure_slots=1).go(experiments=30)
    state, world = night.lab.state, night.world
    assert 2 <= state.counts["keep"] < 8 and world._spread(state.commit) < 8
    assert any(e.reason.startswith("its runs scatter too much") for e in state.experiments.values())


def test_a_baseline_of_one_number_bounds_no_scatter():
    class Dummy(FakeWorld):
        def value(self, commit, seed):
            return 10.0 if commit == "c0" else super().value(commit, seed)

    night = Night(Dummy(1, partial(always, Idea(gain=5.0)), level=10.0), contract=ONE, measure_slots=1).go(experiments=1)
    assert night.lab.state.known.one_number and night.lab.state.experiments[1].verdict == "keep"


# ---- numbers that all but agree, and numbers that begin to differ ----------------------------------------------


def test_numbers_that_differ_by_rounding_alone_show_no_improvement():
    night = Night(FakeWorld(5, sigma=1e-14, level=0.3), measure_slots=1).go(experiments=60)
    assert night.lab.state.counts["keep"] == 0 and night.lab.state.calibrated and not night.lab.problem
    better = Night(FakeWorld(5, partial(always, Idea(gain=1e12)), sigma=1e-14, level=0.3), measure_slots=1).go(experiments=1)
    assert better.lab.state.experiments[1].verdict == "keep"


class Later(FakeWorld):
    """One number on all seeds, until so many runs were made; then new seeds differ. A seed keeps its number."""

    begins, firm = 60, None

    def value(self, commit, seed):
        self.firm = self.firm if self.firm is not None else {}
        varies = self.firm.setdefault((commit, seed), self.measured > self.begins)
        return self.level - self.sigma * self.worth[commit] + (0.3 * self._luck("c0", seed) if varies else 0.0)


def test_a_metric_that_is_constant_for_an_hour_and_then_is_not_is_taken_for_a_noisy_one():
    night = Night(Later(3, lambda lots: Idea(gain=lots.choice((0.0, -1.0, 1.0)))), measure_slots=1).go(runs=40)
    assert night.lab.state.known.kind.name == "deterministic"
    night.go(runs=200)
    assert night.lab.state.known.kind.name == "noisy" and not night.lab.problem
    keeps = [e for e in night.lab.state.experiments.values() if e.verdict == "keep"]
    assert keeps and all(night.world.gain(e.commit, e.base_commit) > 0 for e in keeps)


def test_a_seed_that_gives_another_number_to_the_same_code_is_a_changed_machine():
    class Changed(FakeWorld):
        def value(self, commit, seed):
            return self.level - self.worth[commit] + (0.1 if self.measured > 70 else 0.0)

    night = Night(Changed(3, level=5.0), measure_slots=1).go(runs=400)
    assert night.lab.problem.startswith("the frontier no longer reproduces its own numbers")


