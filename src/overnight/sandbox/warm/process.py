"""One command in a fork of a process that is kept warm, from its start to its artefacts.

Covered: what `kernel.process` covers for bubblewrap, with the same files, bounds and filter of calls.
Not covered: which of them, which is `bubblewrap`'s to say.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from overnight.contracts import Command
from overnight.errors import Fault
from overnight.sandbox import watch, world
from overnight.sandbox.kernel.cgroups import Cgroups
from overnight.sandbox.kernel.process import START_WITHIN, USER, BubblewrapProcess, memory_file
from overnight.sandbox.supervised import Supervised
from overnight.sandbox.warm import cold
from overnight.sandbox.warm.zygote import ENDED, Zygote

MOST_SAID = 1 << 10  # bytes of a fork's message
# Limits that the kernel counts for a process's forks as well, whatever their own: each of these has a bound of its own.
SHARED = {"nproc": 30_000, "sigpending": 1 << 20, "memlock": 1 << 30, "msgqueue": 1 << 30}
SELDOM = 1.0  # seconds between two looks at a process that is kept warm
_WHO = struct.Struct("3i")  # pid, user, group


class WarmProcess(BubblewrapProcess):
    """One command in a fork, held until it is released. It has two processes to kill: the one that waits outside of its
    namespaces, and pid 1 inside."""

    def __init__(self, zygote: Zygote, command: Command, options: Sequence[str], rules: bytes, groups: Cgroups | None,
                 owner: int | None, keeper: int | None) -> None:
        """`options` are bubblewrap's for the files inside, and `keeper` the number of the user whose these are; the rest is as
        for BubblewrapProcess. Raises Fault, and OSError where what is kept warm is gone."""
        said = cold.token()
        Supervised.__init__(self, replace(command, announces=said.encode()))
        self._monitor_fd = self._pidfd = self._word = -1
        self._writable: dict[str, int] = {}
        self._owner, self._keeper, self._zygote, self._full = owner, keeper, zygote, False
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._line.settimeout(START_WITHIN)
        try:
            if groups is not None:
                self._group = groups.make(command.limits.memory, command.limits.processes + 1)  # pid 1 besides
            with theirs:
                self._ask(theirs, options, rules, said)
            while self._heard():
                continue
            self._word = os.dup(self._line.fileno())
            self._open_places()
            if self._full:  # the candidate's tree is larger than it may be, which is no fault of the machine's
                self._end("disk")
        except BaseException:
            self.discard()
            raise
        self._line.settimeout(None)
        self._setup_seconds = time.monotonic() - self._clock

    def _ask(self, theirs: socket.socket, options: Sequence[str], rules: bytes, said: str) -> None:
        """Ask for a fork, and start a thread that reads what it prints. Raises OSError."""
        command, user = self._command, USER if self._owner is None else self._owner
        if command.stdin is not None:
            os.fchmod(command.stdin, 0o666)  # a program may open it anew
        env = world.environment(replace(command, imports=()))
        pack = self._zygote.pack(command.tree, command.limits.disk)
        self._full = pack.full
        limits = self._bounds()
        texts = [word for path, text in world.etc(user, command.home).items()
                 for word in ("--perms", "0444", "--text", text, path)]
        told = cold.config(command, world.words(command, env)[1:], said) | {
            "env": env, "user": user, "keeper": user if self._keeper is None else self._keeper, "network": command.network,
            "cores": sorted(os.sched_getaffinity(0)), "cwd": command.cwd,
            "files": [*options, *texts], "tree": pack.entries, "rules": base64.b64encode(rules).decode(),
            "fds": [0, 1, 2, *command.fds],
            "limits": {name.upper(): value for name, value in (limits | {"nproc": limits["nproc"] + 1}).items()}}
        with ExitStack() as stack:
            def mine(number: int) -> int:
                stack.callback(os.close, number)
                return number
            doors = [] if self._group is None else [mine(door) for door in self._group.doors()]
            request = mine(memory_file(json.dumps(told | {"doors": len(doors)}).encode()))
            out, out_theirs = (None, command.stdout) if command.stdout is not None else _pipe(mine)
            err, err_theirs = _pipe(mine)
            self._drain = watch.Drain(out, err, command.limits.output, self._end, command.heard, self._command.announces,
                                      self._announced)
            stdin = mine(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)) if command.stdin is None else command.stdin
            self._zygote.ask((theirs.fileno(), request, pack.file, *doors, stdin, out_theirs, err_theirs,
                              *command.fds))

    def _heard(self) -> bool:
        """Take one message of the fork and answer it; whether more are to come before it is ready. Raises Fault, and OSError
        where it is gone."""
        message, pid = self._message()
        word, *rest = message.split(b" ")
        if word == b"left":
            self._monitor_fd = os.pidfd_open(pid)
            self._line.send(self._mapped(pid))
        elif word == b"full":
            self._full = True
        elif word == b"ready":
            self._pid, self._pidfd = pid, os.pidfd_open(pid)
            self._cpu_before = float(rest[0]) if self._group is None else 0.0  # a group counts from the release on
        else:
            raise Fault(f"the sandbox failed to start: {message.decode(errors='replace')}")
        return word != b"ready"

    def _message(self) -> tuple[bytes, int]:
        """What the fork says, and the number here of the process that says it."""
        message, extra, _, _ = self._line.recvmsg(MOST_SAID, socket.CMSG_SPACE(_WHO.size))
        if not message:
            raise ConnectionError(ENDED)
        return message, _WHO.unpack(extra[0][2])[0]

    def _mapped(self, pid: int) -> bytes:
        """Set the user of a process in its new namespace, where only root can; the answer that it waits for."""
        if self._owner is None:
            return b"map"
        for kind in ("uid", "gid"):
            Path(f"/proc/{pid}/{kind}_map").write_text("".join(f"{user} {user} 1\n" for user in (self._owner, self._keeper)))
        return b"mapped"

    def _used(self) -> tuple[float, int]:
        inside = list(watch.children(self._pid))  # and not pid 1, which shows the same pages as the program
        return watch.cpu_of(self._pid), sum(watch.memory_of(pid, self._limits.memory) for pid in inside)

    def _count(self) -> None:
        super()._count()
        if self._group is not None:
            self._peak += self._zygote.held  # which a cold start would hold itself

    def _status(self) -> int:
        with suppress(OSError):
            while message := self._line.recv(MOST_SAID):
                word, *rest = message.split(b" ")
                if word == b"ended":
                    code, cpu, peak = map(float, rest)
                    self._cpu, self._peak = max(self._cpu, cpu), max(self._peak, int(peak))
                    return int(code)
        return -signal.SIGKILL

    def _account(self) -> bool:
        watch.dead(self._pidfd, START_WITHIN)
        return True

    def _close(self) -> None:
        self._line.close()
        super()._close()


class KeptProcess(BubblewrapProcess):
    """One that is kept warm: no run waits for it, so it is looked at seldom."""

    def release(self) -> KeptProcess:
        """Let it begin. Raises Fault when the sandbox broke."""
        super().release()
        return self

    def held(self) -> int:
        """Bytes of memory that are its own."""
        return watch.memory_of(self._pid)

    def _patience(self) -> float:
        return SELDOM

    def _bounds(self) -> dict[str, int]:
        return super()._bounds() | SHARED

    def _look(self) -> None:
        if self._group is not None and self._group.out_of_memory():
            self._end("memory")


class KeptRootProcess(KeptProcess):
    """The same where root starts it: bwrap covers parts of /proc only where it may write there, and where they are covered the
    kernel gives no other /proc."""

    without = ("/usr/bin/setpriv", "--bounding-set=-dac_override")


def _pipe(mine: Callable[[int], int]) -> tuple[BinaryIO, int]:
    """A pipe: a stream to read it, which its reader closes, and the other end."""
    ours, theirs = os.pipe()
    return open(ours, "rb"), mine(theirs)
