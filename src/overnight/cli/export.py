"""`overnight export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from overnight.cli.base import DONE, FOLDER, RUNG, main, tell
from overnight.errors import TrackError

if TYPE_CHECKING:
    from overnight.api import Track

FORMATS = ("csv", "parquet", "mlflow", "wandb")
ENDINGS = {".csv": "csv", ".parquet": "parquet", ".db": "mlflow"}
TABLES = ("csv", "parquet")


@main.command()
@FOLDER
@RUNG
@click.option("--to", required=True, metavar="FILE|URL", help="The file, MLflow's address, or the folder for wandb's run.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="What it is (default: as FILE ends; of a URL mlflow).")
@click.option("--runs", is_flag=True, help="A row for each run, not for each experiment; csv and parquet alone.")
@click.option("--private", is_flag=True, help="Also seeds, and the holdout's numbers, which no researcher may see.")
@DONE
def export(folder: Path, rung: str, to: str, kind: str | None, runs: bool, private: bool) -> None:
    """Write what was tried for pandas, spreadsheets, MLflow or Weights & Biases.

    Exporting again brings what is there up to date: a file is replaced, a run is neither doubled nor lost.
    """
    kind = kind or by_ending(to)
    if runs and kind not in TABLES:
        raise TrackError(f"--runs makes a table, and {kind} takes experiments alone: name a file that ends in .csv or "
                         ".parquet.")
    from overnight.api import Track
    with Track.open(folder, rung, private) as track:
        tell(_written(track, to, kind, runs))


def by_ending(to: str) -> str:
    """The format of what a target is. Raises TrackError where that is not to be seen."""
    found = "mlflow" if "://" in to else ENDINGS.get(Path(to).suffix.lower())
    if found is None:
        raise TrackError(f"{to[:200]} does not tell what to write: end it in {', '.join(ENDINGS)}, or say "
                         f"--format {'|'.join(FORMATS)}.")
    return found


def _written(track: Track, to: str, kind: str, runs: bool) -> str:
    """Export, and the sentence about it."""
    if kind == "mlflow":
        from overnight.export import mlflow
        done = mlflow.export(track.state(), to, track.private)
        return f"{_count(done.runs, 'experiment')} in MLflow at {mlflow.shown(to)}, {done.changed} of them new or changed"
    if kind == "wandb":
        from overnight.export import wandb
        place, steps = wandb.export(track.state(), Path(to), track.private)
        return f"{_count(steps, 'experiment')} in {place}; `wandb sync {place.parent}` sends it"
    from overnight.export import csv, parquet
    write = csv.write if kind == "csv" else parquet.write
    return f"{_count(write(track.table(runs), Path(to)), 'run' if runs else 'experiment')} in {to}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
