"""The team: what each role has tried, what came of it, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from overnight.track.roles import Role
from overnight.untrusted import line
from overnight.views.experiment import ExperimentView
from overnight.views.track import SpentView, moments, spent
from overnight.web import instructions
from overnight.web.fragments import places
from overnight.web.frame import framed
from overnight.web.seen import Seen

SHOWN = 200  # characters of why a role is in trouble


class Member(NamedTuple):
    """A role with its record; numbers that are words are en dashes where there are none. `present`: it is on the team now."""

    name: str
    kind: str
    model: str
    present: bool
    tried: int
    kept: int
    gained: float
    takes: str
    calls: str
    tokens: str
    cost: str
    trouble: str


def team(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of the team."""
    roles = {role.name: role for role in instructions.watched(seen).program.roles}
    others = [name for name in seen.history.team if name not in roles]
    members = [_member(seen, name, roles.get(name)) for name in (*roles, *others)]
    live = "they are asked in turn, as program.md says" if seen.live else "no night is at work"
    return framed(seen, "team.html", "Team", "team", team=members, places=places(seen),
                  note=f"Researchers propose changes and measure none of them; {live}.")


def _member(seen: Seen, name: str, role: Role | None) -> Member:
    mine = [each for each in seen.history.experiments if each.researcher == name]
    kept = [each for each in mine if each.verdict.verdict == "keep"]
    attempts, used = seen.state.attempts, seen.state.usage.used.get(name)
    takes = moments(attempts.seconds[name]) if name in attempts.seconds else "–"
    trouble = attempts.unusable.get(name, (0, ""))[1]
    return Member(name, _kind(role, mine), line(role.model or role.agent, SHOWN) if role else "", role is not None, len(mine),
                  len(kept), sum(each.verdict.effect or 0.0 for each in kept), takes,
                  *_paid(spent(used) if used else None), line(trouble, SHOWN))


def _kind(role: Role | None, mine: list[ExperimentView]) -> str:
    return role.kind if role else mine[-1].role if mine else ""


def _paid(use: SpentView | None) -> tuple[str, str, str]:
    """Calls, tokens and dollars."""
    if use is None:
        return "–", "–", "–"
    failed = f", {use.failed} failed" if use.failed else ""
    return f"{use.calls:,}{failed}", f"{use.tokens:,}", "price unknown" if use.dollars is None else f"${use.dollars:.2f}"
