"""The part of a brief on further metrics, which decide nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from overnight.contracts import Seconded
from overnight.untrusted import line

HEAD = """\
## What further metrics say

They decide nothing and are no target. They show whether what was kept is what its owner meant: a keep that one of them disowns
made it worse by more than noise. What is wanted are gains that they do not disown.
"""
MOST_METRICS, MOST_KEEPS = 8, 40  # that are named
NAME, WHY = 60, 160  # characters


def part(further: Sequence[Seconded]) -> str:
    """Each metric with what every keep did to it, and the keeps that it disowns."""
    rows = list[str]()
    for each in further[:MOST_METRICS]:
        moved = ", ".join(f"#{number} {effect:+.3g}" for number, effect in list(each.effects.items())[-MOST_KEEPS:])
        rows.append(f"- `{line(each.metric, NAME)}` ({'less' if each.direction == 'minimize' else 'more'} is better): "
                    f"{f'better by {moved}' if moved else 'not measured'}")
        rows += [f"  - #{number} is disowned: {line(why, WHY)}" for number, why in list(each.disowned.items())[-MOST_KEEPS:]]
    return "\n".join([HEAD, *rows])
