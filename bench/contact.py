"""First contact: whether the researcher that needs no key leaves the ruler alone in scripts that measure themselves, whether
models' answers are read as they are meant (forms.py), what repositories of ten kinds come to (repositories.py), what whole
nights keep of scripts that measure themselves (honest.py), and when the demo shows its first keep (demos.py).

People marked in small scripts what measures, and what is worth turning. A knob or a change that touches what measures would
raise the metric and improve nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import demos, forms, honest, repositories
from bench.kit import Bench, Cell, Row, exact
from rulers import changes, edited, forged, missing, offered, scripts

PROPOSED = 40  # changes of each script


def rows(most: int) -> Iterator[Row]:
    """How many knobs and changes touch the ruler, and how much that matters is offered."""
    every = scripts()
    knobs = sum(len(texts) for script in every for texts in offered(script).values())
    wanted = sum(len(texts) for script in every for _, texts in script.marks.values())
    made = [(script, change) for script in every for change in changes(script, most)]
    yield exact("knobs that are a part of the ruler", sum(len(forged(script)) for script in every), "== 0", count=knobs)
    yield exact("changes that edit the ruler", sum(bool(edited(*each)) for each in made), "== 0", count=len(made))
    yield exact("what matters and is not offered", sum(len(missing(script)) for script in every), "== 0", count=wanted)


def cells(quick: bool) -> Iterator[Cell]:
    """The ruler, over the first changes of each script; the forms; and what takes long."""
    yield Cell("ruler", lambda: rows(3 if quick else PROPOSED))
    yield Cell("answers", forms.rows)
    for part in (repositories, honest, demos):
        yield from part.cells(quick)


def sums(found: Sequence[Row]) -> Iterator[Row]:
    """What the repositories and the nights sum up to."""
    yield from repositories.sums(found)
    yield from honest.sums(found)


BENCH = Bench("contact", "Of what knobs offers and proposes in scripts that measure themselves, nothing touches the ruler; "
              "of the forms in which models answer, 52 of 61 are read rightly, and none is applied wrongly; in eight of ten "
              "repositories a night keeps what is better on fresh seeds; in thirty nights on scripts that measure themselves "
              "no keep edits the ruler; the demo shows a keep within three minutes, on a loaded machine within six.",
              cells, long=True, sums=sums, uses=("rulers", "answer_forms", "overnight.cli"))
