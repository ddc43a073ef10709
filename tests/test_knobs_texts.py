"""Knobs of files that are not Python: what is one, what it is called, and that a turn leaves a file of its kind."""

import json
import time
import tomllib
from contextlib import suppress

import pytest

from overnight.errors import TrackError
from overnight.researchers.knobs import scales
from overnight.researchers.knobs.edit import splice
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.ruler import of

CONTRACT = '[metric]\nfrom = "output"\n'
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
    ("a.yaml", "lr: 0.1\nenv:\n  slip: 0.2\ndata:\n  noise: 0.1\n"), ("a.toml", "lr = 0.1\n[environment]\ngravity = 9.8\n"),
])
def test_what_stands_below_the_name_of_a_ruler_belongs_to_it(path, text):
    assert {knob.label for knob in find({path: text})} <= {"lr", "model.width"}
    assert "lr" in {knob.label for knob in find({path: text})}


POLICY = "const EPSILON: f64 = 0.5;\nconst TURNS: usize = 3;\n"
MAIN = """const ARMS: usize = 8;
const PULLS: usize = 300;
const DRIFT: f64 = 0.01;
const CACHED: usize = 64;
fn main() {
    let means: Vec<f64> = (0..ARMS).map(|_| DRIFT * rng.normal()).collect();
    println!("mean reward = {:.4}", total / PULLS as f64);
}
"""


def test_counts_beside_the_report_and_beside_what_is_drawn_for_it_belong_to_the_ruler_in_other_languages_too():
    files = {"policy.rs": POLICY, "main.rs": MAIN}
    assert {knob.label for knob in find(files, of(files, "reward", CONTRACT))} == {"EPSILON", "TURNS", "DRIFT", "CACHED"}
    alone = {"main.rs": MAIN}  # its constants may be those of the search as well
    assert {knob.label for knob in find(alone, of(alone, "reward", CONTRACT))} == {"ARMS", "DRIFT", "CACHED"}
    assert [knob.label for knob in find({"a.cpp": "constexpr int kCities = 40;\nconstexpr int kAnts = 6;\n"})] == ["kAnts"]


def test_settings_that_only_the_metric_reads_are_no_knobs():
    code = ("import yaml\ncfg = yaml.safe_load(open('a.yaml'))\nw = 0.0\nfor _ in range(30):\n    w -= cfg['lr'] * (w - 3)\n"
            "print('accuracy:', abs(w - 3) < cfg['margin'])\n")
    files = {"train.py": code, "a.yaml": "lr: 0.1\nmargin: 0.3\n"}
    assert "a.yaml:lr" in (ids := {knob.id for knob in find(files, of(files, "accuracy", CONTRACT))}) and "a.yaml:margin" not in ids


SHAPES = {  # what each repeats where a pattern might start again and again
    "a.sh": ["word\n", "\n", " ", "word ", "a::b ", "x = 3 ", "x = 1 # ", "x = 3;\n", "1"],
    "a.c": ["#define A 3\n", "# ", "#define ", "# knob: ", "/* knob: "],
    "a.ini": ["[s]\na = 3\n", "abc = 3\n", "[", "[a ", "[a]", "a = ", "\"", "export ", "a=3 } "],
    "a.yaml": ["a: 3\n", "- ", "a:\n", "a: ", "a: 3 # knob: "],
    "a.json": ['{"a": 1},', "{", '{"a":', '"', '\\"', '"a" ', '"a": 1,\n', "}"],
}
TAILS = {"a.sh": "x = 3{}q", "a.c": "int x = 3 // knob: a{}b", "a.ini": "[a{}b", "a.yaml": "x: {}q", "a.json": '"{}'}


def seconds(path: str, text: str) -> float:
    """Of the processor, the least of two, so that what else this machine does counts less."""
    took = []
    for _ in range(2):
        began = time.process_time()
        with suppress(TrackError):  # a comment that makes no sense
            find({path: text})
        took.append(time.process_time() - began)
    return min(took)


@pytest.mark.parametrize(("path", "part"), [(path, part) for path in SHAPES for part in SHAPES[path]])
def test_the_time_grows_with_a_file_and_no_faster(path, part):
    """Four times as long takes four times as long, where a pattern that goes over all of it anew takes sixteen times."""
    def shaped(length: int) -> list[str]:
        told = part * (length // len(part))
        return [told, TAILS[path].format(told.replace("\n", " ")), "lr = 0." + "1" * length if part == "1" else "[a]\n" + told]

    for short, long in zip(shaped(12_000), shaped(48_000), strict=True):
        assert seconds(path, long) < 9 * seconds(path, short) + 0.03


def test_a_file_that_is_too_large_to_be_settings_is_left_alone():
    assert find({"a.yaml": "lr: 0.1\n" + "# words\n" * 32_768}) == []
    assert [knob.text for knob in find({"a.yaml": "lr: 0.1\n" + "# words\n" * 32_000})] == ["0.1"]


@pytest.mark.parametrize("number", ["1_", "1__0", "1" * 5000, "1e999", "0." + "1" * 5000, "1e" + "9" * 5000, "0_1", "1'000"])
def test_what_is_no_number_of_any_use_is_none(number):
    for path in ("a.sh", "a.c", "a.yaml", "a.ini"):
        assert find({path: f"lr {':' if path == 'a.yaml' else '='} {number}\n"}) == []
    assert find({"a.json": f'{{"lr": {number}}}'}) == []


def test_lines_that_end_as_on_windows_and_blank_lines_change_nothing():
    for path, text in FILES.items():
        spaced = text if path == "conf.json" else "\n\n" + text.replace("\n", "\r\n\r\n" if path != "newer.py" else "\n\n")
        assert {knob.label: knob.text for knob in find({path: spaced})} == WANTED[path]


# ---- what is no setting of code --------------------------------------------------------------------------------

TOUR = """#define MAX 200
#define WIDTH 64
#define STEPS 20000
static double xs[MAX], ys[MAX], hidden[WIDTH];
static void cities(void) {
    unsigned state = 12345;
    unsigned long mixed = 88172645463325252;
    double momentum = 0.9;
    for (int i = 0; i < WIDTH; i++) { state = state * 1103515245u + 12345u; mixed ^= mixed << 13; }
}
"""


def test_room_of_arrays_and_states_of_generators_are_no_knobs():
    assert {knob.label for knob in find({"tour.c": TOUR})} == {"WIDTH", "STEPS", "momentum"}
    asked = TOUR.replace("MAX 200", "MAX 200 // knob: int 100..300")
    assert "MAX" in {knob.label for knob in find({"tour.c": asked})}


def test_room_that_a_header_gives_counts_where_it_is_used():
    assert [knob.label for knob in find({"room.h": "#define MAX 200\n", "a.c": "int order[MAX];\n"})] == []
    assert [knob.label for knob in find({"room.h": "#define MAX 200\n", "a.c": "int order[MAX]; int last = MAX - 1;\n"})] == ["MAX"]
