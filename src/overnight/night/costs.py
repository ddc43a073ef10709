"""What `check` says of the seconds of a run: what they are for, and what would save some. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from overnight.lab.jobs import Measurement
from overnight.lab.usage import divided
from overnight.track.spec import Track
from overnight.views.track import moments

NOTABLE_SHARE, NOTABLE_SECONDS = 0.1, 0.3  # of a run that imports take, from which on it is told
MOST_IMPORTING = 30.0  # seconds of the run whose imports are timed: they come at its beginning
OFTEN, QUICK = 3, 5.0  # times that a result is scored with an audit and without, where a run takes less than so many seconds


def spent(runs: Sequence[Measurement]) -> dict[str, float]:
    """Seconds of one run on average, by what they were for; {} where nothing was noted."""
    found = [part for run in runs if (part := divided(run))]
    return {what: sum(each.get(what, 0.0) for each in found) / len(found) for each in found for what in each}


def itself(runs: Sequence[Measurement]) -> float:
    """Seconds that a run itself takes on average, its start-up included; 0 where that was not noted."""
    found = spent(runs)
    return found.get("run", 0.0) + found.get("start-up", 0.0)


def of_imports(modules: Mapping[str, float], run: float) -> str:
    """What imports cost a run of so many seconds, and how to save that, where these modules took so many each; "" where that is
    little. None of them is the candidate's own."""
    whole = sum(modules.values())
    if whole < NOTABLE_SECONDS or whole < NOTABLE_SHARE * run:
        return ""
    ranked = sorted(modules, key=lambda name: (-modules[name], name))
    most = [name for name in ranked if modules[name] >= NOTABLE_SHARE * whole] or ranked[:1]
    named, quoted = ", ".join(f"{name} {moments(modules[name])}" for name in most), ", ".join(f'"{name}"' for name in most)
    return (f"imports take {moments(whole)} of the {moments(run)} that a run itself takes ({named}): `preload = [{quoted}]` in "
            "[run] has them done once for all runs")


def of_audits(track: Track, audited: Measurement, plain: Measurement, exact: bool) -> Iterator[str]:
    """What audits of the scorer cost, where one result was scored with and without; `exact`: a run gives the same number
    twice."""
    with_it, without = (moments(sum((run.spent or {}).values())) for run in (audited, plain))
    yield f"scoring takes {without}, and {with_it} with an audit, which comes where a change is confirmed"
    number, other = (run.metrics.get(track.metric.name) for run in (audited, plain))
    if exact and number is not None and number != other:
        shown = f"gives {other:.6g}" if other is not None else f"fails ({plain.reason.rstrip('.')})"
        yield (f"note: without an audit the scorer {shown}, with one it gives {number:.6g}: let the audit draw from a generator"
               " of its own and change no number, or races measure something else than what is confirmed.")
