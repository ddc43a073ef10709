"""A state as bytes, and back: what is decoded is what a replay of the same records would have given. Pure.

Covered: bytes can carry data and nothing else, whatever they hold. Not covered: whether a state belongs to a journal, or is
true; see night/snapshot.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from overnight.errors import TrackError
from overnight.lab.attempts import Attempts
from overnight.lab.events import Opened
from overnight.lab.experiment import Experiment, Metrics, Pasts
from overnight.lab.measurements import Runs
from overnight.lab.queue import Ideas
from overnight.lab.state import State
from overnight.lab.usage import Usage
from overnight.referee.curves import Curve
from overnight.referee.drift import Drift
from overnight.referee.holdout import OverfittingMonitor
from overnight.referee.noise import Spread
from overnight.referee.stacks import Sizes, Stack


class Known(Struct, array_like=True):
    """What `Runs` holds besides what follows from the record `opened`, under the same names."""

    incumbent: str
    calibration: list[int]
    confirmed: dict[str, set[int]]
    values: dict[str, dict[int, Metrics]]
    beside: dict[str, dict[int, Metrics]]
    repeat: Metrics | None
    bad: set[int]
    _common: dict[int, int]
    _drawn: int
    _made: int
    _standing: list[float]
    _stood: dict[str, tuple[list[float], int]]
    _races: list[tuple[int, float]]
    _retired: Spread
    _variance: float | None
    drift: Drift
    curves: dict[str, dict[int, Curve]]
    held: dict[str, dict[int, float]]
    held_beside: dict[str, dict[int, float]]


class Record(Struct, array_like=True):
    """What `State` holds besides that, under the same names; experiments by their numbers where they stand a second time."""

    records: int
    next_run: int
    next_experiment: int
    attempts: Attempts
    ideas: Ideas
    answered: set[str]
    paused: bool
    program: str
    researchers: tuple[str, ...]
    opened: Opened | None
    experiments: list[Experiment]
    open: list[int]
    stacks: dict[str, Stack]
    sizes: Sizes
    counts: dict[str, int]
    frontier: int
    commit: str
    problem: str
    usage: Usage
    monitor: OverfittingMonitor
    _made: dict[int, int]
    taken_back: set[str]
    pasts: Pasts
    notes: str
    learnt_at: int
    known: Known | None


S = TypeVar("S", bound=Struct)
_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Record)


def encode(state: State) -> bytes:
    """All that a state holds. It refers to no other bytes."""
    known = _taken(Known, state.known) if state.opened else None
    return _ENCODER.encode(_taken(Record, state, known=known, experiments=list(state.experiments.values()),
                                  open=list(state.open)))


def decode(data: bytes | memoryview, keys: Mapping[str, str] | None = None) -> State:
    """The state again, with the keys that lie beside its journal. Raises ValueError where the bytes are none."""
    try:
        return _restored(_DECODER.decode(data), State(keys))
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TrackError) as error:
        raise ValueError(f"these bytes are no state: {error}") from error


def _restored(record: Record, state: State) -> State:
    if record.opened:
        state.begin(record.opened)
    experiments = {each.id: each for each in record.experiments}
    _give(record, state, experiments=experiments, open={number: experiments[number] for number in record.open},
          counts=Counter(record.counts))
    if record.opened and record.known:
        _give(record.known, state.known)
    return state


def _taken(kind: type[S], owner: State | Runs, **shapes: Any) -> S:
    """A record of what an owner holds; `shapes` has what stands there in another shape."""
    return kind(*(shapes[name] if name in shapes else getattr(owner, name) for name in kind.__struct_fields__))


def _give(record: Struct, owner: State | Runs, **shapes: Any) -> None:
    """Hand an owner what a record of it holds. What makes room for a new commit by itself goes on doing so."""
    for name in record.__struct_fields__:
        if name == "known":
            continue
        value = shapes.get(name, getattr(record, name))
        held = getattr(owner, name)
        if isinstance(held, defaultdict):
            held.update(value)
        else:
            setattr(owner, name, value)
