"""Edits keep every byte that they do not mean to change."""

import ast
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.errors import EditError
from overnight.researchers.knobs.edit import Source, parse, splice
from overnight.researchers.knobs.find import literal

LIBRARY = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:60]


def numbers(source: Source) -> list[ast.expr]:
    """The numbers and booleans outside f-strings and signs, in the order of the text."""
    found, todo = [], [source.tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.expr) and isinstance(literal(node), int | float):
            found.append(node)
        elif not isinstance(node, ast.JoinedStr):
            todo += ast.iter_child_nodes(node)
    return sorted(found, key=source.span)


def test_each_literal_of_the_standard_library_stands_where_it_is_said_to_stand():
    seen = 0
    for path in LIBRARY:
        text = path.read_bytes().decode(errors="replace")
        source = Source(text)
        for node in numbers(source):
            assert literal(ast.parse(source.cut(node), mode="eval").body) == literal(node)
        assert splice(text, [(source.span(node), source.cut(node)) for node in numbers(source)]) == text
        seen += len(numbers(source))
    assert seen > 2000


def test_a_replaced_literal_changes_nothing_else():
    for path in LIBRARY[::6]:
        text = path.read_bytes().decode(errors="replace")
        source = Source(text)
        for node in numbers(source)[:20]:
            (start, end), changed = source.span(node), splice(text, [(source.span(node), "7654321")])
            assert changed[:start] == text[:start]
            assert changed.endswith(text[end:])
            assert parse(changed) is not None


LINES = st.sampled_from(
    ["a = 1", "é = 'ü'; b = -2.5", "if a:\n\tc = 3", "d = '''x\ny'''; e = 4", "# ünï 5", "f = (6, - 7)", "\x0cg = 8",
     "h = '\u2028\x85'; i = 9", "def j(k=10): return-1", "l = 1if a else 2"]
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(LINES, max_size=8), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.integers(1, 9999))
def test_any_mixture_of_ends_marks_and_letters_is_edited_in_place(lines, end, mark, number):
    text = "\ufeff" * mark + "\n".join(lines).replace("\n", end)
    source = Source(text)
    values = [literal(node) for node in numbers(source)]
    for place, node in enumerate(numbers(source)):
        after = Source(splice(text, [(source.span(node), str(number))]))
        assert [literal(other) for other in numbers(after)] == [*values[:place], number, *values[place + 1 :]]


def test_a_sign_belongs_to_its_number_and_a_keyword_keeps_its_distance():
    text = "def f():\n    return-1\n"
    source = Source(text)
    (node,) = numbers(source)
    assert splice(text, [(source.span(node), "2")]) == "def f():\n    return 2\n"


def test_edits_that_overlap_are_refused():
    with pytest.raises(EditError, match="overlap"):
        splice("abc", [((0, 2), "x"), ((1, 3), "y")])


@pytest.mark.parametrize("text", ["x = ", "x = 1\0", "\ud800 = 1", "(" * 5000])
def test_what_is_not_python_is_no_source(text):
    assert parse(text) is None
