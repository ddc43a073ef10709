"""What is shown of an experiment, typed: `overnight log --json` prints it, `overnight show --json` with the details; commands,
agents and reports render it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from msgspec import Struct
from msgspec.structs import asdict

from overnight.lab.events import Event, Judged, Measured, Proposed, Rebased, Stacked
from overnight.lab.experiment import Experiment, Metrics, mark
from overnight.lab.state import State
from overnight.lab.usage import divided
from overnight.referee.guards import Pair
from overnight.track.spec import HARNESS_METRICS
from overnight.track.units import number
from overnight.untrusted import line as one_line
from overnight.untrusted import readable
from overnight.views import bounds, evidence, lineage
from overnight.views.bounds import GuardView
from overnight.views.causes import Cause, cause
from overnight.views.evidence import Difference, EvidenceView
from overnight.views.lineage import LineageView
from overnight.views.points import PointView, points
from overnight.views.track import ONE_SEED, SELF_REPORTED, SpentView, TrackView, estimated, marks, span, spent, track
from overnight.views.verdict import VerdictView, promise, unproven, verdict

TAIL = 20  # lines of the log
MOST_TITLE_CHARACTERS = 200
BY_HAND = "by hand"  # the role of what no role proposed
LEAP, LEAPS = "a leap", 10.0  # a gain of more than so many standard deviations of a pair at once
BESIDE = ("check", "trace")  # stages of runs that a keep makes as the frontier, or as one that was


class ExperimentView(Struct, frozen=True):
    """One experiment. Holds nothing that a researcher may not read.

    id          its number
    commit      what was tried, and `base` the commit that it stands on; that is experiment `parent`'s, 0: the baseline
    researcher  the name of its proposer, and `role` the kind of that role in the program (knobs, llm, agent, …); "by hand"
                where it was handed in, "" where that is not known
    message     the commit's message, in the proposer's words
    verdict     the verdict with its evidence
    cause       why it was not kept, as one word to group by: worse, no_different, promising, guard (it scored better, and broke
                a guard), stack (dropped together with others), conflict, crash, foul, scatters, holdout, taken_back,
                not_settled; "" where it is open or kept
    proposed_at, judged_at    when it was proposed and got its verdict, in seconds since 1970; None where that is not known
    level       the metric of its commit, in the metric's unit, the mean over its own runs; None where none ended well, or it
                has no verdict of keep or discard
    ratio       median over its pairs of what it measured over what its base did; None where a number is not above zero
    metrics     every metric of its commit, the mean over `measured` runs; harness metrics in seconds and bytes
    estimated   the metrics under guard that are estimates, because nothing could count them in every run
    idea        the idea of the queue that it tries
    size_delta       nodes of syntax by which it makes the code larger
    model       what the calls to models for it came to
    one_seed    it was kept, and the program fixes its own seed: nothing is known of any other
    leap        it was kept for a gain of so many standard deviations of a pair at once, of a number that is self-reported and
                that nothing else confirms; None where it is fewer than ten, or a holdout or a second metric stands guard
    takes_back  the kept experiment of which it leaves parts out again, and does nothing else; None: it is another change
    lead        the explored point on which it was made and whose change its commit holds as well, so that the verdict is on
                both together; None: it is its own change alone. `handicap` is by how much that was expected to be better, in
                the metric's unit, which its race takes off
    """

    id: int
    commit: str
    base: str
    parent: int
    researcher: str
    message: str
    verdict: VerdictView
    level: float | None
    ratio: float | None
    metrics: dict[str, float]
    measured: int
    estimated: tuple[str, ...]
    idea: int | None
    size_delta: int
    model: SpentView | None
    one_seed: bool
    leap: float | None
    takes_back: int | None
    lead: int | None
    handicap: float | None
    cause: Cause
    role: str
    proposed_at: float | None
    judged_at: float | None

    @property
    def marks(self) -> tuple[str, ...]:
        """What must stand beside its verdict."""
        beside = () if self.lead is None else (f"with the lead, point {self.lead}",)
        return (ONE_SEED,) * self.one_seed + (LEAP,) * (self.leap is not None) + beside

    @property
    def marked(self) -> str:
        """The same in brackets, to be put behind it."""
        return "".join(f" ({mark})" for mark in self.marks)

    @property
    def title(self) -> str:
        """The first line of the message, without what could steer a terminal."""
        return title(self.message)


class RunView(Struct, frozen=True):
    """One run beside its base's. Holds nothing that a researcher may not read.

    run        its number
    stage      screen, race or confirm; explore: the run of a point, from before the change was proposed
    point      the number of that point; None: it is a run of the experiment's own
    outcome    ok, or how it ended otherwise, and `reason` why
    metrics    what it measured, by name; harness metrics in seconds and bytes
    base       the metric of its base's run on the same seed, or beside it where the metric is a time; None: not compared
    better_by  by how much it is better than that, in the metric's unit, and `ratio` what it measured over what its base did
    older      whether its base is an older frontier
    as_frontier  whether it was made as the frontier's, beside a later change or to check the machine
    seconds    how long it took
    """

    run: int
    stage: str
    outcome: str
    reason: str
    metrics: dict[str, float]
    base: float | None
    better_by: float | None
    ratio: float | None
    older: bool
    as_frontier: bool
    seconds: float
    point: int | None


class RunDetailView(RunView, frozen=True):
    """One run with what only the user may read: the fields of RunView, and these.

    seed        that both runs had
    sandbox     where it ran, and `accounting` how its resources were counted
    artifacts   SHA-256 of what it left
    parts       its seconds by what they were for: "run", "scoring", "start-up", "harness"; {} in old journals
    """

    seed: int
    sandbox: str
    accounting: str
    artifacts: str
    parts: dict[str, float]


class DetailView(ExperimentView, frozen=True):
    """One experiment with all that the journal and the logs hold of it, for the user alone: the fields of ExperimentView, and
    these.

    alpha           level at which its verdict was given: a keep took evidence of 1 / alpha to 1
    rebased         how often it was put on a newer frontier or an open claim, and `anew` how often it was made anew for that
    stacks          the numbers of the experiments in each stack that it was part of
    patch           its change as it was proposed, or was made anew last, as a diff
    runs            its runs, oldest first
    evidence_path   the evidence after each of its pairs, with what was asked for then; () where its verdict rests on none
    guards          each guard of the track as it met it, in the order of the contract
    lineage         the kept changes that it stands on, and those on top of it
    log_tail        the end of its last run's log, in the candidate's words, and `score_log_tail` of what was said while
                    scoring, which may hold unseen data
    """

    alpha: float | None
    rebased: int
    anew: int
    stacks: tuple[tuple[int, ...], ...]
    patch: str
    runs: tuple[RunDetailView, ...]
    log_tail: str
    score_log_tail: str
    evidence_path: tuple[EvidenceView, ...]
    guards: tuple[GuardView, ...]
    lineage: LineageView


class History(Struct, frozen=True):
    """All that a report shows of a track.

    track        where it stands
    experiments  in the order of their numbers; views/rows.py has what is quick where each is made when it is read
    kept         those that are kept and still count, each on top of the one before
    points       what was explored by single runs, in the order of their numbers
    """

    track: TrackView
    experiments: Sequence[ExperimentView]
    kept: tuple[ExperimentView, ...]
    points: tuple[PointView, ...] = ()

    @property
    def team(self) -> tuple[str, ...]:
        """The names of all that proposed one."""
        return tuple(dict.fromkeys(e.researcher for e in self.experiments))


def named(among: Collection[Experiment], name: str) -> Experiment | None:
    """The one of a number, the beginning of a commit, or the mark of the order that handed it in; None where there is none."""
    name = name.strip().removeprefix("#")
    return next((e for e in among if str(e.id) == name), None) or next(
        (e for e in among if name and (name == e.request or (len(name) >= 4 and e.commit.startswith(name)))), None)


def experiment(state: State, chosen: Experiment) -> ExperimentView:
    """One experiment as it is shown."""
    return Views(state).of(chosen)


class Views:
    """Makes the views of a track's experiments, as it stands now; what is the same for all of them is looked up once."""

    def __init__(self, state: State) -> None:
        self.state, self.metric, self.unit = state, state.track.metric.name, state.track.metric.unit
        self.estimated, self.one_seed = estimated(state), state.one_seed
        self.roles = {name: readable(kind) for name, kind in state.roles.items()}
        self._deviation = self._noise_of_leaps()

    def of(self, chosen: Experiment) -> ExperimentView:
        """One of them."""
        judged, kept, asked = chosen.verdict != "open", chosen.verdict == "keep", self.state.usage.asked.get(chosen.asked)
        metrics = chosen.metrics if judged else {}
        return ExperimentView(
            chosen.id, chosen.commit, chosen.base_commit, chosen.base, readable(chosen.researcher), _message(chosen.message),
            verdict(chosen, self.unit), metrics.get(self.metric) if chosen.verdict in ("keep", "discard") else None,
            chosen.ratio if judged else None, metrics, chosen.measured if judged else 0, self.estimated, chosen.idea or None,
            chosen.size_delta, spent(asked) if asked else None, kept and self.one_seed, self._leap(chosen) if kept else None,
            chosen.takes_back or None, chosen.lead or None, chosen.handicap if chosen.lead else None, cause(chosen),
            BY_HAND if chosen.request else self.roles.get(chosen.researcher, ""), chosen.at or None,
            (chosen.judged_at or None) if judged else None)

    def _noise_of_leaps(self) -> float | None:
        """What a leap is measured by; None where none is looked for."""
        state = self.state
        guarded = state.track.holdout or any(guard.metric not in HARNESS_METRICS for guard in state.track.guard)
        return None if guarded or state.known.one_number or SELF_REPORTED not in marks(state) else state.noise or None

    def _leap(self, chosen: Experiment) -> float | None:
        deviations = (chosen.effect or 0.0) / self._deviation if self._deviation else 0.0
        return deviations if deviations > LEAPS else None


def look_first(kept: Sequence[ExperimentView]) -> str:
    """Which keeps are leaps, and what to do before they are believed, in a sentence; "" where there are none."""
    leaps = [each for each in kept if each.leap is not None]
    if not leaps:
        return ""
    named = ", ".join(f"#{each.id} by {number(each.leap or 0.0, 3)}" for each in leaps)
    return (f"{LEAP} is to be looked at before it is believed: {named} standard deviations at once, in a number that the "
            f"program prints itself and nothing else confirms; `overnight show {leaps[0].id}` has the diff, and "
            f"`overnight veto {leaps[0].id}` takes it back")


def history(state: State) -> History:
    """The track with its experiments. Raises JournalError before it is opened."""
    view = Views(state).of
    every = {number: view(each) for number, each in state.experiments.items()}
    return History(track(state), tuple(every.values()), tuple(every[each.id] for each in state.chain()), points(state))


def detail(state: State, chosen: Experiment, events: Sequence[Event], log: Callable[[str], str]) -> DetailView:
    """One experiment with its diff, its stacks, its runs and the end of its last log. `events` are all of the journal's; `log`
    gives the text of a kept log by its name, "" where there is none."""
    measured = [e for e in events if isinstance(e, Measured)]
    explored = _explored(state, chosen, events)
    runs = [e for e in measured if e.run in explored or (e.experiment == chosen.id and e.stage != "explore")]
    known = {(e.commit, e.seed): e.metrics for e in reversed(measured) if e.outcome == "ok"}
    mine = [e for e in events if isinstance(e, Proposed | Rebased | Judged) and e.experiment == chosen.id]
    forms = [e for e in mine if not isinstance(e, Judged)]
    bases = {e.commit: e.base_commit for e in forms}
    began = {e.commit: forms[0].commit for e in runs if e.run in explored}  # which a point's run counts like one of
    bound = chosen.verdict != "open" or chosen.base_commit in (state.commit, *(e.commit for e in state.open.values()))
    now = chosen.commit if bound else ""
    counted = [began.get(r.commit, r.commit) for r in runs]
    sides = [(known.get((bases.get(commit, ""), r.seed), {}), commit) for r, commit in zip(runs, counted, strict=True)]
    shown = tuple(compared_run(state, r, base, commit != now and commit in bases, chosen.verdict == "keep", explored.get(r.run))
                  for r, (base, commit) in zip(runs, sides, strict=True))
    return DetailView(
        **asdict(experiment(state, chosen)),
        alpha=next((e.alpha for e in mine if isinstance(e, Judged)), None),
        rebased=sum(isinstance(e, Rebased) for e in forms),
        anew=sum(isinstance(e, Rebased) and e.again for e in forms),
        stacks=tuple(s.experiments for s in events if isinstance(s, Stacked) and chosen.id in s.experiments),
        patch=readable(next((e.patch for e in reversed(forms) if e.patch), "")),
        runs=shown,
        log_tail=_tail(log(runs[-1].log)) if runs else "",
        score_log_tail=_tail(log(runs[-1].log.replace(".log", "-score.log"))) if runs else "",
        evidence_path=evidence.path(state, chosen, events, _differences(shown)),
        guards=bounds.views(state, chosen, _beside(runs, sides, shown)), lineage=lineage.lineage(state, chosen, events))


def _differences(runs: Sequence[RunView]) -> list[Difference]:
    """Its pairs as they count, in the order of its runs."""
    return [Difference(run.better_by, run.stage == "confirm" and not run.older) for run in runs
            if run.better_by is not None and not run.as_frontier]


def _beside(runs: Sequence[Measured], sides: Sequence[tuple[Metrics, str]], shown: Sequence[RunView]) -> list[Pair]:
    """What its present form measured, and what its base did, on the same seeds."""
    pairs = ((run.metrics, run.paired_metrics or base, view) for run, (base, _), view in zip(runs, sides, shown, strict=True))
    return [(mine, theirs) for mine, theirs, view in pairs if mine and theirs and not (view.older or view.as_frontier)]


def _explored(state: State, chosen: Experiment, events: Sequence[Event]) -> dict[int, int]:
    """The runs that points had made of the same change before it was proposed, each with the number of its point."""
    seen = dict[int, int]()
    for event in events:
        if isinstance(event, Proposed) and event.experiment == chosen.id:
            same = {probe.id for probe in state.probes.same(mark(event.base_commit, event.patch))}
            return {run: number for run, number in seen.items() if number in same}
        if isinstance(event, Measured) and event.stage == "explore":
            seen[event.run] = event.experiment
    return {}


def compared_run(state: State, run: Measured, base: Metrics, older: bool, kept: bool, point: int | None) -> RunDetailView:
    """One run beside what its base measured on the same seed ({}: nothing); `kept`: its experiment is."""
    name = state.track.metric.name
    mine = run.metrics.get(name)
    theirs = run.paired_metrics.get(name) if run.paired_metrics else None if run.stage in BESIDE else base.get(name)
    better = None if mine is None or theirs is None else state.track.oriented(mine - theirs)
    ratio = mine / theirs if mine is not None and theirs is not None and min(mine, theirs) > 0 else None
    alone = run.stage == "screen" or point is not None  # which the frontier never ran beside
    beside = run.stage in BESIDE or (kept and theirs is None and not alone and not run.reason)
    return RunDetailView(run.run, run.stage, run.outcome, readable(run.reason), run.metrics, theirs, better, ratio, older,
                         beside, round(run.busy, 3), point, run.seed, run.sandbox, run.accounting, run.artifacts,
                         {what: round(seconds, 4) for what, seconds in divided(run).items()})


def title(message: str) -> str:
    """The first line of a message, without what could steer a terminal."""
    return one_line(message.partition("\n")[0], MOST_TITLE_CHARACTERS)


def _message(text: str) -> str:
    """A commit's message as a page may show it. Its first line stays one line, whatever else in it breaks a line elsewhere."""
    title, newline, rest = text.partition("\n")
    return readable(title).replace("\n", " ") + newline + readable(rest)


def _tail(text: str) -> str:
    return readable("\n".join(text.splitlines()[-TAIL:]))


# ---- in words --------------------------------------------------------------------------------------------------


def effect(found: ExperimentView) -> str:
    """The effect of an experiment with its interval, positive is better; with what its numbers are of, where that is not the
    same for all of them, and with what is known of a change that is promising."""
    verdict = found.verdict
    same = verdict.finding is not None and verdict.finding.word == "no different"  # whose word bounds the effect already
    shown = span(verdict.effect, None if same else verdict.interval, found.level)
    if unproven(verdict):
        shown += f" on its {verdict.fresh_pairs} fresh pairs, proven on all {verdict.pairs}"
    if verdict.older_pairs and not verdict.fresh_pairs:
        shown += f" in {verdict.pairs} pairs, {verdict.older_pairs} of them measured earlier"
    return shown + promise(verdict)


def line(found: ExperimentView, team: Sequence[str] = ()) -> str:
    """One experiment in one line, for logs and terminals; it names its proposer where those of `team` are several."""
    verdict = found.verdict
    why = f" ({verdict.reason})" if verdict.reason else ""
    by = f"{name}: " if (name := proposer(found, team)) else ""
    return f"#{found.id} {verdict.said:7} {effect(found)}{found.marked}  {by}{found.title}{why}"


def going_on(chosen: Experiment) -> str:
    """That a change which was handed in is measured further, in a sentence."""
    found = chosen.finding
    chance = f" (worth having with a chance of {100 * found.chance:.0f} % after {chosen.pairs} pairs)" if found else ""
    return f"{_hope(chosen)}, going on: #{chosen.id} {chosen.title}{chance}"


def resumable(chosen: Experiment) -> str:
    """What becomes of a change that was handed in, discarded and may be resumed, in a sentence."""
    later = "an idle bench goes on with it" if chosen.cost < chosen.patience else "its time is over"
    return f"{_hope(chosen)}, not proven: {later}; hand the same change in again, with --wait, to go on from its evidence"


def _hope(chosen: Experiment) -> str:
    return "promising" if chosen.finding and chosen.finding.word == "promising" else "not settled"


def proposer(found: ExperimentView, team: Sequence[str]) -> str:
    """The name of its proposer; "" where no other can be meant."""
    return "" if set(team) <= {found.researcher} else one_line(found.researcher, 40)
