"""One experiment: the proposal, its runs so far, its verdict. Pure."""

from __future__ import annotations

import hashlib
import sys
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct

from overnight.contracts import Past, turns
from overnight.lab.dense import Dense
from overnight.lab.events import Decision, Judged, Rebased, Vetoed
from overnight.referee.decision import Claim, Ruling
from overnight.referee.findings import Finding
from overnight.referee.holdout import DENIED, UNCHECKED
from overnight.referee.inference import mean
from overnight.untrusted import line

Metrics = dict[str, float]
MOST_PASTS, MOST_PASTS_BYTES = 1000, 448 << 10  # judged experiments that a brief looks back on, and their size as JSON
# of one of them: its message, a title or a reason, its note
MOST_MESSAGE_CHARACTERS, MOST_TITLE_CHARACTERS, MOST_NOTE_BYTES = 600, 300, 1 << 10
MOST_TURNS_BYTES = 16 << 10  # of a note that says what was turned: from it follows which configuration was measured
CUT_PATCH_CHARACTERS = 64 << 10  # characters of a diff from which on it may not be the whole
GUARDED = ("breaks the guard", "is not shown to keep within the guard")  # how the reasons begin where a guard is broken
SCATTERS = "its runs scatter too much"  # the same where they scatter more than the baseline's
CLIMBS = "climb-"  # how the mark of an order begins that a climb gives, and no person
OTHERWISE = (*GUARDED, SCATTERS, DENIED, UNCHECKED)  # and all that say nothing of the metric
NO_SEEDS: frozenset[int] = frozenset()  # one for all: a set of its own for each experiment would be most of what it takes


class Experiment(Struct, array_like=True, gc=False):
    """One experiment as the Lab knows it: the proposal, then its verdict. A track may have a hundred thousand, so what is empty
    or said again and again is shared, and the note is kept packed.

    packed             the researcher's note as JSON; b"" where there is none
    prior_differences  differences on common seeds that its commit's own runs do not show: from a stack, or `older`
    max_stack          how many edits may share a run with this one
    crashed            seeds on which it failed and its base did not
    reopenings         how often it was taken up again after a discard
    asked              the seed of the brief that it answers
    request            the mark of the order that handed it in; "" where a researcher proposed it
    log                of its last run that failed
    cost               seconds that its runs and the thinking took
    older              how many of its pairs were measured against an older frontier, or before the track was begun anew
    measured           runs of its commit that ended well, of which `metrics` are the mean
    ratio              median of what it measured over what its base did; None where that says nothing
    credited           its researcher's record has it
    claim              that it is better, while its fresh pairs are awaited
    finding            what its pairs say of it, where it was discarded
    patience           seconds that its runs may take while it is promising and nothing else waits for a bench
    patient            it goes on for that reason
    takes_back         the kept experiment of which it leaves parts out again, and does nothing else; 0: none
    variance           of its paired differences in the race
    lead               the point of a campaign whose change it holds besides its own; 0: none
    handicap           by how much that was expected to be better: its race takes it off
    judged_at          when it got its latest verdict, in seconds since 1970; 0: it never had one
    """

    id: int
    base: int
    base_commit: str
    commit: str
    researcher: str
    message: str
    at: float = 0.0
    packed: bytes = b""
    size_delta: int = 0
    verdict: Decision | Literal["open"] = "open"
    reason: str = ""
    effect: float | None = None
    interval: tuple[float, float] | None = None
    pairs: int = 0
    fresh_pairs: int = 0
    e_value: float | None = None
    runs: int = 0
    confirming: int = 0
    prior_differences: tuple[float, ...] = ()
    previous_effect: float | None = None
    used: frozenset[int] = NO_SEEDS
    crashed: frozenset[int] = NO_SEEDS
    max_stack: int = 99
    reopenings: int = 0
    stack: str = ""
    priority: float = 0.0
    confirmation_seeds: tuple[int, ...] = ()
    decided: tuple[Decision, str, Ruling | None] | None = None
    metrics: Metrics = {}
    guard_usage: float | None = None
    older: int = 0
    measured: int = 0
    ratio: float | None = None
    idea: int = 0
    asked: int = 0
    request: str = ""
    log: str = ""
    cost: float = 0.0
    credited: bool = False
    finding: Finding | None = None
    claim: Claim | None = None
    patience: float = 0.0
    patient: bool = False
    takes_back: int = 0
    variance: float | None = None
    lead: int = 0
    handicap: float = 0.0
    judged_at: float = 0.0

    def __post_init__(self) -> None:
        self.researcher, self.base_commit = sys.intern(self.researcher), sys.intern(self.base_commit)
        self.used, self.crashed = self.used or NO_SEEDS, self.crashed or NO_SEEDS

    @property
    def note(self) -> dict[str, Any]:
        """What the researcher left with its change."""
        return msgspec.json.decode(self.packed, type=dict[str, Any]) if self.packed else {}

    @property
    def awaited(self) -> bool:
        """Whether it was handed in by a caller that waits for the verdict."""
        return bool(self.request)

    @property
    def simplifies(self) -> bool:
        """Whether it needs only to be no worse: it makes the code smaller, or takes parts of a kept change back. Beside a lead
        it would be no worse whatever it did."""
        return (self.size_delta < 0 and not self.lead) or self.takes_back > 0

    @property
    def gained(self) -> float:
        """Its effect; of one that holds a lead what is thought to be that of its own change."""
        return (self.effect or 0.0) - self.handicap * (self.fresh_pairs > 0)

    @property
    def waiting(self) -> bool:
        """Whether nothing is known of it yet, alone or in a stack."""
        return not (self.stack or self.prior_differences or self.runs or self.decided)

    @property
    def found(self) -> Finding | None:
        """What its pairs say of it, where they were what it was discarded for."""
        judged = self.verdict == "discard" and self.pairs and not self.reason.startswith(OTHERWISE)
        return self.finding if judged else None

    @property
    def title(self) -> str:
        """The first line of its message, without what could steer a terminal."""
        return line(self.message.partition("\n")[0], 300)

    def put_on(self, event: Rebased, race: tuple[float, ...], fresh: tuple[float, ...]) -> None:
        """It stands on another commit now; the differences so far go on as part of its race."""
        self.previous_effect = mean(fresh or race) if race or fresh else None
        self.prior_differences = (*race, *fresh)
        self.older = len(self.prior_differences)
        self.base, self.base_commit, self.commit = event.base, sys.intern(event.base_commit), event.commit
        self.confirming = self.pairs = self.fresh_pairs = 0
        self.confirmation_seeds, self.decided, self.claim = (), None, None
        if event.alone or event.again:
            self.lead, self.handicap = 0, 0.0
        if event.message:  # made anew, or without its lead: it is another change now
            self.message, self.size_delta, self.takes_back = event.message, event.size_delta or 0, 0
            self.packed = self.packed if event.note is UNSET else packed(event.note)

    def undo(self) -> None:
        """It was kept, and is no more: nothing counts any more but what it wants to change."""
        self.prior_differences, self.runs, self.confirming, self.older = (), 0, 0, 0
        self.pairs, self.fresh_pairs, self.e_value = 0, 0, None
        self.confirmation_seeds, self.decided, self.previous_effect = (), None, None

    def veto(self, event: Vetoed) -> Decision:
        """It was the one that was taken back: its verdict from now on."""
        said = "taken back" if event.fails or event.request.startswith(CLIMBS) else "vetoed by a person"
        verdict: Decision = "crash" if event.fails else "discard"
        self.judged_at = event.at
        self.verdict, self.reason = verdict, f"{said}{': ' if event.reason else ''}{event.reason}"
        return verdict

    def judge(self, event: Judged) -> None:
        """It has a verdict."""
        self.verdict, self.reason, self.effect, self.interval = event.verdict, event.reason, event.effect, event.interval
        self.pairs, self.fresh_pairs, self.e_value = event.pairs, event.fresh_pairs, event.e_value
        self.finding, self.patient, self.variance = event.finding or None, False, event.variance
        self.judged_at = event.at


def mark(base_commit: str, patch: str) -> int:
    """What tells whether two changes are the same: a hash of the diff and of what it stands on."""
    return int.from_bytes(hashlib.sha256(f"{base_commit}\n{patch}".encode()).digest()[:8], "big")


def packed(note: dict[str, Any]) -> bytes:
    """A note as an experiment keeps it."""
    return msgspec.json.encode(note) if note else b""


def past(experiment: Experiment) -> Past:
    """An experiment as researchers may know it."""
    effect, found = experiment.effect if experiment.pairs else None, experiment.found
    return Past(experiment.id, experiment.base, experiment.researcher, experiment.verdict, experiment.message, effect,
                experiment.pairs, experiment.reason, experiment.note, experiment.guard_usage, experiment.idea, experiment.log,
                *((found.word, round(found.chance, 4), found.runs) if found else ()))


def remembered(experiment: Experiment) -> Past:
    """A judged experiment as later briefs hold it: of what was not kept the title alone, and no note that is long."""
    found = past(experiment)
    title = line(found.message.lstrip().partition("\n")[0], MOST_TITLE_CHARACTERS)
    words = found.message[:MOST_MESSAGE_CHARACTERS] if found.verdict == "keep" else title
    most = MOST_TURNS_BYTES if turns(found.note) else MOST_NOTE_BYTES
    note = found.note if len(experiment.packed) <= most else {}
    return msgspec.structs.replace(found, message=words, reason=found.reason[:MOST_TITLE_CHARACTERS], note=note)


class Experiments(Dense[Experiment]):
    """The experiments of a state that is followed and by which nothing is decided: a quarter of the memory, and each takes some
    microseconds to be read. Those that are open or kept are objects, for every other record changes or asks for some."""

    def __init__(self) -> None:
        super().__init__(Experiment, lambda each: each.verdict in ("open", "keep"))


class Pasts(Struct):
    """The judged experiments that a brief looks back on, oldest first; `size` is their bytes as JSON. The oldest are forgotten
    where they are too many or too long."""

    items: list[Past] = []
    size: int = 0

    def add(self, past: Past) -> None:
        """Take one more."""
        self.items.append(past)
        self.size += len(msgspec.json.encode(past))
        while len(self.items) > MOST_PASTS or self.size > MOST_PASTS_BYTES:
            self.size -= len(msgspec.json.encode(self.items.pop(0)))

    def forget(self, number: int) -> None:
        """Forget an experiment whose verdict is none any more."""
        self.size -= sum(len(msgspec.json.encode(past)) for past in self.items if past.id == number)
        self.items = [past for past in self.items if past.id != number]
