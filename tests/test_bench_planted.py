"""The planted edits: they apply, they parse, they combine, and each has its record."""

import ast
import math
import sys
from collections import Counter

import pytest

from bench.planted import measure

FOUND = measure.planted()
EDITS = FOUND["edits"]
REAL = [edit for edit in EDITS if edit["kind"] == "real"]
NULL = [edit for edit in EDITS if edit["kind"] != "real"]


def test_there_are_thirty_and_ten():
    assert Counter(edit["kind"] for edit in EDITS) == {"real": 10, "noise": 15, "rounding": 8, "nothing": 7}
    assert len({edit["name"] for edit in EDITS}) == len({edit["title"] for edit in EDITS}) == 40


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit["name"])
def test_an_edit_applies_and_parses(edit):
    text = measure.apply(measure.baseline(), edit)
    assert text is not None and text != measure.baseline()
    ast.parse(text)


def test_the_real_ones_combine_and_every_other_one_applies_on_top():
    together = measure.apply_all(measure.baseline(), REAL)
    ast.parse(together)
    assert measure.apply_all(measure.baseline(), REAL[::-1]) == together
    for edit in NULL:
        ast.parse(measure.apply(together, edit))


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit["name"])
def test_an_edit_has_its_record(edit):
    record = edit["record"]
    assert record["seeds"] == 200
    if edit["kind"] == "real":
        assert record["effect"] >= 0.015 and record["effect"] > 10 * record["error"]
        assert edit["cpu"] <= 1.25 and edit["on_top"]["seeds"] == 50
    elif edit["kind"] == "noise":
        assert record["spread"] > 0.005 and abs(record["effect"]) < 4 * record["error"]
    else:
        assert abs(record["effect"]) <= (0 if edit["kind"] == "nothing" else 0.001)
        assert edit["kind"] == "rounding" or record["spread"] == 0


def test_the_quicker_gradients_are_the_same_numbers(monkeypatch):
    monkeypatch.syspath_prepend(str(measure.HERE))
    monkeypatch.syspath_prepend(str(measure.TRACK))
    monkeypatch.setattr(sys, "path", list(sys.path))
    edited = measure.apply_all(measure.baseline(), REAL)
    quick, plain = measure.load(edited), measure.load(edited.replace("class Value:", "class Value:\n    mark = None\n"))
    assert quick["Value"] is not plain["Value"]
    for module in (quick, plain):
        module["TRAIN_WORDS"] = 14
    assert quick["train"](3) == plain["train"](3)
    for name in ("engine", "wordlist"):
        sys.modules.pop(name, None)


def test_the_same_program_is_asked_for_once():
    base = measure.baseline()
    assert measure.identity(base + "\n# a comment\n") == measure.identity(base)
    assert measure.identity(base.replace("N_EMBD = 8", "N_EMBD = 10")) != measure.identity(base)
    assert math.isclose(FOUND["baseline"]["mean"], 3.81, abs_tol=0.03)
