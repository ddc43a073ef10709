"""Answers that are held to a schema: where the server can, and free where it cannot."""

import json

import pytest

from overnight.contracts import Brief, Change
from overnight.errors import Away, EditError
from overnight.researchers.llm.author import REPAIRS, Author
from overnight.researchers.llm.budget import BudgetBounds, ModelBudget
from overnight.researchers.llm.client import ModelClient
from overnight.researchers.llm.edits import structured
from overnight.researchers.llm.model import Model, Request
from overnight.testing.models import Scripted
from overnight.testing.server import Refusal, Server

FILES = {"settings.py": "X = 1.0\nY = 2.0\n\n\nZ = [\n    1,\n]\n", "more.yaml": "a: 1\na: 1\nb: 2\n"}
GOOD = json.dumps({"title": "X up", "why": "It was low.", "edits": [{"file": "settings.py", "search": ["X = 1.0"], "replace": ["X = 3.0"]}]})
MADE = Change({"settings.py": FILES["settings.py"].replace("X = 1.0", "X = 3.0")}, "X up\n\nIt was low.")
REQUEST = Request("author", "propose", 1, "stable", "current", schema={
    "type": "object", "properties": {"why": {"type": "string", "maxLength": 160}}, "required": ["why"], "additionalProperties": False})


def brief():
    return Brief(goal="a low loss", metric="loss", direction="minimize", files=FILES, frontier=0, noise=None, history=(), program="", seed=1,
                 editable=("settings.py", "more.yaml"))


def step(schema):
    return schema["properties"]["edits"]["items"]


class Asked(Server):
    """A server that notes what it was asked to hold an answer to, and refuses some of it with a status."""

    def __init__(self, answers, refuses=0):
        super().__init__(answers)
        self.formats, self.refuses = [], refuses

    def _admit(self, asked, key):
        super()._admit(asked, key)
        self.formats.append(asked.get("response_format"))
        if asked.get("response_format") and self.refuses:
            raise Refusal(self.refuses, "response_format is not supported")


# ---- the schema ------------------------------------------------------------------------------------------------


def test_lines_can_be_quoted_only_as_they_are_and_only_known_files_named():
    made = step(structured.schema(FILES, ("settings.py", "more.yaml")))["properties"]
    assert made["file"]["enum"] == list(FILES)
    assert set(made["search"]["items"]["enum"]) == {line for text in FILES.values() for line in text.split("\n")}


def test_where_files_may_be_made_any_path_can_be_named():
    assert "enum" not in step(structured.schema(FILES, ("*.py",)))["properties"]["file"]


def test_the_lines_of_long_files_are_not_spelt_out():
    long = {"a.py": "".join(f"A{n} = {n}\n" for n in range(400))}
    assert "enum" not in step(structured.schema(long, ("a.py",)))["properties"]["search"]["items"]


def test_the_simplest_form_is_one_line_that_stands_once_in_its_file():
    made = structured.schema(FILES, ("*.py",), simple=True)
    lines = {each["properties"]["file"]["enum"][0]: each["properties"]["search"]["items"]["enum"] for each in step(made)["anyOf"]}
    assert lines == {"settings.py": ["X = 1.0", "Y = 2.0", "Z = [", "    1,"], "more.yaml": ["b: 2"]}
    assert made["properties"]["edits"]["maxItems"] == 1


# ---- who is held to it -----------------------------------------------------------------------------------------


def author(answers, structured=True):
    calls, asked = iter(answers), []
    model = Scripted(lambda messages: next(calls), structured=structured)
    ask = model.ask
    model.ask = lambda request: asked.append(request) or ask(request)
    return Author(ModelClient("author", model, ModelBudget(BudgetBounds(), lambda call: None))), asked


def test_a_model_that_can_be_held_is_asked_for_json():
    made, asked = author([GOOD])
    assert made.propose(brief()) == MADE
    assert asked[0].schema == structured.schema(FILES, ("settings.py", "more.yaml")) and '"edits"' in asked[0].stable


def test_another_is_asked_for_blocks_and_held_to_nothing():
    made, asked = author([GOOD], structured=False)
    assert made.propose(brief()) == MADE, "JSON is read all the same"
    assert asked[0].schema is None and "<<<<<<< SEARCH" in asked[0].stable


def test_the_last_attempt_is_held_to_the_simplest_form():
    made, asked = author(["no"] * (1 + REPAIRS))
    with pytest.raises(EditError):
        made.propose(brief())
    simple = structured.schema(FILES, ("settings.py", "more.yaml"), simple=True)
    assert [request.schema == simple for request in asked] == [False] * REPAIRS + [True]


@pytest.mark.services
def test_a_server_gets_the_schema():
    with Asked([GOOD]) as server:
        model = Model(f"server:any@{server.url}")
        assert model.structured and model.ask(REQUEST).text == GOOD and model.structured
    assert server.formats[0]["type"] == "json_schema" and server.formats[0]["json_schema"]["schema"] == REQUEST.schema, "with every bound"


@pytest.mark.services
@pytest.mark.parametrize("status", [400, 422, 501])
def test_a_server_that_refuses_it_is_asked_without_and_not_again_with_it(status):
    with Asked([GOOD], status) as server:
        model = Model(f"server:any@{server.url}")
        assert [model.ask(REQUEST).text for _ in range(2)] == [GOOD] * 2 and not model.structured
    assert [bool(each) for each in server.formats] == [True, False, False]


@pytest.mark.services
def test_a_server_that_refuses_everything_has_not_refused_the_schema():
    class Closed(Asked):
        def _admit(self, asked, key):
            super()._admit(asked, key)
            raise Refusal(400, "closed")

    with Closed([GOOD]) as server:
        model = Model(f"server:any@{server.url}")
        with pytest.raises(Away):
            model.ask(REQUEST)
        assert model.structured
