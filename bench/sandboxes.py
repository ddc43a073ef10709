"""What a start costs: /bin/true in every sandbox that works here, from the start to its harvested result.

    python bench/sandboxes.py [runs]

The median, and the shortest and longest, of 20 runs each; run it on an idle machine.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from overnight import sandbox
from overnight.contracts import Command, Limits
from overnight.errors import SandboxMissing


def seconds(box, folder):
    """How long one run took."""
    command = Command(("/bin/true",), folder / "tree", Limits(wall=60), harvest=folder / "kept")
    started = time.perf_counter()
    ended = box.start(command).wait()
    took = time.perf_counter() - started
    assert ended.code == 0, ended
    return took


def main(runs):
    """Print the table."""
    print("| sandbox | accounts | median ms | shortest | longest |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "tree").mkdir()
        for kind in sandbox.NAMES:
            try:
                box = sandbox.choose(kind)
            except SandboxMissing as missing:
                print(f"| {kind} | {missing} | | | |")
                continue
            took = sorted(seconds(box, folder) * 1000 for _ in range(runs))
            accounts = "exact" if getattr(box, "counts", False) else "estimate"
            print(f"| {kind} | {accounts} | {statistics.median(took):.1f} | {took[0]:.1f} | {took[-1]:.1f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
