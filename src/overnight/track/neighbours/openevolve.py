"""Prints what an evaluator for OpenEvolve measures of a program: python overnight_evaluate.py evaluator.py initial_program.py

Written by `overnight init`, for a `[run]` command; it needs no package. Each number that `evaluate(program_path)` returns
becomes a line `overnight: name=value`; `combined_score`, where it returns none, is their mean, as OpenEvolve takes it. What
evaluator and program print goes to standard error. `random`, and numpy where it is loaded, are seeded from $OVERNIGHT_SEED.
Covered: evaluators that import OpenEvolve's class for results, which has a stand-in where the package is not installed.
Not covered: programs that forge their number, since the evaluator may run them in this very process: it is self-reported.
"""

from __future__ import annotations

import importlib.util
import numbers
import os
import random
import statistics
import sys
import types
from typing import Any


def main(evaluator: str, program: str) -> None:
    """Evaluate a program and print its numbers; ends with a sentence where there is none."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        for name, value in measured(evaluator, program).items():
            out.write(f"overnight: {name}={value!r}\n")


def measured(evaluator: str, program: str) -> dict[str, float]:
    """The numbers that an evaluator returns for a program, `combined_score` among them."""
    stand_in()
    path = os.path.abspath(evaluator)  # noqa: PTH100 - this file stands alone
    sys.path.insert(0, os.path.dirname(path))  # noqa: PTH120
    spec = importlib.util.spec_from_file_location("evaluator", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules["evaluator"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    seed()
    result = module.evaluate(os.path.abspath(program))  # noqa: PTH100
    every = getattr(result, "metrics", result)
    every = every.get("metrics", every)
    numeric = {name: value for name, value in every.items() if isinstance(value, numbers.Real)}
    found = {name: float(value) for name, value in numeric.items() if not isinstance(value, bool)}
    if every.get("error"):
        sys.stderr.write(f"the evaluator says: {every['error']}\n")
    if not found:
        raise SystemExit(f"{evaluator} returned no number for {program}.")
    return {"combined_score": statistics.fmean(found.values())} | found


def seed() -> None:
    """Seed what draws in this process."""
    given = int(os.environ.get("OVERNIGHT_SEED", "0"))
    random.seed(given)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(given % (1 << 32))


def stand_in() -> None:
    """Put a module in the place of OpenEvolve's class for results, where that is not installed."""
    if importlib.util.find_spec("openevolve") is not None:
        return
    package, module = types.ModuleType("openevolve"), types.ModuleType("openevolve.evaluation_result")
    package.__path__ = []
    for each in (package, module):
        vars(each)["EvaluationResult"] = EvaluationResult
    sys.modules |= {"openevolve": package, "openevolve.evaluation_result": module}


class EvaluationResult:
    """The numbers that an evaluator found, and whatever else it has to say, which is not used."""

    def __init__(self, metrics: dict[str, Any], artifacts: dict[str, Any] | None = None) -> None:
        self.metrics, self.artifacts = metrics, artifacts or {}

    @classmethod
    def from_dict(cls, metrics: dict[str, Any]) -> EvaluationResult:
        """The same of numbers alone."""
        return cls(metrics)


if __name__ == "__main__":
    main(*sys.argv[1:3])
