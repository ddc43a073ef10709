"""`track.toml`: the contract of a track. Load it, check it, and say what is wrong in one sentence with the line."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

from overnight.contracts import Direction, Network
from overnight.errors import TrackError
from overnight.track.units import bound, seconds, size

Made = TypeVar("Made")

FILE = "track.toml"
WARM_UP = 0.3  # share of the incumbent's curve before which no run is stopped for falling behind
CATCH_UP = 2.5  # times the greatest speed seen so far at which a run may still be thought to learn
NEARLY_DONE = 0.9  # share of the curve after which no run is stopped: its number is worth more than the time that is left
HARNESS_METRICS = frozenset({"cpu_seconds", "wall_seconds", "peak_memory"})

_WORDS = {"str": "text in quotes", "int": "a whole number", "float": "a number", "bool": "true or false",
          "array": "a list in brackets", "object": "a section"}



class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """`[track]`: name, goal in a sentence, globs that may be edited."""

    name: str
    editable: tuple[str, ...]
    goal: str = ""


class Metric(Struct, frozen=True, forbid_unknown_fields=True):
    """`[metric]`: the number to improve.

    worthwhile  the smallest improvement worth a commit, in the metric's unit
    source      "score": the scorer's JSON; "output": read from the candidate's own output (self-reported)
    pattern     for "output": a regular expression with one group
    range       the least and the most that can be true: a number outside is no result
    """

    name: str
    direction: Direction
    unit: str = ""
    worthwhile: float = 0.0
    source: Literal["score", "output"] = msgspec.field(name="from", default="score")
    pattern: str = ""
    kind: Literal["auto", "deterministic", "noisy", "timing", "success"] = "auto"
    range: tuple[float, float] | None = None


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """`[oracle]`: one command and its limits. Durations like "30s", sizes like "1GiB"."""

    command: tuple[str, ...]
    timeout: str = "60s"
    memory: str = "1GiB"


class RunSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """`[run]`: how one experiment is run.

    cpus       cores that one run gets for itself
    processes  at most so many at once
    disk       bound of each place it may write to
    data       files and folders it may read besides its own tree
    python     the interpreter that `python` means (default: the one that Overnight runs on)
    network    "loopback": the run may open TCP and UDP sockets to itself; nothing else can be reached either way
    gpus       whether the run and the oracle may use the machine's GPUs
    """

    command: tuple[str, ...]
    timeout: str = "10min"
    memory: str = "2GiB"
    disk: str = "256MiB"
    cpus: int = 1
    processes: int = 128
    data: tuple[str, ...] = ()
    python: str = ""
    network: Network = "none"
    gpus: bool = False


class Score(Struct, frozen=True, forbid_unknown_fields=True):
    """`[score]`: the protected scorer.

    private  files of the track that no candidate ever sees (unseen words, labels)
    holdout  one more such file, given to the scorer as $OVERNIGHT_HOLDOUT when a candidate is about to be kept
    """

    command: tuple[str, ...]
    timeout: str = "60s"
    memory: str = "1GiB"
    private: tuple[str, ...] = ()
    holdout: str = ""


class Guard(Struct, frozen=True, forbid_unknown_fields=True):
    """`[[guard]]`: what must not get worse. "1.25x" is relative to the baseline's median, so that many small
    steps cannot add up; "40s", "1GiB" or a plain number is absolute."""

    metric: str
    at_most: str | float | None = None
    at_least: str | float | None = None


class Referee(Struct, frozen=True, forbid_unknown_fields=True):
    """`[referee]`: how sure a keep must be.

    false_share  of the keeps that may be false: smaller keeps less and errs less
    may_crash    share of a candidate's runs that may fail where the frontier's do not; such seeds are then left out
    stack        most edits that are measured together in one run while most are worth nothing (1: never)
    """

    false_share: float = 0.05
    may_crash: float = 0.0
    stack: int = 5


class Progress(Struct, frozen=True, forbid_unknown_fields=True):
    """`[progress]`: what a run reports of itself while it is under way, so that one that falls behind can be stopped.

    pattern    a regular expression with two groups, step and value, of a line of its standard output
    direction  which way the value improves (default: the metric's)
    patience   share of the incumbent's curve before which nothing is stopped
    margin     how many times faster than at the best of times a run may still be thought to learn
    """

    pattern: str
    direction: Direction | None = None
    patience: float = WARM_UP
    margin: float = CATCH_UP


class Track(Struct, frozen=True, forbid_unknown_fields=True):
    """The contract of a track. No candidate may change it."""

    track: Head
    metric: Metric
    run: RunSpec
    oracle: Step | None = None
    score: Score | None = None
    referee: Referee = Referee()
    guard: tuple[Guard, ...] = ()
    progress: Progress | None = None

    @property
    def name(self) -> str:
        """The track's name, as in its branch `overnight/<name>`."""
        return self.track.name

    @property
    def self_reported(self) -> bool:
        """True where the candidate's own output is the metric."""
        return self.metric.source == "output"

    @property
    def private(self) -> tuple[str, ...]:
        """The files that no candidate ever sees."""
        return () if self.score is None else (*self.score.private, *filter(None, [self.score.holdout]))

    @property
    def holdout(self) -> str:
        """The file that is scored before a keep; "" where there is none."""
        return self.score.holdout if self.score is not None else ""

    def oriented(self, difference: float) -> float:
        """A difference `candidate - incumbent` of the metric, turned so that positive is better."""
        return -difference if self.metric.direction == "minimize" else difference


# ---- values ----------------------------------------------------------------------------------------------------


def covers(pattern: str, path: str) -> bool:
    """Whether a glob (`*` within a folder, `**` across folders) names a path, both with forward slashes."""
    parts = [r"(?:[^/]+/)*" if p == "**/" else r".*" if p == "**" else r"[^/]*" if p == "*" else r"[^/]" if p == "?"
             else re.escape(p) for p in re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", pattern)]
    return re.fullmatch("".join(parts), path) is not None


# ---- loading ---------------------------------------------------------------------------------------------------


def parse(text: str) -> Track:
    """The contract from its text. Raises TrackError."""
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TrackError(f"{FILE} is not TOML: {error}.") from error
    _check_keys(fields, text)
    for nth, table in enumerate(fields.get("guard", ())):
        _converted({"guard": table}, _OneGuard, text, nth)
    track = _converted(fields, Track, text)
    _check_values(track, text)
    return track


class _OneGuard(Struct, frozen=True):
    guard: Guard


def _converted(fields: dict[str, Any], kind: type[Made], text: str, nth: int = 0) -> Made:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise TrackError(_explain(str(error), text, nth)) from error


def line_of(text: str, section: str, key: str, nth: int = 0) -> str:
    """` (line 12)` for a key of the nth section of a name, as well as it can be found."""
    inside, seen = not section, 0
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*\[\[?\s*([\w.]+)\s*\]\]?", line):
            inside = found[1] == section and seen == nth
            seen += found[1] == section
            if inside and not key:
                return f" (line {number})"
        elif inside and key and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return f" (line {number})"
    return ""


def _known(struct: type[Struct]) -> dict[str, str]:
    return {field.encode_name: field.name for field in msgspec.structs.fields(struct)}


def _sections() -> dict[str, type[Struct]]:
    """Section name -> its record, from the types of Track."""
    found = {}
    for name, hint in get_type_hints(Track).items():
        options = [hint, *get_args(hint)]
        found[name] = next(o for o in options if isinstance(o, type) and issubclass(o, Struct))
    return found


def _check_keys(fields: dict[str, Any], text: str) -> None:
    sections = _sections()
    for name, value in fields.items():
        if name not in sections:
            line = line_of(text, name, "") or line_of(text, "", name)
            raise TrackError(f"{FILE}{line}: unknown section [{name}]{_near(name, sections)}.")
        if name == "guard" and not isinstance(value, list):
            raise TrackError(f"{FILE}{line_of(text, name, '')}: there may be several guards: write [[guard]] for each.")
        for nth, table in enumerate(value if isinstance(value, list) else [value]):
            for key in table if isinstance(table, dict) else ():
                if key not in (known := _known(sections[name])):
                    line = line_of(text, name, key, nth)
                    raise TrackError(f"{FILE}{line}: unknown key '{key}' in [{name}]{_near(key, known)}.")


def _near(word: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else f"; known are {', '.join(known)}"


def _explain(message: str, text: str, nth: int = 0) -> str:
    """msgspec's message in our words: where, then what."""
    what, _, where = message.partition(" - at `$.")
    path = re.sub(r"\[\d*\.*\]", "", where.rstrip("`"))
    section, _, key = path.partition(".")
    if missing := re.search(r"missing required field `(\w+)`", what):
        if not section:
            return f"{FILE}: the section [{missing[1]}] is missing."
        return f"{FILE}{line_of(text, section, '', nth)}: '{missing[1]}' is missing in [{section}]."
    line = line_of(text, section, key, nth) or line_of(text, "", section)
    return f"{FILE}{line}: {path} {_must(what, section, key)}."


def _must(what: str, section: str, key: str) -> str:
    """What msgspec expected, in words."""
    if types := re.fullmatch(r"Expected `(.+)`, got `(.+)`", what):
        wanted = " or ".join(_WORDS.get(name, name) for name in types[1].split(" | ") if name != "null")
        return f"must be {wanted}, not {_WORDS.get(types[2], types[2])}"
    if what.startswith("Invalid enum value"):
        struct = _sections()[section]
        hint = get_type_hints(struct)[_known(struct)[key]]
        options = [o for part in get_args(hint) for o in (get_args(part) or [part]) if o is not type(None)]
        return "must be " + " or ".join(f'"{option}"' for option in options)
    return f"is wrong: {what}"


def _check_values(track: Track, text: str) -> None:
    def wrong(section: str, key: str, sentence: str, nth: int = 0) -> TrackError:
        line = line_of(text, section, key, nth) or line_of(text, section, "", nth)
        return TrackError(f"{FILE}{line}: {sentence}")

    if not re.fullmatch(r"[\w][\w.-]*", track.name) or track.name.endswith((".", ".lock")) or ".." in track.name:
        raise wrong("track", "name", f"'{track.name}' cannot be part of a branch name: use letters, digits, - and _.")
    if not track.track.editable:
        raise wrong("track", "editable", "nothing may be edited: name at least one file.")
    if not 0 <= track.metric.worthwhile < math.inf:
        raise wrong("metric", "worthwhile", "worthwhile is a size: write a number that is not negative.")
    for key in ("cpus", "processes"):
        if getattr(track.run, key) < 1:
            raise wrong("run", key, f"{key} must be at least 1.")
    for key, least, most in (("false_share", 1e-6, 0.5), ("may_crash", 0.0, 0.5), ("stack", 1, 5)):
        if not least <= getattr(track.referee, key) <= most:
            raise wrong("referee", key, f"{key} must be between {least:g} and {most:g}.")
    for section, step in (("run", track.run), ("oracle", track.oracle), ("score", track.score)):
        if step is not None and not step.command:
            raise wrong(section, "command", f"[{section}] has an empty command.")
        for key, parse_value in (("timeout", seconds), ("memory", size), ("disk", size)):
            if hasattr(step, key):
                _parsed(parse_value, getattr(step, key), wrong, section, key)
    _check_metric(track, wrong)
    _check_holdout(track, wrong)
    if track.progress is not None:
        _check_progress(track.progress, wrong)
    for nth, guard in enumerate(track.guard):
        if (guard.at_most is None) == (guard.at_least is None):
            raise wrong("guard", "metric", f"the guard on {guard.metric} needs either at_most or at_least.", nth)
        limit = guard.at_most if guard.at_most is not None else guard.at_least
        assert limit is not None
        _parsed(bound, limit, wrong, "guard", "at_most" if guard.at_most is not None else "at_least", nth)


def _parsed(parse_value: Any, value: Any, wrong: Any, section: str, key: str, nth: int = 0) -> None:
    try:
        parse_value(value)
    except TrackError as error:
        raise wrong(section, key, str(error), nth) from error


def _check_metric(track: Track, wrong: Any) -> None:
    metric = track.metric
    if metric.range is not None and not metric.range[0] < metric.range[1]:
        raise wrong("metric", "range", "range is the least and the most that can be true: write it like [0, 20].")
    if metric.source == "score" and track.score is None and metric.name not in HARNESS_METRICS:
        raise wrong("metric", "name", f"no command measures '{metric.name}': add a [score] command, or read it from the "
                    "output with from = \"output\" and a pattern (self-reported).")
    if metric.source == "output":
        try:
            groups = re.compile(metric.pattern).groups if metric.pattern else 0
        except re.error as error:
            raise wrong("metric", "pattern", f"the pattern is no regular expression: {error}.") from error
        if groups != 1:
            raise wrong("metric", "pattern", "from = \"output\" needs a pattern with exactly one group, "
                        f"like '^{metric.name}:\\s*(\\S+)'.")
    elif metric.pattern:
        raise wrong("metric", "pattern", "a pattern is only read with from = \"output\".")


def _check_holdout(track: Track, wrong: Any) -> None:
    if track.holdout and (track.self_reported or track.metric.name in HARNESS_METRICS):
        raise wrong("score", "holdout", f"the holdout says nothing about {track.metric.name}, which [score] does not measure: "
                    "take `holdout` out, or let the scorer give the metric.")


def _check_progress(progress: Progress, wrong: Any) -> None:
    try:
        groups = re.compile(progress.pattern).groups
    except re.error as error:
        raise wrong("progress", "pattern", f"the pattern is no regular expression: {error}.") from error
    if groups != 2:
        raise wrong("progress", "pattern", "[progress] needs a pattern with exactly two groups, step and value, "
                    "like '^step (\\d+) loss (\\S+)'.")
    if not 0 <= progress.patience < NEARLY_DONE:
        raise wrong("progress", "patience", f"patience is a share of the run: write a number from 0 to below "
                    f"{NEARLY_DONE:g}.")
    if not 1 <= progress.margin < math.inf:
        raise wrong("progress", "margin", "margin says how many times faster a run may still learn: write 1 or more.")
