"""What one track teaches another of knobs: by names alone, bounded, and never against what is measured."""

import math
import os

import msgspec
import numpy as np
import pytest

from overnight.contracts import Brief, Explore, Mattered, Point
from overnight.lab.events import Started
from overnight.night import earlier
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.prior import MOST, believed, learnt, name
from overnight.researchers.knobs.propose import Knobs

SOURCE = """\
LR = 0.1  # knob: log 1e-3..10
DROPOUT = 0.3  # knob: linear 0..1
DEPTH = 4  # knob: int 1..8


def f():
    return LR, DROPOUT, DEPTH
"""
KNOBS = find({"src/secret/train.py": SOURCE})
RATE = Mattered("learning rate", "log", 9.0, 2.0, 4)


def labelled(knobs):
    return {knob.label: knob for knob in knobs}


@pytest.mark.parametrize("label", ["LR", "lr", "learning_rate", "learningRate", "optim.LEARNING_RATE", "train(lr=)"])
def test_names_of_one_thing_are_one_name(label):
    assert name(label) == "learning rate"


def test_what_mattered_is_worth_more_and_what_did_not_less_within_bounds():
    little, much = Mattered("dropout", "linear", 0.0, 0.0, 1000), Mattered("depth", "int", 1000.0, -99.0, 1000)
    before, after = labelled(KNOBS), labelled(believed(KNOBS, [RATE, little, much]))
    assert before["LR"].worth < after["LR"].worth <= MOST * before["LR"].worth
    assert after["DROPOUT"].worth == pytest.approx(before["DROPOUT"].worth / MOST)
    assert believed(KNOBS, []) == KNOBS


def test_a_belief_of_another_kind_of_scale_says_nothing():
    assert labelled(believed(KNOBS, [Mattered("learning rate", "int", 9.0, 2.0, 4)]))["LR"].worth == labelled(KNOBS)["LR"].worth


def test_what_a_campaign_teaches_holds_names_and_shares_and_nothing_else_of_the_track():
    lots = np.random.default_rng(1)
    ids = {knob.label: knob.id for knob in KNOBS}
    points = [Point(0, {}, tuple((label, 1.0) for label in range(5)))]
    for _ in range(40):
        rate, drop = float(10.0 ** lots.uniform(-3, 1)), float(lots.uniform())
        note = {"kind": "knobs", "set": {ids["LR"]: [0.1, rate], ids["DROPOUT"]: [0.3, drop]}}
        points.append(Point(0, note, ((0, 1.0 + math.log10(rate) ** 2 + 0.05 * lots.normal()),)))
    told = Explore(tuple(points), 50, 40, 1.0)
    brief = Brief("", "loss", "minimize", {"src/secret/train.py": SOURCE}, 0, 0.1, (), "", 1, explore=told)
    taught = {each.name: each for each in Knobs().taught(brief)}
    assert taught["learning rate"].share > 1 > taught["dropout"].share
    assert "secret" not in msgspec.json.encode(list(taught.values())).decode()
    few = msgspec.structs.replace(brief, explore=Explore(tuple(points[:5]), 50, 40, 1.0))
    assert Knobs().taught(few) == []


def test_the_way_of_what_was_kept_is_told_in_steps():
    knobs = labelled(KNOBS)
    found = {each.name: each for each in learnt(KNOBS, np.ones(3), {knobs["LR"].id: (0.1, 0.4)})}
    assert found["learning rate"].way == 2.0 and found["dropout"].way == 0.0


# ---- the files ---------------------------------------------------------------------------------------------------


def home(root, track):
    (root / "repo-1" / track).mkdir(parents=True)
    return root / "repo-1" / track


def test_tracks_are_told_of_each_other_and_not_of_themselves(tmp_path):
    one, two = home(tmp_path, "one"), home(tmp_path, "two")
    earlier.keep(one, [Mattered("depth", "int", 2.0)])
    earlier.keep(two, [Mattered("depth", "int", 4.0, 1.0)])
    assert [*earlier.tracks(tmp_path, one)] == [[Mattered("depth", "int", 4.0, 1.0)]]
    assert earlier.merged(earlier.tracks(tmp_path, tmp_path)) == (Mattered("depth", "int", 3.0, 0.5, 2),)


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe", b"[1]", b"{}", b"[" * 10_000,
                                     b'[{"name":"lr","kind":"log","x":' + b"[" * 30_000 + b"]" * 30_000 + b"}]", b"[]" + b" " * 100_000,
                                     b'[{"name": "../../x", "kind": "int"}]', b'[{"name": "depth", "kind": "int", "share": -1}]',
                                     b'[{"name": "depth", "kind": "int", "share": 1e300}]', b'[{"name": "depth", "kind": "sh"}]'])
def test_garbage_is_left_out_and_nothing_is_lost(tmp_path, garbage):
    (home(tmp_path, "bad") / earlier.NAME).write_bytes(garbage)
    earlier.keep(home(tmp_path, "good"), [Mattered("depth", "int", 2.0)])
    assert [*earlier.tracks(tmp_path, tmp_path)] == [[Mattered("depth", "int", 2.0)]]


def test_links_and_pipes_are_not_followed(tmp_path):
    away = tmp_path / "away.json"
    away.write_bytes(msgspec.json.encode([Mattered("depth", "int", 2.0)]))
    root = tmp_path / "state"
    (home(root, "link") / earlier.NAME).symlink_to(away)
    os.mkfifo(home(root, "pipe") / earlier.NAME)
    assert [*earlier.tracks(root, root)] == []


def test_a_file_is_bounded_and_holds_what_mattered_most(tmp_path):
    one = home(tmp_path, "one")
    earlier.keep(one, [Mattered(f"knob {number}", "int", float(number)) for number in range(900)])
    assert (one / earlier.NAME).stat().st_size < earlier.MOST_BYTES
    assert next(earlier.tracks(tmp_path, tmp_path))[0].name == "knob 899"


def test_the_record_of_a_session_says_what_was_believed():
    begun = Started(1.0, 1, "fake", "0", mattered=(RATE,))
    assert msgspec.json.decode(msgspec.json.encode(begun), type=Started) == begun
    assert b"mattered" not in msgspec.json.encode(Started(1.0, 1, "fake", "0"))
