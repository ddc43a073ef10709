"""The Lab: the state of one track and the choice of what to do next. Pure: no files, no clock, no network.

`ask` gives a free place its next job, `tell` takes a result and `hear` an order from outside; both say what happened, and
`apply` replays what happened. Every driver, from the local loop to a swarm, is a thin caller of these four.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from overnight.contracts import Call
from overnight.lab import events, exploits, jobs, leads, weighing
from overnight.lab.briefing import Briefing
from overnight.lab.experiment import Experiment
from overnight.lab.flight import MOST_FAULTS_IN_A_ROW, Budget, Flight, lease
from overnight.lab.measuring import Measuring
from overnight.lab.overload import MOST_WAITING
from overnight.lab.proposing import Proposing
from overnight.lab.queue import MOST_TEXT_CHARACTERS, MOST_TITLE_CHARACTERS
from overnight.lab.roster import Roster
from overnight.lab.state import BASELINE, State
from overnight.lab.tower import Tower
from overnight.referee import decision, inference
from overnight.referee.wealth import Wealth
from overnight.track.roles import Role
from overnight.untrusted import line, plain

MOST_REOPENINGS = 2  # times that a discarded experiment may be taken up again


class Lab:
    """One track and one session on it: the record, what is in flight, and what comes next. `wealth` is where the levels of
    claims come from, in the place of the track's own."""

    def __init__(self, state: State, roles: Sequence[Role] = (), measure_slots: int = 1, wealth: Wealth | None = None) -> None:
        self.state, self.flight, self.wealth = state, Flight(measure_slots), wealth
        self.roster = Roster(state.attempts, roles)
        self.tower = Tower(state, self.flight)
        self.briefing = Briefing(state, self.flight, self.roster)
        self.measuring = Measuring(state, self.flight, self.tower, self.briefing.campaign)
        self.proposing = Proposing(state, self.flight, self.roster, self.measuring, self.briefing)

    def organise(self, roles: Sequence[Role], prose: str = "") -> None:
        """The team is this from now on, and `prose` is what every role is told."""
        self.roster.roles, self.briefing.prose = {role.name: role for role in roles}, prose

    def apply(self, event: events.Event) -> None:
        """Take up one recorded event; replaying a journal is nothing but this."""
        self.state.apply(event)

    # -- the session --

    def begin(self, budget: Budget, at: float) -> list[events.Event]:
        """A session starts: what it may use. Returns the verdicts that an earlier session had no time to record."""
        self.flight.begin(budget)
        self.roster.begin()
        self.measuring.check_now = self.state.calibrated
        return self._happen(chain(self._blamed(at), self._settle(at), self._put_aside(at), self._resumed(at)))

    def stop(self, why: str) -> None:
        """End the session for this reason, a sentence: nothing new is begun."""
        self.flight.stopping = why

    @property
    def problem(self) -> str:
        """What is wrong with the machine or the track, so that nothing can be measured; "" while all is well."""
        return self.flight.problem or self.state.problem

    def finished(self, now: float) -> bool:
        """Whether nothing is under way and nothing more will be asked for."""
        return not len(self.flight) and (self._over(now) or (not self.state.paused and self._nothing_left()))

    def why(self, now: float) -> str:
        """Why nothing more is asked for, in a sentence; "" while there is more to do."""
        if self.flight.stopping or self.problem:
            return self.flight.stopping or self.problem
        if self.flight.over(now):
            return "the time is over"
        if not self._nothing_left():
            return ""
        return "the experiments are used up" if self.proposing.willing() else self._why_nothing()

    def _over(self, now: float) -> bool:
        return bool(self.state.problem) or self.flight.over(now)

    def _nothing_left(self) -> bool:
        return self.state.calibrated and not self.state.open and not self.flight.handed_in \
            and not self.proposing.may_propose() and not self.proposing.hoping()

    def _why_nothing(self) -> str:
        """Why no researcher proposes any more."""
        gone, names = self.roster.gone(), self.roster.proposers
        away = [f"{name} is away: {why.rstrip('.')}" for name, why in gone.items() if name in names]
        rest = [name for name in names if name not in gone]
        nothing = [f"{' and '.join(rest) or 'no researcher'} had nothing left to try on this frontier: widen `editable`, "
                   "name another researcher, or run again"] if rest or not away else []
        return "; ".join([*away, *nothing])

    # -- ask --

    def ask(self, now: float, idle: Sequence[str]) -> jobs.Job | None:
        """The job that is worth most for one of the places that are free ("measure", "edit", "think"); None if there is
        none."""
        self.flight.now = now
        self.flight.lapse(now)
        if self._over(now) or self.state.opened is None or self.state.paused:
            return None
        for place, wanted in (("measure", self.measuring.runs), ("edit", self.proposing.changes),
                              ("think", self.proposing.thoughts)):
            if place in idle and not (place == "measure" and self._too_busy(now)):
                for job in wanted():
                    if job not in self.flight:
                        offered = self.flight.ticketed(job)
                        self.flight.give(offered, now + lease(job, self.state.track))
                        return offered
        return None

    def _too_busy(self, now: float) -> bool:
        """Whether the machine has other work, so that no run is begun now; one by itself shows when that is over."""
        return self.flight.resting(now) or (self.state.overload.in_a_row > 0 and any(self.flight.of(jobs.Measure)))

    # -- tell --

    def tell(self, result: jobs.Result, at: float) -> list[events.Event]:
        """Take a result; return what happened, already applied, in the order in which it must be recorded. Raises Declined, and
        changes nothing, where it answers no job that is in flight: each is taken once, and not after its lease."""
        result = self.flight.land(result)
        if not isinstance(result, jobs.Trouble):
            named = isinstance(result, jobs.Measurement) and result.worker
            self.flight.worked(f"measure {named}" if named else result.job.place)
        return self._happen(chain(_TELL[type(result)](self, result, at), self._resumed(at), self._again(at)))

    def _happen(self, coming: Iterable[events.Event]) -> list[events.Event]:
        """Apply what happens, one after the other: what comes next may depend on it."""
        found = []
        for event in coming:
            before = self._pairs(event)
            self.apply(event)
            found.append(self._told(event, before))
        return found

    def _pairs(self, event: events.Event) -> dict[int, tuple[int, int]]:
        """How many pairs the experiments have of which a run may complete one."""
        if not isinstance(event, events.Measured):
            return {}
        stacked = event.stage == "screen"
        return {e.id: (e.pairs, e.fresh_pairs) for e in self.state.open.values()
                if event.commit in (e.commit, e.base_commit) or (stacked and e.stack)}

    def _told(self, event: events.Event, before: dict[int, tuple[int, int]]) -> events.Event:
        """The record of a run with how the evidence stands of what it completed pairs of."""
        open_, state = self.state.open, self.state
        more = [open_[number] for number, pairs in before.items() if (open_[number].pairs, open_[number].fresh_pairs) != pairs]
        weighed = tuple(filter(None, (weighing.told(each, state.known, state.policy) for each in more)))
        return replace(event, weighed=weighed) if weighed else event

    def _proposed(self, result: jobs.Proposal, at: float) -> Iterator[events.Event]:
        job = result.job
        if isinstance(job, jobs.Accept):
            yield from self._accepted(result, job.order, at)
            return
        change = result.change
        if change is None or not result.commit:
            if result.away:
                self.roster.away(job.researcher, None if result.wait is None else self.flight.now + result.wait, result.reason)
            yield from self._passed(result, result.reason, at, result.unusable and job.thinks)
            return
        if job.thinks and (first := self.state.same(job.commit, result.patch)):
            reason = f"it made the very change of #{first.id} again ({first.verdict})"
            yield from self._passed(result, reason, at, True)
            return
        number = self.state.next_experiment
        self.flight.proposed += 1
        made = {"at": at, "base_commit": job.commit, "researcher": job.researcher, "message": change.message,
                "note": change.note, "asked": job.brief.seed, "thinking": result.seconds, **events.common(events.Made, result)}
        if change.probe and job.brief.explore is not None and not result.foul:
            yield events.Probed(probe=self.state.probes.next, **made)
            return
        if lead := job.brief.lead:
            made |= {"lead": lead.point, "handicap": lead.gain}
        yield events.Proposed(experiment=number, base=job.base, idea=change.idea, **made)
        if result.foul:
            yield events.Judged(at, number, "foul", result.foul)
        yield from self._settle(at)

    def _passed(self, result: jobs.Proposal, reason: str, at: float, unusable: bool) -> Iterator[events.Event]:
        """A researcher has no change; one whose answer was `unusable` rests and is asked again."""
        job = result.job
        assert isinstance(job, jobs.Propose)
        idea = job.brief.idea.id if job.brief.idea else 0
        yield events.Passed(at, job.researcher, job.base, reason, result.away, result.seconds, idea, unusable or UNSET)
        if unusable:
            self.roster.rest(job.researcher, self.flight.now, self.flight.budget.until is not None)

    def _accepted(self, result: jobs.Proposal, order: jobs.Try, at: float) -> Iterator[events.Event]:
        """A change that was handed in, now or in an earlier session."""
        if self.flight.handed_in.pop(order.request, None) is None or order.request in self.state.answered:
            return
        change = result.change
        if change is None or result.foul:
            yield events.Ordered(at, order.request, "try", result.foul or result.reason, foul=bool(result.foul) or UNSET)
            return
        first = self.state.same(order.base, result.patch)
        if first and (first.takes_back or not result.takes_back):  # what was judged as any change may still be a simplification
            yield from self._handed_in_again(first, order, at)
            return
        base = next((e.id for e in self.state.experiments.values() if e.commit == order.base), BASELINE)
        yield events.Proposed(
            at=at, experiment=self.state.next_experiment, base=base, base_commit=order.base, researcher=order.by,
            message=change.message, note=change.note, idea=order.idea, request=order.request, patient=order.patient,
            takes_back=order.takes_back if result.takes_back else UNSET, **events.common(events.Made, result))

    def _handed_in_again(self, first: Experiment, order: jobs.Try, at: float) -> Iterator[events.Event]:
        """The very change of an earlier experiment: that goes on from its evidence where more might prove it, or else its
        verdict is the answer."""
        kept = first.id in self.state.resumable or first.prior_differences
        likely = first.finding is not None and first.finding.chance >= self.state.policy.unlikely
        if first.verdict == "discard" and order.patient and kept and likely:
            yield events.Reopened(at, first.id, order.request, first.cost + order.patient)
            yield from self._settle(at)
        else:
            yield events.Ordered(at, order.request, "try", experiment=first.id)

    def _thought(self, result: jobs.Thought, at: float) -> Iterator[events.Event]:
        job = result.job
        if result.away:
            self.roster.away(job.role, None if result.wait is None else self.flight.now + result.wait, result.reason)
        if result.reason:
            yield events.Passed(at, job.role, self.state.frontier, result.reason, result.away)
        for title, text in result.ideas:
            yield events.Noted(at, self.state.ideas.next, title, text, f"role {job.role}")
        if result.notes:
            yield events.Learnt(at, job.role, result.notes)
        if result.suggestion and not exploits.known(self.state, result.suggestion):
            yield events.Suggested(at, len(self.state.suggested) + 1, job.role, result.suggestion)

    def _rebased(self, result: jobs.Rebasing, at: float) -> Iterator[events.Event]:
        job, conflicts = result.job, self.proposing.conflicts
        experiment = self.state.open.get(job.experiment)
        if experiment is None or not self.tower.wants(job, experiment):
            conflicts.discard(job.experiment)
            return  # judged or moved meanwhile, or it should stand elsewhere by now: then it is asked for anew
        if result.commit:
            conflicts.discard(experiment.id)
            anew = {name: getattr(result, name) for name in ("message", "patch", "size_delta", "note") if result.message}
            if job.message and not result.again and (probe := self.state.probes.made.get(experiment.lead)):
                anew |= {"note": leads.parted(experiment.note, probe.note), "alone": True}
            self._withdraw(experiment)
            yield events.Rebased(at, experiment.id, self.tower.floors[job.onto], job.onto, result.commit, result.again, **anew)
        elif job.onto != self.state.commit:
            self.tower.refused.add((experiment.id, job.onto))
        elif not job.anew and self.proposing.can_redo(experiment):
            conflicts.add(experiment.id)
        else:
            conflicts.discard(experiment.id)
            yield events.Judged(at, experiment.id, "discard", "conflicts with what was kept meanwhile")
        yield from self._settle(at)

    def _combined(self, result: jobs.Combined, at: float) -> Iterator[events.Event]:
        job = result.job
        if job.onto != self.state.commit or any(i not in self.state.open for i in job.experiments):
            return
        seed = self.state.known.next_common()
        if not self.state.known.kind.paired_in_time and not self.state.known.of(self.state.commit).get(seed):
            return  # the frontier has to run first
        together, commits = (result.experiments, result.commits) if len(result.experiments) > 1 else ((), ())
        apart = tuple(i for i in job.experiments if i not in together)
        yield events.Stacked(at, together, commits, self.state.commit, seed, apart)

    def _measured(self, result: jobs.Measurement, at: float) -> Iterator[events.Event]:
        job = result.job
        self.measuring.check_now = self.measuring.check_now and job.stage != "check"
        yield events.Measured(at=at, run=job.run, experiment=job.experiment, commit=job.commit, seed=job.seed, stage=job.stage,
                              log=result.log, edit=job.edit or UNSET, draws=job.draws or UNSET,
                              **events.common(events.Ran, result))
        overload = self.state.overload
        self.flight.rest(overload.pause)
        if overload.waited >= MOST_WAITING and self.flight.budget.until is None:
            self.flight.problem = f"{overload.sentence}; {overload.in_a_row} runs in a row were lost to it"
        yield from self._blamed(at)
        yield from self._settle(at)

    def _blamed(self, at: float) -> Iterator[events.Event]:
        """The frontier fails too often: the keep that is to blame is taken back."""
        failures = self.state.failures
        if failures.found and (commit := failures.culprit(lineage := self.state.lineage, self.state.known.may_fail)):
            number = next(e.id for e in self.state.chain() if e.commit == commit)
            yield events.Vetoed(at, number, failures.sentence(lineage, commit), fails=True)

    def _faulted(self, result: jobs.Trouble, at: float) -> Iterator[events.Event]:
        place, kind = result.place or result.job.place, result.job.place
        others = self.flight.measure_slots - 1 - len(self.flight.set_aside) if kind == "measure" and result.place else 0
        stop = self.flight.failed(place, others)
        aside = f"; {place.replace(' ', ' slot ')} is set aside for this session" if place in self.flight.set_aside else ""
        yield events.Faulted(at, type(result.job).__name__.lower(), result.reason + aside)
        if stop:
            self.flight.problem = f"the machine failed {MOST_FAULTS_IN_A_ROW} times in a row: {result.reason}"

    # -- verdicts --

    def _settle(self, at: float) -> Iterator[events.Event]:
        """The claims and the verdicts that the runs so far amount to; each may bring the next, where one stands on another."""
        while event := self._claimed(at) or self._decided(at):
            yield event

    def _claimed(self, at: float) -> events.Claimed | None:
        experiment = next(filter(self.tower.may_claim, self.state.open.values()), None)
        return events.Claimed(at, experiment.id, self._claim(experiment)) if experiment else None

    def _decided(self, at: float) -> events.Judged | None:
        for experiment in self.state.open.values():
            if (found := experiment.decided) and (found[0] != "keep" or experiment.base_commit == self.state.commit):
                return self._judged(at, experiment, *found)
        return None

    def _claim(self, experiment: Experiment) -> decision.Claim:
        """Its claim, at a level from the wealth of the track or of a coordinator."""
        made = weighing.claim(experiment, self.state.known, self.state.policy, self.wealth or self.state.wealth)
        if self.wealth is not None:
            self.wealth.open(experiment.id, made.alpha)
        return made

    def _withdraw(self, experiment: Experiment) -> None:
        """Its claim ends without a verdict, in the wealth of a coordinator; the track's own sees that in the record."""
        if self.wealth is not None and experiment.claim is not None:
            self.wealth.settle(experiment.id, weighing.proof(experiment, self.state.known, self.state.policy), False)

    @property
    def _instant(self) -> bool:
        """Whether a researcher would propose at once, so that measure slots are never idle; while one thinks, they may be."""
        return self.proposing.may_propose() and any(not self.roster.roles[n].thinks for n in self.proposing.willing())

    def _put_aside(self, at: float) -> Iterator[events.Event]:
        """What went on alone in an earlier session has a verdict for now where measure slots are never idle in this one."""
        for experiment in [e for e in self.state.open.values() if e.patient and e.pairs and self._instant]:
            reason = "put aside, for others wait for the measure slots"
            proof = weighing.proof(experiment, self.state.known, self.state.policy)
            ruling = decision.Ruling("discard", reason, experiment.effect or 0.0, None, proof, unproven=True)
            yield self._judged(at, experiment, "discard", reason, ruling)

    def _resumed(self, at: float) -> Iterator[events.Event]:
        """Benches that nothing else waits for go on with near misses that were handed in, the likeliest first."""
        experiments, room = self.state.experiments, self.flight.measure_slots - len(self.state.open)
        left = [e for e in map(experiments.__getitem__, self.state.resumable) if e.cost < e.patience]
        busy = not left or self.flight.handed_in or self._instant or any(not e.patient for e in self.state.open.values())
        if busy or self.problem or not self.state.calibrated or self.flight.over(self.flight.now):
            return
        for experiment in sorted(left, key=lambda e: -e.finding.chance if e.finding else 0.0)[: max(0, room)]:
            yield events.Reopened(at, experiment.id, patient=experiment.patience)
            yield from self._settle(at)

    def _again(self, at: float) -> Iterator[events.Event]:
        """Where no researcher has anything new, and nothing is open, the discarded ones that are nearest to a keep go on."""
        busy = self.state.open or len(self.flight) or self.flight.handed_in or self.proposing.willing()
        if busy or self.problem or not self.state.calibrated or not self.roster.proposers:
            return
        left = [e for e in self.state.experiments.values()
                if e.prior_differences and e.reopenings < MOST_REOPENINGS and (e.effect or 0.0) > 0
                and e.id not in self.state.resumable]
        for experiment in sorted(left, key=self.measuring.urgency)[: self.flight.measure_slots]:
            yield events.Reopened(at, experiment.id)

    def _judged(self, at: float, experiment: Experiment, verdict: events.Decision, reason: str,
                ruling: decision.Ruling | None = None) -> events.Judged:
        race, fresh = self.state.known.pairs(experiment) if verdict != "foul" else ((), ())  # what cheats measured nothing
        raced = inference.winsorized(race, self.state.known.variance, self.state.policy.reach)
        variance = inference.squares(raced) / (len(raced) - 1) if len(raced) > 1 else None
        effect = ruling.effect if ruling else inference.mean(fresh or race) if race or fresh else None
        found = weighing.found(race, fresh, self.state.known, self.state.policy, self.state.alpha) \
            if verdict == "discard" and (race or fresh) else UNSET
        alpha = experiment.claim.alpha if experiment.claim else None
        resumable = found is not UNSET and experiment.awaited and ruling is not None and ruling.unproven \
            and found.chance >= self.state.policy.unlikely
        if self.wealth is not None and not resumable:
            self.wealth.settle(experiment.id, ruling.e_value if ruling else 0.0, verdict == "keep")
        return events.Judged(at, experiment.id, verdict, reason, effect, ruling.interval if ruling else None,
                      len(race) + len(fresh), len(fresh), ruling.e_value if ruling else None, variance,
                      alpha if ruling else None, found, resumable or UNSET)

    # -- hear --

    def hear(self, letter: jobs.Letter, at: float) -> list[events.Event]:
        """Take an order, or the news of a call to a model; return what happened, already applied. A change that is handed in
        is looked at first, in an edit slot. What was answered before is not taken up again."""
        if isinstance(letter, Call):
            return self._happen([events.Called(at, letter)])
        if letter.request in self.state.answered:
            return []
        if isinstance(letter, jobs.Try):
            self.flight.handed_in.setdefault(letter.request, letter)
            return []
        return self._happen(chain([_HEAR[type(letter)](self, letter, at)], self._settle(at)))

    def _add(self, order: jobs.AddIdea, at: float) -> events.Event:
        title = line(order.title, MOST_TITLE_CHARACTERS)
        if not title:
            return events.Ordered(at, order.request, "idea", "the idea is empty: say in a few words what should be tried")
        text, source = plain(order.text, MOST_TEXT_CHARACTERS), line(order.source, MOST_TITLE_CHARACTERS)
        return events.Noted(at, self.state.ideas.next, title, text, source, order.request)

    def _drop(self, order: jobs.DropIdea, at: float) -> events.Event:
        if order.idea not in self.state.ideas.entries or self.state.ideas.entries[order.idea].dropped:
            return events.Ordered(at, order.request, "drop", f"there is no idea {order.idea}: `overnight idea list` shows them")
        return events.Dropped(at, order.idea, order.request)

    def _move(self, order: jobs.MoveIdea, at: float) -> events.Event:
        if not any(entry.id == order.idea for entry in self.state.ideas.waiting()):
            why = f"idea {order.idea} does not wait to be tried: `overnight idea list` shows those that are open"
            return events.Ordered(at, order.request, "move", why)
        return events.Moved(at, order.idea, max(1, order.position), order.request)

    def _write(self, order: jobs.WriteProgram, at: float) -> events.Event:
        found = order.checked or jobs.Checked(wrong="no night looked at it")
        if not found.wrong and order.if_match != found.in_force:
            found = jobs.Checked(wrong=f"another program is in force by now ({found.in_force[:12]}): look at that one first")
        if found.wrong:
            return events.Ordered(at, order.request, "program", line(found.wrong, MOST_TEXT_CHARACTERS).rstrip("."))
        return events.Programmed(at, order.text, found.sha256, found.over, line(order.by, MOST_TITLE_CHARACTERS), order.request)

    def _steer(self, order: jobs.Steer, at: float) -> events.Event:
        if order.what == "stop":
            self.flight.stopping = "stopped by `overnight stop`; run it again to go on"
        return events.Ordered(at, order.request, order.what)

    def _veto(self, order: jobs.Veto, at: float) -> events.Event:
        if order.experiment not in [e.id for e in self.state.chain()]:
            why = f"experiment {order.experiment} is not among what is kept, so there is nothing to take back"
            return events.Ordered(at, order.request, "veto", why)
        return events.Vetoed(at, order.experiment, line(order.reason, MOST_TITLE_CHARACTERS), order.request)


_HEAR: dict[type, Any] = {jobs.AddIdea: Lab._add, jobs.DropIdea: Lab._drop, jobs.MoveIdea: Lab._move,
                         jobs.WriteProgram: Lab._write, jobs.Steer: Lab._steer, jobs.Veto: Lab._veto}
_TELL: dict[type, Any] = {
    jobs.Proposal: Lab._proposed, jobs.Thought: Lab._thought, jobs.Rebasing: Lab._rebased, jobs.Combined: Lab._combined,
    jobs.Measurement: Lab._measured, jobs.Trouble: Lab._faulted,
}
