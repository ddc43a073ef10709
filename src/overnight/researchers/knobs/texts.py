"""Finds what can be turned in files that are not Python: settings, and constants of other languages, line by line.

Covered: `name: 3` and `name = 3` of JSON, YAML, TOML, INI and .env files; `#define N 3` and statements that do nothing but give
one name a number. Not covered: numbers inside expressions, rows of numbers, and strings, but where a `knob:` comment asks; what
is too large, too long or too deep to be settings that a person wrote; and of code the room that an array has, and what a
generator of random numbers starts from.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import PurePosixPath

from overnight.errors import TrackError
from overnight.researchers.knobs import scales, words
from overnight.researchers.knobs.edit import parse
from overnight.researchers.knobs.knob import ASKED_FOR, CAPITALS, LOCAL, TOP, Knob, structure
from overnight.researchers.knobs.scales import Value

MOST_CHARACTERS = 256 << 10  # of a file that is looked through: a longer one is data
MOST_LINE = 400  # characters of a line of code that is meant
MOST_VALUES, MOST_DEEP, MOST_NAMED, MOST_WRITTEN = 2000, 12, 100, 40  # of a file; objects around a value; characters of each
# What follows stays on one line, and no two parts that repeat can share out one text: the time is linear in the file's length.
B = r"[^\S\n]"  # a blank that is no line end
NUMBER = r"(?P<value>[-+]?(?:\d[\d_']*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|true|false)"
QUOTED = r"(?P<text>\"[^\"\n]*\"|'[^'\n]*')"
END = rf"(?P<rest>(?:{B}*[}},])?{B}*(?:(?:[#;%]|//|--|/\*).*)?)$"
PAIR = re.compile(rf"^(?P<indent>{B}*)(?:-{B}+|export{B}+)?[\"']?(?P<name>[A-Za-z_][\w.-]*)[\"']?{B}*[:=]{B}*"
                  rf"(?:{NUMBER}|{QUOTED}){END}", re.M)
JSON = re.compile(rf"\"(?P<name>[^\"\n]+)\"\s*:\s*{NUMBER}(?=\s*[,}}\]])")
TOKEN = re.compile(r"\"(?P<key>[^\"\n]+)\"\s*:|\"(?:[^\"\\\n]|\\.)*\"?|[{}\[\]]")
DEFINE = re.compile(rf"^{B}*#{B}*define{B}+(?P<name>\w+){B}+\(?{NUMBER}[fFlLuU]*\)?(?P<rest>{B}*(?://.*|/\*.*)?)$", re.M)
GO = r"u?int(?:8|16|32|64)?\b|float(?:32|64)\b|bool\b"
SET = re.compile(rf"^(?P<indent>{B}*)(?P<kind>(?:[\w<>&*]+(?:::[\w<>]+)*{B}+)*)"
                 rf"(?P<name>(?!{GO})[A-Za-z_]\w*){B}*(?::{B}*[\w<>]+{B}*|(?<=\s)(?:{GO}){B}*)?"
                 rf"(?::=|=|<-){B}*{NUMBER}(?:_?[fFuUiI](?:8|16|32|64|size|LL?|ll?)?|[uU]?[lL]{{1,2}})?"
                 rf"(?P<rest>(?:{B}*[;,])?{B}*(?:(?://|#|--|/\*|%).*)?)$", re.M)
SECTION = re.compile(rf"^{B}*\[+([^\[\]\n]+)\]+{B}*(?:[#;].*)?$", re.M)
REPORT = re.compile(r"\"[^\"\n]{0,400}\"[^;\n]{0,400}|`[^`\n]{0,400}`")  # a text, and what is written behind it
DRAWN = re.compile(r"(?i)(?:rand|uniform|normal|gauss|shuffle|rng)\w{0,40}(?:\.\w{1,40})?\(")  # what draws at random
ROOM = re.compile(r"\[([^\[\]\n]{1,200})\]")  # what an array is declared with, or looked up by
STEPPED = re.compile(r"\b([A-Za-z_]\w*)\s*"
                     r"(?:=\s*\1\s*\*\s*\d{4,}|\^=\s*\1\s*(?:<<|>>)|=\s*\1\s*\^\s*\(?\1\s*(?:<<|>>))")
WORD = re.compile(r"[A-Za-z_]\w*")
COMMENT = re.compile(rf"(?:[#;%]|//|--|/\*){B}*knob:(.*)$")
SETTINGS = words.among(".yaml .yml .toml .ini .cfg .conf .env .properties .json .json5 .jsonc")
CODE = words.among(".c .h .cc .cpp .cxx .hpp .hh .cu .cuh .cl .rs .go .js .mjs .cjs .ts .jsx .tsx .java .kt .swift .cs .zig "
                   ".jl .lua .r .sh .bash .scala .m .f90 .metal .glsl .wgsl .nim .d .php .rb .ml .dart")
LOCKED = words.among("package-lock.json package.json cargo.toml pyproject.toml tsconfig.json track.toml")


def find(files: Mapping[str, str | None], measured: frozenset[str] = frozenset()) -> list[Knob]:
    """The knobs of all files that are not Python, or are a newer Python than this one, without settings that only what measures
    reads, by these names. Raises TrackError for a bad comment."""
    found: list[Knob] = []
    rooms = _rooms(files)
    for path, text in sorted(files.items()):
        suffix, name = PurePosixPath(path).suffix.lower(), PurePosixPath(path).name.lower()
        newer = suffix == ".py" and text and parse(text) is None  # Python that this Python cannot read
        short = text and len(text) <= MOST_CHARACTERS and name not in LOCKED
        if text and short and (newer or suffix in SETTINGS | CODE or name.startswith(".env")):
            kept = rooms | _states(text) if suffix in CODE else frozenset()
            inside = _in_text(path, text, suffix, measured)
            found += (knob for knob in inside if knob.worth == ASKED_FOR or knob.label not in kept)
    return found


def _rooms(files: Mapping[str, str | None]) -> frozenset[str]:
    """The names of constants that stand between the brackets of arrays and nowhere else: how much room there is, which changes
    what a program computes only where it breaks it."""
    inside, everywhere = Counter[str](), Counter[str]()
    for path, text in files.items():
        if text and PurePosixPath(path).suffix.lower() in CODE:
            shown = text[:MOST_CHARACTERS]
            inside.update(name for room in ROOM.findall(shown) for name in WORD.findall(room))
            everywhere.update(WORD.findall(shown))
    return frozenset(name for name, count in inside.items() if everywhere[name] == count + 1)  # and where it gets its value


def _states(text: str) -> frozenset[str]:
    """The names of variables that a generator of random numbers steps on from: their first values are seeds."""
    return frozenset(name for name in STEPPED.findall(text[:MOST_CHARACTERS]))


def measured(files: Mapping[str, str | None], metric: str) -> frozenset[str]:
    """`path:name` of the constants of code that stand in a line of the report of the metric; and, of the file that reports it,
    of counts beside what is drawn at random, where the constants of a search or of a model have a file of their own."""
    code = {path: text for path, text in files.items() if text and (
        PurePosixPath(path).suffix.lower() in CODE or (path.endswith(".py") and parse(text) is None))}
    said, found = re.sub(r"[^a-z0-9]", "", metric.lower()), set[str]()
    for path, text in code.items() if said else ():
        reports = [each for each in REPORT.findall(text[:MOST_CHARACTERS]) if said in re.sub(r"[^a-z0-9]", "", each.lower())]
        apart = any(SET.search(other) or DEFINE.search(other) for each, other in code.items() if each != path)
        short = (line for line in text[:MOST_CHARACTERS].split("\n") if len(line) <= MOST_LINE)
        drawn = [line for line in short if DRAWN.search(line)] if reports and apart else []
        found |= {f"{path}:{name}" for line in (*reports, *drawn) for name in re.findall(r"[A-Za-z_]\w*", line)}
    return frozenset(found)


def _in_text(path: str, text: str, suffix: str, measured: frozenset[str]) -> Iterator[Knob]:
    seen: Counter[str] = Counter()
    ends = [match.start() for match in re.finditer("\n", text)]
    for match, name, context in islice(_matches(text, suffix), MOST_VALUES):
        if len(name) > MOST_NAMED:
            continue
        where = f"{context}.{name}".lstrip(".")
        seen[where] += 1
        where = where if seen[where] == 1 else f"{where}#{seen[where]}"
        line = bisect_left(ends, match.end()) + 1
        knob = _knob(path, line, match, name, where, suffix in CODE or suffix == ".py")
        code = suffix in CODE or suffix == ".py"
        count = isinstance(knob.value, int) if knob else False
        if knob and (knob.worth == ASKED_FOR or (f"{path}:{name}" if code else name) not in measured or (code and not count)):
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
        yield from _in_yaml(text) if suffix in (".yaml", ".yml") else _in_sections(text)


def _in_sections(text: str) -> Iterator[tuple[re.Match[str], str, str]]:
    """The same of TOML and INI, whose contexts are sections."""
    section = ""
    for match in sorted([*SECTION.finditer(text), *PAIR.finditer(text)], key=lambda match: match.start()):
        if match.re is SECTION:
            section = match[1].strip()[:MOST_NAMED]
        else:
            yield match, match["name"], section


def _in_yaml(text: str) -> Iterator[tuple[re.Match[str], str, str]]:
    """The same of YAML, whose contexts are the names of less indented lines above."""
    nested: list[tuple[int, str]] = []
    for line in re.finditer(r"^( *)(?:- +)?([\w.-]+):.*$", text, re.M):
        while nested and nested[-1][0] >= len(line[1]):
            nested.pop()
        if len(nested) <= MOST_DEEP and (pair := PAIR.match(text, line.start())):
            yield pair, pair["name"], ".".join(each for _, each in nested)
        nested.append((len(line[1]), line[2][:MOST_NAMED]))


def _in_json(text: str) -> Iterator[tuple[re.Match[str], str, str]]:
    """The same of JSON, whose contexts are the keys of the objects that hold a value."""
    held, key = list[str](), ""
    for token in TOKEN.finditer(text):
        if token["key"] is not None:
            key = token["key"]
            if len(held) <= MOST_DEEP and (match := JSON.match(text, token.start())):
                yield match, key, ".".join(filter(None, held))
        elif token[0] in ("{", "["):
            held.append(key[:MOST_NAMED])
            key = ""
        elif token[0] in ("}", "]") and held:
            held.pop()


def _knob(path: str, line: int, match: re.Match[str], name: str, where: str, code: bool) -> Knob | None:
    """The knob of a value, if it is worth turning or a comment asks for it. Raises TrackError for a bad comment."""
    group = "value" if match["value"] is not None else "text"
    written, span = match[group], match.span(group)
    value = _value(written)
    if value is None:
        return None
    scale = scales.guess(name, value, written)
    high = CAPITALS if not code or name.isupper() else TOP if not (match.groupdict().get("indent") or "") else LOCAL
    dull = words.never(name) or words.ruler(where) or words.world(where) or isinstance(value, str)
    dull = dull or (code and (words.counts_things(name) or structure(name, value, high)))
    worth = 0.0 if dull else high * words.promise(name)
    if asked := COMMENT.search(match.groupdict().get("rest") or ""):
        wanted = scales.comment(asked[1].strip().removesuffix("*/").strip(), f"{path}:{line}")
        if wanted is None:
            return None
        if not scales.suits(wanted, value):
            raise TrackError(f"{path}:{line}: `knob:` asks for {wanted.kind}, but {written} stands there")
        scale, worth = wanted, ASKED_FOR
    if not worth or not scales.finite(scale, value) or not scales.moves(scale, value):
        return None
    return Knob(f"{path}:{where}", path, where, span, written, value, scale, worth, line)


def _value(written: str) -> Value | None:
    """What is written there: a number, true or false, or a quoted text; None where it is none, or too long to be meant."""
    if written in ("true", "false"):
        return written == "true"
    if written[:1] in "\"'":
        return written[1:-1]
    if len(written) > MOST_WRITTEN or re.fullmatch(r"[-+]?0[\d_]+", written):
        return None
    try:
        return int(written) if re.fullmatch(r"[-+]?[\d_]+", written) else float(written)
    except ValueError:
        return None
