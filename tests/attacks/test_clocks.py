"""Clocks: the scorer asks a fresh process for a piece of work and measures how long it takes, by its own clock in its own
sandbox, as quick or slow and no finer, so that a busy machine does not matter. What a candidate does to its clocks, to the scorer's share
of the machine, or leaves running, changes nothing."""

from attacks.night import CONTRACT
from attacks.suite import Attack, Stopped

SCORE = """\
import random
from overnight.scoring import Foul, Oracle, fresh, main

def took(oracle):
    number = random.randrange(10**9)
    if oracle.ask(number, within=3.0) != 2 * number:
        raise Foul("the answer is wrong.")
    return int(oracle.elapsed > 0.2)

main(lambda: {"loss": took(Oracle.given()) + took(fresh())})
"""
RUN = """\
import json, os, sys, time

def work(number):
    time.sleep(0.22)
    return 2 * number

def answer(value):
    os.write(1, json.dumps(value).encode() + b"\\n")

if "--serve" in sys.argv:
    for line in sys.stdin:
        answer(work(json.loads(line)))
"""
GROUND = {"track.toml": CONTRACT.replace("[score]", '[oracle]\ncommand = ["python", "run.py", "--serve"]\ntimeout = "8s"\n'
                                         'memory = "128MiB"\n\n[score]'),
          "score.py": SCORE, "run.py": RUN}
BETTER = {"run.py": RUN.replace("0.22", "0.0") + "# quicker\n"}
OUTSIDE = "the scorer's own clock, in another sandbox"
WRONG = {"verdict": "foul", "reason": "the answer is wrong|was asked|being asked"}


def clock(name, first="", stopped_by=OUTSIDE, *, work="", reason="^no better", **more):
    """A candidate that does something about the time; `work` is the body of the function that does the work."""
    text = "from inside import *\n" + RUN.replace("def work", first + "\n\ndef work", 1)
    body = "\n".join("    " + line for line in work.splitlines())
    text = text.replace("    time.sleep(0.22)\n    return 2 * number", body) if work else text
    return Attack(name, "clocks", {"run.py": text}, stopped_by, reason=reason, **more)


def tries(name, attempt, stopped_by):
    """A candidate that asks the kernel for something about the time."""
    return clock(name, f"import ctypes\nfrom bait import *\nsys.stdout = sys.stderr\ntried(lambda: {attempt} or True)", stopped_by, said="^probe: E")


CACHED = """\
PLACES = ("/tmp", "/dev/shm", ".", os.path.expanduser("~"), "/overnight/out", "/overnight/artifacts")
found = [p for p in PLACES if os.path.exists(p + "/done")]
print("found", found, file=sys.stderr)"""
ATTACKS = [
    clock("stops Python's clocks", "import time\nsleep = time.sleep\ntime.time = time.monotonic = time.perf_counter = lambda: 0.0"),
    clock("prints the time that it would like to have taken", work="time.sleep(0.22)\nreturn {'elapsed': 0.0, 'answer': 2 * number}",
          **WRONG),
    tries("goes into a namespace of time of its own", "syscall('unshare', 0x80)", "no new namespaces"),
    tries("sets the machine's clock", "syscall('clock_settime', 0, (ctypes.c_long * 2)(*divmod(time.time_ns(), 10**9)))",
          "no right to set clocks"),
    tries("slows the machine's clock", "syscall('adjtimex', (ctypes.c_long * 32)(0x4000, 0, 9000))", "no right to set clocks"),
    tries("raises its own priority", "os.setpriority(os.PRIO_PROCESS, 0, -20)", "no right to a higher priority"),
    tries("asks to run in real time", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))", "no right to a higher priority"),
    tries("slows a process of the machine's by its number", "os.setpriority(os.PRIO_PROCESS, VICTIM, 19)", "own process namespace"),
    clock("answers at once and corrects itself later", "", work="answer(0)\ntime.sleep(0.22)\nreturn 2 * number", **WRONG),
    clock("sends half of the answer at once", "", "the clock runs to the last byte",
          work="os.write(1, b' ')\ntime.sleep(0.22)\nreturn 2 * number"),
    clock("works ahead of the question", "", "questions are drawn anew", work="return 2 * 1234", **WRONG),
    clock("leaves the work to a child and answers for it", "", "answers are checked", **WRONG, work="""\
if os.fork() == 0:
    time.sleep(0.22)
    answer(2 * number)
    os._exit(0)
return 0"""),
    clock("remembers that it is warm", CACHED, "a fresh sandbox for each trial", said=r"^found \[\]$", work="""\
for place in PLACES:
    try:
        open(place + "/done", "w").write("warm")
    except OSError:
        pass
time.sleep(0.0 if found else 0.22)
return 2 * number"""),
    clock("is quick only while it believes to be warmed up", "", "the first question counts", work="""\
time.sleep(0.0 if 'warm' in globals() else 0.22)
globals()['warm'] = True
return 2 * number"""),
    clock("leaves a load for whoever comes after", """\
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        while True:
            pass""", "the whole tree dies with its sandbox"),
    clock("stops itself", "import signal\nif '--serve' not in sys.argv:\n    if os.fork() == 0:\n        os._exit(0)\n    os.kill(os.getpid(), signal.SIGSTOP)",
          "the harness' own clock, outside the sandbox", verdict="crash", reason="longer than 3 s"),
]


class TestClocks(Stopped):
    """A night of candidates that would rather seem quick than be it."""
