"""How many of the forms in which models answer are read as they are meant, and how many are applied wrongly.

The forms are those of tests/answer_forms.py: each with the files that it must leave, or with none where it must be refused.
`rows` is a cell of the table `contact`.
"""

from __future__ import annotations

from collections.abc import Iterator

from answer_forms import ACCEPTED, EDITABLE, REFUSED, Form
from bench.kit import Row
from overnight.contracts import Brief
from overnight.errors import EditError
from overnight.researchers.llm import edits

SHARE = 52 / 61  # of the forms that mean one thing only, at least


def after(form: Form) -> dict[str, str | None] | None:
    """The files that a form of answer leaves other than they were; None where it is refused."""
    brief = Brief("goal", "loss", "minimize", dict(form.files), 0, None, (), "", 1, editable=EDITABLE)
    try:
        return edits.change(form.answer, brief).files
    except EditError:
        return None


def rows() -> Iterator[Row]:
    """The forms that mean one thing: how many are accepted rightly; of all, how many are applied wrongly."""
    made = [(form, after(form)) for form in (*ACCEPTED, *REFUSED)]
    right = sum(found == form.after for form, found in made if form.after is not None)
    wrong = sum(found not in (None, form.after) for form, found in made)
    yield Row("forms accepted rightly", right, right, right, len(ACCEPTED), f">= {SHARE * len(ACCEPTED):.0f}")
    yield Row("forms applied wrongly", wrong, wrong, wrong, len(made), "== 0")
