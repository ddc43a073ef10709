"""What lies between two runs: the harness on a track that does nothing, beside the loops that people run instead, and what a
track that imports torch waits for.

The harness is the whole of a run (tree, sandboxes, hashing, clean-up) without its programs' own seconds. What a loop adds is
its turn without the bare program's median. All of them take turns on one machine; a commit's first run, whose tree is yet to be
made, is what is compared, because each turn of a loop is a new trial too.

Torch is that of the environment $OVERNIGHT_TORCH, Ray that of $OVERNIGHT_RAY, or what is installed here.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench import carried, loops
from bench.kit import Bench, Cell, Row, median, ratio
from bench.runs import Timed, contract, files, home_with, in_turn, parts, run, runner_on, written
from overnight.execution.runner import Runner

COLD, WARM = 25, 15  # milliseconds of the harness for a run, its scorer and its oracle
LINE = 60  # milliseconds until a program that imports torch has its imports, warm
PACE = 1.5  # times as many runs a minute as cold starts give, of runs of three seconds
SHARE = 0.03  # of a run of ten seconds that is neither training nor scoring
PEERS = {"Optuna with SQLite": loops.optuna, "git commit and the program in a shell": loops.shell}
TORCH = ("torch", "torch._dynamo", "numpy")  # of which the second comes with a first step of an optimiser
TEXT, UNSEEN = 200_000, 60_000  # bytes that the small GPT learns, and those that it is scored on

# ---- a track that does nothing ---------------------------------------------------------------------------------


def nothing(kind: str, preload: Sequence[str], asked: str, rounds: int) -> Iterator[Row]:
    """The harness for a run, a commit's first and a later one, with and without an oracle, in turn with the loops."""
    texts, first, later, alone = files("noop"), list[Timed](), list[Timed](), list[Timed]()
    with ExitStack() as open_ones:
        judged = open_ones.enter_context(runner_on(contract(oracle="python serve.py", preload=preload), texts))
        plain = open_ones.enter_context(runner_on(contract(preload=preload), texts))
        run(judged, 0), run(plain, 0)

        def fresh(runs: list[Timed]) -> float:
            changed = written(judged.repo.folder, {"train.py": f"{texts['train.py']}# {len(runs)}\n"})
            runs.append(run(judged, len(runs), changed.head()))
            return runs[-1].harness

        def again(runner: Runner, runs: list[Timed]) -> float:
            runs.append(run(runner, len(runs)))
            return runs[-1].harness

        turns = {"bare": open_ones.enter_context(loops.bare(texts["train.py"]))}
        turns |= {"first": partial(fresh, first), "later": partial(again, judged, later), "alone": partial(again, plain, alone)}
        turns |= {name: open_ones.enter_context(peer(texts["train.py"])) for name, peer in PEERS.items()}
        took = in_turn(turns, rounds)
    yield from harness(kind, {"": later, ", a commit's first": first, ", without an oracle": alone}, asked)
    bare = statistics.median(took["bare"])
    yield median(f"{kind}: a whole run, with scorer and oracle", [1e3 * each.wall for each in later], unit="ms")
    yield median("the bare program", [1e3 * each for each in took["bare"]], unit="ms")
    for name in PEERS:
        yield from beside(f"{kind}, a commit's first run", name, took["first"], [each - bare for each in took[name]])


def harness(kind: str, runs: dict[str, list[Timed]], asked: str) -> Iterator[Row]:
    """The harness of each sort of runs; of the first, on which a bound lies, by part too."""
    for sort, made in runs.items():
        yield median(f"{kind}: harness of a run{sort}", [1e3 * each.harness for each in made], asked, "ms")
        if asked:
            for name, spent in parts(made).items():
                yield median(f"  {name}", spent, unit="ms")
        asked = ""


def beside(what: str, name: str, ours: Sequence[float], theirs: Sequence[float]) -> Iterator[Row]:
    """What a loop adds to its program, and how many times that ours adds to such a run."""
    yield median(f"{name}: around the program", [1e3 * each for each in theirs], unit="ms")
    yield ratio(f"  ours, {what} / it", ours, theirs)


def tuned(trials: int) -> Iterator[Row]:
    """Ray Tune on the same program, where Ray is there; its start and end are not counted."""
    home, text = home_with("ray", "OVERNIGHT_RAY"), files("noop")["train.py"]
    if home is None:
        yield missing("Ray Tune", "pip install 'ray[tune]'", "OVERNIGHT_RAY")
        return
    with loops.bare(text) as turn, runner_on(contract(oracle="python serve.py"), files("noop")) as runner:
        bare = statistics.median(turn() for _ in range(trials))
        ours = [run(runner, number).harness for number in range(trials)][1:]  # as many as there are times between trials
    for name, reuse in (("Ray Tune", False), ("Ray Tune, processes reused", True)):
        yield from beside("cold", name, ours, [each - bare for each in loops.ray(text, home, trials, reuse)])


def missing(what: str, command: str, variable: str) -> Row:
    """A row that says what is not there, and what to do."""
    return Row(f"{what} is left out: {command}, or set ${variable}", float("nan"), 0, 0, 0)


# ---- a track that imports torch --------------------------------------------------------------------------------


def prototype(home: Path, seconds: float, preload: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Contract and files of a small GPT that learns for so many seconds, and of whose answers a scorer asks."""
    lots = random.Random(1)
    words = ["".join(lots.choices("etaoinshrdlu", k=lots.randint(1, 9))) for _ in range(2_000)]
    weights = [1 / (place + 3) for place in range(len(words))]
    text = " ".join(lots.choices(words, weights, k=(TEXT + UNSEEN) // 4))
    texts = files("prototype", **{"text.txt": text[:TEXT], "validation.txt": text[TEXT:][:UNSEEN], "seconds.txt": str(seconds)})
    told = contract("bits", "python train.py --serve", preload, "validation.txt", python=str(home), memory="4GiB")
    scored = '[score]\npreload = ["numpy", "overnight.scoring"]' if preload else "[score]"
    return told.replace("[score]", scored), texts


def learnt(home: Path, seconds: float, preload: Sequence[str], runs: int) -> list[Timed]:
    """Runs of the small GPT, without a first one that fills the machine's caches."""
    with runner_on(*prototype(home, seconds, preload)) as runner:
        return [run(runner, number) for number in range(runs + 1)][1:]


def until(runs: Sequence[Timed], sign: str) -> list[float]:
    """Milliseconds from the call until the program is there: its "first" line, or "ready" with its imports."""
    return [1e3 * (each.run.metrics[sign] - each.began) for each in runs]


def neither(each: Timed) -> float:
    """The share of a run that was neither training nor scoring."""
    found = each.run.metrics
    return 1 - (found["learnt"] - found["ready"] + found["scored"]) / each.wall


def torch_cold(runs: int) -> Iterator[Row]:
    """What a track that imports torch waits for where each run starts anew."""
    home = home_with("torch", "OVERNIGHT_TORCH")
    if home is None:
        yield missing("torch", "pip install torch", "OVERNIGHT_TORCH")
        return
    for seconds in (3, 9):
        yield from waited("cold", seconds, learnt(home, seconds, (), runs), {})


def waited(kind: str, seconds: float, runs: Sequence[Timed], asked: dict[str, str]) -> Iterator[Row]:
    """The rows of some runs that learn for so many seconds; `asked`: what is asked of them, by sign."""
    what = f"{kind}, torch, {seconds:g} s of learning"
    for sign, words in (("first", "to the program's first line"), ("ready", "to the end of its imports")):
        yield median(f"{what}: {words}", until(runs, sign), asked.get(sign, ""), "ms")
    yield median(f"{what}: runs a minute", [60 / each.wall for each in runs])
    yield median(f"{what}: a whole run", [each.wall for each in runs], unit="s")
    yield median(f"{what}: neither training nor scoring", [neither(each) for each in runs], asked.get("share", ""))


# ---- warm starts -----------------------------------------------------------------------------------------------


def torch_warm(runs: int) -> Iterator[Row]:
    """The same where torch is there before the run begins; cold and warm runs of three seconds by turns."""
    home = home_with("torch", "OVERNIGHT_TORCH")
    if home is None:
        yield missing("torch", "pip install torch", "OVERNIGHT_TORCH")
        return
    with runner_on(*prototype(home, 3, ())) as cold, runner_on(*prototype(home, 3, TORCH)) as warm:
        pairs = [(run(cold, number), run(warm, number)) for number in range(runs + 1)][1:]
    yield from waited("warm", 3, [each for _, each in pairs], {"first": f"<= {LINE}", "ready": f"<= {LINE}"})
    yield ratio("runs a minute, warm / cold, 3 s of learning", *zip(*((c.wall, w.wall) for c, w in pairs), strict=True),
                f">= {PACE:g}")
    yield from waited("warm", 9, learnt(home, 9, TORCH, runs), {"share": f"<= {SHARE:g}"})


def warm_cells(quick: bool) -> Iterator[Cell]:
    """What is asked of `[run] preload`."""
    yield Cell("nothing, warm", partial(nothing, "warm", ("json",), f"<= {WARM}", 7 if quick else 100))
    yield Cell("carried, warm", partial(carried.rows, "warm", ("json",), 20 if quick else 1000))
    if not quick:
        yield Cell("torch, warm", partial(torch_warm, 12))


def cells(quick: bool) -> Iterator[Cell]:
    """The harness beside the loops; with time, Ray Tune, torch, and a thousand runs of which a tenth are hostile."""
    yield Cell("nothing, cold", partial(nothing, "cold", (), f"<= {COLD}", 7 if quick else 100))
    yield Cell("carried, cold", partial(carried.rows, "cold", (), 20 if quick else 1000))
    yield from warm_cells(quick)
    if not quick:
        yield Cell("Ray Tune", partial(tuned, 30))
        yield Cell("torch, cold", partial(torch_cold, 7))


BENCH = Bench("overhead", "Between two runs: the harness takes <= 25 ms of a run with scorer and oracle, <= 15 ms warm; torch "
              "is there within 60 ms, so that runs of 3 s come 1.5 times as often, and <= 3 % of 10 s is neither training nor "
              "scoring; of 1,000 runs, a tenth of them hostile, nothing is left.", cells, timed=True)
