"""The team of a track: what each of its members proposed, what it gained and what it cost, and how much of the machine lay
idle. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from overnight.lab.state import State
from overnight.untrusted import readable
from overnight.views.experiment import BY_HAND
from overnight.views.findings import beside

MOST_NAME_CHARACTERS = 80


class MemberView(Struct, frozen=True):
    """One member of the team, a role or a person or agent that handed changes in.

    name, role   its name, and its kind in the program; "by hand" where it handed changes in, "" where that is not known
    tonight      whether it belongs to the latest session
    experiments  that it proposed: `kept` that still count, `open` without a verdict, `failed` crashed or fouled ones
    gain         the sum of the effects of what is kept, in the metric's unit, positive is better
    seconds      that its runs and its thinking took, and `runs` how many these were
    calls, tokens, dollars   of models; dollars are None where the price of a call is not known
    gain_an_hour, gain_a_dollar  the gain for an hour of `seconds`, and for a dollar; None where there is none to divide by
    """

    name: str
    role: str
    tonight: bool
    experiments: int
    kept: int
    open: int
    failed: int
    gain: float
    seconds: float
    runs: int
    calls: int
    tokens: int
    dollars: float | None
    gain_an_hour: float | None
    gain_a_dollar: float | None


class TeamView(Struct, frozen=True):
    """The team of a track.

    members   in the order of their gain, the largest first
    metric, unit   in which gains are, and `marks` what must stand beside them
    tokens_a_minute  of all models while the track was at work; None before that
    busy_share  share of the workers' time that was spent in runs, and `idle_seconds` what is left of it, summed over workers;
                None before a session
    dollars   that all calls to models came to; None where the price of one is not known
    """

    members: tuple[MemberView, ...]
    metric: str
    unit: str
    marks: tuple[str, ...]
    tokens_a_minute: float | None
    busy_share: float | None
    idle_seconds: float | None
    dollars: float | None


class Tried(NamedTuple):
    """What is counted of an experiment of a member; `gain` is None where it is not kept."""

    gain: float | None
    verdict: str
    by_hand: bool
    cost: float
    runs: int


def team(state: State) -> TeamView:
    """The members of a track's team, with those that advise and propose nothing. Raises JournalError before it is opened."""
    usage, kept, by = state.usage, {each.id for each in state.chain()}, defaultdict[str, list[Tried]](list)
    for each in state.experiments.values():
        gain = each.effect or 0.0 if each.id in kept else None
        by[each.researcher].append(Tried(gain, each.verdict, bool(each.request), each.cost, each.runs))
    names = dict.fromkeys([*by, *state.researchers, *(role for role in usage.used if role)])
    members = sorted((_member(state, name, by.get(name, ())) for name in names), key=lambda each: (-each.gain, each.name))
    uses = usage.used.values()
    share = usage.busy / usage.capacity if usage.capacity else None
    return TeamView(
        tuple(members), readable(state.track.metric.name), readable(state.track.metric.unit), beside(state),
        60 * sum(use.tokens for use in uses) / usage.seconds if usage.seconds else None,
        share, max(0.0, usage.capacity - usage.busy) if usage.capacity else None,
        None if any(use.unpriced for use in uses) else math.fsum(use.dollars for use in uses))


def _member(state: State, name: str, mine: Sequence[Tried]) -> MemberView:
    use, own = state.usage.used.get(name), [each.gain for each in mine if each.gain is not None]
    gain, seconds = math.fsum(own), math.fsum(each.cost for each in mine)
    dollars = 0.0 if use is None else None if use.unpriced else use.dollars
    role = readable(state.roles.get(name, "")) or (BY_HAND if any(each.by_hand for each in mine) else "")
    return MemberView(
        readable(name, MOST_NAME_CHARACTERS), role, name in state.researchers, len(mine), len(own),
        sum(each.verdict == "open" for each in mine), sum(each.verdict in ("crash", "foul") for each in mine), gain, seconds,
        sum(each.runs for each in mine), use.calls if use else 0, use.tokens if use else 0, dollars,
        3600 * gain / seconds if seconds > 0 else None, gain / dollars if dollars else None)
