"""Leaves the settings for the scorer."""

import os
import time

import settings

time.sleep(0.02)
with open(os.environ["OVERNIGHT_OUT"] + "/x", "w") as out:
    out.write(" ".join(str(value) for name, value in sorted(vars(settings).items()) if name.startswith("X")))
