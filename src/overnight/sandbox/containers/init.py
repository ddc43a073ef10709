"""The first process of a container, which is ours: it starts the payload under its limits, ends all others with it, and
hands out what was left behind.

Covered: the payload runs under another user than the keeper and without a single capability; it begins only on our word, and
ends when we say so or die; artefacts leave as an archive that is made when nothing else lives, of regular files with one
link, and read as data. Not covered: isolation itself, which is the backend's.

What is said through the pipes, in this order: `ready` (from inside), `go`, then at any time `end`; `code N` (from inside: the
payload is over and everything is dead), `harvest`, and (from inside) `none`, `full` for more names than may be, or `files` and
the archive.
"""

from __future__ import annotations

import io
import os
import select
import shlex
import shutil
import tarfile
from pathlib import Path

from overnight.contracts import Command
from overnight.errors import Fault
from overnight.sandbox import watch, world
from overnight.sandbox.containers.rootfs import STDERR, STDIN, STDOUT, TALE, WORD, Room, reads
from overnight.sandbox.world import OWN

SILENT = 30.0  # seconds without a word from the keeper, when it owes us one, after which the sandbox is at fault
UNSET = {"cpu", "msgqueue", "sigpending"}  # limits that a kernel of its own may not know
UID = 1000  # the payload's user, within the container's own numbers where it has them

_SCRIPT = """\
cd {own}/door || exit 125
{socket}
exec {opened} || exit 125
chmod 1777 {memory} || exit 125
{links}
echo ready >&{tale}
read -r go <&{word} || exit 125
{{ exec {given} {closed} || exit 126; exec {launch}; }} &
payload=$!
exec {handed}
{{ read -r end <&{word}; kill -9 -1; }} 2>{null} &
wait $payload
code=$?
while kill -9 -1 2>{null}; do :; done
echo "code $code" >&{tale}
while read -r asked <&{word}; do [ "$asked" = harvest ] && break; done || exit 0
cd {own}/out && find . -xdev -type f -links 1 -print0 | {{
    mapfile -t -d '' -n {names} files
    [ ${{#files[@]}} = 0 ] && echo none >&{tale} && exit
    [ ${{#files[@]}} = {names} ] && echo full >&{tale} && exit
    echo files >&{tale}
    printf '%s\\0' "${{files[@]}}" | tar -c --no-recursion --null -T - >&{tale}
}}
exit 0
"""

_BEGIN = f'cp -R --preserve=mode,links {OWN}/src {OWN}/work/tree && cd "{OWN}/work/tree/$1" && shift && exec "$@"'


def script(command: Command, room: Room, uid: int, slot: int | None) -> str:
    """The keeper, as a script of bash. `slot` is the number under which a socket reaches it."""
    word, tale, stdin, stdout, stderr = own = _unused({*command.fds, slot})
    pipes = {word: f"<{WORD}", tale: f">{TALE}", stderr: f">{STDERR}", stdout: f">{STDOUT}",
             stdin: f"<{STDIN}" if command.stdin is not None else f"<{os.devnull}"}
    pipes |= {fd: f"{'<' if reads(fd) else '>'}{name}" for fd, name in room.pipes.items()}
    return _SCRIPT.format(
        own=OWN, null=os.devnull, names=watch.MOST_FILES + 1, word=word, tale=tale,
        socket="" if room.socket in (None, slot) else f"exec {room.socket}<&{slot} {slot}<{os.devnull}",
        opened=" ".join(f"{fd}{how}" for fd, how in pipes.items()),
        memory=" ".join(mount.place for mount in room.mounts if mount.source is None),
        links="\n".join(_link(*each) for each in room.links.items()),
        given=f"<&{stdin} >&{stdout} 2>&{stderr}", closed=" ".join(f"{fd}<&-" for fd in own),
        handed=" ".join(f"{fd}<&-" for fd in {*pipes, room.socket} - {word, tale, None}),
        launch=shlex.join(_launcher(command, uid)))


def _unused(fds: set[int | None]) -> list[int]:
    """Five numbers of descriptors that the payload has no use for."""
    return [n for n in range(3, 8 + len(fds)) if n not in fds][:5]


def _link(place: str, target: str) -> str:
    return shlex.join(["mkdir", "-p", str(Path(place).parent)]) + " && " + shlex.join(["ln", "-s", target, place])


def _launcher(command: Command, uid: int) -> list[str]:
    """What becomes the payload: drop the user, set limits, copy the tree, change into it."""
    drop = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
            "--no-new-privs"]
    limits = world.bounds(command.limits, counted=True)
    bounds = ["prlimit", *watch.bounds(**{name: limit for name, limit in limits.items() if name not in UNSET})]
    env = ["env", "-i", *(f"{name}={value}" for name, value in world.environment(command).items())]
    return [*env, *drop, *bounds, "/bin/sh", "-c", _BEGIN, "sh", command.cwd, *command.argv]


class Talk(io.RawIOBase):
    """Our end of what is said to and by a keeper; as a stream it is what the keeper says."""

    def __init__(self, room: Room) -> None:
        self._word, self._tale = room.pipe(WORD, os.O_RDWR), room.pipe(TALE, os.O_RDWR)
        self._rest = b""

    def begun(self, room: Room) -> None:
        """From here on both are pipes with two ends, which tell when the keeper is gone."""
        for name, fd, flags in ((WORD, self._word, os.O_WRONLY), (TALE, self._tale, os.O_RDONLY)):
            fresh = room.pipe(name, flags)
            os.dup2(fresh, fd, inheritable=False)
            os.close(fresh)

    def say(self, word: str) -> None:
        """Tell the keeper something; when it is gone it is told nothing."""
        try:
            os.write(self._word, word.encode() + b"\n")
        except BrokenPipeError:
            return

    def hear(self, seconds: float) -> str | None:
        """The next line; None when none came within so long, "" when the keeper is gone."""
        poll = select.poll()
        poll.register(self._tale, select.POLLIN)
        if not poll.poll(max(0.0, seconds) * 1000):
            return None
        line = b""
        while not line.endswith(b"\n") and (byte := os.read(self._tale, 1)):
            line += byte
        return line.decode().strip()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """What the keeper says. Raises Fault when it falls silent."""
        poll = select.poll()
        poll.register(self._tale, select.POLLIN)
        if not poll.poll(SILENT * 1000):
            raise Fault("the sandbox did not hand out what was left in it.")
        return os.readv(self._tale, [buffer])

    def close(self) -> None:
        """Close both pipes: a keeper that still lives ends itself."""
        if not self.closed:
            os.close(self._word)
            os.close(self._tale)
        super().close()


def harvest(talk: Talk, to: Path, limit: int) -> bool:
    """Keep the files that were left behind, at most `limit` bytes of them; whether that was all. Raises Fault when our own
    disk fails, or the keeper."""
    talk.say("harvest")
    answer = talk.hear(SILENT)
    if answer not in ("none", "full", "files"):
        raise Fault("the sandbox did not hand out what was left in it.")
    try:
        to.mkdir(parents=True, exist_ok=True)
        to.chmod(0o755)
        return answer == "none" or (answer == "files" and _unpack(talk, to, limit))
    except tarfile.ReadError as error:
        raise Fault("the sandbox did not hand out what was left in it.") from error
    except OSError as error:
        raise Fault(f"the artefacts could not be kept: {error}.") from error


def _unpack(archive: io.RawIOBase, to: Path, limit: int) -> bool:
    """Keep the files of an archive; whether it held no more bytes than it may."""
    with tarfile.open(fileobj=io.BufferedReader(archive, 1 << 16), mode="r|") as members:
        for member in members:
            limit -= member.size
            if limit < 0:
                return False
            _keep(members, member, to)
    return True


def _keep(members: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    """Write one file below a folder, if it is one and nothing about its name is odd."""
    parts = member.name.removeprefix("./").split("/")
    content = members.extractfile(member) if member.isreg() else None
    if content is None or len(parts) > watch.DEEPEST or not all(part and watch.plain(part) for part in parts):
        return
    for part in parts[:-1]:
        to = to / part
        to.mkdir(exist_ok=True)
        to.chmod(0o755)  # whatever the umask: the scorer reads it as another user
    with (to / parts[-1]).open("wb") as out:
        os.fchmod(out.fileno(), 0o644)
        shutil.copyfileobj(content, out)
