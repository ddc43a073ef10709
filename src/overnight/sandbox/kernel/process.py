"""One command under bwrap, from its start to its artefacts.

Covered: the payload begins only when every mount is in place, its limits are set, its cgroup holds it and its life is bound
to that of Overnight, however long it is held before; the whole tree dies with its first process; artefacts are taken after
that, through a descriptor.
Not covered: which mounts and rights the payload has, which is `bubblewrap`'s to say.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import subprocess
import time
from contextlib import nullcontext, suppress
from pathlib import Path

from overnight.contracts import Command, Ended
from overnight.errors import Fault
from overnight.sandbox import watch, world
from overnight.sandbox.kernel.cgroups import Cgroups
from overnight.sandbox.supervised import Supervised
from overnight.sandbox.world import OWN

USER = 1000  # number inside of the user of Overnight
SHORT = 0.0001  # seconds between two looks at a process that is about to sleep
START_WITHIN = 20.0  # seconds after which a sandbox that is not ready is a fault
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")  # of the host, in every sandbox: any user may open them
BOUNDED = ("overnight/work", "overnight/out", "tmp", "dev/shm")  # where a payload may write


class BubblewrapProcess(Supervised):
    """One command under bwrap, held until it is released. It has two processes to kill: bwrap's monitor on the host, and pid 1
    inside. A launcher inside says on its standard input, a socket, that it runs, which is when every mount is in place, and
    waits there for word to become the payload. `without`: a command that starts bwrap with fewer rights."""

    without: tuple[str, ...] = ()

    def __init__(self, command: Command, argv: list[str], setup: list[str], rules: bytes, groups: Cgroups | None,
                 owner: int | None) -> None:
        """`argv` is bwrap and, with it, what runs inside before the command; `setup` are bwrap's options, `rules` is the BPF
        program that filters system calls. The cgroup is made in `groups`, if there is such a place. `owner` is the number of
        the user under which the command runs; None: the user of Overnight. Raises Fault, OSError."""
        super().__init__(command)
        self._monitor_fd = self._pidfd = self._word = -1
        self._writable: dict[str, int] = {}
        self._owner, self._etc = owner, world.etc(USER if owner is None else owner, command.home)
        try:
            if groups is not None:
                self._group = groups.make(command.limits.memory, command.limits.processes)
            self._open(argv, setup, rules)
            self._await_launcher()
            self._open_places()
            self._lay_out()
        except BaseException:
            self.discard()
            raise
        self._setup_seconds = time.monotonic() - self._clock

    # -- start --

    def _open(self, argv: list[str], setup: list[str], rules: bytes) -> None:
        """Start bwrap, and a thread that reads its output; put the first process inside under its limits, of which all others
        will be children, before there are any. Raises Fault, OSError."""
        command = self._command
        info, info_theirs = os.pipe()
        block_theirs, block = os.pipe()
        self._word, word_theirs = (end.detach() for end in socket.socketpair())
        place = setup.index(f"{OWN}/work") - 5
        filters, etc = memory_file(rules), {path: memory_file(text.encode()) for path, text in self._etc.items()}
        texts = [word for path, fd in etc.items() for word in ("--perms", "0444", "--file", str(fd), path)]
        options = memory_file("\0".join([*setup[:place], *texts, *setup[place:], "--info-fd", str(info_theirs),
                                          "--block-fd", str(block_theirs), "--seccomp", str(filters)]).encode() + b"\0")
        given = () if command.stdin is None else (command.stdin,)
        if given:
            os.fchmod(given[0], 0o666)  # the throw-away user opens it anew
        with open(info, "rb") as told, open(block, "wb") as go_on:
            try:
                with nullcontext(False) if self._group is None else self._group.bearing() as born:
                    self._monitor = subprocess.Popen(
                        [*self.without, argv[0], "--args", str(options), "--", *argv[1:]], env={}, close_fds=True,
                        pass_fds=(options, filters, info_theirs, block_theirs, *etc.values(), *given, *command.fds),
                        stdin=word_theirs, stdout=subprocess.PIPE if command.stdout is None else command.stdout,
                        stderr=subprocess.PIPE, start_new_session=True)  # Ctrl-C is for Overnight, not for what it measures
            finally:
                for fd in (options, filters, *etc.values(), info_theirs, block_theirs, word_theirs):
                    os.close(fd)
            self._monitor_fd = os.pidfd_open(self._monitor.pid)
            self._drain = watch.Drain(self._monitor.stdout, self._monitor.stderr, command.limits.output, self._end,
                                      command.heard, command.announces, self._announced)
            self._pid = self._first_process(told.read())
            if self._group is not None and not born:
                self._group.add(self._pid)
            watch.limit(self._pid, **self._bounds())
            go_on.write(b"\n")

    def _bounds(self) -> dict[str, int]:
        """The limits of each process, by the names of prlimit."""
        return world.bounds(self._limits, counted=self._group is not None)

    def _first_process(self, text: bytes) -> int:
        try:
            pid: int = json.loads(text)["child-pid"]
            self._pidfd = os.pidfd_open(pid)
        except (ValueError, ProcessLookupError):  # it was killed before it had said all, or said anything
            raise self._failed() from None
        return pid

    def _await_launcher(self) -> None:
        """Wait until the launcher runs, whose life is bound to the monitor's then. Raises Fault when the sandbox dies or takes
        too long."""
        until = time.monotonic() + START_WITHIN
        poll = select.poll()
        poll.register(self._word, select.POLLIN)  # ends when all do that have it
        if not poll.poll(START_WITHIN * 1000) or not os.read(self._word, 1):
            raise self._failed()
        with suppress(OSError):
            while time.monotonic() < until and not watch.dead(self._monitor_fd, 0):
                if watch.waits_for(self._pid, "bwrap"):
                    return
                time.sleep(SHORT)
        raise self._failed()

    def _open_places(self) -> None:
        """Open the folders that the payload may fill. Raises OSError."""
        root, command = Path(f"/proc/{self._pid}/root"), self._command
        places = BOUNDED if command.harvest is not None else [n for n in BOUNDED if not n.endswith("out")]
        for name in (*places, *([str(command.home)[1:]] if command.home else [])):
            self._writable[name] = os.open(root / name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def _lay_out(self) -> None:
        """Lay out the payload's tree. Raises OSError."""
        try:
            watch.lay_out(self._command.tree, self._writable["overnight/work"], "tree", self._owner)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._end("disk")  # the candidate's tree is larger than it may be, which is no fault of the machine's

    def release(self) -> BubblewrapProcess:
        """Let the payload begin; one that was killed meanwhile has ended before. Raises Fault when the sandbox broke."""
        since = time.monotonic()
        try:
            for name in DEVICES:
                with suppress(OSError):
                    os.utime(f"/dev/{name}")  # an earlier payload may have left word in its times
            if self._group is not None:
                self._group.begin()
            self._begun(self._pid, self._setup_seconds + time.monotonic() - since)
            self._say(b"go\n")
        except BaseException:
            self.discard()
            raise
        return self

    def _say(self, word: bytes) -> None:
        """Tell the launcher, unless it was ended. Raises Fault where it is gone and was not."""
        if self._killed:
            return  # it may not be dead yet, and must not begin any more
        gone = watch.dead(self._monitor_fd, 0)  # it follows the launcher, though the first process may still hold the socket
        try:
            os.write(self._word, word)
        except OSError:
            gone = True
        if gone and not self._killed:
            raise self._failed()

    def _failed(self) -> Fault:
        """The sandbox itself broke before the payload began."""
        ended = watch.dead(self._monitor_fd, SHORT)
        self._end("stopped")
        said, code = self._drain.result()[1].decode(errors="replace").strip(), self._status()
        how = f"ended with status {code}" if ended else f"was not ready in {time.monotonic() - self._clock:.0f} s"
        return Fault(f"the sandbox failed to start: {said or f'bwrap said nothing and {how}'}")

    def discard(self) -> None:
        """Remove all of a sandbox whose payload does not begin, or is not waited for."""
        self._end("stopped")
        if self._monitor_fd >= 0:
            self._status()
        if self._pidfd >= 0:
            self._account()
            self._drain.result()
        self._close()

    # -- end --

    def _slay(self) -> None:
        """Kill the monitor first: then this process becomes the parent of pid 1, and reads its resource usage."""
        for fd in (self._monitor_fd, self._pidfd):
            if fd >= 0:
                watch.slay(fd)

    def _used(self) -> tuple[float, int]:
        return watch.cpu_of(self._pid), watch.memory_of(self._pid, self._limits.memory)

    def wait(self) -> Ended:
        """Block until the tree is dead, then take its artefacts."""
        try:
            while not watch.dead(self._monitor_fd, self._patience()):
                self._look()
                if any(map(watch.folder_is_full, self._writable.values())):
                    self._end("disk")
        except BaseException:
            self.discard()  # no payload goes on unwatched
            raise
        self._over()
        code = self._status()
        watch.slay(self._pidfd)
        reaped = self._account()
        try:
            self._count()
            outside = code < 0 or not reaped  # a payload's signal is reported as 128 and more
            if outside and not self._killed:
                raise Fault("the sandbox was killed from outside.")
            if self._command.harvest is not None and not watch.reason(self._killed, code):
                watch.harvest(self._writable["overnight/out"], self._command.harvest, self._limits.disk)
        finally:
            self._close()
        return self._ended(code if code < 128 else 128 - code)

    def _status(self) -> int:
        """How it ended: its status, 128 and more for a signal; below 0 where it was killed from outside."""
        return self._monitor.wait()

    def _account(self) -> bool:
        """Take CPU seconds and peak bytes of what pid 1 waited for; the kernel makes this process its parent when the monitor
        dies. False when the monitor has reaped it, which it only does when pid 1 was killed."""
        watch.dead(self._pidfd, START_WITHIN)
        try:
            usage = os.wait4(self._pid, 0)[2]
        except ChildProcessError:
            return False
        self._cpu, self._peak = max(self._cpu, usage.ru_utime + usage.ru_stime), max(self._peak, usage.ru_maxrss << 10)
        return True

    def _close(self) -> None:
        with self._ending:
            for fd in (self._monitor_fd, self._pidfd, self._word, *self._writable.values()):
                if fd >= 0:
                    os.close(fd)
            self._monitor_fd = self._pidfd = self._word = -1
            self._writable = {}
        if self._group is not None:
            self._group.close()


def memory_file(content: bytes) -> int:
    """A descriptor in memory from which `content` is read."""
    fd = os.memfd_create("overnight")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
