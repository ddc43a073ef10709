"""The harness' side of an oracle, without a sandbox: the same descriptors, and a fresh process whenever one is asked for.

    with Candidate("for line in sys.stdin: say(json.loads(line))") as candidate:
        oracle = Oracle.given()
        ...
        oracle = fresh()
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading

from overnight.scoring import Oracle

# What a candidate of a few lines wants to have at hand. `say` answers a line, `give` raw bytes.
PREAMBLE = """\
import json, os, sys, time
def say(value):
    sys.stdout.buffer.write(json.dumps(value).encode() + b"\\n")
    sys.stdout.buffer.flush()
def give(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
def questions():
    for line in sys.stdin.buffer:
        header = json.loads(line)
        yield header, sys.stdin.buffer.read(header.get("bytes", 0))
"""
ENVIRONMENT = {"PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1"}


class Candidate:
    """A candidate's source as a process, told to a scorer in this very process through the environment. `starts` counts
    its processes; more than `most` fresh ones are refused."""

    def __init__(self, source, most=10_000, env=None):
        self.source, self.most, self.env = PREAMBLE + source, most, dict(env or {}) | ENVIRONMENT
        self.starts, self.process = 0, None

    def __enter__(self):
        self.before = {name: os.environ.get(name) for name in ("OVERNIGHT_ASK", "OVERNIGHT_ANSWER", "OVERNIGHT_FRESH")}
        ask, answer = self.start()
        self.ours, self.theirs = socket.socketpair()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        for name, number in zip(self.before, (ask, answer, self.theirs.fileno()), strict=True):
            os.environ[name] = str(number)
        return self

    def __exit__(self, *error):
        current, Oracle.current = Oracle.current, None
        given = [int(os.environ[name]) for name in ("OVERNIGHT_ASK", "OVERNIGHT_ANSWER") if name in os.environ]
        for number in given:
            os.close(number)
        if current is not None:
            with contextlib.suppress(Exception):
                current.close()
        self.theirs.close()
        self.thread.join()
        self.ours.close()
        self.end()
        for name, value in self.before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    def start(self):
        """A new process; our ends of its two pipes."""
        (theirs, ask), (answer, reply) = os.pipe(), os.pipe()
        self.starts += 1
        self.process = subprocess.Popen([sys.executable, "-c", self.source], stdin=theirs, stdout=reply, env=self.env,
                                        stderr=subprocess.DEVNULL)
        os.close(theirs)
        os.close(reply)
        return ask, answer

    def end(self):
        """Kill the process that runs."""
        self.process.kill()
        self.process.wait()

    def serve(self):
        """Answer each b"+" with a fresh process' two descriptors, or with why not."""
        while self.ours.recv(1):
            if self.starts > self.most:
                why = b"it was asked for too often"
                self.ours.sendall(b"-" + len(why).to_bytes(2, "big") + why)
                continue
            self.end()
            ends = self.start()
            socket.send_fds(self.ours, [b"+"], ends)
            for end in ends:
                os.close(end)
