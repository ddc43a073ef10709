"""What a night could not have found under its noise, in a sentence: that nothing was found need not mean that there is nothing.
Pure.

Covered: metrics that scatter, times among them. Not covered: metrics of success or failure, and what lies outside the changes
that were tried.
"""

from __future__ import annotations

from msgspec import Struct

from overnight.lab.state import State
from overnight.referee import limits as price
from overnight.track.units import number
from overnight.untrusted import line as one_line
from overnight.views.points import LeadView, about

SCATTERS = ("noisy", "timing")  # kinds of metric of which the price of a proof is known


class LimitsView(Struct, frozen=True):
    """What could not be found, and what it would take.

    sentence         the same in words, without its stop
    least            about the smallest improvement that could be confirmed in the runs so far, of which a verdict takes few, in
                     the metric's unit
    worthwhile_runs  about how many runs confirm one of `worthwhile`; None where that is 0 and says nothing
    lead_runs        about how many more confirm the lead; None where there is none, or they are more than one verdict takes
    """

    sentence: str
    least: float
    worthwhile_runs: int | None
    lead_runs: int | None


def limits(state: State, lead: LeadView | None) -> LimitsView | None:
    """What the noise has kept from being found so far; None where there is nothing to say: something was kept and no open lead
    promises more, or all that is worthwhile could have been found, or nothing was tried."""
    noise, worthwhile = state.noise, state.track.metric.worthwhile
    if not noise or state.known.kind.name not in SCATTERS or not (state.experiments or state.probes.made):
        return None
    most = price.of_verdict(state.policy)
    least = price.least(noise, min(state.runs, most))
    hidden = not state.chain() and (not worthwhile or worthwhile < least)
    promises = lead is not None and lead.gain >= max(worthwhile, lead.deviation) and price.runs_for(lead.gain, noise) <= most
    if not hidden and not promises:
        return None
    whole = round(price.runs_for(worthwhile, noise)) if worthwhile else None
    more = round(price.runs_for(lead.gain, noise)) if lead and promises else None
    unit = one_line(state.track.metric.unit, 24)
    span = f"in the {state.runs:,} runs so far" if state.runs <= most else f"in the {most} runs that a verdict takes at most"
    parts = [_hidden(noise, least, worthwhile, whole, span, unit) if hidden else "",
             _promised(lead, more, unit) if lead and more else ""]
    return LimitsView("; ".join(filter(None, parts)), least, whole, more)


def _hidden(noise: float, least: float, worthwhile: float, whole: int | None, span: str, unit: str) -> str:
    scatter = f"with noise of {_size(noise, unit)} (one pair's standard deviation)"
    only = f"{span} only changes of at least about {_size(least, unit)} could be confirmed"
    if whole is None:
        return f"{scatter}, {only}"
    wanted = f"an improvement of {_size(worthwhile, unit)}, which is worthwhile, takes about {_round(whole)} runs to confirm"
    return f"{scatter} {wanted}; {only}"


def _promised(lead: LeadView, more: int, unit: str) -> str:
    return (f"the best point explored, {lead.point}, is thought to be better by {about(lead.gain, lead.deviation, unit)}; to "
            f"confirm that takes about {_round(more)} runs more")


def _size(size: float, unit: str) -> str:
    return f"{number(size, 2)} {unit}".rstrip()


def _round(count: float) -> str:
    return f"{float(f'{count:.2g}'):,.0f}"
