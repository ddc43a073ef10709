"""Prints what an evaluator for ShinkaEvolve measures of a program: `python overnight_evaluate.py evaluate.py initial.py`.

Written by `overnight init`, for a `[run]` command; it needs no package. The evaluator is run as ShinkaEvolve runs it, with
`--program_path` and `--results_dir`, and each number of its metrics.json becomes a line `overnight: name=value`; a program that
its correct.json calls wrong ends with its reason and status 1. What evaluator and program print goes to standard error.
`random`, and numpy where it is loaded, are seeded from $OVERNIGHT_SEED.
Covered: evaluators that import `run_shinka_eval`, which has a stand-in where the package is not installed.
Not covered: programs that forge their number, since the evaluator may run them in this very process: it is self-reported.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import numbers
import os
import random
import runpy
import statistics
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(evaluator: str, program: str) -> None:
    """Evaluate a program and print its numbers; ends with a sentence where it is wrong or has none."""
    with tempfile.TemporaryDirectory() as folder, os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        for name, value in measured(evaluator, program, Path(folder)).items():
            out.write(f"overnight: {name}={value!r}\n")


def measured(evaluator: str, program: str, folder: Path) -> dict[str, float]:
    """The numbers that an evaluator writes for a program into a folder."""
    stand_in()
    sys.path.insert(0, str(Path(evaluator).resolve().parent))
    sys.argv = [evaluator, "--program_path", str(Path(program).resolve()), "--results_dir", str(folder)]
    try:
        runpy.run_path(evaluator, run_name="__main__")
    except SystemExit as ended:
        if ended.code not in (None, 0) and not (folder / "correct.json").exists():
            raise
    told = json.loads((folder / "correct.json").read_text()) if (folder / "correct.json").exists() else {}
    if not told.get("correct", True):
        raise SystemExit(f"{program} is not correct: {told.get('error') or 'no reason is given'}.")
    every = json.loads((folder / "metrics.json").read_text())
    numeric = {name: value for name, value in every.items() if isinstance(value, numbers.Real)}
    found = {name: float(value) for name, value in numeric.items() if not isinstance(value, bool)}
    if "combined_score" not in found:
        raise SystemExit(f"{evaluator} wrote no combined_score for {program}.")
    return found


def seed() -> int:
    """Seed what draws in this process; the seed."""
    given = int(os.environ.get("OVERNIGHT_SEED", "0"))
    random.seed(given)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(given % (1 << 32))
    return given


def stand_in() -> None:
    """Put modules in the place of ShinkaEvolve's, where that is not installed."""
    if importlib.util.find_spec("shinka") is not None:
        return
    for name in ("shinka", "shinka.core", "shinka.core.wrap_eval"):
        module = sys.modules[name] = types.ModuleType(name)
        module.__path__ = []
        vars(module)["run_shinka_eval"] = run_shinka_eval


def run_shinka_eval(program_path: str, results_dir: str, experiment_fn_name: str, num_runs: int = 1,
                    get_experiment_kwargs: Callable[[int], dict[str, Any]] | None = None,
                    aggregate_metrics_fn: Callable[[list[Any]], dict[str, Any]] | None = None,
                    validate_fn: Callable[[Any], tuple[bool, str | None]] | None = None,
                    **_: Any) -> tuple[dict[str, Any], bool, str | None]:
    """Call a function of a program some times, and write what comes of it: (metrics, whether all were right, why not)."""
    spec = importlib.util.spec_from_file_location("program", program_path)
    assert spec is not None and spec.loader is not None
    module = sys.modules["program"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, experiment_fn_name)
    begin = seed()
    results, times, wrong = [], [], list[str]()
    for run in range(num_runs):
        given = get_experiment_kwargs(run) if get_experiment_kwargs else {"seed": (begin + run + 1) % (1 << 31)}
        if "file_path" in inspect.signature(function).parameters:
            given = {"file_path": program_path} | given
        begun = time.perf_counter()
        results.append(function(**given))
        times.append(time.perf_counter() - begun)
        right, why = validate_fn(results[-1]) if validate_fn else (True, None)
        wrong += [] if right else [why or f"run {run + 1} is not valid"]
    metrics = aggregate_metrics_fn(results) if aggregate_metrics_fn else {}
    metrics = {name: value for name, value in metrics.items() if name != "extra_data"}
    metrics |= {"execution_time_mean": statistics.fmean(times), "num_valid_runs": num_runs - len(wrong)}
    folder = Path(results_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics, default=_plain))
    (folder / "correct.json").write_text(json.dumps({"correct": not wrong, "error": wrong[0] if wrong else None}))
    return metrics, not wrong, wrong[0] if wrong else None


def _plain(value: Any) -> float | str:
    """A number of another type as JSON writes it."""
    return float(value) if isinstance(value, numbers.Real) else str(value)


if __name__ == "__main__":
    main(*sys.argv[1:3])
