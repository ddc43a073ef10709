"""Climbing: what was kept at one size is confirmed at the next, as changes that are handed in there. Pure.

A rung is a track of its own, with its baseline, its noise, its wealth and its branch, so that nothing but the referee says what
holds there. Changes are tried together first; where that is no keep they are halved, and where it is a keep that gains so
little that one of them may be worth nothing, it is taken back and they are halved too.

Covered: nights that end in between (all is read from what the rung has recorded), changes that need one that did not hold.
Not covered: of several that gain together as much as was foretold, one that harms may hide behind one that has grown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from overnight.contracts import Climb as Climbs
from overnight.lab.experiment import CLIMBS, Experiment
from overnight.lab.state import State
from overnight.referee.distributions import student_quantile
from overnight.referee.scaling import Carried, Word

BY = "climb"  # the name under which changes are handed in on a rung
PART = 0.5  # of what was foretold, below which an effect counts as vanished
DOUBT = 0.05  # chance with which a keep of several may gain too little and still count as what was foretold
PRIOR_PAIRS = 3.0  # with which the spread of a pair is believed to be the usual one
CONFLICTS = "it needs what did not hold here, or changes nothing here"
LARGEST = 1e150  # spread whose square is still a number
AGAIN = 3  # values that are tried on a rung for a constant whose change is worse there
Kind = Literal["in", "back", "again"]
_REQUEST = re.compile(CLIMBS + r"([\d.]+)-(in|back|again)-(\d+(?:_\d+)?(?:\.\d+(?:_\d+)?)*)-(\d+)")


class Step(Struct, frozen=True):
    """What is handed in on a rung: these changes of the lowest rung together ("in"), an order to take a keep of them back
    ("back"), or the constant of one set to another value ("again", `nth` try)."""

    members: tuple[str, ...]
    kind: Kind = "in"
    nth: int = 0

    def request(self, since: float) -> str:
        """The mark of its order on a rung that began then, from which `step` reads it again."""
        return f"{CLIMBS}{since:.3f}-{self.kind}-{'.'.join(self.members)}-{self.nth}"


def step(request: str, since: float) -> Step | None:
    """The step that an order of this mark carried out since a rung began; None where it was none."""
    found = _REQUEST.fullmatch(request)
    if found is None or found[1] != f"{since:.3f}":
        return None
    kind: Kind = "in" if found[2] == "in" else "back" if found[2] == "back" else "again"
    return Step(tuple(found[3].split(".")), kind, int(found[4]))


def _experiment(key: str) -> int:
    """Which experiment of the lowest rung a key is of."""
    return int(key.partition("_")[0])


class Climber(Struct, frozen=True):
    """A change that was kept on the lowest rung, or one of the constants that it turned, and that held on every rung since.

    number   its experiment on the lowest rung, and `part` which of its constants; None: the whole change
    title    what it changes
    base, commit   of the experiment there
    foretold its effect on the rung below, in the metric's unit, positive is better
    knob     the constant, and `values` what it was before and is then; none of a whole change
    """

    number: int
    title: str
    base: str
    commit: str
    foretold: float
    part: int | None = None
    knob: str = ""
    values: tuple[Any, Any] = (None, None)

    @property
    def key(self) -> str:
        """What names it in a step."""
        return f"{self.number}" if self.part is None else f"{self.number}_{self.part}"


def climbs(state: State) -> tuple[Climbs, ...]:
    """What a track has recorded of each rung, as researchers are told."""
    return tuple(Climbs(each.rung, each.size, {word: tuple(change.experiment for change in each.carried if change.word == word)
                                               for word in dict.fromkeys(change.word for change in each.carried)})
                 for each in state.ladder.values() if each.branch)


class Climb:
    """What a rung has recorded of these changes, and what comes next; `gone`: the experiments of the lowest rung that were kept
    there once, and are no more."""

    def __init__(self, climbers: Sequence[Climber], state: State, gone: Container[int] = ()) -> None:
        self.climbers, self.gone = {each.key: each for each in climbers}, gone
        self.spread = min(state.noise or 0.0, LARGEST)
        self.worthwhile, self.since = state.track.metric.worthwhile, state.opened.at if state.opened else 0.0
        self.answered = {found for request in state.answered if (found := step(request, self.since))}
        self.trials = {found: each for each in state.experiments.values() if (found := step(each.request, self.since))}

    @property
    def experiments(self) -> set[int]:
        """Those of the lowest rung of which something was handed in here."""
        return {_experiment(member) for each in self.answered for member in each.members}

    # -- what comes next --

    def steps(self, together: int = 1 << 30) -> list[Step]:
        """What may be handed in now, at most so many changes at once; nothing while what it depends on is open. A keep is taken
        back when nothing else is under way, for what was kept after it is then confirmed anew."""
        found = dict.fromkeys(wanted for group in self._groups(together) for wanted in self._wanted(group))
        new = [each for each in found if each not in self.answered and each.kind != "back" and self._in_turn(each)]
        back = [each for each in found if each.kind == "back"]
        under_way = new or any(trial.verdict == "open" for trial in self.trials.values())
        return new if under_way else back[-1:]

    def _in_turn(self, step: Step) -> bool:
        """Whether nothing is still to be tried that turned a constant of its before, and stands beside none of it."""
        knobs = {self.climbers[member].knob for member in step.members if member in self.climbers} - {""}
        first = min((place for place, key in enumerate(self.climbers) if key in step.members), default=0)
        before = [key for key, each in [*self.climbers.items()][:first] if each.knob in knobs and key not in step.members]
        return not any(self._word(key)[0] == "waits" for key in before)

    def _groups(self, together: int) -> Iterator[tuple[str, ...]]:
        """The changes as they were first handed in together, then those that never were."""
        whole = [each.members for each in self.answered if each.kind == "in"]
        roots = sorted({group for group in whole if not any(set(group) < set(other) for other in whole)})
        yield from roots
        new = [key for key in self.climbers if not any(key in group for group in whole)]
        yield from (tuple(new[start:start + together]) for start in range(0, len(new), together))

    def _wanted(self, group: tuple[str, ...]) -> Iterator[Step]:
        """What is wanted of a group, from the outside in."""
        whole, left = Step(group), tuple(key for key in group if key in self.climbers)
        trial = self.trials.get(whole)
        if trial is None and whole not in self.answered:
            yield from [whole] * bool(left) if left == group else self._wanted(left)
        elif trial is not None and trial.verdict == "keep":
            doubtful = len(left) > 1 and self._doubtful(left, trial)
            yield from [Step(group, "back", self._times_back(group))] * (self.lost(whole) or doubtful)
        elif trial is None or trial.verdict != "open":
            middle = len(group) // 2
            for half in (group[:middle], group[middle:]) if middle else ():
                yield from self._wanted(half)
            yield from self._opened_again(left)
            if self.lost(whole) and self.kept(group):
                yield Step(group, "back", self._times_back(group))

    def kept(self, members: tuple[str, ...]) -> Experiment | None:
        """The keep here of these changes, or of another value of their constant; None where there is none."""
        steps = (Step(members), *(Step(members, "again", nth) for nth in range(1, AGAIN + 1)))
        return next((trial for each in steps if (trial := self.trials.get(each)) and trial.verdict == "keep"), None)

    def _times_back(self, members: tuple[str, ...]) -> int:
        """How often it was ordered already to take a keep of these back."""
        return sum(each.kind == "back" and each.members == members for each in self.answered)

    def lost(self, step: Step) -> bool:
        """Whether a change of a step is not kept on the lowest rung any more, so that it has no place here either."""
        return any(_experiment(member) in self.gone for member in step.members)

    def _opened_again(self, group: tuple[str, ...]) -> Iterator[Step]:
        """A constant whose new value is worse here is tried at others, one after the other."""
        if len(group) != 1 or not self.climbers[group[0]].knob or self._word(group[0])[0] != "reverses":
            return
        for nth in range(1, AGAIN + 1):
            trial = self.trials.get(Step(group, "again", nth))
            if Step(group, "again", nth) not in self.answered:
                yield Step(group, "again", nth)
                return
            if trial is not None and trial.verdict in ("open", "keep"):
                return

    def _doubtful(self, group: tuple[str, ...], trial: Experiment) -> bool:
        """Whether one of them may be worth nothing: the others alone would gain as much, if each did what was foretold."""
        gains = [max(0.0, self.climbers[key].foretold) for key in group]
        least = (trial.effect or 0.0) - self._error(trial, trial.fresh_pairs or trial.pairs, DOUBT)
        return least <= sum(gains) - min(gains)

    @property
    def waiting(self) -> int:
        """How many changes something is still to be tried of."""
        steps = (*self.steps(), *(each for each, trial in self.trials.items() if trial.verdict == "open"))
        return len({member for each in steps for member in each.members})

    # -- what came of it --

    def carried(self) -> list[Carried]:
        """What is known of each change on this rung, by its number on the lowest."""
        found = [self._carried(key, each) for key, each in self.climbers.items()]
        return sorted(found, key=lambda each: (each.experiment, -1 if each.part is None else each.part))

    def _carried(self, key: str, change: Climber) -> Carried:
        word, trial, group = self._word(key)
        found = Carried(change.number, word, change.part, change.title)
        if trial is None:
            return replace(found, reason=CONFLICTS if word == "unknown" else "")
        if group == (key,) and trial.effect is not None:
            found = replace(found, effect=trial.effect, interval=self._interval(trial))
        others = tuple(dict.fromkeys(self.climbers[other].number for other in group if other in self.climbers))
        return replace(found, pairs=trial.pairs, trial=trial.id, reason=trial.reason if word == "unknown" else "",
                       beside=tuple(number for number in others if number != change.number), value=self._value(key))

    def _interval(self, trial: Experiment) -> tuple[float, float] | None:
        """The 95 % interval of an effect; of a discard that has none, from its pairs and what is known of their spread."""
        if trial.interval or trial.effect is None or not trial.pairs:
            return trial.interval
        far = self._error(trial, trial.pairs, 0.025)
        return (trial.effect - far, trial.effect + far) if math.isfinite(far) else None

    def _error(self, trial: Experiment, pairs: int, chance: float) -> float:
        """By how much the mean of so many pairs is off with no more than this chance to one side, their number being fixed."""
        freedom = PRIOR_PAIRS + pairs - 1
        squares = PRIOR_PAIRS * self.spread**2 + (pairs - 1) * (self.spread**2 if trial.variance is None else trial.variance)
        return student_quantile(1 - chance, freedom) * math.sqrt(squares / freedom / pairs)

    def _value(self, key: str) -> int:
        """The experiment in which another value of its constants was kept here; 0: none."""
        return next((trial.id for each, trial in self.trials.items()
                     if each.kind == "again" and each.members == (key,) and trial.verdict == "keep"), 0)

    def _word(self, key: str) -> tuple[Word, Experiment | None, tuple[str, ...]]:
        """What is said of a change, the experiment that says it, and with which others it was tried there."""
        tried = [(each, trial) for each, trial in self.trials.items() if key in each.members and each.kind == "in"]
        if not tried:
            return "unknown" if any(key in each.members for each in self.answered) else "waits", None, ()
        last, trial = min(tried, key=lambda pair: (pair[1].verdict != "keep", len(pair[0].members)))
        if trial.verdict == "keep":
            return "holds", trial, last.members
        if Step((key,)) in self.answered and Step((key,)) not in self.trials:
            return "unknown", None, ()  # by itself it could not be made
        if trial.verdict == "open" or len(last.members) > 1:
            return "waits", trial, last.members
        return self._discarded(key, trial), trial, last.members

    def _discarded(self, key: str, trial: Experiment) -> Word:
        """What the discard of a change by itself says of it: by its interval, or by its posterior where it has none."""
        if trial.verdict != "discard" or trial.found is None or trial.effect is None:
            return "unknown"
        high = (self._interval(trial) or (0.0, math.inf))[1]
        if high < 0:
            return "reverses"
        least = max(self.worthwhile, PART * self.climbers[key].foretold)
        return "vanishes" if high < least or trial.found.word in ("worse", "no different") else "unknown"
