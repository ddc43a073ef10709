"""What a night is doing now, and what it may still use: a small record that its process writes and others read. Pure.

Covered: no seed, no secret and no words from outside are in it; a record of any bytes is read or is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from overnight.lab.jobs import Accept, Combine, Job, Measure, Propose, Rebase, Think
from overnight.lab.lab import Lab
from overnight.lab.state import State

MOST_JOBS = 256  # that the record names; `more` counts the others
MOST_BYTES = 256 << 10  # of a record that is read
Kind = Literal["measure", "propose", "rebase", "combine", "think", "accept"]
STAGES = {
    "calibrate": "measuring the baseline", "null": "measuring an edit that does nothing", "screen": "a first look in a stack",
    "race": "racing", "confirm": "confirming on a fresh seed", "check": "checking the machine", "trace": "finding what fails",
    "explore": "exploring",
}


class JobView(Struct, frozen=True):
    """A job that is under way.

    kind        measure, propose, rebase, combine, think or accept (looking at what was handed in)
    number      of this offer of the job, which no other has in the session
    words       what is done, in a few words of ours
    experiment  that it is of; None: of none, or of several. In the stage `explore` it is the number of a point
    run         the number of a run; None where it is none. `stage` is what the run is for, else ""
    researcher  the role that is asked; "" where none is
    began       when it was given out, in seconds since 1970
    expected    seconds that it is thought to take, the mean of earlier ones; None where there were none
    """

    kind: Kind
    number: int
    words: str
    experiment: int | None
    run: int | None
    stage: str
    researcher: str
    began: float
    expected: float | None


class BudgetView(Struct, frozen=True):
    """What a session may still use.

    began, until  when it began and is to end, in seconds since 1970; None: there is no bound
    experiments   how many its researchers may still begin; None: any number
    tokens        that models may still use, and `dollars`; None: there is no bound
    tokens_used, dollars_used  of the same since the session began
    """

    began: float
    until: float | None = None
    experiments: int | None = None
    tokens: int | None = None
    dollars: float | None = None
    tokens_used: int = 0
    dollars_used: float = 0.0


class NowView(Struct, frozen=True):
    """What a night is doing now.

    process  that wrote this, by its number
    jobs     that are under way, the oldest first, at most 256; `more` is how many there are besides
    places   runs that may go on at once
    budget   what the session may still use
    paused   whether nothing new is begun
    """

    process: int
    jobs: tuple[JobView, ...]
    more: int
    places: int
    budget: BudgetView
    paused: bool = False


def encode(now: NowView) -> bytes:
    """The record as bytes."""
    return msgspec.json.encode(now)


def decode(content: bytes) -> NowView | None:
    """The record that these bytes are; None where they are none."""
    try:
        return msgspec.json.decode(content, type=NowView) if len(content) <= MOST_BYTES else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def now(lab: Lab, process: int, began: Mapping[int, float], budget: BudgetView) -> NowView:
    """What is under way in a session. `began`: when each job was given out, by its ticket."""
    jobs = lab.flight.jobs
    seen = tuple(view(lab, job, began.get(job.ticket, budget.began)) for job in jobs[:MOST_JOBS])
    return NowView(process, seen, max(0, len(jobs) - MOST_JOBS), lab.flight.measure_slots, budget, lab.state.paused)


def view(lab: Lab, job: Job, began: float) -> JobView:
    """One job."""
    kind: Kind = _KINDS[type(job)]
    words = "".join(_words(lab.state, job))
    run, stage = (job.run, job.stage) if isinstance(job, Measure) else (None, "")
    number = job.experiment if isinstance(job, Measure | Rebase) else None
    role = job.researcher if isinstance(job, Propose | Rebase) else job.role if isinstance(job, Think) else ""
    return JobView(kind, job.ticket, words, number, run, stage, role, began, _expected(lab, job))


def _words(state: State, job: Job) -> Iterator[str]:
    if isinstance(job, Measure):
        yield STAGES[job.stage]
        yield " as the frontier" * (job.commit == state.commit and job.stage in ("race", "confirm"))
    elif isinstance(job, Propose):
        yield "trying an idea of the queue" if job.brief.idea else "thinking of a change"
    elif isinstance(job, Rebase):
        yield "putting it on a newer frontier" if not job.anew else "making it anew on a newer frontier"
    elif isinstance(job, Combine):
        yield f"putting {len(job.experiments)} changes on top of one another"
    elif isinstance(job, Think):
        yield "thinking of ideas" if job.purpose == "scientist" else "writing down what was learnt"
    else:
        yield "looking at what was handed in"


def _expected(lab: Lab, job: Job) -> float | None:
    if isinstance(job, Measure):
        each = lab.state.usage.each
        return each * (2 if job.paired_with else 1) or None
    if isinstance(job, Propose):
        return lab.state.attempts.seconds.get(job.researcher)
    return None


_KINDS: dict[type, Kind] = {Measure: "measure", Propose: "propose", Rebase: "rebase", Combine: "combine", Think: "think",
                            Accept: "accept"}
