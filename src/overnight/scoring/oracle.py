"""The candidate as a process behind two pipes: it is asked, and answers within a time and with a size that the scorer chooses.

A question is one line of JSON, `ask`, or one line with a number of bytes and then the bytes, `exchange`. An answer is one
line of JSON, or raw bytes of a number known beforehand. A whole candidate:

    for line in sys.stdin.buffer:
        tokens = sys.stdin.buffer.read(json.loads(line)["bytes"])
        sys.stdout.buffer.write(answer(tokens))
        sys.stdout.buffer.flush()

Covered: answers that come too late, drop by drop, too long, too short, unasked or never; a process that dies.
Not covered: what an answer means, which is the scorer's to judge; the sandbox, which is the harness'.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import select
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from overnight.scoring.answer import Broken, Foul, parse

if TYPE_CHECKING:
    import numpy

MOST_ANSWER_BYTES = 1 << 20  # bytes of an answer in JSON
PIPE = 1 << 20  # bytes that a pipe may hold, as much as Linux gives an ordinary user
LAST_WORDS = 5.0  # seconds in which an oracle that is asked no more may end
MORE = "the oracle said more than it was asked."
CHUNK = 1 << 16  # bytes read at once where the length of an answer is not known
Some = TypeVar("Some", bytes, int)
_JSON = json.JSONEncoder(allow_nan=False)


class Oracle:
    """One process of the candidate. Not to be used any more once `fresh` made another.

    asked    how many questions it was asked
    elapsed  seconds of the last answer, from the last byte of the question to the last byte of the answer
    whole    the same from the first byte of the question on
    """

    current: ClassVar[Oracle | None] = None

    def __init__(self, ask: int, answer: int) -> None:
        self._ask, self._answer, self._closed = ask, answer, False
        self._writable, self._readable = select.poll(), select.poll()
        self._writable.register(ask, select.POLLOUT)
        self._readable.register(answer, select.POLLIN)
        self.asked, self.elapsed, self.whole = 0, 0.0, 0.0
        self._between = True  # questions: the last was answered whole
        for fd in (ask, answer):
            os.set_blocking(fd, False)
            _widen(fd)

    @classmethod
    def given(cls) -> Oracle:
        """The process that the harness started, or the last fresh one."""
        if cls.current is None:
            ask, answer = os.environ.pop("OVERNIGHT_ASK", ""), os.environ.pop("OVERNIGHT_ANSWER", "")
            if not ask or not answer:
                raise RuntimeError("there is no oracle to ask: [oracle] is missing in track.toml.")
            cls.current = cls(int(ask), int(answer))
        return cls.current

    def ask(self, message: object, within: float = 10.0, longest: int = MOST_ANSWER_BYTES) -> Any:
        """Ask in one line of JSON; the answer's value, within so many seconds and bytes. Raises Broken and Foul."""
        deadline = self._send((_JSON.encode(message).encode() + b"\n",), within)
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self._got(lambda: os.read(self._answer, CHUNK), deadline, within)
            end = line.find(b"\n", max(0, len(line) - CHUNK))
            if (end if end >= 0 else len(line)) > longest:
                raise Broken(f"an answer is longer than {longest} bytes.")
            if 0 <= end < len(line) - 1:
                raise Foul(MORE)
        self._received(deadline, within)
        return parse(line, "an answer")

    def exchange(self, header: Mapping[str, object], payload: bytes | bytearray | memoryview, expect: int,
                 within: float = 60.0) -> bytearray:
        """Send a header, to which "bytes" is added, and raw bytes; read exactly `expect` raw bytes. Raises Broken and Foul."""
        raw = memoryview(payload).cast("B")
        line = _JSON.encode({**header, "bytes": len(raw)}).encode() + b"\n"
        deadline = self._send((line, raw), within)
        answer = bytearray(expect)
        with memoryview(answer) as room:
            at = 0
            while at < expect:
                at += self._got(partial(os.readv, self._answer, [room[at:]]), deadline, within)
        self._received(deadline, within)
        return answer

    def exchange_array(self, header: Mapping[str, object], array: numpy.ndarray[Any, Any], shape: tuple[int, ...],
                       dtype: str = "float32", within: float = 60.0, finite: bool = True) -> numpy.ndarray[Any, Any]:
        """`exchange` for arrays, little-endian and in C order; "shape" and "dtype" are added to the header. Raises
        Broken, also where a number that came is not finite, unless `finite` is False."""
        import numpy
        question = numpy.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        kind = numpy.dtype(dtype).newbyteorder("<")
        if kind.kind not in "iuf":
            raise ValueError(f"an answer cannot be of dtype {dtype}: ask for numbers.")
        header = {**header, "shape": question.shape, "dtype": question.dtype.name}
        data = self.exchange(header, question.data if question.size else b"", math.prod(shape) * kind.itemsize, within)
        answer = numpy.frombuffer(data, kind).reshape(shape)
        if finite:
            all_finite(answer, "an answer")
        return answer

    def speaks_on(self) -> bool:
        """Whether it says more, once it knows that it is asked no more, than its answers. It is not to be used after that."""
        if self._closed or not self._between:
            return False
        try:
            os.close(self._ask)
            _wait(self._readable, time.monotonic() + LAST_WORDS, LAST_WORDS)
            return self._pending()
        except Broken:  # it says nothing and does not end
            return False
        finally:
            self._closed = True
            os.close(self._answer)

    def close(self) -> None:
        """Say no more to it. Raises Foul where it has said something unasked."""
        if self._closed:
            return
        try:
            if self._pending():
                raise Foul("the oracle spoke without being asked.")
        finally:
            self._closed = True
            os.close(self._ask)
            os.close(self._answer)
            Oracle.current = None if Oracle.current is self else Oracle.current

    # -- the pipes --

    def _send(self, parts: tuple[bytes | memoryview, ...], within: float) -> float:
        """Write a question whole; the deadline of its answer."""
        if self._closed:
            raise RuntimeError("this oracle was ended: a fresh one took its place.")
        if self._pending():
            raise Foul("the oracle answered before it was asked.")
        self.asked += 1
        self._between = False
        self._began = time.monotonic()
        deadline = self._began + within
        for part in parts:
            left = memoryview(part)
            while left:
                try:
                    left = left[os.write(self._ask, left):]
                except BlockingIOError:
                    _wait(self._writable, deadline, within)
                except BrokenPipeError:
                    raise Broken("the oracle ended before it was asked everything.") from None
        self._sent = time.monotonic()
        return deadline

    def _pending(self) -> bool:
        """Whether something lies there to be read; its end does not count."""
        return any(event & select.POLLIN for _, event in self._readable.poll(0))

    def _got(self, read: Callable[[], Some], deadline: float, within: float) -> Some:
        """What `read` reads of the answer, at least one byte."""
        while True:
            _wait(self._readable, deadline, within)
            with suppress(BlockingIOError):  # the candidate itself may have taken what there was
                if got := read():
                    return got
                raise Broken("the oracle ended before it answered.")

    def _received(self, deadline: float, within: float) -> None:
        now = time.monotonic()
        self._between = True
        self.elapsed, self.whole = now - self._sent, now - self._began
        if now > deadline:
            raise Broken(f"the oracle took longer than {within:g} s.")


def audited() -> bool:
    """Whether this run is to be audited for cheating. Where the contract has `audit = "confirm"`, those of the baseline are,
    and those that confirm a candidate; the numbers must be the same either way."""
    return os.environ.get("OVERNIGHT_AUDIT", "1") != "0"


def fresh(audit: bool = False) -> Oracle:
    """A new sandbox of the same candidate, with nothing carried over; the oracle before it is ended. Raises Foul where that
    one has said something unasked. `audit`: it only audits what another answered; where not all runs are audited, its CPU is
    not counted as the candidate's."""
    number = os.environ.get("OVERNIGHT_FRESH", "")
    if not number:
        raise RuntimeError("there is no oracle to start afresh: [oracle] is missing in track.toml.")
    if Oracle.current is not None:
        Oracle.current.close()
    harness = socket.socket(fileno=int(number))
    try:
        harness.sendall(b"a" if audit else b"+")
        said, fds, _, _ = socket.recv_fds(harness, 1, 2)
        if said != b"+" or len(fds) != 2:
            raise RuntimeError(f"no fresh oracle could be had: {_why_not(harness) if said == b'-' else 'the harness is gone'}")
    finally:
        harness.detach()
    for fd in fds:
        os.set_inheritable(fd, False)
    Oracle.current = Oracle(*fds)
    return Oracle.current


def all_finite(array: numpy.ndarray[Any, Any], what: str) -> None:
    """Raise Broken unless every number of an array is finite."""
    import numpy
    flat = array.reshape(-1)
    if flat.dtype.kind == "f":
        for start in range(0, flat.size, CHUNK):  # pieces that fit the cache
            if not numpy.isfinite(flat[start:start + CHUNK]).all():
                raise Broken(f"{what} holds a number that is not finite.")


def _why_not(harness: socket.socket) -> str:
    """The harness' sentence: two bytes of length, then UTF-8."""
    size = int.from_bytes(harness.recv(2, socket.MSG_WAITALL), "big")
    return harness.recv(size, socket.MSG_WAITALL).decode(errors="replace")


def _wait(poll: select.poll, deadline: float, within: float) -> None:
    """Sleep until a pipe is ready. Raises Broken at the deadline."""
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise Broken(f"the oracle took longer than {within:g} s.")


def _widen(pipe: int) -> None:
    """Let a pipe hold more, where the kernel has room for it."""
    with suppress(OSError):  # as many large pipes as a user may have: it is slower, nothing else
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)
