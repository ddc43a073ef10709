"""Orders from outside: a change to try, an idea, a command to the night that is at work.

An order is put into the inbox first, so that nothing is lost. A night at work carries it out; where there is none it is
carried out here, under the same lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from overnight import sandbox
from overnight.contracts import Brief, Team
from overnight.errors import Busy, EditError, Foul, OvernightError, TrackError
from overnight.execution.desk import Desk, said
from overnight.ideas import similarity
from overnight.ideas.found import FoundIdea
from overnight.lab.briefing import Briefing
from overnight.lab.events import Event, Judged, Noted, Opened, Ordered, Proposed, Reopened, Vetoed
from overnight.lab.experiment import Experiment
from overnight.lab.flight import Budget, Flight
from overnight.lab.jobs import PATIENT, AddIdea, Order, Steer, Try
from overnight.lab.lab import Lab
from overnight.lab.roster import Roster
from overnight.lab.state import State
from overnight.night.inbox import request
from overnight.night.night import Night
from overnight.night.session import Session
from overnight.night.written import checked
from overnight.repo import Repo, parts
from overnight.track.load import load, text_of
from overnight.views import progress

ANSWER_SECONDS = 60.0  # within which a night at work must answer an order
PAUSE = 0.3  # seconds between two looks at the journal
TELLS = 15.0  # seconds between two sentences on how far a change is
NAMED = 5  # files that a sentence names
LOOKS_BACK = 10  # of the commits that were kept
Watch = Callable[[Lab, Sequence[Event]], None]
Tell = Callable[[str], None]


def change(session: Session, worktree: Path, message: str, by: str, idea: int = 0, patient: float = PATIENT,
           tell: Tell = lambda said: None) -> Try:
    """What differs in a work tree, as an order: from the newest commit that it has in common with the results, or from a later
    result commit that it is nearer to, for its author may have copied the frontier's files. `patient`: see Try; `tell` is told
    what was left out. Raises TrackError; Foul where what may not be edited is changed as well."""
    contract = load(session.repo.folder)
    here, said_why = Repo(worktree), said(message)
    if not here.same(session.repo):
        raise TrackError(f"{worktree} is no work tree of {session.repo.folder}: make one there with "
                         "`git worktree add --detach PATH`.")
    here.keep(session.home / "git")  # a temporary one would stay behind where this process is killed
    head = here.head()
    state = session.look()
    tip = here.tip(session.branch) if state.opened else None
    if idea and idea not in state.ideas.entries:
        raise TrackError(f"there is no idea {idea}: `overnight idea list` shows them.")
    kept = [e.commit for e in state.chain()[:-LOOKS_BACK - 1:-1]] if tip else []
    base = head if tip is None else here.ancestor(head, tip)
    if base is None:
        raise TrackError(f"{worktree} has no commit in common with {session.branch}: check out that branch's commit "
                         "(git checkout --detach) and make your change there.")
    bases = dict.fromkeys([*kept, base])  # of equally near ones the newest
    try:
        look = here.look(contract)
        made = {each: here.commit(each, here.present(each, contract, look), said_why) for each in bases}
    except Foul:
        raise
    except EditError as error:
        raise TrackError(str(error)) from error
    if left := here.left_out(look):
        tell(f"not editable, and left out of the change: {', '.join(left[:NAMED])}{' …' * (len(left) > NAMED)}")
    base = min(bases, key=lambda each: here.distance(each, made[each]))
    if made[base] == base:
        raise TrackError("nothing is changed: edit a file that track.toml calls editable, then try again.")
    if tip and base != tip and not here.rebase(made[base], base, tip):
        raise TrackError(f"your change conflicts with what was kept since {base[:7]}: take the frontier's files "
                         f"(git checkout {session.branch} -- {' '.join(contract.track.editable)}) and change those.")
    return Try(request(), base, made[base], said_why, by, idea, patient)


def take_back(session: Session, keep: Experiment, wanted: Sequence[int], message: Callable[[Sequence[int]], str]) -> Try:
    """The frontier without those of the wanted parts of a keep that can be taken out of it, as an order with their `message`: a
    simplification, which is judged quickly. Raises TrackError where none can."""
    state, repo, pair = session.read(), session.repo, (keep.base_commit, keep.commit)
    found = [each for each in wanted if parts.taken_out(repo, state.track, pair, [each], state.commit)]
    commit = parts.taken_out(repo, state.track, pair, found, state.commit, message(found)) if found else ""
    if found and not commit:
        raise TrackError("each of those parts can be taken out of the frontier, and not all of them at once: take some out by "
                         "hand, then `overnight try`.")
    if not commit:
        raise TrackError(f"what was kept after #{keep.id} changed those lines again, or took them back already, so they cannot "
                         "be taken out of the frontier.")
    return Try(request(), state.commit, commit, message(found), patient=0.0, takes_back=keep.id, parts=tuple(found))


def _tail(session: Session, seen: int) -> Iterator[list[Event]]:
    """At each look what was appended to a journal since, at first behind record `seen`."""
    while True:
        found = list(session.journal.replay(after=seen)) if session.begun else []
        seen += len(found)
        yield found


def brief(session: Session) -> Brief:
    """The brief for a researcher outside the team, before the first night too. Raises TrackError."""
    contract = load(session.repo.folder)
    state, prose = session.look(), session.program.prose
    if state.opened is None:
        text = text_of(session.repo.folder)
        state.apply(Opened(time.time(), contract.name, session.repo.head(), text))
    desk = Desk(state.track, session.repo, Team({}), session.home / "logs")
    return desk.full(state.commit, Briefing(state, Flight(), Roster(state.attempts), prose).outside())


# ---- orders that are answered at once --------------------------------------------------------------------------


def order(session: Session, wish: Order) -> Event:
    """Have an order carried out; the record of it. Raises TrackError where it is declined, or not answered in time."""
    if isinstance(wish, Steer) and not session.at_work():
        raise TrackError(f"nothing is at work on this track, so there is nothing to {wish.what}.")
    tail = _tail(session, session.journal.head[0] if session.begun else 0)
    session.inbox.put(wish)
    try:
        event = next(_answers(session, wish, tail), None)
    finally:
        session.inbox.clear([wish.request])  # what is not carried out now is not carried out later
    if isinstance(event, Ordered) and event.reason:
        raise TrackError(f"{event.reason}.")
    if event is not None:
        return event
    raise TrackError(f"the night at work did not answer this within {ANSWER_SECONDS:.0f} s: look at it, and say it again.")


def _answers(session: Session, wish: Order, tail: Iterator[list[Event]]) -> Iterator[Event]:
    """The record that answers an order, when there is one."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        if not session.at_work():
            yield from _carried_out(session, wish)
        else:
            yield from (event for event in next(tail) if getattr(event, "request", "") == wish.request)
        time.sleep(PAUSE)


def _carried_out(session: Session, wish: Order) -> list[Event]:
    """Carry out an order here; nothing where a night began meanwhile."""
    here = Session(session.repo.folder, rung=session.rung, baseline=session.baseline)
    try:
        with here.writing(changed=True) as state:
            if wish.request in state.answered:
                return [e for e in here.journal.replay() if getattr(e, "request", "") == wish.request]
            events = Lab(state).hear(checked(here, wish), time.time())
            here.journal.extend(events)
            if any(isinstance(e, Vetoed) for e in events):
                here.hold_open()
                here.agree()
            here.inbox.clear([wish.request])
            return events
    except Busy:
        return []


class KnownIdea(TrackError):
    """An idea is in the queue already, in these or other words."""


def note(session: Session, found: FoundIdea, anyway: bool = False) -> Noted:
    """Put an idea into the queue. Raises KnownIdea, which tells the outcome of a similar one, unless `anyway` is set."""
    if not anyway:
        refuse_known(session.fresh().look(), found)
    done = order(session, AddIdea(request(), found.title, found.text, found.source))
    assert isinstance(done, Noted)
    return done


def refuse_known(state: State, found: FoundIdea) -> None:
    """Raise KnownIdea, which tells the outcome of a similar idea, where the queue holds one."""
    queue = [state.idea(entry) for entry in state.ideas if not entry.dropped]
    like = similarity.alike(f"{found.title}\n{found.text}", [f"{each.title}\n{each.text}" for each in queue])
    if like:
        known = queue[like[0][0]]
        came = f" ({known.state}{': ' if known.outcome else ''}{known.outcome})"
        raise KnownIdea(f"'{found.title}' is like idea {known.id}, '{known.title}'{came}: add it with "
                        "--anyway if it is another.")


# ---- a change that is tried ------------------------------------------------------------------------------------


class TryResult(NamedTuple):
    """The verdict on a submitted change. `resumable`: a discard with which idle measure slots go on."""

    experiment: int
    verdict: str
    resumable: bool = False


def attempt(session: Session, wish: Try, sandbox_name: str, workers: int | None, watch: Watch,
            final: bool = False, tell: Tell = lambda said: None) -> TryResult:
    """Have a change measured, by the night at work or here, and wait for its verdict; `final`: for one with which nothing goes
    on. `tell` is told how far it is, now and then, where a night at work measures it. Raises TrackError; an order that was not
    started then is withdrawn."""
    session.inbox.put(wish)
    try:
        return verdict(session, wish, sandbox_name, workers, watch, final, tell)
    except BaseException:
        session.inbox.clear([wish.request])
        raise


def verdict(session: Session, wish: Try, sandbox_name: str, workers: int | None, watch: Watch,
            final: bool = False, tell: Tell = lambda said: None) -> TryResult:
    """Wait for the verdict on a submitted change, and measure it here where no night is at work; the rest as in `attempt`.
    Raises TrackError."""
    state = session.look()
    until = _Until(wish, state, final)
    tail = _tail(session, 0 if wish.request in state.answered else state.records)
    told = time.monotonic()
    while True:
        if not session.at_work():
            try:
                return _measured(session.fresh(), wish, sandbox_name, workers, watch, final)
            except Busy:
                continue
        until.look(next(tail))
        if found := until.found():
            return found
        if time.monotonic() >= told + TELLS:
            told = time.monotonic()
            tell(so_far(session, wish.request, until.number))
        time.sleep(PAUSE)


def so_far(session: Session, request: str, number: int = 0) -> str:
    """How far a change is that was handed in by an order of this mark, or is the experiment of this number, in a sentence."""
    state = session.fresh().look()
    chosen = state.experiments.get(number) or next((e for e in state.experiments.values() if e.request == request), None)
    return progress.so_far(state, chosen) if chosen else "no verdict yet"


def _measured(session: Session, wish: Try, sandbox_name: str, workers: int | None, watch: Watch, final: bool) -> TryResult:
    """Measure a change here, and whatever else is open."""
    with session.writing(changed=True) as state:
        box = sandbox.choose(sandbox_name, state.track.run.gpus)  # under the lock: two at once in a process share names
        until = _Until(wish, state, final)
        until.look(session.journal.replay() if wish.request in state.answered else ())
        with Night(session, box, workers) as night:
            def look(events: Sequence[Event]) -> None:
                watch(night.lab, events)
                until.look(events)
                if until.found():
                    night.lab.stop("the verdict is there")

            why = night.run(Budget(), look)
    if found := until.found(at_last=True):
        return found
    raise TrackError(f"{why.rstrip('.') or 'it was broken off'}; the change waits: try it again.")


def _declined(event: Event) -> OvernightError | None:
    """Why an order was not carried out, as this event tells."""
    if not isinstance(event, Ordered) or not event.reason:
        return None
    return (Foul if event.foul else TrackError)(f"{event.reason}.")


class _Until:
    """Watches events for the verdict on one order, which made or took up the experiment `number`; 0: none yet."""

    def __init__(self, wish: Try, state: State, final: bool) -> None:
        self._request, self.number, self._final = wish.request, 0, final
        self._verdicts = {e.id: TryResult(e.id, e.verdict, e.id in state.resumable)
                          for e in state.experiments.values() if e.verdict != "open"}
        self._declined: OvernightError | None = None

    def look(self, events: Iterable[Event]) -> None:
        """Note the events that concern the order."""
        for event in events:
            if isinstance(event, Judged):
                self._verdicts[event.experiment] = TryResult(event.experiment, event.verdict, bool(event.resumable))
            elif isinstance(event, Reopened):
                self._verdicts.pop(event.experiment, None)
            if isinstance(event, Proposed | Ordered | Reopened) and event.request == self._request:
                self.number = event.experiment
                self._declined = _declined(event)

    def found(self, at_last: bool = False) -> TryResult | None:
        """The verdict, None while there is none that is waited for; `at_last`: nothing more can be waited for. Raises
        TrackError, Foul where the change was declined."""
        if self._declined:
            raise self._declined
        found = self._verdicts.get(self.number)
        return None if found and found.resumable and self._final and not at_last else found
