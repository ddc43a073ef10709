"""One track, opened: its folder, repository, journal and state. A Night wires the rest round it.

Everything that Overnight writes lies in the track's state folder, outside the repository (place.py), and in the branch
`overnight/<track>`.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from overnight import journal as journals
from overnight.contracts import Journal
from overnight.errors import TrackError, busy
from overnight.lab import leads
from overnight.lab.events import BRANCHES, Event, Opened
from overnight.lab.state import State
from overnight.night import anchor, keys, seeds
from overnight.night.inbox import Inbox
from overnight.night.place import StateFolder
from overnight.night.recorded import RecordPlace
from overnight.night.snapshot import Snapshot, replayed
from overnight.night.trust import Trust
from overnight.repo import HASH, Repo
from overnight.track import program, scorer, seeding, spec
from overnight.track.load import load, text_of
from overnight.untrusted import is_file_name

# What a journal that no night wrote makes of the state while it is replayed.
IMPOSSIBLE = (LookupError, ValueError, TypeError, AttributeError, AssertionError, ArithmeticError, StopIteration)
UNFINISHED = 60.0  # seconds after which a file that is still under its first name was left by a process that was killed
ROOM = 256 << 20  # bytes that must be free where the journal lies before a night begins


class Session:
    """A track's folder, opened. Reading needs no lock; `writing` takes it. On a `rung` of its ladder it is a track of its own,
    which begins at the commit `baseline` where the lowest began."""

    def __init__(self, folder: Path, repo: Repo | None = None, rung: str = "", baseline: str = "") -> None:
        self.repo, self.rung, self.baseline = repo or Repo(folder), rung, baseline
        self.place = StateFolder(self.repo.common, self.repo.prefix, rung)
        self.place.present()
        self.home = self.place.path
        self.repo.scratch = self.home / "scratch"
        self.repo.keep(self.home / "git")
        self.inbox = Inbox(self.home / "inbox", self.place.make)
        self.state = State(keys.found(self.home))
        self.snapshot = Snapshot(self.home / "state.snapshot")
        self.trust = Trust(StateFolder(self.repo.common, self.repo.prefix).path)  # what is granted, is on every rung
        self.recorded, self.only_to_read = RecordPlace(self.home), False
        self.orphan = ""  # the branch of results without a journal that this session put aside

    def fresh(self) -> Session:
        """The same track or rung, opened anew."""
        return Session(self.repo.folder, rung=self.rung, baseline=self.baseline)

    @cached_property
    def watch(self) -> program.Watch:
        """The instructions, looked at when they are first wanted. Raises TrackError."""
        return self.watched()

    def watched(self) -> program.Watch:
        """The instructions, as they are now. Raises TrackError."""
        found, written = program.Watch(self.repo.folder / "program.md"), self.state.written
        if written is not None and written.over == found.digest:
            with suppress(TrackError):  # a role's file that it names is gone: what the file says is in force
                found.write(written.text)
        return found

    @property
    def program(self) -> program.Program:
        """The instructions as they are in force. Raises TrackError."""
        return self.watch.program

    # -- reading --

    def contract(self) -> spec.Track:
        """The contract as it stands in the folder, on this rung. Raises TrackError."""
        return load(self.repo.folder).on(self.rung)

    @cached_property
    def journal(self) -> Journal[Event]:
        """The track's record, opened when it is first wanted."""
        return self.recorded.open(self.only_to_read)

    @property
    def begun(self) -> bool:
        """Whether there is a journal. Raises JournalError where the database that should have it cannot be read."""
        if not self.recorded.url:
            return self.recorded.file.exists()
        return self.journal.head[0] > 0 or self.journal.latest()[0] > 0

    def read(self, whole: bool = False) -> State:
        """The record as the journal tells it; `whole`: from its first record on, with every hash. Raises TrackError when there
        is no journal yet."""
        if self.look(whole).opened is None:
            self.recorded.refuse_other()
            if self.rung:
                raise TrackError(f"nothing was tried on the rung {load(self.repo.folder).ladder.at(self.rung).name} yet: run "
                                 f"`overnight climb {self.repo.folder}` first.")
            raise TrackError(f"nothing was run here yet: run `overnight run {self.repo.folder}` first.{self.elsewhere(' ')}")
        return self.state

    def elsewhere(self, before: str = "") -> str:
        """A sentence about a state that may be this track's and is not used, behind `before`; "" where there is none."""
        old = None if self.begun else self.place.earlier(self.repo.folder)
        if old and self._came_with_the_repository(old):
            return ""
        return f"{before}An earlier state lies in {old}: `overnight where --adopt {old}` takes it over." if old else ""

    def look(self, whole: bool = False, dense: bool = False) -> State:
        """The same; empty where there is none. `dense`: for a reader that follows the track, in little memory."""
        if self.begun and self.state.opened is None:
            keys = self.state.keys
            self.state = replayed(self.journal, self.state) if whole else self.snapshot.open(self.journal, keys, dense)
            if self.state.opened is not None:
                self._check_repository(self.state.opened)
        return self.state

    def _check_repository(self, opened: Opened) -> None:
        """Raise TrackError where the record is of another repository, which stood in this one's place."""
        if not self.repo.has(opened.commit):
            raise TrackError(f"the state in {self.home} is of a repository that has the commit {opened.commit[:12]}, and this "
                             "one has not: fetch it, or begin anew with `overnight run --restart`.")

    @property
    def branch(self) -> str:
        """The branch that holds what was kept, of a track that was opened."""
        assert self.state.opened is not None
        return self.state.opened.result_branch

    @property
    def label(self) -> str:
        """The track's name among the refs of the repository, which no other track has."""
        assert self.state.opened is not None
        return self.state.opened.label

    def log(self, name: str) -> str:
        """The text of a kept log; "" where there is none. A candidate's words."""
        try:
            return (self.home / "logs" / name).read_text(encoding="utf-8", errors="replace") if is_file_name(name) else ""
        except OSError:
            return ""

    # -- writing --

    def adopt(self, old: Path) -> None:
        """Take over what an earlier state recorded, where this track has none. Raises TrackError, and takes nothing, where it
        is not a state of this repository or its journal is not whole."""
        if self.begun:
            raise TrackError(f"this track has a state already, in {self.home}: move that away to take over another one.")
        if self._came_with_the_repository(old):
            raise TrackError(f"{old} is a part of the repository, so it may be another person's night: it is not taken over.")
        self.place.make()
        with self._lock():
            coming = self.place.copied(old)
            try:
                branch = self._check_adopted(coming, old)
                (coming / "branch").write_text(branch, encoding="utf-8")
                self.place.take(coming)
            finally:
                shutil.rmtree(coming, ignore_errors=True)
        self.state = State(keys.found(self.home))

    def _came_with_the_repository(self, old: Path) -> bool:
        """Whether a state lies in the repository and is committed there, which none of one's own ever was."""
        place = old.resolve()
        return place.is_relative_to(self.repo.root) and self.repo.tracks(place.relative_to(self.repo.root).as_posix())

    def _check_adopted(self, coming: Path, old: Path) -> str:
        """The result branch of a state that may be taken over. Raises TrackError."""
        if not (coming / "journal.db").exists():
            raise TrackError(f"there is no journal in {old}: name the folder that holds journal.db.")
        journals.check_schema(coming / "journal.db")
        journal = journals.open(coming / "journal.db")
        try:
            anchor.check_end(coming, journal)
            state = replayed(journal, State(keys.found(coming)))
        except IMPOSSIBLE as error:
            raise TrackError(f"the journal in {old} tells what cannot have been: it is not taken over.") from error
        finally:
            journal.close()
        opened = state.opened
        if opened is None or not self.repo.has(opened.commit):
            raise TrackError(f"{old} holds the state of another repository: it is not taken over.")
        commits = (name for each in state.experiments.values()
                   for name in (each.commit, each.base_commit, leads.beside(state, each)))
        if not opened.result_branch.startswith(BRANCHES) or not all(not name or HASH.fullmatch(name) for name in commits):
            raise TrackError(f"the journal in {old} names branches or commits that no night makes: it is not taken over.")
        return opened.result_branch

    def at_work(self) -> bool:
        """Whether another process holds the track."""
        try:
            with (self.home / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # it was never held
        return False

    @contextmanager
    def writing(self, again: bool = False, changed: bool = False, foreign: bool = False) -> Iterator[State]:
        """Hold the track: no other process runs it meanwhile. Brings folder, journal and branch into agreement. `changed`:
        files may differ from the commit, for it is the commit that counts. `foreign`: the contract in the folder may be
        another than the track began with, because nothing is judged by it."""
        contract = self.contract()
        self.repo.head()
        self._make_home()
        with self._lock():
            self._sweep()
            if not self.begun:
                self.recorded.refuse_other()
            self.recorded.hold(self.journal)
            self.state = self.snapshot.open(self.journal, keys.found(self.home))
            if self.state.opened is not None:
                self.repo.refuse_checked_out(self.branch)
                if not again:
                    self._check_repository(self.state.opened)
                    self._check_journal()
            self.snapshot.keep(self.state, self.journal)
            if self.state.opened is None or not foreign:
                self._open(contract, again, changed)
            self.agree()
            self.hold_open()
            try:
                yield self.state
                self.snapshot.keep(self.state, self.journal)
            finally:
                anchor.keep(self.home, self.journal)
                self._sweep()
                self.journal.close()

    def agree(self) -> None:
        """Move the result branch to where the journal says. Raises TrackError when that is not ours to do."""
        self.repo.move(self.branch, self.state.commit, self.own_commits())

    def verify(self) -> None:
        """Hold the journal, what was kept under it and the result branch against one another. Raises TrackError, with what puts
        it right."""
        self._check_journal()
        self.repo.refuse_unknown(self.branch, self.own_commits())
        tip = self.repo.tip(self.branch)
        if tip != self.state.commit:
            raise TrackError(f"the journal is whole, but the branch {self.branch} is at {(tip or 'nothing')[:7]} where the "
                             f"journal says {self.state.commit[:7]}: `overnight run` puts it right.")

    def _check_journal(self) -> None:
        """Raise TrackError where the journal was cut or rewritten since it was last written, or since a commit was made."""
        anchor.check_end(self.home, self.journal)
        anchor.check_commits(self.repo, self.journal, [each.commit for each in self.state.chain()])

    def _make_home(self) -> None:
        self.place.make()
        if shutil.disk_usage(self.home).free < ROOM:
            raise TrackError(f"less than {ROOM >> 20} MiB are free below {self.home}: make room and run again.")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """A lock that dies with its process."""
        try:
            fd = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise TrackError(f"{self.home} cannot be written: {error}.") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 32).decode().strip() or "unknown"
            os.close(fd)
            raise busy(holder) from None
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
        git = self.home / "git"
        # written when its process died
        for path in (*self.inbox.folder.glob(".*"), *git.glob("tmp*"), *git.glob("*.????????")):
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime > UNFINISHED:
                    path.unlink()

    def _open(self, contract: spec.Track, again: bool, changed: bool) -> None:
        """Begin the track at the commit that is checked out, unless it was begun with this same contract."""
        text, opened = text_of(self.repo.folder), self.state.opened
        if opened is not None and opened.key_hash and not again:
            self._check_key(opened.key_hash)
        never_ran = bool(self.state.problem) and not self.state.calibrated
        if opened is not None and not again and self.state.experiments and not never_ran:
            self.refuse_other_contract()
            return
        head = self.baseline or (self.repo.head() if changed else self.commit_to_judge())
        if opened is not None and opened.contract == text and opened.commit == head and not again \
                and not self.state.problem:
            return
        forgeable = scorer.forgeable(scorer.parsed(contract, self.repo.reader(head)))
        fixed = seeding.recorded(seeds.at(self.repo, head, contract, text)[0])
        begins = Opened(time.time(), contract.name, head, text, key_hash=keys.make(self.home), branch=self._free(contract.name),
                        forgeable=forgeable, fixed_seeds=fixed, rung=self.rung)
        self.repo.refuse_checked_out(begins.result_branch)
        self.repo.release(begins.label)
        aside = self.repo.put_aside(begins.result_branch)
        self.orphan = aside if opened is None else ""
        self.state.keys = keys.found(self.home)
        (self.home / "branch").write_text(begins.result_branch, encoding="utf-8")
        self.record([begins])

    def refuse_other_contract(self) -> None:
        """Raise TrackError where the track was begun with another contract than stands in its folder now. What only [ladder]
        says may change: rungs have states of their own."""
        if self.state.opened is not None and not self.contract().comparable(self.state.track):
            raise TrackError(f"{spec.FILE} has changed since this track began, so old and new numbers do not compare: "
                             "restore it, or begin anew with `overnight run --restart`.")

    def _free(self, name: str) -> str:
        """A result branch that no other track of the repository has; "" for the usual one."""
        taken, usual = self.place.branches(), f"{BRANCHES}{name}"
        if usual not in taken:
            return ""
        own = f"{usual}-{self.place.number}"  # which another track may have for its name
        return next(branch for n in itertools.count() if (branch := f"{own}-{n}" if n else own) not in taken)

    def _check_key(self, name: str) -> None:
        """Raise TrackError where the key from which this track's seeds are drawn is not beside its journal."""
        if name not in self.state.keys:
            path = keys.place(self.home, name)
            wrong = "is not the one of this journal" if path.exists() else "is missing"
            raise TrackError(f"the key {path} {wrong}, so no seed can be drawn: put it back from a copy, or begin anew with "
                             "`overnight run --restart`; what was recorded stays readable.")

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
        self.repo.release(self.label)
        for experiment in self.state.open.values():
            self.repo.hold(self.label, experiment.id, experiment.commit)
            if lead := leads.beside(self.state, experiment):
                self.repo.hold(self.label, f"lead/{experiment.id}", lead)
        for stack in self.state.stacks.values():
            self.repo.hold(self.label, f"stack/{stack.members[-1]}", stack.name)

    def own_commits(self) -> set[str]:
        """Every commit that the result branch has pointed at."""
        kept = {e.commit for e in self.state.experiments.values() if e.verdict == "keep"}
        return kept | self.state.taken_back | ({self.state.opened.commit} if self.state.opened else set())

    def record(self, events: list[Event]) -> None:
        """Write events that did not come from `tell`, and take them up."""
        self.journal.extend(events)
        for event in events:
            self.state.apply(event)


def opened(folder: Path, rung: str = "") -> Session:
    """The track that a folder belongs to, or a rung of it; of a linked work tree, the one of the main tree."""
    repo = Repo(folder)
    home = repo.home()
    return Session(home, repo if home == repo.folder else None, rung)
