"""First contact: whether the researcher that needs no key leaves the ruler alone in scripts that measure themselves, and
whether models' answers are read as they are meant (forms.py).

People marked in 54 small scripts what measures, and what is worth turning. A knob or a change that touches what measures would
raise the metric and improve nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench import forms, repositories
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
    """The ruler, over the first changes of each script."""
    yield Cell("ruler", lambda: rows(3 if quick else PROPOSED))
    yield Cell("answers", forms.rows)
    yield from repositories.cells(quick)


BENCH = Bench("contact", "Of what knobs offers and proposes in scripts that measure themselves, nothing touches the ruler; "
              "of the forms in which models answer, 52 of 61 are read rightly, and none is applied wrongly.",
              cells, sums=repositories.sums, uses=("rulers", "answer_forms", "overnight.cli"))
