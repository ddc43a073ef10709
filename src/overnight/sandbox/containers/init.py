"""The container init, the first process of a container: a bash script that starts the payload under its limits, kills all
other processes when the payload ends, and hands out the artefacts.

Covered: the payload runs under another user than the init and without any capability; it begins only when Overnight says
`go`, and ends when Overnight says `end` or dies; artefacts leave as an archive that is made when no other process lives, of
regular files with one link, and are read as data. Not covered: isolation itself, which is the backend's.

Messages through the pipes, in this order: `ready` (from the init), `go`, then at any time `end`; `code N` (from the init: the
payload has ended and all other processes are dead), `harvest`, and (from the init) `none`, `full` for more names than are
allowed, or `files` and the archive.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import tarfile
from pathlib import Path

from overnight.contracts import Command
from overnight.errors import Fault
from overnight.sandbox import watch, world
from overnight.sandbox.containers.rootfs import FROM_INIT, STDERR, STDIN, STDOUT, TO_INIT, Rootfs, reads
from overnight.sandbox.world import OWN

SILENCE_SECONDS = 30.0  # seconds that an answer of the init may take before the sandbox counts as failed
UNSET = {"cpu", "msgqueue", "sigpending"}  # limits that the kernel of a backend may not know
CAPABILITIES = ("SETUID", "SETGID", "SETPCAP", "KILL", "DAC_OVERRIDE")  # of the init, not of the payload
UID = 1000  # the payload's user, within the container's own numbers where it has them

_SCRIPT = """\
cd {own}/door || exit 125
{socket}
exec {opened} || exit 125
chmod 1777 {memory} || exit 125
{links}
echo ready >&{from_init}
read -r go <&{to_init} || exit 125
{{ exec {given} {closed} || exit 126; exec {launch}; }} &
payload=$!
exec {handed}
{{ read -r end <&{to_init}; kill -9 -1; }} 2>{null} &
wait $payload
code=$?
while kill -9 -1 2>{null}; do :; done
echo "code $code" >&{from_init}
while read -r asked <&{to_init}; do [ "$asked" = harvest ] && break; done || exit 0
cd {own}/out && find . -xdev -type f -links 1 -print0 | {{
    mapfile -t -d '' -n {names} files
    [ ${{#files[@]}} = 0 ] && echo none >&{from_init} && exit
    [ ${{#files[@]}} = {names} ] && echo full >&{from_init} && exit
    echo files >&{from_init}
    printf '%s\\0' "${{files[@]}}" | tar -c --no-recursion --null -T - >&{from_init}
}}
exit 0
"""

_BEGIN = f'cp -R --preserve=mode,links,timestamps {OWN}/src {OWN}/work/tree && cd "{OWN}/work/tree/$1" && shift && exec "$@"'


def script(command: Command, rootfs: Rootfs, slot: int | None) -> str:
    """The init as a bash script. `slot` is the descriptor number under which a socket reaches it."""
    to_init, from_init, stdin, stdout, stderr = own = _unused({*command.fds, slot})
    pipes = {to_init: f"<{TO_INIT}", from_init: f">{FROM_INIT}", stderr: f">{STDERR}", stdout: f">{STDOUT}",
             stdin: f"<{STDIN}" if command.stdin is not None else f"<{os.devnull}"}
    pipes |= {fd: f"{'<' if reads(fd) else '>'}{name}" for fd, name in rootfs.pipes.items()}
    return _SCRIPT.format(
        own=OWN, null=os.devnull, names=watch.MOST_FILES + 1, to_init=to_init, from_init=from_init,
        socket="" if rootfs.socket in (None, slot) else f"exec {rootfs.socket}<&{slot} {slot}<{os.devnull}",
        opened=" ".join(f"{fd}{how}" for fd, how in pipes.items()),
        memory=shlex.join(mount.place for mount in rootfs.mounts if mount.source is None),
        links="\n".join(_link(*each) for each in rootfs.links.items()),
        given=f"<&{stdin} >&{stdout} 2>&{stderr}", closed=" ".join(f"{fd}<&-" for fd in own),
        handed=" ".join(f"{fd}<&-" for fd in {*pipes, rootfs.socket} - {to_init, from_init, None}),
        launch=shlex.join(_launcher(command)))


def _unused(fds: set[int | None]) -> list[int]:
    """Five descriptor numbers that the payload does not use."""
    return [n for n in range(3, 8 + len(fds)) if n not in fds][:5]


def _link(place: str, target: str) -> str:
    return shlex.join(["mkdir", "-p", str(Path(place).parent)]) + " && " + shlex.join(["ln", "-s", target, place])


def _launcher(command: Command) -> list[str]:
    """The command that becomes the payload: change the user, set limits, copy the tree, enter it."""
    limits = world.bounds(command.limits, counted=True)
    bounds = ["prlimit", *watch.bounds(**{name: limit for name, limit in limits.items() if name not in UNSET})]
    given = world.environment(command)
    env = ["env", "-i", *(f"{name}={value}" for name, value in given.items())]
    return [*env, *world.become(UID), *bounds, "/bin/sh", "-c", _BEGIN, "sh", command.cwd, *world.words(command, given)]


class InitChannel:
    """Overnight's end of the two pipes to and from a container init."""

    def __init__(self, rootfs: Rootfs) -> None:
        self._to_init, self._from_init = rootfs.pipe(TO_INIT, os.O_RDWR), rootfs.pipe(FROM_INIT, os.O_RDWR)

    def begun(self, rootfs: Rootfs) -> None:
        """Reopen both pipes for one direction each, so that the end of the init can be noticed."""
        for name, fd, flags in ((TO_INIT, self._to_init, os.O_WRONLY), (FROM_INIT, self._from_init, os.O_RDONLY)):
            fresh = rootfs.pipe(name, flags)
            os.dup2(fresh, fd, inheritable=False)
            os.close(fresh)

    def say(self, word: str) -> None:
        """Send one line to the init; nothing happens when the init is gone."""
        try:
            os.write(self._to_init, word.encode() + b"\n")
        except BrokenPipeError:
            return

    def hear(self, seconds: float) -> str | None:
        """The next line of the init; None when none came within `seconds`, "" when the init is gone."""
        if not self._sends(seconds):
            return None
        line = b""
        while not line.endswith(b"\n") and (byte := os.read(self._from_init, 1)):
            line += byte
        return line.decode().strip()

    def read(self, size: int) -> bytes:
        """Some of what the init sends, as from a file. Raises Fault when nothing comes within SILENCE_SECONDS."""
        if not self._sends(SILENCE_SECONDS):
            raise Fault("the sandbox did not hand out what was left in it.")
        return os.read(self._from_init, size)

    def _sends(self, seconds: float) -> bool:
        """Wait until there is something to read, or the init is gone; whether that was within `seconds`."""
        poll = select.poll()
        poll.register(self._from_init, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))

    def close(self) -> None:
        """Close both pipes: an init that still lives ends itself."""
        os.close(self._to_init)
        os.close(self._from_init)


def harvest(channel: InitChannel, to: Path, limit: int) -> bool:
    """Write the artefacts to the folder `to`, at most `limit` bytes; whether that was all. Raises Fault when this
    machine's disk or the init fails."""
    channel.say("harvest")
    answer = channel.hear(SILENCE_SECONDS)
    if answer not in ("none", "full", "files"):
        raise Fault("the sandbox did not hand out what was left in it.")
    try:
        to.mkdir(parents=True, exist_ok=True)
        to.chmod(0o755)
        return answer == "none" or (answer == "files" and _unpack(channel, to, limit))
    except tarfile.ReadError as error:
        raise Fault("the sandbox did not hand out what was left in it.") from error
    except OSError as error:
        raise Fault(f"the artefacts could not be kept: {error}.") from error


def _unpack(archive: InitChannel, to: Path, limit: int) -> bool:
    """Write the files of an archive; whether it held at most `limit` bytes."""
    with tarfile.open(fileobj=archive, mode="r|", bufsize=1 << 16) as members:  # type: ignore[call-overload]  # it only reads
        for member in members:
            limit -= member.size
            if limit < 0:
                return False
            _keep(members, member, to)
    return True


def _keep(members: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    """Write one member below a folder, where it is a regular file with a plain name."""
    parts = member.name.removeprefix("./").split("/")
    content = members.extractfile(member) if member.isreg() else None
    if content is None or len(parts) > watch.MOST_DEPTH or not all(part and watch.plain(part) for part in parts):
        return
    for part in parts[:-1]:
        to = to / part
        to.mkdir(exist_ok=True)
        to.chmod(0o755)  # whatever the umask: the scorer reads it as another user
    with (to / parts[-1]).open("wb") as out:
        os.fchmod(out.fileno(), 0o755 if member.mode & 0o100 else 0o644)
        shutil.copyfileobj(content, out)
