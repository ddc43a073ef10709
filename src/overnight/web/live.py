"""What is new, sent to every page that is open, as it comes: server-sent events.

Each fragment of a page that has changed is rendered once for each kind of reader and handed to all of them as the same bytes.
A viewer that is too far behind is told to load the page again.
Covered: viewers that sleep, lag or leave; a track that begins anew; more viewers than there is room for; the server's end.
Not covered: viewers that never read, beyond what the socket buffers: their queue of frames is bounded.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping

import anyio
import msgspec
from msgspec import Struct

from overnight.errors import OvernightError
from overnight.web.lasting import lasting
from overnight.web.problems import Refused
from overnight.web.seen import Seen
from overnight.web.tracks import Followed, Tracks

MOST_VIEWERS = 500
MOST_FRAMES = 64  # that wait for one viewer
MOST_BEHIND = 500  # records that a viewer may have missed
PAUSE = 0.25  # seconds between two frames of one fragment, at least
SILENCE = 15.0  # seconds after which a comment says that the stream is alive
RETRY = b"retry: 2000\n\n"  # milliseconds after which a browser comes back
ALIVE = b": \n\n"
CHART, CHART_PAUSE, LONG_CHART_PAUSE, LONG_CHART = "chart", 2.0, 30.0, 1000  # its id, seconds, and experiments
UNRECORDED = ("live", "jobs", "budget")  # the ids of what changes without a record: its number tells nothing of these
Render = Callable[[Seen], str]


class Fragment(Struct, frozen=True, omit_defaults=True):
    """A part of a page that has changed.

    id    of its element
    mode  what to do with the HTML: it takes the place of what is in the element
    html  what is in the element now
    """

    id: str
    html: str
    mode: str = "replace"


class Drawn(Struct):
    """The latest of one fragment: its HTML, its frame, the record after which it changed, and when it was made."""

    html: str
    frame: bytes
    seq: int
    kept: int
    at: float


class Viewer:
    """One open page: what waits to be sent to it."""

    def __init__(self, full: bool) -> None:
        self.full, self.over = full, False
        self._frames: deque[bytes] = deque()
        self._there = anyio.Event()

    def send(self, frame: bytes) -> None:
        """Let a frame wait, unless this viewer is told to load its page again."""
        if not self.over:
            self._frames.append(frame)
            self._there.set()

    def end(self, last: bytes = b"") -> None:
        """Send this and nothing more."""
        self._frames.clear()
        self.send(last)
        self.over = True

    @property
    def behind(self) -> bool:
        """Whether too many frames wait."""
        return len(self._frames) >= MOST_FRAMES

    async def next(self) -> bytes:
        """What waits; a sign of life where nothing does for long."""
        with anyio.move_on_after(SILENCE):
            await self._there.wait()
        frames = b"".join(self._frames)
        self._frames.clear()
        self._there = anyio.Event()
        return frames or (b"" if self.over else ALIVE)


class Channel:
    """The viewers of one track, and the latest of each fragment."""

    def __init__(self, track: Followed, names: tuple[str, ...], fragments: Mapping[str, Render]) -> None:
        self._track, self._names, self._fragments = track, names, fragments
        self.viewers: set[Viewer] = set()
        self._drawn: dict[tuple[str, bool], Drawn] = {}
        self._known: dict[bool, int] = {}  # kind of readers -> the version of the track that is drawn for them
        self._edition = -1
        self._owed: set[bool] = set()  # kinds of readers whose chart waits
        self._alone = anyio.Lock()

    async def run(self) -> None:
        """Send what changes, until this is cancelled."""
        done = -1
        while True:
            moved, version = self._track.moved, self._track.version
            if version == done and not (self._owed and self.viewers):
                await moved.wait()
                continue
            done = version
            for full in {viewer.full for viewer in self.viewers}:
                await self._send(full)
            await anyio.sleep(PAUSE)

    async def _send(self, full: bool) -> None:
        """Render what has changed for one kind of readers, and let it wait for them."""
        async with self._alone:
            self._check_edition()
            version = self._track.version
            if self._known.get(full) == version and full not in self._owed:
                return
            try:
                frames = await self._track.shown(full, self._names, self._rendered)
            except OvernightError:
                return  # the next edition tells it
            self._known[full] = version
            for viewer in [each for each in self.viewers if each.full == full and frames]:
                if viewer.behind:
                    self._reload(viewer)
                for frame in frames:
                    viewer.send(frame)

    def _check_edition(self) -> None:
        """Have every page loaded again where the track began anew, or cannot be followed any more or again."""
        if self._edition != self._track.follower.edition:
            self._edition = self._track.follower.edition
            self._drawn.clear()
            self._known.clear()
            for viewer in list(self.viewers):
                self._reload(viewer)

    def _reload(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        viewer.end(framed(self._track.follower.seq, "reload"))

    def _rendered(self, seen: Seen) -> list[bytes]:
        self._owed.discard(seen.full)
        if seen.state.opened is None:
            return []
        return [frame for name, render in self._fragments.items() if (frame := self._redrawn(seen, name, render))]

    def _redrawn(self, seen: Seen, name: str, render: Render) -> bytes:
        """The frame of a fragment that is another than it was, else b""."""
        kept, now, before = len(seen.state.chain()), time.monotonic(), self._drawn.get((name, seen.full))
        if before and name == CHART and before.kept == kept and now - before.at < _chart_pause(seen):
            self._owed.add(seen.full)
            return b""
        html = render(seen)
        if before and before.html == html:
            return b""
        frame = framed(seen.seq, "fragment", Fragment(name, html))
        self._drawn[name, seen.full] = Drawn(html, frame, seen.seq, kept, now)
        return frame

    async def joined(self, full: bool, after: int | None) -> Viewer:
        """A new viewer, whose page is as it was after a record (None: not known), with what it has missed."""
        await self._send(full)
        viewer, seq = Viewer(full), self._track.follower.seq
        self.viewers.add(viewer)
        if after is not None and not seq - MOST_BEHIND <= after <= seq:
            self._reload(viewer)
            return viewer
        for (name, whose), drawn in self._drawn.items():
            if whose == full and (after is None or drawn.seq > after or name in UNRECORDED):
                viewer.send(drawn.frame)
        return viewer


class Hub:
    """The channels of all tracks."""

    def __init__(self, tracks: Tracks, fragments: Mapping[str, Render]) -> None:
        self._channels = {each.name: Channel(each, tracks.names, fragments) for each in tracks}
        self._closed = False

    @property
    def viewers(self) -> int:
        """How many pages are open."""
        return sum(len(each.viewers) for each in self._channels.values())

    async def run(self) -> None:
        """Send what changes, until this is cancelled."""
        async with anyio.create_task_group() as tasks:
            for each in self._channels.values():
                tasks.start_soon(lasting, "sending what changes", each.run)

    async def stream(self, name: str, full: bool, after: int | None) -> AsyncIterator[bytes]:
        """The frames for one viewer of a track. Raises Refused where there are too many viewers."""
        if self.viewers >= MOST_VIEWERS or self._closed:
            raise Refused(503, f"{MOST_VIEWERS} pages are open already: close some.", headers={"retry-after": "30"})
        channel = self._channels[name]
        return self._frames(channel, await channel.joined(full, after))

    async def _frames(self, channel: Channel, viewer: Viewer) -> AsyncIterator[bytes]:
        try:
            yield RETRY
            while frame := await viewer.next():
                yield frame
                if viewer.over:
                    return
        finally:
            channel.viewers.discard(viewer)

    def close(self) -> None:
        """End every stream: the server stops. Pages come back by themselves when it is there again."""
        self._closed = True
        for channel in self._channels.values():
            for viewer in list(channel.viewers):
                viewer.end()


def framed(seq: int, event: str, data: Struct | None = None) -> bytes:
    """An event as it is sent."""
    body = b"{}" if data is None else msgspec.json.encode(data)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, event.encode(), body)


def _chart_pause(seen: Seen) -> float:
    return CHART_PAUSE if len(seen.state.experiments) <= LONG_CHART else LONG_CHART_PAUSE
