"""A command in a process that is forked from a server which has the imports behind it: it runs what a process of its own runs,
and takes a sixth of the time where it refuses. This module imports nothing that is slow, for each forked process imports it."""

import gc
import multiprocessing
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

PRELOADED = ["click", *(f"overnight.cli.{name}" for name in ("begin", "look", "night", "outside", "audit", "trust", "where")),
             "overnight.report.audit", "overnight.brief.page", "overnight.audit.run", "overnight.sandbox.bubblewrap"]
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(PRELOADED)


def _child(arguments, env, cwd, outputs):
    """In a process of its own: be the command."""
    os.setsid()
    for number, path in enumerate(outputs, 1):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(fd, number)
        os.close(fd)
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


def forked(arguments, env, cwd, outputs, seconds):
    """Run a command in a forked process, which appends what it prints to two files; its exit status, None where it did not end in
    time."""
    process = _forks.Process(target=_child, args=(arguments, env, str(cwd), [str(each) for each in outputs]))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        slay(process.pid)
        process.join()
        process.close()
        return None
    code = process.exitcode
    process.close()
    return code


def slay(pid):
    """End a process and all that descend from it: git runs in sessions of its own."""
    below = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            below += task.read_text().split()
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for each in below:
        slay(int(each))
