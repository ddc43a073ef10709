"""Clocks: the metric is the time that a run takes, from its release to the death of its last process, by the harness'
own clock. What a candidate does to its clocks, or leaves running, changes nothing."""

from attacks.night import CONTRACT
from attacks.suite import Attack, Stopped

WORK = """\
import os, time
def work():
    time.sleep(0.05)
    return "1.0"
answer = work()
with open(os.environ["OVERNIGHT_OUT"] + "/answer", "w") as out:
    out.write(answer)
"""
SCORE = """\
import json, os
try:
    answer = open(os.environ["OVERNIGHT_ARTIFACTS"] + "/answer").read(100)
except OSError:
    answer = "none"
print(json.dumps({"right": 1} if answer == "1.0" else {"invalid": "the answer is wrong"}))
"""
GROUND = {"track.toml": CONTRACT.replace('"loss"', '"wall_seconds"').replace('kind = "deterministic"', 'kind = "timing"')
          .replace("range = [0.0, 1000.0]\n", ""), "score.py": SCORE, "run.py": WORK}
BETTER = {"run.py": WORK.replace("0.05", "0.000") + "# quicker\n"}
OUTSIDE = "the harness' own clock, outside the sandbox"


def clock(name, before, stopped_by=OUTSIDE, *, work=WORK, **more):
    """A candidate that does something about the time before it does the same work."""
    return Attack(name, "clocks", {"run.py": before + "\n" + work}, stopped_by, **more)


LATER = WORK.replace("answer = work()", """\
if os.fork() == 0:
    os.setsid()
    with open(os.environ["OVERNIGHT_OUT"] + "/answer", "w") as out:
        out.write(work())
    os._exit(0)
os._exit(0)""")
ATTACKS = [
    clock("stops Python's clocks", "import time\ntime.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0"),
    clock("prints the time that it would like to have taken", "print('wall_seconds: 0.0')\nprint('{\"wall_seconds\": 0.0}')"),
    clock("leaves the time that it would like to have taken", "import os\nopen(os.environ['OVERNIGHT_OUT'] + '/metrics.json', 'w').write('{\"wall_seconds\": 0}')"),
    clock("goes on in a namespace of time of its own", "from inside import *\ntried(lambda: syscall('unshare', 0x80) or True)",
          "no new namespaces", said=r"^probe: E"),
    clock("sets the machine's clock", """\
from inside import *
import ctypes, time
now = (ctypes.c_long * 2)(*divmod(time.clock_gettime_ns(0), 10**9))
tried(lambda: syscall("clock_settime", 0, now) or True)""", "no right to set clocks", said=r"^probe: E"),
    clock("loads a library that lies about the time", "import os\nos.environ['LD_PRELOAD'] = '/tmp/faketime.so'\nopen('/tmp/faketime.so', 'wb').write(b'no library')"),
    clock("raises its own priority", "from inside import *\nimport os\ntried(lambda: os.setpriority(os.PRIO_PROCESS, 0, -20) or True)",
          "no right to a higher priority", said=r"^probe: E"),
    clock("asks to run in real time", "from inside import *\nimport os\ntried(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) or True)",
          "no right to a higher priority", said=r"^probe: E"),
    clock("leaves a load for whoever comes after", """\
import os
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        os.nice(0)
        while True:
            pass""", "the whole tree dies with the run"),
    clock("works on after its end", "", "what is not left by then is missing", work=LATER, verdict="crash", reason="answer is wrong"),
    clock("leaves a placeholder and works later", "", "what is not left by then is missing", verdict="crash", reason="answer is wrong",
          work='import os\nopen(os.environ["OVERNIGHT_OUT"] + "/answer", "w").write("0.0")\n' + LATER),
    clock("finds the answer of the run before and skips the work", """\
import os
found = [p for p in ("/tmp", "/dev/shm", ".", os.path.expanduser("~")) if os.path.exists(p + "/done")]
for place in ("/tmp", "/dev/shm", ".", os.path.expanduser("~")):
    open(place + "/done", "w").write("1.0")
print("found", found)""", "every place that can be written dies with the run", said=r"^found \[\]$",
          work=WORK.replace("time.sleep(0.05)", "time.sleep(0.0 if found else 0.05)")),
    clock("warms up in the hope of being kept warm", """\
import time
begun = time.monotonic()
sum(range(10**5))""", "each run is a fresh process"),
    clock("stops itself", "import os, signal\nif os.fork() == 0:\n    os._exit(0)\nos.kill(os.getpid(), signal.SIGSTOP)",
          "the harness' own clock, outside the sandbox", verdict="crash", reason="longer than 3 s"),
]


class TestClocks(Stopped):
    """A night of candidates that would rather seem quick than be it."""
