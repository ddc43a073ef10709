"""Reading and comparing the golden nights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from golden import reading
from overnight.lab.events import Event, Started
from overnight.track.roles import Role

HERE = Path(__file__).parent
STEP = 50  # events between two states that are recorded
CLOSE = 1e-12  # share by which numbers may differ
TEAM = (Role("author", "llm"), Role("tuner", "knobs"), Role("scientist", "scientist", below=2),
        Role("standup", "standup", every=8))
TEAMS = {"team": TEAM, "orders": (Role("tuner", "knobs"),)}  # of the nights that have one
FILE = "journal.db"  # a whole file of format 1
FILED = "vetoed"  # the night that it holds
GONE = "(gone)"


def names() -> list[str]:
    """Of all nights."""
    return sorted(path.stem for path in HERE.glob("*.jsonl") if not path.stem.endswith(".state"))


def load(name: str) -> list[Event]:
    """The events of a night."""
    return [msgspec.json.decode(line, type=Event) for line in (HERE / f"{name}.jsonl").read_bytes().splitlines()]


def stations(events: Sequence[Event]) -> list[int]:
    """After how many events the state is recorded: now and then, where a session begins, and at the end."""
    begins = [place for place, event in enumerate(events) if isinstance(event, Started) and place]
    return sorted({*range(STEP, len(events), STEP), *begins, len(events)})


def states(name: str, events: Sequence[Event]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The state at each of these, by a single replay; what comes next is asked of a Lab of its own each time."""
    team = TEAMS.get(name, ())
    lab, done = reading.replay(events[:0], team), 0
    names = next((e.researchers for e in events if isinstance(e, Started)), ())
    if not team:
        lab.organise([Role(each, each) for each in names])
    for place in stations(events):
        for event in events[done:place]:
            lab.apply(event)
        done = place
        yield place, plain({**reading.summary(lab), **coming(events[:place], team)})


def coming(events: Sequence[Event], team: Sequence[Role]) -> dict[str, object]:
    """What a session would do that begins here."""
    return {"jobs": reading.jobs(reading.replay(events, team)), "unwritten": reading.unwritten(reading.replay(events, team))}


def plain(value: object) -> Any:
    """A value as it is after JSON; infinity, which JSON lacks, as a word."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


# ---- the file of states ----------------------------------------------------------------------------------------


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves by their path. An empty list or mapping is a leaf."""
    if isinstance(value, dict) and value:
        parts = [flat(each, f"{path}/{key}") for key, each in value.items()]
    elif isinstance(value, list) and any(isinstance(each, list) for each in value):
        parts = [flat(each, f"{path}/{place}") for place, each in enumerate(value)]
    else:
        return {path: value}
    return {key: each for part in parts for key, each in part.items()}


def changes(told: Sequence[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
    """What is another at each station than at the one before."""
    leaves = [(0, {}), *((place, flat(state)) for place, state in told)]
    return [(place, {**{key: value for key, value in new.items() if key not in old or old[key] != value},
                     **{key: GONE for key in old if key not in new}}) for (_, old), (place, new) in pairwise(leaves)]


def write(name: str, told: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Record the states: one line for each leaf that changed, so that a difference between two versions can be read."""
    lines = []
    for place, changed in changes(told):
        lines += [msgspec.json.encode((place, key, value)) for key, value in changed.items()]
    (HERE / f"{name}.state.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def recorded(name: str) -> dict[int, dict[str, Any]]:
    """The states that were recorded: events -> leaves."""
    found: dict[int, dict[str, Any]] = {}
    now: dict[str, Any] = {}
    for line in (HERE / f"{name}.state.jsonl").read_bytes().splitlines():
        place, key, value = msgspec.json.decode(line)
        now = found.setdefault(place, dict(now))
        if value == GONE:
            del now[key]
        else:
            now[key] = value
    return found


def differences(mine: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Where two states differ, in words."""
    return [f"{key}: {mine.get(key, GONE)!r}, recorded {theirs.get(key, GONE)!r}" for key in sorted({*mine, *theirs})
            if not same(mine.get(key, GONE), theirs.get(key, GONE))]


def same(mine: Any, theirs: Any) -> bool:
    """Whether two leaves are one, but for rounding."""
    if isinstance(mine, list) and isinstance(theirs, list):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    if isinstance(mine, float) and isinstance(theirs, float | int) and not isinstance(theirs, bool):
        return math.isclose(mine, theirs, rel_tol=CLOSE)
    return type(mine) is type(theirs) and mine == theirs
