"""One command under bwrap, from its start to its artefacts.

Covered: the payload begins only when every mount is in place, its limits are set, its cgroup holds it and its life is bound
to that of Overnight; the whole tree dies with its first process; artefacts are taken after that, through a descriptor.
Not covered: which mounts and rights the payload has, which is `bubblewrap`'s to say.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from overnight.contracts import Command, Ended
from overnight.errors import Fault
from overnight.sandbox import watch, world
from overnight.sandbox.kernel.cgroups import Cgroups
from overnight.sandbox.supervised import Supervised
from overnight.sandbox.world import OWN

USER = 1000  # number inside of the user of Overnight
SHORT = 0.0001  # seconds between two looks for a sign of the sandbox: a payload waits meanwhile
START_WITHIN = 20.0  # seconds after which a sandbox that is not ready is a fault
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")  # of the host, in every sandbox: any user may open them
BOUNDED = ("overnight/work", "overnight/out", "tmp", "dev/shm")  # where a payload may write


class BubblewrapProcess(Supervised):
    """One command under bwrap. It has two processes to kill: bwrap's monitor on the host, and pid 1 inside."""

    def __init__(self, command: Command, argv: list[str], setup: list[str], rules: bytes, groups: Cgroups | None,
                 owner: int | None) -> None:
        """`argv` is bwrap and, with it, what runs inside before the command; `setup` are bwrap's options, `rules` is the BPF
        program that filters system calls. The cgroup is made in `groups`, if there is such a place. `owner` is the number of
        the user under which the command runs; None: the user of Overnight. Raises Fault, OSError."""
        super().__init__(command)
        self._pidfd = -1
        self._writable: dict[str, int] = {}
        self._etc = world.etc(USER if owner is None else owner, command.home)
        ready = f"/.ready-{secrets.token_hex(8)}"
        told = self._open(command, argv, setup, rules, ready)
        try:
            with told:
                if groups is not None:
                    self._group = groups.make(command.limits.memory, command.limits.processes)  # while bwrap is busy
                self._pid = self._first_process(told.read())
            if self._group is not None:
                self._group.add(self._pid)  # of which all others will be children, before there are any
            watch.limit(self._pid, **world.bounds(command.limits, counted=self._group is not None))
            self._release(ready, command, owner)
        except BaseException:
            self._abandon()
            raise
        self._begun(self._pid)

    # -- start --

    def _open(self, command: Command, argv: list[str], setup: list[str], rules: bytes, ready: str) -> BinaryIO:
        """Start bwrap, and a thread that reads its output. Returns the stream that names its first process. Raises OSError."""
        info, info_theirs = os.pipe()
        block_theirs, self._block = os.pipe()
        word_theirs, self._word = os.pipe()
        place = setup.index(f"{OWN}/work") - 5
        filters, etc = _memory_file(rules), {path: _memory_file(text.encode()) for path, text in self._etc.items()}
        texts = [word for path, fd in etc.items() for word in ("--perms", "0444", "--file", str(fd), path)]
        options = _memory_file("\0".join([*setup[:place], *texts, "--perms", "0555", "--dir", ready, *setup[place:],
                                          "--info-fd", str(info_theirs), "--block-fd", str(block_theirs),
                                          "--seccomp", str(filters)]).encode() + b"\0")
        given = () if command.stdin is None else (command.stdin,)
        if given:
            os.fchmod(given[0], 0o666)  # the throw-away user opens it anew
        try:
            self._monitor = subprocess.Popen(
                [argv[0], "--args", str(options), "--", *argv[1:]],
                env={}, close_fds=True,
                pass_fds=(options, filters, info_theirs, block_theirs, *etc.values(), *given, *command.fds),
                stdin=word_theirs, stdout=subprocess.PIPE if command.stdout is None else command.stdout, stderr=subprocess.PIPE,
                start_new_session=True)  # Ctrl-C is for Overnight, not for what it measures
        except OSError:
            for fd in (info, self._block, self._word):
                os.close(fd)
            raise
        finally:
            for fd in (options, filters, *etc.values(), info_theirs, block_theirs, word_theirs):
                os.close(fd)
        self._monitor_fd = os.pidfd_open(self._monitor.pid)
        self._drain = watch.Drain(self._monitor.stdout, self._monitor.stderr, command.limits.output, self._end, command.heard)
        return open(info, "rb")

    def _first_process(self, text: bytes) -> int:
        try:
            pid: int = json.loads(text)["child-pid"]
            self._pidfd = os.pidfd_open(pid)
        except (ValueError, ProcessLookupError):  # it was killed before it had said all, or said anything
            raise self._failed() from None
        return pid

    def _release(self, ready: str, command: Command, owner: int | None) -> None:
        """Let the payload begin once every mount is in place, the folders that it may fill are open here, and its tree is
        laid out."""
        root = Path(f"/proc/{self._pid}/root")
        self._until(lambda: (root / ready[1:]).exists())
        places = BOUNDED if command.harvest is not None else [n for n in BOUNDED if not n.endswith("out")]
        for name in (*places, *([str(command.home)[1:]] if command.home else [])):
            self._writable[name] = os.open(root / name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        os.write(self._block, b"\n")
        try:
            watch.lay_out(command.tree, self._writable["overnight/work"], "tree", owner)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._end("disk")  # the candidate's tree is larger than it may be, which is no fault of the machine's
            return
        self._until(lambda: watch.waits_for(self._pid, "bwrap"))  # from here on its life is bound to the monitor's
        for name in DEVICES:
            with suppress(OSError):
                os.utime(f"/dev/{name}")  # an earlier payload may have left word in its times
        os.write(self._word, b"go\n")

    def _until(self, come: Callable[[], bool]) -> None:
        """Wait for a sign of the sandbox. Raises Fault when it dies or takes too long."""
        until = time.monotonic() + START_WITHIN
        while True:
            with suppress(OSError):
                if come():
                    return
            if time.monotonic() > until or watch.dead(self._monitor_fd, 0):
                raise self._failed()
            time.sleep(SHORT)

    def _failed(self) -> Fault:
        """The sandbox itself broke before the payload began."""
        ended = watch.dead(self._monitor_fd, SHORT)
        self._end("stopped")
        said, code = self._drain.result()[1].decode(errors="replace").strip(), self._monitor.wait()
        how = f"ended with status {code}" if ended else f"was not ready in {time.monotonic() - self._clock:.0f} s"
        return Fault(f"the sandbox failed to start: {said or f'bwrap said nothing and {how}'}")

    def _abandon(self) -> None:
        """Remove all of a sandbox that did not start."""
        self._end("stopped")
        self._monitor.wait()
        if self._pidfd >= 0:
            self._account()
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
            self._abandon()  # no payload goes on unwatched
            raise
        self._over()
        code = self._monitor.wait()
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
            for fd in (self._monitor_fd, self._pidfd, self._block, self._word, *self._writable.values()):
                if fd >= 0:
                    os.close(fd)
            self._monitor_fd = self._pidfd = self._block = self._word = -1
            self._writable = {}
        if self._group is not None:
            self._group.close()


def _memory_file(content: bytes) -> int:
    """A descriptor in memory from which bwrap reads `content`."""
    fd = os.memfd_create("overnight")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
