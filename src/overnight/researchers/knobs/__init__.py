"""Turns the numbers and choices that are written in the code; needs no key."""

import os
import sys

# Numpy's linear algebra begins as many threads as there are cores, unless it is told otherwise before it is loaded: for the
# small matrices here that is slower, and it takes the cores on which runs are measured.
_ONE_THREAD = [name for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
               if name not in os.environ and "numpy" not in sys.modules]
os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
from overnight.researchers.knobs.propose import Knobs  # noqa: E402

for _name in _ONE_THREAD:
    del os.environ[_name]

__all__ = ["Knobs"]
