"""What a researcher is told: the record as its brief, and what the session may still use. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from overnight.contracts import Brief, Left, Past, Seconded
from overnight.lab.campaign import Campaign
from overnight.lab.climbing import climbs
from overnight.lab.experiment import past
from overnight.lab.flight import Flight
from overnight.lab.jobs import Propose
from overnight.lab.leads import explored, trusted
from overnight.lab.roster import Roster
from overnight.lab.state import State
from overnight.referee import guards
from overnight.track.units import gained

MOST_IDEAS = 300  # of the queue that a proposer is told of, the newest
MOST_RIVALS = 16  # open experiments whose lines a researcher is asked to leave alone
MOST_IDEA_CHARACTERS = 640  # of their texts


class Briefing:
    """Writes briefs. `prose` is what the research programme says to every researcher."""

    def __init__(self, state: State, flight: Flight, roster: Roster, prose: str = "") -> None:
        self.state, self.flight, self.roster, self.prose = state, flight, roster, prose
        self.campaign = Campaign(state, flight, roster)

    def outside(self) -> Brief:
        """The brief of a person or an agent that is not on the team."""
        return self.role("")

    def role(self, name: str, again: Past | None = None, idea: int = 0) -> Brief:
        """The brief of a role: to make the change `again` anew where that is given, or to try an idea of the queue. Of the rest
        of the queue a proposer is told the newest ideas, in short, and a role that needs no time none."""
        state, role, leased = self.state, self.roster.roles.get(name), self.leased()
        track, head, known, levels = state.track, state.track.track, state.calibrated, state.levels
        ideas = [] if role and role.proposes and not role.thinks else [state.idea(entry, leased) for entry in state.ideas]
        shown = ideas
        if role and role.proposes:
            shown = [replace(idea, text=idea.text[:MOST_IDEA_CHARACTERS]) for idea in ideas[-MOST_IDEAS:]]
        return Brief(
            goal=head.goal, metric=track.metric.name, direction=track.metric.direction, files={},
            frontier=state.frontier, noise=state.noise, program=self.prose, role=role.prose if role else "",
            history=[*state.pasts.items, *map(past, state.open.values())], seed=self._seed(name, again),
            guard_usage=max(guards.begin(track.guard), default=0.0) or None, again=again,
            editable=tuple(head.editable), region=head.region, unit=track.metric.unit,
            contract=state.opened.contract if state.opened else "",
            levels=(levels.baseline, levels.frontier) if known else (None, None),
            gain=gained(levels.gain, levels.ratio, state.counts["keep"], track.metric.unit, levels.baseline or 0.0)
            if state.frontier else "",
            ideas=shown, idea=next((each for each in ideas if each.id == idea), None), notes=state.notes, left=self._left(),
            estimated=() if state.known.exact else track.counted_guards,
            unusable=state.attempts.unusable.get(name, (0, ""))[1],
            beside=self._beside() if role and role.proposes and role.thinks else (0, 1),
            rivals=self._rivals() if role and role.proposes and role.thinks else (),
            one_seed=state.opened.fixed_seeds if state.opened and state.one_seed else (),
            explore=self.campaign.brief(name) if again is None else None,
            explored=explored(state) if role is None or role.thinks else None,
            climbs=climbs(state) if role is None or role.thinks else (),
            further=seconded(state) if role is None or role.thinks else (),
            lead=trusted(state) if role and role.proposes and role.thinks and again is None else None)

    def leased(self) -> frozenset[int]:
        """The ideas of which a researcher makes a change now."""
        return frozenset(j.brief.idea.id for j in self.flight.of(Propose) if j.brief.idea)

    def _rivals(self) -> tuple[str, ...]:
        """The commits of open experiments that stand on the frontier, the newest."""
        return tuple(e.commit for e in self.state.open.values() if e.base_commit == self.state.commit)[-MOST_RIVALS:]

    def _beside(self) -> tuple[int, int]:
        """A number that no researcher has that thinks now, and how many think with this one, at least."""
        taken = {j.brief.beside[0] for j in self.flight.of(Propose) if j.thinks}
        mine = next(number for number in range(len(taken) + 1) if number not in taken)
        return mine, max(mine, *taken, 0) + 1

    def _seed(self, name: str, again: Past | None) -> int:
        """What the researcher draws from; proposals that one role makes at the same time differ in it."""
        state = self.state
        flying = sorted(j.brief.seed for j in self.flight.of(Propose) if j.researcher == name)
        anew = ("again", again.id) if again else ()
        return state.known.draw("brief", name, state.commit, len(state.experiments), state.attempts.times(name), *anew, *flying)

    def _left(self) -> Left:
        budget, used = self.flight.budget, self.state.usage.session
        return Left(None if budget.until is None else max(0.0, budget.until - self.flight.now),
                    None if budget.experiments is None else max(0, budget.experiments - self.flight.proposed),
                    None if budget.tokens is None else max(0, budget.tokens - used.tokens),
                    None if budget.dollars is None else max(0.0, budget.dollars - used.dollars))


def seconded(state: State) -> tuple[Seconded, ...]:
    """What further metrics say of the keeps that still count, as researchers are told."""
    kept = {keep.id for keep in state.chain()}
    return tuple(Seconded(each.further.metric, each.further.direction,
                          {k.experiment: k.effect for k in each.keeps if k.experiment in kept and k.effect is not None},
                          {k.experiment: k.disowned for k in each.keeps if k.experiment in kept and k.disowned})
                 for each in (state.watched.found if state.watched else ()) if each.further.role != "own")
