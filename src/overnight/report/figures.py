"""The charts of a track and of an experiment, from their views. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from overnight.report.scene import Along, scene
from overnight.report.svg.evidence import Odds, evidence
from overnight.report.svg.pairs import Pair, Summary, pairs
from overnight.report.svg.progress import LOOK, Look, progress
from overnight.views.experiment import DetailView, ExperimentView, History
from overnight.views.track import TrackView

COMPARED = ("race", "confirm", "explore")  # stages whose runs are pairs


def of_progress(told: History, look: Look = LOOK, timed: bool = False) -> str:
    """The chart of progress, over the numbers of the experiments, or over the time since the first of them."""
    return progress(scene(told, along=since(told.experiments) if timed else None), look)


def since(experiments: Sequence[ExperimentView]) -> Along | None:
    """The time of an experiment, in seconds since the first was proposed: of a keep when it was kept, else when it was
    proposed. None where the times are not known."""
    first = min((each.proposed_at for each in experiments if each.proposed_at is not None), default=None)
    if first is None or any(each.proposed_at is None for each in experiments):
        return None

    def along(each: ExperimentView) -> float:
        at = each.judged_at if each.verdict.verdict == "keep" and each.judged_at is not None else each.proposed_at
        return max(0.0, (at if at is not None else first) - first)

    return along


def of_pairs(track: TrackView, found: DetailView) -> str:
    """The chart of an experiment's pairs; "" where it has none."""
    known = [run for run in found.runs
             if run.stage in COMPARED and run.base is not None and track.metric in run.metrics and not run.as_frontier]
    sign = 1 if track.direction == "minimize" else -1
    drawn = [Pair(run.base or 0.0, run.metrics[track.metric], run.stage == "confirm" and not run.older) for run in known]
    verdict = found.verdict
    mean = Summary(verdict.effect, verdict.interval) if verdict.effect is not None else None
    return pairs(drawn, sign, *((None, mean) if verdict.fresh_pairs else (mean, None)))


def of_evidence(found: DetailView) -> str:
    """The chart of how the evidence for an experiment grew; "" where its verdict rests on none."""
    return evidence([Odds(step.e_value, step.wanted, step.fresh) for step in found.evidence_path if not step.older])
