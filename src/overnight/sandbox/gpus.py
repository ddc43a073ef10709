"""The devices through which a candidate reaches a GPU, for tracks whose `[run] gpus` asks.

Covered: nothing else of /dev is shown, and /sys is not. Not covered: the driver, which is code in the kernel that a
candidate talks to at length, and what other users of the same GPU leave in its memory. Ask for it only where it is needed.
"""

from __future__ import annotations

from pathlib import Path

PATTERNS = ("nvidia[0-9]*", "nvidiactl", "nvidia-uvm*", "nvidia-modeset", "nvidia-caps/*", "kfd", "dri/renderD*")


def devices(folder: Path = Path("/dev")) -> list[Path]:
    """The GPUs' device files, of NVIDIA and of AMD; none where the machine has no GPU."""
    return sorted(path for pattern in PATTERNS for path in folder.glob(pattern))
