"""What the system-call filter costs: a loop of cheap calls with it and without.

Nanoseconds for one call, the interpreter's own share included. With and without take turns, each round in a
process of its own, for a filter cannot be taken off again. getppid is always allowed, which the kernel (5.11 and later)
remembers without running the program; for an ioctl it runs the program each time and compares an argument; memfd_create
is refused before it does anything.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from bench.kit import Bench, Cell, Row, exact, median, ratio, seconds
from overnight.sandbox.kernel import seccomp

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER = 22, 38, 2


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def install() -> None:
    """Put this process under the filter, for good."""
    text = seccomp.program()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(Program(len(text) // 8, text)), 0, 0):
        raise OSError(ctypes.get_errno(), "the filter was not taken")


def refused() -> None:
    """Ask for what the filter refuses (and close what it gives where there is none)."""
    with suppress(PermissionError):
        os.close(os.memfd_create("bench"))


def calls() -> dict[str, Callable[[], object]]:
    """The calls that are measured."""
    pipe, room = os.pipe()[0], bytes(4)
    return {"getppid": os.getppid, "ioctl": lambda: fcntl.ioctl(pipe, termios.FIONREAD, room), "memfd_create": refused}


def measured(call: Callable[[], object], count: int, filtered: bool) -> float:
    """Nanoseconds of one call, in a child."""
    read, write = os.pipe()
    if not (child := os.fork()):
        if filtered:
            install()
        began = time.perf_counter_ns()
        for _ in range(count):
            call()
        os.write(write, struct.pack("d", (time.perf_counter_ns() - began) / count))
        os._exit(0)
    os.waitpid(child, 0)
    (took,) = struct.unpack("d", os.read(read, 8))
    os.close(read)
    os.close(write)
    return took


def rows(count: int, rounds: int) -> Iterator[Row]:
    """The program, then each call with and without it."""
    yield exact(f"instructions on {os.uname().machine}", len(seccomp.program()) // 8)
    yield median("building the program", [1e3 * s for s in seconds(seccomp.program.__wrapped__, rounds)], unit="ms")
    for name, call in calls().items():
        pairs = [(measured(call, count, False), measured(call, count, True)) for _ in range(rounds)]
        without, under = zip(*pairs, strict=True)
        yield median(f"{name}, without the filter", without, unit="ns")
        yield median(f"{name}, with it", under, unit="ns")
        yield ratio(f"{name}, with / without", under, without)


def cells(quick: bool) -> Iterator[Cell]:
    """All as one cell."""
    yield Cell("calls", partial(rows, 20_000, 7) if quick else partial(rows, 200_000, 9))


BENCH = Bench("seccomp", "What the filter of system calls costs; nothing is asked.", cells, timed=True)
