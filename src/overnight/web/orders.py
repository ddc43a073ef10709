"""Orders of readers that have the token: handed in like those of the commands, and what became of each.

A night at work answers an order within its loop; where there is none it is carried out here, under the track's lock, by the
same code as the commands'. Covered: an order that is sent twice under one mark is given once; a server that ends loses none
that was answered. Not covered: why an order was declined, once the server has ended.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import partial

import anyio
from anyio.abc import TaskGroup

from overnight.errors import Declined, NotFound, OvernightError, TrackError
from overnight.ideas.found import written
from overnight.lab.events import Event, Noted, Ordered
from overnight.lab.jobs import AddIdea, DropIdea, MoveIdea, Order, Steer, Veto, WriteProgram
from overnight.lab.state import State
from overnight.night.inbox import packed, request
from overnight.night.session import Session
from overnight.track.program import Watch
from overnight.web import instructions
from overnight.web.lasting import attempt
from overnight.web.problems import INSIDE, Refused
from overnight.web.seen import Seen
from overnight.web.tracks import Followed
from overnight.web.wire import IdeaGiven, OrderGiven, OrderView

MARK = re.compile(r"[0-9a-f-]{8,64}")
MOST_REMEMBERED = 1000
SEEN_WITHIN, PAUSE = 2.0, 0.05  # seconds until what was done is seen in the journal, and between two looks


class Orders:
    """The orders of one server."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._given: OrderedDict[tuple[str, str], tuple[Order, OrderView]] = OrderedDict()

    def give(self, track: Followed, session: Session, order: Order) -> OrderView:
        """Hand an order in for a track; what is known of it now. Raises Refused where its mark was another order's."""
        known = self._given.get((track.name, order.request))
        if known is not None:
            if known[0] != order:
                raise Refused(422, "this Idempotency-Key was another request's: send a fresh one.", "Idempotency-Key")
            return known[1]
        waiting = OrderView(order.request, "waiting")
        self._note(track.name, order, waiting)
        self._tasks.start_soon(self._answer, track, session, order)
        return waiting

    async def _answer(self, track: Followed, session: Session, order: Order) -> None:
        if not await attempt(f"an order for {track.name}", partial(self._carry, track, session, order)):
            self._note(track.name, order, OrderView(order.request, "declined", INSIDE))

    async def _carry(self, track: Followed, session: Session, order: Order) -> None:
        try:
            event = await anyio.to_thread.run_sync(_carried, session, order)
            with anyio.move_on_after(SEEN_WITHIN):
                while order.request not in track.follower.state.answered:  # a reader that asks from now on sees what was done
                    await anyio.sleep(PAUSE)
            self._note(track.name, order, outcome(order.request, event))
        except OvernightError as error:
            self._note(track.name, order, OrderView(order.request, "declined", str(error)))

    def _note(self, track: str, order: Order, found: OrderView) -> None:
        self._given[track, order.request] = order, found
        while len(self._given) > MOST_REMEMBERED:
            self._given.popitem(last=False)

    def known(self, track: str, mark: str) -> OrderView | None:
        """What became of an order of this server; None where it gave none of that mark."""
        found = self._given.get((track, mark))
        return found and found[1]


def _carried(session: Session, order: Order) -> Event:
    """Have it carried out, with a session that may write. Raises OvernightError where it is declined."""
    from overnight.night import dispatch  # which brings all that a night needs: a page is there sooner without it
    return dispatch.order(Session(session.repo.folder, rung=session.rung, baseline=session.baseline), order)


def looked_up(seen: Seen, mark: str) -> OrderView:
    """What became of an order that another server or a command gave. Raises NotFound."""
    if MARK.fullmatch(mark):
        if mark in seen.state.answered:
            event = next(each for each in seen.session.journal.replay() if getattr(each, "request", "") == mark)
            return outcome(mark, event)
        if (seen.session.inbox.folder / f"{mark}.json").is_file():
            return OrderView(mark, "waiting")
    raise NotFound(f"there is no order {mark[:70]!r}.")


def outcome(mark: str, event: Event) -> OrderView:
    """What a record says of an order."""
    if isinstance(event, Ordered) and event.reason:
        return OrderView(mark, "declined", f"{event.reason}.")
    return OrderView(mark, "done", idea=event.idea if isinstance(event, Noted) else None)


def checked(order: Order) -> Order:
    """The order, if the inbox takes one of its size. Raises Refused."""
    try:
        packed(order)
    except TrackError as error:
        raise Refused(413, str(error)) from error
    return order


def marked(key: str | None) -> str:
    """The mark of an order from its Idempotency-Key; a fresh one where there is none. Raises Refused."""
    if key is None:
        return request()
    if not MARK.fullmatch(key):
        raise Refused(422, "an Idempotency-Key has 8 to 64 digits, letters from a to f, and hyphens, like a UUID.",
                      "Idempotency-Key")
    return key


# ---- what is declined at once ------------------------------------------------------------------------------------


def commanded(seen: Seen, given: OrderGiven, mark: str) -> Order:
    """A command as an order. Raises Declined where it cannot be carried out."""
    if given.order == "veto":
        if given.experiment not in [each.id for each in seen.state.chain()]:
            raise Declined(f"experiment {given.experiment} is not among what is kept, so there is nothing to take back.")
        return Veto(mark, given.experiment, given.reason)
    if mark not in seen.state.answered and not seen.session.at_work():
        raise Declined(f"nothing is at work on this track, so there is nothing to {given.order}.")
    return Steer(mark, given.order)


def idea(seen: Seen, given: IdeaGiven, mark: str) -> Order:
    """An idea as an order. Raises Declined where the queue holds one that is alike, or it says nothing."""
    from overnight.night import dispatch
    try:
        found = written(f"{given.title}\n{given.text}")
        if not given.anyway and mark not in seen.state.answered:
            dispatch.refuse_known(seen.state, found)
    except TrackError as error:
        raise Declined(str(error).replace("--anyway", '"anyway": true')) from error
    return AddIdea(mark, found.title, found.text, found.source)


def moved(state: State, number: int, place: int, mark: str) -> Order:
    """That an idea goes to another place of the queue, as an order. Raises NotFound; Declined where it does not wait."""
    if number not in state.ideas.entries:
        raise NotFound(f"there is no idea {number}.")
    if mark not in state.answered and all(entry.id != number for entry in state.ideas.waiting()):
        raise Declined(f"idea {number} does not wait to be tried, so it has no place in the queue.")
    return MoveIdea(mark, number, place)


def programmed(seen: Seen, text: str, match: str | None, mark: str) -> Order:
    """A text that is to be in force as program.md, as an order; `match` is the ETag of the version that its author saw. Raises
    Refused where that is missing, or another is in force, or the text is no program; Declined where the file is none now."""
    if match is None:
        raise Refused(428, "say in If-Match which version this was made from: the ETag of the program.", "If-Match")
    try:
        watch = instructions.watched(seen)
    except TrackError as error:
        raise Declined(str(error)) from error
    now = watch.program.sha256
    named = now if match.strip() == "*" else match.strip().removeprefix('"').removesuffix('"')
    if mark not in seen.state.answered:
        if named != now:
            raise Refused(412, "another version is in force by now: read it, and change that one.", "If-Match")
        _check_program(watch, text)
    return WriteProgram(mark, text, named)


def _check_program(watch: Watch, text: str) -> None:
    """Raise Refused where a text is no program."""
    try:
        watch.read(text)
    except TrackError as error:
        raise Refused(422, str(error), "text") from error


def dropped(state: State, number: int, mark: str) -> Order:
    """That an idea is dropped, as an order. Raises NotFound."""
    entry = state.ideas.entries.get(number)
    if entry is None or (entry.dropped and mark not in state.answered):
        raise NotFound(f"there is no idea {number}.")
    return DropIdea(mark, number)
