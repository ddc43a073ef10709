"""The answers of `make demo-llm`: those that should apply do, and the others fail in the way that they are there to show."""

import pytest

from conftest import ROOT
from overnight.contracts import Brief
from overnight.errors import EditError
from overnight.researchers.llm import edits
from overnight.researchers.llm.author import Author
from overnight.researchers.llm.budget import BudgetBounds, ModelBudget
from overnight.researchers.llm.client import ModelClient, text
from overnight.testing.models import Scripted, script
from overnight.track.program import parse

FOLDER = ROOT / "bench" / "rehearsal"
ANSWERS = {path.stem: path.read_text() for path in sorted((FOLDER / "answers").glob("*.md"))}
BROKEN = {"05-scorer": "may not be edited", "07-blocks": "the search text is not in the file"}
FILES = {"train.py": (ROOT / "tracks" / "microgpt" / "train.py").read_text()}
BRIEF = Brief("goal", "val_bpc", "minimize", FILES, 0, None, (), "", 1, editable=("train.py",))


@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - BROKEN.keys()))
def test_an_answer_applies_to_the_track_as_it_comes(name):
    change = edits.change(ANSWERS[name], BRIEF)
    assert list(change.files) == ["train.py"] and change.message.count("\n") >= 2


@pytest.mark.parametrize(("name", "why"), BROKEN.items())
def test_an_answer_that_cannot_be_used_has_one_that_can(name, why):
    with pytest.raises(EditError, match=why):
        edits.change(ANSWERS[name], BRIEF)
    assert f"{name}.again" in ANSWERS


def test_the_author_says_each_once_mends_what_is_sent_back_and_then_turns_numbers():
    author = Author(ModelClient("author", Scripted(script(FOLDER / "answers.py")), ModelBudget(BudgetBounds(), lambda call: None)))
    titles = [author.propose(BRIEF).message.partition("\n")[0] for _ in range(18)]
    wanted = [name for name in ANSWERS if f"{name}.again" not in ANSWERS and name != "04-numpy.again"] + ["04-numpy"]
    first = [ANSWERS[name].partition("\n")[0].removeprefix("TITLE: ") for name in sorted(wanted)]
    assert titles[:len(first)] == first and all(" -> " in title for title in titles[len(first):])


def test_the_critic_objects_once_and_the_author_heeds_it():
    said = script(FOLDER / "answers.py")
    diff = "Judge whether this change should go back: x"
    assert said([{"role": "system", "content": text("critic")}, {"role": "user", "content": f"{diff} import numpy"}]).startswith("SEND")
    assert said([{"role": "system", "content": text("critic")}, {"role": "user", "content": diff}]) == "OK"
    page = "## What to do now\n\nMultiply matrices with numpy"
    assert said([{"role": "system", "content": text("author")}, {"role": "user", "content": page}]) == ANSWERS["04-numpy.again"]


def test_the_team_is_one():
    team = parse((FOLDER / "team.md").read_text() + "Prose.\n")
    assert [role.kind for role in team.roles] == ["knobs", "llm", "critic", "standup"]
