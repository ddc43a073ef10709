"""The Lab as plain data: what `status`, `log` and `show` print, as JSON or as words."""

from __future__ import annotations

import statistics
from typing import Any

from overnight import untrusted
from overnight.lab.experiment import Experiment
from overnight.lab.state import BASELINE, State
from overnight.lab.usage import Use

PLAIN = {"keep": "kept", "discard": "discarded", "crash": "crashed", "foul": "fouled"}


def marks(state: State) -> list[str]:
    """What must stand beside every number of this track: "self-reported", "unsandboxed"."""
    found = {"self-reported": state.track.self_reported, "unsandboxed": "none" in state.tally.sandboxes}
    return [mark for mark, stands in found.items() if stands]


def overhead(state: State) -> dict[str, float]:
    """Median milliseconds of the harness's own work for one run, by part."""
    return {part: round(1000 * statistics.median(seconds), 2) for part, seconds in state.tally.parts.items() if seconds}


def drift(state: State) -> float | None:
    """By how many standard deviations of a run the machine measures otherwise than it did; None when that is not shown."""
    shift, sigma = state.known.drift.shift, state.known.seed_variance**0.5
    if shift is None or abs(shift[0]) <= 2 * shift[1]:
        return None
    return shift[0] / sigma if sigma else None


def status(state: State) -> dict[str, Any]:
    """The state of a track, as `overnight status --json` prints it."""
    parts = overhead(state)
    return {
        "track": state.track.name,
        "goal": state.track.track.goal,
        "metric": state.track.metric.name,
        "unit": state.track.metric.unit,
        "direction": state.track.metric.direction,
        "marks": marks(state),
        "baseline": state.level(BASELINE),
        "frontier": state.level(state.frontier),
        "noise": state.noise,
        "kind": state.known.kind,
        "deterministic": state.known.deterministic,
        "drift": drift(state),
        "sandbox": ", ".join(sorted(state.tally.sandboxes)),
        "accounting": ", ".join(sorted(state.tally.accounting)),
        "evidence_wanted": round(1 / state.alpha, 1),
        "stacked": state.sizes.size,
        "commit": state.commit,
        "branch": f"overnight/{state.track.name}",
        "experiments": len(state.experiments),
        "open": len(state.open),
        **{plain: state.counts[verdict] for verdict, plain in PLAIN.items()},
        "faults": state.counts["fault"],
        "runs": state.runs,
        "seconds": round(state.tally.seconds, 1),
        "busy_share": round(state.tally.busy / state.tally.capacity, 4) if state.tally.capacity else None,
        "ideas": sum(entry.untried for entry in state.ideas),
        "paused": state.paused,
        "program": state.program,
        "models": {role: spent(use) for role, use in sorted(state.tally.used.items())},
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


def record(state: State, experiment: Experiment) -> dict[str, Any]:
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
        "level": state.level(experiment.id) if experiment.effect is not None and experiment.verdict != "open" else None,
        "metrics": experiment.metrics,
        "idea": experiment.idea or None,
        "model": spent(state.tally.asked[experiment.asked]) if experiment.asked in state.tally.asked else None,
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


def line(state: State, experiment: Experiment) -> str:
    """One experiment in one line, for logs and terminals."""
    why = f" ({experiment.reason})" if experiment.reason else ""
    by = f"{name}: " if (name := who(state, experiment)) else ""
    return f"#{experiment.id} {experiment.verdict:7} {effect(experiment)}  {by}{experiment.title}{why}"


def who(state: State, experiment: Experiment) -> str:
    """Who proposed it, where that may be more than one."""
    return "" if state.researchers in ((), (experiment.researcher,)) else untrusted.line(experiment.researcher, 40)
