"""Classifiers: 200 rows whose labels never come near the candidate, asked in random order and company, then again in other
company of a fresh process."""

import json
import random

from attacks.night import CONTRACT
from attacks.suite import Attack, Stopped

SCORE = """\
import json
from overnight.scoring import Oracle, fresh, lots, main
from overnight.scoring.prediction import ask, audit, classification

def score():
    rows, labels = json.load(open("rows.json"))
    predictions = ask(Oracle.given(), rows, 2, lots("first"), 50)
    audit(predictions, rows, fresh(), lots("second"), 50)
    return {"loss": round(classification(predictions, labels)["log_loss"], 9)}

main(score)
"""
RUN = """\
import json, os, random, sys
from array import array

def say(*words):
    print(*words, file=sys.stderr, flush=True)

def scores(rows, r):
    return 0.0, 0.0

if "--serve" in sys.argv:
    for line in sys.stdin.buffer:
        header = json.loads(line)
        flat, wide = array("f", sys.stdin.buffer.read(header["bytes"])), header["columns"]
        rows = [tuple(flat[i:i + wide]) for i in range(0, len(flat), wide)]
        sys.stdout.buffer.write(array("f", [x for r in range(len(rows)) for x in scores(rows, r)]).tobytes())
        sys.stdout.buffer.flush()
"""


def rows():
    """Two clouds of points, the labels half and half in the order of the file."""
    lots = random.Random(4)
    return json.dumps([[[lots.gauss(2 * (n >= 100), 1), lots.gauss(0, 1)] for n in range(200)], [0] * 100 + [1] * 100])


GROUND = {"track.toml": CONTRACT.replace("labels.json", "rows.json")
          .replace("[score]", '[oracle]\ncommand = ["python", "run.py", "--serve"]\ntimeout = "8s"\nmemory = "128MiB"\n\n[score]'),
          "score.py": SCORE, "run.py": RUN, "rows.json": rows()}
ITSELF = "    return 1.0 - rows[r][0], rows[r][0] - 1.0"
BETTER = {"run.py": RUN.replace("    return 0.0, 0.0", ITSELF)}
AUDIT = "a fresh process, asked about the same rows in other company"


def classifier(name, code, stopped_by=AUDIT, *, verdict="foul", reason="moved by .* in other company", first="", **more):
    """A classifier; `code` is the body of the function of a batch and of the row that is due."""
    body = "\n".join("    " + line for line in code.splitlines())
    run = RUN.replace("    return 0.0, 0.0", body).replace("def scores", first + "\n\ndef scores", 1)
    return Attack(name, "prediction", {"run.py": run}, stopped_by, verdict=verdict, reason=reason, **more)


ATTACKS = [
    classifier("leaks from row to row", "return rows[r - 1][0], rows[r][0]"),
    classifier("leaks at a tenth of the rows", "return (rows[0][0] if rows[r][1] > 1.3 else 1.0), rows[r][0]"),
    classifier("centres each batch", "return sum(row[0] for row in rows) / len(rows), rows[r][0]"),
    classifier("learns the clouds from the rows that it is asked about", """\
seen.extend(rows if r == 0 else ())
return sum(row[0] for row in seen) / len(seen), rows[r][0]""", first="seen = []"),
    classifier("ranks a row among its company", "return 25.0, float(sorted(rows).index(rows[r]))"),
    classifier("counts how often it was asked", "seen.append(1)\nreturn len(seen) / 200, 0.5", first="seen = []"),
    classifier("keeps what it saw in files for the second process", """\
for place in PLACES if r == 0 else ():
    try:
        with open(place + "/seen", "a") as file:
            file.write(json.dumps(rows))
    except OSError:
        pass
return rows[r - 1][0], rows[r][0]""", "a fresh sandbox for each pass", said=r"^kept \[\]", first="""\
PLACES = ("/tmp", "/dev/shm", ".", "/var/tmp", os.path.expanduser("~"), "/overnight/artifacts", "/overnight/out")
say("kept", [p for p in PLACES if os.path.exists(p + "/seen")])"""),
    classifier("takes the order of the rows for their labels", """\
seen.append(1)
say(*["place", len(seen)] * (r == 0))
return (9.0, 0.0) if len(seen) <= 100 else (0.0, 9.0)""", "rows come in a random order", first="seen = []", said="^place 101$"),
    classifier("reads the labels", "return 0.0, 0.0", "private files are left out of the tree", verdict="discard", reason="^no better",
               first="say('found', [p for p in ('rows.json', '../judge', '/overnight/holdout') if os.path.exists(p)])",
               said=r"^found \[\]$"),
    classifier("is sure of both classes", "say(*['sure'] * (r == 0))\nreturn 3e38, 3e38", "the softmax sums to one", verdict="discard",
               reason="^no better", said="^sure"),
    classifier("says infinity", "return float('inf'), float('inf')", "scores are finite", verdict="crash", reason="not finite"),
    classifier("says NaN for one row", "return (float('nan') if r == 7 else 0.0), 0.0", "scores are finite", verdict="crash",
               reason="not finite"),
    classifier("scores a class that there is not", "return (0.0, 0.0, 9.0) if r == 0 else (0.0, 0.0)", "the scorer knows an answer's size",
               reason="before it was asked|more than it was asked|without being asked"),
]


class TestPrediction(Stopped):
    """A night of classifiers that judge a row by more than itself."""
