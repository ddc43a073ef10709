"""What can happen on a track: the frozen records that the journal holds. docs/journal.md gives the file format.

Every record carries `at`, seconds since 1970 by the machine's clock: for people to read, never to decide by.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Decision = Literal["keep", "discard", "crash", "foul"]
Outcome = Literal["ok", "crash", "timeout", "memory", "output", "invalid"]
Stage = Literal["calibrate", "race", "confirm"]


class Opened(Struct, frozen=True, tag="opened", tag_field="kind"):
    """The track begins, or begins anew: its contract is frozen at a commit, which is also the baseline.

    contract  the text of track.toml
    key       secret from which every seed is drawn, so that no candidate can know one before it is committed
    """

    at: float
    track: str
    commit: str
    contract: str
    key: str


class Started(Struct, frozen=True, tag="started", tag_field="kind"):
    """A session of `overnight run` begins."""

    at: float
    workers: int
    sandbox: str
    version: str
    researchers: tuple[str, ...] = ()


class Stopped(Struct, frozen=True, tag="stopped", tag_field="kind"):
    """A session ends in order. A session that was killed has no such record.

    deciding, writing  mean seconds for one result of `ask` and `tell`, and of writing to this journal
    """

    at: float
    seconds: float
    reason: str = ""
    deciding: float = 0.0
    writing: float = 0.0


class Proposed(Struct, frozen=True, tag="proposed", tag_field="kind"):
    """A researcher's change was committed on top of the frontier.

    base       the experiment it stands on (0: the baseline)
    patch      its diff, at most 64 KiB of it
    """

    at: float
    experiment: int
    base: int
    base_commit: str
    commit: str
    researcher: str
    message: str
    patch: str = ""
    note: dict[str, Any] = {}


class Passed(Struct, frozen=True, tag="passed", tag_field="kind"):
    """A researcher had nothing to propose on this frontier, or what it proposed was no change."""

    at: float
    researcher: str
    frontier: int
    reason: str = ""


class Rebased(Struct, frozen=True, tag="rebased", tag_field="kind"):
    """The frontier moved on: an open experiment was put on top of the new one and is measured anew there."""

    at: float
    experiment: int
    base: int
    base_commit: str
    commit: str


class Measured(Struct, frozen=True, tag="measured", tag_field="kind"):
    """One run ended.

    experiment  whose commit ran (0: the baseline)
    metrics     what the scorer and the harness measured; empty unless the outcome is "ok"
    reason      why it is not "ok", in a sentence
    busy        seconds that the candidate's, oracle's and scorer's own processes took
    overhead    what the harness took besides, by part, in seconds
    log         name of the kept log
    """

    at: float
    run: int
    experiment: int
    commit: str
    seed: int
    stage: Stage
    outcome: Outcome
    metrics: dict[str, float] = {}
    reason: str = ""
    busy: float = 0.0
    overhead: dict[str, float] = {}
    worker: int = 0
    log: str = ""


class Judged(Struct, frozen=True, tag="judged", tag_field="kind"):
    """The verdict on an experiment. A keep moves the frontier to its commit; there is no other way to move it.

    effect    mean paired difference on the fresh seeds (before confirmation: on all), positive is better
    interval  95 % interval of the effect
    pairs     paired differences used, in all and on fresh seeds
    e_value   evidence against "not better", odds of the night included
    """

    at: float
    experiment: int
    verdict: Decision
    reason: str
    effect: float | None = None
    interval: tuple[float, float] | None = None
    pairs: int = 0
    fresh_pairs: int = 0
    e_value: float | None = None
    variance: float | None = None


class Faulted(Struct, frozen=True, tag="faulted", tag_field="kind"):
    """The machine failed during a job. It counts against nobody; the job is done again."""

    at: float
    job: str
    reason: str


Event = Opened | Started | Stopped | Proposed | Passed | Rebased | Measured | Judged | Faulted
