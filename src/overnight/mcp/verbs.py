"""What agents may do with one track. Each answer is a text for a model and the same content as data.

Covered: an agent sees what a researcher sees (`views.public`, `brief`); a work tree of another repository is refused; answers
and what is under way are bounded; no lock is held between two calls but by a change that is being measured.
Not covered: authentication. Any client that reaches the server may try changes, add ideas and read the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins

from overnight.brief import page
from overnight.contracts import Idea
from overnight.errors import OvernightError, TrackError
from overnight.ideas.found import written
from overnight.lab.jobs import DropIdea, Try
from overnight.lab.state import State
from overnight.mcp.pending import PendingTry
from overnight.night import dispatch
from overnight.night.inbox import Inbox, request
from overnight.night.session import Session, opened
from overnight.repo import Repo
from overnight.untrusted import line, quoted
from overnight.views import public
from overnight.views.experiment import effect, named
from overnight.views.track import number, track

MOST_PENDING = 8  # changes of one server that may be under way
TITLE, SAID = 160, 60  # characters of a title; of a name or a source
STATUS = ("track", "goal", "metric", "unit", "direction", "marks", "baseline", "frontier", "noise", "commit", "branch",
          "experiments", "open", "kept", "discarded", "crashed", "fouled", "runs", "paused")


class ToolAnswer(Struct, frozen=True):
    """The answer to an agent: a text, and the same content as data; {}: the text is everything."""

    text: str
    data: dict[str, Any] = {}


class Verbs:
    """The verbs of one track, which is opened anew for each call, so that every answer is up to date."""

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

    @contextmanager
    def _lab(self) -> Iterator[tuple[Session, State]]:
        """The track as its journal tells it; nothing has happened yet where there is none."""
        with self._track() as session:
            yield session, session.look()

    # -- looking --

    def brief(self, tokens: int) -> ToolAnswer:
        """The page that researchers read."""
        with self._track() as session:
            told = dispatch.brief(session)
            branch = f"overnight/{session.state.track.name}"
            tip = f", the tip of branch {branch}" if session.begun else ""
            where = (f"The commit to change is {told.commit}{tip}. Work in a tree of your own: "
                     f"`git -C {session.repo.folder} worktree add --detach PATH {told.commit}`.")
        return ToolAnswer(f"{page.page(told, tokens).text}\n{where}\n")

    def status(self) -> ToolAnswer:
        """Where the track stands."""
        with self._lab() as (session, state):
            if state.opened is None:
                return ToolAnswer("Nothing was tried on this track yet. Read the brief, then try a change.", {"experiments": 0})
            found, at_work = track(state), session.at_work()
        data = {name: to_builtins(getattr(found, name)) for name in STATUS}
        counts = ", ".join(f"{data[name]} {name}" for name in ("kept", "discarded", "crashed", "fouled", "open"))
        night = "A night is at work" + " and paused" * found.paused if at_work else "No night is at work"
        return ToolAnswer(
            f"{found.metric} ({found.direction}): {number(found.baseline, 6)} at the baseline, {number(found.frontier, 6)} at "
            f"the frontier, commit {found.commit[:12]} on {found.branch}. {found.experiments} experiments: {counts}. {night}.",
            data | {"at_work": at_work})

    def log(self, last: int) -> ToolAnswer:
        """The last experiments, oldest first."""
        with self._lab() as (_, state):
            every = list(state.experiments.values())
            shown = [public.listed(state, each) for each in every[-last:]]
        lines = [f"#{e.id} {e.verdict.verdict} {effect(e.verdict)} {quoted(e.title, TITLE)}"
                 + (f": {quoted(e.verdict.reason, TITLE)}" if e.verdict.reason else "") for e in shown]
        more = len(every) - len(shown)
        head = [f"{more} older ones are left out."] if more else []
        return ToolAnswer("\n".join([*head, *lines]) or "There is no experiment yet.", {
            "experiments": to_builtins(shown), "left_out": more, "untrusted": ["message", "verdict.reason", "researcher"]})

    def show(self, name: str) -> ToolAnswer:
        """One experiment with its evidence and its diff."""
        return self._shown(name, True)

    def _shown(self, name: str, whole: bool) -> ToolAnswer:
        with self._lab() as (session, state):
            chosen = named(state.experiments.values(), name)
            if chosen is None:
                raise TrackError(f"there is no experiment {line(name, SAID)}: `log` lists them.")
            found = public.experiment(state, chosen, list(session.journal.replay()), session.log)
        return ToolAnswer(public.words(found, whole), to_builtins(found))

    # -- trying --

    def begin(self, worktree: str, message: str, idea: int, by: str) -> PendingTry:
        """Submit the change of a work tree and start its attempt. Raises TrackError where it cannot be tried."""
        if not message.strip():
            raise TrackError("say in the message what the change is and why it should help.")
        name = agent(by)
        with self._lab() as (_, state):
            if idea and idea not in state.ideas.entries:
                raise TrackError(f"there is no idea {idea}: `ideas` lists them.")
        with self._track() as session:
            if self._busy() >= MOST_PENDING:
                raise TrackError(f"{MOST_PENDING} changes are under way already: wait for one of them.")
            order = dispatch.change(session, self._tree(session, worktree), message, name, idea)
            session.inbox.put(order)
            return self._go(order)

    def _busy(self) -> int:
        self._pending = {mark: each for mark, each in self._pending.items() if each.is_alive()}
        return len(self._pending)

    def _tree(self, session: Session, worktree: str) -> Path:
        """The track's folder in a work tree. Raises TrackError for that of another repository."""
        place = Repo(self.folder / Path(worktree).expanduser()) if worktree else Repo(self.folder)
        if place.folder == place.root and session.repo.prefix:
            place = Repo(place.root / session.repo.prefix)
        if not place.same(session.repo):
            raise TrackError(f"{line(worktree, TITLE)} is no work tree of {session.repo.folder}: make one there with "
                             "`git worktree add --detach PATH`.")
        return place.folder

    def _go(self, order: Try) -> PendingTry:
        pending = self._pending[order.request] = PendingTry(self.folder, order, self._sandbox, self._workers)
        pending.start()
        return pending

    def again(self, name: str) -> PendingTry | None:
        """The pending try of an experiment or a submitted change; None where the verdict is there. Raises TrackError where
        none has that name."""
        with self._lab() as (session, state):
            chosen = named(state.experiments.values(), name)
            if chosen is not None and (chosen.verdict != "open" or not chosen.request):
                return None
            mark = chosen.request if chosen else name
            if (pending := self._pending.get(mark)) and pending.is_alive():
                return pending
            if chosen is not None:
                order = Try(mark, chosen.base_commit, chosen.commit, chosen.message, chosen.researcher, chosen.idea)
                return self._go(order)
            waiting = next((o for o in Inbox(session.inbox.folder).new() if o.request == name and isinstance(o, Try)), None)
        if waiting is None:
            raise TrackError(f"there is no experiment {line(name, SAID)}, and no change waits under that name: `log` lists "
                             "the experiments.")
        return self._go(waiting)

    def came(self, name: str, waited: float) -> ToolAnswer:
        """The result of a change so far: its verdict, or how to ask again."""
        with self._lab() as (_, state):
            chosen = named(state.experiments.values(), name)
            if chosen is not None and chosen.verdict != "open":
                name = str(chosen.id)
            else:
                number = chosen.id if chosen else None
                known = f"It is experiment #{number}. " if number else ""
                mark = str(number or name)
                return ToolAnswer(f"Still open after {waited:.0f} s; it goes on. {known}Ask again with wait(id=\"{mark}\").",
                              {"verdict": {"verdict": "open"}, "id": number, "ask": mark})
        return self._shown(name, False)

    # -- ideas --

    def ideas(self, last: int) -> ToolAnswer:
        """The queue, oldest first, with what came of each."""
        with self._lab() as (_, state):
            every = [state.idea(entry) for entry in state.ideas]
        shown, more = every[-last:], max(0, len(every) - last)
        rows = [_row(idea) for idea in shown]
        lines = [f"{idea.id} {idea.state} (from {quoted(idea.source, SAID)}): {quoted(idea.title, TITLE)}"
                 + (f" -> {quoted(idea.outcome, TITLE)}" if idea.outcome else "") for idea in shown]
        head = [f"{more} older ones are left out."] if more else []
        return ToolAnswer("\n".join([*head, *lines]) or "The queue is empty.",
                      {"ideas": rows, "left_out": more, "untrusted": ["title", "text", "source", "outcome"]})

    def add_idea(self, title: str, text: str, by: str, anyway: bool) -> ToolAnswer:
        """Put an idea into the queue."""
        with self._track() as session:
            try:
                done = dispatch.note(session, written(f"{title}\n{text}", agent(by)), anyway)
            except dispatch.KnownIdea as known:
                raise TrackError(str(known).replace("add it with --anyway", "add it with anyway = true")) from known
        return ToolAnswer(f"It is idea {done.idea} of the queue.", {"idea": done.idea})

    def drop_idea(self, number: int) -> ToolAnswer:
        """Take an idea out of the queue; a person's stays."""
        with self._lab() as (session, state):
            entry = state.ideas.entries.get(number)
            if entry is None:
                raise TrackError(f"there is no idea {number}: `ideas` lists them.")
            if entry.source == "person":
                raise TrackError(f"idea {number} is a person's, and only a person may drop it.")
            dispatch.order(session, DropIdea(request(), number))
        return ToolAnswer(f"Idea {number} is dropped.", {"idea": number, "state": "dropped"})

    # -- the end --

    def close(self) -> None:
        """Stop what is measured here; the next night goes on with it."""
        for pending in list(self._pending.values()):
            pending.stop()


def agent(by: str) -> str:
    """The name under which an agent is recorded. Raises TrackError for a person's."""
    if by.strip().lower() == "person":
        raise TrackError("you are not a person: give the name of the agent.")
    return by.strip() if by.strip() == "agent" else f"agent {by.strip()}"


def _row(idea: Idea) -> dict[str, Any]:
    return {"id": idea.id, "title": line(idea.title, TITLE), "text": line(idea.text, 4 * TITLE), "state": idea.state,
            "source": line(idea.source, SAID), "tried": list(idea.tried[:TITLE]), "outcome": line(idea.outcome, TITLE)}


def problem(pending: PendingTry) -> None:
    """Raises TrackError where a change ended without a verdict."""
    if not pending.is_alive() and pending.problem:
        raise OvernightError(pending.problem)
