"""What the sandbox costs, and what a thousand runs leave behind.

    python bench/sandbox.py overhead [--runs 100] [--sandbox bubblewrap]
    python bench/sandbox.py endurance [--runs 1000]
    python bench/sandbox.py locking [--runs 10]

"overhead" starts /bin/true and takes its (empty) result, again and again, on one core at a time; aims: 12 ms as a user, 15 ms
as root. "endurance" makes runs of which a tenth are hostile, and compares the machine before and after. "locking" says for
each ready track which share of a run goes to keeping candidate and scorer apart: starting and ending sandboxes, laying out
trees, hashing and removing artefacts.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from overnight import sandbox
from overnight.contracts import Command, Limits
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.repo import Repo
from overnight.track import spec

TRACKS = Path(__file__).parent.parent / "tracks"
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


def overhead(arguments):
    """Milliseconds from start to result of a command that does nothing."""
    box = sandbox.choose(arguments.sandbox)
    with ground() as folder:
        spent = []
        for number in range(arguments.runs):
            began = time.perf_counter()
            ended = box.start(Command(("/bin/true",), folder / "tree", Limits(), harvest=folder / f"out{number}")).wait()
            spent.append(1e3 * (time.perf_counter() - began))
    spent.sort()
    print(f"{box.identity}, {'root' if os.geteuid() == 0 else 'user'}, accounting {ended.accounting}: median of {len(spent)} "
          f"{statistics.median(spent):.1f} ms, best {spent[0]:.1f}, 90th percentile {spent[len(spent) * 9 // 10]:.1f}")


def endurance(arguments):
    """A machine before and after many runs."""
    box, hostile = sandbox.choose("bubblewrap"), list(HOSTILE.items())
    with ground() as folder:
        run(box, folder, "true")
        before, began = state(folder), time.perf_counter()
        memory = [held()]
        for number in range(arguments.runs):
            name, script = hostile[number // 10 % len(hostile)] if number % 10 == 9 else ("honest", "echo 1 > $OVERNIGHT_OUT/x")
            ended = run(box, folder, script)
            assert name != "honest" or (ended.code, ended.killed) == (0, ""), ended
            if number % (arguments.runs // 10) == 0:
                memory.append(held())
        after = state(folder)
    for name in before:
        print(f"{name:12} {before[name]} -> {after[name]}{'' if before[name] == after[name] else '   DIFFERS'}")
    grown = memory[-1] - statistics.median(memory[2:5])
    print(f"memory of this process, MiB, each tenth: {' '.join(f'{m:.1f}' for m in memory)}; "
          f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}")
    print(f"{arguments.runs} runs, a tenth of them hostile, in {time.perf_counter() - began:.0f} s")
    raise SystemExit(before != after or grown > 4)


def locking(arguments):
    """The share of a run that keeps candidate and scorer apart, by ready track."""
    box = sandbox.choose("bubblewrap")
    print(f"{'track':12} {'a run':>9} {'payloads':>9} {'locking':>9} {'share':>7}   most of it")
    for folder in sorted(p.parent for p in TRACKS.glob("*/track.toml")):
        with tempfile.TemporaryDirectory() as name:
            place = Path(name, folder.name)
            shutil.copytree(folder, place, ignore=shutil.ignore_patterns(".overnight"))
            for words in ("init -q", "add -A", "-c user.name=x -c user.email=x@x commit -qm x"):
                subprocess.run(["git", "-C", place, *words.split()], check=True)
            repo = Repo(place)
            runner = Runner(spec.load(place), repo, box, repo.head(), Path(name, "home"), "key")
            runs = [runner.measure(Measure(n, 0, repo.head(), 100 + n, "race"), (0,)) for n in range(1, arguments.runs + 2)][1:]
        failed = next((r.reason for r in runs if r.outcome != "ok"), "")
        busy = statistics.median(r.busy for r in runs)
        ours = statistics.median(sum(r.overhead.values()) for r in runs)
        parts = {p: statistics.median(r.overhead.get(p, 0.0) for r in runs) for p in runs[0].overhead}
        most = ", ".join(f"{p} {1e3 * s:.1f} ms" for p, s in sorted(parts.items(), key=lambda item: -item[1])[:3])
        print(f"{folder.name:12} {busy + ours:8.3f}s {busy:8.3f}s {ours:8.3f}s {ours / (busy + ours):7.1%}   {failed or most}")


def run(box, folder, script):
    """One command, whose artefacts are thrown away."""
    out = folder / "out"
    ended = box.start(Command(("/bin/sh", "-c", script), folder / "tree", SMALL, harvest=out)).wait()
    shutil.rmtree(out, ignore_errors=True)
    return ended


def ground():
    """A folder with a small tree, gone afterwards."""
    class Ground(tempfile.TemporaryDirectory):
        def __enter__(self):
            folder = Path(super().__enter__())
            folder.chmod(0o755)
            (folder / "tree").mkdir()
            (folder / "tree/code.py").write_text("x = 1\n")
            return folder

    return Ground()


def state(folder):
    """What a run could leave behind, counted."""
    time.sleep(0.5)
    groups = sum(1 for p in Path("/sys/fs/cgroup").rglob(f"overnight-{os.getpid()}-*") if p.is_dir())
    return {"processes": sum(1 for p in Path("/proc").iterdir() if p.name.isdigit() and ours(p)), "cgroups": groups,
            "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()), "descriptors": names("/proc/self/fd"),
            "files in /tmp": names("/tmp"), "files of ours": names(folder), "free/16 MiB": shutil.disk_usage(folder).free >> 24}


def names(folder):
    """How many entries a folder has."""
    return sum(1 for _ in Path(folder).iterdir())


def ours(process):
    """Whether a process is a descendant of this one, or was."""
    try:
        named = f"overnight-{os.getpid()}-".encode() in (process / "cmdline").read_bytes()
        return named or f"PPid:\t{os.getpid()}\n" in (process / "status").read_text()
    except OSError:
        return False


def held():
    """Resident MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["overhead", "endurance", "locking"])
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--sandbox", default="bubblewrap")
    given = parser.parse_args()
    given.runs = given.runs or {"overhead": 100, "endurance": 1000, "locking": 10}[given.what]
    {"overhead": overhead, "endurance": endurance, "locking": locking}[given.what](given)
