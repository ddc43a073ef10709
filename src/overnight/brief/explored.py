"""What single runs have explored, for a researcher that thinks: it need not grind constants. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from overnight.contracts import Best, Explored
from overnight.track.units import number
from overnight.untrusted import line, quoted

MOST_TURNED, TITLE, NAME = 8, 160, 80  # things that are named; characters of a title and of a name
HEAD = """\
## What single runs have explored

{} points: combinations of constants, each run once by a researcher that needs no time. They claim nothing; what it thinks \
best becomes an experiment by itself. So leave constants to it, and propose what turning them cannot do: other code, or \
a better form of what it found to matter.
"""
BETTER = "Expected to be better than the frontier, the best first (expectation ± standard deviation, positive is better):"
MATTER = "Of all that turning constants one by one changes here, as far as is known:"
CODE = "## The code at the lead"
STANDS = """\
The code below is not the frontier's but that of a lead, which turns constants and is expected to be better by {} ± {} \
(standard deviation), not proven: {}. Make the change on it as it is: they are measured and, if they prove better, kept \
together. What the lead is expected to gain is taken off first, so only what the change adds to it counts."""
NOTHING = "No point on this frontier is expected to be better than it."


def head(found: Explored) -> str:
    """What that is, with what the best points have in common."""
    said = [HEAD.format(f"{found.points:,}"), *matters(found)]
    if found.best:
        said += [*(f"- {told}" for told in turned(found)), f"\n{BETTER}\n"]
    else:
        said += [NOTHING]
    return "\n".join(said)


def stands(lead: Best) -> str:
    """What the code is on which a change is to be made."""
    names = [f"{quoted(name, NAME)} {quoted(str(old), NAME)} -> {quoted(str(new), NAME)}"
             for name, (old, new) in lead.turned.items()]
    more = [f"and {len(names) - MOST_TURNED} more"] * (len(names) > MOST_TURNED)
    turned = ", ".join([*names[:MOST_TURNED], *more]) or quoted(lead.title, TITLE)
    return STANDS.format(number(lead.gain, 2, 0.0, "+"), number(lead.deviation, 2), turned)


def matters(found: Explored) -> Iterator[str]:
    """Which constants change most."""
    if shares := [f"{quoted(name, NAME)} {share:.0%}" for name, share in [*found.matters.items()][:MOST_TURNED]]:
        yield f"{MATTER} {', '.join(shares)}.\n"


def rows(found: Explored, metric: str) -> list[str]:
    """The best points, one line each."""
    return [f"- {quoted(best.title, TITLE)}: {number(best.gain, 2, 0.0, '+')} ± {number(best.deviation, 2)}"
            f" (`{line(metric, NAME)}` {number(best.value, 5)} in its run)" for best in found.best]


def turned(found: Explored) -> Iterator[str]:
    """What most of the best points turn, and to what."""
    values: dict[str, list[Any]] = defaultdict(list)
    now: dict[str, Any] = {}
    for best in found.best:
        for name, (old, new) in best.turned.items():
            values[name].append(new)
            now[name] = old
    common = sorted(values, key=lambda name: (-len(values[name]), name))
    for name in common[:MOST_TURNED]:
        yield (f"{quoted(name, NAME)}, now {quoted(str(now[name]), NAME)}: {_range(values[name])} in {len(values[name])} of "
               f"the best {len(found.best)}")


def _range(values: list[Any]) -> str:
    """The least and the largest of numbers, or the different words."""
    if all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
        low, high = min(values), max(values)
        return number(low, 3) if low == high else f"{number(low, 3)} to {number(high, 3)}"
    return quoted(", ".join(dict.fromkeys(map(str, values))), NAME)


def best_as_data(best: Best) -> dict[str, Any]:
    """One of the best points as plain data."""
    return {"title": line(best.title, TITLE), "turned": best.turned, "gain": best.gain, "deviation": best.deviation,
            "value": best.value}
