"""Nights with models that fail and models that are slow, through the real command, against the scripted server.

    python bench/minds.py faults [--experiments 200]    what is lost, done twice or paid too much when everything goes wrong
    python bench/minds.py budget [--tokens 400000]      whether a bound holds, also over a kill -9 of the night
    python bench/minds.py idle                          how busy benches are while models think, and what is ideal

`faults`: a tenth of the requests gets no answer, a tenth a 429, a tenth of the answers cannot be used; in the middle the
server is killed with -9 and started again. `budget`: the same faults, and the night is killed with -9 when half is spent.

`idle`: nobody can use a bench more than the proposals that come. Four thinkers that always think, for L seconds each, whose
proposals each take s seconds of benches (as measured in the same night), keep B benches busy for min(1, 4 s / (L B)): the
ideal, because a bench that is free takes what comes at once, and no thinker waits for a verdict. Beside it, the exact mean
value analysis of the closed network in which each thinker waits for the verdict on its own proposal before it thinks again.
First simulated (many nights, exact), then measured with runs that sleep.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from overnight.events import Called, Event, Judged, Proposed  # noqa: E402
from overnight.session import Session  # noqa: E402
from overnight.testing.server import Tally  # noqa: E402

PRICE = ("1", "4")  # dollars per million tokens
PATIENCE = 2.0  # seconds that a model has for an answer
TEAM = f"---\nroles:\n  author: {{kind: llm, timeout: {PATIENCE:g}s}}\n---\nTurn the numbers.\n"
FAULTS = ("--timeouts", "0.1", "--limits", "0.1", "--malformed", "0.1")
THINKERS = 4
LIMIT = 1800.0  # seconds for a night


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
    """A night with a bound on tokens, killed with -9 when half of them are spent, and taken up again."""
    here = track(folder)
    with serving(folder, *FAULTS, "--latency", str(latency)) as server:
        process = night(here, server.url, "--tokens", str(bound))
        before = (0, 0)
        if kill:
            until(process, lambda: 2 * total(here) >= bound)
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


def main() -> int:
    """Print the tables; 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, does, option, default in (("faults", say_faults, "--experiments", 200),
                                        ("budget", say_budget, "--tokens", 400_000)):
        command = commands.add_parser(name)
        command.add_argument(option, type=int, default=default)
        command.set_defaults(does=does)
    options = parser.parse_args()
    return 0 if options.does(options) else 1


if __name__ == "__main__":
    sys.exit(main())
