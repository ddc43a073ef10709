"""The state of a track as a file beside its journal, so that opening a long track takes no replay of all of it.

The file is believed where it is whole, was written by this very code, and the journal's record of the number that it names has
the hash that it names; the records behind that one are replayed, and their chain is checked from there. In every other case all
of the journal is replayed. The file holds data alone, in no place that a candidate reaches. It holds seeds that are still to be
drawn, so its owner alone can read it; without the track's key it is neither written nor believed.
Covered: a file that was cut, damaged, left behind by other code or by another track, or written while the record was changed.
Not covered: a file that its owner forges on purpose, and records before it that were altered: `overnight log --verify` and
`merge` read no snapshot and check the chain from the first record.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

import overnight
from overnight.contracts import Journal
from overnight.lab import snapshot
from overnight.lab.events import Event
from overnight.lab.state import State

BEHIND = 2000  # records that an opening may have to replay before a writer writes the snapshot anew
# What decides how a record is taken up.
REPLAYS = ("lab", "referee", "track", "contracts.py", "errors.py", "patterns.py", "untrusted.py")
DIGEST = hashlib.sha256().digest_size  # bytes, at the beginning of the file


class Kept(Struct, array_like=True, frozen=True):
    """What the file holds behind the digest of all this: the `code` that wrote it, number and hash of the last record in it."""

    code: str
    seq: int
    hash: str
    state: msgspec.Raw


class Snapshot:
    """One such file, there or not."""

    def __init__(self, path: Path, behind: int = BEHIND) -> None:
        self.path, self.behind = path, behind
        self._seq, self._code = 0, ""  # number of the last record in it, as far as it is known here; what opened it

    def open(self, journal: Journal[Event], keys: Mapping[str, str], dense: bool = False) -> State:
        """The state that the journal tells; `keys` are those beside it. `dense`: it is only to be followed, so that its
        experiments may lie packed. Raises JournalError."""
        self._code = code()  # now, and not when a long night ends: the files may be others by then
        state = self._read(journal, keys, dense) or snapshot.empty(keys, dense)
        self._seq = state.records
        return replayed(journal, state)

    def keep(self, state: State, journal: Journal[Event]) -> None:
        """Write the file anew where too much would have to be replayed. For a session that holds the track; where it cannot be
        written, all goes on without."""
        seq, chain = journal.head
        if not (self._code and _keyed(state)) or state.records != seq or seq - self._seq < self.behind:
            return  # a state that is ahead of its journal, because the disk is full, is none
        body = msgspec.msgpack.encode(Kept(self._code, seq, chain, msgspec.Raw(snapshot.encode(state))))
        with contextlib.suppress(OSError):
            _replace(self.path, hashlib.sha256(body).digest() + body)
            self._seq = seq

    def _read(self, journal: Journal[Event], keys: Mapping[str, str], dense: bool) -> State | None:
        """The state in the file, None where it is not to be believed."""
        try:
            body = _content(self.path)
            kept = msgspec.msgpack.decode(body, type=Kept)
            fits = kept.code == self._code != "" and kept.seq > 0 and journal.hash_of(kept.seq) == kept.hash
            state = snapshot.decode(kept.state, keys, dense) if fits else None
        except (OSError, ValueError, msgspec.DecodeError):
            return None
        return state if state and state.records == kept.seq and _keyed(state) else None


def replayed(journal: Journal[Event], state: State) -> State:
    """The state with what the journal tells behind it. Raises JournalError."""
    for event in journal.replay(after=state.records):
        state.apply(event)
    return state


def _keyed(state: State) -> bool:
    """Whether seeds can be drawn; without the key a replay ends in a state that knows less of them."""
    return state.opened is not None and state.known.secret is not None


@functools.cache
def code() -> str:
    """A hash of the code that replays, the libraries' versions with it; "" where its source is not at hand."""
    digest = hashlib.sha256(f"{sys.version} {msgspec.__version__}".encode())
    try:
        for path in _sources(Path(overnight.__file__).parent):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError:
        return ""
    return digest.hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    for name in REPLAYS:
        yield from [root / name] if name.endswith(".py") else sorted((root / name).rglob("*.py"))


def _content(path: Path) -> memoryview:
    """What stands behind the digest. Raises OSError or ValueError where it is no whole file of ours."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError(f"{path} is no file.")
        data = memoryview(file.read())
    if hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
        raise ValueError(f"{path} is damaged.")
    return data[DIGEST:]


def _replace(path: Path, data: bytes) -> None:
    """Put a file where there was another or none, whole or not at all. A link at its place is replaced, not followed."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
