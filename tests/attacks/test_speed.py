"""The speed of a program: questions drawn anew, each to a fresh process that has had one other to warm up. A nap stands for the
work, and the time counts as quick or slow, so that a busy machine does not matter."""

from pathlib import Path

from attacks.night import CONTRACT
from attacks.suite import Attack, Stopped
from overnight.scoring import chance

SCORE = """\
from overnight.scoring import lots, main
from overnight.scoring.speed import Raw, measure, same

def case(lots, size):
    return Raw({}, lots.randbytes(4 * size), 8)

def score():
    took = measure(case, same(lambda question: question.payload[-8:][::-1]), sizes=(700,), trials=2, lots=lots(),
                   warm_up="allowed", within=3.0)
    return {"loss": int(took["seconds"] > 0.2), "seconds": took["seconds"]}

main(score)
"""
RUN = """\
import json, os, sys, time

def say(*words):
    print(*words, file=sys.stderr, flush=True)

def work(question):
    time.sleep(0.11)
    return question[-8:][::-1]

def read(count):
    return sys.stdin.buffer.read(count)

def answer(said):
    os.write(1, said)

if "--serve" in sys.argv:
    for line in sys.stdin.buffer:
        answer(work(read(json.loads(line)["bytes"])))
"""
GROUND = {"track.toml": CONTRACT.replace("[score]", '[oracle]\ncommand = ["python", "run.py", "--serve"]\ntimeout = "8s"\n'
                                         'memory = "128MiB"\n\n[score]').replace('timeout = "5s"', 'timeout = "15s"'),
          "score.py": SCORE, "run.py": RUN, "foretell.py": Path(__file__).with_name("foretell.py").read_text(),
          "chance.py": Path(chance.__file__).read_text()}
BETTER = {"run.py": RUN.replace("0.11", "0.0") + "# quicker\n"}
WRONG = {"verdict": "crash", "reason": "an answer to a question of size 700 is wrong"}
UNASKED = {"verdict": "foul", "reason": "before it was asked|without being asked"}
RIGHT = "return question[-8:][::-1]"


def speed(name, stopped_by, *, first="", work="", verdict="discard", reason="^no better", **more):
    """A program that would like to seem quick; `work` is the body of the function that does the work."""
    body = "\n".join("    " + line for line in work.splitlines())
    run = RUN.replace(f"    time.sleep(0.11)\n    {RIGHT}", body) if work else RUN
    run = run.replace('if "--serve"', first + '\n\nif "--serve"') if first else run
    return Attack(name, "speed", {"run.py": run}, stopped_by, verdict=verdict, reason=reason, **more)


ATTACKS = [
    speed("foretells the questions from the first one", "questions come from a keyed stream", said="^foretold False$", first="""\
import foretell
ready = {}""", work=f"""\
if ready:
    say("foretold", question in ready)
if question not in ready:
    time.sleep(0.11)
following = foretell.after(question)
ready.update((following.randbytes(len(question)), 1) for _ in range(4))
{RIGHT}"""),
    speed("draws the questions itself, with a key made from its own seed", "the key comes from a secret of the journal's", said="^drawn False$",
          works=r"loss=0\.0\b", first="""\
import chance, hashlib
os.environ["OVERNIGHT_SECRET"] = hashlib.sha256(f"|secret|{os.environ['OVERNIGHT_SEED']}".encode()).hexdigest()
lots, sizes, ready = chance.lots(), [700, 700], set()
lots.shuffle(sizes)
for _ in sizes:
    lots.choices([700], k=1)
    ready |= {lots.randbytes(2800), lots.randbytes(2800)}""", work=f"""\
say("drawn", question in ready)
time.sleep(0.0 if question in ready else 0.11)
{RIGHT}"""),
    speed("answers two questions before it is asked", "an answer comes after its question", first="answer(bytes(16)) if '--serve' in sys.argv else None",
          **UNASKED),
    speed("answers twice, for the next one too", "an answer comes after its question",
          work="time.sleep(0.11)\nreturn 2 * question[-8:][::-1]", **UNASKED),
    speed("answers at once, and wrongly", "answers are checked", work="return bytes(8)", **WRONG),
    speed("works on warm-ups alone, and answers the others wrongly", "answers are checked", first="warm = []",
          work="warm.append(1)\nreturn question[-8:][::-1] if len(warm) == 1 else bytes(8)", **WRONG),
    speed("answers warm-ups wrongly", "warm-ups are checked like all", first="warm = []",
          work="warm.append(1)\nreturn question[-8:][::-1] if len(warm) > 1 else bytes(8)", **WRONG),
    speed("takes the second question for a second trial", "a fresh process for each trial", first="asked = []", said="^asked 2$", work=f"""\
asked.append(1)
say("asked", len(asked))
time.sleep(0.11 if len(asked) < 3 else 0.0)
{RIGHT}"""),
    speed("leaves word in files that it is warm", "a fresh sandbox for each trial", said=r"^found \[\]$", first="""\
PLACES = ("/tmp", "/dev/shm", ".", "/var/tmp", os.path.expanduser("~"), "/overnight/artifacts", "/overnight/out")
found = [p for p in PLACES if os.path.exists(p + "/done")]
say("found", found)""", work=f"""\
for place in PLACES:
    try:
        open(place + "/done", "a").write("warm")
    except OSError:
        pass
time.sleep(0.0 if found else 0.11)
{RIGHT}"""),
    speed("leaves a helper that works on between trials", "the whole tree dies with its sandbox", said="^helpers 0$", first="""\
import socket
def helped():
    try:
        socket.socket(socket.AF_UNIX).connect("\\0helper")
    except OSError:
        return 0
    return 1
if "--serve" in sys.argv:
    helpers = helped()
    say("helpers", helpers)
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind("\\0helper")
        server.listen()
    except OSError:
        pass
    if os.fork() == 0:
        os.setsid()
        for fd in (0, 1):
            os.close(fd)
        time.sleep(60)
        os._exit(0)""", work=f"time.sleep(0.0 if helpers else 0.11)\n{RIGHT}"),
    speed("puts its work off until after the answer", "the clock runs on until the next answer", said="^put off$", first="""\
def answer(said):
    os.write(1, said)
    say("put off")
    time.sleep(0.11)""", work=RIGHT),
    speed("reads the question slowly", "the clock runs from before the question", said="^slowly$", first="""\
def read(count):
    say("slowly")
    time.sleep(0.11)
    return sys.stdin.buffer.read(count)""", work=RIGHT),
    speed("sends its answer byte by byte", "the clock runs to the last byte", said="^drops$", first="""\
def answer(said):
    say("drops")
    for byte in said:
        os.write(1, bytes([byte]))
        time.sleep(0.02)""", work=RIGHT),
]


class TestSpeed(Stopped):
    """A night of programs that would rather seem quick than be it."""
