"""`overnight show`: one experiment with everything that is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from overnight.events import Event, Measured, Proposed
from overnight.lab import Lab
from overnight.report import summary
from overnight.runs import Experiment

TAIL = 20  # lines of the log


def gather(lab: Lab, experiment: Experiment, events: list[Event], logs: Path) -> dict[str, Any]:
    """The experiment's record with its diff, its runs and the end of its last log."""
    measured = [e for e in events if isinstance(e, Measured)]
    runs = [e for e in measured if e.experiment == experiment.id]
    base = {e.seed: e.metrics.get(lab.track.metric.name) for e in measured if e.commit == experiment.base_commit}
    patch = next((e.patch for e in events if isinstance(e, Proposed) and e.experiment == experiment.id), "")
    return {
        **summary.record(lab, experiment),
        "patch": patch,
        "runs": [{"run": r.run, "stage": r.stage, "seed": r.seed, "outcome": r.outcome, "reason": r.reason,
                  "metrics": r.metrics, "base": base.get(r.seed) if r.commit == experiment.commit else None,
                  "seconds": round(r.busy, 3)} for r in runs],
        "log_tail": _tail(logs / runs[-1].log) if runs else "",
    }


def _tail(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join("".join(c for c in line if c.isprintable()) for line in lines[-TAIL:])


def words(lab: Lab, experiment: Experiment, found: dict[str, Any]) -> str:
    """The same for people: what was compared, how often, what came out, why it ended there."""
    metric = lab.track.metric
    parts = [f"#{experiment.id} {experiment.verdict}: {experiment.message.rstrip()}", "",
             f"commit {experiment.commit} on {experiment.base_commit}", f"by {experiment.researcher}", ""]
    if experiment.reason:
        parts.append(f"Why: {experiment.reason}.")
    if experiment.pairs:
        parts.append(f"Compared with its base on {experiment.pairs} common seeds, {experiment.fresh_pairs} of them drawn after "
                     f"the commit: {metric.name} {summary.effect(experiment)} {metric.unit}".rstrip()
                     + " (positive is better; 95 % interval)" * (experiment.interval is not None) + ".")
    if experiment.e_value is not None:
        parts.append(f"Evidence against \"no better\": {experiment.e_value:.3g} to 1; a keep takes "
                     f"{lab.policy.threshold:g} to 1.")
    parts += ["", f"run    stage     seed        outcome  {metric.name:12} base, same seed  better by",
              *(_row(lab, run) for run in found["runs"])]
    parts += ["", found["patch"].rstrip() or "(no diff)"]
    if found["log_tail"]:
        parts += ["", "end of the last log (a candidate's own words):", *("| " + x for x in found["log_tail"].splitlines())]
    return "\n".join(parts)


def _row(lab: Lab, run: dict[str, Any]) -> str:
    """One run beside its base's on the same seed."""
    mine, theirs = run["metrics"].get(lab.track.metric.name), run["base"]
    head = f"{run['run']:<6} {run['stage']:9} {run['seed']:<11} {run['outcome']:8} "
    if mine is None:
        return head + str(run["reason"])
    gain = "–" if theirs is None else f"{lab.track.oriented(mine - theirs):+.4g}"
    return f"{head}{summary.number(mine, 6):12} {summary.number(theirs, 6):16} {gain}"
