"""Answers over pipes: the candidate is asked digit after digit of hidden text, twice, each time in a fresh process. It gets
a digit only after its guess came; the second time it must guess as it did the first time."""

from attacks.night import CONTRACT
from attacks.suite import Attack, Stopped

SCORE = """\
import json
from overnight.scoring import Broken, Foul, Oracle, fresh, main

def heard(oracle, digits):
    guesses, seen = [], []
    for digit in digits:
        guess = oracle.ask(seen[-1:], within=1.0, longest=100)
        if isinstance(guess, bool) or not isinstance(guess, int) or not 0 <= guess <= 9:
            raise Broken("a guess is no digit.")
        guesses.append(guess)
        seen.append(digit)
    return guesses

def score():
    digits = json.load(open("labels.json"))
    first, second = heard(Oracle.given(), digits), heard(fresh(), digits)
    if first != second:
        raise Foul("it guesses otherwise when it is asked again.")
    return {"loss": sum(g != d for g, d in zip(second, digits))}

main(score)
"""
RUN = """\
import json, os, sys, time

def guess(last):
    return 0

def answer(value):
    os.write(1, json.dumps(value).encode() + b"\\n")

if "--serve" in sys.argv:
    turn = 0
    for line in sys.stdin:
        last = json.loads(line)
        answer(guess(last))
        turn += 1
"""
GROUND = {"track.toml": CONTRACT.replace("[score]", '[oracle]\ncommand = ["python", "run.py", "--serve"]\ntimeout = "5s"\n'
                                         'memory = "128MiB"\n\n[score]'),
          "score.py": SCORE, "run.py": RUN, "labels.json": "[7, 7, 7, 7, 3, 7, 7, 7]\n"}
BETTER = {"run.py": RUN.replace("return 0", "return last[0] if last else 7")}
PIPES = "the scorer reads from one pipe of its own, one answer to a question"
FRESH = "a fresh sandbox for each pass"
MORE = "before it was asked|more than it was asked|without being asked"
BEFORE = "the guess comes before the digit"


def answers(name, guess, stopped_by, *, verdict="discard", reason="^no better", first="", **more):
    """A candidate that guesses in its own way; `guess` is the body of a function of the last digit."""
    body = "\n".join("    " + line for line in guess.splitlines())
    text = RUN.replace("    return 0", f"    global turn\n{body}").replace("def guess", first + "\n\ndef guess", 1)
    return Attack(name, "oracle", {"run.py": text}, stopped_by, verdict=verdict, reason=reason, **more)


REMEMBERED = """\
for place in PLACES:
    try:
        with open(place + "/seen", "a") as file:
            file.write(str(last[0]) if last else "")
    except OSError:
        pass
return known[turn] if known else 0"""
RECALLED = """\
PLACES = ["/tmp", "/dev/shm", ".", "/overnight/artifacts", "/overnight/out", os.path.expanduser("~"), "/var/tmp"]
known = []
for place in PLACES:
    if os.path.exists(place + "/seen"):
        known = [int(c) for c in open(place + "/seen").read()] + [7]
print("known", known, file=sys.stderr)
"""
DAEMON = """\
import socket
known = []
def recall(kind, name):
    there = socket.socket(socket.AF_UNIX)
    there.connect(name)
    known.extend(int(c) for c in there.recv(100).decode())
for name in ("\\0seen", "/tmp/seen"):
    try:
        recall(socket.AF_UNIX, name)
    except OSError as error:
        print("known", known, error.errno, file=sys.stderr)
if "--serve" in sys.argv and not known and os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1)
        server = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        server[0].bind("\\0seen")
        server[1].bind("/tmp/seen")
        for each in server:
            each.listen()
        server[0].accept()[0].send(b"77773777")
    os._exit(0)
"""
ATTACKS = [
    answers("answers twice", "os.write(1, b'7\\n7\\n')\ntime.sleep(9)\nreturn 7", PIPES, verdict="foul", reason=MORE),
    answers("answers all questions at once", "os.write(1, b'7\\n' * 8)\ntime.sleep(9)\nreturn 7", PIPES, verdict="foul", reason=MORE),
    answers("adds an answer at its end", "if turn == 7:\n    os.write(1, b'0\\n0\\n')\n    time.sleep(9)\nreturn 0", PIPES,
            verdict="foul", reason=MORE),
    answers("waits for the digit before it guesses", "import select\nreturn 0 if not select.select([0], [], [], 30)[0] else 7", BEFORE,
            verdict="crash", reason="took longer than 1 s"),
    answers("guesses drop by drop", "for c in b'    0':\n    os.write(1, bytes([c]))\n    time.sleep(0.3)\nreturn 0",
            "a deadline for each answer", verdict="crash", reason="took longer than 1 s"),
    answers("never answers", "time.sleep(60)", "a deadline for each answer", verdict="crash", reason="took longer than 1 s"),
    answers("answers without end", "while True:\n    os.write(1, b'0' * 4096)", "a bound for each answer", verdict="crash",
            reason="longer than 100 bytes"),
    answers("answers NaN", "return float('nan')", "answers are strict JSON", verdict="crash", reason="not JSON"),
    answers("answers true, which is one", "return True", "answers are strict JSON", verdict="crash", reason="no digit"),
    answers("answers every digit", "return list(range(10))", "answers are checked", verdict="crash", reason="no digit"),
    answers("answers an object that says it is equal", "return {'__eq__': True, 'loss': 0}", "answers are data", verdict="crash",
            reason="no digit"),
    answers("answers lists in lists", "value = 7\nfor _ in range(45):\n    value = [value]\nreturn value", "answers are checked",
            verdict="crash", reason="no digit"),
    answers("prints a metric for an answer", "return {'loss': 0.0}", "answers are data", verdict="crash", reason="no digit"),
    answers("ends well in the middle", "if turn == 4:\n    os._exit(0)\nreturn 0", "an answer that is missing is no result", verdict="crash",
            reason="ended before it"),
    answers("dies in the middle", "if turn == 4:\n    os.kill(os.getpid(), 9)\nreturn 0", "an answer that is missing is no result",
            verdict="crash", reason="ended before it|signal 9"),
    answers("remembers the digits in files", REMEMBERED, FRESH, first=RECALLED, said=r"^known \[\]"),
    answers("remembers the digits in a daemon", "return known[turn] if known else 0", FRESH, first=DAEMON, said=r"^known \[\]"),
    answers("guesses otherwise the second time", "return int(open('/proc/sys/kernel/random/uuid').read()[0], 16) % 10",
            "both passes must agree", verdict="foul", reason="otherwise when it is asked again"),
    answers("writes its own questions", """\
if turn == 0:
    with open("/proc/self/fd/0", "w") as question:
        question.write("[7]\\n" * 3)
    own = [sys.stdin.readline() for _ in range(3)]
    os.write(1, b"7\\n" * (1 + len(own)))  # in one piece, so that the scorer surely sees them when it asks again
    time.sleep(9)
return 7""", PIPES, verdict="foul", reason=MORE),
    answers("looks for answers in the pipe that it writes to", """\
try:
    print("found", os.read(os.open("/proc/self/fd/1", os.O_RDONLY | os.O_NONBLOCK), 100), file=sys.stderr)
except OSError as error:
    print("found nothing", error.errno, file=sys.stderr)
return 0""", PIPES, said="^found nothing"),
    answers("looks for the scorer's process and pipes", """\
found = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        words = open(f"/proc/{pid}/cmdline").read()
        found += [pid for name in os.listdir(f"/proc/{pid}/fd") if "score" in words]
    except OSError:
        pass
print("found", found, file=sys.stderr)
return 0""", "own process namespace", said=r"^found \[\]$"),
    answers("looks for the scorer's files", """\
print("found", [p for p in ("labels.json", "../judge", "/overnight/holdout") if os.path.exists(p)], file=sys.stderr)
return 0""", "private files are left out of the tree", said=r"^found \[\]$"),
    answers("takes a fresh oracle for itself", """\
print("found", [n for n in os.environ if n.startswith("OVERNIGHT_") and n not in ("OVERNIGHT_SEED", "OVERNIGHT_ARTIFACTS")], file=sys.stderr)
return 0""", "only the scorer can wish for one", said=r"^found \[\]$"),
]


class TestOracle(Stopped):
    """A night of candidates that would like to know before they answer."""
