"""A small real model behind llama.cpp's own server: it is asked as any other, and its answers are changes or reasons."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from overnight.contracts import Brief
from overnight.errors import EditError
from overnight.researchers.llm.author import Author
from overnight.researchers.llm.budget import BudgetBounds, ModelBudget
from overnight.researchers.llm.client import ModelClient
from overnight.researchers.llm.edits import structured
from overnight.researchers.llm.model import Model, Request
from overnight.testing import local

NEEDS = "model"
FILES = {"settings.py": "RATE = 0.1\nSTEPS = 100\nWIDTH = 32\n"}
PROGRAM = os.environ.get("OVERNIGHT_LOCAL_MODEL") or sys.executable
WORTH = 4  # proposals that are asked for


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of a server with the model."""
    log = tmp_path_factory.mktemp("model") / "log"
    with log.open("w") as errors:
        process = subprocess.Popen([Path(PROGRAM).absolute(), local.__file__, "--port", "0"], stdout=subprocess.PIPE, stderr=errors, text=True)
    said = next((line.strip() for line in process.stdout if line.startswith("http")), "")
    if not said:
        process.communicate(timeout=30)
        assert local.WANTING in log.read_text(), log.read_text()[-2000:]
        pytest.skip(local.WANTING)
    yield said
    process.terminate()
    process.communicate(timeout=30)


def brief(seed):
    return Brief(goal="a low loss", metric="loss", direction="minimize", files=FILES, frontier=0, noise=None, history=(), program="",
                 seed=seed, editable=("settings.py",))


def test_its_answers_keep_the_schema(url):
    model = Model(f"llamacpp:smollm2@{url}")
    wanted = structured.schema(FILES, ("settings.py",), simple=True)
    answers = [model.ask(Request("author", "propose", n, "You improve Python code.", f"Change one line of:\n\n{FILES['settings.py']}",
                                 max_tokens=600, timeout=300.0, schema=wanted)) for n in range(3)]
    assert model.structured, "the server took the schema"
    for answer in answers:
        written = structured.read(answer.text)
        assert written is not None and answer.counted and not answer.cut, answer.text
        assert written.edits[0].path == "settings.py" and written.edits[0].search[0] in FILES["settings.py"].split("\n")


def test_it_proposes_validly(url):
    """It understands next to nothing, and yet some of what it writes can be run; for the rest there is a reason."""
    calls, changes, reasons = [], [], []
    author = Author(ModelClient("author", Model(f"llamacpp:smollm2@{url}"), ModelBudget(BudgetBounds(), calls.append), page=2_500,
                                answer=400, timeout=300.0))
    for seed in range(WORTH):
        try:
            changes.append(author.propose(brief(seed)))
        except EditError as error:
            reasons.append(str(error))
    assert len(changes) + len(reasons) == WORTH and changes, reasons
    assert all(change.files.keys() == {"settings.py"} and change.files != FILES and change.message for change in changes)
    assert all(call.outcome == "ok" and call.tokens_in > 100 and call.tokens_out > 0 for call in calls)
