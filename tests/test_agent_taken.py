"""What an agent left, taken as a stranger's data: nothing in it makes anything but a change or a sentence."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from overnight.errors import EditError
from overnight.researchers.agent import taken
from overnight.track import spec
from test_agent import CONTRACT

TRACK = spec.parse(CONTRACT)
LEFT = {"files": {}, "odd": {}, "gone": [], "more": 0, "code": 0, "seconds": 1.0, "words": ""}


@pytest.fixture
def ground(tmp_path):
    """A clean tree and a harvest."""
    (tmp_path / "tree/more").mkdir(parents=True)
    (tmp_path / "harvest").mkdir()
    (tmp_path / "tree/settings.py").write_text("X = 1\n")
    (tmp_path / "tree/run.py").write_text("run\n")
    (tmp_path / "harvest/0").write_text("X = 2\n")
    return tmp_path


def difference(ground, **fields):
    """The files that such a claim makes."""
    (ground / "harvest/left.json").write_text(json.dumps(LEFT | fields))
    said = taken.leavings(ground / "harvest")
    return taken.Difference(said, ground / "harvest", ground / "tree", "", TRACK, "OVERNIGHT.md").files()


def test_a_file_that_is_as_it_was_is_no_change(ground):
    (ground / "harvest/0").write_text("run\n")
    assert difference(ground, files={"run.py": "0"}, gone=["never/was.py"]) == {}


def test_a_changed_ignore_list_or_log_is_left_out_and_said(ground):
    """It is no part of the idea, and no reason to lose it."""
    (ground / "tree/.gitignore").write_text("old\n")
    (ground / "harvest/1").write_text("old\n*.pt\n")
    (ground / "harvest/left.json").write_text(json.dumps(LEFT | {"files": {"settings.py": "0", ".gitignore": "1"}}))
    said = taken.leavings(ground / "harvest")
    found = taken.change(taken.Difference(said, ground / "harvest", ground / "tree", "", TRACK, "OVERNIGHT.md"), said, "a title", "coder")
    assert found.files == {"settings.py": "X = 2\n"} and found.note == {"left out": [".gitignore"]}
    assert found.message == "a title\n\nNot editable, and left as before: .gitignore."


def test_a_change_of_what_counts_is_refused_and_the_reason_says_what_may_be_changed(ground):
    with pytest.raises(EditError, match=r"the agent changed run\.py, which is not editable: only settings\.py, more/\*\.py may be changed\."):
        difference(ground, files={"settings.py": "0", "run.py": "0"})


@pytest.mark.parametrize("path", ["../settings.py", "/etc/passwd", "a/../../b", "", "a//b", "./settings.py", "a\nb", "x\x1b[2J.py"])
def test_a_path_that_is_none_is_refused(ground, path):
    with pytest.raises(EditError, match="name is no path"):
        difference(ground, files={path: "0"})


@pytest.mark.parametrize("name", ["../tree/run.py", "left.json", "1", "/etc/passwd", "", "٠"])
def test_a_copy_that_is_none_is_refused(ground, name):
    with pytest.raises(EditError, match=r"cannot be taken|is missing"):
        difference(ground, files={"settings.py": name})


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, "nonsense", json.dumps(LEFT | {"files": {"a": 1}}), '{"files": "\xff"}',
                                  json.dumps(LEFT | {"words": "x" * (9 << 20)})])
def test_a_claim_that_cannot_be_read_is_no_claim(ground, text):
    (ground / "harvest/left.json").write_bytes(text.encode("latin-1"))
    assert taken.leavings(ground / "harvest") is None


def test_a_flood_of_new_files_alone_is_refused(ground):
    with pytest.raises(EditError, match="5,000 more files"):
        difference(ground, more=5000)


paths = some.one_of(some.text(max_size=20), some.sampled_from(["settings.py", "run.py", "more/x.py", "..", "new.txt", "OVERNIGHT.md"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=some.dictionaries(paths, some.one_of(some.just("0"), some.text(max_size=3)), max_size=4),
       odd=some.dictionaries(paths, some.text(max_size=8), max_size=2), gone=some.lists(paths, max_size=3))
def test_whatever_is_claimed_gives_editable_text_or_a_sentence(ground, files, odd, gone):
    try:
        changed = difference(ground, files=files, odd=odd, gone=gone)
    except EditError as error:
        assert str(error).endswith(".") and str(error).isprintable()
        return
    for path, text in changed.items():
        assert any(spec.covers(glob, path) for glob in TRACK.track.editable)
        assert text in (None, "X = 2\n")


@given(some.text(), some.text())
def test_a_message_is_one_bounded_line_and_a_bounded_text(words, last):
    title, _, why = taken.message(words, last, "coder").partition("\n\n")
    assert title and len(title) <= taken.TITLE and len(why) <= taken.WHY and title.isprintable()


@given(some.binary(max_size=300))
def test_last_words_are_always_text(said):
    assert all(c.isprintable() or c in "\n\t" for c in taken.last_words(said))


@pytest.mark.parametrize("words, message", [
    ("# A title\n\nWhy.", "A title\n\nWhy."), ("Title: better rate\nmore", "better rate\n\nmore"), ("\n\n---\n**Bold**\n", "Bold"),
    ("", "A change by coder"), ("x" * 150, "x" * 99 + "…\n\n" + "x" * 51),
])
def test_titles(words, message):
    assert taken.message(words, "", "coder") == message


@pytest.mark.parametrize("names", [99, 9000])
def test_one_copy_under_very_many_names_is_refused(ground, names):
    """An agent may write the list itself; read one by one, these would fill the machine's memory."""
    (ground / "harvest/0").write_bytes(bytes(1 << 20))
    with pytest.raises(EditError, match="more than can be looked at"):
        difference(ground, files={f"more/{n}.py": "0" for n in range(names)})
