"""The Lab as plain data: what `status`, `log` and `show` print, as JSON or as words."""

from __future__ import annotations

import statistics
from typing import Any

from overnight.lab import BASELINE, Lab
from overnight.runs import Experiment

PLAIN = {"keep": "kept", "discard": "discarded", "crash": "crashed", "foul": "fouled"}


def marks(lab: Lab) -> list[str]:
    """What must stand beside every number of this track: "self-reported", "unsandboxed"."""
    return (["self-reported"] if lab.track.self_reported else []) + (["unsandboxed"] if "none" in lab.sandboxes else [])


def overhead(lab: Lab) -> dict[str, float]:
    """Median milliseconds of the harness's own work for one run, by part."""
    return {part: round(1000 * statistics.median(seconds), 2) for part, seconds in lab.parts.items() if seconds}


def status(lab: Lab) -> dict[str, Any]:
    """The state of a track, as `overnight status --json` prints it."""
    parts = overhead(lab)
    return {
        "track": lab.track.name,
        "goal": lab.track.track.goal,
        "metric": lab.track.metric.name,
        "unit": lab.track.metric.unit,
        "direction": lab.track.metric.direction,
        "marks": marks(lab),
        "baseline": lab.level(BASELINE),
        "frontier": lab.level(lab.frontier),
        "noise": lab.noise,
        "deterministic": lab.deterministic,
        "commit": lab.commit,
        "branch": f"overnight/{lab.track.name}",
        "experiments": len(lab.experiments),
        "open": len(lab.open),
        **{plain: lab.counts[verdict] for verdict, plain in PLAIN.items()},
        "faults": lab.counts["fault"],
        "runs": lab.runs,
        "seconds": round(lab.seconds, 1),
        "busy_share": round(lab.busy / lab.capacity, 4) if lab.capacity else None,
        "overhead_ms": round(sum(parts.values()), 1),
        "overhead_parts_ms": parts,
    }


def record(lab: Lab, experiment: Experiment) -> dict[str, Any]:
    """One experiment, as a line of `overnight log --json`."""
    return {
        "id": experiment.id,
        "commit": experiment.commit,
        "base": experiment.base_commit,
        "researcher": experiment.researcher,
        "message": experiment.message,
        "verdict": experiment.verdict,
        "reason": experiment.reason,
        "effect": experiment.effect,
        "interval": experiment.interval,
        "pairs": experiment.pairs,
        "fresh_pairs": experiment.fresh_pairs,
        "e_value": experiment.e_value,
        "level": lab.level(experiment.id) if experiment.effect is not None and experiment.verdict != "open" else None,
        "metrics": experiment.metrics,
    }


def number(value: float | None, digits: int = 4) -> str:
    """A number for people; an en dash where there is none."""
    return "–" if value is None else f"{value:.{digits}g}"


def effect(experiment: Experiment) -> str:
    """An effect with its interval, positive is better."""
    if experiment.effect is None:
        return "–"
    if experiment.interval is None:
        return f"{experiment.effect:+.3g}"
    low, high = experiment.interval
    return f"{experiment.effect:+.3g} [{low:+.3g}, {high:+.3g}]"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    whole = int(max(0.0, seconds))
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {whole % 60:02d}s" if minutes else f"{whole}s"


def line(lab: Lab, experiment: Experiment) -> str:
    """One experiment in one line, for logs and terminals."""
    why = f" ({experiment.reason})" if experiment.reason else ""
    return f"#{experiment.id} {experiment.verdict:7} {effect(experiment)}  {experiment.title}{why}"
