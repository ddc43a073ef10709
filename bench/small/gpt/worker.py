"""Trains and scores the model of tracks/nanogpt again and again in one process, so that torch is imported once.

`python worker.py FOLDER` in a laid-out track reads a line of JSON, {"seed": 3, "turned": {"VE_WD": 0.01}}, and answers with
one: bits per byte of the validation windows of that seed, and the seconds of the processor that training took.
"""

import json
import sys
import time
from pathlib import Path

import numpy

sys.path.insert(0, sys.argv[1])

import budget
import score
import torch
import train

from overnight.scoring.language import bits_per_byte, surprises, windows

PUBLISHED = {name: value for name, value in vars(train).items() if name.isupper()}


def bits(model, seed: int) -> float:
    """What the scorer would say, without its processes: the same windows for the same seed, whatever was turned."""
    drawn = windows(budget.tokens("validation"), budget.LENGTH, score.WINDOWS, numpy.random.default_rng(seed))
    with torch.inference_mode():
        logits = torch.cat([model(torch.from_numpy(part[:, :-1].astype("i8"))) for part in numpy.array_split(drawn, 8)])
    return bits_per_byte(surprises(logits.numpy(), drawn[:, 1:]), drawn[:, 1:], budget.pieces())


if __name__ == "__main__":
    torch.set_num_threads(1)
    if Path(train.__file__).parent != Path(sys.argv[1]).resolve():
        raise SystemExit(f"train.py is not that of {sys.argv[1]}.")
    answers, sys.stdout = sys.stdout, sys.stderr  # what training tells goes elsewhere
    for line in sys.stdin:
        asked = json.loads(line)
        vars(train).update(PUBLISHED | asked["turned"])
        began = time.process_time()
        model = train.train(asked["seed"], "cpu")
        took = time.process_time() - began
        print(json.dumps({"bits": bits(model, asked["seed"]), "seconds": took}), file=answers, flush=True)
