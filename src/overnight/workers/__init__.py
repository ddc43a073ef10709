"""Workers: where jobs are carried out, a file for each alternative."""

from __future__ import annotations

from collections.abc import Callable

from overnight.contracts import Workers
from overnight.lab.jobs import Job, Result
from overnight.workers.local import LocalWorkers

# By name; each takes what carries out a job, measure slots, cores of a run, edit slots, think slots and the pool of cores.
WORKERS: dict[str, Callable[..., Workers[Job, Result]]] = {
    "local": LocalWorkers,
}
