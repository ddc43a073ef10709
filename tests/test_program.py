"""program.md: the team in its front matter, the prose below."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.errors import TrackError
from overnight.program import Program, load, parse


def test_a_folder_without_one_gets_the_default_team(tmp_path):
    assert load(tmp_path / "program.md") == Program()


def test_without_front_matter_all_is_prose():
    assert parse("# Do it\n\nwell\n") == Program(prose="# Do it\n\nwell\n")


def test_the_front_matter_names_the_team():
    assert parse('+++\nresearchers = ["llm", "knobs"]\n+++\n\nGo.\n') == Program(("llm", "knobs"), "\nGo.\n")


def test_front_matter_may_be_empty():
    assert parse("+++\n+++\nGo.\n") == Program(prose="Go.\n")


def test_front_matter_may_end_the_file():
    assert parse('+++\nresearchers = ["llm"]\n+++') == Program(("llm",), "")


def test_lines_may_end_as_they_do_on_windows(tmp_path):
    (tmp_path / "program.md").write_bytes(b'+++\r\nresearchers = ["llm"]\r\n+++\r\nGo.\r\n')
    assert load(tmp_path / "program.md").researchers == ("llm",)


def test_a_fence_further_down_is_prose():
    assert parse("Go.\n+++\nx = 1\n+++\n").prose == "Go.\n+++\nx = 1\n+++\n"


def wrong(text):
    with pytest.raises(TrackError) as caught:
        parse(text)
    return str(caught.value)


def test_front_matter_that_is_never_closed():
    assert wrong("+++\nresearchers = []\n") == "program.md: the front matter opened by +++ on line 1 is never closed."


def test_an_unknown_key_with_the_one_that_is_meant():
    assert wrong('+++\nresearcher = ["llm"]\n+++\n') == \
        "program.md (line 2): unknown key 'researcher' in the front matter (did you mean 'researchers'?)."


def test_prose_is_written_below_and_not_in_the_front_matter():
    assert wrong('+++\nprose = "x"\n+++\n').startswith("program.md (line 2): unknown key 'prose' in the front matter")


def test_front_matter_that_is_no_toml():
    assert wrong("+++\nresearchers = \n+++\n").startswith("program.md: the front matter is not TOML: ")


def test_a_team_of_the_wrong_type():
    assert wrong('+++\nresearchers = "llm"\n+++\n') == \
        'program.md (line 2): researchers is a list of names, like ["knobs"].'


def test_an_empty_team():
    assert wrong("+++\nresearchers = []\n+++\n") == \
        'program.md (line 2): researchers is a list of names, like ["knobs"].'


def test_a_program_that_is_no_text(tmp_path):
    (tmp_path / "program.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrackError, match=r"program.md cannot be read"):
        load(tmp_path / "program.md")


@given(st.text())
def test_any_text_without_a_fence_is_its_own_prose(text):
    assert parse("." + text).prose == "." + text
