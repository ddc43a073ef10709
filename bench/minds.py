"""Nights with models that fail and models that are slow, through the real command, against the scripted server.

Faults: a tenth of the requests gets no answer, a tenth a 429, a tenth of the answers cannot be used; in the middle the
server is killed with -9 and started again. Budget: the same faults but timeouts, and the night is killed with -9 when a
third is spent. (What a timeout may have cost stays set aside, so that a night with many of them spends far less than it may.)

Idle: a bench cannot be used more than by the proposals that come. Four thinkers that always think, for L seconds each, whose
proposals each take s seconds of benches (as measured in the same night), keep B benches busy for min(1, 4 s / (L B)): the
ideal, because no thinker has to wait for a verdict, and what waits for a bench is used up by it. No other policy can do
better with these thinkers. Beside it, the closed network of the machine-repair problem, in which each thinker waits for the
verdict on its own proposal before it thinks again (exponential times): what four workers would reach that each think and
measure in turn. Both are of the night after its first proposal. First simulated, then measured with runs that sleep.

Conflicts: how many changes of four thinkers, which heed what the page says of others, collide with what was kept meanwhile.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from bench import ROOT
from bench.ground import track_in
from bench.kit import Bench, Cell, Row, exact
from fakes import FakeWorld, Night, referee_world
from overnight.lab.events import Called, Event, Judged, Measured, Proposed, Rebased
from overnight.night.session import Session
from overnight.testing.server import Tally
from overnight.track.roles import Role

PRICE = ("1", "4")  # dollars per million tokens
PATIENCE = 2.0  # seconds that a model has for an answer
TEAM = f"---\nroles:\n  author: {{kind: llm, timeout: {PATIENCE:g}s}}\n---\nTurn the numbers.\n"
MILD = ("--limits", "0.1", "--malformed", "0.1")
FAULTS = ("--timeouts", "0.1", *MILD)
THINKERS = 4
LIMIT = 1800.0  # seconds for a night
PARTS = {"LEARNING_RATE": 0.01, "MOMENTUM": 0.9, "WIDTH": 16, "WARMUP": 0.2}  # as tracks/synthetic has them
PARTED = "".join(f"{''.join(f'{name}_{i} = {value ** 0.25:.6g}' + chr(10) for i in range(4))}"
                 f"{name} = {' * '.join(f'{name}_{i}' for i in range(4))}\n\n" for name, value in PARTS.items())  # 16 numbers
SLEEP = 0.5  # seconds that a run of the measured nights sleeps
SLOWLY = "import time\n\ntime.sleep(%g)\n"


# ---- a night and a server --------------------------------------------------------------------------------------


@dataclass
class Served:
    """The scripted server in a process of its own, that can be killed and started again at the same port."""

    folder: Path
    options: tuple[str, ...] = ()
    url: str = ""
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        port = self.url.removesuffix("/v1").rpartition(":")[2] or "0"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "overnight.testing.server", "--port", port, "--script", str(ROOT / "bench" / "answers.py"),
             "--tally", str(self.folder / "tally.json"), "--price-in", PRICE[0], "--price-out", PRICE[1], *self.options],
            stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it and reap it."""
        assert self._process is not None and self._process.stdout is not None
        self._process.send_signal(number)
        self._process.wait(timeout=30)
        self._process.stdout.close()

    @property
    def tally(self) -> Tally:
        """Its own count."""
        return msgspec.json.decode((self.folder / "tally.json").read_bytes(), type=Tally)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Served]:
    """A server, from here to its end."""
    server = Served(folder, options)
    server.start()
    try:
        yield server
    finally:
        server.end()


def track(folder: Path, program: str = TEAM, **edited: str) -> Path:
    """A copy of tracks/synthetic with this program."""
    return track_in(folder, "synthetic", **{"program.md": program}, **edited)


def night(here: Path, url: str, *options: str) -> subprocess.Popen[str]:
    """`overnight run`, as a user starts it."""
    return subprocess.Popen([sys.executable, "-m", "overnight.cli", "run", str(here), "--model", f"server:scripted@{url}",
                             "--price", ",".join(PRICE), "--thinkers", str(THINKERS), *options],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def record(here: Path) -> list[Event]:
    """The journal as it is now."""
    session = Session(here)
    return list(session.journal.replay()) if session.begun else []


def until(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Wait until something is so, or the night has ended."""
    began = time.monotonic()
    while process.poll() is None and not reached() and time.monotonic() < began + LIMIT:
        time.sleep(0.3)


def ended(process: subprocess.Popen[str]) -> str:
    """What a night said, after its end. Raises AssertionError where that was no good one."""
    said = process.communicate(timeout=LIMIT)[0]
    assert process.returncode == 0, said
    return said


# ---- faults ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """What a journal says, beside the server's own count."""

    proposed: int
    judged: int
    open: int
    twice: int  # commits and verdicts that are there more than once
    unpaid: int  # proposals without an answered call
    outcomes: dict[str, int]
    tokens: int
    dollars: float
    server: Tally

    @property
    def whole(self) -> bool:
        """Whether nothing is lost or there twice, and the totals are the server's."""
        sums = self.tokens == self.server.tokens_in + self.server.tokens_out and abs(self.dollars - self.server.dollars) < 1e-9
        return sums and not self.twice and not self.unpaid and self.proposed == self.judged + self.open \
            and self.outcomes.get("ok", 0) == self.server.answered


def account(here: Path, server: Tally) -> Account:
    """Take stock of a night."""
    events = record(here)
    proposed = [e for e in events if isinstance(e, Proposed)]
    judged = [e.experiment for e in events if isinstance(e, Judged)]
    calls = [e.call for e in events if isinstance(e, Called)]
    answered = {call.asked for call in calls if call.outcome == "ok"}
    twice = [len(each) - len(set(each)) for each in ([e.commit for e in proposed], [e.experiment for e in proposed], judged)]
    lost = max((e.experiment for e in proposed), default=0) - len(proposed)
    return Account(len(proposed), len(judged), len({e.experiment for e in proposed} - set(judged)), sum(twice) + lost,
                   sum(e.asked not in answered for e in proposed), dict(Counter(call.outcome for call in calls)),
                   sum(c.tokens_in + c.tokens_out for c in calls), sum(c.dollars or 0.0 for c in calls), server)


def faults(folder: Path, experiments: int, latency: float = 0.1) -> Account:
    """A night against a server that fails and is killed in the middle."""
    here = track(folder)
    with serving(folder, *FAULTS, "--latency", str(latency)) as server:
        process = night(here, server.url, "--experiments", str(experiments))
        until(process, lambda: sum(isinstance(e, Proposed) for e in record(here)) >= experiments // 2)
        server.end(signal.SIGKILL)
        time.sleep(1.0)
        server.start()
        ended(process)
        return account(here, server.tally)


@dataclass(frozen=True)
class Spent:
    """What nights with a bound came to. `before`: at the kill, by the server and by the journal."""

    tokens: int
    bound: int
    before: tuple[int, int]
    calls: int
    journal: int
    server: Tally
    said: str


def budget(folder: Path, bound: int, latency: float = 0.3, kill: bool = True) -> Spent:
    """A night with a bound on tokens, killed with -9 when a third of them is spent, and taken up again."""
    here = track(folder)
    with serving(folder, *MILD, "--latency", str(latency)) as server:
        process = night(here, server.url, "--tokens", str(bound))
        before = (0, 0)
        if kill:
            until(process, lambda: 3 * total(here) >= bound)
            assert process.poll() is None, "the night was over before it could be killed"
            process.kill()
            process.communicate()
            time.sleep(2 * latency)
            before = (used(server.tally), total(here))
            process = night(here, server.url, "--tokens", str(bound))
        said = ended(process)
        calls = sum(isinstance(e, Called) for e in record(here))
        return Spent(used(server.tally), bound, before, calls, total(here), server.tally, said)


def used(tally: Tally) -> int:
    """Tokens in and out."""
    return tally.tokens_in + tally.tokens_out


def total(here: Path) -> int:
    """Tokens by the journal."""
    return sum(e.call.tokens_in + e.call.tokens_out for e in record(here) if isinstance(e, Called))


# ---- idle ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Busy:
    """What a night's benches and thinkers did between its first and its last proposal, in shares of the time.

    busy     with runs, and with what the harness does for a run
    each     bench seconds of a proposal
    thought  mean seconds of thinking for one
    """

    measure_slots: int
    busy: float
    thinking: float
    each: float
    thought: float
    think_slots: int
    by_model: float

    @property
    def ideal(self) -> float:
        """The busy share if thinkers never rest."""
        return min(1.0, self.think_slots * self.each / (self.thought * self.measure_slots))

    @property
    def waiting(self) -> float:
        """The busy share if each thinker waited for its verdict: machine repair, M/M/B with a finite source."""
        weights = [1.0]
        for n in range(1, self.think_slots + 1):
            weights.append(weights[-1] * (self.think_slots - n + 1) * self.each / (min(n, self.measure_slots) * self.thought))
        return sum(min(n, self.measure_slots) * w for n, w in enumerate(weights)) / (self.measure_slots * sum(weights))


def taken(events: Sequence[Event], measure_slots: int, thinks: Callable[[str], bool]) -> Busy:
    """A night's shares, by its record."""
    proposed = [e for e in events if isinstance(e, Proposed)]
    first, last = proposed[0].at, proposed[-1].at
    runs = [e for e in events if isinstance(e, Measured) and first < e.at <= last]
    judged = [e for e in events if isinstance(e, Judged) and first < e.at <= last]
    thought = [e.thinking for e in proposed if thinks(e.researcher)]
    busy, lasted = sum(e.busy + sum(e.overhead.values()) for e in runs), last - first
    return Busy(measure_slots, busy / (lasted * measure_slots), sum(thought[THINKERS:]) / (lasted * THINKERS),
                busy / max(1, len(judged)),
                sum(thought) / len(thought), THINKERS, len(thought) / len(proposed))


def simulated(kinds: Sequence[str], measure_slots: int, latency: float, seed: int) -> Busy:
    """A simulated night in the reference world, with runs of a second."""
    roles = [Role(kind, kind) for kind in kinds]
    done = Night(FakeWorld(seed, referee_world), measure_slots=measure_slots, roles=roles, think_slots=THINKERS, think=latency)
    return taken(done.go(until=max(1000.0, 100 * latency)).events, measure_slots, lambda name: name == "llm")


def measured(folder: Path, kinds: Sequence[str], measure_slots: int, latency: float, seconds: int) -> Busy:
    """A real night whose runs sleep, with a scripted model so many times slower."""
    team = f"---\nresearchers: [{', '.join(kinds)}]\n---\n"
    run = (ROOT / "tracks" / "synthetic" / "run.py").read_text()
    here = track(folder, team, **{"run.py": run + SLOWLY % SLEEP})
    with serving(folder, "--latency", str(latency * SLEEP)) as server:
        ended(night(here, server.url, "--for", f"{seconds}s", "--workers", str(measure_slots)))
    return taken(record(here), measure_slots, lambda name: name == "llm")


# ---- conflicts ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Collided:
    """What a night's changes that conflicted with what was kept meanwhile came to: how many were given up, and how many
    were made anew, paid for once more."""

    proposed: int
    kept: int
    lost: int
    anew: int

    @property
    def share(self) -> float:
        """Of all that was proposed."""
        return (self.lost + self.anew) / max(1, self.proposed)


def conflicts(folder: Path, experiments: int, latency: float) -> Collided:
    """A night of four thinkers on one small file, where the noise is so small that much is kept."""
    score = (ROOT / "tracks" / "synthetic" / "score.py").read_text().replace("NOISE = 0.1", "NOISE = 0.003")
    here = track(folder, TEAM.replace(f"{PATIENCE:g}s", "60s"), **{"score.py": score, "settings.py": PARTED})
    with serving(folder, "--latency", str(latency)) as server:
        ended(night(here, server.url, "--experiments", str(experiments)))
    events = record(here)
    judged = [e for e in events if isinstance(e, Judged)]
    lost = {e.experiment for e in judged if e.reason.startswith("conflicts with")}
    anew = {e.experiment for e in events if isinstance(e, Rebased) and e.again}
    return Collided(sum(isinstance(e, Proposed) for e in events), sum(e.verdict == "keep" for e in judged), len(lost),
                    len(anew - lost))


# ---- the bench -------------------------------------------------------------------------------------------------


def fault_rows(experiments: int, latency: float) -> Iterator[Row]:
    """The account of a night with faults."""
    with tempfile.TemporaryDirectory() as folder:
        found = faults(Path(folder), experiments, latency)
    yield exact("faults: experiments", found.proposed, f"== {experiments}")
    yield exact("faults: experiments with one verdict, or open", found.judged + found.open, f"== {experiments}")
    yield exact("faults: lost or twice", found.twice, "== 0")
    yield exact("faults: proposals without an answered call", found.unpaid, "== 0")
    yield exact("faults: tokens, journal less server", found.tokens - used(found.server), "== 0")
    yield exact("faults: dollars, journal less server", round(found.dollars - found.server.dollars, 9), "== 0")
    yield exact("faults: tokens by the server", used(found.server))
    yield exact("faults: dollars by the server", found.server.dollars)
    for outcome, number in sorted(found.outcomes.items()):
        yield exact(f"faults: calls in the journal, {outcome}", number)
    for kind in ("requests", "answered", "malformed", "timeouts", "limits", "dropped"):
        yield exact(f"faults: requests at the server, {kind}", getattr(found.server, kind))


def budget_rows(bound: int, kill: bool, latency: float) -> Iterator[Row]:
    """What a night with a bound spent."""
    with tempfile.TemporaryDirectory() as folder:
        found = budget(Path(folder), bound, latency, kill)
    name = "budget, killed in the middle" if kill else "budget, left alone"
    yield exact(f"{name}: tokens by the server", found.tokens, f"<= {bound}")
    yield exact(f"{name}: tokens by the journal", found.journal, f"<= {bound}")
    if kill:
        yield exact(f"{name}: tokens by the server at the kill", found.before[0])


def idle_rows(name: str, found: Busy, alone: bool) -> Iterator[Row]:
    """How busy benches were, and what is ideal: beside a researcher that needs no time, to be always busy."""
    ideal = found.ideal if alone else 1.0
    yield exact(f"{name}: busy", found.busy)
    yield exact(f"{name}: ideal less busy", ideal - found.busy, "<= 0.05")
    yield exact(f"{name}: busy if each waited for its verdict", found.waiting)
    yield exact(f"{name}: thinkers busy", found.thinking)


def simulated_rows(kinds: Sequence[str], measure_slots: int, latency: float) -> Iterator[Row]:
    """A simulated night."""
    name = f"idle, simulated, {' + '.join(kinds)}, {measure_slots} benches, latency {latency:g}"
    yield from idle_rows(name, simulated(kinds, measure_slots, latency, 0), kinds == ("llm",))


def measured_rows(kinds: Sequence[str], measure_slots: int) -> Iterator[Row]:
    """A real night of three minutes whose model thinks twenty times as long as a run takes."""
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), kinds, measure_slots, 20, 180)
    yield from idle_rows(f"idle, measured, {' + '.join(kinds)}, {measure_slots} benches", found, kinds == ("llm",))


def conflict_rows(experiments: int, latency: float) -> Iterator[Row]:
    """How many changes of four thinkers collide with what was kept."""
    with tempfile.TemporaryDirectory() as folder:
        found = conflicts(Path(folder), experiments, latency)
    yield exact("conflicts: experiments", found.proposed, f"== {experiments}")
    yield exact("conflicts: kept", found.kept)
    yield exact("conflicts: given up", found.lost)
    yield exact("conflicts: made anew", found.anew)
    yield exact("conflicts: share of all", found.share)


def cells(quick: bool) -> Iterator[Cell]:
    """Faults, bounds, idle benches (quick: a few faults, and simulated nights)."""
    yield Cell("faults", partial(fault_rows, 4, 0.02) if quick else partial(fault_rows, 200, 0.1))
    for kill in () if quick else (False, True):
        yield Cell(f"budget {kill}", partial(budget_rows, 150_000, kill, 0.3))
    if not quick:
        yield Cell("conflicts", partial(conflict_rows, 100, 2.0))
    for kinds in (("llm",), ("knobs", "llm")):
        for measure_slots in (1,) if quick else (1, 2):
            for latency in (20,) if quick else (2, 20, 100):
                name = f"simulated {kinds} {measure_slots} {latency}"
                yield Cell(name, partial(simulated_rows, kinds, measure_slots, latency))
    for kinds, measure_slots in () if quick else ((("llm",), 1), (("llm",), 2), (("knobs", "llm"), 2)):
        yield Cell(f"measured {kinds} {measure_slots}", partial(measured_rows, kinds, measure_slots))


BENCH = Bench("minds", "Nights with models that fail or are slow: nothing is lost or twice, bounds hold, benches keep busy.",
              cells, long=True, uses=("overnight.cli", "overnight.testing.server", "bench.answers"))
