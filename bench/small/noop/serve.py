"""Answers each question with the number that the run left."""

import os
import sys

with open(os.environ["OVERNIGHT_ARTIFACTS"] + "/number") as file:
    number = file.read()
for _ in sys.stdin:
    print(number, flush=True)
