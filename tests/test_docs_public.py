"""Nothing public without a word: each key, tool, record and name for others stands on its page of reference.

Commands and their options are on a page that is made from them (test_cli.py), and so is what `--json` prints (test_views.py).
"""

import inspect
import re
import typing

import msgspec
import pytest

from conftest import ROOT
from overnight import scoring
from overnight.lab import events
from overnight.mcp.verbs import Verbs
from overnight.scoring import interval, language, optimum, prediction, speed
from overnight.track.roles import KEYS
from overnight.track.spec import Track


def missing(names, *pages):
    """The names that stand on none of the pages, as whole words."""
    text = "".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in pages)
    return sorted(name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text))


def fields(kind):
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def within(kind):
    """A record and all records in it."""
    parts = [part for hint in typing.get_type_hints(kind).values() for part in (hint, *typing.get_args(hint))]
    inner = [part for part in parts if inspect.isclass(part) and issubclass(part, msgspec.Struct)]
    return {kind}.union(*map(within, inner))


def records():
    """The kinds of records in a journal, by their names there."""
    kinds = [kind for _, kind in inspect.getmembers(events, inspect.isclass) if issubclass(kind, events.Recorded)]
    return {kind.__struct_config__.tag: kind for kind in kinds if kind is not events.Recorded}


@pytest.mark.parametrize("kind", sorted(within(Track), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_every_key_of_a_contract_has_its_place(kind):
    assert missing(fields(kind), "track.md", "ladder.md") == []


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_role_and_its_keys_have_their_place(kind):
    assert missing([kind, *KEYS[kind]], "researchers.md") == []


@pytest.mark.parametrize("kind", records())
def test_every_record_of_the_journal_and_its_fields_have_their_place(kind):
    assert missing([kind, *fields(records()[kind])], "journal.md") == []


@pytest.mark.parametrize("module", [scoring, interval, language, optimum, prediction, speed], ids=lambda module: module.__name__)
def test_every_name_for_scorers_has_its_place(module):
    own = [name for name, value in vars(module).items() if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__]
    assert missing(getattr(module, "__all__", own), "scoring.md", "scorers.md") == []


def test_every_tool_of_mcp_has_its_place():
    tools = [name for name, value in vars(Verbs).items() if inspect.isfunction(value) and not name.startswith("_")]
    assert {"brief", "try_change", "wait"} <= set(tools)
    assert missing(set(tools) - {"close"}, "agents.md") == []


def test_what_stands_nowhere_would_be_found():
    assert missing(["metric", "no_such_key"], "track.md") == ["no_such_key"]
