"""What the finder takes for a knob, what it leaves alone, and what it calls each."""

import pytest

from overnight.errors import TrackError
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.knob import Knob

SOURCE = '''"""A learner, version 3."""

import os
from dataclasses import dataclass
from typing import Literal

LEARNING_RATE = 3e-3
BETAS = (0.9, 0.95)
ACTIVATION = "relu"
NORM = "layer"
SEED = 42
LOG_EVERY = 100
SHOWN_EVERY_SO_OFTEN = 50
GREETING = "hello"
momentum, width = 0.9, 64
BATCH = 2**10
OFFSET = -1.5
NAMES = {"lr": 0.1, "wd": 0.0}
PROBES = 12


@dataclass
class Config:
    depth: int = 4
    dropout: float = 0.1
    order: Literal["first", "last"] = "first"


def adam(params, lr=0.01, *, beta1=0.9, eps=1e-8):
    print("step %d" % 12, 0.123)
    assert lr < 99
    decay = 0.99
    return params[3] - lr * 0.35 ** 2


def build(norm):
    if NORM == "rms":
        return {"relu": max, "gelu": min}[ACTIVATION]
    config = Config(depth=7, dropout=0.2)
    layer = linear(64, bias=False, device="cpu", seed=5)
    for step in range(1000):
        if step % PROBES == 0:
            print(step)
    return layer if norm in ("layer", "none") else None


os.environ.get("X", "17")
'''


def knobs(text: str) -> dict[str, Knob]:
    return {knob.id: knob for knob in find({"train.py": text})}


@pytest.fixture(scope="module")
def found() -> dict[str, Knob]:
    return knobs(SOURCE)


@pytest.mark.parametrize(
    "name",
    [
        "LEARNING_RATE", "BETAS[0]", "BETAS[1]", "ACTIVATION", "NORM", "momentum", "width", "BATCH", "OFFSET",
        "NAMES['lr']", "NAMES['wd']", "Config.order", "adam(lr=)", "adam(beta1=)", "adam(eps=)", "adam.decay",
        "adam:return#1", "build:linear(bias=)", "build:Config(depth=)",
    ],
)  # fmt: skip
def test_has_a_knob(found, name):
    assert f"train.py:{name}" in found


@pytest.mark.parametrize(
    "word", ["SEED", "EVERY", "GREETING", "print", "assert", "seed", "device", "environ", "PROBES"]
)
def test_has_no_knob(found, word):
    assert not [knob for knob in found if word in knob]


def test_defaults_that_each_call_in_whichever_file_overrides_are_left_alone():
    files = {"agent.py": "class Agent:\n    def act(self, greedy=False, width=24):\n        return width\n",
             "run.py": "from agent import Agent\nlearn = True\nAgent().act(greedy=not learn)\n"}
    assert {knob.label for knob in find(files)} == {"Agent.act(width=)", "learn"}


def test_defaults_that_each_call_overrides_are_left_alone(found):
    assert "train.py:Config.depth" not in found
    assert "train.py:Config.dropout" not in found


def test_indices_and_squares_are_left_alone(found):
    texts = {knob.text for knob in found.values()}
    assert not texts & {"3", "2", "12", "0.123", "99", "17"}


def test_capitals_rank_over_defaults_over_literals(found):
    worth = [
        found[f"train.py:{name}"].worth
        for name in ("LEARNING_RATE", "adam(lr=)", "build:linear(bias=)", "adam:return#1")
    ]
    assert worth == sorted(worth, reverse=True)
    assert len(set(worth)) == 4


def test_named_choices_come_from_comparisons_tables_and_types(found):
    assert set(found["train.py:ACTIVATION"].scale.choices) == {"relu", "gelu"}
    assert set(found["train.py:NORM"].scale.choices) == {"rms", "layer", "none"}
    assert found["train.py:Config.order"].scale.choices == ("first", "last")


def test_a_text_is_none_of_the_options_of_a_namesake():
    text = 'ORDER = "first"\nif ORDER == "first" or ORDER == "last":\n    pass\nTEXTS = {"order": "%s"}\n'
    assert set(knobs(text % "Sort these by hand.")) == {"train.py:ORDER"}
    assert set(knobs(text % "random")) == {"train.py:ORDER", "train.py:TEXTS['order']"}


def test_options_of_a_command_are_known_by_their_names():
    text = 'p.add_argument("--lr", type=float, default=0.1)\np.add_argument("--opt", choices=["a", "b"], default="a")\n'
    assert list(knobs(text)) == ["train.py:--lr", "train.py:--opt"]


def test_hexadecimal_and_long_rows_are_data():
    assert not knobs("MASK = 0xFF\nTABLE = [3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5]\n")


def test_an_identity_survives_edits_elsewhere():
    later = "import math\nEXTRA = 0.5\n" + SOURCE.replace("decay = 0.99", "other = 7.5\n    decay = 0.99")
    assert set(knobs(SOURCE)) <= set(knobs(later))


def test_a_comment_excludes_includes_and_bounds():
    text = "LR = 0.1  # of Adam  # knob: off\nSEED = 3  # knob: int 1..4\nMODE = 'x'  # knob: choice x y\n"
    text += "TEXT = '# knob: nonsense'\n"
    found = knobs(text)
    assert set(found) == {"train.py:SEED", "train.py:MODE"}
    assert found["train.py:SEED"].scale.high == 4


@pytest.mark.parametrize(
    "line", ["LR = 0.1  # knob: loud", "LR = 0.1  # knob: int 1..4", "NAME = 'x'  # knob: log 1..2"]
)
def test_a_comment_that_makes_no_sense_names_its_line(line):
    with pytest.raises(TrackError, match=r"^train\.py:2: `# knob:"):
        find({"train.py": "\n" + line + "\n"})


def test_other_files_and_broken_files_are_skipped():
    assert find({"notes.md": "LR = 0.1", "broken.py": "LR = ", "gone.py": None}) == []


def test_every_knob_stands_where_its_span_says(found):
    for knob in found.values():
        assert SOURCE[slice(*knob.span)] == knob.text
