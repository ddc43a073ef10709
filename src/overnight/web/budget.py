"""What the night has used and may still use."""

from __future__ import annotations

from collections.abc import Iterator

from overnight.night import now as night
from overnight.report.svg.axes import fixed
from overnight.track.units import number
from overnight.untrusted import line
from overnight.views.jobs import BudgetView
from overnight.views.track import SpentView, TrackView, duration
from overnight.web.rendering import plainly
from overnight.web.seen import Seen

Fact = tuple[str, str, float | None]  # a term, what is said of it, and the share that is used, where that is known


def facts(seen: Seen, places: int) -> list[Fact]:
    """Time, models, the evidence that is wanted, noise."""
    now = night.read(seen.session.home) if seen.live else None
    track = seen.history.track
    return [*_time(seen, track, now.budget if now else None), *_models(track), *_bounds(now.budget if now else None),
            *_evidence(track, places)]


def _time(seen: Seen, track: TrackView, budget: BudgetView | None) -> Iterator[Fact]:
    if budget and budget.until:
        whole, used = budget.until - budget.began, seen.now - budget.began
        yield "Time", f"{duration(used)} of {duration(whole)}", min(1.0, max(0.0, used / whole)) if whole > 0 else 1.0
    else:
        yield "Time", duration(track.seconds), None
    if track.seconds >= 60 and track.experiments:
        hours = track.seconds / 3600
        yield "Rate", f"{track.experiments / hours:,.0f} experiments and {track.runs / hours:,.0f} runs an hour", None


def _bounds(budget: BudgetView | None) -> Iterator[Fact]:
    """What the session may still use of tokens, dollars and experiments."""
    if budget and budget.tokens is not None:
        yield _used("Tokens", budget.tokens_used, budget.tokens, "{:,.0f}")
    if budget and budget.dollars is not None:
        yield _used("Money", budget.dollars_used, budget.dollars, "${:.2f}")
    if budget and budget.experiments is not None:
        yield "Experiments", f"{budget.experiments:,} more may be begun", None


def _used(term: str, used: float, left: float, shape: str) -> Fact:
    whole = used + left
    return term, f"{shape.format(used)} of {shape.format(whole)}, {shape.format(left)} left", used / whole if whole else 1.0


def _models(track: TrackView) -> Iterator[Fact]:
    if not track.models:
        yield "Models", "none asked", None
    for role, use in track.models.items():
        yield line(role, 40), spending(use), None


def spending(use: SpentView) -> str:
    """What the calls of a role came to."""
    paid = "price unknown" if use.dollars is None else f"${use.dollars:.2f}"
    failed = f" ({use.failed} failed)" if use.failed else ""
    return f"{use.calls:,} call{'s' * (use.calls != 1)}{failed}, {use.tokens:,} tokens, {paid}"


def _evidence(track: TrackView, places: int) -> Iterator[Fact]:
    yield "Evidence wanted", f"{number(track.evidence_wanted, 3)} to 1 (rises while nothing is found)", None
    if track.noise is not None:
        yield "Noise of a pair", f"±{plainly(track.noise, places)} {line(track.unit, 24)}".rstrip(), None
    if track.drift is not None:
        yield "Drift", f"the machine measures otherwise than it did, by {fixed(track.drift, 1)} deviations of a run", None
    if track.faults:
        yield "Faults", f"{track.faults:,} of the machine, tried again; they count against no experiment", None
