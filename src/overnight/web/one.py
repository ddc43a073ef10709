"""One experiment: the verdict in words, the effect, the evidence, the change, its runs and its log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from overnight.report.diff import diff
from overnight.report.figures import of_evidence, of_pairs
from overnight.report.svg.axes import decimals, fixed
from overnight.report.svg.intervals import Row, bullet, forest
from overnight.untrusted import line
from overnight.views import ladder, sentences
from overnight.views.experiment import DetailView, RunView
from overnight.views.timeline import short_title
from overnight.web.choosing import whole
from overnight.web.fragments import places
from overnight.web.frame import api, framed
from overnight.web.listing import waiting
from overnight.web.rendering import moment, text
from overnight.web.seen import Seen
from overnight.web.summary import summary

STAGES = {"race": "race", "confirm": "fresh seed", "screen": "stack", "explore": "point, explored before", "check": "check",
          "trace": "trace"}
MIB = 1 << 20


def experiment(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of one experiment. Raises NotFound."""
    found, track = seen.detail(whole(asked["number"])), seen.history.track
    later, units = sum(run.as_frontier for run in found.runs), track.unit
    more = "\n".join(found.message.rstrip().splitlines()[1:])
    return framed(
        seen, "experiment.html", f"#{found.id} {short_title(found.title)}", "experiments", found=found,
        origin=_origin(seen, found), waiting=waiting(found), track_marks=track.marks, metric=track.metric,
        better="lower" if track.direction == "minimize" else "higher", paragraph=summary(found, places(seen), units),
        explained=list(_explained(seen, found)),
        size_words=f"{abs(found.size_delta)} nodes of syntax {'more' if found.size_delta > 0 else 'fewer'}",
        message=text(more.strip()), places=places(seen), places_level=_levels(found),
        before=found.lineage.parents, after=found.lineage.later, rungs=list(ladder.about(track.ladder, found.id, units)),
        stages={run.run: _stage(run) for run in found.runs}, resources={run.run: _resources(run) for run in found.runs},
        runs_note=f"{len(found.runs)}{'' if seen.full else '; the seeds stay in the journal'}",
        own=len(found.runs) - later, later=later,
        logs=list(_logs(seen, found)), **_charts(seen, found))


def _charts(seen: Seen, found: DetailView) -> dict[str, Any]:
    """What is drawn of it."""
    track, worthwhile = seen.history.track, seen.state.track.metric.worthwhile
    drawn = {"effect_chart": forest(list(_effects(found)), worthwhile, line(track.unit, 24), "Effect"),
             "pairs_chart": of_pairs(track, found), "evidence_chart": of_evidence(found), "change": diff(found.patch)}
    made: dict[str, Any] = {name: Markup(each) for name, each in drawn.items()}
    shaded = worthwhile and f"shaded: under {fixed(worthwhile, places(seen), sign=False)}, not worthwhile"
    return made | {"shaded": shaded, "guards": [(guard, Markup(bullet(guard.ratio, guard.bound))) for guard in found.guards]}


def _effects(found: DetailView) -> Iterator[Row]:
    """The rows of its effect: on the fresh seeds or in the race, and what was measured against an older frontier."""
    verdict = found.verdict
    if verdict.effect is None:
        return
    race = f"race, {verdict.pairs} pair{'s' * (verdict.pairs > 1)}"
    where = f"{verdict.fresh_pairs} fresh seeds" if verdict.fresh_pairs else race
    yield Row(where, verdict.effect, verdict.interval, "night" if verdict.verdict == "keep" else "")


def _origin(seen: Seen, found: DetailView) -> str:
    """By which researcher and when it was proposed and judged."""
    state = seen.state
    began, last = state.opened.at if state.opened else 0.0, state.usage.last
    parts = [f"proposed by {line(found.researcher, 60)}"]
    if found.proposed_at is not None:
        parts[0] += f" at {moment(found.proposed_at, began, last)}"
    if found.judged_at is not None:
        parts.append(f"judged at {moment(found.judged_at, began, last)}")
    return ", ".join(parts)


def _explained(seen: Seen, found: DetailView) -> Iterator[str]:
    """How it was decided, in full; without what the holdout said for a reader who may not know it."""
    tell = sentences.explained if seen.full else sentences.measured
    yield from (each for each in tell(seen.history.track, found) if not each.startswith("Why: "))  # which stands above already


def _levels(found: DetailView) -> int:
    return decimals((run.better_by for run in found.runs), 3)


def _stage(run: RunView) -> str:
    return STAGES.get(run.stage, run.stage) + (", on an older frontier" if run.older else "")


def _resources(run: RunView) -> tuple[str, str]:
    """Processor seconds and memory of a run."""
    seconds, memory = run.metrics.get("cpu_seconds"), run.metrics.get("peak_memory")
    return (f"{seconds:.3g} s" if seconds is not None else "–"), (f"{memory / MIB:,.1f} MiB" if memory is not None else "–")


def _logs(seen: Seen, found: DetailView) -> Iterator[tuple[str, str, str, str]]:
    """Heading, note, text and address of each log."""
    if found.log_tail and found.runs:
        last = found.runs[-1].run
        yield (f"End of the log of run {last}", "a candidate's own words", found.log_tail,
               f"{api(seen)}/experiments/{found.id}/logs/{last}")
    if found.score_log_tail and seen.full:
        note = "keep it from researchers, it may hold unseen data"
        yield "End of what was said while scoring", note, found.score_log_tail, ""
