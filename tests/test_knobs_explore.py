"""How knobs explore: what is run next, what is claimed and when, and what the surrogate learns."""

import os
import random
import statistics
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from overnight.contracts import Brief, Explore, Past, Point
from overnight.lab.experiment import Experiment, packed, remembered
from overnight.researchers.knobs import scales
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.parzen import drawn
from overnight.researchers.knobs.process import Process, Seen, Turns
from overnight.researchers.knobs.propose import Knobs
from overnight.researchers.knobs.space import Space

SOURCE = """\
RATE = 0.1  # knob: log 1e-3..10
WIDTH = 4  # knob: int 1..8
WEIGHT_DECAY = 0.1
MIX = 0.5  # knob: linear 0..1
NORM = "a"  # knob: choice a b c


def train():
    return RATE, WIDTH, WEIGHT_DECAY, MIX, NORM
"""
LATE = 5  # runs that are left, just enough for a claim
BASE = Point(0, {}, tuple((label, 1.0 + 0.05 * (-1) ** label) for label in range(5)))


def point(value, label=0, failed=0, open=False, guard_usage=None, **turned):
    knobs = {knob.label: knob for knob in find({"train.py": SOURCE})}
    note = {"kind": "knobs", "set": {knobs[name].id: [knobs[name].value, to] for name, to in turned.items()}}
    runs = () if value is None else ((label, value),)
    return Point(0, note, runs, failed, open, guard_usage)


def change(points, source=SOURCE, noise=0.1, seed=1, history=(), **explore):
    given = Explore((BASE, *points), **{"runs": 200, "made": len(points), "seconds": 1.0} | explore)
    return Knobs().propose(Brief("", "loss", "minimize", {"train.py": source}, 0, noise, history, "", seed, explore=given))


def turned(found):
    return {name.partition(":")[2]: pair[1] for name, pair in found.note["set"].items()}


RISE = [point(1.0 - 0.2 * step, step % 5, RATE=0.1 * 2.0**step) for step in (1, 2, 3)]
RISE += [point(1.0 - 0.2 * 3, label, RATE=0.8) for label in (0, 1, 2)]
JUMP = [point(0.2, label, RATE=0.8, WIDTH=6, MIX=0.8, NORM="b") for label in range(5)]


def test_what_is_next_is_a_probe_that_turns_a_knob_and_says_what_is_expected():
    found = change([])
    assert found.probe and turned(found) and len(found.note["expects"]) == 2
    assert "to learn from" in found.message


def test_a_lead_is_claimed_when_what_is_left_is_just_enough_to_prove_it_and_not_before():
    late, early = change(RISE, runs=LATE), change(RISE, runs=200)
    assert not late.probe and turned(late) == {"RATE": 0.8} and early.probe


def test_what_matters_is_said_once_enough_was_run():
    by_rate, by_width = ([point(1.0 - 0.3 * gain, label, RATE=0.1 * 2.0**rate, WIDTH=width)
                          for label, (rate, width) in enumerate(product((-1, 1, 2, 3), (3, 5, 6)))
                          for gain in (rate if knob == "RATE" else width - 4,)] for knob in ("RATE", "WIDTH"))
    for shown, most in ((by_rate, "RATE"), (by_width, "WIDTH")):
        told = {name.partition(":")[2]: share for name, share in change(shown).note["matters"].items()}
        assert next(iter(told)) == most and sum(told.values()) <= 1.001
        assert list(told.values()) == sorted(told.values(), reverse=True) and "matters" not in change(shown[:3]).note


def test_what_is_no_better_is_not_claimed_at_the_end_either():
    assert change([point(1.0 + 0.1 * step, step % 5, RATE=0.1 * 2.0**step) for step in (1, 2, 3)], runs=LATE).probe


def test_what_was_refused_on_this_frontier_is_not_claimed_again():
    note = change(RISE, runs=LATE).note
    assert change(RISE, runs=LATE, history=[Past(1, 0, "knobs", "discard", "", 0.0, 4, note=note)]).note != note


def test_while_a_claim_is_open_there_is_no_other():
    past = Past(1, 0, "knobs", "open", "", None, 0, note=change(RISE, runs=LATE).note)
    assert change(RISE, runs=LATE, history=[past]).probe


def test_before_the_noise_is_known_nothing_is_claimed():
    assert change(RISE, runs=LATE, noise=None).probe


def test_where_nothing_is_left_to_run_the_lead_is_claimed():
    source = "FAST = False\n\n\ndef train():\n    return FAST\n"
    knob = find({"train.py": source})[0]
    point = Point(0, {"kind": "knobs", "set": {knob.id: [False, True]}}, tuple((label, 0.2) for label in range(5)))
    found = change([point], source)
    assert not found.probe and turned(found) == {"FAST": True}


def test_where_nothing_is_left_to_run_nothing_is_claimed_that_could_not_be_confirmed():
    source = "FAST = False\n\n\ndef train():\n    return FAST\n"
    note = {"kind": "knobs", "set": {find({"train.py": source})[0].id: [False, True]}}
    point = Point(0, note, tuple((label, 1.0 + 0.05 * (-1) ** label - 0.1) for label in range(5)))
    assert not change([point], source, noise=0.1).probe
    assert change([point], source, noise=1.0) is None


def test_without_noise_no_configuration_is_run_twice_and_what_crashes_is_left_alone():
    points, seen = [point(None, failed=1, NORM="b")], [{"NORM": "b"}]
    for turn in range(25):
        found = change(points, noise=0.0, seed=turn, made=0)
        assert turned(found) not in seen
        seen.append(turned(found))
        points.append(Point(0, found.note, ((0, 1.0 + abs(turned(found).get("MIX", 0.5) - 0.7)),)))


def test_what_waits_is_not_proposed_again():
    first = change(RISE)
    second = change([*RISE, Point(0, first.note, open=True)])
    assert turned(first) != turned(second)


def test_what_breaks_a_guard_is_not_claimed_however_good_it_is():
    heavy = [point(1.0 - 0.1 * width, label, guard_usage=0.6 * width / 4, WIDTH=width) for width in (5, 6, 7, 8) for label in (0, 1)]
    free = [point(1.0 - 0.1 * width, label, WIDTH=width) for width in (5, 6, 7, 8) for label in (0, 1)]
    assert [turned(change(points, runs=LATE)) for points in (heavy, free)] == [{"WIDTH": 6}, {"WIDTH": 8}]


@pytest.mark.sandbox
def test_the_same_brief_gives_the_same_change_whatever_the_hashes():
    script = "import sys; sys.path[:0] = sys.argv[1:]; import test_knobs_explore as t; print(t.change(t.JUMP, runs=t.LATE), t.change(t.RISE))"
    words = [sys.executable, "-c", script, str(Path(__file__).parent), str(Path(scales.__file__).parents[3])]
    said = {subprocess.run(words, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
            for seed in ("1", "2", "3")}
    assert len(said) == 1


def test_a_title_names_three_knobs_and_the_text_all():
    found = change(JUMP, runs=LATE)
    title, _, rest = found.message.partition("\n")
    assert not found.probe and title.count("->") == 3 and "and 1 more" in title and rest.count("->") == 4


@pytest.mark.parametrize("source", [f"BIG = {'9' * 400}\nRATE = 0.1\n\n\ndef f():\n    return BIG, RATE\n", SOURCE])
@pytest.mark.parametrize("note", [{"kind": "knobs", "set": {"train.py:RATE": [0.1, None]}}, {"kind": "knobs", "set": {"train.py:X": 3}},
                                  {"kind": "mutation", "id": "?"}])
def test_strange_constants_and_notes_do_no_harm(source, note):
    assert change([Point(0, note, ((0, 0.5),), guard_usage=0.0), Point(0, {}, (), 3)], source).probe


# ---- the space ---------------------------------------------------------------------------------------------------


def test_the_values_worth_a_try_lie_between_the_bounds_with_the_present_one_and_zero_for_a_regulariser():
    space = Space(find({"train.py": SOURCE}))
    by_name = {knob.label: values for knob, values in zip(space.knobs, space.values, strict=True)}
    for knob, values in zip(space.knobs, space.values, strict=True):
        assert knob.value in values and len(set(values)) == len(values)
        assert knob.scale.kind == "choice" or (values == sorted(values) and values[0] >= min(knob.scale.low, 0.0))
    assert by_name["WEIGHT_DECAY"][0] == 0.0 and by_name["RATE"][0] == 0.001 and by_name["RATE"][-1] == 10
    assert by_name["WIDTH"] == list(range(1, 9)) and space.config(space.home) == {}


def test_places_and_configurations_are_each_other():
    space, lots = Space(find({"train.py": SOURCE})), random.Random(1)
    for _ in range(50):
        places = tuple(lots.randrange(len(values)) for values in space.values)
        assert space.places(space.config(places)) == places
        assert np.allclose(space.at(places), space.row(space.config(places)))


# ---- the surrogate -------------------------------------------------------------------------------------------------


def seen(effect, count=60, noise=0.1, seed=1):
    lots = np.random.default_rng(seed)
    at = lots.uniform(0, 8, (count, 4))
    values = np.array([effect(row) for row in at]) + noise * lots.normal(size=count)
    return Seen(at, values, lots.integers(0, 5, count), np.full(count, noise**2))


def fitted(effect, **given):
    model = Process(np.ones(4), np.ones(4, dtype=bool), np.full(4, 4.0))
    model.fit(seen(effect, **given))
    return model


def test_it_learns_which_knob_matters_and_what_to_expect():
    model = fitted(lambda row: -0.2 * (row[1] - 6) ** 2)
    assert int(np.argmax(model.variance)) == 1 and model.variance[1] > 5 * max(model.variance[[0, 2, 3]])
    at = np.array([[4.0, 6.0, 4.0, 4.0], [4.0, 1.0, 4.0, 4.0]])
    mean, deviation = model.expect(at)
    gain, doubt = model.difference(at[0], at[1])
    assert gain == pytest.approx(mean[0] - mean[1], abs=1e-3) and gain == pytest.approx(5.0, abs=0.6)
    assert 0 < doubt < 0.6 and (deviation > 0).all()


def test_all_turns_at_once_are_what_each_is_by_itself():
    model = fitted(lambda row: float(np.sin(row[0]) + row[1] * row[2] / 10))
    steps = [np.linspace(0, 8, 5 + knob) for knob in range(4)]
    turns, places = Turns(model, steps, np.array([0, 2, 3])), (1, 2, 3, 4)
    mean, deviation = turns.expect(places)
    rows = np.repeat([[each[place] for each, place in zip(steps, places, strict=True)]], len(mean), axis=0)
    rows[np.arange(len(mean)), turns.knob] = turns.step
    alone = model.expect(rows)
    assert np.allclose(mean, alone[0], atol=1e-6) and np.allclose(deviation, alone[1], atol=1e-6)


def test_a_seed_that_shifts_every_run_is_told_from_the_effects():
    lots = np.random.default_rng(3)
    at, seeds = lots.uniform(0, 8, (60, 4)), np.arange(60) % 5
    shift = np.array([2.0, -2.0, 1.0, -1.0, 0.0])
    values = -0.2 * (at[:, 1] - 6) ** 2 + shift[seeds] + 0.05 * lots.normal(size=60)
    found = []
    for labels in (seeds, np.full(60, -1)):
        model = Process(np.ones(4), np.ones(4, dtype=bool), np.full(4, 4.0))
        model.fit(Seen(at, values, labels, np.full(60, 0.25)))
        grid = np.array([[4.0, x, 4.0, 4.0] for x in np.linspace(0.5, 7.5, 15)])
        mean = model.expect(grid)[0]
        truth = -0.2 * (grid[:, 1] - 6) ** 2
        found.append(float(np.std(mean - mean.mean() - truth + truth.mean())))
    assert found[0] < 0.5 * found[1]


def test_what_is_imagined_takes_doubt_away_and_moves_no_mean():
    model = fitted(lambda row: -0.2 * (row[1] - 6) ** 2, count=12)
    at = np.array([[1.0, 7.0, 1.0, 7.0]])
    before = model.expect(at)
    model.imagine(at)
    after = model.expect(at)
    assert after[0] == pytest.approx(before[0], abs=0.05) and after[1] < before[1]


def test_draws_lie_where_good_points_are():
    lots = np.random.default_rng(1)
    rows = np.column_stack([lots.uniform(0, 8, 60), lots.integers(0, 3, 60)])
    values = -abs(rows[:, 0] - 6) - 2.0 * (rows[:, 1] != 2)
    steps = [np.linspace(0, 8, 17), np.arange(3.0)]
    found = [drawn(rows, values, steps, np.array([True, False]), lots) for _ in range(40)]
    near = sum(abs(steps[0][place] - 6) <= 1.5 for place, _ in found)
    assert near > 25 and sum(choice == 2 for _, choice in found) > 30


def test_means_of_many_are_what_each_is_by_itself_also_when_runs_repeat_a_configuration():
    lots = np.random.default_rng(2)
    at = np.repeat(lots.integers(0, 9, (20, 4)).astype(float), 3, axis=0)
    model = Process(np.ones(4), np.array([True, True, False, True]), np.full(4, 4.0))
    model.fit(Seen(at, np.sin(at[:, 0]) + (at[:, 2] == 3) + 0.1 * lots.normal(size=60), np.arange(60) % 3, np.full(60, 0.01)))
    rows = np.vstack([at[::3], lots.uniform(0, 8, (10, 4))])
    assert len(model.at) == 20 and np.allclose(model.means(rows), model.expect(rows)[0], atol=1e-8)


def test_among_very_many_knobs_the_one_that_matters_is_found():
    lots = np.random.default_rng(4)
    at = np.full((120, 300), 4.0)
    for row in at:
        row[lots.choice(300, size=20, replace=False)] = lots.uniform(0, 8, 20)
    at[:60, 217] = lots.uniform(0, 8, 60)
    model = Process(np.ones(300), np.ones(300, dtype=bool), np.full(300, 4.0))
    model.fit(Seen(at, -0.3 * (at[:, 217] - 6) ** 2 + 0.1 * lots.normal(size=120), np.arange(120) % 5, np.full(120, 0.01)))
    learnt = model.variance / model.prior
    assert int(np.argmax(learnt)) == 217 and learnt[217] > 25 > 5 > np.sort(learnt)[-2]  # all rounds looked at it


def test_a_claim_of_many_knobs_that_was_refused_is_not_made_again():
    names = [f"MIX_{number}" for number in range(60)]
    lines = [f"{name} = 0.5  # knob: linear 0..1" for name in names]
    source = "\n".join([*lines, "", "", "def train():", f"    return {', '.join(names)}", ""])
    ids = [knob.id for knob in find({"train.py": source})]
    much = Point(0, {"kind": "knobs", "set": {each: [0.5, 0.625] for each in ids}}, tuple((label, 0.2) for label in range(5)))
    claim = change([much], source, runs=LATE)
    assert not claim.probe and len(turned(claim)) == 60
    experiment = Experiment(1, 0, "b", "c", "knobs", claim.message, packed=packed(claim.note), verdict="discard")
    refused = remembered(experiment)
    for past in (refused, replace(refused, note={})):  # which a note that is longer still would be
        assert change([much], source, runs=LATE, history=[past]).note != claim.note


def test_where_nothing_stands_out_all_is_tried_and_what_stands_out_is_followed():
    """A default that learns nothing: whatever is turned gives the same number but for noise."""
    flat = [point(1.0 + 0.04 * (-1) ** step, step % 5, RATE=0.1 * 1.2**step) for step in range(1, 7)]
    draws = [turned(change(flat, seed=seed, noise=0.1)) for seed in range(12)]
    assert len({value for each in draws for value in [each.get("RATE", 0.1)]}) > 6
    assert statistics.fmean(len(each) for each in draws) > 3
    found = [*flat, *(point(0.2, label, RATE=1.6, MIX=0.8) for label in range(3))]
    assert all(turned(change(found, seed=seed, noise=0.1)).get("RATE", 0.1) > 0.3 for seed in range(4))
