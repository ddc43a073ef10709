"""One experiment: the proposal, its runs so far, its verdict. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from overnight.contracts import Past
from overnight.lab.events import Decision
from overnight.referee.decision import Ruling
from overnight.untrusted import line

Metrics = dict[str, float]


@dataclass(slots=True)
class Experiment:
    """One experiment as the Lab knows it: the proposal, then its verdict.

    carried  differences on common seeds that its commit's own runs do not show: from a stack, or to an older frontier
    company  how many edits may share a run with this one
    crashed  seeds on which it failed and its base did not
    looks    how often it was taken up again after a discard
    asked    the seed of the brief that it answers
    request  the mark of the order that handed it in; "" where a researcher proposed it
    log      of its last run that failed
    cost     seconds that its runs and the thinking took
    credited its researcher's record has it
    """

    id: int
    base: int
    base_commit: str
    commit: str
    researcher: str
    message: str
    at: float = 0.0
    note: dict[str, Any] = field(default_factory=dict)
    grown: int = 0
    verdict: str = "open"
    reason: str = ""
    effect: float | None = None
    interval: tuple[float, float] | None = None
    pairs: int = 0
    fresh_pairs: int = 0
    e_value: float | None = None
    runs: int = 0
    confirming: int = 0
    carried: list[float] = field(default_factory=list)
    earlier: float | None = None
    used: set[int] = field(default_factory=set)
    crashed: set[int] = field(default_factory=set)
    company: int = 99
    looks: int = 0
    stack: str = ""
    worth: float = 0.0
    drawn: tuple[int, ...] = field(default=(), compare=False, repr=False)
    decided: tuple[Decision, str, Ruling | None] | None = None
    metrics: Metrics = field(default_factory=dict)
    strain: float | None = None
    idea: int = 0
    asked: int = 0
    request: str = ""
    log: str = ""
    cost: float = 0.0
    credited: bool = False

    @property
    def awaited(self) -> bool:
        """Whether somebody handed it in and waits for the verdict."""
        return bool(self.request)

    @property
    def waiting(self) -> bool:
        """Whether nothing is known of it yet, alone or in a stack."""
        return not (self.stack or self.carried or self.runs or self.decided)

    @property
    def title(self) -> str:
        """The first line of its message, without what could steer a terminal."""
        return line(self.message.partition("\n")[0], 300)


def past(experiment: Experiment) -> Past:
    """An experiment as researchers may know it."""
    return Past(experiment.id, experiment.base, experiment.researcher, experiment.verdict, experiment.message,
                experiment.effect, experiment.pairs, experiment.reason, experiment.note, experiment.strain, experiment.idea,
                experiment.log)


def told(experiment: Experiment) -> str:
    """What came of an experiment, in a few words."""
    effect = "" if experiment.effect is None else f" {experiment.effect:+.3g}"
    return f"{experiment.verdict}{effect}"
