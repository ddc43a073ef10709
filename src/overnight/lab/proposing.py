"""Who is asked for changes, when, and with what brief. Pure; the half of the Lab that does not measure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from overnight.contracts import Brief, Left, Past
from overnight.lab.jobs import Combine, Job, Measure, Propose, Rebase, Think
from overnight.lab.measurements import Experiment
from overnight.lab.state import BASELINE, State, past
from overnight.referee import guards
from overnight.track.roles import Role

HISTORY = 1000  # experiments that a brief looks back on
REFILLED = 3  # verdicts between two calls of a scientist at least
UNKNOWN = 8  # proposals under way while nobody knows how long one takes and how long it is measured


@dataclass(slots=True)
class Budget:
    """What this session may use; None is no bound. `until` is on the caller's clock; tokens and dollars are only told to
    researchers here, and held to where models are called."""

    until: float | None = None
    experiments: int | None = None
    tokens: int | None = None
    dollars: float | None = None


class Proposing(State):
    """One track's state and who proposes what. `benches` is how many runs can go on at once."""

    def __init__(self, researchers: Sequence[str] = (), benches: int = 1, prose: str = "") -> None:
        super().__init__()
        self.researchers, self.benches, self.prose = tuple(researchers), benches, prose
        self.budget = Budget()
        self.stopping = ""
        self._now = 0.0
        self._refilled = -math.inf
        self._reported = 0
        self._conflicts: set[int] = set()
        self._flying: dict[object, Job] = {}

    @property
    def researchers(self) -> tuple[str, ...]:
        """The names of those who propose."""
        return self.roster.proposers

    @researchers.setter
    def researchers(self, names: Sequence[str]) -> None:
        """These alone propose from now on, and nobody advises."""
        self.roster.roles = {name: self.roster.roles.get(name) or Role(name, name) for name in names}

    def organise(self, roles: Sequence[Role]) -> None:
        """The team is this from now on."""
        self.roster.roles = {role.name: role for role in roles}

    # -- what waits --

    def _waiting(self) -> list[Experiment]:
        """Experiments of which nothing is known or under way."""
        busy = {i for j in self._flying.values() if isinstance(j, Combine) for i in j.experiments}
        busy |= {j.experiment for j in self._flying.values() if isinstance(j, Measure)}
        return [e for e in self.open.values() if e.waiting and e.id not in busy]

    @property
    def _size(self) -> int:
        """How many edits are stacked now: few where many are kept, for then a stack seldom loses."""
        rare = max(1, int(1 / (4 * self.hits)))
        return min(self.sizes.size, self.track.referee.stack, rare) if self.known.kind != "success" else 1

    # -- who thinks --

    def _thoughts(self) -> Iterator[Job]:
        """What those who think long may do: look back, fill the queue, propose."""
        standup, scientist = self.roster.of_kind("standup"), self.roster.of_kind("scientist")
        since = max(1, self._learnt_at, self._reported)  # who was asked in vain is not asked again at once
        if standup and self.next_experiment - since >= standup.every and self._free(standup):
            self._reported = self.next_experiment
            yield Think(standup.name, "standup", self.commit, self._brief(standup.name))
        if scientist and self._free(scientist) and self._running_low(scientist):
            self._refilled = len(self._pasts)
            yield Think(scientist.name, "scientist", self.commit, self._brief(scientist.name))
        yield from (self._rebase(e, anew=True) for e in self.open.values() if e.id in self._conflicts and self._can_redo(e))
        yield from self._proposals(True)

    def _can_redo(self, experiment: Experiment) -> bool:
        """Whether its researcher thinks long, and is there to make a change anew that git could not move."""
        role = None if experiment.awaited else self.roster.roles.get(experiment.researcher)
        return role is not None and role.thinks and self.roster.here(role.name, self._now)

    def _rebase(self, experiment: Experiment, anew: bool = False) -> Rebase:
        """Put a change on top of the frontier. `anew`: git could not, and who thinks long is asked, at a place for that."""
        role = None if experiment.awaited else self.roster.roles.get(experiment.researcher)
        brief = None if role is None or (role.thinks and not anew) else self._brief(role.name, past(experiment))
        name = role.name if role else ""
        return Rebase(experiment.id, experiment.commit, experiment.base_commit, self.commit, name, brief, anew)

    def _running_low(self, scientist: Role) -> bool:
        """Whether the queue wants new ideas, and something has been learnt since it was filled last."""
        return bool(self.researchers) and self._more_allowed() and len(self._pasts) - self._refilled >= REFILLED \
            and len(self.ideas.waiting(self._leased())) < scientist.below

    @property
    def resting(self) -> bool:
        """Whether somebody who could propose is away for a while."""
        return self._may_propose() and not any(self.roster.here(n, self._now) for n in self._willing())

    def _free(self, role: Role) -> bool:
        """Whether somebody can work and does not yet."""
        return self.roster.here(role.name, self._now) \
            and not any(isinstance(j, Think) and j.role == role.name for j in self._flying.values())

    def _proposals(self, thinks: bool) -> Iterator[Propose]:
        """One more proposal at a place of this kind, if what waits and is under way would not keep the benches busy until it
        comes. Who thinks is held to its share; who needs no time fills what is left."""
        names = [n for n in self._willing() if self.roster.here(n, self._now)]
        if self.problem or not names or not self._may_propose():
            return
        due = self.roster.due(names, sum(isinstance(j, Propose) for j in self._flying.values()))
        mine = [n for n in names if self.roster.roles[n].thinks == thinks]
        for name in sorted(mine, key=lambda n: (n != due, names.index(n))):
            if thinks and self.roster.ahead(name, names):
                continue
            if self._coming(thinks) < self._wanted(name) + (name == due and len(names) > 1):
                idea = self.ideas.lease(self._leased(), self.roster.asked[name]) if thinks else None
                yield Propose(name, self.frontier, self.commit, self._brief(name, idea=idea.id if idea else 0), thinks)

    def _coming(self, thinks: bool) -> int:
        """Proposals that wait, or are made at places of this kind. For those who think, the others' make the way longer."""
        thinking = {name for name, role in self.roster.roles.items() if role.thinks}
        waiting = sum(-1 if thinks and e.researcher not in thinking else 1 for e in self._waiting())
        return waiting + sum(isinstance(j, Propose) and j.thinks == thinks for j in self._flying.values())

    def _wanted(self, name: str) -> int:
        """How many proposals should be on their way, so that the benches have something to do while this researcher thinks."""
        ahead, size = self.benches // 2 + 1, self._size
        least = (ahead * size if size > 1 else (self.benches + 1) // 2) + (not self.calibrated)
        if not self.roster.roles[name].thinks:
            return least
        each = self.tally.busy / len(self._pasts) if self._pasts else 0.0
        return max(least, math.ceil(self.benches * self.roster.seconds(name) / each) if each else UNKNOWN)

    def _leased(self) -> frozenset[int]:
        """The ideas that somebody makes a change of now."""
        return frozenset(j.brief.idea.id for j in self._flying.values() if isinstance(j, Propose) and j.brief.idea)

    def _may_propose(self) -> bool:
        return bool(self._willing()) and self._more_allowed()

    def _more_allowed(self) -> bool:
        """Whether the budget has room for another experiment."""
        flying = sum(isinstance(j, Propose) for j in self._flying.values())
        most = self.budget.experiments
        return most is None or self.session_proposed + flying < most

    def _willing(self) -> list[str]:
        """Researchers that are not gone for good and have not passed again and again since the last verdict."""
        return self.roster.willing(self._news)

    def brief(self) -> Brief:
        """What somebody who is not on the team needs to know."""
        return self._brief("", queue=True)

    def _brief(self, researcher: str, again: Past | None = None, idea: int = 0, queue: bool = False) -> Brief:
        asked, leased, role = self.roster.asked[researcher], self._leased(), self.roster.roles.get(researcher)
        reads = queue or (role is not None and (role.thinks or not role.proposes))
        ideas = [self.idea(entry, leased) for entry in self.ideas] if reads else []
        chosen = next((each for each in ideas if each.id == idea), None)
        known = self.calibrated
        return Brief(
            goal=self.track.track.goal, metric=self.track.metric.name, direction=self.track.metric.direction, files={},
            frontier=self.frontier, noise=self.noise, program=self.prose, role=role.prose if role else "",
            history=[*self._pasts[-HISTORY:], *map(past, self.open.values())],
            seed=self.known.draw("brief", researcher, self.commit, len(self.experiments), asked,
                                 *(("again", again.id) if again else ()), *self._tried(researcher)),
            strain=max(guards.begin(self.track.guard), default=0.0) or None, again=again,
            editable=tuple(self.track.track.editable), unit=self.track.metric.unit,
            contract=self.opened.contract if self.opened else "",
            levels=(self.level(BASELINE) if known else None, self.level(self.frontier) if known else None),
            ideas=ideas, idea=chosen, notes=self.notes, left=self.left())

    def _tried(self, researcher: str) -> tuple[int, ...]:
        """What tells proposals apart that one researcher makes at the same time."""
        flying = [j.brief.seed for j in self._flying.values() if isinstance(j, Propose) and j.researcher == researcher]
        return tuple(sorted(flying))

    def left(self) -> Left:
        """What the session may still use."""
        budget, used = self.budget, self.tally.session
        return Left(None if budget.until is None else max(0.0, budget.until - self._now),
                    None if budget.experiments is None else max(0, budget.experiments - self.session_proposed),
                    None if budget.tokens is None else max(0, budget.tokens - used.tokens),
                    None if budget.dollars is None else max(0.0, budget.dollars - used.dollars))
