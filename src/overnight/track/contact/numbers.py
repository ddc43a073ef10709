"""The named numbers of a program's output, each with the pattern that finds it, tried on that very output. Pure.

Covered: `name: 1.5`, `name=1.5`, several a line, tables, a prefix of a log, percent signs and units, thousands, an uncertainty,
JSON on a line or over several, benchmarks with their forms and files (pytest-benchmark, hyperfine); one line an epoch.
Not covered: numbers without a name; words in other alphabets are taken as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from overnight.errors import TrackError
from overnight.patterns import compiled
from overnight.track.contact import names
from overnight.track.units import printed
from overnight.untrusted import line as shown
from overnight.untrusted import quoted

MOST_LINES, MOST_LINE_CHARACTERS, MOST_FOUND = 5000, 600, 200  # that are looked at, and names that are taken
MOST_CHARACTERS, MOST_SEARCHED = 1 << 18, 1 << 27  # of an output, its end, and of the text that patterns are tried on in all
MOST_WORDS, MOST_NAME_CHARACTERS = 4, 60  # of a name
MOST_TIMED = 20  # benchmarks of pytest-benchmark
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NUMBER = re.compile(
    r"(?<![\w.@^])(?<![^\W\d_]-)(?P<number>[-+]?(?:\d{1,3}(?:,\d{3}){1,8}(?!\d)(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)"
    r"(?P<unit>%|[A-Za-zµμ]+(?:/[A-Za-z]+)?)?(?!\w|[-:.]\d)|(?<=[:=\s])(?P<none>[-+]?(?:nan|inf)\b)", re.IGNORECASE)
_UNIT = re.compile(r"%|[kKMGT]?i?B|[nmuµμ]?s|secs?|seconds?|min|minutes|x|[KMGTkm]|it/s|[A-Za-z]+/(?:s|sec|op|step|iter)")
# In the files of pytest-benchmark and hyperfine.
_TIMED = re.compile(r"^ +\"(name|command)\": \"([^\"\\\n]{1,80})\",\n +\"(?:fullname|mean)\":", re.M)
_FORMS = tuple((re.compile(form), pattern) for form, pattern in (  # lines of benchmarks, and what reads each
    (r"(?P<name>Benchmark\w+)\S*\s+\d+\s+(?P<number>[\d.]+) (?P<unit>ns/op)", r"^{name}\S*\s+\d+\s+(\S+) {unit}"),  # Go
    (r"test (?P<name>\S+)\s+\.\.\. bench:\s+(?P<number>[\d.,]+) (?P<unit>ns/iter)",
     r"^test {name}\s.*bench:\s+(\S+) {unit}"),  # Rust
    (r"(?P<name>\S*)\s+time:\s+\[\S+ (?P<unit>[nµm]?s) (?P<number>\S+) (?P=unit) ",
     r"{name}\s+time:\s+\[\S+ {unit} (\S+) {unit} "),  # criterion, the middle one
    (r"(?P<name>BM_\S+)\s+\S+ (?P<unit>[num]s)\s+(?P<number>\S+) (?P=unit)\s",
     r"^{name}\s+\S+ {unit}\s+(\S+) {unit}"),  # Google's, of the processor
    (r".*\bbest of \d+: (?P<number>\S+) (?P<unit>[num]?sec) per loop(?P<name>)", r"best of \d+: (\S+) {unit} per loop")))
# Of pytest-benchmark, whose unit differs from run to run.
TABLE = re.compile(r"(?m)^-+ benchmark\b[^\n]*\n(?:(?!Legend:).*\n?)*")
_AFTER = re.compile(r"\s(%|ns/op|ms/op|us/op|ms|us|µs|ns|s|secs?|seconds|[A-Za-z]+/s(?:ec)?)(?=[\s,;.)\]]|$)")
_SECTION = re.compile(r"(?i)(?<![\w./-])(train|training|val|valid|validation|dev|eval|evaluation|test|testing)(?![\w./-])")
_SPLITS = re.compile(r"\s[-|]+\s|[.!?]\s+(?=\w)|[|;,\t\]\[{}]\s*|:\s*(?=\S)|\s{2,}|=>|->")
_SIGN = re.compile(r"(?:[:=]\s*[\[(]|[:=]|->|=>|\||,|\b(?:is|was|of|at))$")
_LEVEL = re.compile(r"(?:(?:DEBUG|INFO|WARNING|ERROR|METRIC|RESULT|RESULTS|FINAL)\b[\s:>-]*)+(?=\S)")
_STOP = re.compile(r"(?i)(?:(?:the|a|an|and|with|in|for|after|at|to|of|is|was|final|mean|average|avg)\s+)+(?=\w)")


class Found(NamedTuple):
    """A number of an output: its name, the pattern and all that it gives there, the unit behind it, the line of the last."""

    name: str
    pattern: str
    values: tuple[float, ...]
    unit: str
    line: int

    @property
    def pick(self) -> str:
        """How the contract says which of several counts; "" for the only one."""
        return "last" if len(self.values) > 1 else ""


class _Seen(NamedTuple):
    """A number where it stands: what lies between its name and it, and behind it; of a known form, its whole pattern."""

    name: str
    separator: str
    text: str
    unit: str
    behind: str
    first: bool
    quote: str
    section: str
    line: int
    pattern: str = ""


def plain(output: str) -> str:
    """An output as it is searched: without colours, and with each state of a line that was written anew as a line."""
    return _COLOUR.sub("", output.replace("\r\n", "\n").replace("\r", "\n"))


def found(output: str) -> list[Found]:
    """The named numbers of an output, in the order in which they end, each once for each way in which it is printed."""
    output = plain(output)
    if any(sign in output for sign in ('"machine_info": {', '"stddev":')) and (timed := list(_of_file(output))):
        return timed
    groups: dict[tuple[object, ...], list[_Seen]] = {}
    known = set[str]()
    lines = list(_lines(TABLE.sub("", output)))
    for at, line in lines:
        for seen in _of_line(line, at, known):
            key = (seen.name, seen.separator.strip() or bool(seen.separator), seen.first, seen.quote, seen.section)
            if key in groups or len(groups) < MOST_FOUND:
                groups.setdefault(key, []).append(seen)
    tries = iter(range(MOST_SEARCHED // (len(output) + 1)))
    last_first = sorted(groups.values(), key=lambda group: -group[-1].line)
    made = [_tried(group, output, tries, lines[0][0] > 0) for group in last_first]
    return sorted(filter(None, made), key=lambda each: each.line)


def _of_file(output: str) -> Iterator[Found]:
    """The least time of each benchmark in what pytest-benchmark or hyperfine writes: its number with the least noise."""
    for seen in islice(_TIMED.finditer(output), MOST_TIMED):
        pattern = rf'"{seen[1]}": "{escaped(seen[2])}",(?s:.*?)"min": ([^,\s]+)'
        if match := compiled(pattern, lines=True).search(output):
            yield Found(f"{seen[2]} seconds", pattern, (printed(match[1]),), "s", output.count("\n", 0, seen.start()))


def _lines(output: str) -> Iterator[tuple[int, str]]:
    """The last lines of an output, the beginning of each, with their numbers."""
    lines, left = output.split("\n"), MOST_CHARACTERS
    first = len(lines)
    while first > max(0, len(lines) - MOST_LINES) and left > 0:
        first -= 1
        left -= min(len(lines[first]), MOST_LINE_CHARACTERS)
    return ((at, line[:MOST_LINE_CHARACTERS]) for at, line in enumerate(lines[first:], first))


def _of_line(line: str, at: int, known: set[str]) -> Iterator[_Seen]:
    """The named numbers of a line; `known` are the names so far, of which there are no more than are taken."""
    for form, pattern in _FORMS:
        if match := form.match(line):
            name, unit = match["name"], match["unit"]
            pattern = pattern.replace("{name}", escaped(name)).replace("{unit}", unit)
            yield _Seen(name or "time", " ", match["number"], unit, "", True, "", "", at, pattern)
            return
    begin, section = 0, ""
    for match in _NUMBER.finditer(line):
        unit = match["unit"] or ""
        if unit and not _UNIT.fullmatch(unit):
            continue
        text, label, whole = match["number"] or match["none"], line[begin:match.start()], begin == 0
        after = _AFTER.match(line, match.end())
        begin = after.end() if after else match.end()
        seen = _named(label, whole)
        if seen is not None:
            name, separator, first, quote = seen
            if len(known) >= MOST_FOUND and name not in known:
                continue
            known.add(name)
            said = _SECTION.findall(label[:-len(name) - len(separator) - len(quote)])
            section = said[-1] if said else section
            behind = line[match.end("number") if match["number"] else match.end():]
            unit = unit or (after[1] if after else "")
            own = section if names.stage(name) == 2 else ""
            yield _Seen(name, separator, text, unit, behind, first and not section, quote, own, at)


def _named(label: str, whole: bool) -> tuple[str, str, bool, str] | None:
    """The name that ends a label, what separates it from the number, whether it begins the line, and the quotation mark."""
    before = _before(label)
    separator = label[len(before):]
    if before.endswith(("\"", "'")) and (quoted := re.search(r"([\"'])([^\"']{1,80})\1$", before)):
        return quoted[2], separator, False, quoted[1]
    parts = list(_SPLITS.finditer(before))
    start = parts[-1].end() if parts else 0
    name = before[start:]
    if level := _LEVEL.match(name):
        start, name = start + level.end(), name[level.end():]
    bare = name.lstrip(" \t\"'#*>-+~_(/\\.")
    if "(" in name and bare.count(")") > bare.count("("):
        bare = bare[bare.rfind("(") + 1:].strip(")")
    start += len(name) - len(name.lstrip(" \t\"'#*>-+~_(/\\."))
    name = bare.rstrip()
    if drop := _STOP.match(name):
        start, name = start + drop.end(), name[drop.end():]
    if len(words := name.split()) > MOST_WORDS:
        name = " ".join(words[-MOST_WORDS:])
        start = before.rfind(words[-MOST_WORDS])
    whole_name = re.search(r"[^\W\d_]", name) and name.count("(") == name.count(")") and '"' not in name
    if not (whole_name and len(name) <= MOST_NAME_CHARACTERS and separator):
        return None
    return name, separator, whole and not before[:start].strip(), ""


def _before(label: str) -> str:
    """A label without the sign and the blanks that separate it from its number."""
    bare = label.rstrip()
    sign = _SIGN.search(bare)
    return bare[:sign.start()].rstrip() if sign else bare


# ---- the pattern -----------------------------------------------------------------------------------------------


def _tried(group: Sequence[_Seen], output: str, tries: Iterator[int], cut: bool) -> Found | None:
    """The first pattern that gives just the numbers of a group, where there is one, and before them others where the beginning
    of the output was `cut`; `tries` is used up by all groups."""
    expected = [printed(seen.text) for seen in group]
    units = {seen.unit for seen in group}
    if len(units) > 1 and units & names.TIMES:
        return None  # now milliseconds, now seconds
    for pattern, _ in zip(_patterns(group), tries, strict=False):
        try:
            every = compiled(pattern, lines=True).finditer(output)
            got = [printed(match[1]) for match in (every if cut else islice(every, len(expected) + 1))]
        except (TrackError, ValueError):
            continue
        said = got[-len(expected):] if cut else got
        if len(said) == len(expected) and all(a == b or a != a for a, b in zip(said, expected, strict=True)):
            name = f"{group[0].section} {group[0].name}".strip()
            return Found(name, pattern, tuple(got), units.pop() if len(units) == 1 else "", group[-1].line)
    return None


def _patterns(group: Sequence[_Seen]) -> Iterator[str]:
    first = group[0]
    name = r"\s+".join(escaped(word) for word in first.name.split())
    if first.pattern:
        yield first.pattern
        return
    between = _between({seen.separator for seen in group})
    quote = escaped(first.quote)
    word = r"\b" if re.match(r"\w", first.name) else ""
    begins = ["^", r"^\W*"] if first.first else []
    begins += [word, rf"(?:^|[^A-Za-z\s_]\s*){word}", rf"^.*?{word}", rf"^.*[,|;\]]\s*{word}"]
    for value in filter(None, (_value(group), r"([-+]?(?:[\d.,]*\d\.?(?:[eE][-+]?\d+)?|nan|inf))")):
        heads = [f"{quote}{name}{quote}"] if quote else [f"{begin}{name}" for begin in begins]
        if first.section:
            heads = [rf"\b{first.section}\b.*?{head}" for head in heads if not head.startswith(("^", "(?:^"))]
        yield from (f"{head}{between}{value}{unit}" for unit in dict.fromkeys((_unit(group), "")) for head in heads)


def _between(separators: set[str]) -> str:
    signs = {separator.strip() for separator in separators}
    if signs <= {":", "="}:
        return r"\s*[:=]\s*"
    if len(signs) == 1 and (sign := signs.pop()):
        spaces = r"\s+" if sign.isalpha() else r"\s*"
        return f"{spaces}{escaped(sign)}{spaces}"
    return r"\s+"


def _value(group: Sequence[_Seen]) -> str:
    """The group for these numbers, as what stands behind them tells; "" where that has nothing in common."""
    behind = {found[0] for seen in group if (found := re.match(r"[A-Za-zµμ]+|\.(?=\s|$)|\S", seen.behind))}
    if len(behind) == 1 and (sign := next(iter(behind))) and (sign[0].isalpha() or sign == "."):
        return r"(\S+?)\.(?:\s|$)" if sign == "." else rf"(\S+?){escaped(sign)}\b"
    if any(sign[0].isalnum() or sign == "." for sign in behind):
        return ""
    if "," in behind and any("," in seen.text for seen in group):
        return r"(\S+?),(?:\s|$)" if behind == {","} else ""
    return rf"([^\s{''.join(escaped(sign) for sign in sorted(behind))}]+)" if behind else r"(\S+)"


def _unit(group: Sequence[_Seen]) -> str:
    """The unit that stands apart behind these numbers, so that one in another is not taken for them; "" where there is none."""
    apart = {found[1] for seen in group if (found := _AFTER.match(seen.behind)) and not seen.pattern}
    return rf"\s+{escaped(unit)}" + r"\b" * unit[-1].isalnum() if len(apart) == 1 and (unit := apart.pop()) else ""


def escaped(text: str) -> str:
    """A text that stands for itself in a pattern, as short as can be; an apostrophe, which a contract has not, is any sign."""
    return "".join("." if c == "'" else f"\\{c}" if c in r"\.+*?()|[]{}^$" else c for c in text)


# ---- which of them it is ----------------------------------------------------------------------------------------


def ranked(numbers: Sequence[Found]) -> list[Found]:
    """Those that can be the number to improve, the likeliest first: results before times, with a known direction before
    others, on validation before training, printed late before early. Bookkeeping is none of them."""
    can = [each for each in numbers if names.sort(each.name, each.unit) != "bookkeeping"]
    best: dict[str, Found] = {}
    for each in sorted(can, key=_order):
        best.setdefault(each.name.lower(), each)
    return sorted(best.values(), key=_order)


def _order(each: Found) -> tuple[object, ...]:
    sort = names.sort(each.name, each.unit)
    return (names.direction(each.name, each.unit) is None, ("result", "rate", "timing").index(sort), names.stage(each.name),
            -each.line, len(each.values))


def nearest(numbers: Sequence[Found], name: str) -> list[Found]:
    """Those whose name is like another, the likest first."""
    import difflib
    close = difflib.get_close_matches(name.lower(), [each.name.lower() for each in numbers], 5, 0.3)
    return sorted((each for each in numbers if each.name.lower() in close), key=lambda each: close.index(each.name.lower()))


def called(numbers: Sequence[Found], name: str) -> Found | None:
    """The one of that name: as it stands, else in other spelling (`val_loss` for `Val loss`); of several the last."""
    same = [each for each in numbers if each.name == name] or [each for each in numbers if each.name.lower() == name.lower()] \
        or [each for each in numbers if names.words(each.name) == names.words(name)]
    return min(same, key=lambda each: (-each.line, len(each.values)), default=None)


# ---- those that the user names -----------------------------------------------------------------------------------


def matched(pattern: str, name: str, output: str) -> Found | None:
    """What a pattern of the user's finds. Raises TrackError for one that is none."""
    search = compiled(pattern, lines=True)
    if search.groups != 1:
        raise TrackError(f"--pattern '{shown(pattern, 80)}' needs exactly one group, round the number, like '^loss: (\\S+)'.")
    texts = [match[1] or "" for match in search.finditer(plain(output))]
    try:
        values = tuple(printed(text) for text in texts)
    except ValueError:
        raise TrackError(f"--pattern '{shown(pattern, 80)}' gives {quoted(texts[0], 60)}, which is no number: let its group "
                         "hold the number alone.") from None
    return Found(name or name_in(pattern), pattern, values, "", 0) if values else None


def name_in(pattern: str) -> str:
    """What a pattern's number may be called: its first word."""
    plain = re.sub(r"\\[A-Za-z]|\([^)]*\)|\[[^\]]*\]", " ", pattern)
    return next(iter(re.findall(r"[A-Za-z][\w-]*", plain)), "metric")


def behind(name: str, output: str) -> Found | None:
    """The number that follows a name on its line, whatever stands between."""
    pattern = rf"{escaped(name)}[^\d\n]*?([-+]?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?)"
    try:
        return matched(pattern, name, output)
    except TrackError:
        return None
