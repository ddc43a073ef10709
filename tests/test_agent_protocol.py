"""Agents that speak the Agent Client Protocol: real processes by the official SDK, in the real sandbox."""

import sys
from pathlib import Path

import pytest

from overnight.errors import Away, EditError
from overnight.researchers.agent import protocol
from test_agent import Bench, brief

NEEDS = "sandbox"
SCRIPT = Path(__file__).with_name("acp_agent.py").read_text(encoding="utf-8")


@pytest.fixture
def bench(bubblewrap, tmp_path):
    return Bench(bubblewrap, tmp_path)


def agent(bench, how, timeout=60.0):
    """A researcher whose agent does so; it has the SDK from the environment of these tests."""
    return bench.agent(SCRIPT, command=f"acp:{sys.executable} agent.py {how}", timeout=timeout)


def test_an_agent_that_edits_asks_and_tells(bench):
    change = agent(bench, "good").propose(brief())
    assert change.files == {"settings.py": "X = 2\n"}
    assert change.message == "Set X to two.\n\nIt is more than one."


def test_odd_messages_in_between_are_passed_over(bench, caplog):
    assert agent(bench, "odd").propose(brief()).files == {"settings.py": "X = 2\n"}
    assert not caplog.records


def test_one_that_never_ends_is_asked_to_stop_and_what_it_did_is_taken(bench):
    change = agent(bench, "'never ends'", timeout=8.0).propose(brief())
    assert change.files == {"settings.py": "X = 2\n", "more/cancelled.py": "asked = True\n"}


@pytest.mark.parametrize("how, timeout, why", [
    ("silent", 3.0, "did not end within 3 s; the agent changed nothing"),
    ("garbage", 60.0, "it did not speak the protocol"),
    ("dies", 60.0, "it hung up in the middle"),
    ("floods", 60.0, "it sent more than 64 MiB"),
    ("'long line'", 60.0, "it sent a message of more than 4 MiB"),
    ("refuses", 60.0, "it answered with an error"),
])
def test_one_that_misbehaves_is_refused_in_a_sentence(bench, how, timeout, why):
    with pytest.raises(EditError) as caught:
        agent(bench, how, timeout).propose(brief())
    assert why in str(caught.value) and str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_one_that_wants_a_login_is_away(bench):
    with pytest.raises(Away, match="needs a login"):
        agent(bench, "login").propose(brief())


def test_the_number_for_a_login_is_the_protocols():
    from acp import RequestError

    assert RequestError.auth_required().code == protocol.LOGIN
