"""Where an experiment comes from, and what came of it: the kept changes below it, and those on top of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from overnight.lab.events import Event, Proposed, Rebased
from overnight.lab.experiment import Experiment
from overnight.lab.state import BASELINE, State
from overnight.untrusted import readable

MOST_TITLE_CHARACTERS = 200
MOST_STEPS = 10_000  # of a chain that is followed


class KinView(Struct, frozen=True):
    """A relative of an experiment: its number, the first line of its message, its verdict and its effect, positive is
    better; None where it has none. `same_lines`: it changed lines again that the experiment had written."""

    id: int
    title: str
    verdict: str
    effect: float | None
    same_lines: bool = False


class LineageView(Struct, frozen=True):
    """The relatives of an experiment.

    parents   the kept changes that it stands on, from the baseline up
    later     the kept changes on top of it, in their order, where it is kept itself
    """

    parents: tuple[KinView, ...] = ()
    later: tuple[KinView, ...] = ()


def lineage(state: State, chosen: Experiment, events: Sequence[Event]) -> LineageView:
    """The relatives of an experiment; `events` are all of the journal's."""
    chain = state.chain()
    place = next((at for at, each in enumerate(chain) if each.id == chosen.id), None)
    later = [] if place is None else chain[place + 1:]
    patches = diffs(events, {chosen.id, *(each.id for each in later)}) if later else {}
    written = _lines(patches.get(chosen.id, ""), "+")
    return LineageView(tuple(_kin(each) for each in _parents(state, chosen)),
                       tuple(_kin(each, bool(written & _lines(patches.get(each.id, ""), "-"))) for each in later))


def diffs(events: Iterable[Event], wanted: Iterable[int]) -> Mapping[int, str]:
    """The diff of each wanted experiment, as it was proposed, or was made anew last."""
    numbers, found = set(wanted), dict[int, str]()
    for event in events:
        if isinstance(event, Proposed | Rebased) and event.experiment in numbers and event.patch:
            found[event.experiment] = event.patch
    return found


def _parents(state: State, chosen: Experiment) -> list[Experiment]:
    found, number = list[Experiment](), chosen.base
    while number != BASELINE and number in state.experiments and len(found) < MOST_STEPS:
        found.append(state.experiments[number])
        number = found[-1].base
    return found[::-1]


def _kin(each: Experiment, same_lines: bool = False) -> KinView:
    title = readable(each.message.partition("\n")[0], MOST_TITLE_CHARACTERS)
    return KinView(each.id, title, each.verdict, each.effect if each.pairs else None, same_lines)


def _lines(patch: str, sign: str) -> set[tuple[str, str]]:
    """(file, line) of all that a diff adds ("+") or takes away ("-")."""
    path, found = "", set[tuple[str, str]]()
    for line in patch.splitlines():
        if line.startswith(("+++ ", "--- ")):
            path = line[4:].partition("/")[2]
        elif line.startswith(sign) and line[1:].strip():
            found.add((path, line[1:].strip()))
    return found
