"""What is shown of a track, typed: `overnight status --json` prints it, commands, agents and reports render it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from overnight.contracts import Mattered
from overnight.lab.nulls import unseen
from overnight.lab.state import State
from overnight.lab.usage import Use
from overnight.track.seeding import listed
from overnight.track.seeding.place import VARIABLE
from overnight.track.units import gained, number
from overnight.untrusted import line as one_line
from overnight.untrusted import readable
from overnight.views import ladder as rungs
from overnight.views import points
from overnight.views.further import FurtherView, further, waiting
from overnight.views.holdout import HoldoutView, holdout
from overnight.views.limits import LimitsView, limits
from overnight.views.points import LeadView, best

ONE_SEED, SELF_REPORTED = "one seed only", "self-reported"
MOST_TOLD = 5  # knobs that a sentence names
LEAST_TOLD, LEAST_SECONDS, LONGEST_SECONDS = 5e-4, 0.1, 120.0  # seconds that are told, told in seconds, and in minutes
PLAIN = {"keep": "kept", "discard": "discarded", "crash": "crashed", "foul": "fouled"}


class SpentView(Struct, frozen=True):
    """What calls to language models came to.

    calls       how many there were, and `failed` those of them that gave no answer
    tokens_in   tokens sent, and `tokens_out` tokens received
    dollars     what they cost; None where the price of one is unknown
    """

    calls: int
    failed: int
    tokens_in: int
    tokens_out: int
    dollars: float | None

    @property
    def tokens(self) -> int:
        """Sent and received."""
        return self.tokens_in + self.tokens_out


class TrackView(Struct, frozen=True):
    """Where a track stands.

    track, goal        from the contract; so are `metric`, its `unit` and its `direction` (minimize or maximize)
    marks              what must stand beside every number: "self-reported", "one seed only", "unsandboxed", "estimated guards"
    fixed_seeds        where the program fixes its own seed, as `path:line source`, some of the places
    estimated          the metrics under guard that are estimates, because nothing could count them in every run
    baseline           the metric at the baseline, in its unit, the mean over `baseline_runs` runs; None before it is measured
    frontier           the same at the frontier, the mean over `frontier_runs` of its own runs
    gain               sum of the effects of what is kept, in the metric's unit, positive is better: no level, but a claim
    ratio              product of the keeps' ratios, each the median over its pairs of what it measured over what its base did;
                       None where a number is not above zero
    baseline_metrics   every metric of the baseline, the mean over its runs; harness metrics in seconds and bytes
    noise              standard deviation of one paired difference, in the metric's unit; None before calibration
    kind               how the metric is judged: noisy, deterministic, success or timing
    deterministic      whether the same code and seed gave the same number twice
    null_edits         edits that do nothing with which the baseline was run, those that ended well
    null_moved         how many of them moved its number, and `null_spread` by how much all of them did, in the metric's unit:
                       the root of the mean square
    under_edits        whether every run since is made with such an edit
    drift              by how many standard deviations of a run the machine measures otherwise than it did; None: not shown
    sandbox            where the code ran, and `accounting` how its resources were counted; names with commas between them
    evidence_wanted    what a keep takes now, as odds to 1
    false_share        share of all keeps that may be false
    least_fresh_pairs  paired runs on fresh seeds that a keep takes at least
    may_crash          share of an experiment's runs that may fail
    stacked            how many changes share a run now
    commit             of the frontier, and `base_commit` of the baseline; `branch` is where the frontier lies
    experiments        how many there are: `open`, `kept`, `discarded`, `crashed` and `fouled` ones
    explored           points of campaigns: single runs made to learn from, which claim nothing and never get a verdict
    explored_runs      how many of the `runs` were made for that
    lead               of these points the one that is expected to be best, on the present frontier; None: none is better
    limits             what could not have been found under this noise in so many runs; None: there is nothing to say of that
    believed           what earlier tracks of the machine say of knobs, in the latest session, the most telling first
    faults             faults of the machine, which count against no experiment
    overload           that the machine has too much other work to measure a time, so that timing waits; "": it has not
    baseline_failed    seeds on which the baseline failed, of `baseline_tried` in all; they are left out
    lost_to_load       runs that did not count for that reason, a pair as one
    runs               sandboxed executions
    seconds            how long sessions lasted together, and `busy_seconds` the sum of what all runs took
    busy_share         share of the workers' time that was spent in runs; None: no session yet
    ideas              ideas of the queue that are still untried
    paused, program    whether the night is paused; SHA-256 of program.md
    problem            what is wrong with the track or the machine, so that nothing more is measured; "": nothing
    models             calls to models, by role
    run_seconds        what one run takes on average, by what it is for: "run", "scoring", "start-up" (until their first lines),
                       "harness" (Overnight's own work that a run waits for); {}: the journal is older than that
    audit              which runs the scorer audits for cheating: "always"; "confirm": the baseline's, and those that confirm a
                       change
    overhead_ms        milliseconds of the harness's own work for one run, and `overhead_parts_ms` the median of each part
    holdout            the overfitting monitor, for the user alone; None where the track has no holdout
    further            what was kept, as further metrics measured it that decide nothing; None: nothing was measured so
    suggestions        further metrics and guards that were suggested and wait for the user's grant
    ladder             what is known of the changes on each rung that was climbed to, from the lowest up
    """

    track: str
    goal: str
    metric: str
    unit: str
    direction: str
    marks: tuple[str, ...]
    fixed_seeds: tuple[str, ...]
    estimated: tuple[str, ...]
    baseline: float | None
    baseline_runs: int
    frontier: float | None
    frontier_runs: int
    gain: float
    ratio: float | None
    baseline_metrics: dict[str, float]
    noise: float | None
    kind: str
    deterministic: bool
    null_edits: int
    null_moved: int
    null_spread: float
    under_edits: bool
    drift: float | None
    sandbox: str
    accounting: str
    evidence_wanted: float
    false_share: float
    least_fresh_pairs: int
    may_crash: float
    stacked: int
    commit: str
    base_commit: str
    branch: str
    experiments: int
    open: int
    kept: int
    discarded: int
    crashed: int
    fouled: int
    explored: int
    explored_runs: int
    lead: LeadView | None
    limits: LimitsView | None
    believed: tuple[Mattered, ...]
    faults: int
    overload: str
    baseline_failed: int
    baseline_tried: int
    lost_to_load: int
    runs: int
    seconds: float
    busy_seconds: float
    busy_share: float | None
    ideas: int
    paused: bool
    program: str
    problem: str
    models: dict[str, SpentView]
    run_seconds: dict[str, float]
    audit: str
    overhead_ms: float
    overhead_parts_ms: dict[str, float]
    holdout: HoldoutView | None
    further: FurtherView | None
    suggestions: int
    ladder: tuple[rungs.RungView, ...]


def track(state: State) -> TrackView:
    """Where a track stands. Raises JournalError before it is opened."""
    contract, known, usage, levels, lead = state.track, state.known, state.usage, state.levels, best(state)
    parts = {part: round(1000 * statistics.median(seconds), 2) for part, seconds in usage.parts.items() if seconds}
    counts = {plain: state.counts[verdict] for verdict, plain in PLAIN.items()}
    return TrackView(
        track=readable(contract.name), goal=readable(contract.track.goal),
        metric=contract.metric.name, unit=readable(contract.metric.unit), direction=contract.metric.direction,
        marks=marks(state),
        fixed_seeds=tuple(map(readable, state.opened.fixed_seeds)) if state.opened else (),
        estimated=estimated(state),
        baseline=levels.baseline, baseline_runs=levels.baseline_runs, frontier=levels.frontier,
        frontier_runs=levels.frontier_runs, gain=levels.gain, ratio=levels.ratio,
        baseline_metrics=known.means(known.baseline_commit),
        noise=state.noise, kind=known.kind.name, deterministic=known.deterministic, drift=_drift(state),
        null_edits=len(known.nulls.differences), null_moved=known.nulls.moved(known.floor), null_spread=known.nulls.spread,
        under_edits=known.nulls.moving,
        sandbox=", ".join(sorted(usage.sandboxes)), accounting=", ".join(sorted(usage.accounting)),
        evidence_wanted=round(1 / state.alpha, 1), false_share=state.policy.level, least_fresh_pairs=state.policy.fresh_pairs,
        may_crash=contract.referee.may_crash, stacked=state.sizes.size,
        commit=state.commit, base_commit=known.baseline_commit, branch=state.opened.result_branch if state.opened else "",
        experiments=len(state.experiments), open=len(state.open), **counts,
        explored=len(state.probes.made), explored_runs=usage.explored, lead=lead, limits=limits(state, lead),
        believed=telling(state.mattered), faults=state.counts["fault"], overload=state.overload.sentence,
        baseline_failed=known.baseline_runs.count(False), baseline_tried=len(known.baseline_runs),
        lost_to_load=state.overload.lost,
        runs=state.runs, seconds=round(usage.seconds, 1), busy_seconds=round(usage.busy, 3),
        busy_share=round(usage.busy / usage.capacity, 4) if usage.capacity else None,
        ideas=sum(entry.untried for entry in state.ideas), paused=state.paused, program=state.program,
        problem=readable(state.problem),
        models={role: spent(use) for role, use in sorted(usage.used.items())},
        run_seconds={what: round(seconds, 4) for what, seconds in usage.divided.items()},
        audit="always" if contract.audits_always else "confirm",
        overhead_ms=round(sum(parts.values()), 1), overhead_parts_ms=parts, holdout=holdout(state),
        further=further(state), suggestions=waiting(state), ladder=rungs.views(state))


def marks(state: State) -> tuple[str, ...]:
    """What must stand beside every number of this track, in the words of TrackView."""
    forgeable = state.opened is not None and bool(state.opened.forgeable)
    known = {SELF_REPORTED: state.track.self_reported or forgeable, ONE_SEED: state.one_seed,
             "unsandboxed": "none" in state.usage.sandboxes,
             "estimated guards": bool(estimated(state))}
    return tuple(mark for mark, holds in known.items() if holds)


def estimated(state: State) -> tuple[str, ...]:
    """The metrics under guard that are estimates, because nothing could count them in every run."""
    return () if state.known.exact else state.track.counted_guards


def _drift(state: State) -> float | None:
    shift, sigma = state.known.drift.shift, state.known.seed_variance**0.5
    if shift is None or abs(shift[0]) <= 2 * shift[1]:
        return None
    return shift[0] / sigma if sigma else None


def spent(use: Use) -> SpentView:
    """What calls to models came to."""
    return SpentView(use.calls, use.failed, use.tokens_in, use.tokens_out, None if use.unpriced else round(use.dollars, 6))


# ---- in words --------------------------------------------------------------------------------------------------


def paid(role: str, use: SpentView) -> str:
    """What a role's calls came to."""
    dollars = ", at a price that is not known" if use.dollars is None else f", ${use.dollars:.4f}"
    failed = f" ({use.failed} failed)" if use.failed else ""
    return f"{role} {use.calls} call{'s' * (use.calls != 1)}{failed}, {use.tokens:,} tokens{dollars}".lstrip()


def explored(found: TrackView) -> str:
    """What a campaign found so far, in a sentence without its stop; "" where nothing was explored."""
    return points.explored(found.explored, found.lead, one_line(found.unit, 24)) if found.explored else ""


def telling(mattered: Iterable[Mattered]) -> tuple[Mattered, ...]:
    """What says most, by how far it is from saying nothing."""
    return tuple(sorted(mattered, key=lambda each: (-abs(math.log(max(each.share, 1e-3))), each.name)))


def believed(found: TrackView) -> str:
    """What earlier tracks say of knobs, in a sentence without its stop; "" where that is not used."""
    if not found.believed:
        return ""
    most = found.believed[:MOST_TOLD]
    told = "; ".join(f"{each.name} {each.share:.1f}{f', {each.way:+.1f} steps' if each.way else ''}" for each in most)
    return (f"earlier tracks say of {len(found.believed)} knobs how much each matters (1 is the usual), and which way "
            f"keeps went, which is not used: {told}")


def gain(found: TrackView) -> str:
    """What all keeps gained together; "" where nothing is kept."""
    return gained(found.gain, found.ratio, found.kept, found.unit, found.baseline or 0.0) if found.kept else ""


def on_one_seed(found: TrackView) -> str:
    """What is to be known where a track's program fixes its own seed, and what to do; "" where it does not."""
    return one_seed(found.fixed_seeds) if ONE_SEED in found.marks else ""


def one_seed(places: Sequence[str]) -> str:
    """The same of a program that fixes its seed in these places, and gave one number on every seed."""
    return (f"{ONE_SEED}: every seed gave the same number, for the program fixes its own ({listed(places)}), so a change that "
            f"is merely lucky on that one is kept as if it were better: `overnight init --seed` connects it to ${VARIABLE}, or "
            "says how; commit that, and begin anew with `overnight run --restart`")


def noise_by_commit(found: TrackView) -> str:
    """What edits that do nothing showed; "" where none were run."""
    if not found.null_edits:
        return ""
    if not found.null_moved:
        return (f"{found.null_edits} edits that do nothing left {found.metric} as it is: at most "
                f"{100 * unseen(found.null_edits):.0f} % of all such edits move it (95 %)")
    by = f"{number(found.null_spread, 2)} {found.unit}".rstrip()
    if found.under_edits:
        then = "so every run is made with one of its own, and what the text alone moves is noise like any other"
    else:
        then = "but with others the baseline fails, so they are not used: what is kept may be better by its text alone"
    return f"{found.null_moved} of {found.null_edits} edits that do nothing moved {found.metric}, by {by} on average, {then}"


def divided(seconds: Mapping[str, float]) -> str:
    """What the seconds of a run are for, as `run_seconds` has them, in a sentence without its stop; "" where none are known."""
    whole = sum(seconds.values())
    if whole <= 0:
        return ""
    said = {"run": "are the run", "scoring": "scoring", "start-up": "start-up", "harness": "the harness"}
    parts = [f"{moments(seconds[what])} {words}" for what, words in said.items() if seconds.get(what, 0.0) >= LEAST_TOLD]
    beside = 100 * (1 - (seconds.get("run", 0.0) + seconds.get("scoring", 0.0)) / whole)
    return (f"of {moments(whole)} that a run takes, {', '.join(parts[:-1])}{' and ' * (len(parts) > 1)}{parts[-1]}: "
            f"{beside:.2g} % is neither run nor scoring") if parts else ""


def moments(seconds: float) -> str:
    """A few seconds, in milliseconds where they are few."""
    if seconds < LEAST_SECONDS:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.3g} s" if seconds < LONGEST_SECONDS else duration(seconds)


def span(effect: float | None, interval: tuple[float, float] | None, level: float | None = None) -> str:
    """An effect with its interval, positive is better, of a metric that stands at `level`; an en dash where there is none."""
    sizes = [abs(value) for value in (effect, level, *(interval or ())) if value is not None and math.isfinite(value)]
    shown, *ends = [number(value, 3, max(sizes, default=0.0), "+") for value in (effect, *(interval or ()))]
    return f"{shown} [{', '.join(ends)}]" if effect is not None and {shown, *ends} - {"0"} and ends else shown


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    whole = int(max(0.0, seconds))
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {whole % 60:02d}s" if minutes else f"{whole}s"
