"""Python texts as trees, also those of a newer Python."""

import ast
import random
import time

import pytest

from overnight import syntax

NEWER = [
    ("type X = int\nrate = 0.5\n", "type_X = int\nrate = 0.5\n"),
    ("type X[T: (int, str)] = list[T]\n", "type_X[T: (int, str)] = list[T]\n"),
    ("def f[T: int](x: T) -> T:\n    return x\n", "def f(x: T) -> T:\n    return x\n"),
    ("class A[T, **P](B):\n    rate = 0.5\n", "class A(B):\n    rate = 0.5\n"),
    ("async def g[*Ts](x):\n    pass\n", "async def g(x):\n    pass\n"),
    ('print(f"loss: {d["x"]:.3f}")\n', 'print(f"loss: {d[\'x\']:.3f}")\n'),
    ("print(f'{d['x']} {d['y']}')\n", "print(f'{d[\"x\"]} {d[\"y\"]}')\n"),
    ('s = "it\'s f\\"{"  # it\'s\nprint(f"{{a}} {d["b"]}")\n', 's = "it\'s f\\"{"\nprint(f"{{a}} {d[\'b\']}")\n'),
    ('print(f"{f"{x}"}")\n', 'print(f"{f\'{x}\'}")\n'),
]


@pytest.mark.parametrize(("text", "older"), NEWER)
def test_what_a_newer_python_reads_is_read_as_an_older_one_would_write_it(text, older):
    assert ast.dump(syntax.module(text)) == ast.dump(ast.parse(older)) or ast.dump(syntax.module(text)) == ast.dump(ast.parse(text))


@pytest.mark.parametrize("text", [text for text, _ in NEWER])
def test_every_part_stays_at_its_place(text):
    lines = text.split("\n")
    for node in ast.walk(syntax.module(text)):
        if isinstance(node, ast.Name) and not node.id.startswith("type_"):
            assert lines[node.lineno - 1][node.col_offset:node.end_col_offset] in (node.id, text.strip())


@pytest.mark.parametrize("text", ["x = = 1", "type = = 3", "def f[T(x):\n    pass\n", 'f"{d["x"', "print 1", "type X", 'f"{', '"""'])
def test_what_is_no_python_stays_none(text):
    with pytest.raises(SyntaxError):
        syntax.module(text)


def test_whatever_a_text_holds_it_is_read_in_a_time_that_grows_with_it_or_refused():
    lots = random.Random(1)
    parts = ['f"', '"', "'", "{", "}", "\\", "\n", "type ", "X", "=", "[", "]", "def f", "#", '"""', "f'''"]
    for _ in range(1000):
        text = "".join(lots.choices(parts, k=40))
        assert len(syntax._older(text)) == len(text)
    began = time.process_time()
    for part in ("def f[\n", "type X\n", 'f"{"', '"', "f'{", "type ", "def a["):
        try:
            syntax.module(part * (60_000 // len(part)))
        except (SyntaxError, RecursionError, ValueError, MemoryError):
            continue
    assert time.process_time() - began < 20
