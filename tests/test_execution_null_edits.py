"""Edits that do nothing: other texts that mean the same."""

import ast
import contextlib
import io
import random
from pathlib import Path

import pytest

from overnight.execution import null_edits

PROGRAM = '''#!/usr/bin/env python
"""Sums."""
from __future__ import annotations
import random
FIRST = 1
SECOND = 2.5

def scaled(values, scale):
    total = 0.0
    for value in values:
        total += value * scale * 0.1
    return total

def closed(values):
    kept = [value for value in values if value]
    return kept, (lambda kept: kept)(3), f"{0.5}"

def handled(text):
    try:
        found = int(text)
    except ValueError as error:
        found = str(error)
    return found

match FIRST:
    case 1.5:
        print("never")
print(scaled([1, 2, 3], SECOND), closed([0, 1]), handled("x"), FIRST, SECOND)
'''


def said(text):
    """What a program prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, "program", "exec"), {"__name__": "__main__"})
    return out.getvalue()


@pytest.mark.parametrize("edit", range(1, 40))
def test_a_program_says_the_same(edit):
    made = null_edits.edited({"a.py": PROGRAM}, edit, draws=True)["a.py"]
    assert made != PROGRAM and said(made) == said(PROGRAM) and made.startswith("#!/usr/bin/env python\n")


def test_every_edit_is_another_text_and_always_the_same():
    every = [null_edits.edited({"a.py": PROGRAM}, edit)["a.py"] for edit in range(1, 30)]
    assert len(set(every)) == 29 and every == [null_edits.edited({"a.py": PROGRAM}, edit)["a.py"] for edit in range(1, 30)]


def test_every_kind_is_made():
    every = "".join(null_edits.edited({"a.py": PROGRAM}, edit)["a.py"] for edit in range(1, 30))
    assert "total_" in every and "_unused_" in every and "+ -0.0" in every and every.find("SECOND = ") < every.find("FIRST = ")


@pytest.mark.parametrize(("seeded", "lot"), [
    ("random.seed(1)", "random.random()"), ("np.random.seed(1)", "np.random.random()"), ("rng = random.Random(1)", "rng.random()"),
    ("torch.manual_seed(42)", "torch.rand(1)"), ("self.rng = np.random.default_rng(3)", "self.rng.random()"),
])
def test_lots_are_drawn_in_vain_only_where_they_may_be(seeded, lot):
    text = f"def main(self):\n    {seeded}\n    return vars(self)\n"  # so that no name is changed
    assert null_edits.python(text, random.Random(1), draws=True).count(f"    {seeded}\n    [{lot} for _ in range(") == 1
    assert lot not in null_edits.python(text, random.Random(1), draws=False)


def test_lots_drawn_in_vain_move_what_is_drawn_next():
    text = "import random\nrandom.seed(7)\nprint(random.random())\n"
    found = {said(null_edits.python(text, random.Random(n), draws=True)) for n in range(20)}
    assert len(found) > 15 and {said(null_edits.python(text, random.Random(n))) for n in range(20)} == {said(text)}


@pytest.mark.parametrize("function", [
    "def f():\n    a = 1\n    return locals()['a']\n", "def f():\n    global a\n    a = 1\n    return a\n", "def f(a):\n    a = 1\n    return a\n",
    "def f():\n    a = 1\n    def g():\n        nonlocal a\n        a = 2\n    g()\n    return a\n", "def f():\n    import math as a\n    return a\n",
    "def f():\n    a = 1\n    return dict(a=a)\n", "def f():\n    a = 1\n    class C:\n        a = 2\n    return C.a\n",
])
def test_a_name_that_is_more_than_a_local_one_stays(function):
    assert "a_" not in "".join(null_edits.python(function, random.Random(n)) for n in range(20))


@pytest.mark.parametrize("text", ["def f(:\n", "\0", "(" * 5000 + ")" * 5000])
def test_what_cannot_be_read_stays(text):
    assert null_edits.edited({"a.py": text}, 1) == {}


def test_other_languages_get_what_does_nothing_there():
    found = null_edits.edited({"a.c": "int main() { return 0; }\n", "b.rs": "fn main() {}\n", "c.json": "{}", "d.jl": "x = 1\n"}, 5)
    assert set(found) == {"a.c", "b.rs", "d.jl"} and "static inline int unused_" in found["a.c"]
    assert found["b.rs"].startswith("fn main() {}\n// ") and found["d.jl"].startswith("x = 1\n# ")


def test_all_of_this_package_can_be_edited():
    for path in sorted(Path(null_edits.__file__).parent.parent.rglob("*.py"))[::10]:
        text = path.read_text()
        made = null_edits.edited({"a.py": text}, 3)
        assert not text or ast.parse(made["a.py"])
