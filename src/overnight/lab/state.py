"""What is known of a track: a replay of its journal, and nothing else. Pure.

`apply` takes up one record. Evidence is weighed here as well, so that a replayed state knows what the live one knew; what
follows from it is recorded by the Lab, which stands on this.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, get_args

from overnight.contracts import Idea, Mattered
from overnight.errors import JournalError
from overnight.lab import allocation, events
from overnight.lab.attempts import Attempts, News
from overnight.lab.experiment import (
    CUT_PATCH_CHARACTERS,
    NO_SEEDS,
    Experiment,
    Experiments,
    Metrics,
    Pasts,
    mark,
    packed,
    remembered,
)
from overnight.lab.failures import Failures
from overnight.lab.levels import Levels, levels, ratio
from overnight.lab.measurements import Runs, within
from overnight.lab.nulled import nulled
from overnight.lab.overload import Overload
from overnight.lab.probes import Probes
from overnight.lab.queue import Entry, Ideas, told
from overnight.lab.screening import screened
from overnight.lab.usage import Usage
from overnight.lab.weighing import proof, weigh
from overnight.referee import decision, holdout
from overnight.referee.stacks import Sizes, Stack, read
from overnight.referee.wealth import Earned
from overnight.track.spec import Track, parse

BASELINE = 0  # the number that stands for the baseline where an experiment is named
RARE, FEW = 0.03, 20  # share of changes that is thought to be kept, as firmly as if so many had been tried
MOST_EARLIER = 1000  # changes whose pairs outlast a new beginning
MOST_RESUMABLE = 32  # experiments whose runs are remembered although they have a verdict
Milestone = tuple[float, int, float]  # seconds at work, runs and dollars of models


@dataclass(eq=False, repr=False)
class State:
    """One track's state.

    keys         those that lie beside the journal, by their hashes: without them all is known but what seeds come next
    records      how many were applied
    experiments  all that were proposed, by their numbers; Experiments where the track is only followed
    answered     requests of orders that were carried out or declined
    researchers  those of the latest session
    problem      what the record shows to be wrong with the machine or the track
    taken_back   commits that were kept once
    resumable    discarded experiments whose runs and claims stay, for more pairs might prove them, oldest first
    probes       points of campaigns, which never get a verdict
    mattered     what earlier tracks say of knobs, in the latest session
    ladder       what is known of each rung that was climbed to, from the lowest up
    roles        name -> kind of every role that was ever on the team
    written      the program that was written from outside and is in force in the place of what the file said; None: it is not
    milestones   kept experiment -> seconds at work, runs and dollars until then
    suggested    further metrics and guards that were proposed, oldest first; they outlast a new beginning
    watched      what was kept, as further metrics measured it last; None: nothing was
    wealth       what levels of claims are taken from; it outlasts a new beginning
    _made        hash of what a change is and stands on -> the experiment that had it first
    earlier      the same -> differences of the pairs of what was not kept, before the track was begun anew by the same contract
    """

    track: Track = field(init=False)  # known from the record `opened` on
    keys: dict[str, str] = field(default_factory=dict)
    records: int = 0
    next_run: int = 1
    next_experiment: int = 1
    attempts: Attempts = field(default_factory=Attempts)
    ideas: Ideas = field(default_factory=Ideas)
    answered: set[str] = field(default_factory=set)
    paused: bool = False
    program: str = ""
    researchers: tuple[str, ...] = ()
    opened: events.Opened | None = None
    experiments: dict[int, Experiment] | Experiments = field(default_factory=dict)
    open: dict[int, Experiment] = field(default_factory=dict)
    stacks: dict[str, Stack] = field(default_factory=dict)
    sizes: Sizes = field(default_factory=Sizes)
    counts: Counter[str] = field(default_factory=Counter)
    frontier: int = BASELINE
    commit: str = ""
    problem: str = ""
    policy: decision.Policy = field(default_factory=decision.Policy)
    usage: Usage = field(default_factory=Usage)
    monitor: holdout.OverfittingMonitor = field(default_factory=holdout.OverfittingMonitor)
    wealth: Earned = field(default_factory=Earned)
    _made: dict[int, int] = field(default_factory=dict)
    earlier: dict[int, tuple[float, ...]] = field(default_factory=dict)
    taken_back: set[str] = field(default_factory=set)
    _known: Runs | None = None
    pasts: Pasts = field(default_factory=Pasts)
    notes: str = ""
    learnt_at: int = 0
    overload: Overload = field(default_factory=Overload)
    failures: Failures = field(default_factory=Failures)
    resumable: list[int] = field(default_factory=list)
    probes: Probes = field(default_factory=Probes)
    mattered: tuple[Mattered, ...] = ()
    ladder: dict[str, events.Climbed] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    milestones: dict[int, Milestone] = field(default_factory=dict)
    suggested: list[events.Suggested] = field(default_factory=list)
    watched: events.Watched | None = None
    written: events.Programmed | None = None

    # -- what is known --

    @property
    def known(self) -> Runs:
        """Every run that still counts. Raises JournalError before the track is opened."""
        if self._known is None:
            raise JournalError("the track was never opened: its journal has no record of a beginning.")
        return self._known

    @property
    def runs(self) -> int:
        """How many runs were made on the track."""
        return self.usage.runs

    @property
    def calibrated(self) -> bool:
        """Whether the baseline is known well enough to judge against it."""
        return self._known is not None and self._known.calibrated

    @property
    def one_seed(self) -> bool:
        """Whether the baseline gave one number on every seed and its source fixes one: of others nothing is known then."""
        return self.opened is not None and bool(self.opened.fixed_seeds) and self.known.one_number

    @property
    def noise(self) -> float | None:
        """Standard deviation of one paired difference, in the metric's unit; None before calibration."""
        return self.known.variance**0.5 if self.calibrated else None

    @property
    def alpha(self) -> float:
        """The level at which a claim may be made now."""
        return self.wealth.level()

    @property
    def hits(self) -> float:
        """The share of what was tried that was kept, as it may be believed after so few."""
        tried = self.counts["keep"] + self.counts["discard"] + self.counts["crash"]
        return (self.counts["keep"] + RARE * FEW) / (tried + FEW)

    @property
    def levels(self) -> Levels:
        """Where the track began and where it stands. Raises JournalError before it is opened."""
        return levels(self.known, self.chain())

    @property
    def judged(self) -> int:
        """How many experiments have a verdict."""
        return len(self.experiments) - len(self.open)

    @property
    def news(self) -> News:
        """What changes when there is something new to go by: verdicts, the frontier, ideas."""
        return self.judged, self.frontier, self.ideas.next

    def same(self, base_commit: str, patch: str) -> Experiment | None:
        """The experiment that tried this very change before, on the same commit; None if none did, or the patch may be cut."""
        whole = len(patch) < CUT_PATCH_CHARACTERS
        return self.experiments.get(self._made.get(mark(base_commit, patch), -1)) if whole else None

    def idea(self, entry: Entry, leased: frozenset[int] = frozenset()) -> Idea:
        """An idea as researchers may know it."""
        return told(entry, [self.experiments[n] for n in entry.tried if n in self.experiments], entry.id in leased)

    def _weigh(self, experiment: Experiment) -> None:
        """New evidence is judged as part of `apply`, so that a replayed state knows what the live one knew."""
        weigh(experiment, self.known, self.policy, self.alpha, self.commit)

    def _settle(self, experiment: Experiment, kept: bool = False) -> None:
        """Its claim is over, if it made one."""
        if experiment.claim is not None:
            self.wealth.settle(experiment.id, proof(experiment, self.known, self.policy), kept)
            experiment.claim = None

    # -- apply --

    def apply(self, event: events.Event) -> None:
        """Take up one recorded event; replaying a journal is nothing but this."""
        self.records += 1
        _APPLY[type(event)](self, event)
        self.usage.last = event.at

    def _on_opened(self, event: events.Opened) -> None:
        """Nothing is known but that the track begins, or begins anew, and what was before a session of it."""
        wealth, same = self.wealth, self.opened is not None and self.opened.contract == event.contract
        earlier = {**self.earlier, **self._differences()} if same else {}
        vars(self).update(vars(State(self.keys, self.records, self.next_run, self.next_experiment, self.attempts, self.ideas,
                                     self.answered, self.paused, self.program, self.researchers,
                                     experiments=type(self.experiments)(), probes=Probes(next=self.probes.next),
                                     roles=self.roles, suggested=self.suggested, written=self.written)))
        self.opened, self.commit, self.track = event, event.commit, parse(event.contract).on(event.rung)
        self.policy = decision.Policy(level=self.track.referee.false_share)
        self.wealth = Earned(self.policy.level, wealth.keeps, wealth.lost, wealth.charged)
        self.earlier = dict(list(earlier.items())[-MOST_EARLIER:])
        key = self.keys.get(event.key_hash) if event.key_hash else event.key
        self._known = Runs(event.commit, self.track, key)

    def _differences(self) -> dict[int, tuple[float, ...]]:
        """Those of the pairs of each change that was raced and not kept. They show where more pairs are worth making; proof
        comes from fresh ones alone, so that it is no matter how often a change comes back."""
        pairs = {number: sum(self.known.pairs(self.experiments[number]), ()) for number in self.resumable}
        prior = {each.id: each.prior_differences for each in self.experiments.values() if each.prior_differences}
        every = ((each, pairs.get(number) or prior.get(number, ())) for each, number in self._made.items())
        return {each: differences for each, differences in every if differences}

    def _on_started(self, event: events.Started) -> None:
        self.usage.started(event)
        self.attempts.begin()
        self.overload.begin()
        self.probes.forget_unrun()
        self.paused, self.researchers = False, event.researchers
        self.mattered = event.mattered or ()
        self.problem = "" if self.calibrated else self.problem  # what was wrong may have been mended: it is looked at anew

    def _on_stopped(self, event: events.Stopped) -> None:
        self.usage.stopped(event)

    def _on_proposed(self, event: events.Proposed) -> None:
        experiment = Experiment(event.experiment, event.base, event.base_commit, event.commit, event.researcher,
                                event.message, event.at, packed(event.note), event.size_delta)
        experiment.idea, experiment.asked, experiment.cost = event.idea, event.asked, event.thinking
        if event.request:
            self.answered.add(event.request)
            experiment.request, experiment.max_stack, experiment.patience = event.request, 1, event.patient or 0.0
        experiment.takes_back = event.takes_back or 0
        if event.lead:  # in a stack what others do could not be told from what its lead does
            experiment.lead, experiment.handicap, experiment.max_stack = event.lead, event.handicap or 0.0, 1
        self.experiments[event.experiment] = self.open[event.experiment] = experiment
        self.next_experiment = event.experiment + 1
        made = mark(event.base_commit, event.patch)
        if event.takes_back or made not in self._made:  # as a simplification it is asked for anew, once
            self._made[made] = event.experiment
        experiment.prior_differences = self.earlier.get(made, ())
        experiment.older = len(experiment.prior_differences)
        self._raced_on(experiment, self.probes.claim(experiment, made))
        self.attempts.proposed(event)
        self.ideas.proposed(event)

    def _on_probed(self, event: events.Probed) -> None:
        self.probes.probed(event, self._owner(event.base_commit), self.next_experiment - 1)
        self.attempts.proposed(event)

    def _owner(self, commit: str) -> int:
        """The experiment whose commit this is or was; it may be the frontier no more."""
        if commit in (self.commit, self.known.baseline_commit):
            return self.frontier if commit == self.commit else BASELINE
        return next((e.id for e in reversed(self.experiments.values()) if e.commit == commit), BASELINE)

    def _raced_on(self, experiment: Experiment, ran: dict[int, tuple[Metrics, Metrics]]) -> None:
        """What points of a campaign measured of the same change is the beginning of its race: it proves nothing."""
        for seed, (metrics, paired) in ran.items():
            self.known.values[experiment.commit][seed] = metrics
            if paired:
                self.known.paired[experiment.commit][seed] = paired
            experiment.runs += 1
        if ran and experiment.base_commit == self.commit:
            self._weigh(experiment)

    def _on_passed(self, event: events.Passed) -> None:
        self.attempts.passed(event, self.news)
        self.ideas.passed(event)

    def _on_rebased(self, event: events.Rebased) -> None:
        """What was measured against the older frontier is carried on as part of the race: the change is confirmed anew."""
        experiment = self.experiments[event.experiment]
        race, fresh = self.known.pairs(experiment)
        old, before, claimed = experiment.base_commit, experiment.commit, experiment.claim is not None
        self._settle(experiment)
        experiment.used |= self.known.of(before).keys()
        experiment.put_on(event, race, fresh)
        if claimed:  # others may stand on it
            self._let_go(before)
        else:
            self.known.forget(before)
        if event.patch:
            self._made.setdefault(mark(event.base_commit, event.patch), event.experiment)
        self._let_go(old)
        self._weigh(experiment)

    def _on_stacked(self, event: events.Stacked) -> None:
        for number in event.apart:
            self.open[number].max_stack = min(self.open[number].max_stack, len(event.experiments) + len(event.apart)) // 2
        if event.experiments:
            stack = Stack(event.experiments, event.commits, event.base_commit, event.seed,
                          self.known.of(event.base_commit).get(event.seed, {}), self.known.seed_variance**0.5)
            self.stacks[stack.name] = stack
            for number in event.experiments:
                self.open[number].stack = stack.name

    def _on_measured(self, event: events.Measured) -> None:
        self.usage.measured(event)
        self.known.exact = self.known.exact and event.accounting == "exact"
        self.known.age(self.runs)
        self.next_run = max(self.next_run, event.run + 1)
        metrics = {n: within(v) for n, v in event.metrics.items()} if event.outcome == "ok" else {}
        mine = self.open.get(event.experiment)
        if event.curve and event.outcome == "ok" and event.stage != "explore":  # against which nothing is paced
            self.known.curves[event.commit][event.seed] = event.curve
        if self.known.kind.paired_in_time and self.overload.spoils(event, self.track.referee.may_starve):
            return
        self.known.nulls.heard(event)
        self.probes.measured(event, metrics, {n: within(v) for n, v in event.paired_metrics.items()})
        if event.stage == "null":
            nulled(self.known, event, metrics)
        elif event.stage == "explore":
            self._explored(event, metrics)
        elif event.stage == "screen":
            self._screened(event, metrics)
        elif event.stage == "trace":
            self.failures.traced(event.commit, event.seed, bool(metrics))
            if event.experiment == BASELINE:
                self.known.values[event.commit].setdefault(event.seed, metrics)
        elif event.stage == "check":
            self.problem = self.known.check(event, metrics, self.runs) or self.problem
        elif event.experiment == self.frontier and event.commit == self.commit:
            if event.seed not in self.known.of(event.commit):
                self.failures.frontier(self.lineage, event.seed, bool(metrics))
            self.problem = self.known.add_incumbent(event, metrics, self.runs) or self.problem
            self._weigh_with(event)
        elif mine is not None and mine.commit == event.commit:
            mine.runs += 1
            mine.cost += event.busy
            if event.outcome in ("behind", "foul"):
                mine.decided = ("foul" if event.outcome == "foul" else "discard", event.reason, None)
                self.probes.caught(mine.commit if event.outcome == "foul" else "")
                return
            self.known.add(event, metrics)
            if mine.base_commit == self.commit and self.known.side_by_side(event.stage):
                self.failures.frontier(self.lineage, event.seed, bool(event.paired_metrics))
            if mine.runs == 1 and not mine.prior_differences and (pair := self.known.shared(mine).get(event.seed)):
                # a first look at a single change
                self.sizes.saw(1, self.known.difference(pair) - mine.handicap, self.known.seed_variance**0.5)
            mine.reason = mine.reason if metrics else event.reason
            mine.log = mine.log if metrics else event.log
            self._weigh(mine)
            self._weigh_with(event)
        elif event.outcome == "foul" and self._caught_late(event):
            return
        elif event.commit in self.known.values:  # an incumbent that was, with which an experiment is still compared
            self.known.late(event, metrics)
            self._weigh_with(event)

    def _caught_late(self, event: events.Measured) -> bool:
        """Whether the scorer caught one that has been discarded meanwhile: that is its verdict if it is ever taken up again."""
        experiment = self.experiments.get(event.experiment)
        if experiment is None or experiment.verdict != "discard" or experiment.commit != event.commit:
            return False
        experiment.decided = ("foul", event.reason, None)
        return True

    def _explored(self, event: events.Measured, metrics: Metrics) -> None:
        """A run of a point of a campaign ended."""
        if probe := self.probes.made.get(event.experiment):
            self.attempts.ended(probe.researcher, event.busy)
            gains = [self.track.oriented(self.known.number(m)) for m in probe.runs.values() if m]
            self.probes.rank(probe.id, sum(gains) / len(gains) if gains else None)
            theirs = probe.paired.get(event.seed) or self.known.of(self.commit).get(event.seed)
            if metrics:
                beside = [self.known.number(theirs)] if theirs else self.known.numbers(self.commit)
                probe.value, probe.beside = self.known.number(metrics), statistics.fmean(beside) if beside else None
            usage = self.known.usage_of([(metrics, theirs)]) if metrics and theirs else []
            probe.guard_usage = max((each.share for each in usage), default=probe.guard_usage)

    def _weigh_with(self, event: events.Measured) -> None:
        """Those whose pair is complete with a run of the commit that they are compared with."""
        for experiment in list(self.open.values()):
            if experiment.base_commit == event.commit and event.seed in self.known.of(experiment.commit):
                self._weigh(experiment)

    def _screened(self, event: events.Measured, metrics: Metrics) -> None:
        """A run of a stack ended."""
        stack = next((s for s in self.stacks.values() if event.commit in s.commits and event.seed == s.seed), None)
        if stack is not None:
            for experiment in screened(stack, event, metrics, self.known, self.sizes, self.experiments):
                self._weigh(experiment)
            if read(stack).wanted is None:
                del self.stacks[stack.name]

    def _on_claimed(self, event: events.Claimed) -> None:
        experiment = self.open[event.experiment]
        experiment.claim = event.claim
        self.wealth.open(experiment.id, event.claim.alpha)
        experiment.pairs = 0  # it is to be weighed again
        self._weigh(experiment)

    def _on_judged(self, event: events.Judged) -> None:
        experiment = self.open.pop(event.experiment)
        if not event.resumable:
            self._settle(experiment, event.verdict == "keep")
        experiment.judge(event)
        experiment.metrics = self.known.means(experiment.commit)
        self.counts[event.verdict] += 1
        experiment.measured, experiment.ratio = len(self.known.good(experiment.commit)), ratio(self.known, experiment)
        self.pasts.add(remembered(experiment))
        gain = allocation.verified(experiment.gained, event.interval) if event.verdict == "keep" else None
        if not experiment.request and not experiment.credited:
            self.attempts.ended(experiment.researcher, experiment.cost, gain)
        experiment.credited = True  # also when it is judged again, on another frontier
        self.known.raced(event.pairs - event.fresh_pairs, event.variance)
        if (event.verdict == "keep" or event.reason == holdout.DENIED) and (pairs := self.known.on_holdout(experiment)):
            self.monitor.asked.append(holdout.Asked(experiment.id, event.verdict == "keep", pairs))
        if event.resumable:
            self._put_aside(experiment)
            return
        old, race = experiment.base_commit, self.known.pairs(experiment)[0]
        again = event.verdict == "discard" and not event.fresh_pairs and event.e_value is not None
        experiment.prior_differences = race if again else ()
        experiment.used = experiment.used | self.known.of(experiment.commit).keys() if again else NO_SEEDS
        if event.verdict == "keep":
            self.known.move(experiment, self.runs)
            self.frontier, self.commit = experiment.id, experiment.commit
            self.milestones[experiment.id] = self.usage.seconds, self.runs, self.usage.dollars
            self.failures.kept(self.lineage, self.known.of(experiment.commit))
            for each in self.open.values():
                if each.base_commit == self.commit:  # it stood on the claim: what it has may decide it now
                    each.pairs = 0
                    self._weigh(each)
        else:
            self._let_go(experiment.commit)
        experiment.confirmation_seeds, experiment.decided, experiment.crashed = (), None, NO_SEEDS
        self._let_go(old)

    def _put_aside(self, experiment: Experiment) -> None:
        """Its runs and its claim stay. Of too many, the oldest is given up, but for its pairs as part of a later race."""
        experiment.decided = None
        self.resumable.append(experiment.id)
        if len(self.resumable) > MOST_RESUMABLE:
            oldest = self.experiments[self.resumable.pop(0)]
            race, fresh = self.known.pairs(oldest)
            self._settle(oldest)
            oldest.used |= self.known.of(oldest.commit).keys()
            oldest.prior_differences, oldest.confirmation_seeds = (*race, *fresh), ()
            self._let_go(oldest.commit)
            self._let_go(oldest.base_commit)

    def _on_reopened(self, event: events.Reopened) -> None:
        experiment = self.experiments[event.experiment]
        self.open[event.experiment] = experiment
        self.counts[experiment.verdict] -= 1
        self.pasts.forget(event.experiment)
        experiment.verdict, experiment.reason, experiment.confirming = "open", "", 0
        experiment.reopenings += 1
        if event.patient:
            self.answered.add(event.request or "")
            experiment.request, experiment.patience = experiment.request or event.request or "", event.patient
            experiment.patient, experiment.max_stack, experiment.pairs = True, 1, 0  # it is to be weighed again
            self.resumable = [each for each in self.resumable if each != experiment.id]
            self._weigh(experiment)

    def chain(self) -> list[Experiment]:
        """What was kept and still counts, each on top of the one before; not always in the order of their numbers."""
        kept, number = [], self.frontier
        while number != BASELINE:
            kept.append(self.experiments[number])
            number = kept[-1].base
        return kept[::-1]

    @property
    def lineage(self) -> tuple[str, ...]:
        """The commits from the baseline to the frontier."""
        return self.known.baseline_commit, *(experiment.commit for experiment in self.chain())

    def _on_climbed(self, event: events.Climbed) -> None:
        self.ladder = dict(sorted({**self.ladder, event.rung: event}.items(), key=lambda each: each[1].size))

    def _on_suggested(self, event: events.Suggested) -> None:
        self.suggested.append(event)

    def _on_watched(self, event: events.Watched) -> None:
        self.watched = event

    def _on_vetoed(self, event: events.Vetoed) -> None:
        """A keep is taken back. What was kept on top of it is open again, as if it had been proposed on a frontier that is
        no more: it is put on the present one, raced and confirmed there."""
        self.answered |= {event.request} if event.request else set()
        kept = self.chain()
        victim = self.experiments[event.experiment]
        later = kept[kept.index(victim) + 1:]
        others = {e.base_commit for e in self._compared()}
        self.frontier, self.commit = victim.base, victim.base_commit
        self.known.back(victim.base_commit)
        for experiment in (victim, *later):
            self.counts["keep"] -= 1
            self.taken_back.add(experiment.commit)
            self.pasts.forget(experiment.id)
            experiment.undo()
            if experiment.commit not in others:  # with which no experiment is still compared
                self.known.forget(experiment.commit)
        for experiment in later:
            experiment.verdict, experiment.reason = "open", ""
            self.open[experiment.id] = experiment
        self.monitor.forget({e.id for e in (victim, *later)})
        self.failures.back(self.lineage)
        self.counts[victim.veto(event)] += 1
        self.pasts.add(remembered(victim))

    def _let_go(self, commit: str) -> None:
        """Forget the runs of an old incumbent, or of a claim that is over, unless an experiment is still compared with it."""
        if commit not in (self.commit, self.known.baseline_commit) \
                and not any(commit in (e.commit, e.base_commit) for e in self._compared()):
            self.known.forget(commit)

    def _compared(self) -> list[Experiment]:
        """Experiments whose pairs with what they stand on still count."""
        return [*self.open.values(), *(self.experiments[number] for number in self.resumable)]

    def _on_faulted(self, event: events.Faulted) -> None:
        self.counts["fault"] += 1

    # -- what is heard --

    def _on_noted(self, event: events.Noted) -> None:
        self.answered.add(event.request)
        self.ideas.noted(event)

    def _on_moved(self, event: events.Moved) -> None:
        self.answered.add(event.request)
        self.ideas.moved(event)

    def _on_programmed(self, event: events.Programmed) -> None:
        self.answered.add(event.request)
        self.written = event

    def _on_dropped(self, event: events.Dropped) -> None:
        self.answered.add(event.request)
        self.ideas.dropped(event)

    def _on_ordered(self, event: events.Ordered) -> None:
        self.answered.add(event.request)
        if not event.reason and event.order in ("pause", "resume"):
            self.paused = event.order == "pause"

    def _on_learnt(self, event: events.Learnt) -> None:
        self.notes, self.learnt_at = event.notes, self.next_experiment

    def _on_called(self, event: events.Called) -> None:
        self.usage.called(event.call)

    def _on_organised(self, event: events.Organised) -> None:
        self.program = event.sha256
        self.roles = {**self.roles, **event.roles}
        if not event.written:
            self.written = None


_APPLY: dict[type, Any] = {kind: getattr(State, f"_on_{kind.__name__.lower()}") for kind in get_args(events.Event)}
