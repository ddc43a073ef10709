"""A state as bytes, and back: what is decoded is what a replay of the same records would have given. Pure.

Covered: bytes can carry data and nothing else, whatever they hold. Not covered: whether a state belongs to a journal, or is
true; see night/snapshot.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Mapping
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from overnight.errors import TrackError
from overnight.lab.experiment import Experiment, Experiments
from overnight.lab.measurements import Runs
from overnight.lab.state import State


def _record(name: str, owner: type, follows: Container[str], **shapes: object) -> type[Struct]:
    """A record of what an owner holds besides what `follows`, under the same names; `shapes` has what is of another type."""
    types = get_type_hints(owner) | shapes
    return msgspec.defstruct(name, [(each, kind) for each, kind in types.items() if each not in follows], array_like=True)


# Besides what follows from the record `opened`; experiments by their numbers where they stand a second time. A Packed is the
# same bytes, with its experiments not yet decoded.
Known = _record("Known", Runs, {"track", "secret", "baseline_commit", "_kind"})
SHAPES = {"open": list[int], "counts": dict[str, int], "known": Known | None}
Record = _record("Record", State, {"track", "policy", "_known", "keys"}, experiments=dict[int, Experiment], **SHAPES)
Packed = _record("Packed", State, {"track", "policy", "_known", "keys"}, experiments=dict[int, msgspec.Raw], **SHAPES)
_ENCODER, _DECODER, _PACKED = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Record), msgspec.msgpack.Decoder(Packed)


def encode(state: State) -> bytes:
    """All that a state holds. It refers to no other bytes."""
    known = _taken(Known, state.known) if state.opened else None
    return _ENCODER.encode(_taken(Record, state, known=known, open=list(state.open),
                                  experiments={each.id: each for each in state.experiments.values()}))


def decode(data: bytes | memoryview, keys: Mapping[str, str] | None = None, dense: bool = False) -> State:
    """The state again, with the keys that lie beside its journal. `dense`: its experiments stay packed until they are wanted.
    Raises ValueError where the bytes are none; of experiments that stay packed it is not looked at."""
    try:
        return _restored((_PACKED if dense else _DECODER).decode(data), empty(keys or {}, dense))
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TrackError) as error:
        raise ValueError(f"these bytes are no state: {error}") from error


def empty(keys: Mapping[str, str], dense: bool) -> State:
    """A state without any record. `dense`: of its experiments few will be objects at a time."""
    return State(dict(keys), experiments=Experiments()) if dense else State(dict(keys))


def _restored(record: Any, state: State) -> State:
    if record.opened:
        state.apply(record.opened)
    experiments = record.experiments
    if isinstance(state.experiments, Experiments):
        experiments = state.experiments
        experiments.fill(record.experiments)
    _give(record, state, experiments=experiments, open={number: experiments[number] for number in record.open},
          counts=Counter(record.counts))
    if record.opened and record.known:
        _give(record.known, state.known)
    return state


def _taken(kind: type[Struct], owner: State | Runs, **shapes: Any) -> Struct:
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
