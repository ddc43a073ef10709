"""The team: what each role has tried, what came of it, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from overnight.track.roles import Role
from overnight.untrusted import line
from overnight.views.rows import rows
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


class Tried(NamedTuple):
    """How many experiments one proposed and how many of them are kept, what these gained, and the role of the last one."""

    tried: int = 0
    kept: int = 0
    gained: float = 0.0
    role: str = ""


def team(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of the team."""
    roles = {role.name: role for role in instructions.watched(seen).program.roles}
    tried = _tried(seen)
    others = [name for name in tried if name not in roles]
    members = [_member(seen, name, roles.get(name), tried.get(name, Tried())) for name in (*roles, *others)]
    live = "they are asked in turn, as program.md says" if seen.live else "no night is at work"
    return framed(seen, "team.html", "Team", "team", team=members, places=places(seen),
                  note=f"Researchers propose changes and measure none of them; {live}.")


def _tried(seen: Seen) -> dict[str, Tried]:
    """What each that proposed one has tried, in the order in which they began."""
    found = dict[str, Tried]()
    for each in rows(seen.history.experiments):
        before, kept = found.get(each.researcher, Tried()), each.verdict.verdict == "keep"
        gained = before.gained + (each.verdict.effect or 0.0 if kept else 0.0)
        found[each.researcher] = Tried(before.tried + 1, before.kept + kept, gained, each.role)
    return found


def _member(seen: Seen, name: str, role: Role | None, tried: Tried) -> Member:
    attempts, used = seen.state.attempts, seen.state.usage.used.get(name)
    takes = moments(attempts.seconds[name]) if name in attempts.seconds else "–"
    trouble = attempts.unusable.get(name, (0, ""))[1]
    return Member(name, role.kind if role else tried.role, line(role.model or role.agent, SHOWN) if role else "",
                  role is not None, tried.tried, tried.kept, tried.gained, takes,
                  *_paid(spent(used) if used else None), line(trouble, SHOWN))


def _paid(use: SpentView | None) -> tuple[str, str, str]:
    """Calls, tokens and dollars."""
    if use is None:
        return "–", "–", "–"
    failed = f", {use.failed} failed" if use.failed else ""
    return f"{use.calls:,}{failed}", f"{use.tokens:,}", "price unknown" if use.dollars is None else f"${use.dollars:.2f}"
