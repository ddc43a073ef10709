"""The Lab as plain data: what `status`, `log` and `show` print, as JSON or as words."""

from __future__ import annotations

import statistics
from typing import Any

from overnight import untrusted
from overnight.lab.lab import Lab
from overnight.lab.measurements import Experiment
from overnight.lab.state import BASELINE
from overnight.lab.usage import Use

PLAIN = {"keep": "kept", "discard": "discarded", "crash": "crashed", "foul": "fouled"}


def marks(lab: Lab) -> list[str]:
    """What must stand beside every number of this track: "self-reported", "unsandboxed"."""
    return (["self-reported"] if lab.track.self_reported else []) + (["unsandboxed"] if "none" in lab.tally.sandboxes else [])


def overhead(lab: Lab) -> dict[str, float]:
    """Median milliseconds of the harness's own work for one run, by part."""
    return {part: round(1000 * statistics.median(seconds), 2) for part, seconds in lab.tally.parts.items() if seconds}


def drift(lab: Lab) -> float | None:
    """By how many standard deviations of a run the machine measures otherwise than it did; None when that is not shown."""
    shift, sigma = lab.known.drift.shift, lab.known.seed_variance**0.5
    if shift is None or abs(shift[0]) <= 2 * shift[1]:
        return None
    return shift[0] / sigma if sigma else None


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
        "kind": lab.known.kind,
        "deterministic": lab.known.deterministic,
        "drift": drift(lab),
        "sandbox": ", ".join(sorted(lab.tally.sandboxes)),
        "accounting": ", ".join(sorted(lab.tally.accounting)),
        "evidence_wanted": round(1 / lab.alpha, 1),
        "stacked": lab.sizes.size,
        "commit": lab.commit,
        "branch": f"overnight/{lab.track.name}",
        "experiments": len(lab.experiments),
        "open": len(lab.open),
        **{plain: lab.counts[verdict] for verdict, plain in PLAIN.items()},
        "faults": lab.counts["fault"],
        "runs": lab.runs,
        "seconds": round(lab.tally.seconds, 1),
        "busy_share": round(lab.tally.busy / lab.tally.capacity, 4) if lab.tally.capacity else None,
        "ideas": sum(entry.untried for entry in lab.ideas),
        "paused": lab.paused,
        "program": lab.program,
        "models": {role: spent(use) for role, use in sorted(lab.tally.used.items())},
        "overhead_ms": round(sum(parts.values()), 1),
        "overhead_parts_ms": parts,
    }


def spent(use: Use) -> dict[str, Any]:
    """What calls to models came to. `dollars` is None where the price of one is unknown."""
    return {"calls": use.calls, "failed": use.failed, "tokens_in": use.tokens_in, "tokens_out": use.tokens_out,
            "dollars": None if use.unpriced else round(use.dollars, 6)}


def paid(role: str, use: Use) -> str:
    """The same in words."""
    dollars = ", at a price that nobody knows" if use.unpriced else f", ${use.dollars:.4f}"
    failed = f" ({use.failed} failed)" if use.failed else ""
    return f"{role} {use.calls} call{'s' * (use.calls != 1)}{failed}, {use.tokens:,} tokens{dollars}".lstrip()


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
        "idea": experiment.idea or None,
        "model": spent(lab.tally.asked[experiment.asked]) if experiment.asked in lab.tally.asked else None,
    }


def number(value: float | None, digits: int = 4) -> str:
    """A number for people; an en dash where there is none."""
    return "–" if value is None else f"{value:.{digits}g}"


def effect(experiment: Experiment) -> str:
    """An effect with its interval, positive is better."""
    return span(experiment.effect, experiment.interval)


def span(effect: float | None, interval: tuple[float, float] | None) -> str:
    """The same of any effect; an en dash where there is none."""
    if effect is None:
        return "–"
    if interval is None:
        return f"{effect:+.3g}"
    low, high = interval
    return f"{effect:+.3g} [{low:+.3g}, {high:+.3g}]"


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
    by = f"{name}: " if (name := who(lab, experiment)) else ""
    return f"#{experiment.id} {experiment.verdict:7} {effect(experiment)}  {by}{experiment.title}{why}"


def who(lab: Lab, experiment: Experiment) -> str:
    """Who proposed it, where that may be more than one."""
    return "" if lab.researchers in ((), (experiment.researcher,)) else untrusted.line(experiment.researcher, 40)
