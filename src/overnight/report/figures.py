"""The charts of a track and of an experiment, from their views. Pure."""

from __future__ import annotations

from overnight.report.svg.axes import decimals
from overnight.report.svg.evidence import Odds, evidence
from overnight.report.svg.pairs import Pair, Summary, pairs
from overnight.report.svg.progress import LOOK, Look, progress, words
from overnight.views.experiment import DetailView, History
from overnight.views.rows import measured, named, rows
from overnight.views.timeline import scene, since
from overnight.views.track import TrackView

COMPARED = ("race", "confirm", "explore")  # stages whose runs are pairs


def of_progress(told: History, look: Look = LOOK, timed: bool = False) -> str:
    """The chart of progress, over the numbers of the experiments, or over the time since the first of them."""
    return progress(scene(told, along=since(rows(told.experiments)) if timed else None), look)


def of_point(told: History, number: int, explored: bool = False) -> tuple[str, str] | None:
    """What the chart of progress says of an experiment, or of an explored point: its effect with the interval, and its title;
    None where it has no point of that number."""
    some = () if explored else tuple(named(told.experiments, [number]).values())
    points = tuple(each for each in told.points if explored and each.point == number)
    shown = scene(History(told.track, some, told.kept, points))
    found = shown.explored if explored else (*shown.kept, *shown.others)
    return next((words(dot, decimals(measured(told))) for dot in found if dot.id == number), None)


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
