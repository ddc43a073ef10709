"""One session on an opened track: the only place that wires the record, the Lab, the executor and the places."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from msgspec import UNSET, UnsetType

from overnight import __version__, loop
from overnight.contracts import KeepsWarm, Mattered, Sandbox
from overnight.errors import OvernightError, TrackError
from overnight.lab.events import Called, Event, Organised, Started, Stopped
from overnight.lab.flight import Budget
from overnight.lab.jobs import Letter, Order
from overnight.lab.lab import Lab
from overnight.night import counting, earlier, metrics, needs, place
from overnight.night.effects import LOGS, Effects, keep_logs
from overnight.night.executor import NONE, Executor, Judge
from overnight.night.now import Now
from overnight.night.session import Session
from overnight.night.written import checked
from overnight.researchers.team import ModelOptions
from overnight.track.program import Program
from overnight.track.roles import Role
from overnight.workers import WORKERS
from overnight.workers.cores import MACHINE, Cores

MOST_TEXT_CHARACTERS = 64 << 10  # of a program that is recorded
Cast = Callable[[Program], tuple[Role, ...]]


class Night:
    """Works on a track that its session holds for writing. As a context it has places where jobs are carried out, which end
    with it; several nights of one process share the cores of one machine.

    workers   runs at a time; None: as many as there are cores for
    say       told in a sentence what a user should hear meanwhile
    where     the name of the workers
    orders    what is handed in besides what comes from outside, asked for again and again
    judge     what measures runs, where it is not what the track began with; what it measures is never recorded as a run
    """

    def __init__(self, session: Session, sandbox: Sandbox, workers: int | None = None, edit_slots: int = 1,
                 think_slots: int = 0, models: ModelOptions = NONE, machine: Cores = MACHINE,
                 say: Callable[[str], None] = lambda sentence: None, where: str = "local",
                 orders: Callable[[], Iterable[Order]] = tuple, judge: Judge | None = None) -> None:
        counting.require(session.state.track, sandbox)
        session.trust.require(needs.of_contract(session.state.track, session.repo))
        cpus = session.state.track.run.cpus
        measure_slots = workers or max(1, len(machine) // cpus)
        self.session, self.sandbox, self.say, self.orders = session, sandbox, say, orders
        if isinstance(sandbox, KeepsWarm):
            sandbox.say = say
        self.lab = Lab(session.state, measure_slots=measure_slots)
        self.executor = Executor(session, sandbox, models, judge)
        self.effects = Effects(session, self.executor.runner)
        self.places = WORKERS[where](self.executor.work, measure_slots, cpus, edit_slots, think_slots, machine)
        self.now = Now(session.home, self.lab)
        self._cast: Cast | None = None
        self._began = time.monotonic()  # the session's length includes what came before its first run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End whatever is under way, and return when it is dead. Does nothing the second time."""
        self.executor.close()
        self.places.close()
        self.executor.runner.close()

    # -- the team --

    def organise(self, cast: Cast) -> None:
        """Take the team that the program asks for; `cast` says which roles that are. An edit of the program takes effect at the
        next proposal. Raises TrackError where a role cannot be had, or wants what the user has not granted."""
        if isinstance(wrong := self._written(), str):
            self.say(wrong)
        roles = cast(self.session.program)
        self.session.trust.require(needs.of_roles(roles))
        self._take(roles, self.session.program)
        self._cast = cast

    def _granted(self, roles: Iterable[Role]) -> Iterator[Role]:
        """The roles that want nothing but what the user has granted; of the others it is said that they stay out."""
        for role in roles:
            if missing := self.session.trust.missing(needs.of_roles([role])):
                self.say(f"{missing[0]}: that is not granted, so it stays out. Grant it with `overnight trust`, then save "
                         "program.md again.")
            else:
                yield role

    def _take(self, roles: tuple[Role, ...], program: Program) -> None:
        self.executor.build_team(roles)
        self.lab.organise(roles, program.prose)

    def _look_again(self, cast: Cast) -> None:
        """Take up the program if it was edited."""
        found = self._written() or self.session.watch.look()
        if isinstance(found, str):
            self.say(found)
        elif found is not None:
            try:
                roles = tuple(self._granted(cast(found)))
                if not any(role.proposes for role in roles):
                    raise TrackError("no role is left that may propose.")
                self._take(roles, found)
            except TrackError as error:
                self.say(f"{error} Until it is mended, the team stays as it was.")
            else:
                self.session.record([self._organised(found, roles)])

    def _written(self) -> Program | str | None:
        """The program, if another one was written from outside; a sentence, if it cannot be taken."""
        watch, written = self.session.watch, self.session.state.written
        if written is None or written.text == watch.written or written.over != watch.digest:
            return None
        try:
            return watch.write(written.text)
        except TrackError as error:
            return str(error)

    def _organised(self, found: Program, roles: Iterable[Role]) -> Organised:
        """The record of a program that is in force from now on, with its text where that is new."""
        watch, written = self.session.watch, bool(self.session.watch.written)
        new = found.sha256 != self.session.state.program and not written and len(watch.text) <= MOST_TEXT_CHARACTERS
        return organised(found.sha256, roles, watch.text if new else UNSET, written or UNSET)

    # -- the session --

    def run(self, budget: Budget, watch: Callable[[Sequence[Event]], None]) -> str:
        """Work until nothing is left to do or the budget is used up; returns why it ended. `watch` is told what happens.

        Raises what a place raised, unless it was a Fault; then the record ends in order as well.
        """
        session, lab = self.session, self.lab
        self._record_start()
        pace = loop.LoopTimes()
        try:
            late = lab.begin(budget, time.time())
            session.journal.extend(late)
            for event in late:
                self.effects.follow(event)
            self._tell(watch, late)
            pace = loop.run(lab, self.places, session.journal, self.effects.follow, partial(self._tell, watch), self._letters,
                            keep=partial(keep_logs, session.home / LOGS))
            if self._cast:
                metrics.suggest(session)
        finally:
            self.now.end()
            lasted = time.monotonic() - self._began
            self.close()
            session.record([Called(time.time(), call) for call in self.executor.calls()])
            why = lab.why(time.monotonic())
            if self._cast or self.orders is not tuple:
                session.record([Stopped(time.time(), lasted, why, *pace.means())])
            self._teach()
        session.agree()
        return why

    def _tell(self, watch: Callable[[Sequence[Event]], None], events: Sequence[Event]) -> None:
        """Say what is under way, and tell whatever watches what happened."""
        self.now.tell()
        watch(events)

    def _record_start(self) -> None:
        box, roles = self.sandbox, self.lab.roster
        self.session.record([Started(time.time(), self.lab.flight.measure_slots, box.name, __version__, roles.proposers,
                                     box.identity, box.findings, self._earlier())])
        if self._cast:
            self.session.record([self._organised(self.session.program, roles.roles.values())])

    def _earlier(self) -> tuple[Mattered, ...] | UnsetType:
        """What earlier tracks say of knobs, where the contract has it used."""
        if self.session.state.track.referee.prior == "off":
            return UNSET
        return earlier.merged(earlier.tracks(place.root(), self.session.home)) or UNSET

    def _teach(self) -> None:
        """Note what the session teaches of knobs, for other tracks."""
        state, lab, desk = self.session.state, self.lab, self.executor.desk
        for name in lab.roster.proposers if state.calibrated else ():
            with suppress(OvernightError):  # what goes wrong here went wrong in the night too
                if lab.briefing.campaign.explored_by(name):
                    earlier.keep(self.session.home, desk.team.taught(desk.full(state.commit, lab.briefing.role(name))))

    def _letters(self) -> Iterator[Letter]:
        """What came in since the last time: orders from outside, and news of calls to models."""
        if self._cast:
            self._look_again(self._cast)
        yield from self.executor.calls()
        for order in self.session.inbox.new():
            if order.request in self.session.state.answered:
                self.session.inbox.clear([order.request])
            else:
                yield checked(self.session, order)
        yield from self.orders()


def organised(sha256: str, team: Iterable[Role], text: str | UnsetType = UNSET, written: bool | UnsetType = UNSET) -> Organised:
    """The record of a program that is in force from now on, and of the roles on the team."""
    return Organised(time.time(), sha256, {role.name: role.kind for role in team}, text, written)
