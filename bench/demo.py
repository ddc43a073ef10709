"""The demo, measured: how many experiments, how much better on seeds that the loop never used, how busy, what overhead.

    python bench/demo.py                     runs `make demo` anew, then measures it
    python bench/demo.py runs/demo-1         measures a demo that was run before
"""

from __future__ import annotations

import argparse
import math
import queue
import secrets
import statistics
import subprocess
import threading
from pathlib import Path

from overnight import sandbox
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.night.session import Session
from overnight.referee import decision
from overnight.views import track
from overnight.workers.local import available


def newest() -> Path:
    """Run the demo and return its folder."""
    subprocess.run(["scripts/demo.sh"], check=True)
    return max(Path("runs").glob("demo-*"), key=lambda p: p.stat().st_mtime)


def remeasure(session: Session, seeds: list[int]) -> dict[str, list[float]]:
    """The metric of the baseline and of the frontier on the same seeds, run in turn, one at a time on each core."""
    lab = session.lab
    assert lab.opened is not None
    runner = Runner(lab.track, session.repo, sandbox.choose("bubblewrap"), lab.opened.commit, session.home)
    todo: queue.SimpleQueue[tuple[str, int] | None] = queue.SimpleQueue()
    found: dict[tuple[str, int], float] = {}

    def work(core: int) -> None:
        while (job := todo.get()) is not None:
            run = runner.measure(Measure(0, 0, job[0], job[1], "confirm"), (core,))
            found[job] = run.metrics[lab.track.metric.name]

    commits = (lab.opened.commit, lab.commit)
    for seed in seeds:
        for commit in commits:
            todo.put((commit, seed))
    threads = [threading.Thread(target=work, args=(core,)) for core in available()]
    for thread in threads:
        todo.put(None)
        thread.start()
    for thread in threads:
        thread.join()
    return {commit: [found[commit, seed] for seed in seeds] for commit in commits}


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", nargs="?", type=Path)
    options.add_argument("--seeds", type=int, default=20)
    chosen = options.parse_args()
    session = Session(chosen.folder or newest())
    lab = session.read()
    with session.scratch():
        seeds = [secrets.randbits(31) for _ in range(chosen.seeds)]
        before, after = remeasure(session, seeds).values()
    gains = [lab.track.oriented(b - a) for a, b in zip(before, after, strict=True)]
    mean, error = statistics.fmean(gains), statistics.stdev(gains) / math.sqrt(len(gains))
    radius = decision.student_quantile(0.975, len(gains) - 1) * error
    state = track.status(lab)
    claimed = lab.track.oriented((lab.level(lab.frontier) or 0.0) - (lab.level(0) or 0.0))
    rows = [
        ("experiments", f"{state['experiments']} in {state['seconds']:.0f} s ({state['runs']} runs)"),
        ("kept / discarded / crashed / fouled",
         f"{state['kept']} / {state['discarded']} / {state['crashed']} / {state['fouled']}"),
        (f"improvement on {len(gains)} fresh seeds", f"{mean:.4f} [{mean - radius:.4f}, {mean + radius:.4f}] {state['unit']}"),
        ("improvement that the night claimed", f"{claimed:.4f}"),
        ("baseline, frontier (means)", f"{statistics.fmean(before):.4f}, {statistics.fmean(after):.4f}"),
        ("workers busy", f"{100 * state['busy_share']:.1f} %"),
        ("harness per run (median)", f"{state['overhead_ms']:.1f} ms"),
        *((f"  {part}", f"{spent:.2f} ms") for part, spent in state["overhead_parts_ms"].items()),
    ]
    for name, value in rows:
        print(f"{name:40} {value}")


if __name__ == "__main__":
    main()
