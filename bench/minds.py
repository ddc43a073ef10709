"""Nights with models that fail and models that are slow, through the real command, against the scripted server.

    python bench/minds.py faults [--experiments 200]    what is lost, done twice or paid too much when everything goes wrong
    python bench/minds.py budget [--tokens 400000]      whether a bound holds, also over a kill -9 of the night
    python bench/minds.py idle                          how busy benches are while models think, and what is ideal

`faults`: a tenth of the requests gets no answer, a tenth a 429, a tenth of the answers cannot be used; in the middle the
server is killed with -9 and started again. `budget`: the same faults but timeouts, and the night is killed with -9 when a
third is spent. (What a timeout may have cost stays set aside, so that a night with many of them spends far less than it may.)

`idle`: nobody can use a bench more than the proposals that come. Four thinkers that always think, for L seconds each, whose
proposals each take s seconds of benches (as measured in the same night), keep B benches busy for min(1, 4 s / (L B)): the
ideal, because no thinker has to wait for a verdict, and what waits for a bench is used up by it. No other policy can do
better with these thinkers. Beside it, the closed network of the machine-repair problem, in which each thinker waits for the
verdict on its own proposal before it thinks again (exponential times): what four workers would reach that each think and
measure in turn. Both are of the night after its first proposal. First simulated, then measured with runs that sleep.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from fakes import FakeWorld, Night, referee_world  # noqa: E402
from overnight.lab.events import Called, Event, Judged, Measured, Proposed  # noqa: E402
from overnight.night.session import Session  # noqa: E402
from overnight.testing.server import Tally  # noqa: E402
from overnight.track.roles import Role  # noqa: E402

PRICE = ("1", "4")  # dollars per million tokens
PATIENCE = 2.0  # seconds that a model has for an answer
TEAM = f"---\nroles:\n  author: {{kind: llm, timeout: {PATIENCE:g}s}}\n---\nTurn the numbers.\n"
MILD = ("--limits", "0.1", "--malformed", "0.1")
FAULTS = ("--timeouts", "0.1", *MILD)
THINKERS = 4
LIMIT = 1800.0  # seconds for a night
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
    """A copy of tracks/synthetic in a repository of its own, some of its files with another text."""
    here = folder / "track"
    shutil.copytree(ROOT / "tracks" / "synthetic", here, ignore=shutil.ignore_patterns("__pycache__"))
    (here / "program.md").write_text(program)
    for name, text in edited.items():
        (here / f"{name}.py").write_text(text)
    who = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "init.defaultBranch=main")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "The track as it comes")):
        subprocess.run(["git", "-C", str(here), *who, *words], check=True)
    return here


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

    benches: int
    busy: float
    thinking: float
    each: float
    thought: float
    thinkers: int
    by_model: float

    @property
    def ideal(self) -> float:
        """The busy share if thinkers never rest."""
        return min(1.0, self.thinkers * self.each / (self.thought * self.benches))

    @property
    def waiting(self) -> float:
        """The busy share if each thinker waited for its verdict: machine repair, M/M/B with a finite source."""
        weights = [1.0]
        for n in range(1, self.thinkers + 1):
            weights.append(weights[-1] * (self.thinkers - n + 1) * self.each / (min(n, self.benches) * self.thought))
        return sum(min(n, self.benches) * w for n, w in enumerate(weights)) / (self.benches * sum(weights))


def taken(events: Sequence[Event], benches: int, thinks: Callable[[str], bool]) -> Busy:
    """A night's shares, by its record."""
    proposed = [e for e in events if isinstance(e, Proposed)]
    first, last = proposed[0].at, proposed[-1].at
    runs = [e for e in events if isinstance(e, Measured) and first < e.at <= last]
    judged = [e for e in events if isinstance(e, Judged) and first < e.at <= last]
    thought = [e.thinking for e in proposed if thinks(e.researcher)]
    busy, lasted = sum(e.busy + sum(e.overhead.values()) for e in runs), last - first
    return Busy(benches, busy / (lasted * benches), sum(thought[THINKERS:]) / (lasted * THINKERS), busy / max(1, len(judged)),
                sum(thought) / len(thought), THINKERS, len(thought) / len(proposed))


def simulated(kinds: Sequence[str], benches: int, latency: float, seed: int) -> Busy:
    """A simulated night in the reference world, with runs of a second."""
    roles = [Role(kind, kind) for kind in kinds]
    done = Night(FakeWorld(seed, referee_world), benches=benches, roles=roles, thinkers=THINKERS, think=latency)
    return taken(done.go(until=max(1000.0, 100 * latency)).events, benches, lambda name: name == "llm")


def measured(folder: Path, kinds: Sequence[str], benches: int, latency: float, seconds: int) -> Busy:
    """A real night whose runs sleep, with a scripted model so many times slower."""
    team = f"---\nresearchers: [{', '.join(kinds)}]\n---\n"
    run = (ROOT / "tracks" / "synthetic" / "run.py").read_text()
    here = track(folder, team, run=run + SLOWLY % SLEEP)
    with serving(folder, "--latency", str(latency * SLEEP)) as server:
        ended(night(here, server.url, "--for", f"{seconds}s", "--workers", str(benches)))
    return taken(record(here), benches, lambda name: name == "llm")


# ---- commands --------------------------------------------------------------------------------------------------


def say_faults(options: argparse.Namespace) -> bool:
    """Print the account of a night with faults."""
    with tempfile.TemporaryDirectory() as folder:
        found = faults(Path(folder), options.experiments)
    for name, value in (
            ("experiments", f"{found.proposed}, {found.judged} with a verdict, {found.open} open"),
            ("lost or twice", found.twice), ("without an answered call", found.unpaid),
            ("calls in the journal", ", ".join(f"{n} {word}" for word, n in sorted(found.outcomes.items()))),
            ("requests at the server", f"{found.server.requests}: {found.server.answered} answered ({found.server.malformed} "
             f"spoilt), {found.server.timeouts} timeouts, {found.server.limits} times 429, {found.server.dropped} given up"),
            ("tokens, journal and server", f"{found.tokens:,} and {used(found.server):,}"),
            ("dollars, journal and server", f"{found.dollars:.6f} and {found.server.dollars:.6f}"),
            ("whole", "yes" if found.whole else "NO")):
        print(f"{name:30} {value}")
    return found.whole and found.proposed == options.experiments


def say_budget(options: argparse.Namespace) -> bool:
    """Print what nights with a bound spent."""
    held = True
    for kill in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            found = budget(Path(folder), options.tokens, kill=kill)
        print(f"{'killed in the middle' if kill else 'left alone':22} bound {found.bound:,}, server {found.tokens:,}, journal "
              f"{found.journal:,} in {found.calls} calls" + (f"; at the kill, server {found.before[0]:,} and journal "
              f"{found.before[1]:,}" if kill else ""))
        held = held and found.tokens <= found.bound
    return held


def say_idle(options: argparse.Namespace) -> bool:
    """Print how busy benches were, and what is ideal."""
    print("| night | team | benches | latency / run | busy | ideal | each waits | thinkers busy | of the model |")
    print("|---|---|---|---|---|---|---|---|---|")
    near = True
    for kinds in (("llm",), ("knobs", "llm")):
        for benches in (1, 2):
            for latency in (2, 20, 100):
                for seed in range(3):
                    near &= _row("simulated", kinds, latency, simulated(kinds, benches, latency, seed))
    for kinds, benches in ((("llm",), 1), (("llm",), 2), (("knobs", "llm"), 2)):
        with tempfile.TemporaryDirectory() as folder:
            near &= _row("measured", kinds, 20, measured(Path(folder), kinds, benches, 20, options.seconds))
    return near


def _row(night: str, kinds: Sequence[str], latency: float, found: Busy) -> bool:
    """Print a line; whether it is within five points of the ideal, which beside one who needs no time is to be always busy."""
    ideal = found.ideal if kinds == ("llm",) else 1.0
    shares = (found.busy, ideal, found.waiting, found.thinking, found.by_model)
    print("| " + " | ".join([night, " + ".join(kinds), str(found.benches), str(latency), *(f"{100 * s:.1f} %" for s in shares)])
          + " |", flush=True)
    return abs(found.busy - ideal) <= 0.05


def main() -> int:
    """Print the tables; 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, does, option, default in (("faults", say_faults, "--experiments", 200),
                                        ("budget", say_budget, "--tokens", 400_000), ("idle", say_idle, "--seconds", 180)):
        command = commands.add_parser(name)
        command.add_argument(option, type=int, default=default)
        command.set_defaults(does=does)
    options = parser.parse_args()
    return 0 if options.does(options) else 1


if __name__ == "__main__":
    sys.exit(main())
