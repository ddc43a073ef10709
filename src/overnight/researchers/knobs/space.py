"""The space that a campaign searches: each knob with the values that are worth a try, and where they stand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from overnight.researchers.knobs import scales, words
from overnight.researchers.knobs.knob import Knob
from overnight.researchers.knobs.process import Array
from overnight.researchers.knobs.scales import Value

RANGE = 8.0  # steps from end to end of every ordered knob, as the surrogate sees it
BEYOND_END = 2.0  # of its own steps by which zero stands below the least value of a scale that doubles

Config = Mapping[str, Value]  # knob -> value, where it is not the frontier's
Places = tuple[int, ...]  # of each knob the place of its value among those worth a try


class Space:
    """Today's knobs. `values[k]` are those of the k-th that are worth a try, `steps[k]` where they stand."""

    def __init__(self, knobs: Sequence[Knob]) -> None:
        self.knobs = knobs
        self.column = {knob.id: place for place, knob in enumerate(knobs)}
        self.values = [_worth_a_try(knob) for knob in knobs]
        self.ordered = np.array([knob.scale.kind != "choice" for knob in knobs], dtype=np.bool_)
        self.worth = np.array([knob.worth for knob in knobs])
        raw = [np.array([self._raw(knob, value) for value in values]) for knob, values in zip(knobs, self.values, strict=True)]
        wide = [float(each.max() - each.min()) for each in raw]
        self._unit = [RANGE / span if ordered and span > 0 else 1.0 for span, ordered in zip(wide, self.ordered, strict=True)]
        self.steps = [each * unit for each, unit in zip(raw, self._unit, strict=True)]
        self._stands: dict[tuple[int, Value], float] = {}  # where values stand, once asked for
        self.home: Places = tuple(values.index(knob.value) for knob, values in zip(knobs, self.values, strict=True))
        here = np.array([self._raw(knob, knob.value) for knob in knobs])
        self.here = here * self._unit

    def _raw(self, knob: Knob, value: Value) -> float:
        """Where a value stands on its scale; zero, on one that doubles, just below its least."""
        if knob.scale.kind in ("log", "size") and value == 0 and not isinstance(value, bool | str):
            values = [scales.position(knob.scale, each) for each in self.values[self.column[knob.id]] if each]
            return min(values, default=0.0) - BEYOND_END
        return scales.position(knob.scale, value)

    def row(self, config: Config) -> Array:
        """Where a configuration stands, one number for each knob."""
        row = self.here.copy()
        for knob, value in config.items():
            column = self.column[knob]
            if (column, value) not in self._stands:
                self._stands[column, value] = self._raw(self.knobs[column], value) * self._unit[column]
            row[column] = self._stands[column, value]
        return row

    def at(self, places: Places) -> Array:
        """The same for places."""
        return np.array([steps[place] for steps, place in zip(self.steps, places, strict=True)])

    def config(self, places: Places) -> dict[str, Value]:
        """What differs from the frontier there."""
        pairs = ((knob, values[place]) for knob, values, place in zip(self.knobs, self.values, places, strict=True))
        return {knob.id: value for knob, value in pairs if value != knob.value}

    def places(self, config: Config) -> Places:
        """The places nearest to a configuration."""
        row, places = self.row(config), list(self.home)
        for column in map(self.column.__getitem__, config):
            places[column] = int(np.argmin(np.abs(self.steps[column] - row[column])))
        return tuple(places)


def _worth_a_try(knob: Knob) -> list[Value]:
    """The values of a knob that are worth a try, its own among them; zero too, where a person would so switch it off."""
    found = scales.ladder(knob.scale, knob.value)
    off = isinstance(knob.value, float) and math.isinf(knob.scale.low) and words.named(knob.label, words.MAYBE_ZERO)
    return [0.0, *found] if off and knob.scale.kind == "log" and 0.0 not in found else found
