"""`overnight show`: one experiment with everything that is known of it, and its verdict explained."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from overnight.lab.events import Event, Judged, Measured, Proposed, Rebased, Stacked
from overnight.lab.experiment import Experiment
from overnight.lab.state import State
from overnight.referee.holdout import DENIED, UNCHECKED
from overnight.untrusted import visible
from overnight.views import holdout, track

TAIL = 20  # lines of the log


def gather(state: State, experiment: Experiment, events: list[Event],
           log: Callable[[str], str]) -> dict[str, Any]:
    """The experiment's record with its diff, its stacks, its runs and the end of its last log. `log` gives the text of a kept
    log by its name, "" where there is none."""
    measured = [e for e in events if isinstance(e, Measured)]
    runs = [e for e in measured if e.experiment == experiment.id]
    base = {e.seed: e.metrics.get(state.track.metric.name) for e in reversed(measured)
            if e.commit == experiment.base_commit and e.outcome == "ok"}
    mine = [e for e in events if isinstance(e, Proposed | Rebased | Judged) and e.experiment == experiment.id]
    patch = next((e.patch for e in mine if isinstance(e, Proposed)), "")
    return {
        **track.record(state, experiment),
        "alpha": next((e.alpha for e in mine if isinstance(e, Judged)), None),
        "rebased": sum(isinstance(e, Rebased) for e in mine),
        "stacks": [s.experiments for s in events if isinstance(s, Stacked) and experiment.id in s.experiments],
        "grown": experiment.grown,
        "patch": patch,
        "runs": [_run(state, r, base if r.commit == experiment.commit else {}) for r in runs],
        "log_tail": _tail(log(runs[-1].log)) if runs else "",
        "score_log_tail": _tail(log(runs[-1].log.replace(".log", "-score.log"))) if runs else "",
    }


def _run(state: State, run: Measured, base: dict[int, float | None]) -> dict[str, Any]:
    theirs = run.beside.get(state.track.metric.name) if run.beside else base.get(run.seed)
    return {"run": run.run, "stage": run.stage, "seed": run.seed, "outcome": run.outcome, "reason": run.reason,
            "metrics": run.metrics, "base": theirs, "seconds": round(run.busy, 3), "sandbox": run.sandbox,
            "accounting": run.accounting, "artifacts": run.artifacts}


def _tail(text: str) -> str:
    return "\n".join(map(_plain, text.splitlines()[-TAIL:]))


def _plain(line: str) -> str:
    """A line of somebody's words, without what steers a terminal."""
    return visible(line, keep="\t")


def words(state: State, experiment: Experiment, found: dict[str, Any]) -> str:
    """The same for people: what was compared, how often, what came out, why it ended there."""
    metric = state.track.metric
    more = experiment.message.rstrip().splitlines()[1:]
    parts = [f"#{experiment.id} {experiment.verdict}: {experiment.title}", *(f"| {_plain(x)}".rstrip() for x in more), "",
             f"commit {experiment.commit} on {experiment.base_commit}", f"by {experiment.researcher}", "",
             *explained(state, experiment, found)]
    parts += ["", f"run    stage     seed        outcome  {metric.name:12} base, same seed  better by",
              *(_row(state, run, experiment.verdict == "keep") for run in found["runs"])]
    parts += ["", *map(_plain, found["patch"].rstrip().split("\n") if found["patch"] else ["(no diff)"])]
    if found["log_tail"]:
        parts += ["", "end of the last log (a candidate's own words):", *("| " + x for x in found["log_tail"].splitlines())]
    if found["score_log_tail"]:
        parts += ["", "end of what was said while scoring (keep it from researchers, it may hold unseen data):",
                  *("| " + x for x in found["score_log_tail"].splitlines())]
    return "\n".join(parts)


# ---- the verdict, explained ------------------------------------------------------------------------------------


def explained(state: State, experiment: Experiment, found: dict[str, Any]) -> Iterator[str]:
    """A verdict in sentences that need no statistics."""
    if experiment.reason:
        yield f"Why: {experiment.reason}."
    yield from measured(state, experiment, found)
    if said := holdout.of(state, experiment.id):
        yield said


def measured(state: State, experiment: Experiment, found: dict[str, Any]) -> Iterator[str]:
    """What was measured, in sentences that researchers may read too: nothing of the holdout."""
    yield from _looked(experiment, found)
    if experiment.pairs:
        yield from _compared(state, experiment, found)
    if experiment.verdict == "keep":
        yield _sure(found)
    elif experiment.e_value is not None and found["alpha"] and experiment.reason not in (DENIED, UNCHECKED):
        yield (f"The evidence that it is better stood at {experiment.e_value:.3g} to 1; a keep would have taken "
               f"{1 / found['alpha']:.3g} to 1.")
    failed = sum(run["outcome"] not in ("ok", "behind") for run in found["runs"])
    if failed and experiment.verdict != "crash":
        yield (f"{failed} of its {len(found['runs'])} runs failed; this track allows "
               f"{100 * state.track.referee.may_crash:g} % ([referee] may_crash).")
    if found["grown"]:
        yield f"It makes the code {'larger' if found['grown'] > 0 else 'smaller'} by {abs(found['grown'])} nodes of syntax."


def _looked(experiment: Experiment, found: dict[str, Any]) -> Iterator[str]:
    for members in found["stacks"]:
        others = ", ".join(f"#{number}" for number in members if number != experiment.id)
        yield (f"It was first looked at together with {others} in one run: most changes are worth nothing, and a stack "
               "that does not win is dropped whole.")
    if found["rebased"]:
        times = f" ({found['rebased']} times)" * (found["rebased"] > 1)
        yield f"The frontier moved while it was tried, so it was put on the new one and had to be confirmed there{times}."


def _compared(state: State, experiment: Experiment, found: dict[str, Any]) -> Iterator[str]:
    metric, fresh = state.track.metric, experiment.fresh_pairs
    timed = state.known.kind == "timing"
    how = "right beside it on the same cores" if timed else "with the same seed, so that shared luck cancels"
    yield f"Compared: each run of it with a run of its base {how}. That makes {experiment.pairs} " + (
        f"pairs, {fresh} of them on seeds that were drawn after its commit existed." if experiment.pairs > 1 else "pair.")
    shown = f"{metric.name} {'better' if (experiment.effect or 0) >= 0 else 'worse'} by {abs(experiment.effect or 0):.3g}"
    of = "on those fresh seeds alone" if fresh else "in the race, which picks the lucky, so no claim rests on it"
    yield f"{shown} {metric.unit}".rstrip() + f" on average, {of}." + _range(experiment)
    if timed and (ratio := _ratio(found, metric.name)):
        yield f"The ratio of the medians is {ratio:.4g}."


def _range(experiment: Experiment) -> str:
    if experiment.interval is None:
        return ""
    low, high = experiment.interval
    return f" The true gain lies between {low:+.3g} and {high:+.3g} (95 % interval)."


def _ratio(found: dict[str, Any], metric: str) -> float | None:
    """Median of its runs over the median of the runs beside them."""
    pairs = [(r["metrics"][metric], r["base"]) for r in found["runs"] if r["metrics"] and r["base"]]
    if not pairs:
        return None
    mine, theirs = zip(*pairs, strict=True)
    return float(statistics.median(mine) / statistics.median(theirs))


def _sure(found: dict[str, Any]) -> str:
    odds, wanted = found["e_value"] or 0.0, 1 / found["alpha"] if found["alpha"] else 0.0
    return (f"It stopped there because the evidence had reached {odds:.3g} to 1 where {wanted:.3g} to 1 was needed: a change "
            "that is no better gets that far with a chance of at most one in as many, however often one looks.")


def _row(state: State, run: dict[str, Any], kept: bool) -> str:
    """One run beside its base's on the same seed."""
    mine, theirs = run["metrics"].get(state.track.metric.name), run["base"]
    head = f"{run['run']:<6} {run['stage']:9} {run['seed']:<11} {run['outcome']:8} "
    if mine is None:
        return head + str(run["reason"])
    if theirs is None:
        later = "as the frontier, beside a later change" if kept else "–"
        return f"{head}{track.number(mine, 6):12} {'in a stack' if run['stage'] == 'screen' else later}"
    return f"{head}{track.number(mine, 6):12} {track.number(theirs, 6):16} {state.track.oriented(mine - theirs):+.4g}"
