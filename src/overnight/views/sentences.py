"""`overnight show` in words: one experiment with everything that is known of it, and its verdict explained."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence

from overnight.referee.holdout import DENIED, UNCHECKED
from overnight.referee.kinds import KINDS
from overnight.track.units import number
from overnight.untrusted import plain, visible
from overnight.views import further, holdout, ladder
from overnight.views.experiment import DetailView, RunView, look_first
from overnight.views.track import TrackView, on_one_seed
from overnight.views.verdict import VerdictView, promise, unproven

MOST_RUNS = 40  # that are shown
STAGES = {"race": "race", "confirm": "fresh", "screen": "stack", "explore": "point"}  # what the runs of a stage are


def words(track: TrackView, found: DetailView, fold: Callable[[str], str] = str) -> str:
    """What was compared, how often, what came out, why it ended there. `fold`: breaks a line of it, but for the diff and the
    logs, to what the reader's screen holds."""
    more = found.message.rstrip().splitlines()[1:]
    parts = [f"#{found.id} {found.verdict.verdict}{found.marked}: {found.title}", *(f"| {_plain(x)}".rstrip() for x in more),
             "",
             f"commit {found.commit} on {found.base}", f"by {found.researcher}", "", *explained(track, found)]
    parts += ["", *compared(track, found.runs, True)]
    parts = [fold(_plain(part)) for part in parts]
    parts += ["", *map(_plain, found.patch.rstrip().split("\n") if found.patch else ["(no diff)"])]
    if found.log_tail:
        parts += ["", "end of the last log (a candidate's own words):", *_quoted(found.log_tail)]
    if found.score_log_tail:
        parts += ["", "end of what was said while scoring (keep it from researchers, it may hold unseen data):",
                  *_quoted(found.score_log_tail)]
    return "\n".join(parts)


def _quoted(log: str) -> Iterator[str]:
    return (f"| {_plain(line)}" for line in log.splitlines())


def _plain(line: str) -> str:
    """A line of words from outside, without what steers a terminal."""
    return visible(line, keep="\t")


def compared(track: TrackView, runs: Sequence[RunView], seeds: bool = False) -> Iterator[str]:
    """The runs of an experiment as a table, each beside its base's: with their seeds for the user alone. The newest where they
    are many, and without those that it made as the frontier, beside later changes."""
    own, timed = [run for run in runs if not run.as_frontier], KINDS[track.kind].paired_in_time
    yield (f"run    pair   {'seed        ' if seeds else ''}outcome  {plain(track.metric, 12):12} "
           f"{'beside it' if timed else 'base, same seed':15}  {'ratio' if timed else 'better by'}")
    if len(own) > MOST_RUNS:
        yield f"({len(own) - MOST_RUNS} earlier runs are left out; the data has them)"
    for run in own[-MOST_RUNS:]:
        seed = f"{getattr(run, 'seed', ''):<11} " if seeds else ""
        yield f"{run.run:<6} {STAGES.get(run.stage, run.stage):6} {seed}{run.outcome:8} {_sides(run, track.metric, timed)}"
    if later := len(runs) - len(own):
        yield f"({later} more that it made as the frontier, beside later changes)"


def _sides(run: RunView, metric: str, timed: bool) -> str:
    """What a run measured beside its base's."""
    mine = run.metrics.get(metric)
    if mine is None:
        return run.reason
    if run.base is None or run.better_by is None:
        return f"{number(mine, 6):12} {'in a stack' if run.stage == 'screen' else '–'}{_point(run)}"
    differs = number(run.ratio, 4) if timed and run.ratio else number(run.better_by, 4, mine, "+")
    return f"{number(mine, 6):12} {number(run.base, 6):15}  {differs}{'  on an older frontier' * run.older}{_point(run)}"


def _point(run: RunView) -> str:
    """Where a run comes from that is not the experiment's own."""
    return "" if run.point is None else f"  of point {run.point}, explored before"


# ---- the verdict, explained ------------------------------------------------------------------------------------


def explained(track: TrackView, found: DetailView) -> Iterator[str]:
    """A verdict in sentences that need no statistics, for the user."""
    if found.verdict.reason:
        yield f"Why: {found.verdict.reason}."
    yield from measured(track, found)
    yield from further.about(track.further, found.id)
    yield from ladder.about(track.ladder, found.id, track.unit)
    if said := holdout.answer(track.holdout, found.id):
        yield said


def measured(track: TrackView, found: DetailView) -> Iterator[str]:
    """What was measured, in sentences that researchers may read too: nothing of the holdout."""
    verdict = found.verdict
    yield from _found(track, verdict)
    yield from _lead(track, found)
    yield from _looked(found)
    if verdict.pairs:
        yield from _compared(track, found)
    if verdict.verdict == "keep":
        yield from _sure(track, found)
    elif verdict.e_value is not None and found.alpha and verdict.reason not in (DENIED, UNCHECKED):
        yield (f"The evidence that it is better stood at {verdict.e_value:.3g} to 1; a keep would have taken "
               f"{1 / found.alpha:.3g} to 1.")
    own = [run for run in found.runs if not run.as_frontier]
    failed = sum(run.outcome not in ("ok", "behind") for run in own)
    if failed and verdict.verdict != "crash":
        besides = f" besides the baseline's {track.baseline_failed} of {track.baseline_tried}" * bool(track.baseline_failed)
        yield (f"{failed} of its {len(own)} runs failed; this track allows {100 * track.may_crash:g} %{besides} "
               "([referee] may_crash).")
    if found.estimated:
        yield f"Estimated, because nothing could count it in every run: {', '.join(found.estimated)}."
    if found.size_delta:
        yield f"It makes the code {'larger' if found.size_delta > 0 else 'smaller'} by {abs(found.size_delta)} nodes of syntax."
    if found.takes_back is not None:
        yield f"It takes parts of #{found.takes_back} back, so it needs only to be no worse."


def _lead(track: TrackView, found: DetailView) -> Iterator[str]:
    """Which part of it comes from a lead of the campaign."""
    if found.lead is None:
        return
    gain = number(found.handicap or 0.0, 3) + f" {plain(track.unit, 24)}" * bool(track.unit)
    divides = f"; `overnight explain {found.id}` divides them" * (found.verdict.verdict == "keep")
    yield (f"It was made on the lead of what was explored, point {found.lead}, and its commit holds that as well. What the "
           f"lead was expected to gain, {gain}, is taken off its race, so that its own change has to show what it is "
           f"worth; its fresh pairs are of both together{divides}.")


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _looked(found: DetailView) -> Iterator[str]:
    if explored := [run for run in found.runs if run.point is not None]:
        points, many = ", ".join(dict.fromkeys(str(run.point) for run in explored)), len(explored) > 1
        yield (f"{len(explored)} of its runs {'were' if many else 'was'} made to explore it (point{'s' * many} {points}), "
               f"before it was proposed for what {'they' if many else 'it'} gave: {'they count' if many else 'it counts'} for "
               "the race alone, and no claim rests on that.")
    for members in found.stacks:
        others = ", ".join(f"#{number}" for number in members if number != found.id)
        yield (f"It was first looked at together with {others} in one run: most changes are worth nothing, and a stack "
               "that does not win is dropped whole.")
    if found.rebased:
        times = f" ({found.rebased} times)" * (found.rebased > 1)
        yield f"The frontier moved while it was tried, so it was put on the new one and had to be confirmed there{times}."
    if found.anew:
        yield ("Its change no longer applied as text, so its researcher made it anew: the title, the diff and the verdict are "
               "those of what it made last.")


def _compared(track: TrackView, found: DetailView) -> Iterator[str]:
    verdict, fresh = found.verdict, found.verdict.fresh_pairs
    timed = KINDS[track.kind].paired_in_time
    how = "right beside it on the same cores" if timed else "with the same seed, so that shared luck cancels"
    older = f", {verdict.older_pairs} of them measured earlier" * bool(verdict.older_pairs)
    drawn = f", {fresh} of them on seeds that were drawn after its commit existed" * bool(fresh)
    yield f"Compared: each run of it with a run of its base {how}. That makes {verdict.pairs} " + (
        f"pairs{older}{drawn}." if verdict.pairs > 1 else f"pair{older}.")
    level = found.level or 0.0
    for effect, where in _means(found):
        shown = f"{track.metric} {'better' if effect >= 0 else 'worse'} by {number(abs(effect), 3, level)}"
        yield f"{shown} {track.unit}".rstrip() + f" on average, {where}."
    if verdict.interval is not None and number(max(map(abs, verdict.interval)), 3, level) != "0":
        low, high = (number(bound, 3, max(abs(verdict.effect or 0.0), abs(level)), "+") for bound in verdict.interval)
        of = f", from the {fresh} fresh pairs" if fresh else ", from all those pairs" if verdict.older_pairs else ""
        yield f"The true gain lies between {low} and {high} (95 % interval{of})." + (
            f" The proof is of all {verdict.pairs} pairs." if unproven(verdict) else "")
    if timed and found.ratio:
        yield f"The ratio of what it measured to what its base did is {found.ratio:.4g}, the median of its pairs."


def _means(found: DetailView) -> Iterator[tuple[float, str]]:
    """Mean differences and what they are of. Those to an older frontier are told apart from those to the present one."""
    verdict, effect = found.verdict, found.verdict.effect or 0.0
    if verdict.fresh_pairs:
        yield effect, "on those fresh seeds alone"
    elif not verdict.older_pairs:
        yield effect, "in the race, which picks the lucky, so no claim rests on it"
    else:
        for older, where in ((True, "an older frontier"), (False, "the one that it stands on now")):
            differences = [run.better_by for run in found.runs if run.better_by is not None and run.older is older]
            if differences:
                yield statistics.fmean(differences), f"in {len(differences)} pair{'s' * (len(differences) > 1)} with {where}"


def _found(track: TrackView, verdict: VerdictView) -> Iterator[str]:
    """A discard in the words for it."""
    if verdict.word:
        yield f"Found: {verdict.word}{promise(verdict)}."
    if verdict.finding is not None and verdict.finding.word == "promising":
        yield (f"Most changes do little, so its effect is thought to be {number(verdict.finding.effect, 2, 0.0, '+')} "
               f"{track.unit}".rstrip() + ".")


def _sure(track: TrackView, found: DetailView) -> Iterator[str]:
    if leap := look_first((found,)):
        yield f"{_capital(leap)}."
    if found.one_seed:
        yield f"{_capital(on_one_seed(track))}."
    elif found.alpha:
        yield (f"It stopped there because the evidence of its fresh pairs had reached {found.verdict.e_value or 0.0:.3g} to 1 "
               f"where {1 / found.alpha:.3g} to 1 was needed: a change that is no better gets that far with a chance of at "
               "most one in as many, however often one looks.")
