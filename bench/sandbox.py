"""What the sandbox costs, and what many runs leave behind.

Overhead: from the start of /bin/true to its (empty) result. Endurance: runs of which a tenth are hostile, and the machine
before and after. Locking: which share of a run goes to keeping candidate and scorer apart (starting and ending sandboxes,
laying out trees, hashing and removing artefacts), for each ready track.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import ROOT
from bench.ground import track_in
from bench.kit import Bench, Cell, Row, exact, median, seconds
from bench.sandboxes import ground, start
from overnight import sandbox
from overnight.contracts import Command, Limits, Sandbox
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure, sealed
from overnight.repo import Repo
from overnight.track.load import load

ASKED = {True: "<= 15", False: "<= 12"}  # milliseconds, as root (who gives each run another user) and as a user
GROWTH = 4.0  # MiB by which this process may grow while it makes runs
SMALL = Limits(wall=1.0, memory=64 << 20, disk=8 << 20, processes=32, output=1 << 20)
HOSTILE = {
    "forks": "while :; do (sleep 9 &) ; done",
    "leaves a daemon": "setsid sleep 60 >/dev/null 2>&1 & exit 0",
    "fills its folder": "yes > $OVERNIGHT_OUT/x",
    "fills /dev/shm": "yes > /dev/shm/x; sleep 0.2",
    "prints for ever": "yes",
    "many files": "cd $OVERNIGHT_OUT; i=0; while :; do i=$((i+1)); : > f$i; done",
    "links and pipes": "cd $OVERNIGHT_OUT; ln -s /etc/passwd a; mkfifo b; mkdir -p c/d; ln -s / c/d/e",
    "kills everything": "kill -9 -1",
    "stops itself": "kill -STOP 0; sleep 9",
    "sleeps": "sleep 9",
}


def overhead(starts: int) -> Iterator[Row]:
    """Milliseconds from start to result of a command that does nothing."""
    box, root = sandbox.choose("bubblewrap"), os.geteuid() == 0
    with ground() as folder:
        spent = [1e3 * s for s in seconds(partial(start, box, folder), starts)]
    yield median(f"/bin/true as {'root' if root else 'a user'}", spent, ASKED[root], "ms")


def endurance(runs: int) -> Iterator[Row]:
    """A machine before and after many runs."""
    box, hostile, memory = sandbox.choose("bubblewrap"), list(HOSTILE.values()), list[float]()
    with ground() as folder:
        run(box, folder, "true")
        before = state(folder)
        for number in range(runs):
            honest = number % 10 != 9
            ended = run(box, folder, "echo 1 > $OVERNIGHT_OUT/x" if honest else hostile[number // 10 % len(hostile)])
            assert not honest or (ended.code, ended.killed) == (0, ""), ended
            memory.append(held())
        after = state(folder)
    for name, number in before.items():
        yield exact(f"{name}, left after {runs} runs", after[name] - number, "== 0", count=runs)
    tenth = max(1, runs // 10)
    yield exact(f"growth of this process after the first tenth of {runs} runs",
                memory[-1] - statistics.median(memory[tenth:3 * tenth]), f"<= {GROWTH:g}", "MiB", runs)


def locking(track: str, runs: int) -> Iterator[Row]:
    """The share of a run that keeps candidate and scorer apart."""
    with tempfile.TemporaryDirectory() as name:
        place = track_in(Path(name), track)
        repo = Repo(place)
        runner = Runner(load(place), repo, sandbox.choose("bubblewrap"), repo.head(), Path(name, "home"))
        jobs = [sealed(Measure(n, 0, repo.head(), 100 + n, "race"), "key") for n in range(1, runs + 2)]
        made = [runner.measure(job, (0,)) for job in jobs][1:]
    good = [run for run in made if run.outcome == "ok"]
    yield median(f"{track}: share of a run", [o / (r.busy + o) for r in good for o in [sum(r.overhead.values())]])
    yield median(f"{track}: a run", [r.busy + sum(r.overhead.values()) for r in good], unit="s")


def run(box: Sandbox, folder: Path, script: str):
    """One command, whose artefacts are thrown away."""
    out = folder / "out"
    ended = box.start(Command(("/bin/sh", "-c", script), folder / "tree", SMALL, harvest=out)).wait()
    shutil.rmtree(out, ignore_errors=True)
    return ended


def state(folder: Path) -> dict[str, int]:
    """What a run could leave behind, counted."""
    time.sleep(0.5)
    named = (name for _, folders, _ in os.walk("/sys/fs/cgroup") for name in folders)  # some of others go meanwhile
    groups = sum(name.startswith(f"overnight-{os.getpid()}-") for name in named)
    return {"processes": sum(1 for p in Path("/proc").iterdir() if p.name.isdigit() and ours(p)), "cgroups": groups,
            "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()), "descriptors": names("/proc/self/fd"),
            "files in /tmp": names("/tmp"), "files of ours": names(folder), "free/16 MiB": shutil.disk_usage(folder).free >> 24}


def names(folder: Path | str) -> int:
    """How many entries a folder has."""
    return sum(1 for _ in Path(folder).iterdir())


def ours(process: Path) -> bool:
    """Whether a process is a descendant of this one, or was."""
    try:
        named = f"overnight-{os.getpid()}-".encode() in (process / "cmdline").read_bytes()
        return named or f"PPid:\t{os.getpid()}\n" in (process / "status").read_text()
    except OSError:
        return False


def held() -> float:
    """Resident MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def cells(quick: bool) -> Iterator[Cell]:
    """Overhead, endurance, and locking on each ready track (quick: on the one whose runs take no time)."""
    yield Cell("overhead", partial(overhead, 30 if quick else 100))
    yield Cell("endurance", partial(endurance, 50 if quick else 1000))
    tracks = ["synthetic"] if quick else sorted(path.parent.name for path in (ROOT / "tracks").glob("*/track.toml"))
    for track in tracks:
        yield Cell(f"locking, {track}", partial(locking, track, 7 if quick else 10))


BENCH = Bench("sandbox", "A start costs <= 12 ms as a user, <= 15 ms as root; runs, hostile ones too, leave nothing.",
              cells, timed=True)
