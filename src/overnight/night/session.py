"""One track, opened: its folder, repository, journal and Lab. The commands wire the rest round it.

Everything that Overnight writes lies in `.overnight/` beside the contract, which git is told to ignore, and in the
branch `overnight/<track>`.
"""

from __future__ import annotations

import fcntl
import os
import queue
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from overnight.contracts import Call, Sandbox, Team
from overnight.errors import Busy, TrackError
from overnight.execution.desk import Desk
from overnight.execution.runner import Runner
from overnight.journal.database import SqliteJournal
from overnight.lab.events import Called, Event, Judged, Learnt, Measured, Opened, Organised, Proposed, Rebased, Stacked, Vetoed
from overnight.lab.jobs import Combine, Job, Letter, Measure, Propose, Rebase, Result, Think
from overnight.lab.lab import Lab
from overnight.night.inbox import Inbox
from overnight.repo import Repo
from overnight.researchers.team import Money, Staff
from overnight.track import program, spec
from overnight.track.load import load
from overnight.track.roles import Role
from overnight.workers.local import Place

if TYPE_CHECKING:
    from overnight.researchers.agent import Quarters

HOME = ".overnight"
NOTES = "notes.md"  # what the last standup wrote, for people; the journal has it as well
NONE = Money()
ROOM = 256 << 20  # bytes that must be free where the journal lies before a night begins


class Session:
    """A track's folder, opened. Reading needs no lock; `writing` takes it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder.resolve() / HOME
        self.repo = Repo(folder, self.home / "scratch")
        self.inbox = Inbox(self.home / "inbox")
        self.lab = Lab()
        self._watch: program.Watch | None = None
        self._journal: SqliteJournal | None = None

    @property
    def watch(self) -> program.Watch:
        """The instructions, looked at when they are first wanted. Raises TrackError."""
        if self._watch is None:
            self._watch = program.Watch(self.repo.folder / "program.md")
        return self._watch

    @property
    def program(self) -> program.Program:
        """The instructions as they are in force. Raises TrackError."""
        return self.watch.program

    # -- reading --

    @property
    def journal(self) -> SqliteJournal:
        """The track's record, opened when it is first wanted."""
        if self._journal is None:
            self._journal = SqliteJournal(self.home / "journal.db")
        return self._journal

    @property
    def begun(self) -> bool:
        """Whether there is a journal."""
        return (self.home / "journal.db").exists()

    def read(self) -> Lab:
        """The Lab as the journal tells it. Raises TrackError when there is no journal yet."""
        if self.look().opened is None:
            raise TrackError(f"nothing was run here yet: run `overnight run {self.repo.folder}` first.")
        return self.lab

    def look(self) -> Lab:
        """The same; empty where there is none."""
        for event in self.journal.replay() if self.begun and self.lab.opened is None else ():
            self.lab.apply(event)
        return self.lab

    @property
    def branch(self) -> str:
        """The branch that holds what was kept."""
        return f"overnight/{self.lab.track.name}"

    def log(self, name: str) -> str:
        """The text of a kept log; "" where there is none. A candidate's words."""
        try:
            return (self.home / "logs" / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    # -- writing --

    def at_work(self) -> bool:
        """Whether another process holds the track."""
        try:
            with (self.home / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # nobody ever held it
        return False

    @contextmanager
    def writing(self, again: bool = False, changed: bool = False) -> Iterator[Lab]:
        """Hold the track: no other process runs it meanwhile. Brings folder, journal and branch into agreement. `changed`:
        files may differ from the commit, for it is the commit that counts."""
        contract = load(self.repo.folder)
        self.repo.head()
        self.repo.refuse_checked_out(f"overnight/{contract.name}")
        self._make_home()
        with self._lock():
            self._sweep()
            for event in self.journal.replay():
                self.lab.apply(event)
            self._open(contract, again, changed)
            self.hold_open()
            self.agree()
            try:
                yield self.lab
            finally:
                self._sweep()
                self.journal.close()

    def agree(self) -> None:
        """Move the result branch to where the journal says. Raises TrackError when that is not ours to do."""
        self.repo.move(self.branch, self.lab.commit, self.own_commits())

    def _make_home(self) -> None:
        try:
            self.home.mkdir(exist_ok=True)
            (self.home / ".gitignore").write_text("*\n")
            if shutil.disk_usage(self.home).free < ROOM:
                raise TrackError(f"less than {ROOM >> 20} MiB are free below {self.home}: make room and run again.")
        except OSError as error:
            raise TrackError(f"{self.home} cannot be written: {error}.") from error

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """A lock that dies with its process."""
        fd = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 32).decode().strip() or "unknown"
            os.close(fd)
            raise Busy(f"another `overnight` (process {holder}) is at work on this track: "
                       "wait for it, or stop it with Ctrl-C.") from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        try:
            yield
        finally:
            os.close(fd)

    def _sweep(self) -> None:
        """Remove what a run needs only while it lasts, also what a killed one left behind."""
        for name in ("trees", "artifacts", "scratch"):
            shutil.rmtree(self.home / name, ignore_errors=True)
        (self.home / "scratch").mkdir()

    def _open(self, contract: spec.Track, again: bool, changed: bool) -> None:
        """Begin the track at the commit that is checked out, unless it was begun with this same contract."""
        text = (self.repo.folder / spec.FILE).read_text(encoding="utf-8")
        opened = self.lab.opened
        never_ran = bool(self.lab.problem) and not self.lab.calibrated
        if opened is not None and not again and self.lab.experiments and not never_ran:
            if opened.contract != text:
                raise TrackError(f"{spec.FILE} has changed since this track began, so old and new numbers do not compare: "
                                 "restore it, or begin anew with `overnight run --restart`.")
            return
        head = self.repo.head() if changed else self.commit_to_judge()
        if opened is not None and opened.contract == text and opened.commit == head and not again \
                and not self.lab.problem:
            return
        self.repo.release(contract.name)
        self.repo.put_aside(f"overnight/{contract.name}")
        self.record([Opened(time.time(), contract.name, head, text, secrets.token_hex(16))])

    def commit_to_judge(self) -> str:
        """The commit that is checked out. Raises TrackError where files differ from it."""
        head = self.repo.head()
        if dirty := self.repo.dirty():
            more = f" (and {len(dirty) - 1} more)" if len(dirty) > 1 else ""
            raise TrackError(f"{dirty[0]}{more} is not committed: Overnight works on commits, so commit your files first.")
        return head

    @contextmanager
    def scratch(self) -> Iterator[None]:
        """Hold the track for a moment without opening its journal."""
        self._make_home()
        with self._lock():
            self._sweep()
            try:
                yield
            finally:
                self._sweep()

    def hold_open(self) -> None:
        """Hold the commits that are still being judged, and no others, whatever a killed run left."""
        self.repo.release(self.lab.track.name)
        for experiment in self.lab.open.values():
            self.repo.hold(self.lab.track.name, experiment.id, experiment.commit)
        for stack in self.lab.stacks.values():
            self.repo.hold(self.lab.track.name, f"stack/{stack.members[-1]}", stack.name)

    def own_commits(self) -> set[str]:
        """Every commit that the result branch has pointed at."""
        kept = {e.commit for e in self.lab.experiments.values() if e.verdict == "keep"}
        return kept | self.lab.taken_back | ({self.lab.opened.commit} if self.lab.opened else set())

    def record(self, events: list[Event]) -> None:
        """Write events that did not come from `tell`, and take them up."""
        self.journal.extend(events)
        for event in events:
            self.lab.apply(event)


def organised(sha256: str, team: Iterable[Role]) -> Organised:
    """The record of a program that is in force from now on, and of who is on the team."""
    return Organised(time.time(), sha256, {role.name: role.kind for role in team})


class Hands:
    """Carries out jobs: the desk's and the benches', for one opened track and sandbox."""

    def __init__(self, session: Session, sandbox: Sandbox, money: Money = NONE) -> None:
        lab = session.lab
        assert lab.opened is not None
        self.session, self.repo = session, session.repo
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._left: list[Team] = []
        self.runner = Runner(lab.track, session.repo, sandbox, lab.opened.commit, session.home)
        carried = lab.tally.carried
        money = msgspec.structs.replace(money, spent=(carried.tokens, carried.dollars))
        self._staff = Staff(lab.track, session.repo.folder, sandbox, money, self._calls.put, self._quarters)
        self.desk = Desk(lab.track, session.repo, self._staff.team(lab.roster.roles.values()), session.home / "logs")

    def _quarters(self) -> Quarters:
        """Where agents work: in what a run may see, and no more."""
        from overnight.researchers.agent import Quarters
        runner, repo = self.runner, self.repo
        secrets = (self.session.home, repo.root / ".git", *((repo.folder / p).resolve() for p in runner.track.private))
        return Quarters(runner.tree, self.session.home / "scratch", repo.prefix, runner.python,
                        (*runner.mounts, *runner.data), secrets)

    def organise(self, cast: Callable[[program.Program], tuple[Role, ...]]) -> str:
        """Take up the program if it was edited: `cast` says who is on the team by it. A sentence, once, where it cannot be
        taken up."""
        found = self.session.watch.look()
        if not isinstance(found, program.Program):
            return found or ""
        lab, roles = self.session.lab, cast(found)
        try:
            made = self._staff.team(roles)
        except TrackError as error:
            return f"{error} Until it is mended, the team stays as it was."
        self._left.append(self.desk.team)  # what they have under way still counts
        self.desk.team = made
        lab.prose = found.prose
        lab.organise(roles)
        self.session.record([organised(found.sha256, roles)])
        return ""

    def close(self) -> None:
        """End what everybody has under way. Calls to models have a moment to end by themselves."""
        for team in (*self._left, self.desk.team):
            team.close()
        self._staff.close()

    def work(self, job: Job, place: Place) -> Result:
        """Carry out one job at one place. Raises Fault when the machine failed."""
        if isinstance(job, Measure):
            return self.runner.measure(job, place.cores, place.number, place.running)
        if isinstance(job, Combine):
            return self.desk.combine(job)
        if isinstance(job, Rebase):
            return self.desk.rebase(job)
        if isinstance(job, Think):
            return self.desk.think(job)
        return self.desk.propose(job) if isinstance(job, Propose) else self.desk.accept(job)

    def letters(self) -> Iterator[Letter]:
        """What came in since the last time: orders from outside, and news of calls to models."""
        yield from self._made()
        for order in self.session.inbox.new():
            if order.request in self.session.lab.answered:
                self.session.inbox.clear([order.request])
            else:
                yield order

    def unheard(self) -> list[Event]:
        """Calls to models that ended after the loop did."""
        return [Called(time.time(), call) for call in self._made()]

    def _made(self) -> Iterator[Call]:
        """Calls that ended since the last time."""
        with suppress(queue.Empty):
            while True:
                yield self._calls.get_nowait()

    def follow(self, event: Event) -> None:
        """What a recorded event asks for outside the Lab: move the branch, hold a commit, forget a tree.

        A branch that cannot be moved now, because somebody looks at it, is brought into agreement afterwards.
        """
        track = self.session.lab.track.name
        if request := getattr(event, "request", ""):
            self.session.inbox.clear([request])
        if isinstance(event, Proposed | Rebased):
            self.repo.hold(track, event.experiment, event.commit)
        elif isinstance(event, Stacked) and event.experiments:
            self.repo.hold(track, f"stack/{event.experiments[-1]}", event.commits[-1])
        elif isinstance(event, Measured) and event.stage == "screen":
            self.runner.forget(event.commit)
        elif isinstance(event, Judged):
            self.repo.release(track, event.experiment)
            self.repo.release(track, f"stack/{event.experiment}")
            if event.verdict == "keep":
                with suppress(TrackError):
                    self.session.agree()
            else:
                self.runner.forget(self.session.lab.experiments[event.experiment].commit)
        elif isinstance(event, Learnt):
            (self.session.home / NOTES).write_text(event.notes, encoding="utf-8")
        elif isinstance(event, Vetoed):
            self.session.hold_open()
            with suppress(TrackError):
                self.session.agree()
