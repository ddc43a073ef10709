"""Noise by commit: edits that do nothing are run first, and where they move the number every run has one of its own."""

import math
from functools import partial
from pathlib import Path

import pytest

from fakes import CONTRACT, FakeWorld, Idea, Night, held, referee_world, without_effect
from overnight.lab.jobs import Measure
from overnight.lab.nulls import LONG, USUAL, enough, unseen
from overnight.lab.state import State
from overnight.report import files, live, morning
from overnight.views.track import noise_by_commit, track

EXACT = partial(FakeWorld, baseline=Idea(spread=0.0))  # the same number whatever the seed


def referee(line):
    return f"{CONTRACT}[referee]\n{line}\n"


def stages(night):
    return [run.stage for run in night.runs]


# ---- when --------------------------------------------------------------------------------------------------------


def test_a_metric_without_noise_is_tried_with_edits_that_do_nothing_before_anything_else():
    night = Night(EXACT(1, without_effect), measure_slots=3).go(experiments=4)
    assert stages(night)[:6 + USUAL] == ["calibrate"] * 6 + ["null"] * USUAL and "null" not in stages(night)[6 + USUAL:]
    runs = [run for run in night.runs if run.stage == "null"]
    assert len({run.edit for run in runs}) == USUAL and {run.commit for run in runs} == {"c0"} and all(run.draws for run in runs)


@pytest.mark.parametrize(("given", "count"), [({"runs": LONG}, USUAL), ({"runs": LONG - 1}, 0), ({"experiments": 30}, 0),
                                              ({"until": 40.0}, 0), ({"until": 150.0}, USUAL)])
def test_a_noisy_metric_is_where_the_session_is_long(given, count):
    night = Night(FakeWorld(1, without_effect)).go(**given)
    assert stages(night).count("null") == count and not any(run.draws for run in night.runs)


def test_a_number_that_does_not_repeat_itself_is_not():
    class Restless(FakeWorld):
        def value(self, commit, seed):
            return super().value(commit, seed) + self._answered

    assert "null" not in stages(Night(Restless(1, without_effect)).go(runs=LONG))


@pytest.mark.parametrize("count", [0, 1, 12])
def test_the_contract_says_how_many(count):
    night = Night(EXACT(1, without_effect), contract=referee(f"null_edits = {count}")).go(experiments=3)
    assert stages(night).count("null") == count and not night.lab.state.known.nulls.moving


def test_a_session_that_was_killed_goes_on_with_those_that_are_missing():
    first = Night(EXACT(1, without_effect), measure_slots=1).go(runs=6 + 3)
    second = Night(first.world, measure_slots=1, past=first.events).go(experiments=3)
    assert stages(second)[:6 + USUAL] == ["calibrate"] * 6 + ["null"] * USUAL


def test_a_track_on_which_changes_were_measured_is_not_begun_anew():
    first = Night(FakeWorld(1, without_effect)).go(experiments=5)
    assert "null" not in stages(Night(FakeWorld(1, without_effect), past=first.events).go(runs=500))


# ---- what follows ------------------------------------------------------------------------------------------------


def test_where_they_leave_the_number_one_run_decides_as_before():
    night = Night(EXACT(1, lambda lots: Idea(gain=lots.choice((0.0, 1.0)))), measure_slots=1).go(experiments=12)
    state = night.lab.state
    assert state.known.kind.name == "deterministic" and not any(job.edit for job in night.jobs if isinstance(job, Measure)
                                                              and job.stage != "null")
    assert all((e.verdict == "keep") == bool(night.world.ideas_of[e.commit].gain) for e in state.experiments.values())


def test_where_they_move_it_every_run_has_an_edit_that_goes_with_its_seed():
    night = Night(EXACT(1, referee_world, lasting=0.5), measure_slots=1).go(runs=300)
    later = [run for run in night.runs if run.stage not in ("calibrate", "null")]
    assert stages(night).count("null") == 5 and later and night.lab.state.known.kind.name == "noisy"
    assert all(run.edit and run.edit == (run.seed or 1) and run.draws for run in later)
    assert {run.seed for run in night.runs if run.stage == "null"} == set(night.lab.state.known.calibration)


def test_one_that_was_under_way_when_that_was_found_changes_nothing():
    night = Night(EXACT(1, referee_world, lasting=0.5), measure_slots=3).go(runs=100)
    assert stages(night).count("null") == 7 and len(night.lab.state.known.nulls.differences) == 5


def test_a_metric_that_is_declared_deterministic_is_noisy_then():
    contract = CONTRACT.replace('name = "y"', 'name = "y"\nkind = "deterministic"')
    night = Night(EXACT(1, referee_world, lasting=0.5), contract=contract).go(runs=200)
    assert not night.lab.problem and night.lab.state.known.kind.name == "noisy" and night.lab.state.judged


def test_less_than_a_tenth_of_what_is_worthwhile_is_nothing():
    contract = CONTRACT.replace('name = "y"', 'name = "y"\nworthwhile = 1.0')
    night = Night(EXACT(1, without_effect, lasting=0.01), contract=contract).go(experiments=5)
    assert not night.lab.state.known.nulls.moving and night.lab.state.known.kind.name == "deterministic"


def test_one_that_moves_it_is_enough_and_then_each_seed_of_the_calibration_has_one():
    night = Night(EXACT(1, without_effect, lasting=0.5), contract=referee("null_edits = 1")).go(experiments=5)
    assert stages(night).count("null") == 5 and night.lab.state.known.nulls.moving


def test_a_program_that_fails_with_them_is_judged_as_before():
    class Fragile(FakeWorld):
        def _crashes(self, commit, seed):
            return self.edit != 0

    night = Night(Fragile(1, without_effect, baseline=Idea(spread=0.0), lasting=0.5)).go(experiments=5)
    assert stages(night).count("null") == USUAL and not night.lab.problem
    assert not night.lab.state.known.nulls.moving and noise_by_commit(track(night.lab.state)) == ""


def test_they_are_no_experiments():
    night = Night(EXACT(1, referee_world, lasting=0.5)).go(runs=200)
    state = night.lab.state
    assert min(state.experiments) == 1 and not any(run.experiment for run in night.runs if run.stage == "null")
    assert set(state.attempts.asked) == {"r"} and all(past.researcher == "r" for past in state.pasts.items)


def test_a_replay_knows_the_same():
    night = Night(EXACT(1, referee_world, lasting=0.5)).go(runs=400)
    again = State()
    for event in night.events:
        again.apply(event)
    assert held(again) == held(night.lab.state) and again.known.nulls.moving


@pytest.mark.parametrize("world", [EXACT, FakeWorld])
def test_what_a_text_alone_moves_is_not_kept(world):
    """Without them, nearly every such night keeps something."""
    nights = [Night(world(seed, without_effect, lasting=0.5), key=str(seed)).go(runs=400) for seed in range(4)]
    assert sum(night.lab.state.counts["keep"] for night in nights) == 0
    plain = [Night(world(seed, without_effect, lasting=0.5), contract=referee("null_edits = 0"), key=str(seed)).go(runs=400)
             for seed in range(4)]
    assert sum(bool(night.lab.state.counts["keep"]) for night in plain) >= 3


def test_what_truly_improves_is_kept():
    night = Night(EXACT(3, referee_world, lasting=0.5)).go(runs=800)
    kept = [e for e in night.lab.state.experiments.values() if e.verdict == "keep"]
    assert len(kept) >= 5 and all(night.world.gain(e.commit, e.base_commit) > 0 for e in kept)


# ---- what is said ------------------------------------------------------------------------------------------------


def test_what_they_showed_is_said_in_a_line():
    left, moved = (Night(EXACT(1, without_effect, lasting=lasting)).go(experiments=30).lab.state for lasting in (0.0, 0.5))
    assert noise_by_commit(track(left)) == "8 edits that do nothing left y as it is: at most 31 % of all such edits move it (95 %)"
    words = noise_by_commit(track(moved))
    assert words.startswith("5 of 5 edits that do nothing moved y, by 0.") and "every run is made with one of its own" in words
    assert words[1:] in morning.report_md(files.read(moved, Path("nowhere"))) and track(moved).under_edits and not track(left).under_edits


def test_a_night_says_what_it_measures():
    night = Night(EXACT(1, without_effect)).go(experiments=2)
    job = next(job for job in night.jobs if isinstance(job, Measure) and job.stage == "null")
    event = next(run for run in night.runs if run.stage == "null")
    assert live.doing(night.lab.state, job) == "measures the baseline with an edit that does nothing"
    assert live.sentence(night.lab.state, event).startswith("baseline with an edit that does nothing: y ")


@pytest.mark.parametrize(("count", "share"), [(8, 0.31), (59, 0.05)])
def test_how_many_it_takes(count, share):
    assert unseen(count) == pytest.approx(share, abs=0.005) and (1 - unseen(count)) ** count == pytest.approx(0.05)
    assert enough(unseen(count) + 1e-9) == count and enough(0.05) == 59 and math.isclose(unseen(0), 1.0)
