"""What earlier experiments say about the knobs of today's frontier.

A configuration is written as what differs from the frontier: {knob: value}. The base of an old experiment follows from
undoing the keeps between it and the frontier; where a step is unknown (another researcher's edit), its knobs stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from overnight.contracts import Past, turns
from overnight.researchers.knobs.scales import Value

SEEN = 300  # trials that the surrogate learns from, at most
DECISIVE = 100  # of these, at most so many are kept for their gain rather than their age

Move = dict[str, tuple[Value, Value]]  # knob -> (before, after)
Config = dict[str, Value]  # knob -> value, where it is not the frontier's


class Trial(Struct, frozen=True):
    """One earlier turn of knobs: which, from where, and what came of it."""

    past: Past
    move: Move
    base: Config
    made: Config


class KnobEvidence(Struct, frozen=True):
    """All that the history says.

    trials     turns of today's knobs, oldest first, at most SEEN
    tried      configurations that need no second look
    mutations  structural edits that were tried, by identity
    turned     own turns of knobs so far, and how many of them were kept
    mutated    the same for structural edits
    """

    trials: list[Trial]
    tried: set[frozenset[tuple[str, Value]]]
    mutations: dict[str, Past]
    turned: tuple[int, int]
    mutated: tuple[int, int]


def read(history: Sequence[Past], frontier: int, values: Mapping[str, Value]) -> KnobEvidence:
    """The evidence on knobs that have these values at the frontier."""
    turned = [(past, raw) for past in history if (raw := turns(past.note))]
    mutations = {str(past.note.get("id")): past for past in history if past.note.get("kind") == "mutation"}
    lineage = Lineage(history, frontier, values)
    known = [(past, move) for past, raw in turned if (move := _move(raw, values))]
    trials = [_trial(past, move, lineage.base(past.base), values) for past, move in _chosen(known)]
    here = {frozenset(_made({}, move, values).items()) for past, move in known if past.base == frontier}
    seen = {frozenset(config.items()) for trial in trials for config in (trial.base, trial.made)}
    mine = (past for past, _ in turned if own(past))
    return KnobEvidence(trials, here | seen | {frozenset()}, mutations, _kept(mine), _kept(mutations.values()))


def _kept(pasts: Iterable[Past]) -> tuple[int, int]:
    verdicts = [past.verdict for past in pasts]
    return len(verdicts), verdicts.count("keep")


def kept(history: Iterable[Past]) -> dict[str, tuple[Value, Value]]:
    """By which knobs what was kept moved the frontier, in all: knob -> (first value, last value)."""
    found: Move = {}
    for past in history:
        for knob, (old, new) in turns(past.note).items() if past.verdict == "keep" else ():
            found[knob] = found.get(knob, (old, new))[0], new
    return found


def own(past: Past) -> bool:
    """Whether this researcher turned the knobs."""
    return past.note.get("kind") == "knobs"


def _move(turned: Move, values: Mapping[str, Value]) -> Move:
    """What was turned; empty where a knob of it is gone."""
    return turned if turned.keys() <= values.keys() else {}


def _chosen(known: list[tuple[Past, Move]]) -> list[tuple[Past, Move]]:
    """The newest, and of the older ones the best measured."""
    if len(known) <= SEEN:
        return known
    old, new = known[: -(SEEN - DECISIVE)], known[-(SEEN - DECISIVE) :]
    best = sorted(old, key=lambda item: (item[0].verdict == "keep", item[0].pairs, item[0].id))[-DECISIVE:]
    return sorted([*best, *new], key=lambda item: item[0].id)


def _trial(past: Past, move: Move, base: Config, values: Mapping[str, Value]) -> Trial:
    before = _made(base, {knob: (new, old) for knob, (old, new) in move.items()}, values)
    return Trial(past, move, before, _made(before, move, values))


def _made(base: Config, move: Move, values: Mapping[str, Value]) -> Config:
    """A configuration after a move, without what equals the frontier."""
    config = base | {knob: new for knob, (_, new) in move.items()}
    return {knob: value for knob, value in config.items() if value != values[knob]}


class Lineage:
    """The configurations of bases, found by undoing keeps from the frontier and redoing them elsewhere."""

    def __init__(self, history: Sequence[Past], frontier: int, values: Mapping[str, Value]) -> None:
        self._by_id = {past.id: past for past in history}
        self._values = values
        self._known: dict[int, Config] = {frontier: {}}
        at = frontier
        while (past := self._by_id.get(at)) and past.base not in self._known:
            undone = {knob: (new, old) for knob, (old, new) in self._steps(past).items()}
            self._known[past.base] = _made(self._known[at], undone, values)
            at = past.base

    def after(self, base: int, raw: Mapping[str, Any]) -> Config:
        """The configuration of what turned these knobs, as its note has them, on top of an experiment."""
        return _made(self.base(base), _move({knob: pair for knob, pair in raw.items() if knob in self._values}, self._values),
                     self._values)

    def base(self, number: int) -> Config:
        """The configuration of an experiment that others were made on."""
        path: list[Past] = []
        at = number
        while at not in self._known and (step := self._by_id.get(at)) and len(path) < len(self._by_id):
            path.append(step)
            at = step.base
        config = self._known.get(at, {})
        for step in reversed(path):
            config = self._known[step.id] = _made(config, self._steps(step), self._values)
        return config

    def _steps(self, past: Past) -> Move:
        """The known knobs that an experiment turned, whatever else it did."""
        return _move({knob: pair for knob, pair in turns(past.note).items() if knob in self._values}, self._values)
