"""What the ready track nanogpt is made for: its two knobs by all four combinations, its rungs, and what the harness adds.

PyTorch is that of the environment $OVERNIGHT_TORCH, or what is installed here. The text is fetched as its README says, or read
from the source archive that $OVERNIGHT_DJANGO names. A gain is bits per byte saved on the same seeds: + is better.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from statistics import fmean, variance

import bench
from bench.kit import Bench, Cell, Row, exact, mean, median
from bench.overhead import missing
from bench.runs import box, home_with, run
from overnight.errors import OvernightError
from overnight.execution.runner import Runner
from overnight.referee.distributions import student_quantile
from overnight.referee.scaling import Sized, foretell
from overnight.repo import Repo
from overnight.track import ready
from overnight.track.load import load

NAME = "nanogpt"
WORKER = Path(__file__).parent / "small/gpt/worker.py"
DECAYS, BETAS = (0.0, 0.01), (0.8, 0.6)  # of the value embeddings; of AdamW: the published values first
SEEDS, FEW, OTHERS = 20, 2, 9
KEPT = {"HEAD_LR": 0.008, "SCALAR_LR": 0.25, "MATRIX_WD": 0.4, "VE_WD": 0.01, "BETA1": 0.7, "WARMDOWN": 0.65, "FINAL_LR": 0.1}
RUNS = 8  # through the sandbox, after one that is not counted
SHARE = 0.03  # of a run that is neither training nor scoring
LITTLE = {"NANOGPT_TOKENS": "6400"}  # what a quick look learns from
RUNGS: tuple[dict[str, str], ...] = (
    {}, {"NANOGPT_TOKENS": "409600"}, {"NANOGPT_TOKENS": "819200"}, {"NANOGPT_TOKENS": "819200", "NANOGPT_WIDTH": "128"})
SIZES = (1, 2, 4, 9)  # their compute, as measured: 8, 16, 33 and 73 seconds of a core
CHANGES: tuple[dict[str, float], ...] = (
    {"VE_WD": 0.01}, {"BETA1": 0.6}, {"HEAD_LR": 0.008}, {"FINAL_LR": 0.1}, {"WARMDOWN": 1.0}, {"MATRIX_LR": 0.08},
    {"MATRIX_WD": 0.4}, {"EMBED_LR": 1.2})
LADDER_SEEDS, CHANGED_FROM = 3, 300  # seeds on each rung, and the first of them
AUTHOR = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")


def fetch(python: Path, folder: Path) -> None:
    """Fetch the text of the track in a folder. Raises OvernightError."""
    archive = [os.environ["OVERNIGHT_DJANGO"]] if "OVERNIGHT_DJANGO" in os.environ else []
    done = subprocess.run([python, "fetch.py", *archive], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OvernightError(done.stderr.strip())


class Place:
    """The track in a folder of its own with its text, and processes that have torch imported; all is gone at its end."""

    def __init__(self, home: Path) -> None:
        self.python, self._open, self._workers = home / "bin/python", ExitStack(), dict[str, subprocess.Popen[str]]()
        self._folder: Path | None = None

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.communicate()  # its input ends, and so does it
        self._open.close()

    @property
    def folder(self) -> Path:
        """The track, fetched when it is first asked for. Raises OvernightError."""
        if self._folder is None:
            folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="overnight-bench-")), NAME)
            ready.lay_out(NAME, folder)
            fetch(self.python, folder)
            self._folder = folder
        return self._folder

    def ask(self, rung: Mapping[str, str], seed: int, turned: Mapping[str, float]) -> dict[str, float]:
        """Bits per byte and seconds of the processor of one run. Raises OvernightError."""
        key = json.dumps(rung, sort_keys=True)
        if key not in self._workers:
            environ = os.environ | rung | {"PYTHONPATH": str(bench.ROOT / "src"), "OMP_NUM_THREADS": "1"}
            self._workers[key] = subprocess.Popen([self.python, WORKER, self.folder], env=environ, text=True,
                                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        worker = self._workers[key]
        assert worker.stdin and worker.stdout
        print(json.dumps({"seed": seed, "turned": turned}), file=worker.stdin, flush=True)
        if not (line := worker.stdout.readline()):
            raise OvernightError("training ended without an answer: try `python train.py` in a copy of the track.")
        return json.loads(line)


# ---- the two knobs -----------------------------------------------------------------------------------------------


def called(seed: int, decay: float, beta: float) -> str:
    """The name of the row of one run."""
    return f"seed {seed}: VE_WD {decay:g}, BETA1 {beta:g}"


def combinations(place: Place, rung: Mapping[str, str], seed: int) -> Iterator[Row]:
    """One seed with all four combinations."""
    for decay, beta in itertools.product(DECAYS, BETAS):
        found = place.ask(rung, seed, {"VE_WD": decay, "BETA1": beta})
        yield exact(called(seed, decay, beta), round(found["bits"], 6), unit="bits/byte")


def effects(rows: Sequence[Row]) -> Iterable[Row]:
    """What each knob gains where the other is the published one, what both gain, and by how much that is more than the sum."""
    bits = {row.what: row.value for row in rows}
    seeds = [seed for seed in range(SEEDS) if called(seed, DECAYS[-1], BETAS[-1]) in bits]
    if not seeds:
        return
    plain, other, decayed, both = ([bits[called(seed, decay, beta)] for seed in seeds]
                                   for decay, beta in itertools.product(DECAYS, BETAS))
    gains = {f"gain of VE_WD {DECAYS[1]:g} at BETA1 {BETAS[0]:g}": less(plain, decayed),
             f"gain of VE_WD {DECAYS[1]:g} at BETA1 {BETAS[1]:g}": less(other, both),
             f"gain of BETA1 {BETAS[1]:g} at VE_WD {DECAYS[0]:g}": less(plain, other),
             f"gain of BETA1 {BETAS[1]:g} at VE_WD {DECAYS[1]:g}": less(decayed, both),
             "gain of both": less(plain, both)}
    yield mean("bits per byte as published", plain, unit="bits/byte")
    for name, gain in gains.items():
        yield mean(name, gain, ">= 0" if name.startswith("gain of VE_WD") else "", "bits/byte")
    first, second = itertools.islice(gains.values(), 2)
    yield mean("interaction: gain of both, less the sum of the two", less(second, first), unit="bits/byte")


def less(these: Iterable[float], those: Iterable[float]) -> list[float]:
    """Pair by pair the first ones less the second ones."""
    return [one - another for one, another in zip(these, those, strict=True)]


def kept(place: Place, seeds: int) -> Iterator[Row]:
    """What the decay is worth among the settings that the night of the track's README kept."""
    pairs = [[place.ask({}, 200 + seed, KEPT | turned)["bits"] for turned in ({}, {"VE_WD": 0.0})] for seed in range(seeds)]
    yield mean("gain of VE_WD 0.01 among what a night kept", [without - whole for whole, without in pairs], ">= 0", "bits/byte")


# ---- how effects go with size ------------------------------------------------------------------------------------


def turned_on(number: int, seed: int, what: Mapping[str, float]) -> str:
    """The name of the row of one run on a rung."""
    return f"rung {number + 1}, seed {seed}: {', '.join(f'{name} {value:g}' for name, value in what.items()) or 'as published'}"


def changes_on(place: Place, number: int, seed: int) -> Iterator[Row]:
    """The track and each of eight changes, with one seed on one rung."""
    for what in ({}, *CHANGES):
        found = place.ask(RUNGS[number], CHANGED_FROM + seed, what)
        yield exact(turned_on(number, seed, what), round(found["bits"], 6), unit="bits/byte")


def sized(number: int, which: int, gains: Mapping[tuple[int, int], Sequence[float]]) -> Sized:
    """What a change gains on a rung. For its interval the changes of the rung share one spread, for each has few seeds."""
    mine = gains[number, which]
    freedom = len(CHANGES) * (len(mine) - 1)
    spread = math.sqrt(fmean(variance(gains[number, other]) for other in range(len(CHANGES))))
    far = student_quantile(0.975, freedom) * spread / math.sqrt(len(mine))
    return Sized(SIZES[number], fmean(mine), (fmean(mine) - far, fmean(mine) + far))


def climbed(rows: Sequence[Row]) -> Iterable[Row]:
    """What each change gains on each rung, and whether what the lower three foretell covers what the largest shows."""
    bits = {row.what: row.value for row in rows}
    seeds = [seed for seed in range(LADDER_SEEDS) if turned_on(len(RUNGS) - 1, seed, CHANGES[-1]) in bits]
    if len(seeds) < FEW:
        return
    gains = {(number, which): less([bits[turned_on(number, seed, {})] for seed in seeds],
                                   [bits[turned_on(number, seed, what)] for seed in seeds])
             for number in range(len(RUNGS)) for which, what in enumerate(CHANGES)}
    known = [[sized(number, which, gains) for number in range(len(RUNGS))] for which in range(len(CHANGES))]
    for what, each in zip(CHANGES, known, strict=True):
        name = turned_on(0, 0, what).partition(": ")[2]
        yield from (Row(f"{name}, rung {number + 1}: gain", one.effect, *one.interval, len(seeds))
                    for number, one in enumerate(each))
    lower = [each[:-1] for each in known]
    found = [foretell(lower, which, SIZES[-1]) for which in range(len(CHANGES))]
    for what, each in zip(CHANGES, found, strict=True):
        assert each is not None
        told = f"{turned_on(0, 0, what).partition(': ')[2]}, rung {len(RUNGS)}: foretold"
        yield Row(told, each.effect, *each.interval, len(seeds))
    pairs = [(each, known[which][-1].effect) for which, each in enumerate(found) if each is not None]
    yield exact("changes whose foretold interval covers what is measured", sum(
        each.interval[0] <= value <= each.interval[1] for each, value in pairs), ">= 7", count=len(pairs))
    yield exact("changes whose foretold interval excludes zero", sum(
        each.interval[0] > 0 or each.interval[1] < 0 for each, _ in pairs), ">= 3", count=len(pairs))


def sums(rows: Sequence[Row]) -> Iterable[Row]:
    """What all cells amount to."""
    yield from effects(rows)
    yield from climbed(rows)


# ---- the rungs, and the harness ----------------------------------------------------------------------------------


def rung(place: Place, number: int, seeds: int) -> Iterator[Row]:
    """What one rung of the ladder takes and reaches as published."""
    found = [place.ask(RUNGS[number], 100 + seed, {}) for seed in range(seeds)]
    told = ", ".join(f"{name.removeprefix('NANOGPT_').lower()} {value}" for name, value in RUNGS[number].items()) or "lowest"
    yield mean(f"rung {number + 1} ({told}): training", [each["seconds"] for each in found], unit="CPU s")
    yield mean(f"rung {number + 1}: bits per byte", [each["bits"] for each in found], unit="bits/byte")


def harness(place: Place, runs: int) -> Iterator[Row]:
    """What a run in the sandbox takes besides training and scoring."""
    contract = place.folder / "track.toml"
    contract.write_text(contract.read_text().replace('python = ".venv"', f'python = "{place.python.parents[1]}"'))
    for words in (("init", "-q"), ("add", "-A"), (*AUTHOR, "commit", "-qm", "track")):
        subprocess.run(["git", *words], cwd=place.folder, check=True)
    repo = Repo(place.folder)
    with closing(Runner(load(place.folder), repo, box(), repo.head(), place.folder.parent / "state")) as runner:
        timed = [run(runner, number) for number in range(runs + 1)][1:]
    yield median("share of a run that is neither training nor scoring", [each.harness / each.wall for each in timed],
                 f"<= {SHARE:g}")
    yield median("a run, scored", [each.wall for each in timed], unit="s")


def cells(quick: bool) -> Iterator[Cell]:
    """One for each seed, each rung, and the harness."""
    home = home_with("torch", "OVERNIGHT_TORCH")
    if home is None:
        yield Cell("torch", lambda: [missing("nanogpt", "pip install torch", "OVERNIGHT_TORCH")])
        return
    with Place(home) as place:
        for seed in range(FEW if quick else SEEDS):
            yield Cell(f"factorial {seed}", partial(combinations, place, LITTLE if quick else {}, seed))
        if not quick:
            yield from (Cell(f"rung {number + 1}", partial(rung, place, number, 3)) for number in range(4))
            yield Cell("kept", partial(kept, place, OTHERS))
            yield from (Cell(f"changes on rung {number + 1}, seed {seed}", partial(changes_on, place, number, seed))
                        for seed in range(LADDER_SEEDS) for number in range(len(RUNGS)))
            yield Cell("harness", partial(harness, place, RUNS))


BENCH = Bench("tracks", "The track nanogpt: two knobs in all four combinations, eight changes on four rungs, the harness: "
              "<= 3 % of a run.", cells, long=True, sums=sums, uses=("bench.runs",))
