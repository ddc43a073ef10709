"""What the Lab asks for and what it is told: the jobs that places carry out, their results, and orders from outside.

Each is a tagged record that msgspec encodes as JSON and decodes to the same record on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from overnight.contracts import Brief, Call, Change, Scrutiny, Suggestion
from overnight.lab.events import Made, Ran, Stage
from overnight.referee.curves import Curve

PATIENT = 1e9  # seconds: until it is proven or not worth having
MOST_LOG_BYTES = 64 << 10  # bytes of a log that travel and are kept: its end
Log = Annotated[bytes, Meta(max_length=MOST_LOG_BYTES)]
# the log of a run or of its scoring, or that of what it is paired with
LogKind = Literal["run", "score", "paired", "paired-score"]


class Offered(Struct, frozen=True, kw_only=True):
    """What every job bears. `ticket` is the number of this offer: a job that is offered again has another."""

    ticket: int = 0


class Propose(Offered, frozen=True, tag="propose", tag_field="kind"):
    """Let a researcher make a change on top of a commit; one that thinks long has a slot of its own for that. The place
    that carries it out adds the files to the brief. `lead`: the commit of a lead on top of that, which the researcher is shown
    and which its change is to hold as well; "": none."""

    researcher: str
    base: int
    commit: str
    brief: Brief
    thinks: bool = False
    lead: str = ""

    @property
    def place(self) -> str:
        """The kind of place where it is done."""
        return "think" if self.thinks else "edit"


class Rebase(Offered, frozen=True, tag="rebase", tag_field="kind"):
    """Put an experiment's change on top of another commit; where git cannot, its researcher is asked to, with the brief,
    whose `again` is the experiment. `anew`: git could not, and a researcher that thinks long is asked now. `message`: its own
    from now on, where it leaves the lead behind that it holds, whose commit is then `base_commit`."""

    experiment: int
    commit: str
    base_commit: str
    onto: str
    researcher: str = ""
    brief: Brief | None = None
    anew: bool = False
    message: str = ""

    @property
    def place(self) -> str:
        """The kind of place where it is done."""
        return "think" if self.anew else "edit"


class Combine(Offered, frozen=True, tag="combine", tag_field="kind"):
    """A job of an edit slot: put the changes of several experiments, each (base, commit), on top of one another."""

    experiments: tuple[int, ...]
    changes: tuple[tuple[str, str], ...]
    onto: str
    place = "edit"


class Measure(Offered, frozen=True, tag="measure", tag_field="kind"):
    """A job of a measure slot: one run of one commit with one seed.

    paired_with  a commit that is run on the same cores as well, where the metric is a time
    edit         what an edit that does nothing is drawn from, with which the commit and what is beside it are run; 0: none
    draws        that edit may also draw lots in vain
    pace         the incumbent's curve on this seed, as it was recorded; empty: the run is never stopped for falling behind
    audited      whether the scorer is to look for cheating, where the contract lets it do so in some runs alone
    scorer_seed, secret    what the scorer draws from, the same for both sides of a pair; `sealed` fills them in, so that a
            worker knows those of this run and can work out no others
    """

    run: int
    experiment: int
    commit: str
    seed: int
    stage: Stage
    paired_with: str = ""
    pace: Curve = ()
    scorer_seed: int = 0
    secret: str = ""
    edit: int = 0
    draws: bool = False
    audited: bool = True
    place = "measure"


class Think(Offered, frozen=True, tag="think", tag_field="kind"):
    """Let a role that does not propose think: a scientist for new ideas, a standup for notes, a metrician for a further metric,
    which is given what to look at."""

    role: str
    purpose: Literal["scientist", "standup", "metrician"]
    commit: str
    brief: Brief
    scrutiny: Scrutiny | None = None
    place = "think"


class Accept(Offered, frozen=True, tag="accept", tag_field="kind"):
    """A job of an edit slot: look at a change that was handed in. `keep`: where it says that it takes parts of a kept change
    back, the commits before and after that; None where that change does not count any more."""

    order: Try
    keep: tuple[str, str] | None = None
    place = "edit"


Job = Propose | Rebase | Combine | Measure | Think | Accept

# ---- results ---------------------------------------------------------------------------------------------------


class Proposal(Made, frozen=True, tag="proposal", tag_field="kind"):
    """What came of a Propose or an Accept: a commit and its diff, or why there is none.

    away     the researcher cannot work now; `wait` is the seconds until it may be asked again, None: not in this session
    seconds  that it took
    unusable it made something, and that cannot be used
    takes_back  it is what a kept change would be without some of its parts, and nothing else
    """

    job: Propose | Accept
    change: Change | None = None
    foul: str = ""
    reason: str = ""
    away: bool = False
    wait: float | None = None
    seconds: float = 0.0
    unusable: bool = False
    takes_back: bool = False


class Thought(Struct, frozen=True, tag="thought", tag_field="kind"):
    """What came of a Think: ideas as (title, text), notes, or a further metric."""

    job: Think
    ideas: tuple[tuple[str, str], ...] = ()
    notes: str = ""
    suggestion: Suggestion | None = None
    reason: str = ""
    away: bool = False
    wait: float | None = None


class Rebasing(Struct, frozen=True, tag="rebasing", tag_field="kind"):
    """What came of a Rebase: the new commit, "" on a conflict that its researcher could not solve either. `message`, `patch`,
    `size_delta` and `note` are those of a change that it made anew."""

    job: Rebase
    commit: str
    again: bool = False
    message: str = ""
    patch: str = ""
    size_delta: int = 0
    note: dict[str, Any] = {}


class Combined(Struct, frozen=True, tag="combined", tag_field="kind"):
    """What came of a Combine: commits[j] holds the changes of experiments[:j + 1]; the rest conflicts and was left out."""

    job: Combine
    experiments: tuple[int, ...]
    commits: tuple[str, ...]


class Measurement(Ran, frozen=True, tag="measurement", tag_field="kind"):
    """What came of a Measure. `logs` are the ends of what was said; where it is received they become files."""

    job: Measure
    logs: dict[LogKind, Log] = {}

    @property
    def log(self) -> str:
        """The name of the candidate's own log; "" if there is none."""
        return _filed(self.job.run, "run") if "run" in self.logs else ""

    def files(self) -> Iterator[tuple[str, bytes]]:
        """The name and the bytes of each log. No name comes from the place that ran the job."""
        return ((_filed(self.job.run, kind), text) for kind, text in self.logs.items())


def _filed(run: int, kind: LogKind) -> str:
    return f"{run}.log" if kind == "run" else f"{run}-{kind}.log"


class Trouble(Struct, frozen=True, tag="trouble", tag_field="kind"):
    """The machine failed during a job.

    place  the name of the place that had it, like "measure 2"; "" where that is not known
    """

    job: Job
    reason: str
    place: str = ""


Result = Proposal | Thought | Rebasing | Combined | Measurement | Trouble
ANSWERS: dict[type, Any] = {  # the jobs that each result may answer
    Proposal: Propose | Accept, Thought: Think, Rebasing: Rebase, Combined: Combine, Measurement: Measure,
}

# ---- orders ----------------------------------------------------------------------------------------------------
# What people and agents tell a night from outside.


class Sent(Struct, frozen=True):
    """What every order bears: `request` is the sender's mark, by which it is taken up once."""

    request: str


class Try(Sent, frozen=True, tag="try", tag_field="order"):
    """Measure a change that was made by hand or by an agent in a worktree of its own.

    base    the commit that it stands on, which the result branch holds or stands on
    commit  the change on top of it
    by      the sender: "person", the name of an agent
    patient seconds of runs that it may take while it is promising and nothing else waits for a bench; 0: the quick verdict
    takes_back  the experiment of which it takes back the parts of these numbers, counted from 0 on; 0: none
    """

    base: str
    commit: str
    message: str
    by: str = "person"
    idea: int = 0
    patient: float = PATIENT
    takes_back: int = 0
    parts: tuple[int, ...] = ()


class AddIdea(Sent, frozen=True, tag="idea", tag_field="order"):
    """Put an idea into the queue."""

    title: str
    text: str = ""
    source: str = "person"


class DropIdea(Sent, frozen=True, tag="drop", tag_field="order"):
    """Take an idea from the queue."""

    idea: int


class MoveIdea(Sent, frozen=True, tag="move", tag_field="order"):
    """Move an idea to a place among those that wait, from 1 on; beyond the last one it becomes the last."""

    idea: int
    position: int


class Checked(Struct, frozen=True):
    """What the night found of a program that is to be written.

    sha256    of the program that it makes; `wrong` says why it makes none, in a sentence without its stop
    over      the SHA-256 of what the file holds
    in_force  the program that is in force
    """

    sha256: str = ""
    over: str = ""
    in_force: str = ""
    wrong: str = ""


class WriteProgram(Sent, frozen=True, tag="program", tag_field="order"):
    """Let a text be in force as `program.md`. It is declined where another program than `if_match` is in force by then.
    `checked` is filled in by the night that carries it out, whatever the order says."""

    text: str
    if_match: str
    by: str = "person"
    checked: Checked | None = None


class Steer(Sent, frozen=True, tag="steer", tag_field="order"):
    """Pause the night, resume it, or stop it."""

    what: Literal["pause", "resume", "stop"]


class Veto(Sent, frozen=True, tag="veto", tag_field="order"):
    """Take a kept commit back."""

    experiment: int
    reason: str = ""


Order = Try | AddIdea | DropIdea | MoveIdea | WriteProgram | Steer | Veto
Letter = Order | Call  # what reaches the Lab besides results


def sealed(job: Measure, key: str) -> Measure:
    """The job with what its scorer needs, drawn from the track's key, which stays here. The scorer's seed is nothing that a
    candidate could work out from its own; the secret, 64 hexadecimal digits, is too long to be searched for."""
    def drawn(what: str) -> str:
        return sha256(f"{key}|{what}|{job.seed}".encode()).hexdigest()

    return msgspec.structs.replace(job, scorer_seed=int(drawn("score")[:8], 16) >> 1, secret=drawn("secret"))


SAME: dict[type, Callable[[Any], object]] = {  # what makes a job the same job, on whatever machine it was decoded
    Measure: attrgetter("run", "commit", "seed"), Think: attrgetter("role", "purpose"), Accept: attrgetter("order.request"),
    Combine: attrgetter("experiments", "onto"), Rebase: attrgetter("experiment", "commit", "onto"),
    Propose: attrgetter("researcher", "brief.seed"),
}


def key(job: Job) -> tuple[str, object]:
    """What is equal for two offers of the same job."""
    return type(job).__name__, SAME[type(job)](job)
