"""What a run costs whose candidate is compiled, beside the same program outside; each a second time, when the compiler is done.

Outside is the program as its user runs it: built by hand, its caches warm. Inside is all of a run: its tree, what was built
laid over it, the sandbox, its output read. Both are timed in turn.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.ground import committed
from bench.kit import LEAST_VALUES, Bench, Cell, Row, median, ratio
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.repo import Repo
from overnight.sandbox import choose
from overnight.track.spec import parse

ASKED = "<= 1.3"
CONTRACT = """\
[track]
name = "made"
editable = ["*"]
[metric]
name = "loss"
direction = "minimize"
from = "output"
pattern = '^loss: (\\S+)'
"""
MADE = CONTRACT + """\
[build]
command = ["make", "-s"]
outputs = ["program"]
[run]
command = ["./program"]
"""
PROGRAM = """\
#include <stdio.h>
int main() {
    double sum = 0;
    for (long i = 1; i < 60000000; i++) sum += 1.0 / (double) i / (double) i;
    printf("loss: %f\\n", sum);
}
"""
FILES = {"Makefile": "program: program.c\n\tcc -O1 -o program program.c\n", "program.c": PROGRAM}
COMPILED = CONTRACT + """\
[build]
cache = true
[run]
command = ["python", "train.py"]
timeout = "1h"
memory = "8GiB"
python = "{python}"
"""
TRAIN = """\
import torch
torch.manual_seed(0)
torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.GELU(), torch.nn.Linear(128, 64))
optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
x = torch.randn(256, 64)
y = torch.sin(x)
@torch.compile
def loss():
    return ((net(x) - y) ** 2).mean()
for step in range(300):
    optimizer.zero_grad()
    now = loss()
    now.backward()
    optimizer.step()
print(f"loss: {now.item():.6f}")
"""


def ratios(what: str, contract: str, files: dict[str, str], command: list[str], built: list[str], turns: int) -> Iterator[Row]:
    """What a second run takes inside, as a multiple of outside; of wall and of processor time."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "track")
        folder.mkdir()
        for name, text in {**files, "track.toml": contract}.items():
            (folder / name).write_text(text, encoding="utf-8")
        repo = Repo(committed(folder))
        runner = Runner(parse(contract), repo, choose("bubblewrap"), repo.head(), Path(place, "state"))
        environ = os.environ | {"TORCHINDUCTOR_CACHE_DIR": f"{place}/caches", "OMP_NUM_THREADS": "1"}
        if built:
            subprocess.run(built, cwd=folder, check=True)
        first = _inside(runner, repo.head())
        for cache in Path(place, "state", "builds").glob("cache-*/torchinductor"):
            shutil.copytree(cache, environ["TORCHINDUCTOR_CACHE_DIR"])
        _outside(command, folder, environ)  # compiles what is still missing there
        both = [(_inside(runner, repo.head()), _outside(command, folder, environ)) for _ in range(turns)]
    for part, words in enumerate(("", ", in processor time")):
        inside, outside = [each[part] for each, _ in both], [each[part] for _, each in both]
        yield ratio(f"{what}: second run / outside{words}", inside, outside, ASKED)
        yield median(f"  outside{words}", outside, unit="s")
        yield Row(f"  the baseline's first run{words}", first[part], first[part], first[part], 1, unit="s")


def _inside(runner: Runner, commit: str) -> tuple[float, float]:
    """Seconds of a whole run, and of the processor for its program."""
    began = time.perf_counter()
    ended = runner.measure(Measure(1, 1, commit, 1, "race"))
    assert ended.outcome == "ok", f"{ended.reason}\n{ended.logs['run'].decode(errors='replace')[-4000:]}"
    return time.perf_counter() - began, ended.metrics["cpu_seconds"]


def _outside(command: list[str], folder: Path, environ: dict[str, str]) -> tuple[float, float]:
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL,
                               start_new_session=True)  # as the sandbox does: the kernel shares cores out among sessions
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - began, used.ru_utime + used.ru_stime


def compiled(turns: int) -> Iterator[Row]:
    """The same of torch.compile, in the environment $OVERNIGHT_TORCH or in this one."""
    home = Path(os.environ.get("OVERNIGHT_TORCH", sys.prefix))
    if "OVERNIGHT_TORCH" not in os.environ and importlib.util.find_spec("torch") is None:
        yield Row("torch.compile: torch is missing (pip install torch, or set $OVERNIGHT_TORCH)", float("nan"), 0, 0, 0, ASKED)
        return
    outside = [str(home / "bin/python"), "train.py"]
    yield from ratios("torch.compile", COMPILED.format(python=home), {"train.py": TRAIN}, outside, [], turns)


def cells(quick: bool) -> Iterator[Cell]:
    """A program in C; with time, one that torch compiles."""
    turns = LEAST_VALUES if quick else 4 * LEAST_VALUES
    yield Cell("made", lambda: ratios("make", MADE, FILES, ["./program"], ["make", "-s"], turns))
    if not quick:
        yield Cell("compiled", lambda: compiled(LEAST_VALUES))


BENCH = Bench("builds", "The second run of a candidate that is made, or that torch compiles, takes at most 1.3 times what it "
              "takes outside.", cells)
