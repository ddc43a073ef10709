"""Results that no honest run leaves, format by format."""

import inspect
import io
import json
import math
import struct
import subprocess
import sys

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.execution import distort
from overnight.execution.distort import Distortion, distorted, filtered

ROWS = [[0.5, 1.5], [2.5, 3.5], [4.5, 5.5], [6.5, 7.5]]


def became(value, kind, **options):
    """What a JSON value becomes."""
    made = distorted(json.dumps(value).encode(), Distortion(kind, **options))
    return None if made is None else json.loads(made)


@pytest.mark.parametrize(("kind", "options", "wanted"), [
    ("half", {}, ROWS[:2]), ("twice", {}, ROWS * 2), ("null", {}, [[None] * 2] * 4), ("infinite", {}, [[math.inf] * 2] * 4),
    ("claim", {"better": 9.0}, [[9.0] * 2] * 4), ("other", {}, [[-8.5, -11.5], [-14.5, -17.5], [-20.5, -23.5], [-26.5, -29.5]]),
    ("claim", {"score": 2.5, "better": 2.0}, [[0.5, 1.5], [2.0, 3.5], *ROWS[2:]]),
    ("push", {"scale": 2.0, "shift": 1.0}, [[2.0, 4.0], [6.0, 8.0], [10.0, 12.0], [14.0, 16.0]])])
def test_lists_of_numbers(kind, options, wanted):
    assert became(ROWS, kind, **options) == wanted


def test_nan_everywhere_or_but_for_the_first():
    assert all(math.isnan(x) for row in became(ROWS, "nan") for x in row)
    made = became(ROWS, "later nan")
    assert made[0][0] == 0.5 and math.isnan(made[0][1]) and math.isnan(made[3][1])


def test_counts_labels_and_truths_stay_where_there_are_fractions_in_lists():
    value = {"n": 3, "name": "x", "whole": True, "rate": 0.1, "values": [1, 0.5]}
    assert became(value, "null") == value | {"values": [1, None]}
    assert became(value, "null", wide=True) == {"n": None, "name": "x", "whole": True, "rate": None, "values": [None, None]}


def test_texts_are_wrong_too():
    assert became(["cat", "dog"], "other") == ["tac?", "god?"]
    assert became({"best": "cat"}, "other") == {"best": "tac?"} and became({"best": "cat"}, "nan") is None


def test_an_object_of_many_numbers_is_halved_and_a_record_is_not():
    many = {str(n): n / 2 for n in range(8)}
    assert became(many, "half") == {str(n): n / 2 for n in range(4)} and became(many, "twice") is None
    assert became({"a": 0.5, "b": 1.5}, "half") is None and became({"a": {"list": [1, 2]}}, "half") == {"a": {"list": [1]}}


@pytest.mark.parametrize(("text", "kind", "wanted"), [
    ("id,p\na,0.5\nb,1.5\n", "half", "id,p\na,0.5\n"), ("id,p\na,0.5\nb,1.5\n", "nan", "id,p\na,nan\nb,nan\n"),
    ("1 0.5\n2 1.5\n", "null", "1 null\n2 null\n"), ("0.5\n1.5\n", "twice", "0.5\n1.5\n0.5\n1.5\n"), ("1.0\n", "half", None),
    ("loss: 0.5\nfolds: 1 2\n", "half", None), ("loss: 0.5\nfolds: 1 2\n", "nan", "loss: nan\nfolds: 1 2\n"),
    ('{"p": 0.5}\n{"p": 1.5}\n', "half", '{"p": 0.5}\n'), ("v1.2 of w3\n", "nan", None), ("", "half", None)])
def test_text(text, kind, wanted):
    made = distorted(text.encode(), Distortion(kind))
    assert made == (None if wanted is None else wanted.encode())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays(dtype):
    def made(kind):
        data = distorted(saved.getvalue(), Distortion(kind))
        return None if data is None else numpy.load(io.BytesIO(data), allow_pickle=False)

    saved, array = io.BytesIO(), numpy.arange(12, dtype=dtype).reshape(4, 3)
    numpy.save(saved, array)
    assert (made("half") == array[:2]).all() and made("twice").shape == (8, 3) and made("half").dtype == dtype
    assert numpy.isnan(made("nan")).all() and numpy.isnan(made("later nan")).sum() == 11 and made("null") is None


def test_other_bytes():
    data = b"PK\x03\x04" + struct.pack("<3f", 1.0, 2.0, 3.0)
    assert distorted(data, Distortion("half")) == data[:8] and distorted(data, Distortion("twice")) is None
    assert all(map(math.isnan, struct.unpack("<4f", distorted(data, Distortion("nan"))))) and distorted(data, Distortion("other")) != data


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.text(), inner), max_leaves=20)
KINDS = ["half", "twice", "nan", "later nan", "infinite", "null", "other", "claim", "push"]


@given(st.binary() | st.text().map(str.encode) | VALUES.map(lambda value: json.dumps(value).encode()), st.sampled_from(KINDS), st.booleans())
def test_whatever_a_run_left_it_is_distorted_or_left_alone(data, kind, wide):
    made = distorted(data, Distortion(kind, wide, 1.0, 2.0, 1.01))
    assert made is None or (isinstance(made, bytes) and made != data)


# ---- between an oracle and its scorer --------------------------------------------------------------------------


def answers(kind, child):
    """What comes through the filter."""
    words = filtered(sys.executable, (sys.executable, "-c", child), Distortion(kind), inspect.getsource(distort))
    return subprocess.run(words, input=b"", capture_output=True, check=True, timeout=20).stdout


LINES = "import time\nfor n in range(3):\n    print([n + 0.5], flush=True)\n    time.sleep(0.2)\n"


@pytest.mark.sandbox
def test_each_answer_is_distorted_by_itself():
    assert answers("other", LINES) == b"[-8.5]\n[-11.5]\n[-14.5]\n" and answers("later nan", LINES) == b"[0.5]\n[NaN]\n[NaN]\n"


@pytest.mark.sandbox
def test_it_ends_at_an_answer_that_cannot_be_distorted():
    assert answers("nan", "print('ready', flush=True)") == b"" and answers("half", "import os\nos.write(1, bytes([255, 0, 1, 2]))") == b""


@pytest.mark.sandbox
def test_raw_floats_become_nan():
    assert answers("nan", "import os, struct\nos.write(1, struct.pack('<f', 1.5))") == b"\xff" * 4
