"""Which runs are wanted: calibration, checks of the machine, races, confirmations, first looks. Pure; the half of the Lab that
measures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from overnight.lab.campaign import Campaign
from overnight.lab.events import Stage
from overnight.lab.experiment import Experiment
from overnight.lab.flight import Flight
from overnight.lab.jobs import Combine, Measure, sealed
from overnight.lab.nulls import LONG, USUAL, edit_of
from overnight.lab.state import BASELINE, State
from overnight.lab.tower import FEW, Tower
from overnight.referee.findings import proof_pairs
from overnight.referee.stacks import read

SLOTS_FOR_PAIR = 3  # measure slots beyond `FEW` for each pair that a claim is ahead of what is asked for
UNPACED_EVERY = 10  # of so many runs, one is never stopped for falling behind
# Stages that are audited whatever the contract says: they are what a keep rests on, or ask why one of them fails by now.
AUDITED: tuple[Stage, ...] = ("calibrate", "confirm", "trace")


class Measuring:
    """The runs that the record of a track asks for, beside those in flight.

    check_now  the incumbent is to be run again, whenever that was last done: a session begins by looking whether the machine
               is still the same
    """

    def __init__(self, state: State, flight: Flight, tower: Tower, campaign: Campaign) -> None:
        self.state, self.flight, self.tower, self.campaign = state, flight, tower, campaign
        self.check_now = False

    # -- what waits --

    def waiting(self) -> list[Experiment]:
        """Experiments of which nothing is known or under way."""
        busy = {i for j in self.flight.of(Combine) for i in j.experiments}
        busy |= {j.experiment for j in self.flight.of(Measure) if j.stage != "explore"}
        return [e for e in self.state.open.values() if e.waiting and e.id not in busy]

    @property
    def size(self) -> int:
        """How many edits are stacked now: few where many are kept, for then a stack seldom loses."""
        rare = max(1, int(1 / (4 * self.state.hits)))
        return min(self.state.sizes.size, self.state.track.referee.stack, rare) if self.state.known.kind.stacks else 1

    def runs(self) -> Iterator[Measure]:
        """Runs that are wanted now, the most valuable first: calibrate, check, then what is nearest to a keep, then
        what is new; with what is patient where nothing else waits."""
        state, known, flying = self.state, self.state.known, list(self.flight.of(Measure))
        under_way = {(j.commit, j.seed) for j in flying}
        if not state.calibrated:
            yield from self._calibrating(flying)
            return
        if missing := self._nulls():
            edits = {j.edit for j in flying}
            yield from (self._run(BASELINE, state.commit, seed, "null", edit=edit)
                        for seed, edit in missing if edit not in edits)
            return
        due = self.check_now or known.drift.due(state.runs)
        if due and known.numbers(state.commit) and not any(j.stage == "check" for j in flying):
            yield self._run(state.frontier, state.commit, known.seed_to_check(state.runs), "check")
        yield from self._traces(under_way)
        floors = self.tower.floors
        begun = [e for e in state.open.values()
                 if self.tower.settled(e, floors) and not e.stack and (e.awaited or not e.waiting)]
        for experiment in sorted((e for e in begun if not e.patient),
                                 key=lambda e: (not e.awaited, -self.tower.worth(e, floors), e.id)):
            yield from self.runs_for(experiment, under_way)
        yield from self._screens(under_way)
        yield from self._explorations()
        for experiment in sorted((e for e in begun if e.patient), key=self.urgency):
            yield from self.runs_for(experiment, under_way)

    def _explorations(self) -> Iterator[Measure]:
        """The runs of points of a campaign."""
        base = self.state.commit
        for probe in self.campaign.waiting() if not self.campaign.spent else ():
            yield self._run(probe.id, probe.commit, self.campaign.seed(probe), "explore", base, paced=False)

    def _traces(self, under_way: set[tuple[str, int]]) -> Iterator[Measure]:
        """Runs that tell which keep is to blame for it that the frontier fails."""
        if not self.state.failures.found:
            return
        owners = {self.state.known.baseline_commit: BASELINE, **{e.commit: e.id for e in self.state.chain()}}
        for commit, seed in self.state.failures.wanted(self.state.lineage, self.state.known.may_fail):
            if (commit, seed) not in under_way:
                yield self._run(owners[commit], commit, seed, "trace")

    def urgency(self, experiment: Experiment) -> tuple[bool, float, int]:
        """What is measured first: the least. Where no caller waits for the verdict, the priority of a run decides."""
        return not experiment.awaited, -experiment.priority, experiment.id

    def _calibrating(self, flying: Sequence[Measure]) -> Iterator[Measure]:
        assert self.state.opened is not None
        commit, seeds = self.state.opened.commit, self.state.known.calibration
        twice = [seeds[0]] if self.state.known.repeat is None else []
        missing = [s for s in seeds if s not in self.state.known.of(commit)]
        under_way = Counter(j.seed for j in flying)
        for seed in [*missing, *twice]:
            if under_way[seed]:
                under_way[seed] -= 1
                continue
            yield self._run(BASELINE, commit, seed, "calibrate")

    def _null_edits(self) -> int:
        """How many edits that do nothing the baseline is to be run with in all; 0: none any more. Unless the contract says so,
        only where a number repeats itself, for else each run differs anyway."""
        known, told = self.state.known, self.state.track.referee.null_edits
        if known.nulls.over or known.nulls.moving:
            return 0
        if told != "auto":
            return told
        if known.kind.paired_in_time or not known.deterministic:
            return 0
        return USUAL if known.nulls.done or known.one_number or self._room() >= LONG else 0

    def _room(self) -> float:
        """About how many runs this session has time for: one or more for each experiment."""
        budget, flight, each = self.flight.budget, self.flight, self.state.usage.busy / max(1, self.state.runs)
        left = math.inf if budget.until is None else (budget.until - flight.now) * flight.measure_slots / max(1e-9, each)
        return min(left, *(math.inf if most is None else most for most in (budget.experiments, budget.runs)))

    def _nulls(self) -> list[tuple[int, int]]:
        """(seed, what the edit is drawn from) of the runs of the baseline with edits that do nothing that are still to be made;
        each seed of the calibration has one where any moved its number."""
        known, count = self.state.known, self._null_edits()
        seeds = known.calibration
        if count and known.nulls.moved(known.floor):
            count = max(count, len(seeds))
        turns = [(turn, seeds[place]) for turn, place in (divmod(number, len(seeds)) for number in range(count))]
        every = [(seed, known.draw("null", seed, turn) if turn else edit_of(seed)) for turn, seed in turns]
        return [(seed, edit) for seed, edit in every if edit not in known.nulls.done]

    def _run(self, experiment: int, commit: str, seed: int, stage: Stage, base: str = "", paced: bool = True,
             edit: int = 0) -> Measure:
        """A run; against a base it may be stopped when it falls behind, except now and then, to see what became of it."""
        number, known = self.flight.run(self.state.next_run), self.state.known
        pace = known.pace(base, seed) if paced and base != commit and (number + 1) % UNPACED_EVERY else ()
        paired_with = base if base and known.side_by_side(stage) else ""
        edit = edit or (edit_of(seed) if known.nulls.moving else 0)
        return sealed(Measure(number, experiment, commit, seed, stage, paired_with, pace, edit=edit,
                              draws=bool(edit) and known.one_number,
                              audited=self.state.track.audits_always or stage in AUDITED), known.key)

    def runs_for(self, experiment: Experiment, under_way: set[tuple[str, int]]) -> Iterator[Measure]:
        """Both sides of the pairs that this experiment waits for; in time rather than by seed, its own side alone."""
        state, known = self.state, self.state.known
        stage: Stage = "confirm" if experiment.confirming else "race"
        base = experiment.base_commit
        sides = [(experiment.id, experiment.commit), (experiment.base, base)]
        if known.side_by_side(stage):
            sides.pop()
        elif state.track.progress is not None:
            sides.reverse()  # the incumbent's curve is what the other may be stopped by
        for seed in self._seeds(experiment, under_way):
            for owner, commit in sides:
                if seed not in known.of(commit) and (commit, seed) not in under_way:
                    yield self._run(owner, commit, seed, stage, base)

    def _seeds(self, experiment: Experiment, under_way: set[tuple[str, int]]) -> list[int]:
        """The seeds on which an experiment waits for runs: its own to confirm it, else one that the incumbent shares."""
        known = self.state.known
        if experiment.confirming:
            return known.fresh(experiment, self._at_once(experiment))
        mine = known.of(experiment.commit)
        alone = [s for s in mine if not known.counterpart_known(experiment, s)]
        return alone or [s for commit, s in under_way if commit == experiment.commit] or [
            known.next_common(experiment.used | mine.keys())]

    def _at_once(self, experiment: Experiment) -> int:
        """Fresh pairs that are begun without waiting for those before them: on many slots as many as a proof may take, for
        each keep puts off all other claims, and what is slow comes too late; at the end of a session those for which there are
        benches, for nothing else is worth as much then."""
        claim, wanted = experiment.claim, experiment.confirming
        ahead = (self.flight.measure_slots - FEW) // SLOTS_FOR_PAIR
        if self.campaign.closing:
            ahead = max(ahead, self.flight.measure_slots // 2)
        if claim is None or ahead <= 0:
            return wanted
        expected = max(proof_pairs(claim.middle, claim.alpha), wanted + (ahead + 1) // 2)
        return max(wanted, min(expected, wanted + ahead, self.state.policy.most_fresh))

    def _screens(self, under_way: set[tuple[str, int]]) -> Iterator[Measure]:
        """First looks: the next run of each stack; single edits where they are not stacked, or no stack is at hand."""
        state, known, found = self.state, self.state.known, False
        for stack in state.stacks.values():
            place = read(stack).wanted
            if place and (stack.commits[place - 1], stack.seed) not in under_way:
                found = True
                yield self._run(stack.members[place - 1], stack.commits[place - 1], stack.seed, "screen",
                                stack.base_commit, paced=place == len(stack.members))
        coming = found or any(self.flight.of(Combine))
        size, seed = self.size, known.next_common()
        missing = seed not in known.of(state.commit) and (state.commit, seed) not in under_way
        if size > 1 and missing and not known.kind.paired_in_time:
            yield self._run(state.frontier, state.commit, seed, "race")
        for experiment in self.waiting():
            if experiment.base_commit == state.commit and not experiment.awaited \
                    and not (coming and self.stackable(experiment, size)):
                yield from self.runs_for(experiment, under_way)

    def stackable(self, experiment: Experiment, size: int) -> bool:
        """Whether an experiment may share its first run with others, where stacks have this size."""
        return size > 1 and experiment.max_stack > 1 and not experiment.simplifies
