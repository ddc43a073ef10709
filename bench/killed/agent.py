"""A researcher that remarks something beside one constant."""

import random
import time
from pathlib import Path

time.sleep(random.uniform(0.0, 0.6))
settings = Path("settings.py")
lines = settings.read_text().splitlines()
lines[random.randrange(8)] += f"  # {random.random()}"
settings.write_text("\n".join(lines) + "\n")
