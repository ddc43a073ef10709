"""Small scripts that measure themselves, from data/rulers.txt, where people marked what measures.

A line that ends in `# ruler` must stay as it is, but for the literals that `turn: 20, 0.1` names behind it; what is named there
must be offered as a knob.
"""

import difflib
import re
from pathlib import Path

from msgspec import Struct

from overnight.contracts import Brief, Change, Past
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.propose import Knobs
from overnight.researchers.knobs.ruler import of

CONTRACT = '[metric]\nname = "{}"\nfrom = "output"\n'
MARK = re.compile(r"# (ruler)?(?:, )?(?:turn: (.*))?$")


class Script(Struct, frozen=True):
    """A script, what it reports, and its marks by line, from 1 on: whether it measures, and what must be offered."""

    name: str
    metric: str
    text: str
    marks: dict[int, tuple[bool, list[str]]]


def scripts() -> list[Script]:
    """All of them."""
    found = []
    for part in re.split(r"^=== ", (Path(__file__).parent / "data" / "rulers.txt").read_text(encoding="utf-8"), flags=re.M)[1:]:
        head, _, text = part.partition("\n")
        name, metric = head.split()
        marks = {number: (bool(match[1]), match[2].split(", ") if match[2] else [])
                 for number, line in enumerate(text.split("\n"), 1) if (match := MARK.search(line)) and (match[1] or match[2])}
        found.append(Script(name, metric, text, marks))
    return found


def offered(script: Script) -> dict[int, list[str]]:
    """The literals that are offered as knobs, by line."""
    files = {"train.py": script.text}
    lines: dict[int, list[str]] = {}
    for knob in find(files, of(files, script.metric, CONTRACT.format(script.metric))):
        lines.setdefault(script.text.count("\n", 0, knob.span[0]) + 1, []).append(knob.text)
    return lines


def forged(script: Script) -> list[tuple[int, str]]:
    """(line, literal) of each knob that is a part of the ruler."""
    return [(line, text) for line, texts in offered(script).items() for text in texts
            if script.marks.get(line, (False, []))[0] and text not in script.marks[line][1]]


def missing(script: Script) -> list[tuple[int, str]]:
    """(line, literal) of each knob that is not offered and should be."""
    found = offered(script)
    return [(line, text) for line, (_, wanted) in script.marks.items() for text in wanted if text not in found.get(line, [])]


def brief(script: Script, history: list[Past], seed: int = 1) -> Brief:
    """What the lab would tell of a script."""
    return Brief("goal", script.metric, "minimize", {"train.py": script.text}, 0, 0.1, history, "", seed,
                 contract=CONTRACT.format(script.metric))


def changes(script: Script, most: int = 40) -> list[Change]:
    """The first changes that `knobs` proposes, where none is an improvement."""
    history: list[Past] = []
    made: list[Change] = []
    while len(made) < most and (change := Knobs().propose(brief(script, history))):
        made.append(change)
        history.append(Past(len(made), 0, "knobs", "discard", change.message, -0.1, 1, "", change.note))
    return made


def edited(script: Script, change: Change) -> list[str]:
    """The lines of the ruler that a change edits."""
    before, after = script.text.split("\n"), (change.files["train.py"] or "").split("\n")
    wrong = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        for place in range(a, b):
            ruler, turns = script.marks.get(place + 1, (False, []))
            new = after[c + place - a] if c + place - a < d else ""
            if ruler and not (turns and _turned(before[place], turns).fullmatch(new)):
                wrong.append(before[place])
    return wrong


def _turned(line: str, turns: list[str]) -> re.Pattern[str]:
    pattern = re.escape(line)
    for text in turns:
        pattern = re.sub(rf"(?<![\w.]){re.escape(re.escape(text))}(?![\w.])", lambda _: r"[-+\w.]+", pattern, count=1)
    return re.compile(pattern)
