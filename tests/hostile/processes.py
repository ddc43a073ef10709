"""Two ways to run a command: in a process of its own, as a user does, and in one forked from a server that has the imports behind it.

The second runs what the first runs and takes a sixth of the time where a command refuses. This module imports nothing that is slow,
for each forked process imports it.
"""

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PRELOADED = ["click", *(f"overnight.cli.{name}" for name in ("begin", "look", "night", "outside", "audit", "trust", "where")),
             "overnight.report.audit", "overnight.brief.page", "overnight.audit.run", "overnight.sandbox.bubblewrap"]
CALLS = ({"id": 1, "method": "initialize", "params": {"protocolVersion": "2025-03-26", "capabilities": {},
                                                      "clientInfo": {"name": "victim", "version": "1"}}},
         {"method": "notifications/initialized"}, {"id": 2, "method": "tools/list", "params": {}},
         {"id": 3, "method": "tools/call", "params": {"name": "brief", "arguments": {}}})
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(PRELOADED)


def _child(arguments, env, cwd, output):
    """In a process of its own: be the command."""
    os.setsid()
    fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for each in (1, 2):
        os.dup2(fd, each)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None
    sys.path[:] = [place for place in sys.path if place.startswith("/")]  # as the installed command, which looks at no work tree
    os.chdir(cwd)
    from overnight.cli import main
    try:
        main(arguments, prog_name="overnight")
    except SystemExit as ended:
        code = ended.code
    gc.collect()  # a forked process ends without what an interpreter does at its end
    sys.exit(code)


def forked(arguments, env, cwd, output, seconds):
    """Run a command in a forked process; its exit status, None where it did not end in time."""
    process = _forks.Process(target=_child, args=(arguments, env, str(cwd), str(output)))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        _slay(process.pid)
        process.join()
        return None
    return process.exitcode


def _slay(pid):
    """End a process and all that descend from it: git runs in sessions of its own."""
    below = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            below += task.read_text().split()
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for each in below:
        _slay(int(each))


def started(arguments, env, cwd, output, seconds):
    """The same in a process that was started as a user starts it."""
    with open(output, "wb") as said:
        process = subprocess.Popen([sys.executable, "-P", "-m", "overnight.cli", *arguments], env=env, cwd=cwd, stdin=subprocess.PIPE,
                                   stdout=said, stderr=said, start_new_session=True)
        try:
            if arguments[0] == "mcp":
                _converse(process, Path(output), seconds)
            process.stdin.close()
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            _slay(process.pid)
            process.wait()
            return None


def _converse(process, output, seconds):
    """Speak to a server until the last call is answered or it ends."""
    with suppress(BrokenPipeError):
        process.stdin.write(b"".join(json.dumps({"jsonrpc": "2.0", **call}).encode() + b"\n" for call in CALLS))
        process.stdin.flush()
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until and b'"id":3' not in output.read_bytes().replace(b" ", b""):
        time.sleep(0.05)
