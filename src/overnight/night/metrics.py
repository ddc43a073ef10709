"""Further metrics: what the record suggests, what the user grants, and what was kept measured by what was granted.

Covered: a suggestion follows from the record, or is a role's words, and changes nothing; the user's act puts it into the user's
own files, which the user commits; kept commits are then measured in the sandbox by the contract and the scorer of that commit,
and the track's own verdicts stay as they are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from overnight import files
from overnight.audit.run import ChainPlan, draw
from overnight.contracts import Suggestion
from overnight.errors import EditError, TrackError
from overnight.execution.desk import code_size
from overnight.lab import exploits
from overnight.lab.events import Measured, Suggested, Watched
from overnight.lab.experiment import Experiment
from overnight.lab.jobs import Measurement, Result
from overnight.lab.state import BASELINE, State
from overnight.night.executor import Judge
from overnight.night.session import Session
from overnight.referee.further import Further, KeepEffect, Link, furthers, scored
from overnight.researchers.replay import patched
from overnight.track.granted import with_section
from overnight.track.load import load
from overnight.track.spec import FILE, SIZE, Track, covers

RULES = "rules"  # who suggests what follows from the record
SEEDS, EXACT_SEEDS = 12, 2  # that each commit runs on; where the same code gives the same number on every seed
NOTES = (".md", ".txt", ".rst")  # endings of files that judge nothing
LOGS = "metrics"  # folder of the logs of these runs


# ---- suggestions -----------------------------------------------------------------------------------------------


def suggest(session: Session) -> list[Suggested]:
    """Record what the rules find in the record of a track that is held for writing."""
    state, found = session.state, list[Suggested]()
    for number, each in enumerate(exploits.suggestions(state, sizes(session)), len(state.suggested) + 1):
        found.append(Suggested(time.time(), number, RULES, each))
    session.record(list(found))
    return found


def sizes(session: Session) -> tuple[int, int] | None:
    """Nodes of syntax at the baseline and at the frontier; None before anything is kept."""
    state = session.state
    if state.opened is None or not state.chain():
        return None
    return size_at(session, state.opened.commit), size_at(session, state.commit)


def size_at(session: Session, commit: str) -> int:
    """Nodes of the syntax of the editable files at a commit."""
    return sum(code_size(path, text) or 0 for path, text in session.repo.editable(commit, session.state.track).items())


def granted(session: Session, suggestion: Suggestion) -> bool:
    """Whether the contract in the folder measures by it already."""
    contract = load(session.repo.folder)
    return suggestion.metric in (*(watch.metric for watch in contract.watch), *(guard.metric for guard in contract.guard))


def grant(session: Session, suggestion: Suggestion) -> list[str]:
    """Put a suggestion into the user's own files, and say which. Raises TrackError, and changes nothing, where it does not fit
    them any more, or would do anything else than measure."""
    if not suggestion.section:
        raise TrackError("this suggestion is advice: there is nothing to put into a file for you.")
    folder, contract = session.repo.folder, load(session.repo.folder)
    text = (files.read(folder, FILE, 1 << 20) or b"").decode()
    after = {FILE: with_section(text, suggestion.section)}
    if suggestion.patch:
        after |= _patched(folder, suggestion.patch, contract)
    for path, new in after.items():
        fd = files.opened(folder, path, TrackError, os.O_WRONLY | os.O_TRUNC)
        if fd is None:
            raise TrackError(f"{path} is gone: put it back, and grant the suggestion again.")
        with open(fd, "w", encoding="utf-8", newline="") as file:
            file.write(new)
    return sorted(after)


def _patched(folder: Path, patch: str, contract: Track) -> dict[str, str]:
    """The protected files that a patch changes, with it. Raises TrackError."""
    judges = set(contract.score.command if contract.score else ()) - set(contract.private)
    before = {path: content.decode() for path in judges if (content := _content(folder, path)) is not None}
    try:
        after = patched(patch, before)
    except EditError as error:
        raise TrackError(f"its change of the scorer cannot be applied ({str(error).rstrip('.')}): write it by hand, then "
                         f"commit and `overnight metric score`.") from error
    if outside := next((path for path in after if path not in before), ""):
        raise TrackError(f"its patch touches {outside}, which is no file of the scorer: write it by hand.")
    return {path: text for path, text in after.items() if text is not None}


def _content(folder: Path, path: str) -> bytes | None:
    """The bytes of a file below a folder; None where it is none."""
    with suppress(OSError, TrackError):
        return files.read(folder, path, 1 << 20)
    return None


# ---- what was kept, measured -----------------------------------------------------------------------------------


def judge(session: Session) -> Judge:
    """What measures what was kept: the contract and the scorer at the commit that is checked out. The run is as it was when the
    track began. Raises TrackError where files differ from that commit."""
    now, commit = session.contract(), session.commit_to_judge()
    return Judge(replace(session.state.track, watch=now.watch, guard=now.guard, score=now.score, metric=now.metric), commit)


def by(session: Session, judge: Judge) -> list[Further]:
    """What it measures by: the track's own metric, and more."""
    return list(furthers(judge.track, session.state.track))


def waiting(session: Session, judge: Judge) -> list[Experiment]:
    """The keeps that were not measured so yet, oldest first; none where there is no further metric."""
    further, old = by(session, judge), session.state.watched
    if len(further) < 2:
        return []
    done = {keep.experiment for keep in old.found[0].keeps} if old and _same(session, judge, further) else set()
    return [keep for keep in session.state.chain() if keep.id not in done]


def _same(session: Session, judge: Judge, further: Sequence[Further]) -> bool:
    """Whether what measured last measures as this would."""
    old, repo = session.state.watched, session.repo
    if old is None or [each.further for each in old.found] != list(further) or not repo.has(old.commit):
        return False
    return all(path.endswith(NOTES) or any(covers(glob, path) for glob in judge.track.track.editable)
               for path in repo.changed(old.commit, judge.commit))


def plan(session: Session, keeps: Sequence[Experiment], count: int, measured: Sequence[Measured]) -> ChainPlan:
    """The runs that tell what these keeps did: theirs, those of what they stand on, and those of both ends."""
    state = session.state
    assert state.opened is not None
    baseline, nulls, fresh = state.opened.commit, state.known.nulls, draw(count, measured)
    owners = {state.commit: state.frontier} | {keep.commit: keep.id for keep in state.chain()} | {baseline: BASELINE}
    pairs = (commit for keep in keeps for commit in (keep.base_commit, keep.commit))
    commits = dict.fromkeys([baseline, *pairs, state.commit])
    return ChainPlan(state.track.metric.name, baseline, tuple(commits), owners, fresh, nulls.moving, nulls.draws)


def seeds(state: State) -> int:
    """How many seeds tell enough where none are given."""
    return EXACT_SEEDS if state.known.kind.name == "deterministic" and not state.known.nulls.moving else SEEDS


class Values(dict[str, dict[int, dict[str, float]]]):
    """What runs measured, by commit and seed."""

    def add(self, result: Result) -> None:
        """Take what a run measured, where it ended well."""
        if isinstance(result, Measurement) and result.outcome == "ok":
            self.setdefault(result.job.commit, {})[result.job.seed] = dict(result.metrics)


def conclude(session: Session, judge: Judge, keeps: Sequence[Experiment], count: int, values: Values) -> Watched:
    """What the runs amount to, with what was measured of other keeps before, on the record of a track held for writing."""
    state, further = session.state, by(session, judge)
    assert state.opened is not None
    old = state.watched if state.watched and _same(session, judge, further) else None
    new, chain = {keep.id for keep in keeps}, [Link(keep.id, keep.commit, keep.base_commit) for keep in state.chain()]
    if any(each.metric == SIZE for each in further):
        _count(session, values)
    found = [scored(each, chain, state.opened.commit, values, _known(old.found[place].keeps if old else (), new))
             for place, each in enumerate(further)]
    event = Watched(time.time(), judge.commit, count, tuple(found))
    session.record([event])
    return event


def _known(keeps: Iterable[KeepEffect], new: set[int]) -> list[KeepEffect]:
    """What was measured before and is not measured now."""
    return [keep for keep in keeps if keep.experiment not in new]


def _count(session: Session, values: Mapping[str, dict[int, dict[str, float]]]) -> None:
    """Add the size of the code to what was measured of each commit."""
    for commit, runs in values.items():
        size = float(size_at(session, commit))
        for metrics in runs.values():
            metrics[SIZE] = size
