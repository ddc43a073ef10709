"""Knobs of files that are not Python: what is one, what it is called, and that a turn leaves a file of its kind."""

import json
import tomllib

import pytest

from overnight.errors import TrackError
from overnight.researchers.knobs import scales
from overnight.researchers.knobs.edit import splice
from overnight.researchers.knobs.find import find

FILES = {
    "conf.json": '{"lr": 0.02, "model": {"width": 24, "tied": false, "name": "a"}, "betas": [0.9, 0.95], "seed": 3}',
    "conf.yaml": "model:\n  width: 24  # units\n  dropout: 0.1\noptim:\n  - lr: 1e-3\n  - lr: 0.002\nval_batches: 8\nname: adam\non: true\n",
    "conf.toml": '[optim]\nlr = 0.02 # rate\nsteps = 1_000\nkind = "sgd"  # knob: choice sgd adam\n[data]\nval_size = 0.2\n',
    "conf.ini": "[optim]\nlr = 0.02\n; width = 3\nwidth=24\nseed = 1\n",
    ".env": "export LR=0.02\nWIDTH=24\nPORT=8080\n",
    "a.c": "#include <x.h>\n#define BLOCK 64 // wide\n#define SEED 7\nstatic const float RATE = 0.02f;\nint main() {\n    int i = 0;\n"
           "    double momentum = 0.9;\n    for (int k = 0; k < 5; k++) run(3);\n    return 1;\n}\n",
    "a.rs": "const LEARNING_RATE: f64 = 0.02;\npub const WIDTH: usize = 24usize;\nlet mut total = 0.0;\nlet depth = 4; // knob: int 1..6\n",
    "a.go": "const width = 24\nvar rate float64 = 0.02\nfunc f() {\n\tmomentum := 0.9\n}\n",
    "a.js": "const width = 24;\nlet rate = 0.02\nconst TEST_SIZE = 100;\nexport const BATCH = 32; // knob: off\n",
    "newer.py": "type ! Number = float\nRATE = 0.02\nSEED = 3\nwidth: int = 24  # units\n",
    "a.jl": "rate = 0.02\nN_TEST = 50\n",
}
WANTED = {
    "conf.json": {"lr": "0.02", "model.width": "24", "model.tied": "false"},
    "conf.yaml": {"model.width": "24", "model.dropout": "0.1", "optim.lr": "1e-3", "optim.lr#2": "0.002", "on": "true"},
    "conf.toml": {"optim.lr": "0.02", "optim.steps": "1_000", "optim.kind": '"sgd"'},
    "conf.ini": {"optim.lr": "0.02", "optim.width": "24"},
    ".env": {"LR": "0.02", "WIDTH": "24"},
    "a.c": {"BLOCK": "64", "RATE": "0.02", "momentum": "0.9"},
    "a.rs": {"LEARNING_RATE": "0.02", "WIDTH": "24", "depth": "4"},
    "a.go": {"width": "24", "rate": "0.02", "momentum": "0.9"},
    "a.js": {"width": "24", "rate": "0.02"},
    "newer.py": {"RATE": "0.02", "width": "24"},
    "a.jl": {"rate": "0.02"},
}


@pytest.mark.parametrize("path", FILES)
def test_what_is_a_knob_and_what_it_is_called(path):
    found = find({path: FILES[path]})
    assert {knob.label: knob.text for knob in found} == WANTED[path]
    for knob in found:
        assert knob.id == f"{path}:{knob.label}"
        assert FILES[path][slice(*knob.span)] == knob.text
        assert knob.text in FILES[path].split("\n")[knob.line - 1]


@pytest.mark.parametrize(("path", "read"), [("conf.json", json.loads), ("conf.toml", tomllib.loads)])
def test_a_turn_leaves_a_file_of_its_kind(path, read):
    for knob in find({path: FILES[path]}):
        for value in scales.moves(knob.scale, knob.value):
            changed = read(splice(FILES[path], [(knob.span, scales.write(value, knob.text))]))
            assert str(value) in str(changed)


def test_a_comment_that_makes_no_sense_names_its_line():
    with pytest.raises(TrackError, match=r"^a\.rs:2: `# knob: loud`"):
        find({"a.rs": "\nconst RATE: f64 = 0.5; // knob: loud\n"})
    with pytest.raises(TrackError, match=r"^a\.rs:1: `knob:` asks for int"):
        find({"a.rs": "const RATE: f64 = 0.5; // knob: int 1..4\n"})


def test_files_of_tools_are_left_alone():
    assert find({"package.json": '{"lr": 0.5}', "notes.md": "lr: 0.5\n", "data.csv": "lr,0.5\n"}) == []


@pytest.mark.parametrize(("path", "text"), [
    ("a.yaml", "lr: 0.1\neval:\n  batches: 10\n  deep:\n    rounds: 3\n"),
    ("a.toml", "lr = 0.1\n[eval]\nbatches = 10\n"),
    ("a.json", '{"lr": 0.1, "eval": {"batches": 10, "deep": {"rounds": [{"n": 3}], "k": 2}}, "model": {"width": 8}}'),
])
def test_what_stands_below_the_name_of_a_ruler_belongs_to_it(path, text):
    assert {knob.label for knob in find({path: text})} <= {"lr", "model.width"}
    assert "lr" in {knob.label for knob in find({path: text})}
