"""Finds what can be turned in files that are not Python: settings, and constants of other languages, line by line.

Covered: `name: 3` and `name = 3` of JSON, YAML, TOML, INI and .env files; `#define N 3` and statements that do nothing but give
one name a number. Not covered: numbers inside expressions, rows of numbers, and strings, but where a `knob:` comment asks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from overnight.errors import TrackError
from overnight.researchers.knobs import scales, words
from overnight.researchers.knobs.edit import parse
from overnight.researchers.knobs.knob import ASKED_FOR, CAPITALS, LOCAL, TOP, Knob, structure
from overnight.researchers.knobs.scales import Value

NUMBER = r"(?P<value>[-+]?(?:\d[\d_']*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|true|false)"
QUOTED = r"(?P<text>\"[^\"\n]*\"|'[^'\n]*')"
END = r"(?P<rest>\s*(?:\}|,)?\s*(?:(?:[#;%]|//|--|/\*).*)?)$"
PAIR = re.compile(rf"^(?P<indent>\s*)(?:-\s+|export\s+)?[\"']?(?P<name>[A-Za-z_][\w.-]*)[\"']?\s*[:=]\s*"
                  rf"(?:{NUMBER}|{QUOTED}){END}", re.M)
JSON = re.compile(rf"\"(?P<name>[^\"\n]+)\"\s*:\s*{NUMBER}(?=\s*[,}}\]])")
TOKEN = re.compile(r"\"(?P<key>[^\"\n]+)\"\s*:|\"(?:[^\"\\\n]|\\.)*\"|[{}\[\]]")
DEFINE = re.compile(rf"^\s*#\s*define\s+(?P<name>\w+)\s+\(?{NUMBER}(?:[fFlLuU]*)\)?(?P<rest>\s*(?://.*|/\*.*)?)$", re.M)
GO = r"u?int(?:8|16|32|64)?\b|float(?:32|64)\b|bool\b"
SET = re.compile(r"^(?P<indent>\s*)(?P<kind>(?:[\w<>&*]+(?:::[\w<>]+)*\s+)*)"
                 rf"(?P<name>(?!{GO})[A-Za-z_]\w*)\s*(?::\s*[\w<>]+\s*|\s(?:{GO})\s*)?"
                 rf"(?::=|=|<-)\s*{NUMBER}(?:_?[fFuUiI](?:8|16|32|64|size|LL?|ll?)?|[uU]?[lL]{{1,2}})?"
                 r"(?P<rest>\s*[;,]?\s*(?:(?://|#|--|/\*|%).*)?)$", re.M)
SECTION = re.compile(r"^\s*\[+\s*([^\]\n]+?)\s*\]+\s*(?:[#;].*)?$", re.M)
COMMENT = re.compile(r"(?:[#;%]|//|--|/\*)\s*knob:\s*(.*?)\s*(?:\*/\s*)?$")
SETTINGS = words.among(".yaml .yml .toml .ini .cfg .conf .env .properties .json .json5 .jsonc")
CODE = words.among(".c .h .cc .cpp .cxx .hpp .hh .cu .cuh .cl .rs .go .js .mjs .cjs .ts .jsx .tsx .java .kt .swift .cs .zig "
                   ".jl .lua .r .sh .bash .scala .m .f90 .metal .glsl .wgsl .nim .d .php .rb .ml .dart")
LOCKED = words.among("package-lock.json package.json cargo.toml pyproject.toml tsconfig.json track.toml")


def find(files: Mapping[str, str | None]) -> list[Knob]:
    """The knobs of all files that are not Python, or are a newer Python than this one. Raises TrackError for a bad comment."""
    found: list[Knob] = []
    for path, text in sorted(files.items()):
        suffix, name = PurePosixPath(path).suffix.lower(), PurePosixPath(path).name.lower()
        newer = suffix == ".py" and text and parse(text) is None  # Python that this Python cannot read
        if text and name not in LOCKED and (newer or suffix in SETTINGS | CODE or name.startswith(".env")):
            found += _in_text(path, text, suffix)
    return found


def _in_text(path: str, text: str, suffix: str) -> Iterator[Knob]:
    seen: Counter[str] = Counter()
    for match, name, context in _matches(text, suffix):
        where = f"{context}.{name}".lstrip(".")
        seen[where] += 1
        where = where if seen[where] == 1 else f"{where}#{seen[where]}"
        if knob := _knob(path, text, match, name, where, suffix in CODE or suffix == ".py"):
            yield knob


def _matches(text: str, suffix: str) -> Iterator[tuple[re.Match[str], str, str]]:
    """(match, name, context) of each value, in the order in which they stand there."""
    if suffix in (".json", ".json5", ".jsonc"):
        yield from _in_json(text)
    elif suffix in CODE or suffix == ".py":
        found = [*DEFINE.finditer(text), *SET.finditer(text)]
        yield from ((match, match["name"], "") for match in sorted(found, key=lambda match: match.start())
                    if not re.search(r"\breturn\b|\bcase\b", match.groupdict().get("kind") or ""))
    else:
        nested: list[tuple[int, str]] = []
        for match in PAIR.finditer(text) if suffix not in (".yaml", ".yml") else ():
            yield match, match["name"], next((s[1] for s in reversed([*SECTION.finditer(text, 0, match.start())])), "")
        for line in re.finditer(r"^( *)(?:- +)?([\w.-]+):.*$", text, re.M) if suffix in (".yaml", ".yml") else ():
            nested = [*(each for each in nested if each[0] < len(line[1])), (len(line[1]), line[2])]
            if pair := PAIR.match(text, line.start()):
                yield pair, pair["name"], ".".join(each for _, each in nested[:-1])


def _in_json(text: str) -> Iterator[tuple[re.Match[str], str, str]]:
    """The same of JSON, whose contexts are the keys of the objects that hold a value."""
    held, key = list[str](), ""
    for token in TOKEN.finditer(text):
        if token["key"] is not None:
            key = token["key"]
            if match := JSON.match(text, token.start()):
                yield match, key, ".".join(filter(None, held))
        elif token[0] in ("{", "["):
            held, key = [*held, key], ""
        elif token[0] in ("}", "]"):
            held = held[:-1]


def _knob(path: str, text: str, match: re.Match[str], name: str, where: str, code: bool) -> Knob | None:
    """The knob of a value, if it is worth turning or a comment asks for it. Raises TrackError for a bad comment."""
    group = "value" if match["value"] is not None else "text"
    written, span, line = match[group], match.span(group), text.count("\n", 0, match.start(group)) + 1
    value = _value(written)
    if value is None:
        return None
    scale = scales.guess(name, value, written)
    high = CAPITALS if not code or name.isupper() else TOP if not (match.groupdict().get("indent") or "") else LOCAL
    dull = words.never(name) or words.ruler(where) or isinstance(value, str) or (code and structure(name, value, high))
    worth = 0.0 if dull else high * words.promise(name)
    if asked := COMMENT.search(match.groupdict().get("rest") or ""):
        wanted = scales.comment(asked[1], f"{path}:{line}")
        if wanted is None:
            return None
        if not scales.suits(wanted, value):
            raise TrackError(f"{path}:{line}: `knob:` asks for {wanted.kind}, but {written} stands there")
        scale, worth = wanted, ASKED_FOR
    if not worth or not scales.moves(scale, value):
        return None
    return Knob(f"{path}:{where}", path, where, span, written, value, scale, worth, line)


def _value(written: str) -> Value | None:
    """What is written there: a number, true or false, or a quoted text."""
    if written in ("true", "false"):
        return written == "true"
    if written[:1] in "\"'":
        return written[1:-1]
    if "'" in written:
        return None
    return int(written) if re.fullmatch(r"[-+]?(?:0|[1-9][\d_]*)", written) else _float(written)


def _float(written: str) -> float | None:
    try:
        return float(written) if not re.fullmatch(r"[-+]?0\d+", written) else None
    except ValueError:
        return None
