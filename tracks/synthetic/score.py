"""The made-up loss of the settings, with Gaussian noise that a seed and the very source text decide.

Even a changed comment draws new noise, so common seeds help nothing here: the hardest case for a referee, and the one
for an A/A night, in which nothing that is proposed has any effect.
"""

import json
import math
import os
import random

NOISE = 0.1  # standard deviation of one run
BEST = {"LEARNING_RATE": 0.05, "MOMENTUM": 0.97, "WIDTH": 64, "WARMUP": 0.05}
WEIGHT = {"LEARNING_RATE": 0.3, "MOMENTUM": 0.15, "WIDTH": 0.2, "WARMUP": 0.1}


def coordinate(name: str, value: float) -> float:
    """Octaves for what is turned by factors; for the momentum, octaves of its distance to one."""
    return math.log2(1 - value if name == "MOMENTUM" else value)


with open(os.environ["OVERNIGHT_ARTIFACTS"] + "/settings.json") as file:
    found = json.load(file)
loss = 1.0
for name, best in BEST.items():
    off = coordinate(name, found["values"][name]) - coordinate(name, best)
    loss += WEIGHT[name] * (1 - math.exp(-off * off / 8))
noise = random.Random(found["fingerprint"] + os.environ["OVERNIGHT_SEED"])
print(json.dumps({"loss": loss + noise.gauss(0, NOISE)}))
