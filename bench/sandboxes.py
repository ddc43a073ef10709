"""What a start costs: /bin/true in every sandbox that works here, from the start to its harvested result."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.kit import Bench, Cell, Row, exact, median, ratio, seconds
from overnight import sandbox
from overnight.contracts import Command, Limits, Sandbox
from overnight.errors import SandboxMissing


@contextmanager
def ground() -> Iterator[Path]:
    """A folder with a small tree, gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "tree").mkdir()
        (folder / "tree/code.py").write_text("x = 1\n")
        yield folder


def start(box: Sandbox, folder: Path) -> None:
    """Start /bin/true and take its empty result."""
    ended = box.start(Command(("/bin/true",), folder / "tree", Limits(wall=60), harvest=folder / "out")).wait()
    assert ended.code == 0, ended


def working() -> Iterator[tuple[str, Sandbox]]:
    """The sandboxes that work here."""
    for name in sandbox.NAMES:
        try:
            yield name, sandbox.choose(name)
        except SandboxMissing:
            continue


def rows(starts: int) -> Iterator[Row]:
    """Each sandbox in turn, so that a busy moment meets all of them; ratios to plain processes."""
    boxes = dict(working())
    spent: dict[str, list[float]] = {name: [] for name in boxes}
    with ground() as folder:
        for _ in range(starts):
            for name, box in boxes.items():
                spent[name] += [1e3 * s for s in seconds(partial(start, box, folder))]
    for name, box in boxes.items():
        yield median(f"{name} ({'exact' if getattr(box, 'counts', False) else 'estimate'})", spent[name], unit="ms")
        if name != "none":
            yield ratio(f"{name} / none", spent[name], spent["none"])
    yield exact("sandboxes that do not work here", len(sandbox.NAMES) - len(boxes))


def cells(quick: bool) -> Iterator[Cell]:
    """All as one cell."""
    yield Cell("starts", partial(rows, 7 if quick else 20))


BENCH = Bench("sandboxes", "What a start costs in every sandbox that works here; nothing is asked.", cells, timed=True)
