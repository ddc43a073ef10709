"""The team of one session: its roles, whose turn it is, and which role cannot be asked now. Pure; nothing of it is recorded."""

from __future__ import annotations

import math
from collections.abc import Sequence

from overnight.lab import allocation
from overnight.lab.attempts import Attempts, News
from overnight.track.roles import Role

MOST_PASSES_IN_A_ROW = 3  # times in a row that a researcher may have nothing before it is left alone until there is news
# Times in a row that a role may write what cannot be used before it is given up for the session: where that has an end in time,
# and where nothing else would end it.
MOST_UNUSABLE_IN_A_ROW, MOST_WITHOUT_END = 100, 6
AT_ONCE = 3  # of them after which it is asked again as soon as after one
REST_SECONDS, LONGEST_REST_SECONDS = 2.0, 60.0  # for which it is left alone, growing twofold
THINKING_SECONDS = 60.0  # seconds that a model or an agent is thought to take before it has made a change


class Roster:
    """The roles by name, over the record of what they tried. Times are on the caller's clock."""

    def __init__(self, attempts: Attempts, roles: Sequence[Role] = ()) -> None:
        self.attempts = attempts
        self.roles = {role.name: role for role in roles}
        self._away: dict[str, tuple[float, str]] = {}  # until when, and why

    @property
    def proposers(self) -> tuple[str, ...]:
        """The names of the roles that propose."""
        return tuple(name for name, role in self.roles.items() if role.proposes)

    def of_kind(self, kind: str) -> Role | None:
        """The first role of a kind, None if there is none."""
        return next((role for role in self.roles.values() if role.kind == kind), None)

    def begin(self) -> None:
        """A session begins: every role is asked again."""
        self._away.clear()

    def away(self, name: str, until: float | None, why: str = "") -> None:
        """A role cannot work until then; None: not in this session."""
        self._away[name] = math.inf if until is None else until, why

    def rest(self, name: str, now: float, ends: bool) -> None:
        """A role wrote what cannot be used, as the record says by now: it is left alone for a while, and is asked again.
        `ends`: the session has an end in time."""
        most = MOST_UNUSABLE_IN_A_ROW if ends else MOST_WITHOUT_END
        row, why = self.attempts.unusable[name]
        seconds = min(REST_SECONDS * 2.0 ** min(max(0, row - AT_ONCE), 20), LONGEST_REST_SECONDS)
        self.away(name, now + seconds if row < most else None,
                  f"{row} answers in a row could not be used, the last one because {why}")

    def here(self, name: str, now: float) -> bool:
        """Whether a role can work now."""
        return name not in self._away or self._away[name][0] <= now

    def willing(self, news: News) -> list[str]:
        """Proposers that are not gone for good, and have not passed again and again while there was nothing new: `news` is
        what is known now."""
        gone = self.gone()
        return [n for n in self.proposers if n not in gone and self.attempts.passes(n, news) < MOST_PASSES_IN_A_ROW]

    def gone(self) -> dict[str, str]:
        """The roles that are away for the rest of the session, and why."""
        return {name: why for name, (until, why) in self._away.items() if until == math.inf}

    def seconds(self, name: str) -> float:
        """How long a role takes for a change, as far as that is known."""
        role = self.roles.get(name)
        return self.attempts.seconds.get(name, THINKING_SECONDS if role and role.thinks else 0.0)

    def due(self, names: Sequence[str], flying: int = 0) -> str:
        """Whose turn it is among these, while so many are being asked."""
        turn = sum(self.attempts.asked.values()) + flying
        return allocation.next_role(self.attempts.records, {n: self.roles[n].share for n in names}, turn)

    def ahead(self, name: str, names: Sequence[str]) -> bool:
        """Whether a role had more than its share of the latest attempts of these."""
        lately = [each for each in self.attempts.lately if each in names]
        shares = allocation.split(self.attempts.records, {n: self.roles[n].share for n in names})
        return lately.count(name) > len(lately) * shares[name]
