"""Many runs of one Runner, a tenth of them hostile: whether a run sees anything of one before it, and what is left of them.

`rows` is a cell of the table `overhead`.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.kit import Row, exact, median
from bench.runs import Timed, contract, files, run, runner_on
from bench.sandbox import GROWTH, held, names, state
from overnight.sandbox import watch

FIRST = 10  # runs before which the machine is looked at: by then all is there that is made once
SHARED = ("files in /tmp", "free/16 MiB")  # of what `state` counts: others change them too
TOLD = 3  # of the other worlds that were seen
LIMITS = {"timeout": "2s", "memory": "256MiB", "disk": "16MiB"}


@dataclass
class Seen:
    """What came of many runs.

    worlds    the number of each sight of an honest run, and how many had it
    sights    that number -> the first such sight, in lines
    harness   milliseconds of each honest run
    stopped   hostile runs that did not end well
    memory    MiB of this process after each run, and `helpers` of those below it
    """

    worlds: Counter[float] = field(default_factory=Counter)
    sights: dict[float, list[str]] = field(default_factory=dict)
    harness: list[float] = field(default_factory=list)
    stopped: int = 0
    memory: list[float] = field(default_factory=list)
    helpers: list[float] = field(default_factory=list)

    def add(self, each: Timed, honest: bool) -> None:
        """One more run."""
        if honest:
            world = each.run.metrics["number"]
            self.worlds[world] += 1
            if world not in self.sights:
                self.sights[world] = each.run.logs["score"].decode(errors="replace").splitlines()
            self.harness.append(1e3 * each.harness)
        else:
            self.stopped += each.run.outcome != "ok"
        self.memory.append(held())
        self.helpers.append(helpers())


def rows(kind: str, preload: Sequence[str], runs: int) -> Iterator[Row]:
    """What honest runs see, how hostile ones end, and the machine before and after."""
    found, before = Seen(), dict[str, int]()
    with own_temporary_folder() as place, runner_on(contract(preload=preload, **LIMITS), files("hostile")) as runner:
        for number in range(runs):
            if number == FIRST:
                before = left(place, runner.artifacts)
            honest = number % 10 != 9
            found.add(run(runner, number, good=honest), honest)
        after = left(place, runner.artifacts)
    yield from seen(kind, found)
    yield median(f"{kind}: harness of an honest run", found.harness, unit="ms")
    yield exact(f"{kind}: hostile runs whose programs were stopped", found.stopped, count=runs // 10)
    for name, number in before.items():
        yield exact(f"{kind}: {name}, left after {runs} runs", after[name] - number, "<= 0", count=runs)
    for what, held_then in (("this process", found.memory), ("its helpers", found.helpers)):
        yield exact(f"{kind}: growth of {what} after the first tenth", growth(held_then), f"<= {GROWTH:g}", "MiB", runs)
    yield exact(f"{kind}: its helpers", found.helpers[-1], unit="MiB")


@contextmanager
def own_temporary_folder() -> Iterator[Path]:
    """A folder in which this process makes its temporary files meanwhile, so that those of others do not count."""
    with tempfile.TemporaryDirectory(prefix="overnight-bench-") as name:
        before, tempfile.tempdir = tempfile.tempdir, name
        try:
            yield Path(name)
        finally:
            tempfile.tempdir = before


def left(temporary: Path, artifacts: Path) -> dict[str, int]:
    """What runs could leave behind, counted; nothing that other programs of this machine make."""
    return {**{name: count for name, count in state(artifacts).items() if name not in SHARED},
            "temporary files": names(temporary), "files by a hostile run": len([*Path("/tmp").glob("left-by-a-run*")])}


def seen(kind: str, found: Seen) -> Iterator[Row]:
    """How many runs saw another world than most did."""
    (usual, count), *others = found.worlds.most_common()
    total = found.worlds.total()
    yield exact(f"{kind}: honest runs that saw something of another", total - count, "== 0", count=total)
    for other, _ in others[:TOLD]:
        print(difference(found.sights[usual], found.sights[other]))


def growth(values: Sequence[float]) -> float:
    """By how much the last tenth is above the second."""
    tenth = max(1, len(values) // 10)
    return statistics.median(values[-tenth:]) - statistics.median(values[tenth:2 * tenth])


def difference(usual: Sequence[str], other: Sequence[str]) -> str:
    """The lines that only one of two sights has."""
    gone, come = ([line.strip() for line in mine if line not in others] for mine, others in ((usual, other), (other, usual)))
    lines = [*(f"- {line}" for line in gone), *(f"+ {line}" for line in come)]
    return "\n".join(["What a run saw of another:", *lines])


def helpers() -> float:
    """MiB of memory of their own that the processes below this one hold, between two runs."""
    below = [pid for pid in watch.tree(os.getpid()) if pid != os.getpid()]
    return sum(own(Path(f"/proc/{pid}/status")) for pid in below) / 1024


def own(status: Path) -> int:
    """KiB of anonymous memory of a process; nothing when it is gone."""
    try:
        lines = status.read_text(errors="replace").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
    except OSError:
        return 0
