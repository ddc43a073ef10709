"""Projects that were laid out for other tools, as tracks: OpenEvolve, ShinkaEvolve, pi-autoresearch. Pure.

Covered: what is run, what may be edited, the number and its direction, checks that must succeed, as the files tell; of programs
with EVOLVE-BLOCK marks only what lies between them may be edited. An evaluator is called by a small script of ours, which is
written beside it (openevolve.py, shinka.py), without its tool.
Not covered: the tools' own settings (models, populations, cascades), and their histories.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import NamedTuple

from overnight.contracts import Direction
from overnight.track.contact.numbers import escaped
from overnight.track.regions import ends
from overnight.track.spec import covers

Texts = Mapping[str, str]  # path -> text

MARK = "EVOLVE-BLOCK"
CALLER = "overnight_evaluate.py"  # the script of ours
SCORE = "combined_score"
SESSIONS = ((".auto/measure.sh", ".auto/checks.sh", ".auto/prompt.md", ".auto/log.jsonl"),
            ("autoresearch.sh", "autoresearch.checks.sh", "autoresearch.md", "autoresearch.jsonl"))  # of pi-autoresearch
FILES = tuple(name for names in SESSIONS for name in names)
ABOUT = "OpenEvolve (evaluator.py, initial_program.py), ShinkaEvolve (evaluate.py, initial.py), pi-autoresearch " \
    "(.auto/measure.sh) and autoresearch (prepare.py, train.py, program.md)"
_PRIMARY = re.compile(r"\*\*Primary\*\*:?\s*`?([\w.@%/-]+)`?\s*(?:\(([^)\n]*)\))?")
_SCOPE = re.compile(r"(?ims)^#+\s*files in scope\s*$(.*?)(?=^#|\Z)")


class Layout(NamedTuple):
    """A project of another tool.

    tool      its name
    command   what is run
    editable  files that may be edited; empty: those that the command goes through
    judges    files that measure
    script    of ours that is written beside it: which of the two, "": none
    metric, pattern, direction   the number, "" and None where its output has to tell
    required  commands that must succeed
    """

    tool: str
    command: tuple[str, ...]
    editable: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    script: str = ""
    metric: str = ""
    pattern: str = ""
    direction: Direction | None = None
    required: tuple[tuple[str, ...], ...] = ()


def known(texts: Texts) -> Layout | None:
    """The layout of a project, where it is one of these."""
    return _evolved(texts, "OpenEvolve", "evaluator.py", "initial_program", r"(?m)^def evaluate\(", "openevolve") \
        or _evolved(texts, "ShinkaEvolve", "evaluate.py", "initial", r"\bresults_dir\b", "shinka") or _session(texts)


def marked(texts: Texts, editable: tuple[str, ...]) -> bool:
    """Whether a file that may be edited has the marks of a region."""
    start, end = ends(MARK)
    return any(start in text and end in text for path, text in texts.items() if any(covers(glob, path) for glob in editable))


def _evolved(texts: Texts, tool: str, evaluator: str, stem: str, sign: str, script: str) -> Layout | None:
    """An evaluator and the program that is evolved."""
    programs = sorted(path for path in texts if posixpath.splitext(path)[0] == stem)
    if len(programs) != 1 or not re.search(sign, texts.get(evaluator, "")):
        return None
    command, pattern = ("python", CALLER, evaluator, programs[0]), rf"^overnight: {SCORE}=(\S+)"
    return Layout(tool, command, (programs[0],), (evaluator, CALLER), script, SCORE, pattern, "maximize")


def _session(texts: Texts) -> Layout | None:
    """What pi-autoresearch keeps of a session."""
    for measure, checks, prompt, log in SESSIONS:
        if measure in texts:
            name, direction = _recorded(texts.get(log, "")) or _told(texts.get(prompt, ""))
            pattern = rf"^METRIC {escaped(name)}=(\S+)" if name else ""
            required = (("bash", checks),) if checks in texts else ()
            return Layout("pi-autoresearch", ("bash", measure), _scope(texts, texts.get(prompt, "")), (measure,), "", name,
                          pattern, direction, required)
    return None


def _recorded(log: str) -> tuple[str, Direction | None] | None:
    """The metric and its direction as the newest of a log's settings have them."""
    for line in reversed(log.splitlines()):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and found.get("type") == "config" and isinstance(found.get("metricName"), str):
            return found["metricName"], _direction(str(found.get("bestDirection", "")))
    return None


def _told(prompt: str) -> tuple[str, Direction | None]:
    """The same as the session's page has them."""
    found = _PRIMARY.search(prompt)
    return (found[1], _direction(found[2] or "")) if found else ("", None)


def _direction(told: str) -> Direction | None:
    less, more = "lower" in told.lower(), "higher" in told.lower()
    return None if less == more else "minimize" if less else "maximize"


def _scope(texts: Texts, prompt: str) -> tuple[str, ...]:
    """The files that the session's page lets be edited: what stands there in backticks and is a file, a folder or a glob."""
    section = _SCOPE.search(prompt)
    named = [name.removeprefix("./") for name in re.findall(r"`([^`\n]+)`", section[1] if section else "")]
    globs = [glob for name in named for glob in (name, f"{name.rstrip('/')}/**")]
    return tuple(dict.fromkeys(glob for glob in globs if any(covers(glob, path) for path in texts)))
