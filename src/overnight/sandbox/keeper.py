"""A small process that outlives this one by a second, to end sandboxes that were only being set up when this one was killed.

A running sandbox dies with Overnight by itself. One that is being set up may not: the first process inside waits for word from
its monitor before its life is bound to it, and when the monitor dies just then, it waits for ever.
Covered: `kill -9` of Overnight at any moment; whatever bears its name is ended within LINGERS seconds.
Not covered: the keeper killed with it; then the next start of a sandbox removes what is left.
"""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
from contextlib import suppress

from overnight.sandbox import watch

ROUNDS, PAUSE = 8, 0.15  # a process that was just being started gets its name only with its program
LINGERS = 3.0  # seconds
# It is told the name on its standard input, lest it bear it itself; the end of that input is the end of Overnight.
_SCRIPT = f"""
read -r name || exit
while read -r word; do [ "$word" = done ] && exit; done
for round in {" ".join(map(str, range(ROUNDS)))}; do
    for file in $(printf '%s\\n' "$name" | grep -lzxFf - /proc/[0-9]*/cmdline 2>/dev/null); do
        file=${{file#/proc/}}; kill -9 "${{file%/cmdline}}" 2>/dev/null
    done
    sleep {PAUSE}
done
"""


@functools.cache
def start() -> None:
    """Begin to keep this process; once is enough. Raises OSError."""
    kept = os.getpid()
    keeper = subprocess.Popen(["/bin/sh", "-c", _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env={"PATH": os.defpath}, cwd="/", start_new_session=True)
    assert keeper.stdin is not None
    keeper.stdin.write(f"{watch.name_of(kept)}\n".encode())
    keeper.stdin.flush()
    atexit.register(_end, keeper, kept)


def _end(keeper: subprocess.Popen[bytes], kept: int) -> None:
    """All is in order: it need not do anything."""
    if os.getpid() == kept:
        with suppress(OSError):
            keeper.communicate(b"done\n")
