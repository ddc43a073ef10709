"""A program that is given some bytes, has a deadline, and leaves nothing behind in its process group.

Covered: one that hangs, forks, ignores its input, writes without an end or keeps its output open. Not covered: what leaves
its process group on purpose (`setsid`), for these are the user's own programs.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

TICK = 0.05  # seconds between two looks
NICE = 10
NEVER: Callable[[], bool] = bool


class Outcome(Struct, frozen=True):
    """How it ended: its exit status, None where it had to be killed; what it wrote, cut; the seconds that it took."""

    status: int | None
    output: bytes
    seconds: float


def run(words: Sequence[str], given: bytes, env: Mapping[str, str], deadline: float, most: int, errors: bool = True,
        stopped: Callable[[], bool] = NEVER) -> Outcome:
    """Run a program at nice 10 with `given` on its standard input, for `deadline` seconds at most or until `stopped`; at most
    so many bytes of its output are kept, with what it says on standard error where `errors` is true. Raises OSError where it
    cannot be started."""
    began = time.monotonic()
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT if errors else subprocess.DEVNULL, env=dict(env), cwd="/",
                               start_new_session=True)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
    output = bytearray()
    try:
        ended = _talk(process, given, output, most, lambda: stopped() or time.monotonic() - began > deadline)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # its leader is not reaped yet, so that the number is still its own
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
    return Outcome(process.returncode if ended else None, bytes(output), time.monotonic() - began)


def _talk(process: subprocess.Popen[bytes], given: bytes, output: bytearray, most: int, over: Callable[[], bool]) -> bool:
    """Give and take until it has ended, or time is over; whether it has ended."""
    assert process.stdin is not None and process.stdout is not None
    left = memoryview(given)
    with selectors.DefaultSelector() as ready:
        for pipe, event in ((process.stdin, selectors.EVENT_WRITE), (process.stdout, selectors.EVENT_READ)):
            os.set_blocking(pipe.fileno(), False)
            ready.register(pipe, event)
        while not over():
            ended = _ended(process)
            for key, _ in ready.select(0 if ended else TICK) if ready.get_map() else ():
                if key.fileobj is process.stdin:
                    left = _gave(process.stdin.fileno(), left)
                    done = not left
                    if done:
                        ready.unregister(process.stdin)
                        process.stdin.close()
                elif not _took(process.stdout.fileno(), output, most):
                    ready.unregister(process.stdout)
            if ended:
                return True
            if not ready.get_map():
                time.sleep(TICK)
    return _ended(process)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended; it is not reaped."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _gave(pipe: int, left: memoryview) -> memoryview:
    """What is left to write after some was; nothing where it does not read."""
    try:
        return left[os.write(pipe, left[:4096]):]
    except BlockingIOError:
        return left
    except OSError:
        return left[:0]


def _took(pipe: int, output: bytearray, most: int) -> bool:
    """Read what is there, and keep what fits; whether more may come."""
    try:
        part = os.read(pipe, 65536)
    except BlockingIOError:
        return True
    except OSError:
        return False
    output += part[:max(0, most - len(output))]
    return bool(part)
