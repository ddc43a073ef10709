"""The numbers of README and docs, each measured again by a command: `python -m bench list`.

A module with a `BENCH` is a bench, found by being there: `bench/NAME.py` is `python -m bench NAME`.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))  # simulated worlds and model candidates lie there: fakes, language_models, scoring_harness
