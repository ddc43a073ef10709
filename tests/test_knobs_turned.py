"""Which changes of others do nothing but turn knobs."""

import pytest

from overnight.contracts import Change, Past, Point, turns
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.turned import noted
from test_knobs_explore import LATE, RISE, SOURCE, change

FILES = {"train.py": SOURCE, "settings.yaml": "rate: 0.1\n", "notes.txt": "RATE = 0.1\n"}


def turned(new, path="train.py", note=None):
    found = noted(FILES, Change({path: new}, "a mind's", note or {}))
    return {name.partition(":")[2]: pair for name, pair in found.note.get("set", {}).items()}


def test_knobs_that_were_turned_are_named_with_both_values():
    assert turned(SOURCE.replace("RATE = 0.1", "RATE = 0.3").replace('"a"', '"b"')) == {"RATE": [0.1, 0.3], "NORM": ["a", "b"]}


def test_comments_and_blanks_may_change_with_them():
    new = SOURCE.replace("RATE = 0.1  # knob: log 1e-3..10", "# faster\nRATE  =  0.3  # knob: log 1e-3..10")
    assert turned(new) == {"RATE": [0.1, 0.3]}


@pytest.mark.parametrize("new", [
    SOURCE.replace("RATE = 0.1", "RATE = 0.3").replace("return RATE,", "return RATE * 2,"),
    SOURCE.replace("WIDTH = 4", "WIDTH = MIX = 4"),
    SOURCE + "\nMORE = 3.0\n",
    SOURCE.replace("MIX = 0.5  # knob: linear 0..1\n", ""),
    SOURCE + "\n# only a comment\n",
    "RATE = \n",
    None,
], ids=["code too", "another structure", "one more", "one less", "nothing", "no Python", "deleted"])
def test_whatever_else_was_changed_is_no_turn(new):
    assert turned(new) == {}


def test_other_files_and_other_notes_stay_as_they_are():
    assert turned("RATE = 0.3\n", "notes.txt") == {} and turned("RATE = 0.3\n", "new.py") == {}
    assert turned(SOURCE.replace("RATE = 0.1", "RATE = 0.3"), note={"kind": "mutation"}) == {}
    kept = noted(FILES, Change({"train.py": SOURCE.replace("RATE = 0.1", "RATE = 0.3")}, "a mind's", {"refused hosts": ["a"]}))
    assert kept.note["refused hosts"] == ["a"] and kept.note["set"]


@pytest.mark.parametrize("terms", [300, 900, 1500, 2500, 5000])
def test_a_file_that_is_nested_too_deeply_is_read_line_by_line(terms):
    deep = SOURCE.replace("return RATE,", "return " + "+".join(["RATE"] * terms) + ",")
    asked = Change({"train.py": deep.replace("RATE = 0.1", "RATE = 0.2")}, "a mind's")
    assert noted({"train.py": deep}, asked).note["set"]["train.py:RATE"] == [0.1, 0.2]
    assert change([], source=deep).probe


def test_a_bad_comment_is_no_turn_and_no_fault():
    files = {"train.py": "RATE = 0.1  # knob: nonsense 3\n"}
    asked = Change({"train.py": "RATE = 0.2  # knob: nonsense 3\n"}, "a mind's")
    assert noted(files, asked) == asked


def test_what_another_raced_is_a_point_and_blocks_no_claim():
    knobs = {knob.label: knob for knob in find({"train.py": SOURCE})}
    note = {"set": {knobs["RATE"].id: [0.1, 0.8]}}
    raced = Point(0, note, tuple((10 + run, 0.4) for run in range(5)))
    open_still = Past(1, 0, "mind", "open", "a mind's", 0.6, 10, note=note)
    for seed in range(8):
        found = change([raced], seed=seed, history=[open_still])
        pairs = {name.partition(":")[2]: pair[1] for name, pair in found.note["set"].items()}
        assert found.probe and pairs != {"RATE": 0.8} and pairs.get("RATE", 0.1) > 0.1
    assert not change(RISE, runs=LATE, history=[open_still]).probe


@pytest.mark.parametrize("strange", [{"lr": 0.3}, {"lr": []}, {"lr": [0.1, [1]]}, "no mapping", None, {"lr": [None, 1.0]}])
def test_a_note_that_is_anothers_own_affair_is_no_turn(strange):
    past = Past(1, 0, "mind", "discard", "a mind's", 0.6, 10, note={"set": strange})
    assert turns(past.note) == {}
    assert change(RISE, runs=LATE, history=[past]).note["set"] == change(RISE, runs=LATE).note["set"]


def test_points_of_knobs_that_are_gone_say_nothing_of_the_frontier():
    gone = Point(0, {"set": {"train.py:GONE": [1.0, 2.0]}}, ((0, -50.0), (1, -50.0)))
    assert change([gone], seed=3).note["set"] == change([], seed=3, made=1).note["set"]
