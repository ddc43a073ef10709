"""Structural edits: they parse, they are known by content, and they leave alone what must stay."""

import random

import pytest

from overnight.researchers.knobs.edit import splice
from overnight.researchers.knobs.mutate import compiles, mutations, pick

SOURCE = '''import math
from torch.nn import functional as F

RATE = 0.1


def forward(x, y):
    """Doc."""
    shown = x * 3
    shown += sum(part for part in x)
    x = norm(x)  # keeps it small
    clip(x)
    x = F.relu(x); y = y + 1
    fresh = x + 2
    if x > 5 and y:
        x = x / 2
    print("sum", x + y, shown)
    return max(fresh, sorted(x)[0], key=lambda z: z < 1)


def report(x):
    x = norm(x)


if __name__ == "__main__":
    forward(1, 2)
'''


@pytest.fixture(scope="module")
def titles() -> list[str]:
    return [edit.title for edit in mutations({"a.py": SOURCE})]


def has(titles: list[str], words: str) -> bool:
    return any(words in title for title in titles)


@pytest.mark.parametrize(
    "words",
    [
        "leave out `x = norm(x)`", "leave out `clip(x)`", "relu -> gelu", "relu squared", "max -> min",
        "sorted the other way round", "and -> or", "> -> >=", "+ -> - in `fresh = x + 2`", "/ -> * in `x = x / 2`",
    ],
)  # fmt: skip
def test_offers(titles, words):
    assert has(titles, words)


@pytest.mark.parametrize(
    "words", ["leave out `fresh", "leave out `return", "print", "Doc", "import", "__main__", "forward(1", "shown"]
)
def test_leaves_alone(titles, words):
    assert not has(titles, words)


@pytest.mark.parametrize(("text", "offered"), [
    ("import numpy as np\nx = np.tanh(x)\n", False), ("import math\nx = math.sqrt(x)\n", True), ("import math\nx = math.tanh(x)\n", False),
    ("from torch import nn\nx = nn.Tanh(x)\n", True), ("import torch.nn.functional as F\nx = F.tanh(x)\n", True)])
def test_a_sibling_is_offered_where_its_library_has_it(text, offered):
    assert any(" -> " in edit.title for edit in mutations({"a.py": text})) == offered


def test_what_is_read_as_an_attribute_later_is_not_left_out():
    text = ('p.add_argument("--lr-max", default=0.1)\np.add_argument("-w", dest="wide")\np.add_argument("--unread")\n'
            'p.set_defaults(depth=3)\nsetattr(p, "tied", 1)\nclip(p, depth=3)\n')
    files = {"a.py": text, "b.py": "run(args.lr_max, args.wide, vars(args)['depth'], args.tied)\n"}
    left = {title for title in (edit.title for edit in mutations(files)) if title.startswith("leave out") and "(a.py" in title}
    assert {title.partition("`")[2].partition("`")[0] for title in left} == {'p.add_argument("--unread")', "clip(p, depth=3)"}


def test_every_edit_compiles_and_changes_only_its_span():
    for edit in mutations({"a.py": SOURCE}):
        changed = splice(SOURCE, [(edit.span, edit.new)])
        assert compiles(changed)
        assert changed != SOURCE
        assert changed.startswith(SOURCE[: edit.span[0]])
        assert changed.endswith(SOURCE[edit.span[1] :])


def test_leaving_out_takes_the_whole_line_or_only_its_place():
    after = {edit.title.partition(" (a.py")[0]: splice(SOURCE, [(edit.span, edit.new)]) for edit in mutations({"a.py": SOURCE})}
    assert "keeps it small" not in after["leave out `x = norm(x)`"]
    assert "\n    y = y + 1\n" in after["leave out `x = F.relu(x)`"]
    last = {edit.title.partition(" (a.py")[0]: splice(text, [(edit.span, edit.new)]) for text in ["if a:\n    b(); clip(c)  # why\n"]
            for edit in mutations({"a.py": text})}
    assert last["leave out `clip(c)`"] == "if a:\n    b()  # why\n"
    assert last["leave out `b()`"] == "if a:\n    clip(c)  # why\n"


def test_an_identity_survives_edits_elsewhere_and_other_numbers():
    moved = {edit.id for edit in mutations({"a.py": "A = 1\nB = 2\n" + SOURCE.replace("x + 2", "x + 30")})}
    assert {edit.id for edit in mutations({"a.py": SOURCE})} <= moved


def test_nothing_is_picked_twice():
    tried: dict[str, object] = {}
    while picked := pick({"a.py": SOURCE}, tried, random.Random(0)):
        assert picked[0].id not in tried
        tried[picked[0].id] = True
    assert set(tried) == {edit.id for edit in mutations({"a.py": SOURCE})}


def test_files_that_are_not_python_have_none():
    assert mutations({"a.txt": "x = x + 1", "b.py": "x = ", "c.py": None}) == []


def test_a_line_that_is_off_is_left_alone_and_so_is_what_holds_it():
    text = "def step(x, y):\n    if x > 5:\n        x = x * 2  # knob: off\n    y = y + 1\n    return max(x, y)\n"
    found = mutations({"a.py": text})
    line = (text.index("        x = x"), text.index("    y = y"))
    assert found and all(edit.span[1] <= line[0] or edit.span[0] >= line[1] for edit in found)
    free = mutations({"a.py": text.replace("  # knob: off", "")})
    assert {edit.title for edit in found} < {edit.title for edit in free}
    assert any("y + 1" in text[slice(*edit.span)] for edit in found)
    said = text.replace("x * 2  # knob: off", "x * len('# knob: off')")
    assert any("len(" in said[slice(*edit.span)] for edit in mutations({"a.py": said}))  # a text is no comment
