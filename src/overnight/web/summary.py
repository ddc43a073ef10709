"""One experiment's verdict in two or three sentences that need no statistics; every sentence of it is in views.sentences."""

from __future__ import annotations

from collections.abc import Iterator

from overnight.report.svg.axes import fixed, odds
from overnight.views.experiment import DetailView
from overnight.web.rendering import unit


def summary(found: DetailView, places: int, units: str) -> str:
    """What was found and how sure that is; without a stop at its end there is none."""
    tell = {"keep": _kept, "open": _open, "crash": _ended, "foul": _ended}.get(found.verdict.verdict, _dropped)
    return " ".join(tell(found, places, unit(units)))


def _kept(found: DetailView, places: int, units: str) -> Iterator[str]:
    verdict, (better, pairs) = found.verdict, _better(found)
    fresh = f"; {verdict.fresh_pairs} of them were drawn after its commit existed" if verdict.fresh_pairs else ""
    yield f"It beat its base on {_share(better, pairs)}{fresh}." if pairs else ""
    if verdict.fresh_pairs and verdict.effect is not None:
        stopped = f", and the evidence stopped at {odds(verdict.e_value)} to 1 where {odds(_wanted(found))} to 1 was needed"
        yield f"On those alone it is {_way(verdict.effect, places, units)}{stopped * bool(found.alpha)}."


def _dropped(found: DetailView, places: int, units: str) -> Iterator[str]:
    verdict = found.verdict
    if found.cause == "stack":
        others = ", ".join(f"#{number}" for members in found.stacks for number in members if number != found.id)
        yield f"It was looked at together with {others or 'others'} in one run, which came out no better, so all were dropped."
        yield "Most changes are worth nothing: that saves the runs for those that are."
    elif verdict.pairs and verdict.effect is not None:
        yield from _measured(found, places, units)
    else:
        yield "It was never compared with its base."


def _measured(found: DetailView, places: int, units: str) -> Iterator[str]:
    verdict, (better, pairs) = found.verdict, _better(found)
    way = _way(verdict.effect or 0.0, places, units)
    where = "on the fresh seeds alone" if verdict.fresh_pairs else "in the race, which picks the lucky"
    on = f"It beat its base on {_share(better, pairs)}. " if pairs > 1 else ""
    yield f"{on}It is {way} on average, {where}."
    for guard in found.guards:
        if guard.broken and guard.ratio is not None and guard.bound is not None:
            yield f"But it uses {guard.ratio:.2f}× of the baseline's {guard.metric}, and {guard.bound:.2f}× is allowed."
    if verdict.e_value is not None and found.alpha and not any(guard.broken for guard in found.guards):
        yield (f"The evidence that it is better stood at {odds(verdict.e_value)} to 1; a keep would have taken "
               f"{odds(_wanted(found))} to 1.")


def _open(found: DetailView, places: int, units: str) -> Iterator[str]:
    verdict = found.verdict
    if not verdict.pairs or verdict.effect is None:
        yield "No verdict yet: it waits for its first run."
        return
    fresh = f", {verdict.fresh_pairs} of them on fresh seeds" if verdict.fresh_pairs else ""
    of = f"{verdict.pairs} pair{'s' * (verdict.pairs > 1)}{fresh}"
    yield f"No verdict yet. So far it is {_way(verdict.effect, places, units)} on average of {of}; nothing is proven."


def _ended(found: DetailView, places: int, units: str) -> Iterator[str]:
    own = [run for run in found.runs if not run.as_frontier]
    failed = [run for run in own if run.outcome not in ("ok", "behind")]
    if len(own) > 1:
        yield f"{len(failed)} of its {len(own)} runs did not end well."
    else:
        yield "Its run did not end well." if own else "It was never run."


def _way(effect: float, places: int, units: str) -> str:
    return f"{'better' if effect >= 0 else 'worse'} by {fixed(abs(effect), places, sign=False)}{units}"


def _better(found: DetailView) -> tuple[int, int]:
    """On how many of its pairs it was better."""
    gains = [run.better_by for run in found.runs if run.better_by is not None and not run.as_frontier]
    return sum(gain > 0 for gain in gains), len(gains)


def _share(some: int, of: int) -> str:
    return f"all {of} seeds" if some == of > 1 else "the one seed" if some == of else f"{some} of {of} seeds"


def _wanted(found: DetailView) -> float | None:
    return 1 / found.alpha if found.alpha else None
