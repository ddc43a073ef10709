"""First contact with a repository: what it may be is run once, in the sandbox, and what that prints is read.

Covered: a command that fails, takes too long or prints nothing that is known is a sentence with what it said last; a missing
package is looked for in the environments that the user has active; changes that are not committed count.
Not covered: what needs a network, or data that lie outside the repository.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from overnight import files
from overnight.contracts import Direction, Sandbox
from overnight.errors import EditError, TrackError
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.night import layouts, missing, needs, programs
from overnight.night.session import Session
from overnight.patterns import compiled
from overnight.sandbox import gpus
from overnight.track import init, neighbours, regions, runners
from overnight.track.contact import names, numbers, project
from overnight.track.contact.numbers import Found
from overnight.track.init import DetectedProject
from overnight.track.spec import Build, Head, Metric, RunSpec, Track
from overnight.track.units import seconds
from overnight.untrusted import line, quoted
from overnight.workers.cores import available

TRIAL = "5min"  # that the one run may take
TIMEOUTS = ("1min", "2min", "5min", "10min", "15min", "30min", "1h", "2h", "4h", "8h", "24h")
SLACK = 5  # times what the one run took that others may take, and twice its memory
MOST_NAMED = 6  # numbers of an output that are named in a sentence
_SHELL = re.compile(r"[|&;<>$`*?~]|^\w+=")
_FILLED = re.compile(r"\$(?:OVERNIGHT_(?:SEED|OUT)\b|\{OVERNIGHT_(?:SEED|OUT)\})")


class Told(NamedTuple):
    """What the user says, "" or None for what is to be found out: a command, files that may be edited, the name of the number,
    a pattern with one group, which way it improves, the Python file to run."""

    run: str = ""
    edit: tuple[str, ...] = ()
    metric: str = ""
    pattern: str = ""
    direction: Direction | None = None
    entry: str = ""


class Seen(NamedTuple):
    """One run: its command, as it is and as it finds its program, and environment; what it printed, how it ended ("" where it
    ended well) in words, what it lacked as a sentence with what to do, its seconds and bytes, and the commit."""

    command: tuple[str, ...]
    way: programs.Found
    python: str
    output: str
    wrong: str
    lacks: str
    late: bool
    wall: float
    memory: float
    commit: str

    @property
    def shown(self) -> str:
        """The command as a sentence quotes it."""
        return f"`{line(shlex.join(self.command), 120)}`"


class Contact:
    """Meets the repository of a session. `box`: None where nothing can be run; `hear` is told what goes on; `layout`: that of
    another tool, whose files say what the user does not."""

    def __init__(self, session: Session, box: Sandbox | None, told: Told, hear: Callable[[str], None],
                 layout: neighbours.Layout | None = None) -> None:
        self.session, self.repo, self.box, self.hear, self.layout = session, session.repo, box, hear, layout
        self.told = told if layout is None else _completed(told, layout)
        self.folder = session.repo.folder
        self.texts = layouts.texts_of(self.folder, told.entry)
        self.karpathy = init.karpathy(self.texts)
        self._noted = set[str]()

    def met(self) -> tuple[DetectedProject, list[str]]:
        """What was found, and sentences about it. Raises TrackError with what to say or to mend."""
        runs: list[Seen] = []
        with self.session.scratch():
            for command in self._ways(runs):
                runs.append(seen := self._seen(command))
                number, known = self._number(seen)
                if number is not None and known:
                    return self._made(seen, number)
            likely = [(seen, self._number(seen)[0]) for seen in runs]
            likely += [(seen, self._unseen(seen)) for seen in runs if seen.wrong]
            for seen, number in likely:
                if number is not None:
                    return self._made(seen, number)
        raise TrackError(self._nothing(runs))

    def _ways(self, runs: Sequence[Seen]) -> Iterator[tuple[str, ...]]:
        """The commands to try; then, where what ended well prints nothing, those followed by the file that they write."""
        yield from self._commands()
        if not (self.told.metric or self.told.pattern):
            for seen in [seen for seen in runs if not seen.wrong]:
                yield from project.timed(seen.command) if _tabled(seen) else project.written(seen.command, self.texts)

    # -- running --

    def _commands(self) -> list[tuple[str, ...]]:
        told = self.told
        if self.layout is not None:
            return [self.layout.command]
        if told.run:
            if _SHELL.search(_FILLED.sub("", told.run)):  # what is filled in needs no shell
                return [("sh", "-c", told.run)]
            return [runners.direct(words) if self._own else words for words in [_split(told.run)]]
        if told.entry:
            if not re.fullmatch(r"[\w ./+-]+", told.entry):
                raise TrackError(f"{told.entry!r} has characters that a contract's file may not have: rename it.")
            if told.entry not in self.texts:
                raise TrackError(f"there is no {told.entry} in {self.folder}: name a file of the repository.")
            return [project.of_python(told.entry, self.texts)]
        if self.karpathy:
            return [("python", "train.py")]
        if found := project.proposals(self.texts):
            return found
        for name in project.ENTRIES:
            files.check(self.folder, f"{name}.py")  # a link, a pipe
        if books := sorted(path for path in self.texts if path.endswith(".ipynb")):
            raise TrackError(f"there are several notebooks here, like {line(books[0], 80)}: name the one whose code is to be "
                             f"improved, `overnight init --from {shlex.quote(line(books[0], 80))}`; a script is made of it.")
        raise TrackError(f"no program in {self.folder} prints a line like `val_loss: 0.123`, as far as its files tell: say "
                         "what to run with --run \"COMMAND\".")

    def _seen(self, command: tuple[str, ...]) -> Seen:
        """One run; where a package is missing, another that finds the project's own, and one in each environment that is
        active, until none is."""
        first = self._tried(command, self._own)
        if "ModuleNotFoundError" not in first.wrong:
            return first
        ways = [(reaching, self._own)] if (reaching := project.reaching(command, self.texts)) else []
        ways += [] if self._own else [(reaching or command, python) for python in self._environments()]
        return next((seen for seen in itertools.starmap(self._tried, ways) if not seen.wrong), first)

    @cached_property
    def _own(self) -> str:
        """The project's own virtual environment, where there is one that its user made, and no clone brought."""
        own = init.environment(self.folder)
        if own and (wants := needs.of_environment(own, self.repo)):
            self._note(f"{own} is not used, because it leads to {line(wants[0], 200)} and you may not have chosen that (git "
                      "tracks it, it is a link, or its Python lies in an unusual place): where you trust it, activate it and "
                      f"run `overnight init` again, or name it, [run] python = \"{own}\"")
            return ""
        return own

    @staticmethod
    def _environments() -> Iterator[str]:
        for place in dict.fromkeys([os.environ.get("VIRTUAL_ENV", ""), os.environ.get("CONDA_PREFIX", ""), sys.prefix]):
            if place and place != sys.base_prefix and Path(place, "bin", "python").exists():
                yield place

    def _tried(self, command: tuple[str, ...], python: str) -> Seen:
        inside = tuple(path for part in project.split(command, self.texts) for path in part)
        trial = self._trial
        memory, gpu = "64GiB" if self.karpathy else "8GiB", self._gpus() and bool(gpus.devices())
        way = programs.found(command)
        data = (*self._data(), *way.data)
        step = RunSpec(way.command, trial, memory, python=python, data=data, gpus=gpu)
        contract = Track(Head(init.slug(self.folder), inside or ("*",)), Metric("wall_seconds", "minimize"), step)
        judges = self.layout.judges if self.layout else ()
        commit = self._commit((*(inside or self.texts), *judges))
        if self.box is None:
            return Seen(command, way, python, "", "could not be run", "", False, 0.0, 0.0, commit)
        within = f" with {python}" * (bool(python) and python != self._own)
        self.hear(f"running `{line(shlex.join(command), 120)}` once{within}, for at most {trial} ...")
        runner = Runner(contract, self.repo, self.box, commit, self.session.home)
        ended = runner.measure(Measure(0, 0, commit, 1, "calibrate"), available()[:1])
        output, late = ended.logs["run"].decode(errors="replace"), ended.outcome == "timeout"
        wrong = "" if ended.outcome == "ok" else ended.reason.removeprefix("the run ").rstrip(".")
        wall, peak = ended.metrics.get("wall_seconds", 0.0), ended.metrics.get("peak_memory", 0.0)
        lacks = missing.why(contract, self.repo, ended.reason, ended.logs["run"]) if wrong else ""
        return Seen(command, way, python, output, wrong, lacks, late, wall, peak, commit)

    @property
    def _trial(self) -> str:
        """What the one run may take."""
        return "15min" if self.karpathy else TRIAL

    def _commit(self, inside: Sequence[str]) -> str:
        """What is checked out, with the files of the run, and whatever else git tracks, as they are now: as far as they are
        text. What is passed over is told."""
        head = self.repo.head()
        try:
            others = (path.removeprefix(self.repo.prefix) for path in self.repo.look(project.project((), inside)).outside)
            wanted = (*inside, *filter(self._is_text, others))
            changed, passed = self.repo.differing(head, self.repo.look(project.project((), wanted)))
            commit = self.repo.commit(head, changed, "First contact") if changed else head
        except EditError as error:
            self._note(f"the files are run as they are committed, because {error}")
            return head
        if passed:
            named = ", ".join(line(path, 80) for path in passed[:5])
            self._note(f"what is changed and no text stays as it is committed: {named}")
        return commit

    def _is_text(self, path: str) -> bool:
        """Whether a file of the folder is text, or gone."""
        try:
            (files.read(self.folder, path) or b"").decode()
        except (TrackError, UnicodeDecodeError):
            return False
        return True

    def _note(self, sentence: str) -> None:
        """Tell a sentence, once."""
        if sentence not in self._noted:
            self._noted.add(sentence)
            self.hear(f"note: {sentence}")

    def _data(self) -> tuple[str, ...]:
        return (init.CACHE,) if self.karpathy and Path(init.CACHE).expanduser().exists() else ()

    def _gpus(self) -> bool:
        return init.needs_gpus({path: text for path, text in self.texts.items() if path.endswith(".py")}, bool(gpus.devices()))

    # -- reading --

    def _number(self, seen: Seen) -> tuple[Found | None, bool]:
        """The number to improve that a run printed, and whether it is surely one."""
        told, output = self.told, seen.output
        if not output or (seen.wrong and not seen.late):
            return None, False
        if told.pattern:
            found = numbers.matched(told.pattern, told.metric, output)
            return found, found is not None
        every = numbers.found(output)
        if told.metric:
            found = numbers.called(every, told.metric) or numbers.behind(told.metric, output)
            return (found._replace(name=told.metric) if found else None), found is not None
        if _tabled(seen):
            return None, False
        if self.karpathy and (found := numbers.called(every, "val_bpb")):
            return found, True
        ranked = numbers.ranked(every)
        known = [each for each in ranked if names.direction(each.name, each.unit)]
        if known:
            return known[0], True
        return (ranked[0], False) if len(ranked) == 1 else (None, False)

    def _unseen(self, seen: Seen) -> Found | None:
        """The number that a program which failed would print, as its text tells."""
        told = self.told
        if told.pattern:
            return Found(told.metric or numbers.name_in(told.pattern), told.pattern, (), "", 0)
        said = [name for path in project.split(seen.command, self.texts)[0] for name in init.said(self.texts[path])]
        if self.karpathy or told.metric:
            return init.unseen(told.metric or "val_bpb")
        known = [name for name in said if names.direction(name) and names.sort(name) != "bookkeeping"]
        return init.unseen(min(known, key=lambda name: (names.stage(name), -known.index(name)))) if known else None

    def _nothing(self, runs: Sequence[Seen]) -> str:
        """Why no number was found, and what to do about it."""
        told, seen = self.told, next((each for each in runs if not each.wrong), runs[0])
        if seen.wrong:
            todo = seen.lacks.rstrip(".") or "mend that, or name another command with --run"
            if "ModuleNotFoundError" in seen.wrong and "[run] python" in todo:  # there is no contract yet to write that into
                todo = f"{todo.partition(':')[0]}: activate the environment that has it, and run `overnight init` again"
            return f"{seen.shown} {_wrong(seen)}: {todo}."
        every = numbers.found(seen.output)
        ranked = numbers.ranked(every)
        if told.pattern:
            return f"{seen.shown} prints nothing that matches '{line(told.pattern, 80)}'{_last(seen.output)}."
        if told.metric:
            near = numbers.nearest(every, told.metric) or ranked
            hint = f"the nearest of what it prints: {_listed(near)}" if near else f"it has no named number{_last(seen.output)}"
            return f"{seen.shown} does not print `{line(told.metric, 60)}`: {hint}. Name it with --metric, or give a --pattern."
        if ranked:
            return (f"which of the numbers that {seen.shown} prints is to be improved cannot be told from their names: "
                    f"{_listed(ranked)}. Name it with --metric, and say --direction minimize or maximize.")
        if every:
            return (f"{seen.shown} prints no result, only {_listed(every)}: print the number to improve, like `loss: 0.123`, "
                    "or name one of these with --metric.")
        return (f"{seen.shown} prints no named number{_last(seen.output)}: nothing here prints a line like `val_loss: 0.123`. "
                "Print the number to improve like that, or say how to find it with --metric and --pattern.")

    # -- what is written --

    def _made(self, seen: Seen, number: Found) -> tuple[DetectedProject, list[str]]:
        direction = init.pointed(number, self.told.direction)
        editable, protected = project.split(seen.command, self.texts)
        there = self.repo.reader(seen.commit)
        left = [path for path in editable if there(path) is None]
        if self.karpathy and not self.told.edit:
            editable, protected = ["train.py"], ["prepare.py"]
        editable = [path for path in editable if path not in left]
        if self.layout is not None:
            protected = list(self.layout.judges)
            number = number._replace(values=number.values[:1] if self.layout.script else number.values)  # another forges it
        chosen = self.told.edit or tuple(editable)
        if not chosen:
            raise TrackError(f"no file that {seen.shown} goes through is known to git: commit them, or name what may be edited "
                             "with --edit.")
        best = "lowest" if direction == "minimize" else "highest"
        goal = ", ".join(chosen[:3]) if self.layout and self.layout.script else shlex.join(seen.command)
        what = "val_bpb after five minutes of training" if self.karpathy else f"{number.name} of {goal}"
        made = self._apart(seen, number)
        way = programs.found(made.run if made else seen.command)
        build = programs.found(made.build) if made else programs.Found(())
        data, least = (*self._data(), *dict.fromkeys((*way.data, *build.data))), init.NOISE if self.karpathy else 0.0
        region = neighbours.MARK if neighbours.marked(self.texts, chosen) else ""
        found = DetectedProject(
            init.slug(self.folder), f"The {best} {what}.", chosen, number, direction, way.command, tuple(protected),
            seen.python, data, *self._limits(seen), least, self._gpus() and bool(seen.wrong or gpus.devices()),
            region, self.layout.required if self.layout else (), build.command, made.outputs if made else ())
        return found, list(self._told(found, seen, left))

    def _apart(self, seen: Seen, number: Found) -> project.Made | None:
        """The command in two, a build and a run, where it can be had like that and prints the same number once more."""
        made = None if seen.wrong else project.made(seen.command, self.texts)
        if made is None or self.box is None:
            return None
        run, way = programs.found(made.run), programs.found(made.build)
        data = (*self._data(), *dict.fromkeys((*run.data, *way.data)))
        step = RunSpec(run.command, self._trial, "8GiB", python=seen.python, data=data)
        contract = Track(Head(init.slug(self.folder), ("*",)), Metric("wall_seconds", "minimize"), step,
                         build=Build(way.command, outputs=made.outputs))
        self.hear(f"running `{line(shlex.join(made.build), 120)}` apart from `{line(shlex.join(made.run), 120)}` ...")
        ended = Runner(contract, self.repo, self.box, seen.commit, self.session.home).measure(
            Measure(0, 0, seen.commit, 1, "calibrate"), available()[:1])
        said = compiled(number.pattern, lines=True).search(numbers.plain(ended.logs["run"].decode(errors="replace")))
        return made if ended.outcome == "ok" and said else None

    def _limits(self, seen: Seen) -> tuple[str, str]:
        """The timeout and the memory of a run like that one."""
        if self.karpathy or not seen.wall:
            return "1h" if seen.late else "15min" if self.karpathy else "10min", (
                "64GiB" if self.karpathy else "8GiB" if seen.late else "4GiB")
        timeout = next((each for each in TIMEOUTS if seconds(each) >= SLACK * seen.wall), TIMEOUTS[-1])
        return timeout, f"{max(4, 1 << (int(2 * seen.memory) >> 30).bit_length())}GiB"

    def _told(self, found: DetectedProject, seen: Seen, left: Sequence[str]) -> Iterator[str]:
        number = found.number
        if number.values:
            others = [each for each in numbers.ranked(numbers.found(seen.output)) if each.name != number.name]
            of = f", the last of {len(number.values)} ([metric] pick)" if number.pick else ""
            value = f"{number.values[-1]:g}{number.unit}"
            ran = f"was stopped after {self._trial} and had" if seen.late else f"ran for {seen.wall:.3g} s and"
            yield (f"{seen.shown} {ran} printed {line(number.name, 60)} = {value}{of}"
                   + (f"; also {_listed(others)} (--metric takes another)" if others else ""))
        else:
            yield (f"warning: {seen.shown} {_wrong(seen)}; that it prints {line(number.name, 60)} was read "
                   "in its text, and the pattern was not tried" + f": {seen.lacks}" * bool(seen.lacks))
        if found.build:
            yield (f"`{line(shlex.join(found.build), 120)}` is a [build]: it runs once for equal files, outside the time of a "
                   f"run, and makes {', '.join(found.outputs)}")
        if seen.late:
            yield (f"warning: it took longer than {self._trial}: the timeout is {found.timeout}; a night learns more from "
                   "shorter runs")
        kept = f"; what measures or prepares may not: {', '.join(found.protected[:8])}" if found.protected else ""
        files = ", ".join(found.editable[:8]) + " ..." * (len(found.editable) > 8)
        files = f"of {files} the lines between {' and '.join(regions.ends(found.region))}" if found.region else files
        yield f"{files} may be edited to {found.direction} {line(number.name, 60)}{kept}"
        if left:
            yield f"warning: git does not know {', '.join(left[:5])}, so no run has it: add it, and name it in `editable`"
        said = re.compile(rf"(?:[\"' ]|\\n){re.escape(number.name)}\W{{0,5}}[\"'{{%]")
        if ruler := [path for path in found.editable if said.search(self.texts.get(path, ""))]:
            yield (f"{ruler[0]} measures itself, so an edit can change what {line(number.name, 60)} means: move the measuring "
                   "to a file that is not in `editable`, or write a [score] command")


def _tabled(seen: Seen) -> bool:
    """Whether a run printed a table of pytest-benchmark, whose unit differs from run to run, and not its file."""
    return '"machine_info": {' not in seen.output and numbers.TABLE.search(numbers.plain(seen.output)) is not None


def _completed(told: Told, layout: neighbours.Layout) -> Told:
    """What a user says, and where they say nothing what the layout does."""
    same = told.metric in ("", layout.metric) and not told.pattern
    return told._replace(
        edit=told.edit or layout.editable, metric=told.metric or layout.metric, pattern=told.pattern or layout.pattern * same,
        direction=told.direction or (layout.direction if same else None))


def _split(command: str) -> tuple[str, ...]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise TrackError(f"--run {command!r} is no command: {error}.") from error
    if not words:
        raise TrackError("--run is empty: give the command that prints the number.")
    return tuple(words)


def _wrong(seen: Seen) -> str:
    """What went wrong, with the last lines of the output but those that it quotes itself."""
    return seen.wrong + _last(seen.output, seen.wrong)


def _last(output: str, said: str = "") -> str:
    """The last lines of an output, for a sentence that has `said` some; "" where it has no others."""
    lines = [each for each in numbers.plain(output).splitlines() if re.search(r"\w", each)][-3:]
    lines = [each for each in lines if each.strip() not in said]
    return f" (its last lines: {' / '.join(quoted(each, 100) for each in lines)})" if lines else ""


def _listed(found: Sequence[Found]) -> str:
    more = len(found) - MOST_NAMED
    named = ", ".join(f"{line(each.name, 40)} = {each.values[-1]:g}" for each in found[:MOST_NAMED])
    return named + (f" and {more} more" if more > 0 else "")
