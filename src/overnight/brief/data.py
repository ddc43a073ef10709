"""The brief as plain data: `overnight brief --json` prints it. Pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, TypedDict

import msgspec

from overnight.brief import lessons
from overnight.brief.explored import best_as_data
from overnight.brief.page import draft_of
from overnight.contracts import Brief, Past
from overnight.untrusted import plain

MOST_CHARACTERS, MOST_ENTRIES, MOST_LOGS = 1 << 16, 200, 8  # characters of a text, entries of a list, logs


class BriefData(TypedDict):
    """What a researcher needs to know, as data; the page has the same in words.

    goal         what is wanted, and `metric` the number: its name, direction and unit
    editable     globs of the files that may be edited
    contract     the text of track.toml, and `program` that of program.md; `role` what it says to this researcher alone
    frontier     the experiment whose commit it is (0: the baseline), with levels, gain, noise and what guards leave
    left         what the session may still use: seconds, experiments, tokens, dollars; null is no bound
    files        the editable files at the frontier, and `context` those that may be read only: path, characters, text
    notes        what was learnt, as the last standup wrote it
    experiments  how many there were, by verdict
    kept         what was kept, `promising` what was not proven, `under_way` what is not judged; `failed` the rest by reason
    further      what metrics that decide nothing say of what was kept: metric, direction, effects and disowned by experiment
    climbs       what became of the kept changes at larger sizes: rung, size, words
    explored     what single runs explored that claim nothing: how many points, the `best` of them, and what
                 `matters` most: name -> share; null: nothing
    idea         the idea that is to be tried; null: the researcher's own. `ideas` is the queue
    again        an earlier change that is to be made anew; null: a new one is wanted
    draft        a change that a critic sent back with its `advice`
    logs         ends of logs of experiments that failed
    untrusted    the keys that hold words from outside
    left_out     what was left out here, in sentences
    """

    goal: str
    metric: dict[str, str]
    editable: list[str]
    contract: str
    program: str
    role: str
    frontier: dict[str, Any]
    left: dict[str, float | None]
    files: list[dict[str, Any]]
    context: list[dict[str, Any]]
    notes: str
    experiments: dict[str, int]
    kept: list[dict[str, Any]]
    promising: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    under_way: list[dict[str, Any]]
    further: list[dict[str, Any]]
    climbs: list[dict[str, Any]]
    explored: dict[str, Any] | None
    idea: dict[str, Any] | None
    again: dict[str, Any] | None
    draft: str | None
    advice: str
    ideas: list[dict[str, Any]]
    logs: list[dict[str, Any]]
    untrusted: list[str]
    left_out: list[str]


def as_json(brief: Brief) -> BriefData:
    """A brief as plain data, every text and list of it bounded."""
    metric = {"name": brief.metric, "direction": brief.direction, "unit": brief.unit}
    frontier = {"experiment": brief.frontier, "levels": brief.levels, "gain": brief.gain, "noise": brief.noise,
                "guard_usage": brief.guard_usage, "estimated": brief.estimated}
    ours = {"goal": brief.goal, "metric": metric, "editable": brief.editable[:MOST_ENTRIES], "contract": brief.contract,
            "program": brief.program, "role": brief.role, "frontier": frontier, "left": brief.left}
    files, context, logs = (sorted(each.items()) for each in (brief.files, brief.context, brief.logs))
    again = brief.again and {**_past(brief.again), "message": brief.again.message}
    theirs = {
        "files": [{"path": path, "characters": len(text), "text": text} for path, text in files[:MOST_ENTRIES]],
        "context": [{"path": path, "characters": len(text), "text": text} for path, text in context[:MOST_ENTRIES]],
        "notes": brief.notes,
        "experiments": Counter(past.verdict for past in brief.history),
        "kept": [_past(past) for past in lessons.kept(brief.history, brief.frontier)[-MOST_ENTRIES:]],
        "promising": [_past(past) for past in lessons.promising(brief.history)[:MOST_ENTRIES]],
        "failed": lessons.failures(brief.history)[:MOST_ENTRIES],
        "under_way": [_past(past) for past in brief.history if past.verdict == "open"][-MOST_ENTRIES:],
        "further": brief.further,
        "climbs": brief.climbs,
        "explored": brief.explored and {"points": brief.explored.points, "best": [*map(best_as_data, brief.explored.best)],
                                         "matters": brief.explored.matters},
        "idea": brief.idea, "again": again, "draft": brief.draft and draft_of(brief.draft, brief.files), "advice": brief.advice,
        "ideas": brief.ideas[-MOST_ENTRIES:],
        "logs": [{"experiment": n, "text": plain(text, MOST_CHARACTERS, end=True)} for n, text in logs[-MOST_LOGS:]],
    }
    counts = {"files": (len(files), MOST_ENTRIES), "context": (len(context), MOST_ENTRIES),
              "editable": (len(brief.editable), MOST_ENTRIES),
              "ideas": (len(brief.ideas), MOST_ENTRIES), "logs": (len(logs), MOST_LOGS)}
    left_out = [f"{count - most:,} of {count:,} {name}." for name, (count, most) in counts.items() if count > most]
    found: BriefData = _bounded(msgspec.to_builtins({**ours, **theirs}), MOST_CHARACTERS)
    return {**found, "untrusted": list(theirs), "left_out": left_out}


def _past(past: Past) -> dict[str, Any]:
    return {"experiment": past.id, "base": past.base, "researcher": past.researcher, "title": lessons.title(past.message),
            "why": lessons.why(past.message), "effect": past.effect, "pairs": past.pairs, "idea": past.idea,
            "chance": past.chance, "wanted": past.wanted}


def _bounded(value: Any, room: int) -> Any:
    """Plain data with at most so many characters in a text, fewer in one of a long list, and null for what is no number."""
    if isinstance(value, str):
        return plain(value, room)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _bounded(each, room) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_bounded(each, min(room, 4 * room // len(value))) for each in value[:MOST_ENTRIES]]
    return value
