"""A track in MLflow, through MLflow's own client: the track is an experiment there, each of its experiments a run.

So MLflow's table of runs, its comparisons and its search do for a track what they do for a project. A run is found again by its
tags: what did not change is left alone, what did is brought up to date, and an export that was cut short is completed by the
next one. Needs the extra `mlflow`.
Covered: a server that is down, refuses or speaks another version is one sentence, which names no password; no telemetry.
Not covered: two exports of one track at the same time, and numbers that a change lost again: MLflow forgets none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from overnight.errors import TrackError, extra
from overnight.export.tables import listed
from overnight.export.told import Told, key, told
from overnight.lab.state import State
from overnight.untrusted import line

if TYPE_CHECKING:
    from mlflow import MlflowClient

FILE = "mlflow.db"  # in a folder that is given
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
         "MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_LOGGING_LEVEL": "ERROR"}  # unless the user says otherwise
AT_A_TIME = 500  # runs of an answer
STATUS = {"open": "RUNNING", "crash": "FAILED", "foul": "FAILED"}  # of a verdict; else FINISHED
OTHERS = "overnight."  # how the names of our tags begin
PASSWORD = re.compile(r"//[^/@\s]*@")


class Known(NamedTuple):
    """A run that was exported before: its id, the digest of what it was told, and what it has of numbers and parameters."""

    run: str
    digest: str
    numbers: dict[str, float]
    fixed: dict[str, str]


class Exported(NamedTuple):
    """What an export came to: runs in all, and how many of them were made or changed by it."""

    runs: int
    changed: int


def export(state: State, where: str, private: bool) -> Exported:
    """Bring MLflow at an address, in a file or in a folder up to what the track tells. Raises TrackError, ExtraMissing."""
    uri = address(where)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with extra("mlflow", "exporting to MLflow"):
        import mlflow
    with _failing(where):
        client = mlflow.MlflowClient(tracking_uri=uri)
        experiment = _experiment(client, f"overnight/{line(state.track.name, 200)}", uri)
        track = key(state)
        known, runs, changed = _known(client, experiment, track), 0, 0
        for found in listed(state, private):
            now, runs = told(found), runs + 1
            if (before := known.get(str(found.id))) is None or before.digest != now.digest:
                _bring(client, before or _begin(client, experiment, track, found.id, now), now)
                changed += 1
    return Exported(runs, changed)


def address(where: str) -> str:
    """The tracking address: as it is given, or of the database in a file or a folder. Raises TrackError."""
    if "://" in where:
        return where
    place = Path(where).absolute()
    place = place / FILE if place.is_dir() else place
    if not place.parent.is_dir():
        raise TrackError(f"there is no folder {place.parent}: make it first, or name another file.")
    return f"sqlite:///{place}"


def shown(text: str) -> str:
    """A text without passwords of addresses in it."""
    return PASSWORD.sub("//", text)


@contextmanager
def _failing(where: str) -> Iterator[None]:
    """What MLflow, its connection or its database says becomes one sentence."""
    import requests
    from mlflow.exceptions import MlflowException
    failures: list[type[Exception]] = [MlflowException, requests.RequestException, OSError]
    with extra("mlflow", "exporting to MLflow"):
        from sqlalchemy.exc import SQLAlchemyError
    try:
        yield
    except (*failures, SQLAlchemyError) as error:
        why = line(shown(str(error)), 300).rstrip(".")
        raise TrackError(f"MLflow at {shown(where)} did not take the export ({why}): what it has is whole, and exporting again "
                         "goes on from there.") from error


def _experiment(client: MlflowClient, name: str, uri: str) -> str:
    """The id of MLflow's experiment of this name, made where there is none. Raises TrackError where it was deleted there."""
    found = client.get_experiment_by_name(name)
    if found is None:
        local = urlsplit(uri).scheme == "sqlite"
        beside = f"{Path(uri.removeprefix('sqlite:///')).parent.as_uri()}/mlartifacts" if local else None
        return str(client.create_experiment(name, artifact_location=beside))
    if found.lifecycle_stage == "deleted":
        raise TrackError(f"the experiment {name} was deleted in MLflow: restore it there (`mlflow experiments restore "
                         f"--experiment-id {found.experiment_id}`), or delete it for good.")
    return str(found.experiment_id)


def _known(client: MlflowClient, experiment: str, track: str) -> dict[str, Known]:
    """What was exported before, by the number of the experiment."""
    known: dict[str, Known] = {}
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{OTHERS}track` = '{track}'", max_results=AT_A_TIME,
                                  order_by=["attributes.start_time DESC"], page_token=token)
        for run in page:
            data = run.data
            known[data.tags.get(f"{OTHERS}experiment", "")] = Known(
                run.info.run_id, data.tags.get(f"{OTHERS}digest", ""), data.metrics, data.params)
        if not (token := page.token):
            return known


def _begin(client: MlflowClient, experiment: str, track: str, number: int, now: Told) -> Known:
    tags = {f"{OTHERS}track": track, f"{OTHERS}experiment": str(number)}
    run = client.create_run(experiment, start_time=_milliseconds(now.began), tags=tags, run_name=now.name)
    return Known(run.info.run_id, "", {}, {})


def _bring(client: MlflowClient, before: Known, now: Told) -> None:
    """Bring one run up to date; its digest is written with all the rest, last."""
    from mlflow.entities import Metric, Param, RunTag
    at = _milliseconds(now.ended or now.began)
    status = STATUS.get(now.words["verdict"], "FINISHED")
    if status == "RUNNING":
        client.update_run(before.run, status=status)
    else:
        client.set_terminated(before.run, status, _milliseconds(now.ended))
    words = {f"{OTHERS}{name}": value for name, value in now.words.items()} | {
        "mlflow.source.git.commit": now.words["commit"], "mlflow.note.content": now.words["message"],
        "mlflow.runName": now.name, f"{OTHERS}digest": now.digest}
    numbers = [Metric(name, value, at, 0) for name, value in now.numbers.items() if before.numbers.get(name) != value]
    fixed = [Param(name, value) for name, value in now.fixed.items() if value and name not in before.fixed]
    client.log_batch(before.run, metrics=numbers, params=fixed, tags=[RunTag(name, value) for name, value in words.items()])


def _milliseconds(at: float | None) -> Any:
    return round((at or 0.0) * 1000)
