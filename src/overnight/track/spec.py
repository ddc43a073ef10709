"""`track.toml`: the contract of a track. Load it, check it, and say what is wrong in one sentence with the line."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Struct

from overnight.contracts import Direction, Network
from overnight.errors import TrackError, meant
from overnight.patterns import compiled
from overnight.track import ladder as ladders
from overnight.track.ladder import Ladder
from overnight.track.runners import direct, starts_warm
from overnight.track.units import bound, seconds, size

Made = TypeVar("Made")

FILE = "track.toml"
WARM_UP = 0.3  # share of the incumbent's curve before which no run is stopped for falling behind
CATCH_UP = 2.5  # times the greatest speed seen so far at which a run may still be thought to learn
NEARLY_DONE = 0.9  # share of the curve after which no run is stopped: its number is worth more than the time that is left
HARNESS_METRICS = frozenset({"cpu_seconds", "wall_seconds", "peak_memory"})
TIMES = frozenset({"cpu_seconds", "wall_seconds"})
SIZE = "code_size"  # nodes of the syntax of the editable files, which can be watched and takes no run
COUNTED = HARNESS_METRICS - {"wall_seconds"}  # what only the kernel can count; elsewhere a candidate can make them look small

SEVERAL = {"guard": "guards", "watch": "further metrics", "require": "required commands", "ladder.rung": "rungs"}
NESTED = {"rung": "ladder.rung"}  # sections within others, as they are written
_WORDS = {"str": "text in quotes", "int": "a whole number", "float": "a number", "bool": "true or false",
          "array": "a list in brackets", "object": "a section"}


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """`[track]`: name, goal in a sentence, globs that may be edited; `context`: globs of files that researchers may read and
    not edit, such as the model's definition or the test that a candidate must pass; `region`: a mark, such as EVOLVE-BLOCK: of
    files that have it, only the lines between one with `<mark>-START` and one with `<mark>-END` may be edited."""

    name: str
    editable: tuple[str, ...]
    goal: str = ""
    context: tuple[str, ...] = ()
    region: str = ""


class Metric(Struct, frozen=True, forbid_unknown_fields=True):
    """`[metric]`: the number to improve.

    worthwhile  the smallest improvement worth a commit, in the metric's unit
    source      "score": the scorer's JSON; "output": read from the candidate's own output (self-reported)
    pattern     for "output": a regular expression with one group
    pick        for "output": which number counts where the pattern matches several lines: "last", "min" or "max"; "only": there
                may be but one
    range       the least and the most that can be true: a number outside is no result
    """

    name: str
    direction: Direction
    unit: str = ""
    worthwhile: float = 0.0
    source: Literal["score", "output"] = msgspec.field(name="from", default="score")
    pattern: str = ""
    pick: Literal["only", "last", "min", "max"] = "only"
    kind: Literal["auto", "deterministic", "noisy", "timing", "success"] = "auto"
    range: tuple[float, float] | None = None


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """`[oracle]`, and each `[[require]]`: one command and its limits. Durations like "30s", sizes like "1GiB"."""

    command: tuple[str, ...]
    timeout: str = "60s"
    memory: str = "1GiB"


class Build(Struct, frozen=True, forbid_unknown_fields=True):
    """`[build]`: what is made of a candidate before it runs, once for equal inputs, and not counted as its time.

    inputs   globs of the files that the command may see (default: every file of the repository)
    outputs  files and folders that it makes, which are laid over the candidate's tree
    cache    whether runs keep compile caches (torch.compile, triton, numba, ccache, jax), as the baseline's first run left them
    """

    command: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    timeout: str = "10min"
    memory: str = "2GiB"
    cache: bool = False


class RunSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """`[run]`: how one experiment is run.

    cpus       cores that one run gets for itself
    processes  at most so many at once
    disk       bound of each place it may write to
    output     bytes that it may print
    data       files and folders it may read besides its own tree
    python     the interpreter that `python` means (default: the one that Overnight runs on)
    network    "loopback": the run may open TCP and UDP sockets to itself; nothing else can be reached either way
    gpus       whether the run and the oracle may use the machine's GPUs
    preload    modules that the run's and the oracle's Python has imported before it begins, so that no run need do it: `python`
               is started once and forked for each. Its PYTHONHASHSEED is the same in every run then
    environment  variables that the run and the oracle see
    """

    command: tuple[str, ...]
    timeout: str = "10min"
    memory: str = "2GiB"
    disk: str = "256MiB"
    output: str = "8MiB"
    cpus: int = 1
    processes: int = 128
    data: tuple[str, ...] = ()
    python: str = ""
    network: Network = "none"
    gpus: bool = False
    preload: tuple[str, ...] = ()
    environment: dict[str, str] = {}


class Score(Struct, frozen=True, forbid_unknown_fields=True):
    """`[score]`: the protected scorer.

    private  files of the track that no candidate ever sees (unseen words, labels)
    holdout  one more such file, given to the scorer as $OVERNIGHT_HOLDOUT when a candidate is about to be kept
    preload  modules that the scorer's Python has imported, like those of [run]
    audit    which runs the scorer audits for cheating ($OVERNIGHT_AUDIT): "always"; "confirm": those of the baseline, and those
             that confirm a candidate, without which nothing is kept
    """

    command: tuple[str, ...]
    timeout: str = "60s"
    memory: str = "1GiB"
    private: tuple[str, ...] = ()
    holdout: str = ""
    preload: tuple[str, ...] = ()
    audit: Literal["always", "confirm"] = "always"


class Guard(Struct, frozen=True, forbid_unknown_fields=True):
    """`[[guard]]`: what must not get worse. "1.25x" is relative to the baseline's median, so that many small
    steps cannot add up; "40s", "1GiB" or a plain number is absolute."""

    metric: str
    at_most: str | float | None = None
    at_least: str | float | None = None


class FurtherMetric(Struct, frozen=True, forbid_unknown_fields=True):
    """`[[watch]]`: a further metric, which decides nothing: what was kept is measured by it, and the user is told which keeps
    it disowns. It may be added between nights.

    metric      a number that the scorer prints, or one of the harness's
    worthwhile  how much worse a keep may make it and not be disowned, in its unit
    pattern     a regular expression with one group, for a number in the candidate's own output, of which the last one counts
                (self-reported); default: the scorer prints it
    """

    metric: str
    direction: Direction
    unit: str = ""
    worthwhile: float = 0.0
    pattern: str = ""


class Referee(Struct, frozen=True, forbid_unknown_fields=True):
    """`[referee]`: how sure a keep must be.

    false_share  of the keeps that may be false: smaller keeps less and errs less
    may_crash    share of a candidate's runs that may fail where the frontier's do not, and of the frontier's where the
                 baseline's do not; such seeds are then left out
    stack        most edits that are measured together in one run while most are worth nothing (1: never)
    may_starve   where the metric is a time: share of a run for which it may wait for a core that other work has; one that waits
                 longer is done again, later (1: never)
    null_edits   edits that do nothing with which the baseline is run, to see whether they move its number; "auto": some, where
                 the number repeats itself and it is worth it (0: none)
    campaign     "auto": a researcher that needs no time explores by single runs and claims what is best; "off": each of its
                 changes gets a verdict of its own
    prior        "on": a campaign begins with what mattered on earlier tracks of this machine, by names of knobs; "off": without
    leads        "on": models and agents on the team make their changes on a campaign's lead; "off": on the frontier
    """

    false_share: float = 0.05
    may_crash: float = 0.0
    stack: int = 5
    may_starve: float = 0.05
    null_edits: int | Literal["auto"] = "auto"
    campaign: Literal["auto", "off"] = "auto"
    prior: Literal["on", "off"] = "off"
    leads: Literal["on", "off"] = "off"


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
    """The contract of a track. No candidate may change it. Each command in `require` must end well in a candidate's tree before
    it is scored."""

    track: Head
    metric: Metric
    run: RunSpec
    oracle: Step | None = None
    score: Score | None = None
    referee: Referee = Referee()
    guard: tuple[Guard, ...] = ()
    watch: tuple[FurtherMetric, ...] = ()
    require: tuple[Step, ...] = ()
    progress: Progress | None = None
    build: Build | None = None
    ladder: Ladder = Ladder()

    @property
    def name(self) -> str:
        """The track's name, as in its branch `overnight/<name>`."""
        return self.track.name

    def on(self, name: str) -> Track:
        """The track on a rung of its ladder; "" is the lowest, the track itself. What is made together on a rung is said by
        the climb, so that no other changes are put together there. Raises TrackError."""
        if not name:
            return self
        rung, change = self.ladder.at(name), msgspec.structs.replace
        given = {key: value for key in ("timeout", "memory", "disk", "cpus", "gpus") if (value := getattr(rung, key))
                 not in ("", None)}
        run = change(self.run, environment=self.run.environment | rung.environment, **given)
        return change(
            self, run=run, oracle=_roomier(self.oracle, rung), score=_roomier(self.score, rung),
            track=change(self.track, name=f"{self.name}@{name}"), referee=change(self.referee, stack=1),
            metric=self.metric if rung.worthwhile is None else change(self.metric, worthwhile=rung.worthwhile))

    def comparable(self, other: Track) -> bool:
        """Whether what was measured by one contract compares with what is measured by another: they differ at most in their
        ladders, of which a rung has taken its part already, and in further metrics, which decide nothing."""
        bare, change = Ladder(), msgspec.structs.replace
        return change(self, ladder=bare, watch=()) == change(other, ladder=bare, watch=())

    @property
    def self_reported(self) -> bool:
        """True where the candidate's own output is the metric."""
        return self.metric.source == "output"

    @property
    def warm(self) -> bool:
        """Whether anything of it is started with modules imported."""
        return bool(self.run.preload or (self.score is not None and self.score.preload))

    def can_start_warm(self, step: RunSpec | Score) -> bool:
        """Whether a step starts Python in a way to which `preload` can be applied."""
        return starts_warm(direct(step.command) if self.run.python else step.command)

    @property
    def private(self) -> tuple[str, ...]:
        """The files that no candidate ever sees."""
        return () if self.score is None else (*self.score.private, *filter(None, [self.score.holdout]))

    @property
    def holdout(self) -> str:
        """The file that is scored before a keep; "" where there is none."""
        return self.score.holdout if self.score is not None else ""

    @property
    def audits_always(self) -> bool:
        """Whether the scorer is to audit every run."""
        return self.score is None or self.score.audit == "always"

    @property
    def counted_guards(self) -> tuple[str, ...]:
        """The metrics under guard that only the kernel can count."""
        return tuple(dict.fromkeys(guard.metric for guard in self.guard if guard.metric in COUNTED))

    def oriented(self, difference: float) -> float:
        """A difference `candidate - incumbent` of the metric, turned so that positive is better."""
        return -difference if self.metric.direction == "minimize" else difference


Roomy = TypeVar("Roomy", Step | None, Score | None)


def _roomier(step: Roomy, rung: ladders.Rung) -> Roomy:
    """A step that has as much time and memory as the run of a rung, at least."""
    if step is None:
        return step
    return msgspec.structs.replace(step, timeout=max(step.timeout, rung.timeout or step.timeout, key=seconds),
                                   memory=max(step.memory, rung.memory or step.memory, key=size))


# ---- values ----------------------------------------------------------------------------------------------------


def covers(pattern: str, path: str) -> bool:
    """Whether a glob (`*` within a folder, `**` across folders) names a path, both with forward slashes."""
    parts = [r"(?:[^/]+/)*" if p == "**/" else r".*" if p == "**" else r"[^/]*" if p == "*" else r"[^/]" if p == "?"
             else re.escape(p) for p in re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", pattern)]
    if not any(sign in pattern for sign in "*?"):
        return path == pattern
    if not path.isascii():
        path = path.encode(errors="replace").decode()  # a name in another encoding: what cannot be told counts as a "?"
    return compiled("".join(parts)).fullmatch(path) is not None


def lies_in(place: str, path: str) -> bool:
    """Whether a path is a file's or folder's own, or lies in that folder, both with forward slashes."""
    return path == place.rstrip("/") or path.startswith(f"{place.rstrip('/')}/")


# ---- loading ---------------------------------------------------------------------------------------------------


def parse(text: str) -> Track:
    """The contract from its text. Raises TrackError."""
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TrackError(f"{FILE} is not TOML: {error}.") from error
    except RecursionError as error:
        raise TrackError(f"{FILE} nests too deep: write it flat.") from error
    if "journal" in fields:
        raise TrackError(f"{FILE}{line_of(text, 'journal', '')}: a contract names no journal, for it may be another person's: "
                         "put [journal] into ~/.config/overnight/config.toml, or set OVERNIGHT_JOURNAL.")
    ladder = fields.get("ladder")
    above = {"rung": ladder if isinstance(ladder, dict) else {}}
    for several, kind in (("guard", _OneGuard), ("watch", _OneWatch), ("require", _OneRequire), ("rung", _OneRung)):
        tables = above.get(several, fields).get(several)
        for nth, table in enumerate(tables if isinstance(tables, list) else ()):
            _converted({several: table}, kind, text, nth)
    track = _converted(fields, Track, text)
    for section, key, sentence, nth in _faults(track):
        line = line_of(text, section, key, nth) or line_of(text, section, "", nth)
        raise TrackError(f"{FILE}{line}: {sentence}")
    return track


class _OneGuard(Struct, frozen=True):
    guard: Guard


class _OneWatch(Struct, frozen=True):
    watch: FurtherMetric


class _OneRequire(Struct, frozen=True):
    require: Step


class _OneRung(Struct, frozen=True):
    rung: ladders.Rung


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


def _explain(message: str, text: str, nth: int) -> str:
    """msgspec's message in words of the contract: where, then what."""
    what, _, where = message.partition(" - at `$.")
    path = re.sub(r"\[\d*\.*\]", "", where.rstrip("`"))
    section, _, key = path.partition(".")
    sections = {field.name: field.type for kind in (Track, _OneRung) for field in msgspec.structs.fields(kind)}
    kinds = (sections.get(section), *get_args(sections.get(section)))  # the record, or it and what makes it optional or a list
    known = {field.encode_name: field.type for kind in kinds if isinstance(kind, type) and issubclass(kind, Struct)
             for field in msgspec.structs.fields(kind)}
    if unknown := re.search(r"unknown field `(.+)`", what):
        word = unknown[1]
        if section:
            section = NESTED.get(section, section)
            return f"{FILE}{line_of(text, section, word, nth)}: unknown key '{word}' in [{section}]{meant(word, known)}."
        return f"{FILE}{line_of(text, word, '') or line_of(text, '', word)}: unknown section [{word}]{meant(word, sections)}."
    if missing := re.search(r"missing required field `(\w+)`", what):
        if section := NESTED.get(section, section):
            return f"{FILE}{line_of(text, section, '', nth)}: '{missing[1]}' is missing in [{section}]."
        return f"{FILE}: the section [{missing[1]}] is missing."
    line = line_of(text, NESTED.get(section, section), key, nth) or line_of(text, "", section)
    if path == "ladder":
        return f"{FILE}{line}: the ladder is one section [ladder], with [[ladder.rung]] for each rung: write it so."
    if path in SEVERAL:
        return f"{FILE}{line}: there may be several {SEVERAL[path]}: write [[{path}]] for each."
    return f"{FILE}{line}: {path} {_must(what, known.get(key))}."


def _must(what: str, hint: Any) -> str:
    """What msgspec expected of a value of this type, in words."""
    if types := re.fullmatch(r"Expected `(.+)`, got `(.+)`", what):
        wanted = " or ".join(_WORDS.get(name, name) for name in types[1].split(" | ") if name != "null")
        return f"must be {wanted}, not {_WORDS.get(types[2], types[2])}"
    if what.startswith("Invalid enum value"):
        options = [o for part in get_args(hint) for o in (get_args(part) or [part]) if o is not type(None)]
        return "must be " + " or ".join(f'"{option}"' for option in options)
    return f"is wrong: {what}"


# ---- what the values must be -----------------------------------------------------------------------------------

Problem = tuple[str, str, str, int]  # section, key, sentence, and which of several sections of that name


def _faults(track: Track) -> Iterator[Problem]:
    """What is wrong with the values, in the order in which the user is told; each check may assume those before it."""
    if not re.fullmatch(r"[\w][\w.-]*", track.name) or track.name.endswith((".", ".lock")) or ".." in track.name:
        yield "track", "name", f"'{track.name}' cannot be part of a branch name: use letters, digits, - and _.", 0
    for section, key, paths in (("run", "data", track.run.data), ("run", "python", (track.run.python,)),
                                ("score", "private", track.private), ("track", "editable", track.track.editable),
                                ("track", "context", track.track.context)):
        if any("\0" in path for path in paths):
            yield section, key, f"[{section}] {key} holds a NUL, which is in no path: take it out.", 0
    if not track.track.editable:
        yield "track", "editable", "nothing may be edited: name at least one file.", 0
    if track.track.region and not re.fullmatch(r"[\w-]+", track.track.region):
        yield "track", "region", "region is a mark of letters, digits, - and _, like EVOLVE-BLOCK.", 0
    if not 0 <= track.metric.worthwhile < math.inf:
        yield "metric", "worthwhile", "worthwhile is a size: write a number that is not negative.", 0
    for key in ("cpus", "processes"):
        if getattr(track.run, key) < 1:
            yield "run", key, f"{key} must be at least 1.", 0
    for key, least, most in (("false_share", 1e-6, 0.5), ("may_crash", 0.0, 0.5), ("stack", 1, 5), ("may_starve", 0.0, 1.0),
                             ("null_edits", 0, 1000)):
        value = getattr(track.referee, key)
        if value != "auto" and not least <= value <= most:
            yield "referee", key, f"{key} must be between {least:g} and {most:g}.", 0
    for section, nth, step in (("run", 0, track.run), ("oracle", 0, track.oracle), ("score", 0, track.score),
                               *(("require", nth, step) for nth, step in enumerate(track.require))):
        if step is not None and not step.command:
            yield section, "command", f"[{section}] has an empty command.", nth
        if step is not None and any("\0" in word for word in step.command):
            yield section, "command", f"[{section}] has a command with a NUL, which no program can be given.", nth
        for key, unit in (("timeout", seconds), ("memory", size), ("disk", size), ("output", size)):
            if hasattr(step, key):
                yield from _misread(unit, getattr(step, key), section, key, nth)
    if odd := ladders.odd_variable(track.run.environment):
        yield "run", "environment", odd, 0
    yield from _of_preload(track)
    yield from _of_metric(track)
    if track.ladder != Ladder():
        yield from ladders.faults(track.ladder, [guard.metric for guard in track.guard if guard.metric in HARNESS_METRICS
                                                 and not str(guard.at_most or guard.at_least).endswith("x")])
    if track.build is not None:
        yield from _of_build(track.build, track)
    if track.progress is not None:
        yield from _of_progress(track.progress)
    for nth, guard in enumerate(track.guard):
        if (guard.at_most is None) == (guard.at_least is None):
            yield "guard", "metric", f"the guard on {guard.metric} needs either at_most or at_least.", nth
        for key in ("at_most", "at_least"):
            if (limit := getattr(guard, key)) is not None:
                yield from _misread(bound, limit, "guard", key, nth)
    for nth, each in enumerate(track.watch):
        yield from ((("watch", key, sentence, nth)) for key, sentence in _of_watch(each, track, nth))


def _of_watch(watch: FurtherMetric, track: Track, nth: int) -> Iterator[tuple[str, str]]:
    if watch.metric == track.metric.name or any(watch.metric == other.metric for other in track.watch[:nth]):
        yield "metric", f"'{watch.metric}' is measured already: name another metric, or take this [[watch]] out."
    if not 0 <= watch.worthwhile < math.inf:
        yield "worthwhile", "worthwhile is a size: write a number that is not negative."
    if watch.pattern:
        yield from ((key, sentence) for _, key, sentence, _ in _mismatched(
            watch.pattern, 1, "watch", f"pattern needs exactly one group, like '^{watch.metric}:\\s*(\\S+)'."))
    elif track.score is None and watch.metric not in (*HARNESS_METRICS, SIZE):
        yield "metric", (f"no command measures '{watch.metric}': add a [score] command, or read it from the output with a "
                         "pattern (self-reported).")


def _of_preload(track: Track) -> Iterator[Problem]:
    for section, step in ("run", track.run), ("score", track.score):
        if step is None or not step.preload:
            continue
        odd = next((name for name in step.preload if not all(map(str.isidentifier, name.split(".")))), None)
        if odd is not None:
            yield section, "preload", f"{odd!r} is no name of a Python module: name modules, like [\"torch\"].", 0
        if not track.can_start_warm(step):
            yield (section, "preload", "preload is for a command that starts Python with a file, -m or -c, like "
                   "python train.py: take it out, or start it so.", 0)


def _misread(unit: Callable[[Any], object], value: str | float, section: str, key: str, nth: int = 0) -> Iterator[Problem]:
    try:
        unit(value)
    except TrackError as error:
        yield section, key, str(error), nth


def _mismatched(pattern: str, groups: int, section: str, sentence: str) -> Iterator[Problem]:
    try:
        if not pattern or compiled(pattern).groups != groups:
            yield section, "pattern", sentence, 0
    except TrackError as error:
        yield section, "pattern", str(error), 0


def _of_metric(track: Track) -> Iterator[Problem]:
    metric = track.metric
    if metric.range is not None and not metric.range[0] < metric.range[1]:
        yield "metric", "range", "range is the least and the most that can be true: write it like [0, 20].", 0
    if metric.source == "score" and track.score is None and metric.name not in HARNESS_METRICS:
        yield ("metric", "name", f"no command measures '{metric.name}': add a [score] command, or read it from the output with "
               "from = \"output\" and a pattern (self-reported).", 0)
    if metric.source == "output":
        yield from _mismatched(metric.pattern, 1, "metric", "from = \"output\" needs a pattern with exactly one group, "
                               f"like '^{metric.name}:\\s*(\\S+)'.")
    elif metric.pattern:
        yield "metric", "pattern", "a pattern is only read with from = \"output\".", 0
    elif metric.pick != "only":
        yield "metric", "pick", "pick chooses among the numbers of a pattern: it is only read with from = \"output\".", 0
    if track.holdout and (track.self_reported or metric.name in HARNESS_METRICS):
        yield ("score", "holdout", f"the holdout says nothing about {metric.name}, which [score] does not measure: take "
               "`holdout` out, or let the scorer give the metric.", 0)


def _of_build(build: Build, track: Track) -> Iterator[Problem]:
    if not build.command and not build.cache:
        yield "build", "command", "[build] has no command: name one, or `cache = true` for the compile caches of the runs.", 0
    if bool(build.command) != bool(build.outputs):
        yield "build", "outputs", "[build] needs a command and the `outputs` that it makes, like [\"build\"]: name both.", 0
    for key, paths in (("outputs", build.outputs), ("inputs", build.inputs), ("command", build.command)):
        if any("\0" in path for path in paths):
            yield "build", key, f"[build] {key} holds a NUL: take it out.", 0
    for path in build.outputs:
        first, *others = path.rstrip("/").split("/")
        if first in ("", ".", "..", "*", "**") or first[0] in "-~" or ".." in others:
            yield ("build", "outputs", f"{path!r} is no file or folder below the track's own folder: name what the command "
                   "makes.", 0)
    for key, unit in (("timeout", seconds), ("memory", size)):
        yield from _misread(unit, getattr(build, key), "build", key)
    relative = any(str(limit).endswith("x") for guard in track.guard if guard.metric in TIMES
                   for limit in (guard.at_most, guard.at_least))
    if build.cache and (track.metric.name in TIMES or relative):
        yield ("build", "cache", "with `cache` the baseline has compiled already and a change of it has not, so their times "
               "cannot be compared: leave it out, or let no metric and no relative guard be the time of a run.", 0)


def _of_progress(progress: Progress) -> Iterator[Problem]:
    yield from _mismatched(progress.pattern, 2, "progress", "[progress] needs a pattern with exactly two groups, step and "
                           "value, like '^step (\\d+) loss (\\S+)'.")
    if not 0 <= progress.patience < NEARLY_DONE:
        yield "progress", "patience", f"patience is a share of the run: write a number from 0 to below {NEARLY_DONE:g}.", 0
    if not 1 <= progress.margin < math.inf:
        yield "progress", "margin", "margin says how many times faster a run may still learn: write 1 or more.", 0
