"""`overnight show` in words: one experiment with everything that is known of it, and its verdict explained."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from overnight.referee.holdout import DENIED, UNCHECKED
from overnight.referee.kinds import KINDS
from overnight.track.units import number
from overnight.untrusted import visible
from overnight.views import holdout
from overnight.views.experiment import DetailView, RunView, VerdictView
from overnight.views.track import ONE_SEED, TrackView, on_one_seed


def words(track: TrackView, found: DetailView) -> str:
    """What was compared, how often, what came out, why it ended there."""
    more = found.message.rstrip().splitlines()[1:]
    mark = f" ({ONE_SEED})" * found.one_seed
    parts = [f"#{found.id} {found.verdict.verdict}{mark}: {found.title}", *(f"| {_plain(x)}".rstrip() for x in more), "",
             f"commit {found.commit} on {found.base}", f"by {found.researcher}", "", *explained(track, found)]
    parts += ["", f"run    stage     seed        outcome  {track.metric:12} base, same seed  better by",
              *(f"{run.run:<6} {run.stage:9} {run.seed:<11} {run.outcome:8} "
                f"{_compared_run(run, track.metric, found.verdict.verdict == 'keep')}" for run in found.runs)]
    parts += ["", *map(_plain, found.patch.rstrip().split("\n") if found.patch else ["(no diff)"])]
    if found.log_tail:
        parts += ["", "end of the last log (a candidate's own words):", *("| " + x for x in found.log_tail.splitlines())]
    if found.score_log_tail:
        parts += ["", "end of what was said while scoring (keep it from researchers, it may hold unseen data):",
                  *("| " + x for x in found.score_log_tail.splitlines())]
    return "\n".join(parts)


def _plain(line: str) -> str:
    """A line of words from outside, without what steers a terminal."""
    return visible(line, keep="\t")


def _compared_run(run: RunView, metric: str, kept: bool) -> str:
    """What a run measured beside its base's."""
    mine = run.metrics.get(metric)
    if mine is None:
        return run.reason
    if run.base is None or run.better_by is None:
        later = "as the frontier, beside a later change" if kept else "–"
        return f"{number(mine, 6):12} {'in a stack' if run.stage == 'screen' else later}"
    return f"{number(mine, 6):12} {number(run.base, 6):16} {number(run.better_by, 4, mine, '+')}"


# ---- the verdict, explained ------------------------------------------------------------------------------------


def explained(track: TrackView, found: DetailView) -> Iterator[str]:
    """A verdict in sentences that need no statistics, for the user."""
    if found.verdict.reason:
        yield f"Why: {found.verdict.reason}."
    yield from measured(track, found)
    if said := holdout.answer(track.holdout, found.id):
        yield said


def measured(track: TrackView, found: DetailView) -> Iterator[str]:
    """What was measured, in sentences that researchers may read too: nothing of the holdout."""
    verdict = found.verdict
    yield from _looked(found)
    if verdict.pairs:
        yield from _compared(track, found)
    if verdict.verdict == "keep":
        yield f"{_capital(on_one_seed(track))}." if found.one_seed else _sure(verdict, found.alpha)
    elif verdict.e_value is not None and found.alpha and verdict.reason not in (DENIED, UNCHECKED):
        yield (f"The evidence that it is better stood at {verdict.e_value:.3g} to 1; a keep would have taken "
               f"{1 / found.alpha:.3g} to 1.")
    failed = sum(run.outcome not in ("ok", "behind") for run in found.runs)
    if failed and verdict.verdict != "crash":
        yield (f"{failed} of its {len(found.runs)} runs failed; this track allows {100 * track.may_crash:g} % "
               "([referee] may_crash).")
    if found.estimated:
        yield f"Estimated, because nothing could count it in every run: {', '.join(found.estimated)}."
    if found.size_delta:
        yield f"It makes the code {'larger' if found.size_delta > 0 else 'smaller'} by {abs(found.size_delta)} nodes of syntax."


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _looked(found: DetailView) -> Iterator[str]:
    for members in found.stacks:
        others = ", ".join(f"#{number}" for number in members if number != found.id)
        yield (f"It was first looked at together with {others} in one run: most changes are worth nothing, and a stack "
               "that does not win is dropped whole.")
    if found.rebased:
        times = f" ({found.rebased} times)" * (found.rebased > 1)
        yield f"The frontier moved while it was tried, so it was put on the new one and had to be confirmed there{times}."


def _compared(track: TrackView, found: DetailView) -> Iterator[str]:
    verdict, fresh = found.verdict, found.verdict.fresh_pairs
    timed = KINDS[track.kind].paired_in_time
    how = "right beside it on the same cores" if timed else "with the same seed, so that shared luck cancels"
    yield f"Compared: each run of it with a run of its base {how}. That makes {verdict.pairs} " + (
        f"pairs, {fresh} of them on seeds that were drawn after its commit existed." if verdict.pairs > 1 else "pair.")
    effect, level = verdict.effect or 0.0, found.level or 0.0
    shown = f"{track.metric} {'better' if effect >= 0 else 'worse'} by {number(abs(effect), 3, level)}"
    of = "on those fresh seeds alone" if fresh else "in the race, which picks the lucky, so no claim rests on it"
    yield f"{shown} {track.unit}".rstrip() + f" on average, {of}."
    if verdict.interval is not None:
        low, high = (number(bound, 3, max(abs(effect), abs(level)), "+") for bound in verdict.interval)
        yield f"The true gain lies between {low} and {high} (95 % interval)."
    if timed and (ratio := _ratio(found, track.metric)):
        yield f"The ratio of the medians is {ratio:.4g}."


def _ratio(found: DetailView, metric: str) -> float | None:
    """Median of its runs over the median of the runs beside them."""
    pairs = [(run.metrics[metric], run.base) for run in found.runs if run.metrics and run.base]
    if not pairs:
        return None
    mine, theirs = zip(*pairs, strict=True)
    return float(statistics.median(mine) / statistics.median(theirs))


def _sure(verdict: VerdictView, alpha: float | None) -> str:
    return (f"It stopped there because the evidence had reached {verdict.e_value or 0.0:.3g} to 1 where "
            f"{1 / alpha if alpha else 0.0:.3g} to 1 was needed: a change that is no better gets that far with a chance of at "
            "most one in as many, however often one looks.")
