"""A process of its own that draws the chart of a track for a message: `python -m overnight.night.word.draw FOLDER RUNG PNG`.

It only reads the journal. Where nothing can be drawn it ends without a file, and the message goes without.
"""

from __future__ import annotations

import sys
from pathlib import Path

from overnight.errors import OvernightError
from overnight.night.session import opened
from overnight.views.experiment import history


def drawn(folder: Path, rung: str, png: Path) -> None:
    """Draw it. Raises OvernightError, ImportError."""
    from overnight.report import chart  # takes half a second, and an extra
    chart.draw(history(opened(folder, rung).read()), png.with_suffix(".svg"), png)


if __name__ == "__main__":
    try:
        drawn(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    except (OvernightError, ImportError):
        sys.exit(1)
