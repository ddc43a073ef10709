"""Computes for so many seconds, then leaves a number for the scorer. Nothing is trained."""

import os
import random
import time

UNTIL = time.monotonic() + 3.0
while time.monotonic() < UNTIL:
    sum(range(10_000))
with open(os.environ["OVERNIGHT_OUT"] + "/number", "w") as out:
    out.write(str(1 + random.Random(os.environ["OVERNIGHT_SEED"]).gauss(0, 0.1)))
