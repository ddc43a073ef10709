"""The form of a change: what was rendered applies, and what does not apply says why."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from overnight.contracts import Brief, Change
from overnight.errors import EditError
from overnight.researchers.llm import edits
from overnight.researchers.llm.edits import Edit, ParsedAnswer, applied, parse, render, unix
from said import said

CODE = "import math\n\nRATE = 0.1\nSTEPS = 100\n\n\ndef f(x):\n    return x\n\n\ndef g(x):\n    return x\n"
FILES = {"train.py": CODE}


def brief(files=FILES, editable=("*.py", "notes.md")):
    return Brief("goal", "loss", "minimize", dict(files), 0, None, (), "", 1, editable=tuple(editable))


def block(search, replace, path="train.py"):
    return f"FILE: {path}\n<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n"


def changed(answer, files=FILES, **more):
    return edits.change(answer, brief(files, **more))


def refused(answer, files=FILES, **more):
    with pytest.raises(EditError) as error:
        changed(answer, files, **more)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)
    return str(error.value)


# ---- what applies ----------------------------------------------------------------------------------------------


def test_an_answer_is_a_title_a_reason_and_the_new_files():
    got = changed("TITLE: a slower start\nIt diverged.\n\n" + block("RATE = 0.1", "RATE = 0.05"))
    assert got == Change({"train.py": CODE.replace("0.1", "0.05")}, "a slower start\n\nIt diverged.")


def test_blocks_apply_in_order_each_on_what_the_one_before_left():
    got = changed("TITLE: t\n" + block("RATE = 0.1", "RATE = 0.2\nWARM = 1") + block("WARM = 1\nSTEPS = 100", "STEPS = 50"))
    assert got.files["train.py"] == CODE.replace("RATE = 0.1\nSTEPS = 100", "RATE = 0.2\nSTEPS = 50")


def test_one_heading_may_stand_over_several_blocks():
    answer = "TITLE: t\n" + block("RATE = 0.1", "RATE = 1") + block("STEPS = 100", "STEPS = 1").partition("\n")[2]
    assert changed(answer).files["train.py"] == CODE.replace("0.1", "1").replace("100", "1")


@pytest.mark.parametrize("answer", [
    "**TITLE: t**\n\nwhy\n\n### FILE: `train.py`\n```python\n" + block("RATE = 0.1", "RATE = 1").partition("\n")[2] + "```\n",
    "t\n\nwhy\n\n" + block("RATE = 0.1", "RATE = 1"),
    ("TITLE: t\nwhy\n" + block("RATE = 0.1", "RATE = 1")).replace("\n", "\r\n"),
    "Sure!\n\nTITLE: t\nwhy\n" + block("RATE = 0.1", "RATE = 1") + "\nI hope that this helps.\n",
], ids=["markdown", "no word TITLE", "CR LF", "small talk"])
def test_the_habits_of_models_are_borne_with(answer):
    assert changed(answer) == Change({"train.py": CODE.replace("0.1", "1")}, "t\n\nwhy")


def test_a_change_without_a_title_is_named_after_what_it_writes():
    assert changed(block("RATE = 0.1", "RATE = 1")).message == "train.py: RATE = 1"


def test_files_are_made_and_removed():
    answer = "TITLE: t\nNEW FILE: b.py\n<<<<<<< SEARCH\n=======\nB = 1\n>>>>>>> REPLACE\nDELETE FILE: train.py\n"
    assert changed(answer).files == {"b.py": "B = 1\n", "train.py": None}


def test_lines_of_equal_signs_take_longer_marks():
    old = "Title\n=======\ntext\n"
    answer = "TITLE: t\nFILE: notes.md\n<<<<<<<< SEARCH\nTitle\n=======\n========\nOther\n=======\n>>>>>>>> REPLACE\n"
    assert changed(answer, {"notes.md": old}).files == {"notes.md": "Other\n=======\ntext\n"}


def test_a_file_keeps_its_kind_of_line_ends_and_the_lack_of_a_last_one():
    assert changed("TITLE: t\n" + block("A = 1", "A = 2"), {"train.py": "A = 1\r\nB = 1\r\n"}).files["train.py"] == "A = 2\r\nB = 1\r\n"
    assert changed("TITLE: t\n" + block("A = 1", "A = 2"), {"train.py": "A = 1"}).files["train.py"] == "A = 2"


# ---- what does not, and why ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "words"), [
    ("", "no edit"),
    ("TITLE: t\nI would try a lower rate.", "no edit"),
    ("TITLE: t\n" + block("RATE = 0.2", "RATE = 1").partition("\n")[2], "belongs to no file"),
    ("TITLE: t\nFILE: train.py\n<<<<<<< SEARCH\nRATE = 0.1\n", "never closed"),
    ("TITLE: t\nFILE: train.py\n<<<<<<< SEARCH\nRATE = 0.1\n>>>>>>> REPLACE\n", "0 lines of 7 '='"),
    ("TITLE: t\n" + block("RATE = 0.1\n=======", "RATE = 1"), "2 lines of 7 '='"),
    ("TITLE: t\n" + block("    return x", "    return 2 * x"), "found 2 times (lines 8, 12)"),
    ("TITLE: t\n" + block("RATE = 0.2", "RATE = 1"), "line 3 is 'RATE = 0.1'"),
    ("TITLE: t\n" + block("   return x", "    return 1"), "found 2 times (lines 8, 12)"),
    ("TITLE: t\n" + block("def f(x):\nreturn x", "def f(x):\nreturn 1"), "Line 8 differs in its spaces: it is '    return x'"),
    ("TITLE: t\n" + block("  RATE = 0.1", "    RATE = 1"), "line 3 differs in its spaces: it is 'RATE = 0.1', not '  RATE = 0.1'"),
    ("TITLE: t\n" + block("RATE = 0.1\nimport math", "RATE = 1"), "not one after another"),
    ("TITLE: t\n" + block("completely different words here", "RATE = 1"), "Nothing in it is like"),
    ("TITLE: t\n" + block("", "RATE = 1"), "found 5 times"),
    ("TITLE: t\nFILE: train.py\n<<<<<<< SEARCH\n=======\nRATE = 1\n>>>>>>> REPLACE\n", "SEARCH part is empty"),
    ("TITLE: t\nNEW FILE: train.py\n<<<<<<< SEARCH\n=======\nRATE = 1\n>>>>>>> REPLACE\n", "exists already"),
    ("TITLE: t\nNEW FILE: b.py\n<<<<<<< SEARCH\nx\n=======\nRATE = 1\n>>>>>>> REPLACE\n", "nothing to search for"),
    ("TITLE: t\n" + block("RATE = 0.1", "RATE = 1", "trian.py"), "did you mean train.py?"),
    ("TITLE: t\n" + block("RATE = 0.1", "RATE = 0.1"), "changes nothing"),
    ("TITLE: t\n" + block("RATE = 0.1", "RATE = = 1"), "train.py no longer parses: invalid syntax on line 3, 'RATE = = 1'"),
    ("TITLE: t\n" + block("RATE = 0.1", "RATE = '\0'"), "no longer parses"),
    ("TITLE: t\n" + block("RATE = 0.1", "RATE = " + "(" * 300 + ")" * 300), "no longer parses"),
    ("TITLE: t\n" + block("RATE = 0.1", "RATE = 1", "score/score.py"), "only *.py, notes.md may"),
    ("TITLE: t\n" + block("x", "y", "../train.py"), "may not be edited"),
    ("TITLE: t\n" + block("x", "y", "/etc/passwd"), "may not be edited"),
    ("TITLE: t\nDELETE FILE: track.toml\n", "may not be edited"),
    ("x" * (edits.MOST_ANSWER_CHARACTERS + 1), "longer than"),
])
def test_what_cannot_be_used_has_a_reason_that_a_model_can_act_on(answer, words):
    assert words in refused(answer)


@pytest.mark.parametrize("path", ["../x.py", "a/../x.py", "./x.py", "a//x.py", "/x.py", "a/\u202ex.py"])
def test_no_glob_opens_what_is_no_plain_path(path):
    assert "may not be edited" in refused(f"TITLE: t\nNEW FILE: {path}\n<<<<<<< SEARCH\n=======\nB = 1\n>>>>>>> REPLACE\n",
                                          editable=("**",))


def test_without_globs_only_the_files_that_are_shown_may_be_edited():
    assert "only train.py may" in refused("TITLE: t\nNEW FILE: b.py\n<<<<<<< SEARCH\n=======\nB = 1\n>>>>>>> REPLACE\n", editable=())


def test_what_does_not_parse_already_may_be_mended():
    assert changed("TITLE: t\n" + block("A = = 1", "A = 1"), {"train.py": "A = = 1\n"}).files == {"train.py": "A = 1\n"}


# ---- properties ------------------------------------------------------------------------------------------------

LINE = st.one_of(st.sampled_from(["", "a", "b", "=======", "<<<<<<< SEARCH", ">>>>>>> REPLACE", "```", "FILE: x", "TITLE: y"]),
                 st.text(st.characters(exclude_characters="\n\r", exclude_categories=("Cs",)), max_size=12))
TEXT = st.lists(LINE, max_size=12).map(lambda lines: "".join(f"{line}\n" for line in lines))
NAMES = st.sampled_from(["a.md", "b/c.txt", "long name.md"])
STATES = st.dictionaries(NAMES, TEXT, max_size=3)


@example(before={}, after={"a.md": ""})
@given(before=STATES, after=st.dictionaries(NAMES, st.none() | TEXT, max_size=3))
def test_what_was_rendered_as_an_edit_applies(before, after):
    wanted = {path: text for path, text in after.items() if text != before.get(path)}
    change = Change(wanted, "a title\n\nand why")
    if not wanted:
        return
    assert edits.change(said(change, before), brief(before, editable=("**",))) == change


@given(before=TEXT, after=TEXT)
def test_the_ends_of_lines_stay_those_of_the_file(before, after):
    """A file with CR LF is changed by an answer that has LF."""
    if unix(before) == unix(after):
        return
    old = before.replace("\n", "\r\n")
    got = edits.change(said(Change({"a.md": after}, "t"), {"a.md": before}), brief({"a.md": old}, editable=("**",)))
    assert got.files["a.md"] == (after.replace("\n", "\r\n") if before else after)


@given(st.text(max_size=400) | st.lists(st.sampled_from([
    "TITLE: t", "FILE: train.py", "NEW FILE: b.py", "DELETE FILE: train.py", "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE",
    "RATE = 0.1", "    return x", "", "```", "<<<<<<<< SEARCH"]), max_size=24).map("\n".join))
def test_any_answer_is_a_change_or_a_reason(answer):
    try:
        got = changed(answer)
    except EditError as error:
        assert str(error).endswith(".")
    else:
        assert got.message and any(text != FILES.get(path) for path, text in got.files.items())


@given(st.lists(st.builds(Edit, st.just("a.md"), st.just("edit"), st.lists(LINE, max_size=4).map(tuple),
                          st.lists(LINE, max_size=4).map(tuple)), min_size=1, max_size=4), st.text("abc ", min_size=1).map(str.strip))
def test_parse_reads_what_render_wrote(steps, title):
    if not title:
        return
    assert parse(render(ParsedAnswer(title, "", tuple(steps)))) == ParsedAnswer(title, "", tuple(steps))


@given(TEXT)
def test_an_edit_that_is_found_twice_is_never_applied(text):
    lines = text.split("\n")[:-1]
    for line in {had for had in lines if lines.count(had) > 1}:
        with pytest.raises(EditError, match="times"):
            applied([Edit("a.md", "edit", (line,), ("new",))], {"a.md": text}, ("**",))


LONG = "a" + "* " * 300_000 + "b"  # as a path or a title: a pattern that looked for its end would take hours


@pytest.mark.parametrize("answer", [f"TITLE: t\nFILE: {LONG}", f"TITLE: {LONG}\n{block('RATE = 0.1', 'RATE = 1')}", f"FILE: {'`' * 900_000}",
                                    "TITLE: t\n" + "DELETE FILE: notes.md\n" * 20_000, f"TITLE{' ' * 500_000}x", f"FILE{' ' * 500_000}x",
                                    f"```{' ' * 500_000}`", f"```\n#{' ' * 500_000}\n```", f"```json{' ' * 500_000}x", "<<<<<<< SEARCH\n" * 60_000,
                                    "TITLE: t\n<<<<<<< SEARCH\n" * 40_000, "```python\n" * 90_000 + "<<<<<<< SEARCH\n", "Before:\n```\n" * 70_000,
                                    "{" * 1_000_000, "\n{" * 500_000, "@@\n-a\n" * 140_000, "</think>" * 100_000, f"```{'a.' * 450_000}/"])
def test_an_answer_of_any_shape_is_read_in_a_moment(answer):
    try:
        parse(answer)
    except EditError as error:
        assert str(error).endswith(".")


def test_very_many_blocks_are_no_change():
    assert "more than 200 blocks" in refused("TITLE: t\n" + "DELETE FILE: notes.md\n" * 201)


@pytest.mark.parametrize("last", ["", "x"])
def test_a_file_of_the_same_line_over_and_over_is_searched_in_a_moment(last):
    lines = ("",) * 240_000
    with pytest.raises(EditError, match=r"100 times or more|is not in the file"):
        applied([Edit("a.md", "edit", (*lines[:120_000], last), ("new",))], {"a.md": "\n".join(lines)}, ("**",))


def test_a_great_many_blank_lines_around_a_search_are_passed_over_in_a_moment():
    blank = ("",) * 200_000
    step = Edit("a.md", "edit", (*blank, "b", *blank), (*blank, "c", *blank))
    assert applied([step], {"a.md": "a\nb\nd\n"}, ("**",)) == {"a.md": "a\nc\nd\n"}


@given(st.lists(st.sampled_from("ab"), max_size=12), st.lists(st.sampled_from("ab"), min_size=1, max_size=3))
def test_lines_are_found_wherever_they_stand(lines, search):
    assert edits.places(search, lines) == [n for n in range(len(lines)) if lines[n:n + len(search)] == search]


@pytest.mark.parametrize("named", ["a.md", " `a.md` ", "** a.md **", "'a.md'", '"a.md"*'])
def test_a_path_may_stand_in_marks(named):
    assert parse(f"TITLE: t\nDELETE FILE:{named}\n").edits[0].path == "a.md"
