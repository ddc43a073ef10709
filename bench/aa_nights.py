"""A/A nights for real: the whole loop on tracks/synthetic with a researcher that changes nothing. Every keep is false.

    python bench/aa_nights.py --nights 20 --experiments 300
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from overnight.night.session import Session
from overnight.views import track

TRACK = Path(__file__).parent.parent / "tracks" / "synthetic"


def night(folder: Path, experiments: int) -> dict[str, float]:
    """One night in a fresh repository; its status."""
    shutil.copytree(TRACK, folder)
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "baseline"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "overnight.cli", "run", str(folder), "--experiments", str(experiments),
                    "--researcher", "placebo"], check=True, stdout=subprocess.DEVNULL)
    return track.status(Session(folder).read())


def main() -> None:
    """Print a row for each night and the share of nights with a keep."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--nights", type=int, default=20)
    options.add_argument("--experiments", type=int, default=300)
    chosen = options.parse_args()
    kept = 0
    print("night  experiments  runs  kept  seconds")
    for number in range(1, chosen.nights + 1):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            state = night(Path(folder) / "synthetic", chosen.experiments)
        kept += state["kept"] > 0
        print(f"{number:5}  {state['experiments']:11}  {state['runs']:4}  {state['kept']:4}  "
              f"{time.monotonic() - began:7.1f}", flush=True)
    print(f"nights with a keep: {kept} of {chosen.nights}")


if __name__ == "__main__":
    main()
