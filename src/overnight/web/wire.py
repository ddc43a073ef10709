"""What the API answers and takes that no other view has, typed: its schema is made of these and of the views."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from overnight.contracts import Idea
from overnight.views.experiment import ExperimentView
from overnight.views.jobs import NowView
from overnight.views.program import ProgramView

Number = Annotated[int, Meta(ge=1, le=2**53)]
After = Annotated[int, Meta(ge=0, le=2**53)]
Limit = Annotated[int, Meta(ge=1, le=500)]
Word = Annotated[str, Meta(max_length=200)]
VerdictName = Literal["open", "keep", "discard", "crash", "foul"]
Sort = Literal["number", "-number", "effect", "-effect", "evidence", "-evidence", "pairs", "-pairs"]


class TrackEntry(Struct, frozen=True):
    """One of the tracks that are served.

    name     in addresses
    live     whether a night is at work
    begun    whether anything was run yet
    seq      number of its journal's last record, and `head` its hash, for readers with the token alone
    problem  why it cannot be shown, in a sentence; "": it can
    """

    name: str
    live: bool
    begun: bool
    seq: int
    head: str
    problem: str


class ExperimentList(Struct, frozen=True):
    """Some of a track's experiments.

    items  those of this part of the list
    total  how many the whole list has
    next   what to give as `after` for the part behind this one; None: there is none
    """

    items: tuple[ExperimentView, ...]
    total: int
    next: int | None


class JobList(Struct, frozen=True):
    """What is under way: `live` says whether a night is at work, `doing` what it does; None: it has not said."""

    live: bool
    doing: NowView | None


class IdeaList(Struct, frozen=True):
    """The queue of ideas, oldest first; `total` is how many there are."""

    items: tuple[Idea, ...]
    total: int


class ProgramNowView(ProgramView, frozen=True):
    """The program of a track: the fields of ProgramView, and `problem`, why the file cannot be used, in a sentence; "": it
    can."""

    problem: str = ""


class RecordView(Struct, frozen=True):
    """One record of the journal.

    seq         its number, and `at` when it was made, in unix seconds
    kind        measured, judged, …
    experiment  the number that it names; None: none
    body        all of it, for readers with the token alone
    """

    seq: int
    at: float
    kind: str
    experiment: int | None
    body: dict[str, Any] | None


class RecordList(Struct, frozen=True):
    """Some records of a journal; `next` is what to give as `after` for those behind them, None: there are none yet."""

    items: tuple[RecordView, ...]
    next: int | None


class VerificationView(Struct, frozen=True):
    """Whether a journal's chain of hashes was checked from its first record on.

    state  whole, broken, or running: it is being checked; the rest is of the check before, then
    seq    number of the last record that was checked, and `head` its hash, for readers with the token alone
    at     when, in unix seconds; None: never yet
    said   what is wrong, in a sentence; "": nothing
    """

    state: str
    seq: int
    head: str
    at: float | None
    said: str


class OrderView(Struct, frozen=True):
    """An order and what became of it.

    request  its mark
    state    waiting, done, or declined: the answer is a problem, then, with what is `said`
    idea     the number of an idea that it put into the queue; None: it did not
    """

    request: str
    state: Literal["waiting", "done", "declined"]
    said: str = ""
    idea: int | None = None


class SessionView(Struct, frozen=True):
    """Whether the sender has the token; if not, what is answered is the public view."""

    full: bool


# ---- what is sent ----------------------------------------------------------------------------------------------


class IdeaGiven(Struct, frozen=True, forbid_unknown_fields=True):
    """An idea: its `title`, and the `text` below; `anyway`: also where the queue holds a similar one."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    text: Annotated[str, Meta(max_length=4000)] = ""
    anyway: bool = False


class PlaceGiven(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an idea goes: its place among those that wait, from 1 on; beyond the last one it becomes the last."""

    position: Number


class ProgramGiven(Struct, frozen=True, forbid_unknown_fields=True):
    """The text of program.md that is to be in force."""

    text: str


class OrderGiven(Struct, frozen=True, forbid_unknown_fields=True):
    """A command to the night at work, or a veto: `experiment` is the kept one that is taken back, and `reason` says why."""

    order: Literal["pause", "resume", "stop", "veto"]
    experiment: Annotated[int, Meta(ge=0, le=2**53)] = 0
    reason: Annotated[str, Meta(max_length=300)] = ""


# ---- what is asked ---------------------------------------------------------------------------------------------


class NoQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class ExperimentsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which experiments: those that fit everything that is given.

    verdict     as it is now
    cause       why a discarded one was not kept, in a word
    researcher  the name of its proposer
    role        the role of the team that its proposer has
    idea        the number of the idea that it tries
    q           words that its message or the reason of its verdict holds, in small or capital letters
    sort        in which order; "-" in front: the largest first
    after       the number of the experiment behind which the answer begins
    limit       how many at most
    """

    verdict: VerdictName | None = None
    cause: Word = ""
    researcher: Word = ""
    role: Word = ""
    idea: Number | None = None
    q: Word = ""
    sort: Sort = "-number"
    after: Number | None = None
    limit: Limit = 100


class LogQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of a run's logs: its own, that of its scoring, and the same of what it was paired with."""

    of: Literal["run", "score", "paired", "paired-score"] = "run"


class RangeQuery(Struct, frozen=True, forbid_unknown_fields=True, rename={"first": "from", "last": "to"}):
    """The numbers of the first and the last experiment.

    timed  along the time in the place of the numbers, where all times are known
    """

    first: After = 0
    last: Number | None = None
    timed: bool = False


class VersionsQuery(Struct, frozen=True, forbid_unknown_fields=True, rename={"old": "from", "new": "to"}):
    """The numbers of two versions of the program; the last two where they are left out."""

    old: Number | None = None
    new: Number | None = None


class CompareQuery(Struct, frozen=True, forbid_unknown_fields=True, rename={"track": "with"}):
    """What is compared: with another track, or two researchers of this one; the first two where nothing is said.

    with   the name of another track that is served
    one    the name of a researcher, and `other` that of another
    other  the name of the other researcher
    """

    track: Word = ""
    one: Word = ""
    other: Word = ""


class PointWordsView(Struct, frozen=True):
    """What the chart says of one point: its effect with the interval, in the metric's unit, and its title."""

    effect: str
    title: str


class PointQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the number is that of an explored point, and no experiment's."""

    explored: bool = False


class JournalQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Records behind number `after`, at most `limit` of them."""

    after: After = 0
    limit: Limit = 100


class StreamQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The record after which the page was made; without it everything is sent once."""

    after: After | None = None
