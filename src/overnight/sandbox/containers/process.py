"""One command in a container, whichever engine made it: from its start to its artefacts.

Covered: bounds on time, output and memory, death of everything inside before anything is taken out, and of the container
when Overnight dies. CPU and memory are exact where a control group can be made, else polled ten times a second.
"""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import threading
import time
from contextlib import suppress

from overnight.contracts import Command, Ended, Limits
from overnight.errors import Fault
from overnight.sandbox import watch
from overnight.sandbox.backend import Backend
from overnight.sandbox.containers import init
from overnight.sandbox.containers.rootfs import STDERR, STDIN, STDOUT, Rootfs, reads
from overnight.sandbox.kernel.group import Group
from overnight.sandbox.supervised import POLL, Supervised
from overnight.sandbox.warm.cold import launched

CHUNK_BYTES = 1 << 20  # that are copied at once from one pipe to another
READY_WITHIN = 60.0  # seconds after which a container that is not ready is a fault
HIGH = 100  # a descriptor's number that no engine uses
GONE_WITHIN = 10.0  # seconds that a container may take to end what is in it, and to go


class Engine(Backend):
    """A container engine: how its containers are started, observed and removed.

    slot  the number under which one more descriptor reaches the first process inside; None: the engine passes none
    """

    slot: int | None = None

    def launch(self, command: Command) -> ContainerProcess:
        """Start a command. Raises Fault, OSError."""
        return ContainerProcess(self, launched(command))

    def owner(self) -> int | None:
        """The host's user number of the first process inside; None: the user of Overnight."""
        return None

    def argv(self, command: Command, rootfs: Rootfs) -> list[str]:
        """The command that starts a container with its init, and ends when the container ends."""
        raise NotImplementedError

    def top(self, rootfs: Rootfs, monitor: int) -> int | None:
        """The host's number of the process that everything inside descends from; None: unknown."""
        raise NotImplementedError

    def memory(self, top: int, enough: int) -> int:
        """Bytes of memory held inside, as far as visible from the host; may be rough below `enough`."""
        return watch.memory_of(top, enough)

    def tasks(self, limits: Limits) -> int:
        """The most tasks of the host's kernel that the payload's processes may need."""
        return limits.processes

    def remove(self, rootfs: Rootfs) -> None:
        """Kill a container and remove it; a container that is gone already is no error."""
        raise NotImplementedError


class ContainerProcess(Supervised):
    """One command running in a container."""

    def __init__(self, engine: Engine, command: Command) -> None:
        super().__init__(command)
        self._engine = engine
        self._closed = self._removed = False
        self._told = 0.0  # time at which the init was first told to end
        self._pumps: list[Pump] = []
        self._before = 0.0  # CPU seconds used before the payload began
        self._monitor: subprocess.Popen[bytes] | None = None
        self._rootfs = Rootfs(command, engine.owner())
        self._channel = init.InitChannel(self._rootfs)
        try:
            self._start()
        except BaseException:
            self._close()
            raise
        self._begun(self._top)
        self._channel.say("go")

    # -- start --

    def _start(self) -> None:
        held = [self._rootfs.pipe(name, os.O_RDWR) for name in (STDIN, STDOUT, STDERR, *self._rootfs.pipes.values())]
        try:
            self._monitor = self._launched()
            self._await_ready()
            self._connect()
        finally:
            for fd in held:
                os.close(fd)
        self._top = self._engine.top(self._rootfs, self._monitor.pid)
        self._group = self._counted()
        self._before = watch.cpu_of(self._top) if self._top is not None else 0.0

    def _launched(self) -> subprocess.Popen[bytes]:
        """The engine's process, with the socket under the number that it needs. Raises OSError, Fault."""
        argv, given, slot = self._engine.argv(self._command, self._rootfs), self._rootfs.socket, self._engine.slot
        high = () if given is None else (fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, HIGH),)
        try:
            if high and slot is None:
                raise Fault(f"{self._engine.name} cannot hand over a socket, which a scorer with an oracle needs: choose "
                            "`--sandbox bubblewrap` for this track.")
            move = ["/bin/bash", "-c", f'exec {slot}<&{high[0]} {high[0]}<&-; exec "$@"', "bash"] if high else []
            with (self._rootfs.folder / "said").open("wb") as said:
                return subprocess.Popen([*move, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
                                        pass_fds=high, start_new_session=True)
        finally:
            for fd in high:
                os.close(fd)

    def _await_ready(self) -> None:
        """Wait until the init has opened its pipes. Raises Fault."""
        assert self._monitor is not None
        until = time.monotonic() + READY_WITHIN
        while (heard := self._channel.hear(POLL)) is None:
            if self._monitor.poll() is not None or time.monotonic() > until:
                raise self._failed()
        if heard != "ready":
            raise self._failed()
        self._channel.begun(self._rootfs)

    def _failed(self) -> Fault:
        text = (self._rootfs.folder / "said").read_text(errors="replace").strip()
        return Fault(f"the sandbox failed to start: {text or f'{self._engine.name} said nothing'}")

    def _connect(self) -> None:
        """Join the container's pipes to the command's descriptors; the rest is read here."""
        command, rootfs = self._command, self._rootfs
        given = {name: fd for fd, name in rootfs.pipes.items()}
        given |= {name: fd for name, fd in ((STDIN, command.stdin), (STDOUT, command.stdout)) if fd is not None}
        for name, fd in given.items():
            inwards = name == STDIN or (name != STDOUT and reads(fd))
            inside, outside = rootfs.pipe(name, os.O_WRONLY if inwards else os.O_RDONLY), os.dup(fd)
            self._pumps.append(Pump(outside, inside) if inwards else Pump(inside, outside))
        out, err = (os.fdopen(rootfs.pipe(name, os.O_RDONLY), "rb") if name not in given else None for name in (STDOUT, STDERR))
        self._drain = watch.Drain(out, err, command.limits.output, self._end, command.heard,
                                  command.announces, self._announced)

    def _counted(self) -> Group | None:
        """A control group around everything inside; None where none can be made."""
        if self._engine.groups is None or self._top is None:
            return None
        limits = self._command.limits
        group = self._engine.groups.make(limits.memory, self._engine.tasks(limits))
        try:
            for pid in watch.tree(self._top):
                group.add(pid)
        except Fault:  # the container's own groups may be another user's
            group.close()
            return None
        return group

    # -- end --

    def _slay(self) -> None:
        self._told = self._told or time.monotonic()
        if not self._closed:
            self._channel.say("end")

    def _used(self) -> tuple[float, int]:
        if self._top is None:
            return 0.0, 0
        return watch.cpu_of(self._top) - self._before, self._engine.memory(self._top, self._limits.memory)

    def wait(self) -> Ended:
        """Block until the tree is dead, then take its artefacts. Raises Fault."""
        try:
            while (said := self._channel.hear(max(0.001, self._patience()))) is None:
                self._look()
                self._insist()
            self._over()
            self._count()
            status = int(said.split()[1]) if said else None  # None: the init died with everything inside
            self._take(status)
        finally:
            self._close()
        return self._ended(-9 if status is None else status if status < 128 else 128 - status)

    def _insist(self) -> None:
        """Remove the container by force where its init has not ended it in time."""
        if self._killed and not self._removed and time.monotonic() > self._told + GONE_WITHIN:
            self._removed = True
            self._engine.remove(self._rootfs)

    def _take(self, code: int | None) -> None:
        """Copy the artefacts. Raises Fault where the container was killed by something else than Overnight."""
        if code is None and not self._killed:
            raise Fault("the sandbox was killed from outside.")
        if self._command.harvest is None:
            return
        if code is None:
            self._command.harvest.mkdir(parents=True, exist_ok=True)
            return
        if not init.harvest(self._channel, self._command.harvest, self._command.limits.disk):
            self._killed = self._killed or "disk"

    def _close(self) -> None:
        """Release everything; the init ends itself when its pipes are closed."""
        with self._ending:
            self._closed = True
            self._channel.close()
        if self._monitor is not None:
            try:
                self._monitor.wait(GONE_WITHIN)
            except subprocess.TimeoutExpired:
                self._monitor.kill()
                self._monitor.wait()
            if self._monitor.returncode:
                self._engine.remove(self._rootfs)
        for pump in self._pumps:
            pump.join(1.0)  # a pump whose reader does not read ends when that reader closes its end
        if self._group is not None:
            with suppress(Fault):
                self._group.close()
        self._rootfs.close()


class Pump(threading.Thread):
    """Copies everything from one descriptor to another; it owns both and closes them."""

    def __init__(self, source: int, to: int) -> None:
        super().__init__(daemon=True)
        self._source, self._to = source, to
        self.start()

    def run(self) -> None:
        """Copy until the source ends or the reader of the target is gone."""
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        poll.register(self._to, 0)  # tells only of errors: that its readers are gone
        try:
            while self._to not in (came := dict(poll.poll())):
                if not came or not os.splice(self._source, self._to, CHUNK_BYTES):
                    break
        except OSError:  # the reader is gone
            return
        finally:
            os.close(self._source)
            os.close(self._to)
