"""Repositories of ten kinds and one, met as their users meet Overnight: init, trust where it is asked for, check, run; then
what the night kept, on fresh seeds and outside of the referee.

The repositories lie in bench/met/, ordinary small programs whose noise comes from their seeds, and whose settings are decent
and not the best. A true keep is one whose change is of a setting that matters, of nothing that measures, and with which the
number is better on seeds that the night never saw: the 95 % interval of the paired difference excludes zero.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import ROOT
from bench.ground import committed
from bench.kit import Cell, Row, exact, mean, student
from overnight.errors import OvernightError
from overnight.execution.runner import THREADS
from overnight.lab.events import Judged, Measured
from overnight.night.session import Session
from overnight.patterns import compiled
from overnight.track.units import printed
from overnight.views.experiment import history
from overnight.views.track import track

HERE = Path(__file__).parent / "met"
TRUE, RULER, ASKED = "true keep", "keeps that edit what measures", 8
COMMAND_SECONDS, RUN_SECONDS = 900, 120  # that a command of Overnight may take, and one run of a program
Environment = Mapping[str, str]


@dataclass(frozen=True)
class Met:
    """A repository, and what its user does besides what every user does.

    matters  what stands in the lines of a change that can make the program better
    ruler    what stands in the lines that measure: of the metric, of data and their size, of splits and seeds
    words    of `overnight init`
    needs    programs without which its user would not have it
    prepare  what its user did before, with its environment. Raises OvernightError where that cannot be done here
    """

    name: str
    matters: str
    ruler: str
    words: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    prepare: Callable[[Path, Environment], None] = lambda folder, environment: None


def scripted(folder: Path, environment: Environment) -> None:
    """A script of each notebook, as `jupyter nbconvert --to script` writes it."""
    for path in folder.glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        path.with_suffix(".py").write_text("#!/usr/bin/env python\n\n" + "\n\n\n".join(texts) + "\n", encoding="utf-8")
    shutil.rmtree(folder / ".git")
    committed(folder)


def cached(folder: Path, environment: Environment) -> None:
    """The data of autoresearch's layout, below the user's home."""
    subprocess.run([sys.executable, "-B", "prepare.py"], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def benchmarked(folder: Path, environment: Environment) -> None:
    """An environment with pytest-benchmark. Raises OvernightError where the package cannot be had."""
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    pip = [folder / ".venv/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "pytest-benchmark"]
    if subprocess.run(pip, stderr=subprocess.DEVNULL, check=False).returncode:
        raise OvernightError("the package pytest-benchmark cannot be had.")


def installed(folder: Path, environment: Environment) -> None:
    """An environment in which the repository is installed so that it can be edited, as `pip install -e .` leaves it."""
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", folder / ".venv"], check=True)
    site = next((folder / ".venv/lib").glob("python*")) / "site-packages"
    (site / "__editable__.tinyrec-0.1.0.pth").write_text(f"{folder / 'src'}\n", encoding="utf-8")
    above = [path for path in sys.path if path.endswith("site-packages")]  # numpy, as it is installed here
    (site / "above.pth").write_text("".join(f"{path}\n" for path in above), encoding="utf-8")


SEEDED = "env SEED=$OVERNIGHT_SEED "
REPOSITORIES = (
    Met("script", r"hidden|epochs|batch|lr|momentum|speed|decay|tanh|randn\(", r"n-samples|cut|seed|accuracy|spirals|noise"),
    Met("dataclass", r"features|bandwidth|learning_rate|steps|batch|l2|lr|model\.",
        r"seed|n_train|n_val|noise_std|evaluate|log\."),
    Met("yaml", r"alpha|gamma|epsilon|initial_value|episodes: 150",
        r"seed|slip|max_steps|width|height|episodes: 60|returns|reward|-20|10\.0|0\.3",
        ("--run", "python run.py seed=$OVERNIGHT_SEED")),
    Met("src", r"N_FACTORS|REG|SWEEPS|INIT_STD|mine|bias|self\.", r"SEED|rmse|density|load_ratings|rank|users|cut",
        prepare=installed),
    Met("notebook", r"n_rounds|shrinkage|subsample|n_thresholds|tanh|quantile|residual",
        r"SEED|rings\(|3\.3|0\.1|accuracy|round\(", prepare=scripted),
    Met("c", r"temperature|cooling|STEPS|SEGMENT|steps", r"N_CITIES|srand|tour_length|sum",
        ("--direction", "minimize", "--metric", "tour length"), ("make", "cc")),
    Met("rust", r"EPSILON|STEP_SIZE|INITIAL_VALUE", r"ARMS|PULLS|BANDITS|seed|total|0\.01",
        ("--run", f"{SEEDED}cargo run --release --quiet --offline"), ("cargo",)),
    Met("cpp", r"kAnts|kRounds|Power|kEvaporation|kDeposit", r"kCities|rng|length|far",
        ("--direction", "minimize", "--run", f"c++ -O2 -o program main.cpp && {SEEDED}./program"), ("c++",)),
    Met("javascript", r"POPULATION|GENERATIONS|RATE|TOURNAMENT|ELITE", r"size|capacity|seed|valueOf|bound",
        ("--run", f"{SEEDED}node src/index.js"), ("node",)),
    Met("benchmark", r"BUCKET_WIDTH|CACHE_SIZE|bucket|cache", r"test_|queries|words\[", prepare=benchmarked),
    Met("autoresearch", r"CONTEXT|EMBEDDING|HIDDEN|BATCH_SIZE|LEARNING_RATE|BETA|WEIGHT_DECAY|WARM|params|lr|progress",
        r"TIME_BUDGET|default_rng|evaluate|val_tokens|print", prepare=cached),
)


# ---- as a user -------------------------------------------------------------------------------------------------


def overnight(folder: Path, environment: Environment, *words: str) -> tuple[int, str, float]:
    """Run a command as a user types it: its status, what it said, and its seconds."""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "overnight.cli", words[0], ".", *words[1:]], cwd=folder, env=environment,
                          capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - begun


def commit(folder: Path) -> None:
    """Commit all that is there."""
    who = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    for words in (("add", "-A"), ("commit", "-q", "-m", "The contract")):
        subprocess.run(["git", "-C", folder, *who, *words], check=True)


@contextmanager
def made(met: Met) -> Iterator[tuple[Path, Environment]]:
    """The repository in a folder of its own, and the environment of its user, whose home is a new one. Raises OvernightError
    where it cannot be made here."""
    missing = [name for name in met.needs if shutil.which(name) is None]
    if missing:
        raise OvernightError(f"{', '.join(missing)} is not installed.")
    with tempfile.TemporaryDirectory(prefix="overnight-met-") as place:
        folder, home = Path(place, met.name), Path(place, "home")
        shutil.copytree(HERE / met.name, folder, ignore=shutil.ignore_patterns("__pycache__", "target", ".venv"))
        home.mkdir()
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= {} if "cargo" in met.needs else {"HOME": str(home)}  # rustup's toolchains lie in the true one
        met.prepare(committed(folder), environment)
        yield folder, environment


def begun(folder: Path, environment: Environment, words: Sequence[str]) -> tuple[int, str, float]:
    """`overnight init`, with its seeds connected where it says that they are not, and what it wrote committed."""
    status, said, took = overnight(folder, environment, "init", *words)
    if status == 0 and "overnight init --seed" in said:
        status, more, again = overnight(folder, environment, "init", "--seed")
        said, took = said + more, took + again
    if status == 0:
        commit(folder)
    return status, said, took


def checked(folder: Path, environment: Environment) -> tuple[int, str, float]:
    """`overnight check`, after `overnight trust` where that is what it asks for."""
    status, said, took = overnight(folder, environment, "check")
    if status and "`overnight trust`" in said:
        _, _, more = overnight(folder, environment, "trust", "--yes")
        status, said, again = overnight(folder, environment, "check")
        took += more + again
    return status, said, took


def rows(met: Met, words: Sequence[str], count: int) -> Iterator[Row]:
    """One repository: what its user sees, and what the night kept on this many fresh seeds."""
    try:
        with made(met) as (folder, environment):
            yield from _rows(met, folder, environment, words, count)
    except OvernightError as error:
        print(f"{met.name} is left out: {error}", file=sys.stderr)


def _rows(met: Met, folder: Path, environment: Environment, words: Sequence[str], count: int) -> Iterator[Row]:
    name = met.name
    status, said, took = begun(folder, environment, met.words)
    yield exact(f"{name}: init", took, unit="s")
    yield exact(f"{name}: status of init", status, "== 0")
    if status == 0:
        status, said, _ = checked(folder, environment)
        yield exact(f"{name}: status of check", status, "== 0")
    if status == 0:
        status, said, _ = overnight(folder, environment, "run", *words)
    if status:
        print(f"{name}: {said[-2000:]}", file=sys.stderr)
        yield exact(f"{name}: {TRUE}", 0)
        return
    yield from _kept(met, folder, environment, count)


# ---- what was kept ----------------------------------------------------------------------------------------------


def opened(folder: Path) -> Session:
    """The session of a folder, read."""
    session = Session(folder)
    session.read()
    return session


def _kept(met: Met, folder: Path, environment: Environment, count: int) -> Iterator[Row]:
    name, session = met.name, opened(folder)
    found, keeps = track(session.state), history(session.state).kept
    yield exact(f"{name}: experiments", found.experiments, count=found.runs)
    yield exact(f"{name}: keeps", len(keeps))
    for each in keeps:
        yield exact(f"{name}: {each.title.splitlines()[0]}"[:200], each.verdict.effect or 0.0)
    lines = changed(session, found.base_commit, found.commit)
    forged = [line for line in lines if re.search(met.ruler, line)]
    for line in forged:
        print(f"{name} edits what measures: {line}", file=sys.stderr)
    yield exact(f"{name}: {RULER}", len(forged), "== 0", count=len(keeps))
    if not keeps:
        yield exact(f"{name}: {TRUE}", 0)
        return
    gains = gained(folder, environment, session, count)
    yield mean(f"{name}: gain on fresh seeds", gains)
    matters = bool(lines) and any(re.search(met.matters, line) for line in lines)
    yield exact(f"{name}: {TRUE}", float(matters and not forged and _better(gains)))


def _better(gains: Sequence[float]) -> bool:
    return student(gains)[0] > 0 and len(set(gains)) > 1  # without noise the seeds are not connected


def changed(session: Session, before: str, after: str) -> list[str]:
    """The lines that two commits do not share, without blanks."""
    diff = subprocess.run(["git", "-C", session.repo.folder, "diff", "-U0", before, after, "--", ".", ":!results.tsv"],
                          capture_output=True, text=True, check=True).stdout
    lines = [line[1:].strip() for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return list(filter(None, lines))


def gained(folder: Path, environment: Environment, session: Session, count: int) -> list[float]:
    """How much better what the night kept is than what it began with, on seeds that are drawn now; run plainly."""
    contract, commits = session.state.track, (track(session.state).base_commit, track(session.state).commit)
    places = [folder.parent / f"fresh-{number}" for number in range(2)]
    for place, each in zip(places, commits, strict=True):
        subprocess.run(["git", "-C", folder, "worktree", "add", "-q", "--detach", place, each], check=True)
    found = []
    for _ in range(count):
        seed = str(secrets.randbits(30))
        before, after = (measured(place, folder, environment, seed) for place in places)
        found.append(contract.oriented(after - before))
    return found


def measured(place: Path, folder: Path, environment: Environment, seed: str) -> float:
    """The metric of a program in a work tree, with a seed, run without Overnight. Raises RuntimeError where it gives none."""
    contract = tomllib.loads((place / "track.toml").read_text(encoding="utf-8"))
    step, metric = contract["run"], contract["metric"]
    words = [re.sub(r"\$\{?OVERNIGHT_SEED\}?", seed, word) for word in step["command"]]
    python = str(folder / step["python"] / "bin/python") if step.get("python") else sys.executable
    words = [python, *words[1:]] if words[0] in ("python", "python3") else words
    path = f"{Path(python).parent}{os.pathsep}{environment['PATH']}"
    own = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    own |= {"PATH": path, "OVERNIGHT_SEED": seed, **dict.fromkeys(THREADS, "1")}
    done = subprocess.run(words, cwd=place, env=own, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    texts = [match[1] for match in compiled(metric["pattern"], lines=True).finditer(done.stdout + done.stderr)]
    if done.returncode or not texts:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {(done.stdout + done.stderr)[-300:]}")
    return printed(texts[-1])


# ---- how long until the first keep -------------------------------------------------------------------------------


def until_kept(met: Met, words: Sequence[str]) -> Iterator[Row]:
    """The tool's own seconds from `overnight init` to the first keep: those in which no run of the program was going on. All of
    `check` counts, for its runs leave no record."""
    with made(met) as (folder, environment):
        status, said, before = begun(folder, environment, met.words)
        status, said, check = checked(folder, environment) if status == 0 else (status, said, 0.0)
        started = time.time()
        status, said, _ = overnight(folder, environment, "run", *words) if status == 0 else (status, said, 0.0)
        if status:
            raise OvernightError(f"{met.name}: {said[-1000:]}")
        events = list(opened(folder).journal.replay())
    kept = [event.at for event in events if isinstance(event, Judged) and event.decision == "keep"]
    yield exact(f"{met.name}: init", before, unit="s")
    yield exact(f"{met.name}: check", check, unit="s")
    if kept:
        own = idle([event for event in events if isinstance(event, Measured)], started, kept[0])
        yield exact(f"{met.name}: until the first keep", before + check + kept[0] - started, unit="s")
        yield exact(f"{met.name}: of that, the tool's own", before + check + own, "<= 60", "s")


def idle(runs: Sequence[Measured], first: float, last: float) -> float:
    """Seconds from `first` to `last` in which none of these runs was at work."""
    spans = sorted((run.at - run.metrics.get("wall_seconds", run.busy), run.at) for run in runs)
    ends, free = first, 0.0
    for begin, end in spans:
        free += max(0.0, min(begin, last) - ends)
        ends = max(ends, min(end, last))
    return free + max(0.0, last - ends)


# ---- the cells -------------------------------------------------------------------------------------------------


def cells(quick: bool) -> Iterator[Cell]:
    """A cell for each repository, and one for the time to the first keep (quick: two repositories, a few experiments)."""
    for met in REPOSITORIES:
        if not quick or met.name in ("dataclass", "javascript"):
            words = ("--experiments", "3") if quick else ("--for", "2min")
            yield Cell(f"repository {met.name}", lambda met=met, words=words: rows(met, words, 6 if quick else 24))
    if not quick:
        yield Cell("first keep", lambda: until_kept(REPOSITORIES[0], ("--for", "5min")))


def sums(found: Sequence[Row]) -> Iterator[Row]:
    """In how many of them there is a true keep."""
    true = [row.value for row in found if row.what.endswith(f": {TRUE}")]
    if len(true) >= len(REPOSITORIES) - 1:
        yield exact("repositories with a true keep", sum(true), f">= {ASKED}", count=len(true))
