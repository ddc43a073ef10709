"""A long track on the disk, for whatever shows one: a git repository, its state folder with journal, key, snapshot and logs.

    python -m bench.long FOLDER --experiments 10000 [--hostile] [--audit]     then `overnight status FOLDER`, `report`, `serve`

The state lies where $XDG_STATE_HOME says. The record is that of overnight.testing.journals. Where FOLDER has such a track
already, its record goes on.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from bench.ground import committed
from overnight.audit.arithmetic import Audit, Plan, Run, conclude
from overnight.audit.run import planned
from overnight.lab.events import Event, Measured
from overnight.lab.state import State
from overnight.night import anchor
from overnight.night.session import Session
from overnight.testing.journals import CONTRACT, LEVEL, OWN, SHARED, LongNight

AT_A_TIME = 2000  # records that are written in one transaction
MOST_LOGS = 200  # of runs that failed, which have one
PLACE = "PLACE_{:03} = 0"  # the lines of train.py, of which each keep changes one
PROGRAM = """Look for what the last nights left out; one change at a time.
"""


def write(folder: Path, experiments: int, hostile: bool = False, lots: int = 1, left_open: int = 3) -> Session:
    """Write such a track, or let the one that is there go on; its session, closed. Raises OvernightError."""
    if not (folder / "track.toml").exists():
        folder.mkdir(parents=True, exist_ok=True)
        lines = "\n".join(PLACE.format(number) for number in range(400))
        for name, text in (("track.toml", CONTRACT), ("program.md", PROGRAM), ("score.py", "print('{}')\n"),
                           ("unseen.txt", "unseen\n"), ("train.py", f"{lines}\n")):
            (folder / name).write_text(text, encoding="utf-8")
        committed(folder)
    session = Session(folder)
    with session.writing():
        Writer(session, hostile, lots).go(experiments, left_open)
    return session


class Writer:
    """Writes what a LongNight tells into the journal of a session that is held for writing, batch by batch."""

    def __init__(self, session: Session, hostile: bool, lots: int) -> None:
        self.session, self.logs = session, 0
        self.waiting: list[Event] = []
        self.night = LongNight(session.state, self.commit, lots, hostile)

    def go(self, experiments: int, left_open: int = 3) -> None:
        """Go on with the record by so many experiments."""
        for event in self.night.go(experiments, left_open):
            self.waiting.append(event)
            if len(self.waiting) >= AT_A_TIME:
                self.flush()
            if isinstance(event, Measured) and event.log and self.logs < MOST_LOGS:
                self._log(event)
        self.flush()
        self.session.agree()
        self.session.hold_open()

    def flush(self) -> None:
        """Write what waits."""
        self.session.journal.extend(self.waiting)
        self.waiting.clear()

    def commit(self, base: str, message: str, number: int) -> tuple[str, str]:
        """A real commit, which bears the end of the journal at this moment."""
        self.flush()
        repo = self.session.repo
        text = repo.text(base, "train.py") or ""
        place = PLACE.format(number % 400)
        old = next(line for line in text.splitlines() if line.startswith(place.removesuffix("0")))
        body = f"{message}\n\n{anchor.line(self.session.journal.head)}"
        made = repo.commit(base, {"train.py": text.replace(old, f"{place.removesuffix('0')}{number}", 1)}, body)
        return made, repo.patch(base, made)

    def _log(self, event: Measured) -> None:
        folder = self.session.home / "logs"
        folder.mkdir(exist_ok=True)
        lines = "\n".join(f"step {step}: loss {3 - step / 1000:.4f}" for step in range(200))
        (folder / event.log).write_text(f"{lines}\n\x1b[31mTraceback\x1b[0m: {event.reason}\n", encoding="utf-8")
        self.logs += 1


def audited(session: Session, seeds: int = 8) -> Audit:
    """An audit of it whose runs are made up as well, written where `overnight report` looks for one."""
    state = session.state
    with planned(state, session.repo, state.chain(), tuple(range(1, seeds + 1))) as plan:
        audit = conclude(plan, list(_runs(plan)), state.usage.last or time.time())
    (session.home / "audit.json").write_bytes(msgspec.json.encode(audit))
    return audit


def _runs(plan: Plan) -> Iterable[Run]:
    """What the frontier gains over the baseline, less nine tenths of what a keep was claimed to where it is left out."""
    levels = {plan.baseline: LEVEL, plan.frontier: LEVEL - plan.claimed}
    levels |= {each.without: levels[plan.frontier] + 0.9 * each.claimed for each in (*plan.groups, *plan.keeps)
               if each.without and each.without not in levels}
    for seed in plan.seeds:
        shared = random.Random(seed).gauss(0, SHARED)
        for commit in plan.commits:
            own = random.Random(f"{commit} {seed}").gauss(0, OWN)
            yield Run(commit, seed, "ok", levels[commit] + shared + own, seconds=20.0)


def main(words: list[str]) -> None:
    """Write the track that the command line asks for."""
    parser = argparse.ArgumentParser("bench.long", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--hostile", action="store_true", help="one experiment in five has words that would harm a page")
    parser.add_argument("--audit", action="store_true", help="with an audit of what was kept")
    parser.add_argument("--lots", type=int, default=1)
    options = parser.parse_args(words)
    began = time.monotonic()
    session = write(options.folder.resolve(), options.experiments, options.hostile, options.lots)
    state: State = session.state
    if options.audit:
        audited(session)
    print(f"{len(state.experiments):,} experiments, {state.records:,} records, {dict(state.counts)}, "
          f"{time.monotonic() - began:.1f} s: {session.home}")


if __name__ == "__main__":
    main(sys.argv[1:])
