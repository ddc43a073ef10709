"""What every container backend shows to what it runs: the same world as bubblewrap's, on a root that is otherwise empty.

Covered: /usr and three names of /etc, what the command names, private bounded places for the rest; no image, so nothing is
downloaded. Named pipes carry what is said in both directions, so that a backend needs no way to pass descriptors but for
one socket; only the container's first process may open them.
Not covered: mounting, which is the backend's.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from overnight.contracts import Command
from overnight.errors import Fault
from overnight.sandbox import watch
from overnight.sandbox.backend import BOX
from overnight.sandbox.world import ETC, OWN, TMP, system

TO_INIT, FROM_INIT, STDIN, STDOUT, STDERR = "to_init", "from_init", "stdin", "stdout", "stderr"


class Mount(Struct, frozen=True):
    """A mount inside: a host path, read-only except for the folder of pipes; or, without a source, a tmpfs of `size` bytes."""

    place: str
    source: Path | None = None
    size: int = 0
    writable: bool = False


class Rootfs:
    """The folder of one container on the host: `root` to mount the world on, and `door` with the named pipes."""

    def __init__(self, command: Command, owner: int | None) -> None:
        """`owner` is the host's user number of the first process inside; None: the user of Overnight. Raises OSError, Fault."""
        self.owner, self.socket = owner, _socket(command.fds)
        self.name = watch.name_of(os.getpid())
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-{BOX}-"))
        self.root, self.door = self.folder / "root", self.folder / "door"
        self.links: dict[str, str] = {}  # made only once /tmp and the home are mounted: place -> target
        self.folder.chmod(0o711)
        self.pipes = {fd: f"fd{fd}" for fd in command.fds if fd != self.socket}
        self._open_door(owner)
        self._furnish(command)

    def _open_door(self, owner: int | None) -> None:
        self.door.mkdir(mode=0o700)
        pipes = [self.door / name for name in (TO_INIT, FROM_INIT, STDIN, STDOUT, STDERR, *self.pipes.values())]
        for pipe in pipes:
            os.mkfifo(pipe, 0o600)
        if owner is not None:
            for path in (*pipes, self.door):
                os.chown(path, owner, owner)

    def _mounts(self, command: Command) -> Iterator[Mount]:
        yield Mount("/usr", Path("/usr"))
        for path in (Path("/etc", name) for name in ETC):
            if path.exists():
                yield Mount(str(path), path.resolve())
        yield Mount("/tmp", size=max(TMP, command.limits.disk))
        if command.home:
            yield Mount(str(command.home), size=command.limits.disk)
        for path in (*system(), *command.mounts):
            if path.is_symlink() and not path.is_relative_to("/usr"):
                self._link(path, Path("/tmp"), *filter(None, [command.home]))
            elif not path.is_relative_to("/usr"):
                yield Mount(str(path), path)
        yield Mount(f"{OWN}/src", command.tree)
        yield Mount(f"{OWN}/work", size=command.limits.disk)
        yield Mount(f"{OWN}/door", self.door, writable=True)
        if command.inputs:
            yield Mount(f"{OWN}/artifacts", command.inputs)
        if command.secret:
            yield Mount(f"{OWN}/holdout", command.secret)
        if command.harvest:
            yield Mount(f"{OWN}/out", size=command.limits.disk)

    def _link(self, path: Path, *mounted: Path) -> None:
        """Make a symbolic link inside for one on the host, where something is `mounted` only later."""
        if any(map(path.is_relative_to, mounted)):
            self.links[str(path)] = str(path.readlink())
            return
        place = self.root / str(path)[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path.readlink())

    def _furnish(self, command: Command) -> None:
        """Say what is mounted, and make the places to mount on, whatever the umask."""
        before = os.umask(0o022)
        try:
            for name in ("proc", "dev", "sys", "run", "etc"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            self.mounts = sorted(self._mounts(command), key=lambda m: m.place.count("/"))
            for mount in self.mounts:
                place = self.root / mount.place[1:]
                place.parent.mkdir(parents=True, exist_ok=True)
                if mount.source is None or mount.source.is_dir():
                    place.mkdir(exist_ok=True)
                else:
                    place.touch()
        finally:
            os.umask(before)

    def pipe(self, name: str, flags: int) -> int:
        """A descriptor of one pipe."""
        return os.open(self.door / name, flags | os.O_CLOEXEC)

    def close(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def reads(fd: int) -> bool:
    """Whether a descriptor that is given to a payload is one to read from."""
    return _mode(fd) == os.O_RDONLY


def _mode(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE


def _socket(fds: tuple[int, ...]) -> int | None:
    """The one descriptor that is open both ways, so that no pipe can replace it. Raises Fault for more than one."""
    both = [fd for fd in fds if _mode(fd) == os.O_RDWR]
    if len(both) > 1:
        raise Fault("a container can be given one socket, and pipes.")
    return both[0] if both else None
