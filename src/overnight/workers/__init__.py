"""Workers: where jobs are carried out, a file for each alternative."""

from __future__ import annotations

from collections.abc import Callable

from overnight.contracts import Place, Workers
from overnight.lab.jobs import Job, Result
from overnight.workers.local import LocalWorkers

Work = Callable[[Job, Place], Result]
# By name; each takes what carries out a job, benches, cores of a run, desks, thinkers and the machine's pool of cores.
WORKERS: dict[str, Callable[..., Workers[Job, Result]]] = {
    "local": LocalWorkers,
}
