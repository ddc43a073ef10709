"""Which changes are wanted: proposals of researchers, changes handed in, changes put on a new frontier or on one another, and
what advisers are asked. Pure; the half of the Lab that does not measure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from overnight.lab import exploits, leads
from overnight.lab.briefing import Briefing
from overnight.lab.experiment import Experiment, past
from overnight.lab.flight import Flight
from overnight.lab.jobs import Accept, Combine, Job, Measure, Propose, Rebase, Think, Try
from overnight.lab.measuring import Measuring
from overnight.lab.roster import Roster
from overnight.lab.state import State
from overnight.track.roles import Role

VERDICTS_BETWEEN_REFILLS = 3  # verdicts between two calls of a scientist at least
PROPOSALS_WHILE_UNKNOWN = 8  # proposals under way while it is not known how long one takes and how long it is measured


class Proposing:
    """The work that the record asks of edit slots and think slots, beside what is in flight.

    conflicts  open experiments that git could not move to the frontier, and whose researcher is to make them anew
    """

    def __init__(self, state: State, flight: Flight, roster: Roster, measuring: Measuring, briefing: Briefing) -> None:
        self.state, self.flight, self.roster = state, flight, roster
        self.measuring, self.briefing, self.tower = measuring, briefing, measuring.tower
        self.conflicts: set[int] = set()
        self._refilled = -math.inf
        self._reported = 0
        self._scrutinised: tuple[int, tuple[int, ...]] = (0, ())  # the next experiment, and what was kept, when last asked

    # -- what an edit slot may do --

    def changes(self) -> Iterator[Job]:
        """What edit slots may do, the most urgent first: look at changes handed in, move experiments to the frontier, put some
        on one another, and ask researchers that need no time."""
        yield from (Accept(order, self._keep(order)) for order in self.flight.handed_in.values())
        running = {j.commit for j in self.flight.of(Measure)}
        size = self.measuring.size
        stacked = [e for e in self.measuring.waiting() if self.measuring.stackable(e, size)]
        together = {e.id for e in stacked} if len(stacked) > 1 else set()
        old = [e for e in self._left_behind() if e.commit not in running]
        yield from (self._rebase(e) for e in old if e.id not in together)
        if self._stack_wanted(stacked, running):
            yield self._combine(stacked, size)
        yield from self._proposals(False)
        yield from (self._rebase(e) for e in old if e.id in together)

    def _keep(self, order: Try) -> tuple[str, str] | None:
        """The commits before and after the kept change of which an order takes parts back; none where it is no keep."""
        keep = self.state.experiments.get(order.takes_back)
        return (keep.base_commit, keep.commit) if keep and keep.verdict == "keep" else None

    def _left_behind(self) -> Iterator[Experiment]:
        """Open experiments that do not stand where they should, and that git or a researcher that needs no time can move."""
        floors = self.tower.floors
        for each in self.state.open.values():
            if not self.tower.settled(each, floors) and not each.stack \
                    and (each.awaited or self.roster.proposers) and not (each.id in self.conflicts and self.can_redo(each)):
                yield each

    def _stack_wanted(self, free: Sequence[Experiment], running: set[str]) -> bool:
        """Whether another stack is to be made of these: there are enough, and not enough stacks wait to be run."""
        untouched = sum(len(s.gains) == 1 and s.name not in running for s in self.state.stacks.values())
        enough = len(free) >= (self.measuring.size if self.may_propose() else 2)
        return bool(enough and free and untouched < self._ahead and not any(self.flight.of(Combine)))

    def _combine(self, free: Sequence[Experiment], count: int) -> Combine:
        """The oldest of them, as many as each one's company allows."""
        while count > 1 and sum(e.max_stack >= count for e in free) < count:
            count -= 1
        chosen = [e for e in free if e.max_stack >= count][:count]
        return Combine(tuple(e.id for e in chosen), tuple((e.base_commit, e.commit) for e in chosen), self.state.commit)

    @property
    def _ahead(self) -> int:
        """Stacks that should wait, so that no measure slot is without work."""
        return self.flight.measure_slots // 2 + 1

    # -- what a think slot may do --

    def thoughts(self) -> Iterator[Job]:
        """What roles that think long may do: look back, fill the queue, make changes anew, propose."""
        state = self.state
        standup, scientist = self.roster.of_kind("standup"), self.roster.of_kind("scientist")
        since = max(1, state.learnt_at, self._reported)  # a role that was asked in vain is not asked again at once
        if standup and state.next_experiment - since >= standup.every and self._free(standup):
            self._reported = state.next_experiment
            yield Think(standup.name, "standup", state.commit, self.briefing.role(standup.name))
        yield from self._scrutinies()
        if self.hoping() and scientist:
            self._refilled = state.judged
            yield Think(scientist.name, "scientist", state.commit, self.briefing.role(scientist.name))
        yield from (self._rebase(e, anew=True) for e in state.open.values() if e.id in self.conflicts and self.can_redo(e))
        yield from self._proposals(True)

    def _scrutinies(self) -> Iterator[Think]:
        """Ask a metrician, where enough was tried since it was asked last and something new is kept."""
        metrician, state = self.roster.of_kind("metrician"), self.state
        kept = tuple(each.id for each in state.chain()) if metrician else ()
        since = self._scrutinised[0] if self._scrutinised[1] else 1
        if metrician and kept and kept != self._scrutinised[1] and state.next_experiment - since >= metrician.every \
                and self._free(metrician):
            self._scrutinised = state.next_experiment, kept
            yield Think(metrician.name, "metrician", state.commit, self.briefing.role(metrician.name), exploits.scrutiny(state))

    def hoping(self) -> bool:
        """Whether a scientist can be asked for new ideas now: the queue runs low, and something has been learnt since it was
        filled last."""
        scientist = self.roster.of_kind("scientist")
        return scientist is not None and self._free(scientist) and bool(self.roster.proposers) and not self.flight.full \
            and self.state.judged - self._refilled >= VERDICTS_BETWEEN_REFILLS \
            and len(self.state.ideas.waiting(self.briefing.leased())) < scientist.below

    def can_redo(self, experiment: Experiment) -> bool:
        """Whether its researcher thinks long, and is there to make a change anew that git could not move."""
        role = self._author(experiment)
        return role is not None and role.thinks and self.roster.here(role.name, self.flight.now)

    def _author(self, experiment: Experiment) -> Role | None:
        return None if experiment.awaited else self.roster.roles.get(experiment.researcher)

    def _rebase(self, experiment: Experiment, anew: bool = False) -> Rebase:
        """Put a change where it should stand. `anew`: git could not put it on the frontier, so that a role that thinks long is
        asked, at a place for that."""
        role = self._author(experiment)
        brief = None if role is None or (role.thinks and not anew) else self.briefing.role(role.name, past(experiment))
        onto = self.state.commit if anew else self.tower.onto(experiment, self.tower.floors)
        name = role.name if role else ""
        lead = leads.beside(self.state, experiment)
        message = leads.alone(experiment.message) if lead else ""
        return Rebase(experiment.id, experiment.commit, lead or experiment.base_commit, onto, name, brief, anew, message)

    def _free(self, role: Role) -> bool:
        """Whether an adviser can work and does not yet."""
        return self.roster.here(role.name, self.flight.now) and not any(j.role == role.name for j in self.flight.of(Think))

    # -- which role proposes --

    def willing(self) -> list[str]:
        """Researchers that are not gone for good and have not passed again and again since the last verdict."""
        return self.roster.willing(self.state.news)

    def may_propose(self) -> bool:
        """Whether a researcher would propose, and the budget has room for it."""
        return bool(self.willing()) and not self.flight.full

    def _proposals(self, thinks: bool) -> Iterator[Propose]:
        """One more proposal at a place of this kind, if what waits and is under way would not keep the measure slots busy until
        it comes. A role that thinks is held to its share; one that needs no time fills what is left."""
        state, names = self.state, [n for n in self.willing() if self.roster.here(n, self.flight.now)]
        if not names or not self.may_propose():
            return
        due = self.roster.due(names, sum(1 for _ in self.flight.of(Propose)))
        mine = [n for n in names if self.roster.roles[n].thinks == thinks]
        for name in sorted(mine, key=lambda n: (n != due, names.index(n))):
            if thinks and self.roster.ahead(name, names):
                continue
            if self._coming(thinks) < self._wanted(name) + (name == due and len(names) > 1):
                idea = state.ideas.lease(self.briefing.leased(), state.attempts.times(name)) if thinks else None
                brief = self.briefing.role(name, idea=idea.id if idea else 0)
                lead = state.probes.made[brief.lead.point].commit if brief.lead else ""
                yield Propose(name, state.frontier, state.commit, brief, thinks, lead)

    def _coming(self, thinks: bool) -> int:
        """Proposals that wait, or are made at places of this kind. For think slots, the others' make the way longer."""
        thinking = {name for name, role in self.roster.roles.items() if role.thinks}
        waiting = sum(-1 if thinks and e.researcher not in thinking else 1 for e in self.measuring.waiting())
        explored = 0 if thinks else len(self.measuring.campaign.waiting())
        return waiting + explored + sum(j.thinks == thinks for j in self.flight.of(Propose))

    def _wanted(self, name: str) -> int:
        """How many proposals should be on their way, so that the measure slots have work while this researcher thinks."""
        state, measure_slots, size = self.state, self.flight.measure_slots, self.measuring.size
        if self.measuring.campaign.explored_by(name):
            return (measure_slots + 1) // 2 + (not state.calibrated)
        least = (self._ahead * size if size > 1 else (measure_slots + 1) // 2) + (not state.calibrated)
        if not self.roster.roles[name].thinks:
            return least
        each = state.usage.busy / state.judged if state.judged else 0.0
        return max(least, math.ceil(measure_slots * self.roster.seconds(name) / each) if each else PROPOSALS_WHILE_UNKNOWN)
