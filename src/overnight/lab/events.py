"""What can happen on a track: the frozen records that the journal holds. docs/journal.md gives the file format.

Every record carries `at`, seconds since 1970 by the machine's clock: for people to read, never to decide by.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from overnight.contracts import Accounting, Call, Mattered, Suggestion
from overnight.referee.curves import Curve
from overnight.referee.decision import Claim
from overnight.referee.findings import Finding
from overnight.referee.further import Scored
from overnight.referee.scaling import Carried

Decision = Literal["keep", "discard", "crash", "foul"]
Outcome = Literal["ok", "crash", "timeout", "memory", "output", "invalid", "behind", "foul"]
Stage = Literal["calibrate", "null", "screen", "race", "confirm", "check", "trace", "explore"]
Base = TypeVar("Base", bound=Struct)
BRANCHES = "overnight/"  # how the names of result branches begin

# ---- what a result and the record of it have in common ---------------------------------------------------------


class Made(Struct, frozen=True, kw_only=True):
    """What a change came to.

    commit      the change as a commit
    patch       its diff, at most 64 KiB of it
    size_delta  how much larger the code is: nodes of its syntax trees, or words where it is not Python
    """

    commit: str = ""
    patch: str = ""
    size_delta: int = msgspec.field(default=0, name="grown")


class Ran(Struct, frozen=True, kw_only=True):
    """How a run ended.

    outcome         "behind": it was stopped because it could not catch up with the incumbent's curve any more;
                    "foul": the scorer caught it cheating
    paired_metrics  what the incumbent measured on the same cores right before or after, where the metric is a time
    metrics         what the scorer and the harness measured; empty unless the outcome is "ok"
    reason          why it is not "ok", in a sentence
    busy            seconds that the candidate's, oracle's and scorer's own processes took
    spent           the same by what they were for: "run", "scoring", and "start-up", until the first line of either; of a pair
                    those of its own run; unset in old journals
    overhead        what the harness took besides, by part, in seconds
    curve           steps and values that it reported of itself, thinned; empty where the track declares no [progress]
    sandbox         the backend and the hash of its self-test
    accounting      whether CPU and memory are the kernel's count of the whole tree or an estimate
    artifacts       SHA-256 of what the run left, taken before anything looked at it
    starved         share of its time for which it waited for a core that other work had, from 0 to 1, of a pair the larger one
                    of its runs; unset where that cannot be read, and in old journals
    holdout         the metric on the track's holdout, and `paired_holdout` what the incumbent beside it gave; None where it was
                    not scored or gave no number. No researcher may ever read them
    """

    outcome: Outcome
    metrics: dict[str, float] = {}
    reason: str = ""
    busy: float = 0.0
    spent: dict[str, float] | UnsetType = UNSET
    overhead: dict[str, float] = {}
    worker: int = 0
    paired_metrics: dict[str, float] = msgspec.field(default_factory=dict, name="beside")
    curve: Curve = ()
    sandbox: str = ""
    accounting: Accounting = "estimate"
    artifacts: str = ""
    starved: float | UnsetType = UNSET
    holdout: float | None = None
    paired_holdout: float | None = msgspec.field(default=None, name="beside_holdout")


def common(base: type[Base], result: Base) -> dict[str, Any]:
    """The fields of a base that a result has, by their names, for the record of it."""
    return {name: getattr(result, name) for name in base.__struct_fields__}


# ---- the records -----------------------------------------------------------------------------------------------


class Recorded(Struct, frozen=True, tag=str.lower, tag_field="kind"):
    """What every record begins with: when it was made. Its kind in the journal is its name in small letters."""

    at: float


class Opened(Recorded, frozen=True, omit_defaults=True):
    """The track begins, or begins anew: its contract is frozen at a commit, which is also the baseline.

    contract  the text of track.toml
    key       secret from which every seed is drawn, so that no candidate can know one before it is committed; in old
              journals alone
    key_hash  the SHA-256 of it, where it lies beside the journal
    branch    that holds what is kept, where it is not `overnight/<track>`, because another track of the repository has that
    forgeable where the scorer imports, executes or unpickles what a candidate left, so that its numbers are self-reported
    fixed_seeds  where what a candidate runs fixes its own seed, as `path:line source`, some of the places
    rung      of the track's ladder, on which what is kept on the rung below is confirmed; "": the lowest, the track itself
    """

    track: str
    commit: str
    contract: str
    key: str = ""
    key_hash: str = ""
    branch: str = ""
    forgeable: str = ""
    fixed_seeds: tuple[str, ...] = ()
    rung: str = ""

    @property
    def result_branch(self) -> str:
        """The branch that holds what is kept."""
        return self.branch or f"{BRANCHES}{self.track}"

    @property
    def label(self) -> str:
        """The track's name among the refs of the repository, which no other track has."""
        return self.result_branch.removeprefix(BRANCHES)


class Started(Recorded, frozen=True):
    """A session of `overnight run` begins.

    identity, findings  the sandbox and the hash of its self-test; what that tried, and what stopped it
    mattered  what earlier tracks of the machine say of knobs by their names, where that is used
    """

    workers: int
    sandbox: str
    version: str
    researchers: tuple[str, ...] = ()
    identity: str = ""
    findings: dict[str, str] = {}
    mattered: tuple[Mattered, ...] | UnsetType = UNSET


class Stopped(Recorded, frozen=True):
    """A session ends in order. A session that was killed has no such record.

    deciding, writing  mean seconds for one result of `ask` and `tell`, and of writing to this journal
    """

    seconds: float
    reason: str = ""
    deciding: float = 0.0
    writing: float = 0.0


class Proposed(Made, frozen=True, tag="proposed", tag_field="kind"):
    """A researcher's change was committed on top of the frontier.

    base       the experiment it stands on (0: the baseline)
    researcher the role that proposed it, or the sender that handed it in: "person", the name of an agent
    idea       the idea of the queue that it tries; 0: none
    asked      the seed of the brief that it answers: that of the calls to models that it took
    thinking   seconds from the brief to the change
    request    the order that handed it in; "" where a role was asked
    patient    seconds of runs that it may take while it is promising and nothing else waits for a bench; 0: the quick
               verdict; unset where a role was asked, and in old journals
    takes_back the kept experiment that it leaves parts of out again, and does nothing else; unset where it is another change
    lead       the point of a campaign on which it was made and whose change it holds as well; unset where there is none
    handicap   by how much that was expected to be better, in the metric's unit: what its race takes off, so that it must show
               what its own change is worth; its fresh pairs are compared as they are
    """

    at: float
    experiment: int
    base: int
    base_commit: str
    researcher: str
    message: str
    note: dict[str, Any] = {}
    idea: int = 0
    asked: int = 0
    thinking: float = 0.0
    request: str = ""
    patient: float | UnsetType = UNSET
    takes_back: int | UnsetType = UNSET
    lead: int | UnsetType = UNSET
    handicap: float | UnsetType = UNSET


class Probed(Made, frozen=True, tag="probed", tag_field="kind"):
    """A point of a campaign was committed: it is run to learn from, claims nothing and never gets a verdict. Where it is worth
    one, its commit is proposed as an experiment.

    probe        its number, of a count of its own; its runs have the stage "explore" and bear it as their `experiment`
    base_commit  what it was made from: the campaign's lead, or the frontier
    asked        the seed of the brief that it answers
    thinking     seconds from the brief to the change
    """

    at: float
    probe: int
    base_commit: str
    researcher: str
    message: str
    note: dict[str, Any] = {}
    asked: int = 0
    thinking: float = 0.0


class Passed(Recorded, frozen=True):
    """A researcher had nothing to propose on this frontier, or what it proposed was no change.

    away      it cannot work now: nothing is said of the frontier
    thinking  seconds that it took
    idea      the idea of which it could not make a change; 0: none
    unusable  it wrote something, and that cannot be used: nothing is said of the frontier either, and it is asked again
    """

    researcher: str
    frontier: int
    reason: str = ""
    away: bool = False
    thinking: float = 0.0
    idea: int = 0
    unusable: bool | UnsetType = UNSET


class Rebased(Recorded, frozen=True):
    """An open experiment was put on top of another commit, and must be confirmed there: of the frontier that moved on, or of an
    experiment whose claim is open. It is kept only where that is the frontier by then.

    base   the experiment that it stands on now
    again  its researcher had to apply it anew, because git could not
    message, patch, size_delta, note  of the change as it was made anew, or without its lead, like those of a proposal; unset
           where git put it, and in old journals
    alone  it held a lead, which it left behind: it is its own change alone from now on
    """

    experiment: int
    base: int
    base_commit: str
    commit: str
    again: bool = False
    message: str | UnsetType = UNSET
    patch: str | UnsetType = UNSET
    size_delta: int | UnsetType = msgspec.field(default=UNSET, name="grown")
    note: dict[str, Any] | UnsetType = UNSET
    alone: bool | UnsetType = UNSET


class Stacked(Recorded, frozen=True):
    """Several experiments are to be measured together, on one seed.

    experiments  from the lowest edit to the highest; none if no two of them go together
    commits      of the same length; each holds all edits so far
    apart        experiments whose edits conflict with those; they are tried in smaller company
    """

    experiments: tuple[int, ...]
    commits: tuple[str, ...]
    base_commit: str
    seed: int
    apart: tuple[int, ...] = ()


class Weighed(Struct, frozen=True, array_like=True):
    """How the evidence of an experiment stood when a run had ended with which more of its pairs were complete.

    pairs    how many there were then, and `fresh` those of them on seeds drawn after its commit existed
    e_value  evidence that it is better, as odds to 1: of the race, or from its claim on of its fresh pairs alone
    wanted   the odds that were asked for then: of a race for a claim, of fresh pairs for the keep
    """

    experiment: int
    pairs: int
    fresh: int
    e_value: float
    wanted: float


class Measured(Ran, frozen=True, tag="measured", tag_field="kind"):
    """One run ended.

    experiment  whose commit ran (0: the baseline); of a stack, whose edit lies on top; in stage "explore" the probe
    log         name of the kept log
    edit        what the edit that does nothing was drawn from with which it was run; unset: it was run as it is
    draws       that edit may also draw lots in vain
    weighed     the experiments of which it completed pairs, and how their evidence stood then: told and never read by the
                replay, which weighs anew; unset where there are none, and in old journals
    """

    at: float
    run: int
    experiment: int
    commit: str
    seed: int
    stage: Stage
    log: str = ""
    edit: int | UnsetType = UNSET
    draws: bool | UnsetType = UNSET
    weighed: tuple[Weighed, ...] | UnsetType = UNSET


class Claimed(Recorded, frozen=True):
    """The race of an experiment is over: that it is better is claimed, at a level that is taken from the track's wealth, before
    its fresh pairs are known.

    claim  the level, and what the race says of the effect
    """

    experiment: int
    claim: Claim


class Judged(Recorded, frozen=True):
    """The verdict on an experiment. A keep moves the frontier to its commit; there is no other way to move it.

    effect    mean paired difference on the fresh seeds (before confirmation: on all), positive is better
    interval  95 % interval of the effect
    pairs     paired differences used, in all and on fresh seeds
    e_value   evidence against "not better"
    alpha     level of its claim: a keep takes an e-value of at least 1/alpha; None without one
    variance  of its paired differences in the race
    finding   what the pairs of a discarded change say of it; unset where it was not measured, and in old journals
    resumable its pairs and its claim stay, for more pairs might prove it, and the claim stays charged; unset: they do not
    """

    experiment: int
    verdict: Decision
    reason: str
    effect: float | None = None
    interval: tuple[float, float] | None = None
    pairs: int = 0
    fresh_pairs: int = 0
    e_value: float | None = None
    variance: float | None = None
    alpha: float | None = None
    finding: Finding | UnsetType = UNSET
    resumable: bool | UnsetType = UNSET


class Reopened(Recorded, frozen=True):
    """A discarded experiment that looked better than not goes on: no researcher has anything new to try, or it was handed in
    and nothing else waits for a bench.

    request  the order that handed the same change in again; unset where none did
    patient  seconds that its runs may take in all, where it was handed in: it goes on while it may be worth having
    """

    experiment: int
    request: str | UnsetType = UNSET
    patient: float | UnsetType = UNSET


class Faulted(Recorded, frozen=True):
    """The machine failed during a job. It counts against no experiment; the job is done again."""

    job: str
    reason: str


class Organised(Recorded, frozen=True):
    """The team as `program.md` and its role files have it from now on.

    sha256  of all their texts, so that one can tell under which program an experiment was proposed
    roles   name -> kind, for each on the team
    text    of `program.md`, where it is another program than before and no longer than 64 KiB; unset in old journals, and where
            `programmed` has it
    written it is the one that was written from outside, and not what the file says
    """

    sha256: str
    roles: dict[str, str]
    text: str | UnsetType = UNSET
    written: bool | UnsetType = UNSET


class Programmed(Recorded, frozen=True):
    """`program.md` was written from outside: this text is in force from now on in the place of what the file says, until that
    file is edited. Nothing but `overnight program --write` puts it into the file.

    sha256  of the program with it: of this text and those of the role files
    over    the SHA-256 of what the file held, "" where there was none
    by      its author
    """

    text: str
    sha256: str
    over: str
    by: str = "person"
    request: str = ""


class Called(Recorded, frozen=True):
    """A request to a language model ended, with or without an answer."""

    call: Call


class Noted(Recorded, frozen=True):
    """An idea came into the queue."""

    idea: int
    title: str
    text: str = ""
    source: str = "person"
    request: str = ""


class Dropped(Recorded, frozen=True):
    """An idea was taken from the queue by a person."""

    idea: int
    request: str = ""


class Moved(Recorded, frozen=True):
    """An idea was moved to a place among those that wait, from 1 on: it is tried before those that follow there."""

    idea: int
    position: int
    request: str = ""


class Learnt(Recorded, frozen=True):
    """A standup wrote down what the lab has learnt; it replaces what the one before wrote."""

    role: str
    notes: str


class Ordered(Recorded, frozen=True):
    """An order was carried out (pause, resume, stop), or could not be, for the `reason`.

    experiment  that a change which was handed in was before: it is not measured again
    foul        a change that was handed in leaves the boundary
    """

    request: str
    order: str
    reason: str = ""
    experiment: int = 0
    foul: bool | UnsetType = UNSET


class Vetoed(Recorded, frozen=True):
    """A kept commit was taken back: the frontier is again what it stood on, and what was kept later is to be put on top of
    that and confirmed anew.

    fails  the referee did it, because runs fail that did not fail before; unset where a person did
    """

    experiment: int
    reason: str = ""
    request: str = ""
    fails: bool | UnsetType = UNSET


class Suggested(Recorded, frozen=True):
    """A further metric or a guard was proposed. It is words and text, from which nothing follows before the user grants it.

    suggestion  its number
    by          the role that made it; "rules": it follows from the record alone
    suggested   what it says
    """

    suggestion: int
    by: str
    suggested: Suggestion


class Watched(Recorded, frozen=True):
    """What was kept was measured by further metrics, which decide nothing; it replaces what was known of them.

    commit  whose track.toml and protected files measured
    seeds   how many each commit ran on
    found   what came out, the track's own metric first
    """

    commit: str
    seeds: int
    found: tuple[Scored, ...]


class Climbed(Recorded, frozen=True):
    """What was kept was tried on a rung of the ladder; it replaces what was known of that rung.

    size    how many times the compute of the lowest rung
    branch  that holds what holds there; "": the ladder has the rung no more
    carried what is known there of each change that was kept on the lowest rung and held on those between
    """

    rung: str
    size: float
    branch: str
    carried: tuple[Carried, ...] = ()


Event = (Opened | Started | Stopped | Proposed | Probed | Passed | Rebased | Stacked | Measured | Claimed | Judged | Reopened
         | Faulted | Organised | Called | Noted | Dropped | Learnt | Ordered | Vetoed | Suggested | Watched | Climbed
         | Programmed | Moved)
