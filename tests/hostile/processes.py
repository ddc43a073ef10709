"""A command in a process that was started as a user starts it, a server among them."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from forks import slay

CALLS = ({"id": 1, "method": "initialize", "params": {"protocolVersion": "2025-03-26", "capabilities": {},
                                                      "clientInfo": {"name": "victim", "version": "1"}}},
         {"method": "notifications/initialized"}, {"id": 2, "method": "tools/list", "params": {}},
         {"id": 3, "method": "tools/call", "params": {"name": "brief", "arguments": {}}})


def started(arguments, env, cwd, output, seconds):
    """Run a command in a process of its own; its exit status, None where it did not end in time."""
    with open(output, "wb") as said:
        process = subprocess.Popen([sys.executable, "-P", "-m", "overnight.cli", *arguments], env=env, cwd=cwd, stdin=subprocess.PIPE,
                                   stdout=said, stderr=said, start_new_session=True)
        try:
            if arguments[0] == "mcp":
                _converse(process, Path(output), seconds)
            process.stdin.close()
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            slay(process.pid)
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
