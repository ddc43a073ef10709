"""The forms that models fall into: what is meant in one way only is applied, and nothing else is."""

import pytest

from answer_forms import ACCEPTED, EDITABLE, FORMS, REFUSED
from overnight.contracts import Brief
from overnight.errors import EditError
from overnight.researchers.llm import edits


def after(form):
    """The files that a form of answer leaves other than they were; None where it is refused."""
    brief = Brief("goal", "loss", "minimize", dict(form.files), 0, None, (), "", 1, editable=EDITABLE)
    try:
        return edits.change(form.answer, brief).files
    except EditError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
        return None


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_each_form_is_applied_as_it_is_meant_or_refused(form):
    assert after(form) == form.after


def test_every_form_is_written_once():
    assert len({form.answer for form in FORMS}) >= len(FORMS) - 4 and len({form.name for form in FORMS}) == len(FORMS)
    assert len(ACCEPTED) > 61 and len(REFUSED) > 20
