"""An experiment as its proposer may see it: the verdict with its evidence.

Covered: no seed of a run, no number of the holdout, nothing that was said while scoring, no key; words from outside are
cleaned, bounded and, on the page, fenced.
Not covered: a proposer that can read the track's folder reads the journal itself; docs/agents.md says what to do about that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import asdict, replace

from overnight.lab.events import Event
from overnight.lab.experiment import Experiment
from overnight.lab.state import State
from overnight.untrusted import fenced, line, plain, quoted
from overnight.views import sentences
from overnight.views.experiment import ExperimentView, RunView, detail
from overnight.views.experiment import experiment as view
from overnight.views.track import TrackView, track

TITLE, NAME, PATCH, LOG, RUNS = 160, 60, 8_000, 2_000, 40  # characters, and runs, that are shown at most


class PublicView(ExperimentView, frozen=True):
    """One experiment as its proposer may see it: the fields of ExperimentView, bounded, and these.

    evidence   what was measured, in sentences
    runs       the newest runs, oldest first, without those that it made as the frontier beside later changes
    patch      its change, as a diff
    frontier   commit of the frontier
    log        end of the log of its last run that failed, in the candidate's words
    untrusted  the fields that hold words from outside
    """

    evidence: tuple[str, ...]
    runs: tuple[RunView, ...]
    patch: str
    frontier: str
    log: str
    untrusted: tuple[str, ...] = ("message", "verdict.reason", "runs.reason", "patch", "log")


def experiment(state: State, chosen: Experiment, events: Sequence[Event], log: Callable[[str], str]) -> PublicView:
    """An experiment as its proposer may see it. `log` gives the text of a kept log by its name, "" where there is none."""
    found = detail(state, chosen, events, log)
    own = [run for run in found.runs if not run.as_frontier]
    runs = (RunView(run.run, run.stage, run.outcome, line(run.reason, 2 * TITLE), run.metrics, run.base, run.better_by,
                    run.ratio, run.older, run.as_frontier, run.seconds, run.point) for run in own[-RUNS:])
    return PublicView(
        **asdict(_cleaned(view(state, chosen), plain(chosen.message, PATCH))),
        evidence=tuple(sentences.measured(track(state), found)),
        runs=tuple(runs),
        patch=plain(found.patch, PATCH),
        frontier=state.commit,
        log=plain(log(chosen.log) if chosen.log else "", LOG, end=True))


def listed(state: State, chosen: Experiment) -> ExperimentView:
    """The same for a list: of its message the title alone."""
    return _cleaned(view(state, chosen), line(chosen.title, TITLE))


def _cleaned(found: ExperimentView, message: str) -> ExperimentView:
    verdict = replace(found.verdict, reason=line(found.verdict.reason, 2 * TITLE))
    return replace(found, message=message, researcher=line(found.researcher, NAME), verdict=verdict)


def words(where: TrackView, found: PublicView, whole: bool = True) -> str:
    """The same as a page of markdown; `whole`: with the runs and the diff."""
    verdict, title = found.verdict, found.message.partition("\n")[0]
    told = [f"Experiment #{found.id}: **{verdict.said.rstrip(',')}**{found.marked}, {quoted(title, TITLE)}", ""]
    told += [f"- Why: {quoted(verdict.reason, 2 * TITLE)}"] if verdict.reason else []
    told += [f"- {sentence}" for sentence in found.evidence]
    told += [f"- The frontier is commit {found.frontier[:12]}."]
    parts = ["\n".join(told)]
    if found.log:
        parts.append(fenced(found.log, f"the end of the log of experiment #{found.id}", LOG, end=True))
    if whole and found.runs:
        table = "\n".join(sentences.compared(where, found.runs))
        parts.append(fenced(table, f"the runs of experiment #{found.id}", PATCH))
    if whole and found.patch:
        parts.append(fenced(found.patch, f"the diff of experiment #{found.id}", PATCH))
    return "\n\n".join(parts)
