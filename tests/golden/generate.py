"""Write the golden nights: journals of format 1, and the state that each replays to.

    PYTHONPATH=src:tests python tests/golden/generate.py            everything, journals too
    PYTHONPATH=src:tests python tests/golden/generate.py NIGHT      the journals of these nights, and all states
    PYTHONPATH=src:tests python tests/golden/generate.py --states   the states alone, from the journals as they are

The journals stay as they are for good: nights of this format lie on the disks of users. A new format, or a new record, adds
nights beside these. The states are written anew only where what a journal means is changed on purpose, and the change log says so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parent.parent))

from fakes import CONTRACT, FakeWorld, Idea, Night, lots_of, referee_world
from golden import nights
from overnight.contracts import Call, Suggestion
from overnight.journal import open as open_journal
from overnight.lab.events import (
    Climbed,
    Event,
    Judged,
    Measured,
    Opened,
    Organised,
    Probed,
    Started,
    Stopped,
    Suggested,
    Watched,
)
from overnight.lab.jobs import (
    AddIdea,
    Checked,
    DropIdea,
    Letter,
    Measure,
    Measurement,
    MoveIdea,
    Proposal,
    Steer,
    Try,
    Veto,
    WriteProgram,
)
from overnight.referee.further import Further, KeepEffect, Scored
from overnight.referee.scaling import Carried, Foretold

DUSK = 1_790_000_000.0  # seconds since 1970 at which each of these nights begins
HOUR = 3600.0
WORTHWHILE = CONTRACT.replace('"minimize"', '"minimize"\nworthwhile = 0.5')
GUARDED = CONTRACT + """
[referee]
may_crash = 0.2
[[guard]]
metric = "cpu_seconds"
at_most = "1.25x"
[[guard]]
metric = "memory"
at_most = 100
"""


def kind(name: str) -> str:
    """A contract that declares a kind of metric."""
    return CONTRACT.replace('"minimize"', f'"minimize"\nkind = "{name}"')


# ---- worlds ----------------------------------------------------------------------------------------------------


class World(FakeWorld):
    """With all that a real run and a real change leave in the record."""

    def _propose(self, job):
        made = super()._propose(job)
        if made.change is None:
            return made
        grown = lots_of("grown", made.commit).choice((-4, 0, 3))
        return replace(made, patch=f"-old\n+{made.commit}\n", size_delta=grown,
                       change=replace(made.change, note={"knob": made.commit[:2]}))

    def _measure(self, job):
        found = super()._measure(job)
        lots = lots_of("run", job.run)
        logs = {} if found.outcome == "ok" else {"run": b""}
        beside = {self.metric: self.ran(job.paired_with, job.seed)} if job.paired_with and not found.paired_metrics else found.paired_metrics
        return replace(found, paired_metrics=beside, overhead={"tree": round(lots.random(), 3)}, worker=job.run % 2, logs=logs, sandbox="fake-1",
                       accounting="exact", artifacts=f"{job.seed:08x}")

    def answer(self, job):
        found = super().answer(job)
        if job.__class__.__name__ == "Accept" and isinstance(found, Proposal):
            return replace(found, patch=f"-old\n+{job.order.message}\n")
        return found


class Fixed(World):
    """Seeds change nothing."""

    def value(self, commit, seed):
        return 10.0 - self.worth[commit]


class Tries(World):
    """A run succeeds with a probability of a half, and more by what the commit is worth."""

    def value(self, commit, seed):
        return float(lots_of(self.seed, commit, seed).random() < 0.5 + self.worth[commit])


class Wavering(World):
    """Another number on each seed, though none is expected."""

    def value(self, commit, seed):
        return 2.0 + seed / 1e6


class Curves(World):
    """Runs report of themselves, and the worst fall behind."""

    def _measure(self, job):
        found = super()._measure(job)
        if self.ideas_of[job.commit].gain < -1 and job.pace:
            return Measurement(job, outcome="behind", reason="fell behind the incumbent's curve at step 3 of 4 (3 against 2)")
        return replace(found, curve=tuple((float(step), 4.0 - step + job.seed % 7) for step in range(4)))


class Tired(World):
    """Its researcher soon has nothing more."""

    made_so_far = 0

    def _propose(self, job):
        self.made_so_far += 1
        return super()._propose(job) if self.made_so_far <= 14 else Proposal(job, reason="nothing left to try")


class Sometimes(World):
    """Candidates that fail on one seed in ten."""

    def _measure(self, job):
        found = super()._measure(job)
        if job.commit == "c0" or found.outcome != "ok":
            return found
        lots = lots_of("fails", job.commit, job.seed)
        return Measurement(job, outcome="crash", reason="a bad seed", logs={"run": b""}) if lots.random() < 0.1 else found


USUAL = {"cpu_seconds": 10.0, "memory": 50.0}


def mixed(lots):
    """A bit of everything that can happen to a proposal."""
    draw = lots.random()
    if draw < 0.1:
        return Idea(outcome="crash")
    if draw < 0.2:
        return Idea(foul="it touches score.py")
    return Idea(gain=lots.choice((3.0, 1.0, 0.0, -1.0)), correlation=0.9, conflicts=draw < 0.5)


def better(lots):
    """Every change improves."""
    return Idea(gain=3.0, correlation=0.9)


def bounded(lots):
    """Good changes, of which many break a guard, or end badly."""
    draw = lots.random()
    outcome = "ok" if draw < 0.7 else lots.choice(("timeout", "memory", "output", "invalid", "foul"))
    used = {"cpu_seconds": lots.choice((9.0, 11.0, 14.0)), "memory": lots.choice((50.0, 90.0, 150.0))}
    return Idea(gain=lots.choice((2.0, 0.0)), correlation=0.9, outcome=outcome, metrics=used)


def small(lots):
    """Improvements that are hard to tell from none."""
    return Idea(lots.choice((0.3, 0.5, -0.5)), 0.5)


def plain(lots):
    """Great improvements, great harm, neither."""
    return Idea(lots.choice((2.0, 0.0, -2.0)), 0.8)


def learnt(lots):
    """Gains of which a half is not found on the holdout."""
    return Idea(gain=lots.choice((3.0, 0.0)), correlation=0.9, carries=lots.choice((1.0, 1.0, 0.0)))


def thought(lots):
    """What a team comes up with: some outages, some changes that are none."""
    draw = lots.random()
    if draw < 0.1:
        return Idea(away=30.0)
    return Idea(gain=lots.choice((3.0, 0.0, -1.0)), correlation=0.9, nothing=draw < 0.25)


# ---- nights ----------------------------------------------------------------------------------------------------


class Script:
    """What is ordered in the course of a night: after so many runs, a letter, or what makes one of the night as soon as it
    can (None: not yet)."""

    def __init__(self, *lines: tuple[int, Letter | Callable[[Night], Letter | None]]) -> None:
        self.left = list(lines)

    def __call__(self, night: Night) -> None:
        while self.left and night.lab.state.runs >= self.left[0][0]:
            letter = self.left[0][1]
            letter = letter(night) if callable(letter) else letter
            if letter is None:
                return
            self.left.pop(0)
            night._record(night.lab.hear(letter, night.now))


def veto(request: str, length: int, place: int):
    """Takes back one of what is kept, as soon as that is so long."""
    def ordered(night: Night) -> Veto | None:
        chain = night.lab.state.chain()
        return Veto(request, chain[place].id, "it cannot be read") if len(chain) >= length else None
    return ordered


def events(*sessions: Night | Sequence[Event]) -> list[Event]:
    """The record of a night's sessions, an hour from one to the next."""
    found: list[Event] = []
    for number, session in enumerate(sessions):
        mine = [e for batch in session.batches for e in batch] if isinstance(session, Night) else session
        found += [replace(e, at=round(DUSK + HOUR * number + e.at, 3)) for e in mine]
    return found


def ended(night: Night, why: str = "the experiments are used up") -> list[Event]:
    """The record of a session that ended in order."""
    return [*(e for batch in night.batches for e in batch), Stopped(night.now, night.now, why, 0.0001, 0.002)]


def night(world: FakeWorld, experiments: int, **more) -> list[Event]:
    """A night of one session."""
    return events(ended(Night(world, **more).go(experiments=experiments)))


def ordinary() -> list[Event]:
    """Improvements, crashes, fouls, conflicts; the frontier moves while others are open."""
    return night(World(3, mixed), 24)


def stacked() -> list[Event]:
    """Most changes are worth nothing, so they share runs; some cannot be put together, one crashes all of a stack."""
    def ideas(lots):
        draw = lots.random()
        return Idea(outcome="crash") if draw < 0.02 else Idea(
            2.0 if draw < 0.06 else referee_world(lots).gain, 0.8, conflicts=lots.random() < 0.15)

    return night(World(5, ideas), 75)


def vetoed() -> list[Event]:
    """Two keeps are taken back; what was kept on top is put on the older frontier, and raced and confirmed anew."""
    script = Script((20, veto("1-a", 3, 1)), (0, Veto("1-b", 999)), (50, veto("1-c", 3, 0)))
    return events(ended(Night(World(8, mixed)).go(experiments=26, watch=script)))


def holdout() -> list[Event]:
    """Keeps that carry over to private data, and some that do not."""
    return night(World(4, learnt, holdout=1.0), 14, contract=CONTRACT + 'holdout = "unseen.txt"\n')


def killed() -> list[Event]:
    """A session is killed between a run and the verdict that follows from it; one more in the middle; the third ends."""
    world = World(6, mixed)
    first = Night(world).go(runs=45)
    past = [e for batch in first.batches for e in batch]
    past = past[:max(place for place, e in enumerate(past) if isinstance(e, Judged) and e.verdict == "keep")]
    second = Night(world, past=past).go(runs=70)
    third = Night(world, past=second.events).go(experiments=6)
    return events(past, second, ended(third))


def restarted() -> list[Event]:
    """A track begins anew with another contract."""
    first, world = night(World(1, better), 3), World(8, mixed, level=5.0)
    opened = replace(first[0], contract=WORTHWHILE, key="another key")
    again = Night(world, contract=WORTHWHILE, key="another key").go(experiments=6)
    rest = [e for batch in again.batches for e in batch if not isinstance(e, Opened)]
    assert isinstance(rest[0], Started)
    return [*first, *events([], [replace(opened, at=0.0), *rest])]


def timed() -> list[Event]:
    """A metric that is a time: each run has the frontier beside it, on a machine that gets slower."""
    return night(World(3, mixed, drift=0.05), 12, contract=kind("timing"), measure_slots=1)


def exact() -> list[Event]:
    """A metric without noise."""
    return night(Fixed(2, mixed), 16)


def not_exact() -> list[Event]:
    """A metric that is declared to be without noise and is not: a problem."""
    return events(Night(Wavering(0), contract=kind("deterministic"), measure_slots=1).go(experiments=3))


def successes() -> list[Event]:
    """A metric that is nothing but success or failure."""
    contract = CONTRACT.replace("minimize", "maximize")
    return night(Tries(0, lambda lots: Idea(gain=lots.choice((0.0, 0.0, 0.45)))), 9, contract=contract)


def guarded() -> list[Event]:
    """Guards that bind, every way for a run to end, a machine that fails now and then."""
    world = Sometimes(4, bounded, baseline=Idea(metrics=USUAL), faults=lambda job, number: number % 17 == 0)
    return night(world, 16, contract=GUARDED)


def paced() -> list[Event]:
    """Runs that report of themselves, and are stopped when they fall behind."""
    return night(Curves(7, plain), 18, contract=CONTRACT + "[progress]\npattern = '(a)(b)'\n[referee]\nstack = 1\n")


def reopened() -> list[Event]:
    """Nobody has anything new, so that what came near to a keep goes on."""
    return night(Tired(4, small), 40)


def broken() -> list[Event]:
    """The machine fails three times in a row: the night ends."""
    world = World(1, better, faults=lambda job, number: number > 20 and isinstance(job, Measure))
    return events(Night(world, measure_slots=1).go(experiments=9))


def team() -> list[Event]:
    """Roles that think long, a scientist, a standup, calls to models, ideas that are tried."""
    organised = Organised(0.0, "5" * 64, {role.name: role.kind for role in nights.TEAM})
    script = Script(
        (0, AddIdea("1-a", "warm up longer", "the first steps are wild")), (8, call("author", 101, 0.02)),
        (14, call("scientist", 102, None)), (20, replace(call("author", 103, None), outcome="timeout", tokens_out=0)),
        (26, AddIdea("1-b", "share the keys")), (30, DropIdea("1-c", 2)), (36, call("standup", 104, 0.01)))
    found = Night(World(9, thought), roles=nights.TEAM, think_slots=2)
    found._record([organised], apply=True)
    first = found.go(runs=60, watch=script)
    second = Night(found.world, roles=nights.TEAM, think_slots=2, past=first.events).go(experiments=3)
    return events(first, ended(second))


def call(role: str, asked: int, dollars: float | None) -> Call:
    """A request to a model."""
    return Call(role, "fake:small", "propose", asked, 1200, 300, 100, dollars, 2.5)


def orders() -> list[Event]:
    """Changes that are handed in, one of them twice; ideas; a pause; a stop; orders that are declined."""
    def handed(request: str, gain: float, message: str):
        return lambda n: Try(request, n.lab.state.commit, n.world.made(Idea(gain, 0.9), n.lab.state.commit, message), message, "ada", 1)

    script = Script(
        (6, AddIdea("1-a", "halve the rate")), (9, handed("1-b", 3.0, "by hand")), (12, AddIdea("1-c", "  ")),
        (16, Steer("1-d", "pause")), (17, Steer("1-e", "resume")), (20, DropIdea("1-f", 9)),
        (22, lambda n: Try("1-g", "c0", n.world.made(Idea(3.0, 0.9), "c0", "by hand"), "by hand", "ada")),
        (26, handed("1-h", -2.0, "a bad one")), (30, AddIdea("1-i", "double it")), (31, DropIdea("1-j", 2)),
        (36, Veto("1-k", 77)), (40, handed("1-l", 2.0, "late")), (45, Steer("1-m", "stop")))
    found = Night(World(11, mixed), roles=nights.TEAMS["orders"]).go(experiments=30, watch=script)
    return events(ended(found, found.lab.flight.stopping))


def claimed() -> list[Event]:
    """Races that end in claims: some are kept, some are given up on their fresh pairs, some withdrawn, because the frontier has
    moved meanwhile."""
    return night(World(12, lambda lots: Idea(lots.choice((2.0, 1.5, 0.0)), 0.8)), 10, measure_slots=3)


def standing() -> list[Event]:
    """On many benches changes claim on top of one another's claims; some of the lower ones are kept, some are not."""
    def ideas(lots):
        return Idea(lots.choice((2.0, 1.0, 0.5, 0.0)), 0.5)

    return night(World(30, ideas), 14, measure_slots=16, contract=CONTRACT + "[referee]\nstack = 1\n")


def explored() -> list[Event]:
    """Points of a campaign among experiments: two that were run, once in vain, and one that was not."""
    found = night(World(13, referee_world), 4)
    at = found[-1].at
    points = [Probed(at, n, found[0].commit, "tuner", f"x {n}", {"x": n}, 5, 0.1, commit=f"p{n}") for n in (1, 2, 3)]
    runs = [Measured(at, 900 + n, place, f"p{place}", 7 + n, "explore", outcome=how, metrics={"y": 1.0 + n} if how == "ok" else {})
            for n, (place, how) in enumerate(((1, "ok"), (1, "ok"), (2, "crash")))]
    return [*found, *points, *runs]


def climbed() -> list[Event]:
    """What was kept is tried on a rung, and then on the one below it."""
    record = night(World(3, better), 6)
    kept = next(event.experiment for event in record if isinstance(event, Judged) and event.verdict == "keep")
    held = Carried(kept, "holds", 0, "A 1 -> 2", 0.5, (0.25, 0.75), 8, 1, foretold=Foretold(0.4, (0.1, 0.7), -0.05))
    return [*record, Climbed(DUSK + HOUR, "large", 8.0, "overnight/fake@large", (replace(held, word="vanishes", value=2),)),
            Climbed(DUSK + 2 * HOUR, "mid", 2.0, "overnight/fake@mid", (held, Carried(kept, "unknown", 1, reason="no")))]


def watched() -> list[Event]:
    """A further metric is suggested by the rules and another by a role, what was kept is measured by it, and one keep is disowned."""
    record = night(World(3, better), 6)
    keeps = [event for event in record if isinstance(event, Judged) and event.verdict == "keep"][:2]
    memory = Further("peak_memory", "minimize", "guard", bound="1.1x")
    found = (Scored(Further("y", "minimize", "own"), tuple(KeepEffect(keep.experiment, keep.effect, keep.interval, 4, 7.0) for keep in keeps),
                    3.0, (2.0, 4.0), 10.0, 7.0),
             Scored(memory, (KeepEffect(keeps[0].experiment, -5.0, (-6.0, -4.0), 4, 60.0, "it breaks the guard on peak_memory"),)))
    at = DUSK + HOUR
    said = [Suggested(at, 1, "rules", Suggestion("A guard on memory", "it grew.", "peak_memory", "[[guard]]\n", experiments=(1,))),
            Suggested(at, 2, "watcher", Suggestion("Unseen words", "they were learnt", "unseen", "[[watch]]\n", "--- a/score.py\n"))]
    return [*record, *said, Watched(at + 1, "w1", 4, found)]


def steered() -> list[Event]:
    """Ideas are moved in their queue, and the program is written from outside, then edited in its file."""
    first, second = Checked("7" * 64, "", ""), Checked("8" * 64, "6" * 64, "7" * 64)
    script = Script(
        (0, AddIdea("1-a", "warm up longer")), (4, AddIdea("1-b", "share the keys", source="role scientist")),
        (8, MoveIdea("1-c", 2, 1)), (9, MoveIdea("1-d", 99, 1)), (12, WriteProgram("1-e", "Be bold.", "", "ana", first)),
        (16, WriteProgram("1-f", "Be bolder.", "", "ana", second)), (20, MoveIdea("1-g", 1, 9)))
    found = Night(World(12, mixed)).go(experiments=9, watch=script)
    found._record([Organised(0.0, "9" * 64, {"r": "llm"}, "What the file says.")], apply=True)
    return events(found)


NIGHTS = (ordinary, stacked, vetoed, holdout, killed, restarted, timed, exact, not_exact, successes, guarded, paced, reopened,
          broken, team, orders, claimed, standing, explored, climbed, watched,
          steered)


def filed(record: Sequence[Event]) -> None:
    """A whole file of this format, as a session writes it: a few events at a time."""
    path = nights.HERE / nights.FILE
    path.unlink(missing_ok=True)
    journal = open_journal(path)
    for start in range(0, len(record), 3):
        journal.extend(record[start:start + 3])
    journal.close()


def main() -> None:
    """Write them."""
    only = sys.argv[1:]
    for make in NIGHTS:
        if not only or make.__name__ in only:
            lines = [msgspec.json.encode(event) for event in make()]
            (nights.HERE / f"{make.__name__}.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    if not only:
        filed(nights.load(nights.FILED))
    for name in nights.names():
        record = nights.load(name)
        nights.write(name, list(nights.states(name, record)))
        print(f"{name}: {len(record)} events, {(nights.HERE / f'{name}.jsonl').stat().st_size >> 10} KiB")


if __name__ == "__main__":
    main()
