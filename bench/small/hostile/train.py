"""Leaves what it sees of the world that is not its own doing; each tenth seed then does what a run must not leave to the next.

Whatever a run before it left would be seen: files, processes, threads, modules that were changed, variables, limits.
"""

import builtins
import gc
import json
import os
import random
import resource
import signal
import socket
import sys
import threading
from pathlib import Path

SEED = int(os.environ["OVERNIGHT_SEED"])
MARK = "left-by-a-run"
OWN = ("OVERNIGHT_SEED", "PYTHONHASHSEED")  # what differs from run to run by right
WRITABLE = ("/tmp", "/dev/shm", os.environ["HOME"], os.environ["OVERNIGHT_OUT"], ".")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM)
MODULES = (builtins, json, json.decoder, json.encoder, os, random, socket, sys, threading)


def text(path):
    """A file of the kernel's; "" where there is none."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def processes():
    """The command line of each other process that can be seen, without the number of this run's own user."""
    return sorted(text(f"/proc/{name}/cmdline").replace("\0", " ").replace(str(os.getuid()), "USER")
                  for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid())


def descriptors():
    """What is open, without the folder that is being listed."""
    found = []
    for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
        try:
            found.append(os.readlink(f"/proc/self/fd/{fd}").partition(":[")[0])
        except OSError:
            continue
    return found


def sight():
    """All that a run before this one could have left or changed, as it is found."""
    return {
        "files": {place: sorted(os.listdir(place)) for place in WRITABLE},
        "environment": {name: value for name, value in sorted(os.environ.items()) if name not in OWN},
        "processes": processes(),
        "me": [os.getpid(), os.getppid(), os.getuid() > 0, os.getpgrp(), os.getsid(0)],
        "descriptors": descriptors(), "threads": [thread.name for thread in threading.enumerate()],
        "modules": sorted(name for name in sys.modules if MARK in name),
        "names": sorted(f"{module.__name__}.{name}" for module in MODULES for name in vars(module) if "left_by" in name),
        "works": [json.loads("[1, 2]"), len([1, 2, 3]), os.getcwd(), sorted(["b", "a"]), random.Random(1).random()],
        "path": sys.path,
        "hooks": [len(sys.meta_path), len(sys.path_hooks), sys.gettrace() is None, sys.getprofile() is None,
                  sys.excepthook is sys.__excepthook__, gc.isenabled(), sys.getrecursionlimit()],
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")},
        "signals": [str(signal.getsignal(number)) for number in SIGNALS],
        "timers": [signal.getitimer(which) for which in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL)],
        "mask": os.umask(0o22), "nice": os.nice(0), "host": socket.gethostname(), "cores": sorted(os.sched_getaffinity(0)),
        "memory": text("/proc/sysvipc/shm").count("\n") + text("/proc/sysvipc/msg").count("\n"),
        "sockets": text("/proc/net/unix").count("@"), "adjusted": text("/proc/self/oom_score_adj"),
        "name": text("/proc/self/comm"),
    }


# ---- what must not be left -------------------------------------------------------------------------------------


def leave_files():
    for place in WRITABLE:
        Path(place, MARK).write_text(MARK)


def leave_a_daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pause()
        os._exit(0)


def leave_a_thread():
    threading.Thread(target=threading.Event().wait, name=MARK, daemon=True).start()


def change_modules():
    builtins.left_by_a_run = os.left_by_a_run = MARK
    builtins.len = lambda given: 7
    json.loads = lambda given: MARK
    random.Random.random = lambda self: 0.5
    sys.modules[MARK] = sys
    sys.meta_path.insert(0, object())
    sys.path.append(f"/tmp/{MARK}")


def change_variables():
    os.environ["LEFT_BY_A_RUN"] = os.environ["PYTHONPATH"] = MARK


def change_limits():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o77)
    os.nice(5)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sys.setrecursionlimit(777)


def change_signals():
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_VIRTUAL, 1000.0)
    sys.excepthook = print
    gc.disable()


def leave_sockets():
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"\0{MARK}")
    server.listen()
    if os.fork() == 0:
        signal.pause()


def kill_everything():
    os.kill(-1, signal.SIGKILL)


def kill_the_parent():
    os.kill(os.getppid(), signal.SIGKILL)


def stop_the_group():
    os.kill(0, signal.SIGSTOP)


def fill_the_disk():
    with open("/tmp/full", "wb") as file:
        while True:
            file.write(bytes(1 << 20))


def fill_memory():
    held = []
    while True:
        held.append(bytearray(1 << 22))


def fork_for_ever():
    while True:
        try:
            if os.fork() == 0:
                signal.pause()
        except OSError:
            os._exit(1)


HOSTILE = (leave_files, leave_a_daemon, leave_a_thread, change_modules, change_variables, change_limits, change_signals,
           leave_sockets, kill_everything, kill_the_parent, fill_the_disk, fill_memory, fork_for_ever, stop_the_group)

if __name__ == "__main__":
    seen = json.dumps(sight(), indent=1)
    with open(os.environ["OVERNIGHT_OUT"] + "/sight.json", "w") as out:
        out.write(seen)
    if SEED % 10 == 9:
        HOSTILE[SEED // 10 % len(HOSTILE)]()
