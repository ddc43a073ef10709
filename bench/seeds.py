"""Scripts that fix their own seed, as most do, through `init`, `check`, `run`, `report` and `audit`.

Each script is put into a repository of its own as its user would have it, and nothing is said of seeds. No keep may go without
the mark, and no audit may say that the claim holds; then `overnight init --seed` connects the seeds, after which the program
gives by hand what it gave before, and a night without the mark. `--quick` takes one script that needs the standard library
alone; the others need numpy and scikit-learn, and those that are not installed are named and left out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.kit import Bench, Cell, Row, exact
from overnight.audit.arithmetic import CERTAIN

EXPERIMENTS, SEEDS = 6, 4  # of a night; of an audit
