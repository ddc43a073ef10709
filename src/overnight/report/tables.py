"""`results.tsv`: Karpathy's five columns, for grep, cut and a spreadsheet.

Also what the chart and the report share with it: levels, the chain of keeps, words from outside as one line.
"""

from __future__ import annotations

import math

from overnight.referee.guards import ESTIMATED
from overnight.track.units import number
from overnight.untrusted import line
from overnight.views.experiment import History
from overnight.views.track import TrackView, gain

TITLE = 120  # characters of a title that are shown
GIB = 2**30


def results_tsv(history: History) -> str:
    """Every judged experiment below the baseline, and the explored points, in the order in which they were made; commit,
    metric, memory_gb, status, description.

    The metric is the mean over the commit's own runs; 0 where it had none. An explored point has the status `explore`, its one
    run and no memory of its own.
    """
    track = history.track
    memory = f"memory_gb{ESTIMATED * ('peak_memory' in track.estimated)}"
    rows = [["commit", plain(track.metric), memory, "status", "description"]]
    if track.baseline is not None:
        rows.append(_row(track.base_commit, track.baseline, track.baseline_metrics, "keep", "baseline"))
    made = [(e.id, _row(e.commit, e.level, e.metrics, e.verdict.verdict, ": ".join([*e.marks, e.title])))
            for e in history.experiments if e.verdict.verdict != "open"]
    explored = [(p.after, _row(p.commit, p.value, {}, "explore", p.title)) for p in history.points if p.state != "open"]
    rows += [row for _, row in sorted([*made, *explored], key=lambda each: each[0])]
    return "".join("\t".join(row) + "\n" for row in rows)


def _row(commit: str, level: float | None, metrics: dict[str, float], status: str, title: str) -> list[str]:
    memory, text = metrics.get("peak_memory", 0.0) if level is not None else 0.0, plain(title)
    if text.startswith(("=", "+", "-", "@")):
        text = f"'{text}"  # which a spreadsheet would take for a formula
    return [commit[:7], f"{level or 0.0:.6f}", f"{memory / GIB:.1f}", status, text]


# ---- words and numbers -----------------------------------------------------------------------------------------


def plain(text: str, most: int = TITLE) -> str:
    """Words from outside as one bounded line without control characters."""
    return line(text, most)


def headline(track: TrackView) -> str:
    """The night in a line: "<track>: N experiments, K kept, <metric> A → B unit", with how many points were explored."""
    count, (first, now) = track.experiments, levels(track)
    text = f"{plain(track.track, 40)}: {count:,} experiment{'s' * (count != 1)}, {track.kept:,} kept"
    text += f", {track.explored:,} explored" if track.explored else ""
    if track.baseline is None:
        return text
    if not track.kept:
        return f"{text}, {plain(track.metric, 32)} {first} {plain(track.unit, 24)}".rstrip()
    return f"{text}, {plain(track.metric, 32)} {first} → {now} {plain(track.unit, 24)}".rstrip() + f", {plain(gain(track))}"


def levels(track: TrackView) -> tuple[str, str]:
    """Baseline and frontier as they were measured, for people: with as many decimals as the gain needs."""
    first, now = track.baseline, track.frontier
    if first is None or now is None:
        return number(first, 5), number(now, 5)
    gained = min(abs(track.gain), abs(first) + abs(now))
    largest = max(abs(first), abs(now))
    if number(gained, 3, largest) == "0":
        gained = 0.0
    if not gained or largest >= 1e7 or largest < 1e-3:
        figures = 5 if not gained else min(10, max(4, math.ceil(math.log10(largest / gained)) + 2))
        return f"{first:.{figures}g}", f"{now:.{figures}g}"
    decimals = 2 - math.floor(math.log10(gained))
    if smallest := min(abs(first), abs(now)):
        decimals = max(decimals, min(decimals + 2, 1 - math.floor(math.log10(smallest))))
    decimals = min(10, max(0, decimals))
    return f"{first:.{decimals}f}", f"{now:.{decimals}f}"
