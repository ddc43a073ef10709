"""Prints docs/tracks.md from what was measured: `PYTHONPATH=src python scripts/tracks.py > docs/tracks.md`."""

import json
from pathlib import Path
from typing import Any

from overnight.track.load import load
from overnight.track.spec import Track

ROOT = Path(__file__).resolve().parents[1]

HEAD = """# The ready tracks

Made by `python scripts/tracks.py`; a test compares. `overnight init --from NAME` makes a repository of one in an empty folder,
and `overnight run NAME` improves it.

{tracks}
## What was measured

{figures}
- **baseline**: the mean over seeds of the track as it comes, with its 95 % interval.
- **sd over seeds**: by how much single runs of it spread, as a standard deviation.
- **sd of pairs**: the same of the differences between the best and the baseline on common seeds. Differences are what a night
  works with, and those of smaller changes spread less.
- **a run**: the median, in seconds, of one run with its scoring and all that surrounds it.
- **best**: by how much the best that was found is better, with its 95 % interval. It is measured beside the baseline, on
  seeds that no night used; what a night claims of itself is not in this table. Guards were judged in the night, and are not
  judged again here.

Times are those of the machine that measured, which had other work as well: {machines}.

## Where the best comes from

{best}
The patches are in [bench/registry/found](../bench/registry/found); a role of the kind
[`replay`](researchers.md#replay) proposes a folder of them again.

## Add a track, or a better result

1. A folder in `tracks/` with a `track.toml` ([track.md](track.md)), a scorer ([scoring.md](scoring.md)), a `program.md` and a
   README.
2. A better result is the difference from the track as it comes: `git diff FIRST..overnight/NAME -- FILES`, saved as
   `bench/registry/found/NAME.patch` under the lines `By:`, `Date:` and `Command:`.
3. `python -m bench registry --cells NAME` measures both on {seeds} seeds (8 where a run takes more than 20 seconds), and writes
   `tracks/registry.json`.
4. `python scripts/tracks.py > docs/tracks.md`.
"""


def number(value: float) -> str:
    """As it was rounded when it was measured."""
    return f"{value:,.6g}"


def within(three: list[float], sign: str = "") -> str:
    """A mean with its interval."""
    middle, low, high = (f"{each:{sign},.6g}" for each in three)
    return f"{middle} [{low}, {high}]"


def what(name: str, track: Track) -> str:
    """What there is to do in a track."""
    metric = track.metric
    better = "less" if metric.direction == "minimize" else "more"
    unit = f", {metric.unit}" if metric.unit else ""
    return f"| [{name}](../tracks/{name}) | {track.track.goal} | `{metric.name}`{unit}; {better} is better |"


def figures(name: str, record: dict[str, Any] | None) -> str:
    """What was measured of a track."""
    if record is None:
        return f"| {name} | not measured yet | | | | | |"
    best = within(record["best"]["gain"], "+") if "best" in record else "none yet"
    pairs = number(record["pairs"]) if "pairs" in record else ""
    cells = (name, within(record["baseline"]), number(record["spread"]), pairs, f"{record['seconds']:.2g} s", best,
             record["measured"]["seeds"])
    return f"| {' | '.join(map(str, cells))} |"


def found(name: str, best: dict[str, Any]) -> str:
    """Who found the best of a track."""
    return f"| {name} | {number(best['value'])} | {best['by']} | {best['date']} | {best['command']} |"


def table(columns: tuple[str, ...], lines: list[str]) -> str:
    """A table in markdown."""
    return "\n".join([f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", *lines, ""])


def machines(records: dict[str, Any]) -> str:
    """Where and when it was measured."""
    said: dict[str, list[str]] = {}
    for name, each in sorted(records.items()):
        where = each["measured"]
        said.setdefault(f"{where['cores']} cores, on {where['date']}", []).append(f"{name} (load {where['load']:g})")
    return "; ".join(f"{where}: {', '.join(names)}" for where, names in said.items())


def page(root: Path = ROOT) -> str:
    """The whole page."""
    records: dict[str, Any] = json.loads((root / "tracks" / "registry.json").read_text(encoding="utf-8"))
    names = sorted(path.parent.name for path in root.glob("tracks/*/track.toml"))
    measured = {name: records[name] for name in names if name in records}
    return HEAD.format(
        tracks=table(("track", "goal", "metric"), [what(name, load(root / "tracks" / name)) for name in names]),
        figures=table(("track", "baseline", "sd over seeds", "sd of pairs", "a run", "best", "n"),
                      [figures(name, records.get(name)) for name in names]),
        machines=machines(measured), seeds=max((each["measured"]["seeds"] for each in measured.values()), default=20),
        best=table(("track", "value", "by", "when", "command"),
                   [found(name, each["best"]) for name, each in measured.items() if "best" in each]))


if __name__ == "__main__":
    print(page(), end="")
