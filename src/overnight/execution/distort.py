"""Results that no honest run leaves, made from those of an honest one: files as a whole, or an oracle's answers one by one.

It needs the standard library alone, because its own text is the program that stands in an oracle's sandbox between the
candidate and the scorer: `python -c TEXT DISTORTION COMMAND...`, both in JSON.

Covered: JSON, a JSON value a line, tables of numbers as text, .npy arrays of numbers; of other bytes a half of them, others, or
0xFF alone, which is NaN in every binary format of floats.
Not covered: numbers inside of other formats; answers of an oracle that come in several writes without a line's end.
"""

from __future__ import annotations

import array
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

LARGEST = 8 << 20  # bytes of a file whose format is looked at
FEWEST_KEYS = 8  # an object of so many numbers is a list with names, not a record
_NUMBER = re.compile(r"((?<![\w.])[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?(?![\w.]))")
_NPY = re.compile(rb"\x93NUMPY\x01\x00..\{'descr': '<([fi][48])', 'fortran_order': False, 'shape': \(([0-9, ]+)\), \} *\n",
                  re.DOTALL)
_CODES = {"f4": "f", "f8": "d", "i4": "i", "i8": "q"}
_OTHER = bytes(byte ^ 0x55 for byte in range(256))
Leaf = Any  # a number, text, a boolean or None
Render = Callable[[Any], bytes]


@dataclass(frozen=True)
class Distortion:
    """What is done to a result.

    kind    "half" or "twice" as many entries; else what its numbers become: "nan", "later nan" (all but the first), "infinite",
            "null", "other" (numbers and texts that are wrong), "claim" (`better`), "push" (`scale` and `shift`)
    wide    all numbers, not those in lists alone
    score   what the honest result scored; a claim replaces the numbers that are this, and where there are none, all
    """

    kind: str
    wide: bool = False
    score: float = 0.0
    better: float = 0.0
    scale: float = 1.0
    shift: float = 0.0


def distorted(data: bytes, how: Distortion, met: int = 0) -> bytes | None:
    """The bytes of a file or an answer, distorted; None where that is not possible or changes nothing. `met`: how many
    numbers came before."""
    value, render = _understood(data)
    if render is None:
        made = {"half": data[:len(data) // 2], "nan": b"\xff" * len(data), "other": data.translate(_OTHER)}.get(how.kind, data)
        return made if made != data and not _text(data) else None
    try:
        made = render(_reshaped(value, how.kind) if how.kind in ("half", "twice") else _changed(value, how, met))
    except (TypeError, ValueError, OverflowError):  # its format cannot hold that
        return None
    return made if made != render(value) else None


# ---- formats ---------------------------------------------------------------------------------------------------


def _understood(data: bytes) -> tuple[Any, Render | None]:
    """A file as lists, objects and leaves, and how it becomes bytes again; None for a format that is not known."""
    if (found := _NPY.match(data)) and len(data) <= LARGEST:
        return _rows(data[found.end():], found[1].decode(), [int(n) for n in found[2].replace(b" ", b"").split(b",") if n])
    text = _text(data)
    if not text.strip():
        return None, None
    try:
        return json.loads(text), lambda value: json.dumps(value).encode() + b"\n" * text.endswith("\n")
    except (ValueError, RecursionError):
        pass
    lines = text.splitlines()
    try:
        return [json.loads(line) for line in lines], lambda values: "".join(json.dumps(v) + "\n" for v in values).encode()
    except (ValueError, RecursionError):
        return _table(lines), _lines


def _text(data: bytes) -> str:
    """Bytes as text; "" where they are none, or too many."""
    try:
        return data.decode("utf-8") if len(data) <= LARGEST and b"\0" not in data else ""
    except UnicodeDecodeError:
        return ""


def _table(lines: list[str]) -> dict[str, Any]:
    """Lines of text: a head, and a list of rows where all of them hold as many numbers, else an object of rows."""
    rows = [{n: _cell(piece) if n % 2 else piece for n, piece in enumerate(_NUMBER.split(line))} for line in lines]
    body = rows if len(rows[0]) > 1 else rows[1:]
    table = len(body) > 1 and len(body[0]) > 1 and len({len(row) for row in body}) == 1
    return {"head": rows[:len(rows) - len(body)], "body": body if table else dict(enumerate(body))}


def _cell(piece: str) -> float:
    return int(piece) if piece.lstrip("+-").isdigit() and len(piece) < 20 else float(piece)


def _lines(table: Any) -> bytes:
    body = table["body"].values() if isinstance(table["body"], dict) else table["body"]
    words = ("".join("null" if cell is None else str(cell) for cell in row.values()) for row in [*table["head"], *body])
    return "".join(line + "\n" for line in words).encode()


def _rows(body: bytes, kind: str, shape: list[int]) -> tuple[Any, Render | None]:
    """An array as a list of rows along its first side."""
    numbers, wide = array.array(_CODES[kind]), math.prod(shape[1:])
    if len(body) != math.prod(shape) * numbers.itemsize or not body:
        return None, None
    numbers.frombytes(body)

    def render(rows: Any) -> bytes:
        sides = ", ".join(map(str, [len(rows), *shape[1:]]))
        head = f"{{'descr': '<{kind}', 'fortran_order': False, 'shape': ({sides},), }}\n".encode()
        return (b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
                + array.array(_CODES[kind], [n for row in rows for n in row.values()]).tobytes())

    return [dict(enumerate(numbers[at:at + wide])) for at in range(0, len(numbers), wide)], render


# ---- changes ---------------------------------------------------------------------------------------------------


def _reshaped(value: Any, kind: str) -> Any:
    """Outermost lists, and objects that are lists with names, with half as many entries or twice as many."""
    if isinstance(value, list) and len(value) > 1:
        return value[:len(value) // 2] if kind == "half" else value * 2
    if isinstance(value, dict) and kind == "half" and len(value) >= FEWEST_KEYS and all(map(_is_number, value.values())):
        return dict(list(value.items())[:len(value) // 2])
    return {key: _reshaped(each, kind) for key, each in value.items()} if isinstance(value, dict) else value


def _is_number(leaf: Leaf) -> bool:
    return isinstance(leaf, (int, float)) and not isinstance(leaf, bool)


def _near(leaf: Leaf, score: float) -> bool:
    """Whether a number is the score, but for rounding."""
    return _is_number(leaf) and math.isclose(leaf, score, rel_tol=1e-4)


def _leaves(value: Any, listed: bool = False) -> Iterator[tuple[Leaf, bool]]:
    """Every leaf, and whether it stands in a list."""
    if isinstance(value, (list, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each, listed or isinstance(value, list))
    else:
        yield value, listed


def _changed(value: Any, how: Distortion, met: int) -> Any:
    """The value with its numbers changed: those of fractions in lists, where there are any; else the next wider choice."""
    choices: list[Callable[[Leaf, bool], bool]] = [
        lambda leaf, listed: how.kind == "claim" and _near(leaf, how.score),
        lambda leaf, listed: listed and isinstance(leaf, (float, str) if how.kind == "other" else float) and not how.wide,
        lambda leaf, listed: listed and _is_number(leaf) and not how.wide,
        lambda leaf, listed: isinstance(leaf, float) and not how.wide,
        lambda leaf, listed: _is_number(leaf),
        lambda leaf, listed: how.kind == "other" and isinstance(leaf, str)]
    chosen = next((choice for choice in choices if any(choice(*leaf) for leaf in _leaves(value))), lambda leaf, listed: False)
    count = [met]

    def change(each: Any, listed: bool) -> Any:
        if isinstance(each, list):
            return [change(inner, True) for inner in each]
        if isinstance(each, dict):
            return {key: change(inner, listed) for key, inner in each.items()}
        if not chosen(each, listed):
            return each
        count[0] += 1
        return _replaced(each, how, count[0] == 1)

    return change(value, False)


def _replaced(leaf: Leaf, how: Distortion, first: bool) -> Leaf:
    if isinstance(leaf, str):
        return f"{leaf[::-1]}?"
    if how.kind == "later nan":
        return leaf if first else math.nan
    return {"nan": math.nan, "infinite": math.inf, "null": None, "other": -3 * leaf - 7, "claim": how.better,
            "push": leaf * how.scale + how.shift}[how.kind]


# ---- between an oracle and its scorer --------------------------------------------------------------------------


def filtered(python: str, command: tuple[str, ...], how: Distortion, text: str) -> tuple[str, ...]:
    """The command of an oracle whose answers are distorted; `text` is that of this module."""
    return python, "-S", "-E", "-c", text, json.dumps(asdict(how)), json.dumps(command)


def _filter(how: Distortion, command: list[str]) -> None:
    """Hand on the answers of a command, each distorted; end at the first that cannot be."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        met = 0
        while answer := os.read(child.stdout.fileno(), 1 << 16):
            while not answer.endswith(b"\n") and answer[:1] in b"[{" and (more := os.read(child.stdout.fileno(), 1 << 16)):
                answer += more
            waits = how.kind == "half" and not _text(answer)  # a scorer that knows the size would wait for the rest
            made = None if waits else distorted(answer, how, met)
            if made is None and not (how.kind == "later nan" and not met):
                child.kill()
                break
            met += 1
            os.write(1, made or answer)


if __name__ == "__main__":
    _filter(Distortion(**json.loads(sys.argv[1])), json.loads(sys.argv[2]))
