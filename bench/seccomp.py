"""What the system-call filter costs: a loop of cheap calls with it and without.

    PYTHONPATH=src python bench/seccomp.py [--calls 200000] [--rounds 9]

Each number is the least of the rounds (what else the machine does can only add), in nanoseconds for one call, the
interpreter's own share included; the column "adds" is the difference. With and without take turns, each round in a
process of its own, for a filter cannot be taken off again. getppid is always allowed, which the kernel (5.11 and later)
remembers without running the program; for an ioctl it runs the program each time and compares an argument; memfd_create
is refused before it does anything.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import struct
import termios
import time
from collections.abc import Callable
from contextlib import suppress

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


def build() -> float:
    """Milliseconds to make the program, without its cache."""
    began = time.perf_counter()
    seccomp.program.__wrapped__()
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser()
    words.add_argument("--calls", type=int, default=200_000)
    words.add_argument("--rounds", type=int, default=9)
    options = words.parse_args()
    print(f"{os.uname().machine}: {len(seccomp.program()) // 8} instructions, built in "
          f"{min(build() for _ in range(options.rounds)):.2f} ms\n")
    print(f"{'call':14}{'without':>10}{'with':>10}{'adds':>10}")
    for name, call in calls().items():
        pairs = [(measured(call, options.calls, False), measured(call, options.calls, True)) for _ in range(options.rounds)]
        bare, under = (min(side) for side in zip(*pairs, strict=True))
        print(f"{name:14}{bare:7.0f} ns{under:7.0f} ns{under - bare:+7.0f} ns")


if __name__ == "__main__":
    main()
