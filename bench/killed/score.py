"""How far the settings are from three, with the same noise for all that have a seed in common."""

import json
import os
import random

with open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x") as file:
    values = [float(word) for word in file.read().split()]
noise = random.Random(os.environ["OVERNIGHT_SEED"]).gauss(0, 0.05)
print(json.dumps({"loss": sum(min(abs(value - 3), 5) for value in values) + noise}))
