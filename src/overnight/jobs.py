"""What the Lab asks for and what it is told: the jobs that places carry out, and their results."""

from __future__ import annotations

from msgspec import Struct

from overnight.contracts import Brief, Change
from overnight.events import Outcome, Stage


class Propose(Struct, frozen=True):
    """A desk job: let a researcher make a change on top of a commit. The desk adds the files to the brief."""

    researcher: str
    base: int
    commit: str
    brief: Brief
    place = "desk"


class Rebase(Struct, frozen=True):
    """A desk job: put an experiment's change on top of another commit."""

    experiment: int
    commit: str
    base_commit: str
    onto: str
    place = "desk"


class Measure(Struct, frozen=True):
    """A bench job: one run of one commit with one seed."""

    run: int
    experiment: int
    commit: str
    seed: int
    stage: Stage
    place = "bench"


Job = Propose | Rebase | Measure


class Proposal(Struct, frozen=True):
    """What came of a Propose: a commit and its diff, or why there is none."""

    job: Propose
    change: Change | None = None
    commit: str = ""
    patch: str = ""
    foul: str = ""
    reason: str = ""


class Rebasing(Struct, frozen=True):
    """What came of a Rebase: the new commit, "" on a conflict."""

    job: Rebase
    commit: str


class Measurement(Struct, frozen=True):
    """What came of a Measure; the fields are those of the record `Measured`."""

    job: Measure
    outcome: Outcome
    metrics: dict[str, float] = {}
    reason: str = ""
    busy: float = 0.0
    overhead: dict[str, float] = {}
    worker: int = 0
    log: str = ""


class Trouble(Struct, frozen=True):
    """The machine failed during a job."""

    job: Job
    reason: str


Result = Proposal | Rebasing | Measurement | Trouble


def key(job: Job) -> object:
    """What makes a job the same job."""
    if isinstance(job, Measure):
        return job.run
    return (job.experiment, job.onto) if isinstance(job, Rebase) else (job.researcher, job.brief.seed)
