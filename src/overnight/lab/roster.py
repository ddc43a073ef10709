"""Who is on the team, whose turn it is, and who cannot be asked now. Pure; told by the Lab what is recorded."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence

from overnight.lab import allocation
from overnight.lab.events import Passed, Proposed
from overnight.track.roles import Role

MOST_PASSES = 3  # times in a row that a researcher may have nothing before it is left alone until there is news
THINKING = 60.0  # seconds that a model or an agent is thought to take before it has made a change
WINDOW = 50  # attempts that are looked back on, to see who is ahead of its share
RECENT = 0.3  # weight of the newest change in what a researcher is thought to take


class Roster:
    """The team. Times are on the caller's clock."""

    def __init__(self, roles: Sequence[Role] = ()) -> None:
        self.roles = {role.name: role for role in roles}
        self.asked: Counter[str] = Counter()
        self._lately: deque[str] = deque(maxlen=WINDOW)
        self._passes: dict[str, tuple[object, int]] = {}
        self._seconds: dict[str, float] = {}
        self._away: dict[str, float] = {}
        self._why: dict[str, str] = {}
        self.records: dict[str, allocation.Record] = {}

    # -- who there is --

    @property
    def proposers(self) -> tuple[str, ...]:
        """The names of those who propose."""
        return tuple(name for name, role in self.roles.items() if role.proposes)

    def of_kind(self, kind: str) -> Role | None:
        """The first of a kind, None if there is none."""
        return next((role for role in self.roles.values() if role.kind == kind), None)

    def begin(self) -> None:
        """A session begins: everybody is asked again."""
        self._passes.clear()
        self._away.clear()

    # -- who can be asked --

    def away(self, name: str, until: float | None, why: str = "") -> None:
        """Somebody cannot work until then; None: not in this session."""
        self._away[name], self._why[name] = math.inf if until is None else until, why

    def here(self, name: str, now: float) -> bool:
        """Whether somebody can work now."""
        return self._away.get(name, -math.inf) <= now

    def willing(self, news: object) -> list[str]:
        """Proposers that are not gone for good, and have not passed again and again while there was nothing new: `news` is
        what is known now."""
        return [n for n in self.proposers if self.passes(n, news) < MOST_PASSES and self._away.get(n) != math.inf]

    def gone(self) -> dict[str, str]:
        """Who is away for the rest of the session, and why."""
        return {name: self._why.get(name, "") for name, until in self._away.items() if until == math.inf}

    def passes(self, name: str, news: object) -> int:
        """How often in a row somebody had nothing while nothing else was known."""
        since, times = self._passes.get(name, (None, 0))
        return times if since == news else 0

    def seconds(self, name: str) -> float:
        """How long somebody takes for a change, as far as that is known."""
        role = self.roles.get(name)
        return self._seconds.get(name, THINKING if role and role.thinks else 0.0)

    def due(self, names: Sequence[str], flying: int = 0) -> str:
        """Whose turn it is among these, while so many are being asked."""
        turn = sum(self.asked.values()) + flying
        return allocation.next_role(self.records, {n: self.roles[n].share for n in names}, turn)

    def ahead(self, name: str, names: Sequence[str]) -> bool:
        """Whether somebody had more than its share of the latest attempts of these."""
        lately = [each for each in self._lately if each in names]
        return lately.count(name) > len(lately) * allocation.split(self.records, {n: self.roles[n].share for n in names})[name]

    # -- what happens --

    def proposed(self, event: Proposed) -> None:
        """Somebody made a change; who handed one in unasked is not on the team."""
        if event.request:
            return
        self._was_asked(event.researcher)
        self._passes.pop(event.researcher, None)
        self._took(event.researcher, event.thinking)

    def passed(self, event: Passed, news: object) -> None:
        """Somebody had nothing, or was away, which says nothing of the frontier."""
        if event.away:
            return
        self._passes[event.researcher] = (news, self.passes(event.researcher, news) + 1)
        self._was_asked(event.researcher)
        self._took(event.researcher, event.thinking)
        self.ended(event.researcher, event.thinking)

    def ended(self, name: str, cost: float, gain: float | None = None) -> None:
        """An attempt of somebody came to its end: seconds of runs and of thinking, and what it gained if it was kept."""
        self.records = allocation.ended(self.records, name, cost, gain)

    def _was_asked(self, name: str) -> None:
        self.asked[name] += 1
        self._lately.append(name)

    def _took(self, name: str, seconds: float) -> None:
        before = self._seconds.get(name, seconds)
        self._seconds[name] = before + RECENT * (seconds - before)
