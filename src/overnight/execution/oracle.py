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
from contextlib import contextmanager, suppress
from typing import Any

from msgspec.structs import replace

from overnight.contracts import Command, Ended, Process, Sandbox
from overnight.errors import Fault

MOST_ORACLES = 10_000  # oracles for one scorer
END_WITHIN = 1.0  # seconds that an oracle has to end by itself where its scorer failed
FRESH, REFUSED = b"+", b"-"  # the scorer's one-byte wish, and the answers to it


def asked(sandbox: Sandbox, scorer: Command, oracle: Command, running: Callable[[Any], None]) -> tuple[Ended, Ended]:
    """Run a scorer with an oracle that it may have anew. Returns how the scorer ended, and of the oracles the first that
    failed by itself, else the last. Raises Fault."""
    oracles = Oracles(sandbox, oracle)
    running(oracles)
    mine, theirs = socket.socketpair()
    try:
        with theirs, oracles.started() as (ask, answer):
            env = {"OVERNIGHT_ASK": str(ask), "OVERNIGHT_ANSWER": str(answer), "OVERNIGHT_FRESH": str(theirs.fileno())}
            command = replace(scorer, env=scorer.env | env, fds=(ask, answer, theirs.fileno()))
            process = sandbox.start(command)
        running(process)
        with ThreadPoolExecutor(1) as beside:  # the thread that starts an oracle must outlive it
            serving = beside.submit(oracles.serve, mine)
            scored = process.wait()
            if scored.code and not scored.killed:
                oracles.linger(END_WITHIN)
            oracles.kill()
            serving.result()
        return scored, oracles.ended()
    finally:
        oracles.close()
        mine.close()


class Oracles:
    """The candidate's answering processes, one at a time, and `most` in all."""

    def __init__(self, sandbox: Sandbox, command: Command, most: int = MOST_ORACLES) -> None:
        self._sandbox, self._command, self._most = sandbox, command, most
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._waiting: Future[Ended] | None = None
        self._waiters = ThreadPoolExecutor(1)  # waiting is what holds a process to its limits
        self._failed: Ended | None = None  # the first that met a limit or broke, and was not merely ended by Overnight
        self._last: Ended | None = None
        self._cpu, self._peak, self._setup = 0.0, 0, 0.0
        self._waited: float | None = None  # seconds, of those of which it is known
        self._count, self._over = 0, False

    @contextmanager
    def started(self) -> Iterator[tuple[int, int]]:
        """A fresh oracle; the ends of its pipes for the scorer, where to ask and where the answer comes, open until the end of
        the block. Raises Fault."""
        ask_theirs, ask = os.pipe()
        answer, answer_theirs = os.pipe()
        try:
            self._start(ask_theirs, answer_theirs)
            yield ask, answer
        finally:
            os.close(ask)
            os.close(answer)

    def _start(self, ask: int, answer: int) -> None:
        """Start an oracle that holds these ends itself from then on. Raises Fault."""
        try:
            with self._lock:
                if self._over:
                    raise Fault("the oracle was stopped from outside.")
                self._process = self._sandbox.start(replace(self._command, stdin=ask, stdout=answer))
                self._waiting = self._waiters.submit(self._process.wait)
        finally:
            os.close(ask)
            os.close(answer)
        self._count += 1

    def serve(self, wishes: socket.socket) -> None:
        """Give the scorer a fresh oracle as often as it asks for one, until it is dead. Raises Fault."""
        try:
            while wishes.recv(1) == FRESH:
                if self._count >= self._most:
                    _refuse(wishes, f"a scorer may have {self._most:,} oracles")
                    continue
                self._end()
                with self.started() as pipes:
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
        return replace(found, cpu=self._cpu, peak_memory=self._peak, setup=self._setup, load=load)

    def close(self) -> None:
        """Leave no process behind."""
        self.kill()
        with suppress(Fault):
            self._end()
        self._waiters.shutdown()


def _refuse(wishes: socket.socket, why: str) -> None:
    text = why.encode()
    wishes.sendall(REFUSED + struct.pack(">H", len(text)) + text)
