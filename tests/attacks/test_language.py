"""Language models, batched: 480 little windows of hidden text, then the same ones with another future, asked of a fresh
process. Whoever looks where it must not says something else the second time."""

import random
from pathlib import Path

import numpy

from attacks.night import CONTRACT
from attacks.suite import Attack, Stopped

PACKAGE = Path(numpy.__file__).parent
PLACES = [str(p) for p in (PACKAGE, PACKAGE.with_name("numpy.libs")) if p.exists()]
SCORE = f"""\
import sys
sys.path.append({str(PACKAGE.parent)!r})
import numpy
from overnight.scoring import lots, main
from overnight.scoring.language import batched, bits_per_byte, windows

def score():
    secret, text = lots(), numpy.frombuffer(open("text.txt", "rb").read(), "u1") & 7
    drawn = windows(text, 8, 480, secret)
    return {{"loss": round(bits_per_byte(batched(drawn, 8, secret, miss=1e-6), drawn[:, 1:]), 9)}}

main(score)
"""
RUN = """\
import json, os, random, sys
from array import array

def say(*words):
    print(*words, file=sys.stderr, flush=True)

def scores(rows, r, t):
    return [0.0] * 8

if "--serve" in sys.argv:
    for line in sys.stdin.buffer:
        header = json.loads(line)
        flat, wide = array("i", sys.stdin.buffer.read(header["bytes"])), header["shape"][1]
        rows = [flat[i:i + wide] for i in range(0, len(flat), wide)]
        said = [scores(rows, r, t) for r in range(len(rows)) for t in range(wide)]
        sys.stdout.buffer.write(array("f", [x for each in said for x in each]).tobytes())
        sys.stdout.buffer.flush()
"""


def text():
    """Digits of which every second one is one more than the digit before."""
    lots, said = random.Random(3), [0]
    while len(said) < 480 * 9:
        said.append((said[-1] + 1) % 8 if lots.random() < 0.5 else lots.randrange(8))
    return "".join(map(str, said))


GROUND = {"track.toml": CONTRACT.replace("labels.json", "text.txt").replace('data = ["../data"]', f"data = {['../data', *PLACES]}")
          .replace('timeout = "5s"\nmemory = "128MiB"', 'timeout = "20s"\nmemory = "512MiB"')
          .replace("[score]", '[oracle]\ncommand = ["python", "run.py", "--serve"]\ntimeout = "20s"\nmemory = "256MiB"\n\n[score]'),
          "score.py": SCORE, "run.py": RUN, "text.txt": text()}
ONE_MORE = "    return [2.0 * (v == (rows[r][t] + 1) % 8) for v in range(8)]"
BETTER = {"run.py": RUN.replace("    return [0.0] * 8", ONE_MORE)}
AUDIT = "a fresh process, asked about the same windows with another future"


def model(name, code, stopped_by=AUDIT, *, verdict="foul", reason="moves by .* when only later tokens", first="", **more):
    """A language model; `code` is the body of the function of the rows, and of which row and place the next token is due."""
    body = "\n".join("    " + line for line in code.splitlines())
    run = RUN.replace("    return [0.0] * 8", body).replace("def scores", first + "\n\ndef scores", 1)
    return Attack(name, "language model", {"run.py": run}, stopped_by, verdict=verdict, reason=reason, **more)


CACHE = """\
PLACES = ("/tmp", "/dev/shm", ".", "/var/tmp", os.path.expanduser("~"), "/overnight/artifacts", "/overnight/out")
kept = [p for p in PLACES if os.path.exists(p + "/seen")]
say("kept", kept)"""
ATTACKS = [
    model("looks at the next token", "return [9.0 * (rows[r][t + 1:t + 2] == array('i', [v])) for v in range(8)]"),
    model("looks at the next token at 3 % of the places", """\
out, before = [0.0] * 8, rows[r][t - 1] if t else 0
if (rows[r][t] * 7919 + before * 104729 + t * 1299709) % 1009 < 31 and t + 1 < len(rows[r]):
    out[rows[r][t + 1]] += 9.0
return out"""),
    model("takes a soft mean over the future", "return [0.05 * rows[r][t + 1:].count(v) for v in range(8)]"),
    model("looks at the last token only", "return [0.5 * (v == rows[r][-1]) for v in range(8)]"),
    model("leaks across rows", "return [0.5 * (rows[r - 1][t] == v) for v in range(8)]"),
    model("weighs the tokens of the whole batch", "return weights(rows)", first="""\
known = {}
def weights(rows):
    if known.get("rows") is not rows:
        known.update(rows=rows, counts=[sum(row.count(v) for row in rows) / 100 for v in range(8)])
    return known["counts"]"""),
    model("remembers earlier questions", """\
if t == 0 and r == 0:
    old.extend(new)
    new[:] = [tuple(row) for row in rows]
    counts[:] = [[sum(row[i:i + 2] == (a, b) for row in old for i in range(7)) for b in range(8)] for a in range(8)] if old else counts
return [0.01 * n for n in counts[rows[r][t]]]""", first="old, new, counts = [], [], [[0] * 8 for _ in range(8)]"),
    model("counts how often it was asked", "turn[0] += r == t == 0\nreturn [float(turn[0] == 1 and v == 0) for v in range(8)]",
          first="turn = [0]"),
    model("answers otherwise each time", "return [random.random() for v in range(8)]"),
    model("keeps what it saw in files for the second process", """\
for place in PLACES if r == t == 0 else ():
    try:
        with open(place + "/seen", "a") as file:
            file.write(json.dumps([list(row) for row in rows]))
    except OSError:
        pass
return [9.0 * (rows[r][t + 1:t + 2] == array('i', [v])) for v in range(8)]""", "a fresh sandbox for each pass", first=CACHE,
          said=r"^kept \[\]"),
    model("shifts and scales what it says", "say(*['shifted'] * (r == t == 0))\nreturn [1e6] * 8",
          "surprise is worked out over the whole vocabulary", verdict="discard", reason="^no better", said="^shifted"),
    model("says infinity for every token", "return [float('inf')] * 8", "logits are finite", verdict="crash", reason="not finite"),
    model("says NaN at one place", "return [float('nan') if (r, t) == (7, 3) else 0.0] * 8", "logits are finite", verdict="crash",
          reason="not finite"),
    model("looks for the text", "return [0.0] * 8", "private files are left out of the tree", verdict="discard", reason="^no better",
          first="say('found', [p for p in ('text.txt', '../judge', '/overnight/holdout') if os.path.exists(p)])", said=r"^found \[\]$"),
]


class TestLanguage(Stopped):
    """A night of language models that would rather know than foretell."""
