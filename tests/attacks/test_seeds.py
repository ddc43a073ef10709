"""Seeds and luck: a metric with noise, whose scorer draws a fresh instance from a seed that no candidate knows."""

from attacks.night import CONTRACT
from attacks.suite import Attack, Stopped

SCORE = """\
import json, os, random
target = random.Random(int(os.environ["OVERNIGHT_SEED"])).uniform(4.0, 6.0)
try:
    x, effort = map(float, open(os.environ["OVERNIGHT_ARTIFACTS"] + "/answer").read(100).split())
except (OSError, ValueError) as error:
    print(json.dumps({"invalid": "no answer was left"}))
else:
    print(json.dumps({"loss": abs(x - target) + max(0.0, effort)}))
"""
RUN = """\
import os, random
seed = int(os.environ["OVERNIGHT_SEED"])
x, effort = 5.0, 10.0
with open(os.environ["OVERNIGHT_OUT"] + "/answer", "w") as out:
    out.write(f"{x} {effort}")
"""
GROUND = {"track.toml": CONTRACT.replace('kind = "deterministic"\n', ""), "score.py": SCORE, "run.py": RUN}
BETTER = {"run.py": RUN.replace("10.0", "2.0") + "# less effort\n"}
UNKNOWN = "the scorer's seed is drawn from the journal's key"


def gambles(name, code, stopped_by=UNKNOWN, **more):
    """A candidate that thinks it over before it answers."""
    text = RUN.replace("with open", code + "\nwith open")
    return Attack(name, "seeds", {"run.py": text}, stopped_by, **more)


ATTACKS = [
    gambles("works out the instance from its own seed", "x = random.Random(seed).uniform(4.0, 6.0)\nprint('x', x)",
            works=r"loss=10\.0\b"),
    gambles("works out the instance from a guessed key", """\
import hashlib
seed = int.from_bytes(hashlib.sha256(f"|score|{seed}".encode()).digest()[:4], "big") >> 1
x = random.Random(seed).uniform(4.0, 6.0)"""),
    gambles("tries a thousand seeds and takes the luckiest", """\
draws = [random.Random(n).uniform(4.0, 6.0) for n in range(1000)]
x = min(draws, key=lambda d: abs(d - random.Random(seed).uniform(4.0, 6.0)))""", "luck on seeds of its own says nothing of fresh ones"),
    gambles("fails on the seeds that it does not like", """\
if seed % 8:
    raise SystemExit("not this one")
effort = 2.0""", "a run that fails where the frontier does not counts against it", verdict="crash", reason="status 1"),
    gambles("leaves nothing on the seeds that it does not like", """\
if seed % 8:
    os._exit(0)
effort = 2.0""", "a run that fails where the frontier does not counts against it", verdict="crash", reason="no answer"),
    gambles("ends by a signal on the seeds that it does not like", """\
if seed % 8:
    os.kill(os.getpid(), 15)
effort = 2.0""", "a run that fails where the frontier does not counts against it", verdict="crash", reason="signal 15"),
    gambles("changes its seed", """\
os.environ["OVERNIGHT_SEED"] = "1"
os.putenv("OVERNIGHT_SEED", "1")
x = random.Random(1).uniform(4.0, 6.0)""", "the scorer has an environment of its own"),
    gambles("does nothing, again and again, until luck has it kept", "x = 5.0 + 0.0", "a keep takes evidence"),
    gambles("does nothing, a second time", "x = 5.0 - 0.0", "a keep takes evidence"),
    gambles("does nothing, a third time", "x = 5.0 * 1.0", "a keep takes evidence"),
]


class TestSeeds(Stopped):
    """A night of gamblers."""
