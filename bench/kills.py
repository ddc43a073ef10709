"""Kills of a night at work, at random moments: what the next start finds, and what is left behind.

A world is one track with its own state folder and its own folder for temporary files. In each of its rounds a session begins
(a night, a trial of its own, an audit), works until its first run has ended, and orders come in meanwhile; then the whole
process group is killed with SIGKILL, and in half of the rounds the commands that gave the orders as well.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.kit import Row, exact, in_parallel
from overnight.errors import OvernightError, TrackError
from overnight.lab.events import Event, Judged, Measured, Proposed, Vetoed
from overnight.lab.jobs import AddIdea, Order, Steer, Veto
from overnight.lab.state import State
from overnight.night import dispatch, needs
from overnight.night.inbox import request
from overnight.night.session import UNFINISHED, Session
from overnight.sandbox import watch

SECONDS = 60.0  # within which anything that is waited for must come about
PAUSE = 0.03  # seconds between two looks
KINDS = (*["night"] * 3, "trial", "audit")  # sessions, as often as each is drawn
ORDERS = (*("try", "idea", "pause") * 2, "veto")  # as often as each is drawn
# What a state folder may hold between two sessions.
HOME = {"journal.db", "journal.db-wal", "journal.db-shm", "keys", "logs", "lock", "head", "branch", "scratch", "git", "inbox",
        "audit", "state.snapshot", "notes.md", "trust.json", "repository.json", "now.json"}
GIT = {"HEAD", "config", "objects", "refs", "packed-refs", "shallow", "info"}  # and the git folder in it
WRONG = {  # kinds of what must not be
    "record": "records that were changed or lost", "verdicts": "verdicts lost or given twice", "runs": "finished runs repeated",
    "orders": "orders lost or answered twice", "branch": "result branches apart from the journal",
    "refs": "refs that hold what is not open, or do not hold what is", "left behind": "processes, folders, locks, groups left",
    "began": "sessions that did not go on, tracebacks"}
GROUPS = Path("/sys/fs/cgroup")


@dataclass
class Found:
    """What came of the kills of a world; `wrong` holds a sentence for each thing that should not be."""

    kills: int = 0
    struck: Counter[str] = field(default_factory=Counter)  # by kind, sessions and what was under way besides
    made: Counter[str] = field(default_factory=Counter)  # what the record held in the end
    lingered: list[float] = field(default_factory=list)  # seconds until nothing of the killed session was alive
    wrong: list[tuple[str, str]] = field(default_factory=list)  # of which kind, and what

    def add(self, other: Found) -> None:
        """Take up what came of another world."""
        for name, value in vars(self).items():
            setattr(self, name, value + getattr(other, name))


class World:
    """A track whose sessions are killed, and what is known of it from one kill to the next. `after`: seconds behind its first
    run within which a session is killed."""

    def __init__(self, folder: Path, dice: random.Random, after: float) -> None:
        self.dice, self.after, self.found = dice, after, Found()
        self.track, self.tree, self.short = folder / "track", folder / "tree", folder / "short"
        self.short.mkdir()
        self.environ = os.environ | {"XDG_STATE_HOME": str(folder / "state"), "TMPDIR": str(self.short)}
        self._head = (0, "")
        self._seen = set[str]()  # orders that lay in the inbox at some time
        self._put_in = set[str]()  # those of them that no command waits for
        self._withdrawn = set[str]()
        self._killed = list[str]()  # names of processes
        self._old = set[Path]()  # what a kill left behind, for the next start to clear away
        self._make()

    def _make(self) -> None:
        shutil.copytree(Path(__file__).with_name("killed"), self.track, ignore=shutil.ignore_patterns("__pycache__"))
        self._git("init", "-q")
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "The track as it comes")
        self._git("worktree", "add", "-q", "--detach", str(self.tree))
        self.session = Session(self.track)
        self.home, self.inbox = self.session.home, self.session.home / "inbox"
        self.session.place.make()
        self.session.trust.grant(needs.of_roles(self.session.program.roles))
        self._edit(better=True)
        self._run("try", str(self.tree))  # is kept, so that there is something to audit and to take back

    def _git(self, *words: str) -> str:
        who = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "init.defaultBranch=main")
        return subprocess.run(["git", *who, *words], cwd=self.track, check=True, capture_output=True, text=True).stdout

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "overnight.cli", *words], env=self.environ, start_new_session=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def _run(self, *words: str) -> str:
        process = self._start(*words)
        said = process.communicate(timeout=4 * SECONDS)[0].decode()
        if process.returncode:
            raise OvernightError(f"overnight {' '.join(words)}: {said}")
        return said

    def killed(self, kills: int) -> Found:
        """Kill so many sessions, then let the last one end; what came of it."""
        try:
            for _ in range(kills):
                self.round(self.dice.choice(KINDS))
            self.end()
        except (OvernightError, subprocess.SubprocessError) as error:
            self._wrong("began", f"{type(error).__name__}: {error}")
        return self.found

    # -- one kill --

    def round(self, kind: str) -> None:
        """Begin a session, kill it, and look at what is left. A session that ends by itself is begun again."""
        state = self._state()
        if kind == "audit" and not state.frontier:
            kind = "night"
        at_first = state.records
        session = self._begin(kind)
        until = time.monotonic() + SECONDS
        while session.poll() is None and not self._works(kind, at_first):
            if time.monotonic() > until:
                self._wrong("began", f"{kind}: nothing was measured")
                break
            time.sleep(PAUSE)
        orders = self.dice.randrange(3) if kind == "night" else 0
        others = [self._command(state) for _ in range(orders)]
        until = time.monotonic() + self.dice.uniform(0.0, self.after)
        while time.monotonic() < until and session.poll() is None:
            self._seen |= self._waiting()
            time.sleep(PAUSE)
        for _ in range(orders):
            self._put(state)
        time.sleep(self.dice.uniform(0.0, 2 * PAUSE))
        if session.poll() is None:
            self._kill(kind, session, others)
        else:
            self._end([session, *others], kill=False)
            self.round("night")

    def _begin(self, kind: str) -> subprocess.Popen[bytes]:
        self.session.inbox.put(Steer(request(), "resume"))  # behind a pause that may wait there since the last kill
        if kind == "trial":
            self._edit()
            return self._start("try", str(self.tree))
        shutil.rmtree(self.home / "audit", ignore_errors=True)  # the logs of one that was killed, by which one is known to work
        words = ("run", str(self.track), "--experiments", "1000") if kind == "night" else ("audit", str(self.track))
        return self._start(*words)

    def _works(self, kind: str, records: int) -> bool:
        """Whether the session has ended a run."""
        if kind == "audit":
            return any((self.home / "audit").glob("*.log"))
        return any(isinstance(event, Measured) for event in self.session.journal.replay(after=records))

    def _kill(self, kind: str, session: subprocess.Popen[bytes], others: list[subprocess.Popen[bytes]]) -> None:
        self._killed.append(watch.name_of(session.pid))
        os.killpg(session.pid, signal.SIGKILL)
        self.found.kills += 1
        self.found.struck[{"night": "nights", "trial": "trials of their own", "audit": "audits"}[kind]] += 1
        self._seen |= self._waiting()
        self.found.struck["orders that waited"] += len(self._waiting())
        self.found.struck["commands that waited for an answer"] += sum(other.poll() is None for other in others)
        both = self.dice.random() < 0.5
        if both:
            self._end(others, kill=True)
        self._reap(session)
        self._linger({other.pid for other in others if other.poll() is None})
        self._end(others, kill=False)
        self._check()

    def _end(self, others: list[subprocess.Popen[bytes]], kill: bool) -> None:
        """Let the commands end that gave an order, or kill them."""
        for other in others:
            if kill and other.poll() is None:
                self._killed.append(watch.name_of(other.pid))
                os.killpg(other.pid, signal.SIGKILL)
            before = self._waiting()
            self._reap(other)
            if not kill:
                self._withdrawn |= before - self._waiting() - self._put_in

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        try:
            said = process.communicate(timeout=SECONDS)[0].decode()
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said = process.communicate()[0].decode() + "Traceback: it never ended"
        if "Traceback" in said:
            self._wrong("began", said[-2000:])

    def _linger(self, living: set[int]) -> None:
        """Wait until nothing that was begun is alive but these; orphans are children of this process."""
        began = time.monotonic()
        while time.monotonic() - began < SECONDS:
            left = [pid for pid in _children() if pid not in living]
            for pid in left:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            if not left:
                break
            time.sleep(0.005)
        else:
            self._wrong("left behind", f"processes {left}")
        self.found.lingered.append(time.monotonic() - began)

    # -- orders --

    def _command(self, state: State) -> subprocess.Popen[bytes]:
        """Begin a command that gives an order, as a user does."""
        what = self.dice.choice(ORDERS)
        if what == "try":
            self._edit()
        words = {"try": ("try", str(self.tree)), "pause": ("pause", str(self.track)),
                 "idea": ("idea", "add", f"Idea {self.dice.randrange(1 << 40):x}", str(self.track), "--anyway"),
                 "veto": ("veto", str(self._victim(state)), str(self.track))}[what]
        return self._start(*words)

    def _put(self, state: State) -> None:
        """Put an order into the inbox."""
        what = self.dice.choice(ORDERS)
        if what == "try":
            self._edit()
        make: dict[str, Callable[[], list[Order]]] = {
            "try": lambda: [dispatch.change(Session(self.track), self.tree, "By hand", "person")],
            "pause": lambda: [Steer(request(), "pause"), Steer(request(), "resume")],
            "idea": lambda: [AddIdea(request(), "An idea")],
            "veto": lambda: [Veto(request(), self._victim(state))]}
        with suppress(TrackError):  # a change that conflicts with what was kept meanwhile is no order
            for order in make[what]():
                self.session.inbox.put(order)
                self._put_in.add(order.request)

    def _victim(self, state: State) -> int:
        """What is to be taken back: one that was kept, or one that was not."""
        victims: list[int] = [each.id for each in state.chain()]
        return self.dice.choice([*victims, 1])

    def _edit(self, better: bool = False) -> None:
        """Make a change in the linked work tree, which no session touches."""
        values = [2.0 if better else self.dice.choice([1.0, 1.0, self.dice.uniform(1, 3)]), *[1.0] * 7]
        self.dice.shuffle(values)
        lines = [f"X{n} = {value:.6f}\n" for n, value in enumerate(values)]
        (self.tree / "settings.py").write_text("".join([*lines, f"# {self.dice.random()}\n"]), encoding="utf-8")

    def _waiting(self) -> set[str]:
        return {path.stem for path in self.inbox.glob("*.json")}

    # -- what must hold --

    def _wrong(self, kind: str, what: str) -> None:
        self.found.wrong.append((kind, what))

    def _state(self) -> State:
        state = State()
        for event in self.session.journal.replay():
            state.apply(event)
        return state

    def _check(self) -> None:
        """Look at all that a kill must not change, then start once more, and look at what it cleared away."""
        state, events, moved = self._replayed()
        tip = self.session.repo.tip("overnight/killed")
        if tip not in moved[-2:]:
            self._wrong("branch", f"{tip} is neither {state.commit} nor what it was before")
        with Session(self.track).writing():
            pass
        self._settled(state)
        self._orders(events)
        for path in self._old:
            if path.exists():
                self._wrong("left behind", f"{path} after the next start")
        self._old = set(self._remains())

    def _replayed(self) -> tuple[State, list[Event], list[str]]:
        """The record, read from its first hash on; and where the frontier stood, one after the other."""
        journal = self.session.journal
        events, state, moved = list(journal.replay()), State(), [""]
        if journal.hash_of(self._head[0]) != (self._head[1] or None) or len(events) < self._head[0]:
            self._wrong("record", f"record {self._head[0]} has another hash")
        self._head = journal.head
        for event in events:
            if isinstance(event, Judged) and event.experiment not in state.open:
                self._wrong("verdicts", f"{event.experiment} was judged twice")
            state.apply(event)
            if state.commit != moved[-1]:
                moved.append(state.commit)
        measured = [event for event in events if isinstance(event, Measured) and event.stage != "check"]  # those repeat one
        runs = Counter((event.experiment, event.commit, event.seed, event.edit or 0, event.stage) for event in measured)
        twice = runs - Counter(runs.keys())
        again = [key for key in twice if key[-1] == "calibrate"]  # calibration asks for one seed a second time
        if twice.total() > 1 or len(again) != twice.total():
            self._wrong("runs", f"repeated: {dict(twice)}")
        return state, events, moved

    def _settled(self, state: State) -> None:
        """What holds when nothing is at work."""
        held = self._git("for-each-ref", "--format=%(refname) %(objectname)", "refs/overnight").splitlines()
        due = [f"refs/overnight/killed/{e.id} {e.commit}" for e in state.open.values()]
        due += [f"refs/overnight/killed/stack/{each.members[-1]} {each.name}" for each in state.stacks.values()]
        if sorted(held) != sorted(due):
            self._wrong("refs", f"held {held}, open {due}")
        if (tip := self.session.repo.tip("overnight/killed")) != state.commit:
            self._wrong("branch", f"{tip} where the journal says {state.commit}")
        if self.session.at_work():
            self._wrong("left behind", "the lock")
        beyond = {p.name for p in self.home.iterdir()} - HOME | {p.name for p in (self.home / "git").iterdir()} - GIT
        beyond |= {p.name for p in (self.home / "scratch").iterdir()}
        beyond |= {p.name for p in self.inbox.glob(".*") if time.time() - p.lstat().st_mtime > 2 * UNFINISHED}
        if beyond:
            self._wrong("left behind", f"in the state folder: {sorted(beyond)}")
        locks = [str(p) for p in (self.track / ".git").rglob("*") if p.suffix == ".lock" or p.name.startswith("tmp_")]
        if locks:
            self._wrong("left behind", f"{locks}")

    def _orders(self, events: list[Event]) -> None:
        """Every order has one answer, or waits, or was taken back by the command that gave it."""
        answers = Counter(name for e in events if not isinstance(e, Measured) and (name := getattr(e, "request", "")))
        waits = self._waiting()
        for name in (self._seen | self._put_in) - answers.keys() - waits - self._withdrawn:
            self._wrong("orders", f"{name} is lost")
        self.found.wrong += [("orders", f"{name} has {times} answers") for name, times in answers.items() if times > 1]

    def _remains(self) -> Iterator[Path]:
        """Folders for temporary files and control groups of sessions that were killed."""
        yield from self.short.iterdir()
        yield from (p for p in Path(tempfile.gettempdir()).iterdir() if p.name.startswith(tuple(f"{n}-" for n in self._killed)))
        for folder, folders, _ in os.walk(GROUPS):
            yield from (Path(folder, f) for f in folders if f.startswith(tuple(f"{n}-" for n in self._killed)))

    def end(self) -> None:
        """A last session, which ends by itself; then nothing is open, and nothing is left."""
        self._run("run", str(self.track), "--experiments", "1", "--researcher", "tuner")
        state, events, _ = self._replayed()
        self._settled(state)
        self._orders(events)
        proposed = {e.experiment for e in events if isinstance(e, Proposed)}
        if proposed != {e.experiment for e in events if isinstance(e, Judged)} or state.open:
            self._wrong("verdicts", f"open: {sorted(state.open)}")
        if waits := self._waiting():
            self._wrong("orders", f"never answered: {waits}")
        said = self._run("log", str(self.track), "--verify")
        if "chain whole, branch agrees" not in said:
            self._wrong("record", said)
        self._old |= set(self._remains())
        self.found.wrong += [("left behind", str(path)) for path in self._old if path.exists()]
        self.found.made["orders answered"] = sum(1 for event in events if getattr(event, "request", ""))
        self.found.made |= {"records": len(events), "runs": sum(isinstance(event, Measured) for event in events),
                            "verdicts": sum(isinstance(event, Judged) for event in events),
                            "keeps taken back": sum(isinstance(event, Vetoed) for event in events)}


def _children() -> list[int]:
    tasks = Path("/proc/self/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


def killed(number: int, kills: int, after: float) -> Found:
    """Kill the sessions of a new world so often."""
    watch.adopt_orphans()
    dice, before = random.Random(number), os.environ.get("XDG_STATE_HOME")
    with tempfile.TemporaryDirectory(prefix="killed-") as folder:
        os.environ["XDG_STATE_HOME"] = f"{folder}/state"
        try:
            return World(Path(folder), dice, after).killed(kills)
        finally:
            for pid in _children():  # of a round that was broken off
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            os.environ.pop("XDG_STATE_HOME")
            os.environ.update({"XDG_STATE_HOME": before} if before is not None else {})


def rows(worlds: int, kills: int, after: float, within: str) -> Iterator[Row]:
    """How many kills there were, what they struck, and how often something was not as it should be."""
    found = Found()
    for each in in_parallel(partial(killed, kills=kills, after=after), range(worlds)):
        found.add(each)
    for kind, what in found.wrong:
        print(f"{kind}: {what}", file=sys.stderr)
    yield exact("kills of sessions that were at work", found.kills, f">= {worlds * kills}", count=worlds)
    for kind, count in sorted(found.struck.items()):
        yield exact(f"  struck: {kind}", count)
    for kind, count in sorted(found.made.items()):
        yield exact(f"  in the record in the end: {kind}", count)
    seen = Counter(kind for kind, _ in found.wrong)
    for kind, what in WRONG.items():
        yield exact(what, seen[kind], "== 0", count=found.kills)
    yield exact("longest until nothing of a killed session was alive", max(found.lingered), within, "s", len(found.lingered))
