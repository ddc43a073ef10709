"""Follows one track's journal: holds a replica of its state, and reads only what is new.

Covered: a track that is not begun yet, begun anew, or whose journal is put in another's place; records that come while others
are read; a journal that cannot be read or believed, and a folder that is moved, are one sentence until that changes. Nothing is
written, no lock is taken, and no transaction stays open. Times between two looks do not depend on the clock of the day.
Not covered: records before the state's snapshot are not checked again; `overnight log --verify` does that.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from overnight.contracts import Bell, Journal, RingsBell
from overnight.errors import NotFound, OvernightError, TrackError
from overnight.lab.events import Event, Opened
from overnight.lab.experiment import Experiments
from overnight.lab.state import State
from overnight.night import now
from overnight.night.session import IMPOSSIBLE, Session
from overnight.views.experiment import DetailView, History
from overnight.views.jobs import NowView
from overnight.web.book import Book, Memory, Shelf
from overnight.web.seen import Seen

AT_ONCE = 250  # records that one look takes up, so that others have their turn
NOTHING = (0, "0" * 64)
LEAST_WAIT = 2.0  # seconds until a journal that could not be read is read again, where it has changed
SILENT = 5.0  # seconds after which a journal is asked though its bell did not ring
AHEAD = 500  # records that are read at once for what will be asked for
MOST_ANSWERS = 1000  # orders whose answers are remembered
HELD = re.compile(r"^\d+: FLOCK +ADVISORY +WRITE (\d+) \S+:(\d+) ", re.MULTILINE)  # process and inode, in /proc/locks


class Stamp(NamedTuple):
    """What tells one journal file from another, and whether it was written to: times in unix seconds; `beside` is that of the
    file that SQLite keeps beside it."""

    inode: int
    size: int
    changed: float
    beside: float


class Follower:
    """One track, followed. `load` may take long; after it `look` takes up a little at a time. A caller of `look`, and a
    user of the state, keeps others from doing so meanwhile.

    state    what the journal tells so far
    seq      number of the last record in it, and `head` its hash
    problem  why it cannot be followed now, in a sentence; "": it can
    edition  counts how often the track began, began anew, could not be followed any more or again: pages of an earlier one are
             out of date
    live     whether a night is at work, and `doing` what it is doing; None: not known
    moved    whether the track's folder is not in its place any more
    bell     rings when there is something to look at; None: that is to be seen by looking
    """

    def __init__(self, name: str, opens: Callable[[], Session]) -> None:
        self.name, self._opens = name, opens
        self.session: Session | None = None
        self.state, self.seq, self.head = State(), *NOTHING
        self.problem, self.edition, self.live, self.moved = "", 0, False, False
        self.doing: NowView | None = None
        self.answers: dict[str, Event] = {}
        self.book, self.shelf = Book(), Shelf()
        self._key = secrets.token_bytes(32)  # of marks
        self._stamp: Stamp | None = None
        self._memory = Memory()
        self._ready = -1  # number of the record up to which all was read ahead, or could not be
        self.bell: Bell | None = None
        self._ringing = self._asks = 0.0  # when a bell is asked for again; when a journal is asked whose bell is silent
        self._owed = False  # whether records are known that are still to be taken up
        self._again = 0.0  # when a journal that could not be read is looked at again

    # -- reading the journal --

    def load(self) -> None:
        """Read the journal from its beginning, or from the state's snapshot on."""
        before, began = self.problem, time.monotonic()
        self.close()
        try:
            self.session, self._stamp = self._opens(), None
            self._read(self.session)
            self.problem = ""
        except (*IMPOSSIBLE, OvernightError, OSError) as error:
            self.problem = _sentence(error)
        self.book, self.shelf, self._ready = Book(), Shelf(), -1
        self.edition += not before or self.problem != before
        self._again = time.monotonic() + max(LEAST_WAIT, 10 * (time.monotonic() - began))

    def _read(self, session: Session) -> None:
        session.only_to_read = True
        self._stamp = self._stamped(session)
        if session.begun:
            session.look(dense=True)
        self._listen(session)
        self.state = session.state
        self.seq, self.head = self._end(session.journal) if session.begun else NOTHING

    @property
    def remote(self) -> bool:
        """Whether the journal lies in a database, so that a look at it may take long."""
        return self.session is not None and bool(self.session.recorded.url)

    @staticmethod
    def _stamped(session: Session) -> Stamp | None:
        if session.recorded.url:
            return Stamp(0, 0, 0.0, 0.0) if session.begun else None
        return _stamp(session.recorded.file)

    def _listen(self, session: Session) -> None:
        """Have a bell rung where the journal has one; without it, the journal is asked each time."""
        self._ringing = time.monotonic() + LEAST_WAIT
        if session.recorded.url and isinstance(session.journal, RingsBell):
            with suppress(OvernightError):
                self.bell = session.journal.bell()

    def _rang(self) -> bool:
        """Whether the journal is to be asked now: its bell rang, is not to be had, or was silent for long."""
        assert self.session is not None
        if self.bell is None:
            if self.remote and time.monotonic() >= self._ringing:
                self._listen(self.session)
            return True
        try:
            if not self.bell.clear() and time.monotonic() < self._asks:
                return False
        except OvernightError:
            self._let_go_of_bell()
        self._asks = time.monotonic() + SILENT
        return True

    def _let_go_of_bell(self) -> None:
        if self.bell is not None:
            self.bell.close()
            self.bell = None

    def close(self) -> None:
        """Let go of the journal."""
        self._let_go_of_bell()
        if self.session is not None and "journal" in vars(self.session):
            self.session.journal.close()

    def _end(self, journal: Journal[Event]) -> tuple[int, str]:
        """Number and hash of the last record that the state knows."""
        return self.state.records, journal.hash_of(self.state.records) or NOTHING[1]

    def stale(self) -> bool:
        """Whether the journal has to be loaded anew, because another one lies in its place or it could not be read before."""
        if (self.session is None or self.problem) and time.monotonic() < self._again:
            return False
        if self.session is None:
            return True
        if self.remote:
            return bool(self.problem) or (self._stamp is None and self._begun()) or self._rewritten()
        now = self._stamped(self.session)
        if self.problem or self._stamp is None or now is None:
            return now != self._stamp
        return now.inode != self._stamp.inode or self._rewritten()

    def _begun(self) -> bool:
        """Whether there is a journal now; True as well where that cannot be told, for then the reason is to be."""
        assert self.session is not None
        try:
            return self.session.begun
        except OvernightError:
            return True

    def _rewritten(self) -> bool:
        """Whether the record that is known as the last one is there no more."""
        assert self.session is not None
        try:
            return self.seq > 0 and self.session.journal.hash_of(self.seq) != self.head
        except OvernightError:
            return True

    def look(self) -> bool:
        """Take up some of what is new; whether anything was."""
        if self.problem or self.session is None or self._stamp is None:
            return False
        try:
            self._settle()
            if not self._owed and not self._rang():
                return False
            latest = self.session.journal.latest()[0]
            self._owed = False
            if latest == self.seq:
                return False
            for event in itertools.islice(self.session.journal.replay(after=self.seq), AT_ONCE):
                self._take(event)
            self.seq, self.head = self._end(self.session.journal)
            self._owed = self.seq != latest
        except (*IMPOSSIBLE, OvernightError) as error:
            self.problem, self.edition = _sentence(error), self.edition + 1
            self._stamp = None if self.remote else self._stamped(self.session)
        return True

    def _settle(self) -> None:
        """Let lie packed what pages asked for."""
        if isinstance(self.state.experiments, Experiments):
            self.state.experiments.settle()

    def _take(self, event: Event) -> None:
        self.book.touch(self.state, event)
        self.state.apply(event)
        self.book.touch(self.state, event)
        self.shelf.touch(event)
        self.edition += isinstance(event, Opened)
        if mark := getattr(event, "request", ""):
            self.answers[str(mark)] = event
            if len(self.answers) > MOST_ANSWERS:
                del self.answers[next(iter(self.answers))]

    def prepare(self) -> bool:
        """Read some of the journal for what will be asked for, so that the first reader that asks need not wait; whether there
        is more."""
        if self.session is None or self.problem or self._ready == self.seq:
            return False
        try:
            if self.shelf.prepare(self.session, AHEAD):
                return True
            if self._ready < 0 and self.state.opened is not None:
                self.book.history(self.state, self.seq, full=True)
        except (*IMPOSSIBLE, OvernightError):
            pass  # what is asked for later tells it
        self._ready = self.seq
        return False

    def watch(self) -> bool:
        """Look whether a night is at work, what it does, and whether the folder is in its place; whether that has changed."""
        if self.session is None:
            return False
        home, before = self.session.home, (self.moved, self.live, self.doing)
        self.moved, self.live = not self.session.repo.folder.is_dir(), held(home / "lock")
        self.doing = now.read(home) if self.live else None
        self.edition += self.moved != before[0]
        return (self.moved, self.live, self.doing) != before

    # -- what is seen --

    def check(self) -> Session:
        """The session of a track that can be shown. Raises TrackError with the sentence where it cannot."""
        if self.session is None or self.problem:
            raise TrackError(self.problem or f"the journal of {self.name} is still being read: try again in a moment.")
        if self.moved:
            raise TrackError(f"the folder {self.session.repo.folder} is not there any more: if it was moved, end this and "
                             "serve it from its new place (`overnight where` there says how its state is taken over).")
        return self.session

    def seen(self, full: bool, names: tuple[str, ...]) -> Seen:
        """The track as a reader may see it now. Raises TrackError."""
        session = self.check()
        return Seen(self.name, self.state, session, full, self.live, self.doing, time.time(), self.seq, self.head, names,
                    lambda: self._history(full), self._detail, lambda: self.shelf.versions(session),
                    self._memory.at(self.edition, self.seq), self._mark())

    def _mark(self) -> str:
        return hmac.new(self._key, self.head.encode(), hashlib.sha256).hexdigest()[:12]

    def _history(self, full: bool) -> History:
        if self.state.opened is None:
            raise NotFound("nothing was run here yet: `overnight run` begins.")
        return self.book.history(self.state, self.seq, full)

    def _detail(self, number: int, full: bool) -> DetailView:
        if number not in self.state.experiments:
            raise NotFound(f"there is no experiment {number}.")
        return self.shelf.detail(self.state, number, self.check(), full)


def _stamp(journal: Path) -> Stamp | None:
    try:
        found = journal.stat()
        beside = journal.with_name(f"{journal.name}-wal")
        return Stamp(found.st_ino, found.st_size, found.st_mtime, beside.stat().st_mtime if beside.exists() else 0.0)
    except OSError:
        return None


def _sentence(error: BaseException) -> str:
    if isinstance(error, OvernightError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'the journal'} cannot be read: {error.strerror}."
    return "the journal tells what cannot have been, so it is not believed: put it back from a copy, or begin anew with " \
           "`overnight run --restart`."


def held(lock: Path) -> bool:
    """Whether a process holds a lock file, looked up without touching the lock."""
    try:
        inode, holder = lock.stat().st_ino, lock.read_bytes()[:32].decode("ascii", "replace").strip()
        found = HELD.findall(Path("/proc/locks").read_text(encoding="ascii"))
    except OSError:
        return False
    return (holder, str(inode)) in found
