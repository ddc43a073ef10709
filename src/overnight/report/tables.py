"""`results.tsv`: Karpathy's five columns, for grep, cut and a spreadsheet.

Also what the chart and the report share with it: levels, the chain of keeps, words from outside as one line.
"""

from __future__ import annotations

import math
import statistics

from overnight.lab.experiment import Experiment
from overnight.lab.state import BASELINE, State
from overnight.untrusted import line

TITLE = 120  # characters of a title that are shown
GIB = 2**30


def results_tsv(state: State) -> str:
    """Every judged experiment below the baseline; commit, metric, memory_gb, status, description.

    The metric is the baseline's, moved by the effects that the referee measured; 0 where nothing was measured.
    """
    judged = [e for e in state.experiments.values() if e.verdict != "open"]
    rows = [["commit", plain(state.track.metric.name), "memory_gb", "status", "description"], *_baseline(state)]
    return "".join("\t".join(row) + "\n" for row in [*rows, *(_row(state, e) for e in judged)])


def _baseline(state: State) -> list[list[str]]:
    level = state.level(BASELINE)
    if state.opened is None or level is None:
        return []
    peaks = [run["peak_memory"] for run in state.known.good(state.known.baseline_commit) if "peak_memory" in run]
    memory = statistics.fmean(peaks) if peaks else 0.0
    return [[state.opened.commit[:7], f"{level:.6f}", f"{memory / GIB:.1f}", "keep", "baseline"]]


def _row(state: State, experiment: Experiment) -> list[str]:
    level = measured(state, experiment)
    memory = experiment.metrics.get("peak_memory", 0.0) if level is not None else 0.0
    return [experiment.commit[:7], f"{level or 0.0:.6f}", f"{memory / GIB:.1f}", experiment.verdict,
            _cell(experiment.title)]


def measured(state: State, experiment: Experiment) -> float | None:
    """The metric of a judged experiment that ran to its end; None for the others."""
    if experiment.verdict not in ("keep", "discard") or experiment.effect is None:
        return None
    return state.level(experiment.id)


def _cell(title: str) -> str:
    """A title that no spreadsheet takes for a formula."""
    text = plain(title)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


# ---- words and numbers -----------------------------------------------------------------------------------------


def plain(text: str, most: int = TITLE) -> str:
    """Words from outside as one bounded line without control characters."""
    return line(text, most)


def levels(state: State) -> tuple[str, str]:
    """Baseline and frontier as people read them: with as many decimals as the gain needs."""
    first, now = state.level(BASELINE), state.level(state.frontier)
    if first is None or now is None:
        return "–", "–"
    gain = abs(now - first)
    largest = max(abs(first), abs(now))
    if not gain or largest >= 1e7 or largest < 1e-3:
        figures = 5 if not gain else min(10, max(4, math.ceil(math.log10(largest / gain)) + 2))
        return f"{first:.{figures}g}", f"{now:.{figures}g}"
    decimals = 2 - math.floor(math.log10(gain))
    if smallest := min(abs(first), abs(now)):
        decimals = max(decimals, min(decimals + 2, 1 - math.floor(math.log10(smallest))))
    decimals = min(10, max(0, decimals))
    return f"{first:.{decimals}f}", f"{now:.{decimals}f}"
