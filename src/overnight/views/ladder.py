"""What is known of the rungs of a ladder, as data and in words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from overnight.lab.events import Climbed
from overnight.lab.state import State
from overnight.referee.scaling import Carried, Word
from overnight.track.units import number
from overnight.untrusted import line

TITLE = 60  # characters of a title
WORDS: dict[Word, str] = {"holds": "hold", "vanishes": "vanish", "reverses": "reverse", "unknown": "unknown", "waits": "wait"}


class RungView(Struct, frozen=True):
    """A rung of the ladder.

    rung, size  its name, and how many times the compute of the lowest rung
    branch      that holds what holds there
    counts      how many changes hold, vanish, reverse, are unknown or wait there
    carried     each of them: `experiment` of the lowest rung, `part` of it (which of the constants that it turned; null: the
                whole), `title`, `word`, `effect` there with its 95 % `interval` (null where it was tried with those `beside`
                it), `pairs`, the `trial` on the rung that says so, `reason` where nothing is known,
                `value`: the experiment on the rung that keeps another value of its constants; `foretold`: what the rungs below
                had said of it, with a 95 % interval and the `slope`, its change with each doubling of the size
    """

    rung: str
    size: float
    branch: str
    counts: dict[str, int]
    carried: tuple[Carried, ...]


def view(event: Climbed) -> RungView:
    """A rung as the track last recorded it."""
    counts = Counter(each.word for each in event.carried)
    return RungView(event.rung, event.size, event.branch, {word: counts[word] for word in WORDS if counts[word]}, event.carried)


def views(state: State) -> tuple[RungView, ...]:
    """Every rung that was climbed to and is still on the ladder, from the lowest up."""
    return tuple(view(event) for event in state.ladder.values() if event.branch)


# ---- in words --------------------------------------------------------------------------------------------------


def nothing(climbers: int) -> str:
    """Why nothing was tried on a rung."""
    return "what may climb there was tried already, or waits for more" if climbers else \
        "nothing holds on the rung below it, so nothing climbs there"


def lines(rung: RungView, unit: str) -> Iterator[str]:
    """A rung with each change on a line of its own."""
    yield f"{summary(rung)}; what holds is on {rung.branch}"
    yield from (f"  #{each.experiment} {line(each.title, TITLE)}: {told(each, unit)}" for each in rung.carried)


def summary(rung: RungView) -> str:
    """A rung in a few words."""
    said: list[str] = [f"{count} {WORDS[word] if count > 1 or word == 'unknown' else word}" for word in WORDS
            if (count := rung.counts.get(word, 0))]
    worse = ", ".join(f"#{each.experiment} {line(each.title, TITLE)}" for each in rung.carried if each.word == "reverses")
    return f"{rung.rung} ({rung.size:g} times the size): {', '.join(said)}{f' ({worse})' if worse else ''}"


def told(each: Carried, unit: str) -> str:
    """What is known of a change on a rung."""
    parts: list[str] = [each.word]
    if each.effect is not None:
        parts.append(_effect(each.effect, each.interval, unit))
    if each.beside and each.word == "holds":
        parts.append(f"together with {', '.join(f'#{other}' for other in each.beside)}")
    if each.foretold is not None:
        parts.append(f"foretold {_effect(each.foretold.effect, each.foretold.interval, unit)}{_hit(each)}")
    if each.reason:
        parts.append(line(each.reason, 200))
    if each.value:
        parts.append(f"another value of its constants is kept there (experiment {each.value} of the rung)")
    return ", ".join(parts)


def _effect(effect: float, interval: tuple[float, float] | None, unit: str) -> str:
    size = max(abs(effect), *map(abs, interval or (0.0,)))
    shown = number(effect, 3, size, "+")
    within = f" [{', '.join(number(end, 3, size, '+') for end in interval)}]" if interval else ""
    return f"{shown} {line(unit, 24)}".rstrip() + within


def _hit(each: Carried) -> str:
    """Whether what was foretold came true."""
    if each.effect is None or each.foretold is None:
        return ""
    low, high = each.foretold.interval
    return " (came true)" if low <= each.effect <= high else " (did not come true)"


def about(rungs: Sequence[RungView], experiment: int, unit: str) -> Iterator[str]:
    """What is known of an experiment on each rung, a line for each."""
    for rung in rungs:
        for each in rung.carried:
            if each.experiment == experiment:
                yield f"On the rung {rung.rung} ({rung.size:g} times the size), {line(each.title, TITLE)}: {told(each, unit)}."
