"""What failed, in groups by why it lost: discards by what was found of them, crashes and fouls by their reasons. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from overnight.lab.experiment import GUARDED
from overnight.referee.holdout import DENIED, UNCHECKED
from overnight.report.tables import plain
from overnight.views.experiment import ExperimentView
from overnight.views.verdict import VerdictView

EXAMPLES = 5  # experiments named in each group
REASONS = 8  # different reasons of crashes that are named
REASON = 200  # characters of one
PROMISING = "Promising, not proven"
WORSE, NEUTRAL = "Made it worse", "Made no difference that could be seen"
SMALL, FADED = "Better, but by less than is worthwhile", "Looked better, but not on fresh seeds"
GUARD, TOGETHER, UNKNOWN = "Broke a guard", "Only looked at together with others, which did not win", "Never compared"
OVERFIT = "Better, but not on the holdout"
KINDS = (PROMISING, SMALL, FADED, OVERFIT, NEUTRAL, WORSE, GUARD, TOGETHER, UNKNOWN)


class Group(NamedTuple):
    """Discarded experiments of a kind, the most promising first."""

    kind: str
    experiments: tuple[ExperimentView, ...]


class Ended(NamedTuple):
    """Experiments that ended for the same reason, in its own words."""

    reason: str
    experiments: tuple[int, ...]


def discarded(experiments: Sequence[ExperimentView]) -> list[Group]:
    """The groups that are not empty, in the order of KINDS."""
    groups: dict[str, list[ExperimentView]] = defaultdict(list)
    for each in experiments:
        if each.verdict.verdict == "discard":
            groups[_kind(each.verdict)].append(each)
    return [Group(kind, tuple(sorted(groups[kind], key=_promise))) for kind in KINDS if groups[kind]]


def ended(experiments: Sequence[ExperimentView], verdict: str) -> list[Ended]:
    """The crashes or the fouls by their reasons, the most frequent first."""
    groups: dict[str, list[int]] = defaultdict(list)
    for each in experiments:
        if each.verdict.verdict == verdict:
            groups[plain(each.verdict.reason, REASON)].append(each.id)
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[1]))
    return [Ended(reason, tuple(ids)) for reason, ids in ranked]


def _promise(found: ExperimentView) -> tuple[float, float, int]:
    """The most promising first, and the largest effect where nothing is known of that."""
    finding = found.verdict.finding
    return -(finding.chance if finding else 0.0), -abs(found.verdict.effect or 0.0), found.id


def _kind(verdict: VerdictView) -> str:
    """What a discarded experiment teaches; one of KINDS."""
    if verdict.reason.startswith(GUARDED):
        return GUARD
    if verdict.reason in (DENIED, UNCHECKED):
        return OVERFIT
    if verdict.finding is not None:
        return {"promising": PROMISING, "worse": WORSE}.get(verdict.finding.word, NEUTRAL)
    if verdict.effect is None:
        return TOGETHER if verdict.word else UNKNOWN
    low, high = verdict.interval or (-abs(verdict.effect), abs(verdict.effect))
    if high < 0:
        return WORSE
    if verdict.fresh_pairs:
        return SMALL if low > 0 else FADED
    return NEUTRAL
