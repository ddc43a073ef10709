"""A track as an offline run of Weights & Biases, through wandb's own client: the project is `overnight`, the track a run of it.

A run there is a curve, so a track is one: each experiment is a step, with its metrics, its verdict and the frontier's level so
far. An experiment as a run of its own would be a point without a curve, in a folder of its own. `wandb sync FOLDER` sends it;
Overnight sends nothing. The id follows from the track, and exporting again replaces the file, so there is always one run of
it, with all that is known. Needs the extra `wandb`.
Covered: no name of this machine, its user, its folders or its packages goes along; a file that was cut short is never seen.
Not covered: what a server makes of a run that it was sent before (`wandb sync` without `--append` is meant to replace it).
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from overnight.errors import TrackError, extra
from overnight.export.tables import listed
from overnight.export.told import Told, key, told
from overnight.export.writing import whole
from overnight.lab.state import State
from overnight.untrusted import line

PROJECT = "overnight"
HEAD, RECORD_HEAD, BLOCK = 7, 7, 32768  # bytes, in a run's file
FULL, LAST = 1, 4  # of a record: all of it, or its last part
BESIDE = ("verdict", "cause", "commit", "word")  # words of an experiment that go along with its numbers


def export(state: State, folder: Path, private: bool) -> tuple[Path, int]:
    """Write the run below a folder; its file, and how many steps it has. Raises TrackError, ExtraMissing."""
    with extra("wandb", "exporting to Weights & Biases"):
        import wandb
    name = key(state)
    place = _place(state, folder, name)
    with whole(place) as part, tempfile.TemporaryDirectory(prefix="overnight-wandb-") as scratch:
        with _failing(wandb.Error):
            steps = _log(wandb, state, name, scratch, private)
        made = next(Path(scratch).rglob(f"run-{name}.wandb"), None)
        if made is None or _records(made.read_bytes()) <= steps:  # besides its steps a run has a head and an end
            raise TrackError("wandb left no whole run behind: try again, or with another version of it.")
        shutil.copyfile(made, part)
    with suppress(OSError):
        place.with_name(f"{place.name}.synced").unlink()  # so that `wandb sync` sends it again
    return place, steps


def _place(state: State, folder: Path, name: str) -> Path:
    """Where the run's file belongs, in a folder of the name that `wandb sync` looks for. Raises TrackError."""
    assert state.opened is not None
    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(state.opened.at))
    home = folder / f"offline-run-{stamp}-{name}"
    try:
        (home / "files").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackError(f"{home} cannot be made ({error.strerror}): name another folder.") from error
    return home / f"run-{name}.wandb"


@contextmanager
def _failing(failure: type[Exception]) -> Iterator[None]:
    try:
        yield
    except failure as error:
        raise TrackError(f"wandb could not write the run ({line(str(error), 300).rstrip('.')}): try again.") from error


def _log(wandb: Any, state: State, name: str, scratch: str, private: bool) -> int:
    settings = wandb.Settings(
        mode="offline", console="off", silent=True, quiet=True, disable_git=True, save_code=False, disable_job_creation=True,
        x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True, x_save_requirements=False, host="overnight",
        username="overnight", root_dir=scratch)
    metric = state.track.metric
    config = {"track": line(state.track.name, 200), "metric": line(metric.name, 200), "unit": line(metric.unit, 200),
              "direction": str(metric.direction), "goal": line(state.track.track.goal, 1000)}
    run = wandb.init(project=PROJECT, id=name, name=config["track"], config=config, settings=settings)
    steps, kept, so_far = 0, 0, dict[str, Any]()
    try:
        for found in listed(state, private):
            steps, kept = steps + 1, kept + (found.verdict.verdict == "keep")
            if found.verdict.verdict == "keep" and found.level is not None:
                so_far["frontier"] = found.level
            run.log(_step(told(found), found.id) | so_far | {"kept": kept}, step=found.id)
        run.summary.update({"experiments": steps, "kept": kept})
    finally:
        run.finish()
        wandb.teardown()  # waits for the process that writes the file
    return steps


def _records(content: bytes) -> int:
    """How many records a run's file holds whole. Source: LevelDB's format of logs, behind a head of seven bytes."""
    at, whole_ones = HEAD, 0
    while at + RECORD_HEAD <= len(content):
        if (room := BLOCK - at % BLOCK) < RECORD_HEAD:
            at += room
            continue
        length, kind = int.from_bytes(content[at + 4:at + 6], "little"), content[at + 6]
        at += RECORD_HEAD + length
        whole_ones += kind in (FULL, LAST) and at <= len(content)
    return whole_ones


def _step(found: Told, number: int) -> dict[str, Any]:
    said = {name: value for name in BESIDE if (value := found.words[name])}
    said |= {"title": found.name, "researcher": found.fixed["researcher"]}
    times = {name: at for name, at in (("proposed_at", found.began), ("judged_at", found.ended)) if at is not None}
    return {"experiment": number, **said, **times, **found.numbers}
