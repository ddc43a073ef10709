"""Climbing to a rung: which changes go there, their commits, and what is recorded of it on the track."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from overnight.contracts import turns
from overnight.lab.climbing import BY, Climb, Climber, Step
from overnight.lab.events import Climbed
from overnight.lab.experiment import Experiment
from overnight.lab.jobs import PATIENT, Order, Try, Veto
from overnight.lab.state import State
from overnight.night.rungs import anew, on
from overnight.night.session import Session
from overnight.referee.scaling import Carried, Sized, foretell
from overnight.researchers.knobs.turned import another, turned_to
from overnight.track.ladder import Ladder

DOUBTFUL = "together they gain so little that one of them may be worth nothing, so they are tried apart"
GONE = "a part of it was taken back on the lowest rung"
MOST_PARTS = 40  # constants of one change that climb by themselves


def climbers(session: Session, rung: str) -> list[Climber]:
    """The changes that may climb to a rung: what was kept on the track, and held on every rung between."""
    state = session.read()
    found = [climber for keep in state.chain() for climber in _divided(keep)]
    for name in _between(session.contract().ladder, rung):
        known = state.ladder[name].carried if name in state.ladder and not anew(session, on(session, name)) else ()
        held = {(each.experiment, each.part): each.effect for each in known if each.word == "holds"}
        found = [each if (effect := held[each.number, each.part]) is None else replace(each, foretold=effect)
                 for each in found if (each.number, each.part) in held]
    return found


def _divided(keep: Experiment) -> Iterator[Climber]:
    """A kept change, or each of several constants where it does nothing but turn those: of its gain each is thought to have the
    same share before more is known."""
    knobs, effect = turns(keep.note), keep.effect or 0.0
    if not knobs or len(knobs) > MOST_PARTS:
        yield Climber(keep.id, keep.title, keep.base_commit, keep.commit, effect)
        return
    for part, (knob, (old, new)) in enumerate(knobs.items()):
        title = f"{knob.rpartition(':')[2]} {old} -> {new}"
        yield Climber(keep.id, title, keep.base_commit, keep.commit, effect / len(knobs), part, knob, (old, new))


def _between(ladder: Ladder, rung: str) -> Iterator[str]:
    """The rungs between the lowest and one."""
    for each in ladder.rung:
        if each.name == rung:
            return
        yield each.name


class Orders:
    """What is handed in on a rung while a night works there, at most so many changes `together`."""

    def __init__(self, lowest: Session, rung: Session, together: int) -> None:
        self.lowest, self.rung, self.together = lowest, rung, together
        self.climbers = climbers(lowest, rung.rung)
        self.gone = {each.id for each in lowest.state.experiments.values() if each.verdict not in ("open", "keep")}
        self._given = set[Step]()

    def __call__(self) -> Iterator[Order]:
        """The steps that may be tried now, each once, and those that follow from what taking them up changes."""
        while new := self._new():
            self._given.update(new)
            climb = self.climb()
            yield from (self._order(step, step.request(climb.since), climb) for step in new)

    def _new(self) -> list[Step]:
        climb = self.climb()
        return [step for step in climb.steps(self.together) if step not in self._given] if self.rung.state.calibrated else []

    def climb(self) -> Climb:
        """What the rung has recorded by now."""
        return Climb(self.climbers, self.rung.state, self.gone)

    def _order(self, step: Step, request: str, climb: Climb) -> Order:
        """A step as a change on the rung's frontier; one that cannot be made there changes nothing and is declined for it."""
        if step.kind == "back":
            kept = climb.kept(step.members)
            return Veto(request, kept.id if kept else 0, GONE if climb.lost(step) else DOUBTFUL)
        chosen, base = [each for each in self.climbers if each.key in step.members], self.rung.state.commit
        tip = base
        for each in chosen:
            tip = tip and (self._set(each, step, tip) if each.knob else self._moved(each, tip))
        return Try(request, base, tip or base, _message(step, chosen), BY, patient=PATIENT)

    def _moved(self, change: Climber, tip: str) -> str:
        """A commit with a change; "" where it conflicts."""
        return self.rung.repo.transplant(change.base, change.commit, tip, f"{change.title} (#{change.number})", True)

    def _set(self, change: Climber, step: Step, tip: str) -> str:
        """A commit in which a constant has its new value, or another; "" where it is gone, or there is none."""
        (old, new), repo = change.values, self.rung.repo
        value = new if step.kind == "in" else another(old, new, step.nth)
        files = None if value is None else turned_to(repo.editable(tip, self.rung.state.track), {change.knob: value})
        return "" if files is None else repo.commit(tip, files, f"{change.title} (#{change.number})")


def _message(step: Step, chosen: Sequence[Climber]) -> str:
    """What a step says of itself."""
    names = ", ".join(dict.fromkeys(f"#{each.number}" for each in chosen))
    first = chosen[0].title if len(chosen) == 1 else f"{len(chosen)} changes together"
    head = first if step.kind == "in" else f"Another value, try {step.nth}: {first}"
    more = "".join(f"\n- {each.title}" for each in chosen) if len(chosen) > 1 else ""
    return f"{head} (of {names})\n{more}"


def record(lowest: Session, orders: Orders) -> Climbed:
    """Note on the track what is known of a rung by now. Raises TrackError, Busy."""
    event = _known(lowest, orders)
    with lowest.writing(changed=True):
        lowest.record([event])
    return event


def unrecorded(lowest: Session, orders: Orders) -> bool:
    """Whether a rung has shown what is not noted on the track: a climb was killed, or found the track busy at its end."""
    if orders.rung.state.opened is None:
        return False
    known, noted = _known(lowest, orders), lowest.state.ladder.get(orders.rung.rung)
    return bool(known.carried or noted) and (noted is None or replace(known, at=noted.at) != noted)


def _known(lowest: Session, orders: Orders) -> Climbed:
    rung, ladder = orders.rung, lowest.contract().ladder
    return Climbed(time.time(), rung.rung, ladder.at(rung.rung).size, rung.branch,
                   tuple(foretold(lowest.state, ladder, rung.rung, orders.climb().carried())))


def foretold(state: State, ladder: Ladder, rung: str, carried: Sequence[Carried]) -> Iterator[Carried]:
    """What is known of changes on a rung, with what the rungs below say of each."""
    size = ladder.at(rung).size
    measured = [_measured(state, ladder, each, rung) for each in carried]
    for which, each in enumerate(carried):
        yield replace(each, foretold=foretell(measured, which, size))


def _measured(state: State, ladder: Ladder, change: Carried, rung: str) -> list[Sized]:
    """What a change was measured as by itself on the lowest rung and on those below one."""
    keep, found = state.experiments[change.experiment], list[Sized]()
    if len(turns(keep.note)) <= 1 and keep.effect is not None and keep.interval is not None:
        found.append(Sized(1.0, keep.effect, keep.interval))
    for name in _between(ladder, rung):
        if climbed := state.ladder.get(name):
            found += [Sized(ladder.at(name).size, each.effect, each.interval) for each in climbed.carried
                      if (each.experiment, each.part) == (change.experiment, change.part)
                      and each.effect is not None and each.interval is not None]
    return found
