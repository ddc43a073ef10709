"""What agents may do with one track: the tools, each answered by a text for a model and the same content as data.

Covered: an agent sees what a researcher sees (`views.public`, `brief`); a work tree of another repository is refused; answers
and what is under way are bounded; no lock is held between two calls but by a change that is being measured.
Not covered: authentication. Any client that reaches the server may try changes, add ideas and read the code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, TextContent
from msgspec import to_builtins
from pydantic import Field

from overnight.brief import page
from overnight.contracts import Idea
from overnight.errors import OvernightError, TrackError
from overnight.ideas.found import written
from overnight.lab.jobs import PATIENT, DropIdea, Try
from overnight.mcp.pending import PendingTry
from overnight.night import dispatch
from overnight.night.inbox import Inbox, request
from overnight.night.session import Session, opened
from overnight.repo import Repo
from overnight.track.units import number as shown
from overnight.untrusted import clean, line, quoted
from overnight.views import public
from overnight.views.experiment import effect, named, resumable
from overnight.views.points import best
from overnight.views.points import explored as what_was_explored
from overnight.views.progress import so_far
from overnight.views.track import explored, gain, on_one_seed, track

MOST_PENDING = 8  # changes of one server that may be under way
TITLE, SAID = 160, 60  # characters of a title; of a name or a source
SHORT, LONG = 45, 600  # seconds: many clients give a call a minute; none should hold one longer than ten
TICK = 0.5  # seconds between two looks at what is under way
TELLS = 5.0  # seconds between two looks at how far a change is
STATUS = ("track", "goal", "metric", "unit", "direction", "marks", "fixed_seeds", "estimated", "baseline", "baseline_runs",
          "frontier", "frontier_runs", "gain", "ratio", "noise", "commit", "branch", "experiments", "open", "kept", "discarded",
          "crashed", "fouled", "explored", "explored_runs", "lead", "limits", "runs", "paused")

Tokens = Annotated[int, Field(ge=2_000, le=20_000, description="Length of the page at most, in tokens.")]
Last = Annotated[int, Field(ge=1, le=500, description="How many of the newest to list.")]
Wait = Annotated[float, Field(ge=0, le=LONG, description="Seconds to wait for the verdict before the call returns without it.")]
Id = Annotated[int | Annotated[str, Field(max_length=80)],
               Field(description="An experiment's number or commit, or what try_change said to ask for.")]
By = Annotated[str, Field(max_length=50, description="Your name, for the record.")]
Tree = Annotated[str, Field(max_length=4096, description="Folder of your git work tree of the track's repository; empty: the "
                            "folder that the server was started for.")]
Message = Annotated[str, Field(max_length=16_000, description="A title that says what changes, an empty line, and why it "
                               "should help.")]
Which = Annotated[int, Field(ge=0, description="The idea of the queue that it tries; 0: none.")]
Patient = Annotated[float | None, Field(ge=0, le=1e6, description="Minutes of runs that a promising change may take; "
                    "0: the quick verdict; null: until it is proven or hardly worth having.")]
Final = Annotated[bool, Field(description="Wait on where a change is promising, not proven: idle measure slots go on with it.")]
Title = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=4_000)]
Number = Annotated[int, Field(ge=1)]


class Verbs:
    """The verbs of one track, which is opened anew for each call, so that every answer is up to date.

    Each public method but `close` is a tool, and its documentation is what a model reads of it. Each raises TrackError with
    one sentence for what cannot be.
    """

    def __init__(self, folder: Path, sandbox_name: str = "bubblewrap", workers: int | None = None) -> None:
        self.folder, self._sandbox, self._workers = folder.resolve(), sandbox_name, workers
        self._pending: dict[str, PendingTry] = {}

    @contextmanager
    def _track(self) -> Iterator[Session]:
        session = opened(self.folder)
        try:
            yield session
        finally:
            if session.begun:
                session.journal.close()

    # -- looking --

    def brief(self, tokens: Tokens = 8_000) -> CallToolResult:
        """Everything needed to propose the next change, on one page: the goal, how a change is judged, what may be edited, the
        code at the frontier, what was kept and by how much, what failed and why, open ideas, and the commit to start from.
        Read it first, and again after every few verdicts."""
        with self._track() as session:
            told = dispatch.brief(session)
            tip = f", the tip of branch {session.branch}" if session.begun else ""
            where = (f"The commit to change is {told.commit}{tip}. Work in a tree of your own: "
                     f"`git -C {session.repo.folder} worktree add --detach PATH {told.commit}`.")
        return _answer(f"{page.page(told, tokens).text}\n{where}\n")

    def status(self) -> CallToolResult:
        """Where the track stands: the metric at the baseline and at the frontier, the frontier's commit and branch, how many
        experiments were kept or not, and whether a night is at work or paused."""
        with self._track() as session:
            state = session.look()
            if state.opened is None:
                return _answer("Nothing was tried on this track yet. Read the brief, then try a change.", {"experiments": 0})
            found, at_work = track(state), session.at_work()
            gained = f", {gain(found)}" * bool(found.kept)
        data = {name: to_builtins(getattr(found, name)) for name in STATUS}
        counts = ", ".join(f"{data[name]} {name}" for name in ("kept", "discarded", "crashed", "fouled", "open"))
        night = "A night is at work" + " and paused" * found.paused if at_work else "No night is at work"
        return _answer(
            f"{found.metric} ({found.direction}): {shown(found.baseline, 6)} at the baseline (mean of {found.baseline_runs} "
            f"runs), {shown(found.frontier, 6)} at the frontier (of {found.frontier_runs}){gained}, commit {found.commit[:12]} "
            f"on {found.branch}. {found.experiments} experiments: {counts}. {night}."
            + (f" A campaign {explored(found)}." if found.explored else "")
            + (f" Mind that {found.limits.sentence}." if found.limits else "")
            + (f" Estimated, because nothing could count it: {', '.join(found.estimated)}." if found.estimated else "")
            + (f" Beware, {on_one_seed(found)}." if on_one_seed(found) else ""),
            data | {"at_work": at_work})

    def log(self, last: Last = 50) -> CallToolResult:
        """The newest experiments of all researchers, oldest first: number, verdict and what was found, effect (positive is
        better) with its 95 % interval, title, reason; and how many points were explored by single runs, which are no
        experiments."""
        with self._track() as session:
            state = session.look()
            every = list(state.experiments.values())
            found = [public.listed(state, each) for each in every[-last:]]
            points, lead = len(state.probes.made), best(state)
        lines = [f"#{e.id} {e.verdict.said}{e.marked} {effect(e)} {quoted(e.title, TITLE)}"
                 + (f": {quoted(e.verdict.reason, TITLE)}" if e.verdict.reason else "") for e in found]
        lines = lines or ["There is no experiment yet."]
        if points:
            lines.append(f"Beside them, a campaign {what_was_explored(points, lead, line(state.track.metric.unit, SAID))}.")
        return _listed(lines, len(every) - len(found), {
            "experiments": to_builtins(found), "explored": points, "lead": to_builtins(lead),
            "untrusted": ["message", "verdict.reason", "researcher"]})

    def show(self, id: Id) -> CallToolResult:
        """One experiment: its verdict, the evidence in sentences, its runs beside those of its base, its diff, and the end of
        its log if it failed. Does not wait."""
        return self._shown(str(id), True)

    def _shown(self, name: str, whole: bool) -> CallToolResult:
        with self._track() as session:
            state = session.look()
            chosen = named(state.experiments.values(), name)
            if chosen is None:
                raise TrackError(f"there is no experiment {line(name, SAID)}: `log` lists them.")
            found, where = public.experiment(state, chosen, list(session.journal.replay()), session.log), track(state)
        return _answer(public.words(where, found, whole), to_builtins(found))

    # -- trying --

    async def try_change(self, message: Message, ctx: Context[None, Any], worktree: Tree = "", idea: Which = 0,
                         by: By = "agent", wait_seconds: Wait = SHORT, patient_minutes: Patient = None,
                         final: Final = False) -> CallToolResult:
        """Have the present change of a git work tree measured, and return the verdict with its evidence: keep, discard, crash
        or foul. Takes the editable files as they are on disk, committed or not, and touches nothing there. Change those files
        only, one idea at a time. The night at work measures it, or this server where there is none. If the verdict is not
        there in time, the measuring goes on and the answer says how to ask again with `wait`. The same change a second time
        goes on from its evidence where it was promising but not proven; else it gets its old verdict."""
        patient = PATIENT if patient_minutes is None else 60 * patient_minutes
        pending = await anyio.to_thread.run_sync(self._begin, worktree, message, idea, by, patient, final)
        return await self._awaited(pending, ctx, wait_seconds)

    async def wait(self, id: Id, ctx: Context[None, Any], wait_seconds: Wait = SHORT,
                   final: Final = False) -> CallToolResult:
        """Wait for the verdict on a submitted change, and return it with its evidence. Resumes an interrupted measuring
        where no night is at work."""
        pending = await anyio.to_thread.run_sync(self._again, str(id), final)
        if pending is None:
            return await anyio.to_thread.run_sync(self._so_far, str(id), 0.0)
        return await self._awaited(pending, ctx, wait_seconds)

    async def _awaited(self, pending: PendingTry, ctx: Context[None, Any], seconds: float) -> CallToolResult:
        """Wait at most `seconds` for a verdict, and return the state so far."""
        since, looked, said = anyio.current_time(), 0.0, "no verdict yet"
        while pending.is_alive() and (waited := anyio.current_time() - since) < seconds:
            if waited >= looked + TELLS:
                looked, said = waited, await anyio.to_thread.run_sync(self._how_far, pending.order.request)
            await ctx.report_progress(waited, seconds, said)
            await anyio.sleep(min(TICK, seconds - waited))
        if not pending.is_alive() and pending.problem:
            raise OvernightError(pending.problem)
        mark = str(pending.experiment or pending.order.request)
        answer = await anyio.to_thread.run_sync(self._so_far, mark, anyio.current_time() - since)
        answer.content += [TextContent(type="text", text=clean(note)) for note in pending.notes]
        return answer

    def _how_far(self, mark: str) -> str:
        with self._track() as session:
            return dispatch.so_far(session, mark)

    def _begin(self, worktree: str, message: str, idea: int, by: str, patient: float, final: bool) -> PendingTry:
        """Submit the change of a work tree and start its attempt."""
        if not message.strip():
            raise TrackError("say in the message what the change is and why it should help.")
        name = _agent(by)
        with self._track() as session:
            if idea and idea not in session.look().ideas.entries:
                raise TrackError(f"there is no idea {idea}: `ideas` lists them.")
            self._pending = {mark: each for mark, each in self._pending.items() if each.is_alive()}
            if len(self._pending) >= MOST_PENDING:
                raise TrackError(f"{MOST_PENDING} changes are under way already: wait for one of them.")
            notes: list[str] = []
            order = dispatch.change(session, self._tree(session, worktree), message, name, idea, patient, notes.append)
            session.inbox.put(order)
            pending = self._go(order, final)
            pending.notes = notes
            return pending

    def _tree(self, session: Session, worktree: str) -> Path:
        """The track's folder in a work tree. Raises TrackError for that of another repository."""
        place = Repo(self.folder / Path(worktree).expanduser())
        if place.folder == place.root and session.repo.prefix:
            place = Repo(place.root / session.repo.prefix)
        if not place.same(session.repo):
            raise TrackError(f"{line(worktree, TITLE)} is no work tree of {session.repo.folder}: make one there with "
                             "`git worktree add --detach PATH`.")
        return place.folder

    def _go(self, order: Try, final: bool) -> PendingTry:
        pending = self._pending[order.request] = PendingTry(self.folder, order, self._sandbox, self._workers, final)
        pending.start()
        return pending

    def _again(self, name: str, final: bool) -> PendingTry | None:
        """The pending try of an experiment or a submitted change; None where the verdict is there. Raises TrackError where
        none has that name."""
        with self._track() as session:
            state = session.look()
            chosen = named(state.experiments.values(), name)
            over = chosen is not None and chosen.verdict != "open" and not (final and chosen.id in state.resumable)
            if chosen is not None and (over or not chosen.request):
                return None
            mark = chosen.request if chosen else name
            if (pending := self._pending.get(mark)) and pending.is_alive() and (pending.final or not final):
                return pending
            if chosen is not None:
                return self._go(Try(mark, chosen.base_commit, chosen.commit, chosen.message, chosen.researcher, chosen.idea,
                                    chosen.patience), final)
            for order in Inbox(session.inbox.folder).new():
                if order.request == name and isinstance(order, Try):
                    return self._go(order, final)
        raise TrackError(f"there is no experiment {line(name, SAID)}, and no change waits under that name: `log` lists "
                         "the experiments.")

    def _so_far(self, name: str, waited: float) -> CallToolResult:
        """The result of a change so far: its verdict, or how to ask again."""
        with self._track() as session:
            state = session.look()
            chosen = named(state.experiments.values(), name)
        if chosen is not None and chosen.verdict != "open":
            shown = self._shown(str(chosen.id), False)
            if chosen.id in state.resumable:
                shown.content.append(TextContent(type="text", text=clean(resumable(chosen))))
            return shown
        number = chosen.id if chosen else None
        known = f"It is experiment {so_far(state, chosen)}. " if chosen else ""
        mark = str(number or name)
        told = {"pairs": chosen.pairs, "effect": chosen.effect} if chosen and chosen.pairs else {}
        return _answer(f"Still open after {waited:.0f} s; it goes on. {known}Ask again with wait(id=\"{mark}\").",
                       {"verdict": {"verdict": "open"} | told, "id": number, "ask": mark})

    # -- ideas --

    def ideas(self, last: Last = 100) -> CallToolResult:
        """The queue of ideas from people, agents, papers and repositories: number, state (open, leased, tried, dropped),
        source, title, and what came of each. To try one, give its number to try_change."""
        with self._track() as session:
            state = session.look()
            every = [state.idea(entry) for entry in state.ideas]
        found = every[-last:]
        lines = [f"{idea.id} {idea.state} (from {quoted(idea.source, SAID)}): {quoted(idea.title, TITLE)}"
                 + (f" -> {quoted(idea.outcome, TITLE)}" if idea.outcome else "") for idea in found]
        return _listed(lines or ["The queue is empty."], len(every) - len(found), {
            "ideas": [_row(idea) for idea in found], "untrusted": ["title", "text", "source", "outcome"]})

    def add_idea(self, title: Title, text: Text = "", by: By = "agent", anyway: bool = False) -> CallToolResult:
        """Put an idea that you do not try yourself now into the queue, for others or for later. One that is there already, in
        these or other words, is refused with what came of it; `anyway` adds it all the same."""
        with self._track() as session:
            try:
                done = dispatch.note(session, written(f"{title}\n{text}", _agent(by)), anyway)
            except dispatch.KnownIdea as known:
                raise TrackError(str(known).replace("add it with --anyway", "add it with anyway = true")) from known
        return _answer(f"It is idea {done.idea} of the queue.", {"idea": done.idea})

    def drop_idea(self, number: Number) -> CallToolResult:
        """Take an idea that is no use out of the queue. A person's ideas stay."""
        with self._track() as session:
            entry = session.look().ideas.entries.get(number)
            if entry is None:
                raise TrackError(f"there is no idea {number}: `ideas` lists them.")
            if entry.source == "person":
                raise TrackError(f"idea {number} is a person's, and only a person may drop it.")
            dispatch.order(session, DropIdea(request(), number))
        return _answer(f"Idea {number} is dropped.", {"idea": number, "state": "dropped"})

    # -- the end --

    def close(self) -> None:
        """Stop what is measured here; the next night goes on with it."""
        for pending in list(self._pending.values()):
            pending.stop()


def _agent(by: str) -> str:
    """The name under which an agent is recorded. Raises TrackError for a person's."""
    name = by.strip()
    if name.lower() == "person":
        raise TrackError("you are not a person: give the name of the agent.")
    return name if name == "agent" else f"agent {name}"


def _answer(text: str, data: dict[str, Any] | None = None) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=clean(text))], structured_content=data)


def _listed(lines: Sequence[str], more: int, data: dict[str, Any]) -> CallToolResult:
    """The newest of a list, with how many older ones there are."""
    head = [f"{more} older ones are left out."] if more else []
    return _answer("\n".join([*head, *lines]), data | {"left_out": more})


def _row(idea: Idea) -> dict[str, Any]:
    return {"id": idea.id, "title": line(idea.title, TITLE), "text": line(idea.text, 4 * TITLE), "state": idea.state,
            "source": line(idea.source, SAID), "tried": list(idea.tried[:TITLE]), "outcome": line(idea.outcome, TITLE)}
