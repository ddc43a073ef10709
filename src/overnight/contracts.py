"""The seams of the house: what a researcher, a sandbox, a place to work and a journal must do.

Imports nothing of ours. An implementation needs nothing but this file (and `errors` for what it may raise).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from msgspec import Struct

EXPECTS = "expects"  # where the note of a probe says what its researcher expects of it
MATTERS = "matters"  # where the note of a probe says what turning each of a few knobs changes, as a share of all: {knob: share}
TURNED = "set"  # where the note of a change that does nothing but turn knobs says which: {knob: [before, after]}
Direction = Literal["minimize", "maximize"]
Network = Literal["none", "loopback"]
Accounting = Literal["exact", "estimate"]
Job = TypeVar("Job", contravariant=True)
Result = TypeVar("Result", covariant=True)
Event = TypeVar("Event")

# ---- researchers -----------------------------------------------------------------------------------------------


class Change(Struct, frozen=True):
    """A proposed edit of the frontier.

    files    path -> the whole new text of the file; None deletes it
    message  a title that says what changed; optionally a blank line and why it was tried
    note     whatever the researcher wants to read again in later briefs (JSON types only); of a probe, `expects` is shown, its
             expected gain on the frontier and the standard deviation of that
    idea     the number of the idea in the queue that it tries; 0: none of them
    probe    whether it is to be run once, to learn from, and claims nothing; only where the brief has `explore`
    """

    files: dict[str, str | None]
    message: str
    note: dict[str, Any] = {}
    idea: int = 0
    probe: bool = False


class Idea(Struct, frozen=True):
    """Something worth trying, in words, as a researcher may know it.

    id       its number, from 1 on
    text     the whole of it, below the title; "" if the title says it all
    source   where it comes from: "person", "role scientist", "arxiv:2401.00001", "github:OWNER/NAME", "file notes.md"
    state    "open"; "leased" while a researcher works on it or its experiments are measured; "tried"; "dropped"
    tried    the experiments that tried it
    outcome  what came of them, in a few words; "" before that
    """

    id: int
    title: str
    text: str = ""
    source: str = "person"
    state: str = "open"
    tried: tuple[int, ...] = ()
    outcome: str = ""


def turns(note: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Which knobs a change turned, as its note has it: knob -> (before, after), each a number, a word or a truth value; {}
    where the note does not say so clearly."""
    raw = note.get(TURNED)
    if not isinstance(raw, dict) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in raw.values()):
        return {}
    clear = all(isinstance(each, bool | int | float | str) for pair in raw.values() for each in pair)
    return {str(knob): (pair[0], pair[1]) for knob, pair in raw.items()} if clear else {}


class Past(Struct, frozen=True):
    """One earlier experiment, as a researcher may know it.

    id       its number, from 1 on
    base     the experiment whose commit it was made on (0: the baseline)
    verdict  "keep", "discard", "crash", "foul" or "open"
    message  that of its Change; in a brief's history only its title, where it was judged and not kept
    effect   mean paired difference to its base so far, in the metric's unit, positive is better; None if unmeasured
    pairs    how many paired differences that is the mean of
    reason   why the referee decided so, or how it ended
    note     what the researcher left with its Change; empty in a brief's history where it is more than 1 KiB of JSON, or
             16 KiB of turned knobs
    idea     the idea that it tried; 0: none of the queue's
    log      name of the kept log of its last run that failed; "" if none did
    guard_usage   the guard that is nearest its bound, as a share of it: above 1 it is broken; None without guards or runs
    finding  what its pairs say of it, where it was discarded: "worse", "no different", "promising"; "" where they say nothing
    chance   that it is worth having; None where nothing is known of that; `wanted` is about how many more runs a proof takes
    """

    id: int
    base: int
    researcher: str
    verdict: str
    message: str
    effect: float | None = None
    pairs: int = 0
    reason: str = ""
    note: dict[str, Any] = {}
    guard_usage: float | None = None
    idea: int = 0
    log: str = ""
    finding: str = ""
    chance: float | None = None
    wanted: int = 0


class Seconded(Struct, frozen=True):
    """What a further metric says of what was kept. It decides nothing.

    effects   experiment -> its effect on the metric, positive is better, for those that were measured
    disowned  experiment -> why the metric disowns it
    """

    metric: str
    direction: Direction
    effects: dict[int, float] = {}
    disowned: dict[int, str] = {}


class Left(Struct, frozen=True):
    """What a session may still use; None is no bound. Seconds, counts, US dollars."""

    seconds: float | None = None
    experiments: int | None = None
    tokens: int | None = None
    dollars: float | None = None


class Point(Struct, frozen=True):
    """What was run to learn from it, as a researcher may know it.

    base   the experiment whose commit it was made on (0: the baseline)
    note   what the researcher left with its Change; {} for the base as it is
    runs   of each run a label, the same for all runs on one seed, and the metric; of a metric that is a time, what that run
           would have been while the base's was what it is on average
    failed how many of its runs failed
    open   whether a run of it waits or is under way
    guard_usage  like that of a Past
    """

    base: int
    note: dict[str, Any] = {}
    runs: tuple[tuple[int, float], ...] = ()
    failed: int = 0
    open: bool = False
    guard_usage: float | None = None


class Mattered(Struct, frozen=True):
    """How much a knob mattered on earlier tracks.

    name    the words of its name, in order of the alphabet; kind is that of its scale
    share   how much more it mattered there than its name promises, as a multiple of the mean of all knobs; the mean over tracks
    way     by how many steps of its scale what was kept moved it, upwards positive; the mean over tracks
    tracks  how many they were
    """

    name: str
    kind: str
    share: float = 1.0
    way: float = 0.0
    tracks: int = 1


class Explore(Struct, frozen=True):
    """Leave to propose probes, and what came of those before.

    points   oldest first, the baseline and the frontier among them
    runs     about how many more runs the session has time for; None: it has no end
    made     how many probes were made since one of them was claimed, or since the track began
    seconds  that a run takes on average; 0 before that is known
    closing  the session ends soon: what is thought to be better is to be claimed now
    mattered what earlier tracks say of knobs by their names
    """

    points: Sequence[Point] = ()
    runs: int | None = None
    made: int = 0
    seconds: float = 0.0
    closing: bool = False
    mattered: tuple[Mattered, ...] = ()


class Best(Struct, frozen=True):
    """A point of a campaign that is thought to be better than the frontier.

    title      what it turns, in its researcher's words
    turned     the same as data: what was turned -> its value now, and there; {} where its researcher leaves none
    gain       by how much it is expected to be better, in the metric's unit, and `deviation` how uncertain that is
    value      what its run measured
    point      its number
    """

    title: str
    turned: dict[str, tuple[Any, Any]]
    gain: float
    deviation: float
    value: float
    point: int = 0


class Explored(Struct, frozen=True):
    """What researchers that need no time have explored by single runs, for one that thinks.

    points  how many they were, in all
    best    those on today's frontier that are thought to be better, the best first
    matters what its researcher believed to matter most when it made the newest point: name -> share of all that turning
            constants one by one changes, 0 to 1, the largest first
    """

    points: int
    best: tuple[Best, ...] = ()
    matters: dict[str, float] = {}


class Climb(Struct, frozen=True):
    """What is known of the kept changes at a larger size.

    rung   its name, and `size` how many times the compute of a run here
    words  "holds", "vanishes", "reverses", "unknown" or "waits" -> the experiments of which that is known there
    """

    rung: str
    size: float
    words: dict[str, tuple[int, ...]]


class Brief(Struct, frozen=True):
    """What a researcher is given to work from.

    files    the editable files at the frontier: path -> text
    editable globs of what may be edited
    frontier the experiment whose commit the frontier is (0: the baseline)
    commit   the commit that is to be changed, which the edit slot fills in: for researchers that want the whole tree
    noise    standard deviation of one paired difference, in the metric's unit (None before it is known)
    guard_usage   of the baseline, like that of a Past
    estimated   the metrics under guard that nothing could count exactly in every run
    one_seed    where the program fixes its own seed, if every seed gave the baseline one number
    history  earlier experiments, oldest first
    seed     for researchers that draw lots: the same brief gives the same change
    again    an earlier change that no longer applies as text: to be made anew on today's files; None: propose a new one
    unit     of the metric; "" if it has none
    contract the text of track.toml
    levels   the metric of the baseline and of the frontier, each the mean over its runs; None before they are known
    gain     of the frontier over the baseline, in words; "" before anything is kept
    ideas    the queue, oldest first, with what came of each
    idea     the one of them that this researcher is asked to try; None: its own
    notes    what the last standup wrote
    logs     the end of an experiment's kept log, by its number, for some that failed: a candidate's words
    left     what the session may still use
    draft    a change of its own that a critic sent back once, with the critic's `advice`; None: nothing was sent back
    role     what program.md says to this researcher alone
    unusable why its last answer could not be used; "": it could, or there was none
    context  files that may be read and not edited, at the frontier: path -> text
    region   a mark: of files that have it, only the lines between its START and its END may be edited; ""
    beside   which one it is, from 0 on, of how many that think at the same time about the same code
    rivals   commits on the frontier that are measured now, and `taken` the lines of it that they change: path -> numbers
    explore  leave to propose probes; None: each change gets a verdict of its own
    explored what others explored; None: nothing, or this researcher knows it from `explore`
    further  what metrics that decide nothing say of what was kept
    climbs   what became of the kept changes at larger sizes, from the smallest up
    lead     the best of that, where the change is to be made on its commit: `commit` and `files` are its own; None: on the
             frontier's
    """

    goal: str
    metric: str
    direction: Direction
    files: dict[str, str]
    frontier: int
    noise: float | None
    history: Sequence[Past]
    program: str
    seed: int
    guard_usage: float | None = None
    again: Past | None = None
    editable: tuple[str, ...] = ()
    unit: str = ""
    contract: str = ""
    levels: tuple[float | None, float | None] = (None, None)
    ideas: Sequence[Idea] = ()
    idea: Idea | None = None
    notes: str = ""
    logs: dict[int, str] = {}
    left: Left = Left()
    draft: Change | None = None
    advice: str = ""
    role: str = ""
    context: dict[str, str] = {}
    commit: str = ""
    estimated: tuple[str, ...] = ()
    gain: str = ""
    one_seed: tuple[str, ...] = ()
    unusable: str = ""
    region: str = ""
    beside: tuple[int, int] = (0, 1)
    rivals: tuple[str, ...] = ()
    taken: dict[str, list[int]] = {}
    explore: Explore | None = None
    explored: Explored | None = None
    climbs: tuple[Climb, ...] = ()
    further: tuple[Seconded, ...] = ()
    lead: Best | None = None


class Call(Struct, frozen=True):
    """One request to a language model, as it is journalled.

    role     the role that asked
    purpose  "propose", "repair", "critic", "scientist", "standup" or "metrician"
    asked    the seed of the brief for which it was made
    cached   those of `tokens_in` that the provider had in its cache
    dollars  its price; None where it is not known
    outcome  "ok", or why there was no answer: "timeout", "limit" (429), "outage", "refused", "stopped" (the night ended first)
    """

    role: str
    model: str
    purpose: str
    asked: int
    tokens_in: int = 0
    tokens_out: int = 0
    cached: int = 0
    dollars: float | None = None
    seconds: float = 0.0
    outcome: str = "ok"


class Executed(Struct, frozen=True):
    """What one run of a commit did, for researchers that turn what matters alone.

    files   the editable files of that commit: path -> text
    lines   path -> the numbers of its lines that ran, from 1 on; without the files of which none did
    values  path -> name -> what a constant of it was worth at the end, as Python
    """

    files: dict[str, str]
    lines: dict[str, frozenset[int]]
    values: dict[str, dict[str, str]] = {}


class Suggestion(Struct, frozen=True):
    """A further metric or a guard that a role or a rule proposes: words and text, which authorise nothing.

    title        what it is, in a line
    reason       what researchers exploit that it would show
    metric       what it measures; "" where it is advice alone
    section      text for the end of track.toml; "": none
    patch        a diff of protected files, such as the scorer; "": none
    experiments  the keeps that it rests on
    """

    title: str
    reason: str = ""
    metric: str = ""
    section: str = ""
    patch: str = ""
    experiments: tuple[int, ...] = ()


class KeepSeen(Struct, frozen=True):
    """A keep as a metrician reads it: its commits, what it says of itself, its effect on the track's metric, and every metric
    before and after it.

    patch  its diff, which the edit slot fills in
    """

    experiment: int
    base: str
    commit: str
    title: str
    effect: float | None
    before: dict[str, float]
    after: dict[str, float]
    patch: str = ""


class Scrutiny(Struct, frozen=True):
    """What a metrician looks at.

    keeps    the newest of what was kept, oldest first
    signs    what the record shows of researchers exploiting the metric, in sentences
    watched  metrics that are measured or proposed already
    files    the contract and the protected files that judge, by path, which the edit slot fills in
    """

    keeps: tuple[KeepSeen, ...]
    signs: tuple[str, ...]
    watched: tuple[str, ...]
    files: dict[str, str] = {}


class Researcher(Protocol):
    """Turns a brief into a change. It never measures or keeps anything."""

    name: str

    def propose(self, brief: Brief) -> Change | None:
        """A change on top of the frontier; None when there is nothing left to try, or `again` cannot be made anew. Raises
        EditError where what it made is no usable change, Away where it cannot work now or not at all."""


@dataclass(slots=True)
class Team:
    """The roles at work. `critic` reads a change of a role that thinks long, with its diff, and may say what is wrong with it;
    `scientist` has ideas, (title, text); `standup` says what was learnt; `metrician` proposes a
    further metric, None: it knows of none. Each may raise Away or EditError. `noted` says in the
    note of a change to these files what it turns, where that is all that it does. `close`
    ends what they have under way. `taught` says of a brief of an explorer what it teaches of knobs by their names."""

    researchers: Mapping[str, Researcher]
    critic: Callable[[Brief, Change, str], str] | None = None
    scientist: Callable[[Brief], Sequence[tuple[str, str]]] | None = None
    standup: Callable[[Brief], str] | None = None
    metrician: Callable[[Brief, Scrutiny], Suggestion | None] | None = None
    noted: Callable[[Mapping[str, str], Change], Change] = lambda files, change: change
    taught: Callable[[Brief], Sequence[Mattered]] = lambda brief: ()
    close: Callable[[], None] = lambda: None


# ---- sandbox ---------------------------------------------------------------------------------------------------


class Limits(Struct, frozen=True):
    """Bounds of one sandboxed command: seconds, bytes, counts."""

    wall: float = 60.0
    memory: int = 1 << 30
    disk: int = 256 << 20
    processes: int = 128
    output: int = 8 << 20


class Warm(Struct, frozen=True):
    """What a command that starts Python finds imported, so that each need not import it again: a process that has is forked for
    each, where the sandbox can do that, and else each imports it before its own work begins.

    modules  names of modules, none of which is the command's own
    sees     host folders below which `inputs` and `secret` of such commands lie
    most     bounds that no such command's pass; of `wall` the seconds that importing may take
    """

    modules: tuple[str, ...]
    sees: tuple[Path, ...] = ()
    most: Limits = Limits()


class Command(Struct, frozen=True):
    """One command to run in a sandbox.

    tree     a folder whose copy is the working directory; the command may write there, nothing of it survives
    cwd      where in that copy it starts
    mounts   host paths that can be read inside, at the same place (the interpreter, declared data)
    imports  folders of the copy from which Python imports before others, by their paths there
    home     what $HOME is inside: an empty throw-away folder at that path, with the mounts that lie below it; None: /tmp
    inputs   host folder shown read-only as $OVERNIGHT_ARTIFACTS
    secret   host file shown read-only as $OVERNIGHT_HOLDOUT
    harvest  host folder to which the regular files left in $OVERNIGHT_OUT are copied after death, unless it had to be killed;
             None: no such folder
    stdin    our descriptor that it reads; None is /dev/null
    stdout   our descriptor that it writes; None: captured
    fds      our descriptors that it inherits under the same numbers
    network  "none": no socket but a local one of its own; "loopback": TCP and UDP too, to itself
    gpus     whether it may use the machine's GPUs
    heard    called with each piece of captured stdout as it arrives, on a thread of the sandbox's; it must not raise, and
             True ends the command. None: it is not listened to
    warm     what its Python has imported when it begins; None: nothing, and it need not be Python
    before   a command that is run in its place just before it, where it is warm
    announces  what it writes to its standard error, once, with the processor's seconds up to then and a newline, when its own
             work begins: what came before is its start-up; b"": it has none
    """

    argv: tuple[str, ...]
    tree: Path
    limits: Limits
    cwd: str = "."
    env: dict[str, str] = {}
    mounts: tuple[Path, ...] = ()
    home: Path | None = None
    imports: tuple[str, ...] = ()
    inputs: Path | None = None
    secret: Path | None = None
    harvest: Path | None = None
    stdin: int | None = None
    stdout: int | None = None
    fds: tuple[int, ...] = ()
    network: Network = "none"
    gpus: bool = False
    heard: Callable[[bytes], bool] | None = None
    warm: Warm | None = None
    before: tuple[str, ...] = ()
    announces: bytes = b""


class Load(Struct, frozen=True):
    """What a sandboxed command found on the cores that it could use, in seconds, from its release to its end.

    cores   how many they were
    busy    that they worked, for whatever process, summed over the cores
    stolen  that the machine's own host took from them, summed
    waited  that threads of the command were ready to run and had no core, summed; None where that cannot be read
    """

    cores: int
    busy: float
    stolen: float
    waited: float | None = None


class Ended(Struct, frozen=True):
    """How a sandboxed command ended.

    code         exit status; negative: the signal that ended it
    killed       the limit that was passed ("time", "memory", "output", "disk"), "behind" if `heard` ended it,
                 "" if it ended by itself
    wall, cpu    seconds, from the release of the payload, or the end of its start-up, to the death of its last process
    peak_memory  bytes
    startup      seconds from the release of a payload that is warm to the beginning of its own work
    setup        seconds that the sandbox itself took, before and after
    accounting   "exact" where the kernel counted CPU and memory of the whole tree and held it to its limits
    load         what other work there was meanwhile; None where that cannot be read
    slept        seconds that the machine slept meanwhile, which are not in `wall`
    audits       seconds of `cpu` that those of several oracles took which only audited what another one answered
    """

    code: int
    killed: str
    wall: float
    cpu: float
    peak_memory: int
    setup: float
    stdout: bytes
    stderr: bytes
    accounting: Accounting = "estimate"
    load: Load | None = None
    slept: float = 0.0
    startup: float = 0.0
    audits: float = 0.0


class Process(Protocol):
    """A sandboxed command under way."""

    def wait(self) -> Ended:
        """Block until its whole tree is dead, then harvest. Raises Fault when the sandbox failed, not the command."""

    def kill(self) -> None:
        """End the whole tree now; `wait` still must be called."""


class Sandbox(Protocol):
    """Runs commands so that they can neither harm nor learn more than they were given.

    identity  its name and, once it has passed its self-test, the hash of what that found: for the record of each run
    findings  what the self-test tried, and what stopped it
    accounting  "exact" where the kernel counts CPU and memory of each run
    """

    name: str
    identity: str
    findings: dict[str, str]
    accounting: Accounting

    def start(self, command: Command) -> Process:
        """Start it. The calling thread must outlive the process. Raises Fault when it cannot be started."""


class Held(Protocol):
    """A sandboxed command that is set up and waits: nothing of it has run. One of `release` and `discard` must be called."""

    def release(self) -> Process:
        """Let it begin; one that was killed meanwhile has ended before it began. Raises Fault when it cannot begin."""

    def kill(self) -> None:
        """End it now, from whatever thread."""

    def discard(self) -> None:
        """End it without a beginning; nothing stays behind."""


@runtime_checkable
class Prepares(Protocol):
    """A sandbox that can set a command up some time before it begins."""

    def prepare(self, command: Command) -> Held:
        """Set it up. The calling thread must outlive the process. Raises Fault when it cannot be set up."""


@runtime_checkable
class KeepsWarm(Protocol):
    """A sandbox that keeps processes warm for commands.

    say   told in a sentence, once, what a user should hear of them
    """

    say: Callable[[str], None]

    def warm_up(self, command: Command) -> None:
        """Have what is kept warm for a command, so that it need not wait for that. Raises TrackError where what it is to find
        imported cannot be."""

    def cool(self, those: Iterable[Warm]) -> None:
        """End what is kept warm for these."""


# ---- workers ---------------------------------------------------------------------------------------------------


class Place(Protocol):
    """One place, as the code that carries out a job and the live view see it.

    kind, number  of its name: "measure" and 2 of "measure 2"
    cores         those that its run is pinned to; () where it is not
    job           what it does; None while it is free
    since         when it got the job, by the monotonic clock
    """

    kind: str
    number: int
    cores: tuple[int, ...]
    job: Any
    since: float

    def running(self, process: Process) -> None:
        """The job says which process it waits for, so that closing can end it."""


class Workers(Protocol[Job, Result]):
    """Places where jobs are carried out; overnight.testing.workers has what they must do."""

    @property
    def places(self) -> Sequence[Place]:
        """All of them."""

    def idle(self) -> Sequence[str]:
        """The names of the places that are free now, like "measure 2", "edit 1" or "think 1": a kind, a space, a number."""

    def start(self, job: Job, place: str) -> None:
        """Begin a job at a free place of its kind."""

    def next(self, timeout: float) -> Result | None:
        """The next finished job's result, a Trouble where it raised a Fault; None when there is none within so many seconds.
        Raises what else the job raised."""

    def close(self) -> None:
        """Stop everything that is under way, and return when it is dead."""


# ---- journal ---------------------------------------------------------------------------------------------------


class Journal(Protocol[Event]):
    """The append-only record of one track; overnight.testing.journal has what each must do."""

    def extend(self, events: Sequence[Event], expected_seq: int | None = None) -> None:
        """Make events durable before returning, all or none of them, behind record `expected_seq` (None: behind the last that
        is known here). Raises Conflict where another process wrote meanwhile, else JournalError; then nothing was written."""

    def replay(self, after: int = 0) -> Iterator[Event]:
        """The events behind record `after`, oldest first; their numbers count from 1 without gaps. Raises JournalError where
        the chain of hashes is broken."""

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the last record that is known here: they pin the whole past."""

    def latest(self) -> tuple[int, str]:
        """Number and hash of the last record that is stored now, whichever process wrote it. Raises JournalError."""

    def hash_of(self, number: int) -> str | None:
        """The hash of a record; None where there is none of that number. Raises JournalError."""

    def close(self) -> None:
        """Let go of it."""


@runtime_checkable
class StoresBodies(Protocol):
    """A journal whose records can be copied byte for byte, so that every hash stays as it is."""

    def bodies(self, after: int = 0) -> Iterator[bytes]:
        """The records behind record `after` as they are stored, oldest first. Raises JournalError where the chain of hashes is
        broken."""

    def append(self, bodies: Sequence[bytes], expected_seq: int | None = None) -> None:
        """What `extend` does, with records as they are stored."""


@runtime_checkable
class HoldsTrack(Protocol):
    """A journal with a lock of its own, for a track whose state folder another machine does not see."""

    def hold(self) -> None:
        """Be the one writer of the track until it is closed. Raises Busy where another process is, else JournalError."""


class Bell(Protocol):
    """A descriptor that becomes readable when records were appended to a journal, by whichever process."""

    def fileno(self) -> int:
        """The descriptor, for `select`."""

    def clear(self) -> bool:
        """Whether it rang since the last time; then it waits for the next. Raises JournalError where it rings no more."""

    def close(self) -> None:
        """Let go of it."""


@runtime_checkable
class RingsBell(Protocol):
    """A journal that tells followers at once what another process appended; of any other they ask now and then."""

    def bell(self) -> Bell:
        """A bell that rings from now on. Raises JournalError."""
