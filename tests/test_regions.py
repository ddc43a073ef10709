"""Regions of a file that alone may be edited: a change outside of them is a foul, and no researcher of ours makes one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import CONTRACT, LITTLE, commit, overnight, repository, sentence
from overnight.brief.page import page
from overnight.contracts import Brief, Past
from overnight.errors import EditError
from overnight.repo import Repo
from overnight.researchers.knobs.propose import Knobs
from overnight.researchers.llm import edits
from overnight.track import regions, spec

MARKED = "import os\nRATE = 0.5\n# EVOLVE-BLOCK-START\nWIDTH = 24\ndef f(x):\n    return x * 3.5\n# EVOLVE-BLOCK-END\nFAST = 0.25\n"
INSIDE = MARKED.replace("24", "32")
TRACK = CONTRACT.replace("editable =", 'region = "EVOLVE-BLOCK"\neditable =')


def crossed(after, before=MARKED):
    return regions.crossed(before, after, "EVOLVE-BLOCK")


@pytest.mark.parametrize("after", [INSIDE, MARKED.replace("WIDTH = 24\n", ""), MARKED.replace("WIDTH = 24\n", "# EVOLVE-BLOCK-START\nA = 1\n")])
def test_what_lies_between_the_marks_may_change(after):
    assert not crossed(after)


@pytest.mark.parametrize("after", [
    None, "", MARKED.replace("0.5", "0.6"), MARKED.replace("0.25", "1"), MARKED + "A = 1\n", MARKED.replace("# EVOLVE-BLOCK-END\n", ""),
    MARKED.replace("# EVOLVE-BLOCK-START", "#  EVOLVE-BLOCK-START"), MARKED.replace("WIDTH = 24\n", "# EVOLVE-BLOCK-END\nA = 1\n# EVOLVE-BLOCK-START\n"),
    MARKED.replace("    return x * 3.5\n#", "    return x * 3.5#"), MARKED.replace("\n", "\r\n")])
def test_what_lies_outside_may_not_and_the_marks_stay(after):
    assert crossed(after)


def test_a_file_without_marks_is_open_and_so_is_a_new_one():
    assert not crossed("A = 2\n", "A = 1\n") and not crossed("A = 1\n", None) and not regions.crossed(MARKED, "", "")


@given(st.lists(st.sampled_from(["a\n", "b", "\n", "# X-START\n", "# X-END\n", "X-START X-END\n", "\r\n", "\x0c"])).map("".join),
       st.lists(st.sampled_from(["a\n", "c", "\n", "# X-START\n", "# X-END\n"])).map("".join))
def test_spans_lie_within_the_text_in_order_and_what_is_not_crossed_has_the_same_rest(before, after):
    found = regions.spans(before, "X") or []
    edges = [edge for span in found for edge in span]
    assert edges == sorted(edges) and all(0 <= edge <= len(before) for edge in edges)
    assert not regions.crossed(before, before, "X")
    if found and not regions.crossed(before, after, "X"):
        assert after[:found[0][0]] == before[:found[0][0]] and after.endswith(before[found[-1][1]:])


# ---- researchers ------------------------------------------------------------------------------------------------


def brief(files, history=()):
    return Brief("goal", "score", "maximize", files, 0, 0.1, history, "", 1, editable=("*",), region="EVOLVE-BLOCK")


def test_knobs_turns_nothing_outside_whatever_the_language():
    files = {"a.py": MARKED, "b.c": "#define A 3\n// EVOLVE-BLOCK-START\nint width = 8;\n// EVOLVE-BLOCK-END\nint depth = 9;\n", "c.yaml": "rate: 3\n"}
    knobs, seen, history = Knobs(), set(), []
    for number in range(1, 41):
        change = knobs.propose(brief(files, history))
        history.append(Past(number, 0, "knobs", "discard", change.message, -0.1, 1, "", change.note))
        assert not any(regions.crossed(files[path], text, "EVOLVE-BLOCK") for path, text in change.files.items()), change
        seen |= change.files.keys()
    assert seen == files.keys()


def test_a_model_is_told_where_it_may_not_edit():
    told = brief({"a.py": MARKED})
    assert "only the lines between EVOLVE-BLOCK-START and EVOLVE-BLOCK-END" in page(told).text
    answer = "Title\n\nFILE: a.py\n<<<<<<< SEARCH\n{}\n=======\n{}\n>>>>>>> REPLACE\n"
    assert edits.change(answer.format("WIDTH = 24", "WIDTH = 32"), told).files == {"a.py": INSIDE}
    with pytest.raises(EditError, match="a.py: only the lines between the one with EVOLVE-BLOCK-START"):
        edits.change(answer.format("RATE = 0.5", "RATE = 0.6"), told)


# ---- the contract -----------------------------------------------------------------------------------------------


def test_a_mark_is_a_word():
    with pytest.raises(Exception, match="region is a mark of letters"):
        spec.parse(TRACK.replace("EVOLVE-BLOCK", "a\\nb"))


@pytest.mark.git
def test_a_commit_that_touches_the_outside_is_a_foul(tmp_path):
    folder = repository(tmp_path / "track", LITTLE | {"track.toml": TRACK, "settings.py": MARKED})
    repo, track = Repo(folder), spec.parse(TRACK)
    base = repo.head()
    inside = commit(folder, {"settings.py": INSIDE})
    outside = commit(folder, {"settings.py": INSIDE.replace("0.5", "0.6")})
    gone = commit(folder, {"settings.py": None})
    assert repo.foul(base, inside, track) == ""
    assert repo.foul(inside, outside, track) == "touches settings.py outside the lines between EVOLVE-BLOCK-START and EVOLVE-BLOCK-END"
    assert "outside the lines" in repo.foul(inside, gone, track)


@pytest.mark.night
def test_a_contract_whose_files_have_no_mark_is_a_sentence_and_try_says_foul(tmp_path):
    settings = "# EVOLVE-BLOCK-START\nX = 1.0\n# EVOLVE-BLOCK-END\nY = 1\n"
    folder = repository(tmp_path / "track", LITTLE | {"track.toml": TRACK})
    assert "no editable file has a line with EVOLVE-BLOCK-START" in sentence(overnight("check", folder))
    commit(folder, {"settings.py": settings})
    (folder / "settings.py").write_text(settings.replace("Y = 1", "Y = 2"))
    done = overnight("try", folder, "-m", "outside")
    assert done.returncode == 12 and "outside the lines between" in done.stdout + done.stderr, (done.returncode, done.stdout, done.stderr)
