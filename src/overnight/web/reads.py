"""What the API answers of a track: each a function of what is seen, the parameters of its path and its query."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from overnight.audit.arithmetic import Audit
from overnight.contracts import Idea
from overnight.errors import NotFound
from overnight.lab.events import Event
from overnight.report import audit as audits
from overnight.report.figures import of_point
from overnight.untrusted import visible
from overnight.views import compare, rows, timeline
from overnight.views import findings as findings_of
from overnight.views import program as program_of
from overnight.views import team as team_of
from overnight.views.compare import CompareView
from overnight.views.experiment import DetailView, RunDetailView
from overnight.views.findings import FindingsView
from overnight.views.team import TeamView
from overnight.views.timeline import ProgressView
from overnight.views.track import TrackView
from overnight.views.unseen import scrubbed
from overnight.web import instructions, sides, wire
from overnight.web.seen import Seen

Params = Mapping[str, str]
MOST_DIGITS = 15
KEYS: dict[str, Callable[[rows.Listed], float | None]] = {
    "number": lambda each: each.id, "effect": lambda each: each.verdict.effect, "evidence": lambda each: each.verdict.e_value,
    "pairs": lambda each: each.verdict.pairs,
}


def numbered(text: str, what: str) -> int:
    """A number in a path. Raises NotFound where it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise NotFound(f"there is no {what} {text[:60]!r}.")
    return int(text)


def where_it_stands(seen: Seen, _query: wire.NoQuery, _params: Params) -> TrackView:
    """The track."""
    return seen.history.track


def experiments(seen: Seen, query: wire.ExperimentsQuery, _params: Params) -> wire.ExperimentList:
    """Some of its experiments."""
    every, order = seen.history.experiments, _order(query.sort)
    among = rows.rows(every, told=bool(query.q))
    found = sorted((*order(each), place) for place, each in enumerate(among) if _fits(each, query))
    begin = 0
    if query.after is not None:
        last = rows.named(every, [query.after]).get(query.after)
        if last is None:
            raise NotFound(f"there is no experiment {query.after}.")
        begin = bisect_right(found, order(last), key=itemgetter(slice(2)))
    items = tuple(rows.picked(every, [place for *_, place in found[begin:begin + query.limit]]))
    return wire.ExperimentList(items, len(found), items[-1].id if begin + query.limit < len(found) else None)


def _fits(each: rows.Listed, query: wire.ExperimentsQuery) -> bool:
    text = query.q.casefold()
    return ((query.verdict is None or each.verdict.verdict == query.verdict)
            and (not query.cause or each.cause == query.cause)
            and (not query.researcher or each.researcher == query.researcher)
            and (not query.role or each.role == query.role)
            and (query.idea is None or each.idea == query.idea)
            and (not text or text in each.message.casefold() or text in each.verdict.reason.casefold()))


def _order(sort: str) -> Callable[[rows.Listed], tuple[float, int]]:
    key, sign = KEYS[sort.lstrip("-")], -1 if sort.startswith("-") else 1

    def place(each: rows.Listed) -> tuple[float, int]:
        value = key(each)
        return (math.inf if value is None or math.isnan(value) else sign * value), sign * each.id

    return place


def experiment(seen: Seen, _query: wire.NoQuery, params: Params) -> DetailView:
    """One experiment."""
    return seen.detail(numbered(params["number"], "experiment"))


def patch(seen: Seen, _query: wire.NoQuery, params: Params) -> str:
    """Its change, as a diff."""
    return experiment(seen, _query, params).patch


def runs(seen: Seen, _query: wire.NoQuery, params: Params) -> tuple[RunDetailView, ...]:
    """Its runs, oldest first."""
    return experiment(seen, _query, params).runs


def log(seen: Seen, query: wire.LogQuery, params: Params) -> str | None:
    """The text of a run's log, of this experiment; None where a reader without the token may not see it."""
    number, found = numbered(params["run"], "run"), experiment(seen, wire.NoQuery(), params)
    if number not in {run.run for run in found.runs}:
        raise NotFound(f"experiment {found.id} has no run {number}.")
    if "score" in query.of and not seen.full:
        return None
    text = seen.session.log(f"{number}.log" if query.of == "run" else f"{number}-{query.of}.log")
    if not text:
        raise NotFound(f"no such log of run {number} is kept.")
    known = {} if seen.full else {run.run: str(run.seed) for run in seen.shelf(found.id, True).runs}
    return scrubbed(text, [known[number]]) if number in known else text


def progress(seen: Seen, query: wire.RangeQuery, _params: Params) -> ProgressView:
    """The course of the track."""
    return timeline.progress(seen.history, query.first, query.last, query.timed)


def point(seen: Seen, query: wire.PointQuery, params: Params) -> wire.PointWordsView:
    """What the chart says of one point. Raises NotFound where it has none of that number."""
    number = numbered(params["number"], "point")
    found = of_point(seen.history, number, query.explored)
    if found is None:
        raise NotFound(f"the chart of progress has no point of number {number}.")
    return wire.PointWordsView(*found)


def audit(seen: Seen, _query: wire.NoQuery, _params: Params) -> Audit:
    """What was kept, measured again. A reader without the token is shown no seed."""
    found = audits.load(seen.session.home / audits.FILE, seen.state) if seen.state.opened else None
    if found is None:
        raise NotFound("what is kept was not audited yet: `overnight audit` does that.")
    if seen.full:
        return found
    return replace(found, plan=replace(found.plan, seeds=()),
                   runs=tuple(replace(run, seed=0, reason=scrubbed(run.reason, [str(run.seed)])) for run in found.runs))


def findings(seen: Seen, _query: wire.NoQuery, _params: Params) -> FindingsView:
    """What was found, and whether it holds."""
    _begun(seen)
    home = seen.session.home
    return findings_of.findings(seen.state, audits.load(home / audits.FILE, seen.state), full=seen.full)


def jobs(seen: Seen, _query: wire.NoQuery, _params: Params) -> wire.JobList:
    """What is under way."""
    return wire.JobList(seen.live, seen.doing)


def ideas(seen: Seen, _query: wire.NoQuery, _params: Params) -> wire.IdeaList:
    """The queue of ideas."""
    found = tuple(_shown(seen.state.idea(entry)) for entry in seen.state.ideas)
    return wire.IdeaList(found, len(found))


def _shown(idea: Idea) -> Idea:
    return replace(idea, title=visible(idea.title), text=visible(idea.text), source=visible(idea.source),
                   outcome=visible(idea.outcome))


def program(seen: Seen) -> wire.ProgramNowView:
    """The instructions for researchers, with their versions."""
    found, problem = instructions.program(seen)
    return wire.ProgramNowView(**asdict(found), problem=problem)


def difference(seen: Seen, query: wire.VersionsQuery) -> str:
    """What differs between two versions of the program, as a diff. Raises NotFound."""
    versions = instructions.program(seen)[0].versions
    new = len(versions) if query.new is None else query.new
    old = new - 1 if query.old is None else query.old
    for each in (old, new):
        if not 1 <= each <= len(versions):
            raise NotFound(f"there is no version {each} of the program.")
        if versions[each - 1].text is None:
            raise NotFound(f"the text of version {each} is not in the journal.")
    return program_of.difference(versions[old - 1], versions[new - 1])


def changed(seen: Seen, text: str) -> str:
    """What a text would change in the program that is in force, as a diff; "" where nothing."""
    before = instructions.program(seen)[0].text or ""
    return program_of.compared(before, visible(text), "program.md, in force", "program.md, as edited")


def team(seen: Seen, _query: wire.NoQuery, _params: Params) -> TeamView:
    """The researchers, and what became of what they proposed."""
    _begun(seen)
    return team_of.team(seen.state)


def comparison(seen: Seen, query: wire.CompareQuery) -> CompareView:
    """The track beside another one, or two of its researchers beside one another. Raises NotFound."""
    _begun(seen)
    if query.track and seen.beside is None:
        raise NotFound(f"nothing was run on {query.track[:60]!r} yet.")
    for name in (query.one, query.other):
        if name and name not in sides.team(seen):
            raise NotFound(f"there is no researcher {name[:60]!r}.")
    found = sides.sides(seen, query.one, query.other)
    if len(found) != 2:
        raise NotFound("there are no two researchers to compare: name another track.")
    return compare.compare(*found)


def _begun(seen: Seen) -> None:
    """Raise NotFound where there is nothing to tell of."""
    if seen.state.opened is None:
        raise NotFound("nothing was run here yet: `overnight run` begins.")


def journal(seen: Seen, query: wire.JournalQuery, _params: Params) -> wire.RecordList:
    """Some records of the journal."""
    if not seen.session.begun:
        return wire.RecordList((), None)
    after = min(query.after, seen.seq)
    found = itertools.islice(seen.session.journal.replay(after=after), min(query.limit, seen.seq - after))
    items = tuple(_record(seq, event, seen.full) for seq, event in enumerate(found, after + 1))
    return wire.RecordList(items, items[-1].seq if items and items[-1].seq < seen.seq else None)


def _record(seq: int, event: Event, full: bool) -> wire.RecordView:
    body: dict[str, Any] = msgspec.to_builtins(event, str_keys=True)
    number = getattr(event, "experiment", None)
    return wire.RecordView(seq, event.at, body["kind"], number or None, body if full else None)


def listed(every: Sequence[Any], full: bool) -> tuple[wire.TrackEntry, ...]:
    """The tracks that are served, as far as they are known."""
    return tuple(wire.TrackEntry(each.name, each.live, each.state.opened is not None, each.seq, each.head if full else "",
                                 each.problem)
                 for each in every)
