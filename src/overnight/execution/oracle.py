"""Scorer and oracle side by side: the scorer asks over a pipe, the candidate's process answers over another.

Covered: no other process holds those pipes; the scorer can have a fresh process in a fresh sandbox at any time, made from the
same commit and the same artefacts, and the one before is dead by then, with everything that it remembered or wrote.
Not covered: what the answers mean, and how long to wait for one, which is the scorer's.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from msgspec.structs import replace

from overnight.contracts import Command, Ended, Held, Process, Sandbox
from overnight.errors import Fault
from overnight.execution.held import prepared

MOST_ORACLES = 10_000  # oracles for one scorer
END_WITHIN = 1.0  # seconds that an oracle has to end by itself where its scorer failed
FRESH, REFUSED = b"+", b"-"  # the scorer's one-byte wish, and the answers to it
AUDIT = b"a"  # the same wish, for an oracle that only audits what another one answered


class Judging:
    """A scorer, and where there is one the oracle that it may ask: both are set up, and begin when it is run. One of `run` and
    `discard` must be called."""

    def __init__(self, sandbox: Sandbox, scorer: Command, oracle: Command | None) -> None:
        """Set them up. The calling thread must outlive them. Raises Fault."""
        self._ends = ExitStack()  # what is given to the scorer, which must be open until it begins
        self._mine: socket.socket | None = None
        self._oracles = None if oracle is None else Oracles(sandbox, oracle)
        try:
            self._scorer = prepared(sandbox, scorer if self._oracles is None else self._asking(scorer, self._oracles))
        except BaseException:
            self._close()
            raise

    def _asking(self, scorer: Command, oracles: Oracles) -> Command:
        """A scorer that can ask an oracle, and have another."""
        self._mine, theirs = socket.socketpair()
        self._ends.enter_context(theirs)
        ask, answer = self._ends.enter_context(oracles.held())
        env = {"OVERNIGHT_ASK": str(ask), "OVERNIGHT_ANSWER": str(answer), "OVERNIGHT_FRESH": str(theirs.fileno())}
        return replace(scorer, env=scorer.env | env, fds=(ask, answer, theirs.fileno()))

    def run(self, running: Callable[[Any], None]) -> tuple[Ended, Ended | None]:
        """How the scorer ended; and of the oracles the first that failed by itself, else the last. Raises Fault."""
        try:
            process = self._begun()
            running(process)
            return self._asked(process, self._oracles) if self._oracles is not None else (process.wait(), None)
        finally:
            self._close()

    def _begun(self) -> Process:
        """The scorer, once both have begun. Raises Fault."""
        try:
            if self._oracles is not None:
                self._oracles.release()
        except BaseException:
            self._scorer.discard()
            raise
        process = self._scorer.release()
        self._ends.close()
        return process

    def _asked(self, process: Process, oracles: Oracles) -> tuple[Ended, Ended]:
        assert self._mine is not None
        with ThreadPoolExecutor(1) as beside:  # the thread that starts an oracle must outlive it
            serving = beside.submit(oracles.serve, self._mine)
            scored = process.wait()
            if scored.code and not scored.killed:
                oracles.linger(END_WITHIN)
            oracles.kill()
            serving.result()
        return scored, oracles.ended()

    def kill(self) -> None:
        """End both, from whatever thread; they may not have begun."""
        if self._oracles is not None:
            self._oracles.kill()
        self._scorer.kill()

    def discard(self) -> None:
        """End both, which have not begun."""
        self._scorer.discard()
        self._close()

    def _close(self) -> None:
        """Leave no oracle and no descriptor behind."""
        if self._oracles is not None:
            self._oracles.close()
        self._ends.close()
        if self._mine is not None:
            self._mine.close()


class Oracles:
    """The candidate's answering processes, one at a time, and `most` in all."""

    def __init__(self, sandbox: Sandbox, command: Command, most: int = MOST_ORACLES) -> None:
        self._sandbox, self._command, self._most = sandbox, command, most
        self._lock = threading.Lock()
        self._held: Future[Held] | None = None
        self._theirs: tuple[int, ...] = ()  # the ends of its pipes that it holds itself, once it has begun
        self._process: Process | None = None
        self._waiting: Future[Ended] | None = None
        self._keeper = ThreadPoolExecutor(1)  # sets each up, and waits for it, which holds it to its limits
        self._failed: Ended | None = None  # the first that met a limit or broke, and was not merely ended by Overnight
        self._last: Ended | None = None
        self._cpu, self._peak, self._setup = 0.0, 0, 0.0
        self._waited: float | None = None  # seconds, of those of which it is known
        self._count, self._over = 0, False
        self._auditing, self._audits = False, 0.0

    @contextmanager
    def held(self) -> Iterator[tuple[int, int]]:
        """A fresh oracle, which is set up meanwhile and waits to be released; the ends of its pipes for the scorer, where to
        ask and where the answer comes, open until the end of the block."""
        ask_theirs, ask = os.pipe()
        answer, answer_theirs = os.pipe()
        self._theirs = ask_theirs, answer_theirs
        try:
            command = replace(self._command, stdin=ask_theirs, stdout=answer_theirs)
            self._held = self._keeper.submit(prepared, self._sandbox, command)
            yield ask, answer
        finally:
            os.close(ask)
            os.close(answer)
            self._let_go()

    @contextmanager
    def started(self) -> Iterator[tuple[int, int]]:
        """The same of one that begins at once."""
        with self.held() as pipes:
            self.release()
            yield pipes

    def release(self) -> None:
        """Let the oracle that is held begin. Raises Fault."""
        if not self._begin():
            raise Fault("the oracle was stopped from outside.")

    def _begin(self) -> bool:
        """The same; whether any may begin still. Raises Fault."""
        assert self._held is not None
        try:
            held = self._held.result()
            with self._lock:
                if self._over:
                    return False
                self._held, self._process = None, held.release()
                self._waiting = self._keeper.submit(self._process.wait)
        finally:
            self._let_go()
        self._count += 1
        return True

    def _let_go(self) -> None:
        """Close the ends of the oracle's own, once it has them itself. Where it is being set up still, that comes first."""
        if self._held is not None:
            wait([self._held])
        theirs, self._theirs = self._theirs, ()
        for fd in theirs:
            os.close(fd)

    def serve(self, wishes: socket.socket) -> None:
        """Give the scorer a fresh oracle as often as it asks for one, until it is dead. Raises Fault."""
        try:
            while (wish := wishes.recv(1)) in (FRESH, AUDIT):
                if self._count >= self._most:
                    _refuse(wishes, f"a scorer may have {self._most:,} oracles")
                    continue
                self._end()
                self._auditing = wish == AUDIT
                with self.held() as pipes:
                    if not self._begin():
                        return  # the scorer is dead
                    socket.send_fds(wishes, [FRESH], list(pipes))
        except ConnectionError:
            return  # it died while it waited for the answer
        finally:
            wishes.close()  # whatever went wrong, it must not wait for us

    def _end(self) -> None:
        """Kill the oracle and keep how it ended. Raises Fault."""
        with self._lock:
            process, waiting = self._process, self._waiting
            self._process = self._waiting = None
        if process is not None and waiting is not None:
            process.kill()
            ended = waiting.result()
            self._last = ended
            self._cpu, self._peak = self._cpu + ended.cpu, max(self._peak, ended.peak_memory)
            self._setup += ended.setup
            self._audits += ended.cpu * self._auditing
            if ended.load is not None and ended.load.waited is not None:
                self._waited = (self._waited or 0.0) + ended.load.waited
            if ended.killed not in ("", "stopped") or (not ended.killed and ended.code):
                self._failed = self._failed or ended

    def linger(self, seconds: float) -> None:
        """Give the oracle that there is so long to end by itself: one that broke says its last word a moment before it ends,
        and is what the scorer failed for."""
        with self._lock:
            waiting = self._waiting
        if waiting is not None:
            wait([waiting], seconds)

    def kill(self) -> None:
        """End the oracle that there is, and start no other."""
        with self._lock:
            self._over = True
            if self._process is not None:
                self._process.kill()

    def ended(self) -> Ended:
        """How the oracles ended, when the scorer is dead: the first that failed by itself, else the last, with the CPU,
        setup and waited seconds of all and the most memory of any. Raises Fault."""
        self._end()
        found = self._failed or self._last
        assert found is not None
        load = None if found.load is None else replace(found.load, waited=self._waited)
        return replace(found, cpu=self._cpu, peak_memory=self._peak, setup=self._setup, load=load, audits=self._audits)

    def close(self) -> None:
        """Leave no process behind."""
        self.kill()
        with suppress(Fault):  # it could not be set up, and was not asked
            if self._held is not None:
                self._held.result().discard()
        self._held = None
        with suppress(Fault):
            self._end()
        self._keeper.shutdown()


def _refuse(wishes: socket.socket, why: str) -> None:
    text = why.encode()
    wishes.sendall(REFUSED + struct.pack(">H", len(text)) + text)
