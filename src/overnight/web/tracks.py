"""The tracks that are served, each with its follower, by their names in addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from overnight.errors import NotFound
from overnight.night.session import Session, opened
from overnight.track.load import load
from overnight.web.follow import Follower
from overnight.web.lasting import lasting
from overnight.web.seen import Seen

EVERY = 0.25  # seconds between two looks at a journal
LOOKS = 4  # of which every so many also ask whether a night is at work, and whether the journal is another
Made = TypeVar("Made")


class Followed:
    """A track that is followed while others are shown it: one at a time reads or changes its state."""

    def __init__(self, follower: Follower) -> None:
        self.follower, self.name = follower, follower.name
        self._alone = anyio.Lock()
        self._ready = anyio.Event()
        self.version = 0  # how often something has changed
        self.moved = anyio.Event()  # set, and replaced, whenever that is counted

    async def shown(self, full: bool, names: tuple[str, ...], make: Callable[[Seen], Made]) -> Made:
        """What is made of the track as a reader may see it now. Raises what `make` raises, and TrackError."""
        await self._ready.wait()
        async with self._alone:
            return await anyio.to_thread.run_sync(lambda: make(self.follower.seen(full, names)))

    async def follow(self) -> None:
        """Read on until this is cancelled."""
        looks = 0
        while True:
            looks += 1
            async with self._alone:
                changed = await self._look(looks % LOOKS == 1)
            self._ready.set()
            if changed:
                self.version += 1
                self.moved.set()
                self.moved = anyio.Event()
            more = not changed and await self._prepare()
            if more or (changed and not self.follower.problem):
                await anyio.sleep(0)
            else:
                await self._pause()

    async def _pause(self) -> None:
        """Wait until the next look, or until the journal's bell rings."""
        if self.follower.bell is None:
            await anyio.sleep(EVERY)
            return
        with anyio.move_on_after(EVERY):
            await anyio.wait_readable(self.follower.bell.fileno())

    async def _prepare(self) -> bool:
        """Read some of what will be asked for, where there is nothing else to do; whether there is more."""
        async with self._alone:
            return await anyio.to_thread.run_sync(self.follower.prepare)

    async def _look(self, thoroughly: bool) -> bool:
        """Take up some of what is new; whether anything has changed."""
        run = anyio.to_thread.run_sync if self.follower.remote else _here
        if thoroughly and await run(self.follower.stale):
            await anyio.to_thread.run_sync(self.follower.load)
            return True
        changed = await run(self.follower.look)
        return (thoroughly and self.follower.watch()) or changed


async def _here(act: Callable[[], Made]) -> Made:
    """As of a thread, in this one."""
    return act()


class Tracks:
    """Several tracks side by side, rungs of a ladder among them."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises TrackError where a folder holds no track."""
        self._every: dict[str, Followed] = {}
        for folder in dict.fromkeys(opened(each).repo.folder for each in folders):
            contract = load(folder)
            for rung in ("", *(each.name for each in contract.ladder.rung)):
                self._add(folder, f"{contract.name}-{rung}" if rung else contract.name, rung)

    def _add(self, folder: Path, wanted: str, rung: str) -> None:
        name = plain(wanted)
        if name in self._every:  # of another folder; the number is that of its state, and the same each time
            name = f"{name}-{opened(folder, rung).place.number[:6]}"
        self._every[name] = Followed(Follower(name, partial(_session, folder, rung)))

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which they were given."""
        return tuple(self._every)

    def __iter__(self) -> Iterator[Followed]:
        return iter(self._every.values())

    def named(self, name: str) -> Followed:
        """The track of a name. Raises NotFound."""
        if name not in self._every:
            raise NotFound(f"no track of the name {name[:60]!r} is served here.")
        return self._every[name]

    async def shown(self, name: str, full: bool, make: Callable[[Seen], Made]) -> Made:
        """What is made of a track as a reader may see it now. Raises NotFound, TrackError, and what `make` raises."""
        return await self.named(name).shown(full, self.names, make)

    def close(self) -> None:
        """Let go of their journals."""
        for each in self:
            each.follower.close()

    def begin(self, tasks: TaskGroup) -> None:
        """Follow all of them."""
        for each in self:
            tasks.start_soon(lasting, f"following {each.name}", each.follow)


def _session(folder: Path, rung: str) -> Session:
    return opened(folder, rung)


def plain(name: str) -> str:
    """A name as addresses have it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "track"
