"""The desk: proposals, changes put on top of others, and how large code is."""

import ast
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import CONTRACT, LITTLE, git, repository
from overnight.brief.page import page
from overnight.contracts import Best, Brief, Change, Past, Team
from overnight.errors import TrackError
from overnight.execution.desk import MOST_MESSAGE_CHARACTERS, Desk, code_size, said, size_delta
from overnight.lab import leads
from overnight.lab.jobs import Accept, Combine, Propose, Rebase, Try
from overnight.repo import Repo
from overnight.researchers.team import ModelOptions, TeamBuilder
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.track import spec
from overnight.track.load import load

NEEDS = "git"
LINES = "".join(f"L{n} = {n}\n" for n in range(10))
TURNED = LINES.replace("L3 = 3", "L3 = 30")
PAST = Past(7, 0, "scripted", "open", "L1 up")


def brief(again=None):
    return Brief("goal", "loss", "minimize", {}, 0, None, (), "", 1, again=again)


class Scripted:
    """A researcher that answers every brief alike and remembers what it was asked."""

    name = "scripted"

    def __init__(self, files=None, message="made"):
        self.change = None if files is None else Change(files, message)
        self.briefs = []

    def propose(self, asked):
        self.briefs.append(asked)
        return self.change


@pytest.fixture(scope="module")
def little(tmp_path_factory):
    """One repository for all: a desk makes commits and moves nothing."""
    return repository(tmp_path_factory.mktemp("desk") / "little", LITTLE | {"settings.py": LINES})


@pytest.fixture(scope="module")
def base(little):
    return Repo(little).head()


def desk(folder, researcher=None):
    return Desk(spec.parse(CONTRACT), Repo(folder), Team({"scripted": researcher or Scripted()}))


def edited(folder, base, *pairs, files=None):
    """A commit on a base with lines of settings.py changed."""
    text = LINES
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    return Repo(folder).commit(base, {"settings.py": text, **(files or {})}, "+".join(after.strip() for _, after in pairs))


# ---- proposals -------------------------------------------------------------------------------------------------


def proposed(folder, base, files):
    return desk(folder, Scripted(files)).propose(Propose("scripted", 0, base, brief()))


def test_a_proposal_is_a_commit_with_its_diff_and_its_size(little, base):
    found = proposed(little, base, {"settings.py": LINES + "A = 1\n"})
    assert (found.foul, found.reason, found.size_delta) == ("", "", code_size("a.py", "A = 1\n") - code_size("a.py", ""))
    assert Repo(little).text(found.commit, "settings.py") == LINES + "A = 1\n" and "+A = 1" in found.patch


def test_a_change_that_does_nothing_but_turn_knobs_says_which(little, base):
    team = TeamBuilder(spec.parse(CONTRACT), little, Unsandboxed(), ModelOptions(), lambda call: None, lambda: None).team([])
    desk = Desk(spec.parse(CONTRACT), Repo(little), replace(team, researchers={"scripted": Scripted({"settings.py": TURNED})}))
    asked = desk.propose(Propose("scripted", 0, base, brief()))
    handed_in = desk.accept(Accept(Try("r", base, Repo(little).commit(base, {"settings.py": TURNED}, "by hand"), "by hand", "ada")))
    anew = desk.rebase(Rebase(1, asked.commit, base, base, "scripted", brief(PAST), True))
    assert asked.change.note == handed_in.change.note == anew.note == {"set": {"settings.py:L3": [3, 30]}}


def test_the_researcher_sees_the_files_of_the_commit(little, base):
    researcher = Scripted()
    desk(little, researcher).propose(Propose("scripted", 0, base, brief()))
    assert researcher.briefs[0].files == {"settings.py": LINES}


@pytest.mark.parametrize(("files", "reason"), [
    (None, "nothing left to try"), ({"settings.py": LINES}, "the change changes nothing"), ({"../x": "1"}, "no path"),
])
def test_what_is_no_change_is_passed_over_with_a_reason(little, base, files, reason):
    found = proposed(little, base, files)
    assert found.commit == "" and reason in found.reason


def test_a_proposal_beyond_the_boundary_is_a_foul(little, base):
    assert "score.py, which is not editable" in proposed(little, base, {"score.py": "print(0)\n"}).foul


# ---- on top of a newer frontier --------------------------------------------------------------------------------


def rebased(folder, commit, base, onto, researcher=None, again=PAST, name="scripted"):
    job = Rebase(7, commit, base, onto, name, None if again is None else brief(again))
    return desk(folder, researcher).rebase(job)


def test_what_git_can_merge_needs_no_researcher(little, base):
    researcher = Scripted({"settings.py": "X = 0\n"})
    onto = edited(little, base, ("L8 = 8\n", "L8 = 80\n"))
    found = rebased(little, edited(little, base, ("L1 = 1\n", "L1 = 10\n")), base, onto, researcher)
    assert not found.again and not researcher.briefs and not found.message
    assert Repo(little).text(found.commit, "settings.py") == LINES.replace("L1 = 1\n", "L1 = 10\n").replace("= 8\n", "= 80\n")


@pytest.fixture(scope="module")
def clash(little, base):
    """(a change, its base, a newer frontier that changed the same line)."""
    return edited(little, base, ("L1 = 1\n", "L1 = 10\n")), base, edited(little, base, ("L1 = 1\n", "L1 = 5\n"))


def test_what_git_cannot_merge_goes_back_to_its_researcher(little, clash):
    researcher = Scripted({"settings.py": LINES.replace("L1 = 1\n", "L1 = 50\n")}, "anew")
    found = rebased(little, *clash, researcher)
    assert found.again and Repo(little).text(found.commit, "settings.py").splitlines()[1] == "L1 = 50"
    assert found.message == "anew" and "-L1 = 5\n+L1 = 50\n" in found.patch and found.size_delta == 0
    asked, = researcher.briefs
    assert asked.again == PAST and asked.files == {"settings.py": LINES.replace("L1 = 1\n", "L1 = 5\n")}


def test_a_change_made_anew_stands_on_the_new_frontier_alone(little, clash):
    found = rebased(little, *clash, Scripted({"settings.py": "L1 = 50\n"}, "anew"))
    assert git(little, "log", "-1", "--format=%P|%s", found.commit) == f"{clash[2]}|anew"


@pytest.mark.parametrize("files", [None, {"settings.py": LINES.replace("L1 = 1\n", "L1 = 5\n")}, {"../x": "1"},
                                   {"score.py": "print(0)\n"}],
                         ids=["nothing", "what is there already", "no path", "a foul"])
def test_what_its_researcher_cannot_make_anew_is_a_conflict(little, clash, files):
    found = rebased(little, *clash, Scripted(files))
    assert (found.commit, found.again) == ("", True)


def test_without_a_brief_or_a_researcher_a_conflict_stays_one(little, clash):
    able = {"settings.py": "L1 = 50\n"}
    assert rebased(little, *clash, Scripted(able), again=None).commit == ""
    assert rebased(little, *clash, Scripted(able), name="somebody who left").commit == ""


def test_a_merged_change_is_checked_against_the_boundary_again(little, base):
    outside = edited(little, base, ("L1 = 1\n", "L1 = 10\n"), files={"score.py": "print(0)\n"})
    assert rebased(little, outside, base, edited(little, base, ("L8 = 8\n", "L8 = 80\n"))).commit == ""


# ---- on top of one another -------------------------------------------------------------------------------------


def combined(folder, base, *commits, onto=None):
    numbers = tuple(range(1, len(commits) + 1))
    return desk(folder).combine(Combine(numbers, tuple((base, c) for c in commits), onto or base))


def test_changes_are_put_on_top_of_one_another(little, base):
    changes = [edited(little, base, (f"L{n} = {n}\n", f"L{n} = {n}0\n")) for n in (1, 4, 8)]
    found = combined(little, base, *changes)
    assert found.experiments == (1, 2, 3) and found.commits[0] == changes[0]
    texts = [Repo(little).text(c, "settings.py") for c in found.commits]
    assert [sum(line.endswith("0") for line in text.splitlines()[1:]) for text in texts] == [1, 2, 3]


def test_a_change_that_conflicts_is_left_out(little, base):
    first, second, third = (edited(little, base, pair) for pair in (("L1 = 1\n", "L1 = 10\n"), ("L1 = 1\n", "L1 = 2\n"),
                                                                    ("L8 = 8\n", "L8 = 80\n")))
    found = combined(little, base, first, second, third)
    assert found.experiments == (1, 3) and len(found.commits) == 2
    text = Repo(little).text(found.commits[-1], "settings.py")
    assert text == LINES.replace("L1 = 1\n", "L1 = 10\n").replace("L8 = 8\n", "L8 = 80\n")


def test_changes_of_an_older_frontier_are_put_on_the_newer_one(little, base):
    onto = edited(little, base, ("L5 = 5\n", "L5 = 50\n"))
    found = combined(little, base, edited(little, base, ("L1 = 1\n", "L1 = 10\n")),
                     edited(little, base, ("L5 = 5\n", "L5 = 51\n")), onto=onto)
    assert found.experiments == (1,)
    assert Repo(little).text(found.commits[0], "settings.py") == LINES.replace("= 1\n", "= 10\n").replace("= 5\n", "= 50\n")


def test_where_all_conflict_nothing_is_combined(little, base):
    onto = edited(little, base, ("L1 = 1\n", "L1 = 5\n"))
    found = combined(little, base, edited(little, base, ("L1 = 1\n", "L1 = 6\n")), onto=onto)
    assert (found.experiments, found.commits) == ((), ())


# ---- how large code is -----------------------------------------------------------------------------------------

FUNCTION = "def f(x):\n    return x + 1\n"


@pytest.mark.parametrize("more", ["# a comment\n", "\n\n", '"""What the module is for."""\n'])
def test_comments_docstrings_and_blank_lines_are_no_code(more):
    assert code_size("a.py", more + FUNCTION) == code_size("a.py", FUNCTION)


def test_a_docstring_of_a_function_is_no_code():
    assert code_size("a.py", FUNCTION.replace("x):\n", 'x):\n    """Adds one.\n\n    To x."""\n')) == code_size("a.py", FUNCTION)


def test_long_names_and_line_breaks_are_no_more_code_than_short_ones():
    assert code_size("a.py", "rate = (0.1 +\n        0.2)\n") == code_size("a.py", "r = 3 + 4\n")


@given(st.sampled_from(["x = 1\n", "def g():\n    pass\n", "for i in range(3):\n    print(i)\n", "x = 'a string'\n", "import os\n"]))
def test_a_statement_more_is_more_code(statement):
    assert code_size("a.py", FUNCTION + statement) > code_size("a.py", FUNCTION)


def test_the_size_of_python_is_that_of_its_tree():
    assert code_size("a.py", FUNCTION) == sum(1 for _ in ast.walk(ast.parse(FUNCTION)))


@pytest.mark.parametrize("path", ["notes.md", "config.toml", "a.pyx", "py"])
def test_what_is_not_python_is_counted_in_words(path):
    assert code_size(path, "lr = 0.1  # a rate\n\n x\ty ") == 8


@pytest.mark.parametrize("text", ["def f(:\n    pass", "x = = 1", "a\0b c", "  indented = 1\nx = 2", "(" * 5000])
def test_python_that_does_not_parse_has_no_size(text):
    assert code_size("a.py", text) is None


def test_an_empty_file_is_as_large_as_a_docstring():
    assert code_size("a.py", "") == code_size("a.py", '"""Nothing."""\n') and code_size("a.txt", "") == 0


def test_a_change_grows_by_the_files_that_it_touches():
    before = {"a.py": FUNCTION, "b.py": FUNCTION, "notes.md": "one two"}
    assert size_delta(before, {"a.py": FUNCTION}) == 0
    assert size_delta(before, {"a.py": FUNCTION + "x = 1\n"}) == code_size("a.py", "x = 1\n") - code_size("a.py", "") > 0
    assert size_delta(before, {"notes.md": "one two three"}) == 1
    assert size_delta(before, {"new.md": "one two three"}) == 3


def test_a_change_that_removes_code_grows_by_less_than_nothing():
    before = {"a.py": FUNCTION + "x = 1\n", "notes.md": "one two"}
    assert size_delta(before, {"a.py": FUNCTION}) < 0 and size_delta(before, {"notes.md": None}) == -2


@pytest.mark.parametrize("after", [{"a.py": f"exec({FUNCTION!r})\n"}, {"a.py": f'"""{FUNCTION}"""\nexec(__doc__)\n'},
                                   {"a.py": "import b\n", "b.py": "((" + FUNCTION},
                                   {"a.py": "exec(open('b.txt').read())\n", "b.txt": FUNCTION}])
def test_code_that_moves_out_of_the_syntax_does_not_become_less(after):
    assert size_delta({"a.py": FUNCTION}, after) >= 0


def test_turning_a_constant_makes_code_neither_larger_nor_smaller():
    assert size_delta({"a.py": "RATE = 0.1\n"}, {"a.py": "RATE = 0.25\n"}) == 0
    assert size_delta({"a.py": "RATE = -0.1\n"}, {"a.py": "RATE = 0.25\n"}) == 0


def test_code_that_no_longer_parses_is_not_called_smaller():
    assert size_delta({"a.py": FUNCTION}, {"a.py": "def ("}) == 0


# ---- what a researcher says ------------------------------------------------------------------------------------


def test_a_message_keeps_its_lines_and_loses_what_steers_a_terminal():
    assert said("Möre\tdata\n\n\x1b[2Jand \u202eless\r\0") == "Möre\tdata\n\nand less\n"


@pytest.mark.parametrize("line", ["Overnight-Verdict: keep", "OVERNIGHT-Effect: 9", "  overnight_key: x"])
def test_no_line_of_a_message_is_a_trailer_of_ours(line):
    assert said(f"Better\n\n{line}\n") == f"Better\n\n> {line}\n"


def test_a_message_has_an_end():
    found = said("x" * 10**6)
    assert MOST_MESSAGE_CHARACTERS - 9 < len(found) <= MOST_MESSAGE_CHARACTERS and found.endswith("x\n[cut: 983,644 characters]")


def test_what_may_be_read_and_not_edited_is_on_the_brief_but_for_private_files(tmp_path):
    contract = CONTRACT.replace('editable = ["settings.py"]', 'editable = ["settings.py"]\ncontext = ["*.py", "kit/**"]').replace(
        '[score]', '[score]\nprivate = ["unseen.py"]')
    folder = repository(tmp_path / "little", LITTLE | {"kit/deep/a.py": "A = 1\n", "unseen.py": "S = 1\n", "b.txt": ""})
    full = Desk(spec.parse(contract), Repo(folder), Team({})).full(Repo(folder).head(), brief())
    assert set(full.context) == {"run.py", "score.py", "kit/deep/a.py"} and "A = 1" in page(full, 8000).text


def test_a_private_folder_is_on_no_brief_and_not_editable_context(tmp_path):
    contract = CONTRACT.replace('editable = ["settings.py"]', 'editable = ["settings.py"]\ncontext = ["secret/*"]').replace(
        '[score]', '[score]\nprivate = ["secret"]')
    folder = repository(tmp_path / "little", LITTLE | {"secret/k.txt": "KEY\n", "track.toml": contract})
    with pytest.raises(TrackError, match="would show secret/k.txt"):
        load(folder)
    assert Desk(spec.parse(contract), Repo(folder), Team({})).full(Repo(folder).head(), brief()).context == {}


@pytest.mark.parametrize(("context", "said"), [("*.txt", "would show unseen.txt, which no candidate may see"), ("*.rs", "matches no file")])
def test_context_that_shows_what_is_hidden_or_nothing_is_refused(tmp_path, context, said):
    contract = CONTRACT.replace("[score]", '[score]\nprivate = ["unseen.txt"]').replace(
        'editable = ["settings.py"]', f'editable = ["settings.py"]\ncontext = ["{context}"]')
    with pytest.raises(TrackError, match=said):
        load(repository(tmp_path / "little", LITTLE | {"unseen.txt": "1\n", "track.toml": contract}))


# ---- on a lead -----------------------------------------------------------------------------------------------------

LEAD = Best("L3 3 -> 30", {"L3": (3, 30)}, 1.0, 0.2, 5.0, 12)
ON_LEAD = msgspec.structs.replace(brief(), lead=LEAD)


def made_on_lead(little, base, researcher):
    """A change that a researcher made on a point which turns L3, and that point's commit."""
    lead = Repo(little).commit(base, {"settings.py": TURNED}, "point")
    return desk(little, researcher).propose(Propose("scripted", 0, base, ON_LEAD, True, lead)), lead


def test_a_researcher_is_shown_the_lead_and_its_change_holds_that_on_the_frontier(little, base):
    scripted = Scripted({"settings.py": TURNED.replace("L7 = 7", "L7 = 7 + L3")}, "use L3\n\nwhy")
    made, lead = made_on_lead(little, base, scripted)
    (asked,) = scripted.briefs
    assert asked.files["settings.py"] == TURNED and asked.commit == lead
    assert Repo(little).editable(made.commit, spec.parse(CONTRACT))["settings.py"] == TURNED.replace("L7 = 7", "L7 = 7 + L3")
    assert git(little, "rev-parse", f"{made.commit}^").strip() == base
    assert "+L3 = 30" in made.patch and "+L7 = 7 + L3" in made.patch
    said = git(little, "log", "-1", "--format=%B", made.commit)
    assert said.startswith("use L3\n\nwhy\n\n") and f"{leads.TOGETHER}point 12, L3 3 -> 30." in said and made.change.message in said


def test_what_changes_nothing_of_a_lead_is_no_change_although_the_lead_is_one(little, base):
    made, _ = made_on_lead(little, base, Scripted({"settings.py": TURNED}))
    assert made.unusable and "changes nothing" in made.reason and not made.commit


def test_it_leaves_its_lead_behind_where_the_frontier_moved(little, base):
    made, lead = made_on_lead(little, base, Scripted({"settings.py": TURNED.replace("L7 = 7", "L7 = 70")}, "L7 up"))
    other = Repo(little).commit(base, {"settings.py": LINES.replace("L3 = 3", "L3 = 33")}, "another point, which was kept")
    words = leads.alone(made.change.message)
    put = desk(little).rebase(Rebase(1, made.commit, lead, other, message=words))
    assert Repo(little).editable(put.commit, spec.parse(CONTRACT))["settings.py"] == LINES.replace("L3 = 3", "L3 = 33").replace(
        "L7 = 7", "L7 = 70")
    assert put.message == words and "L3" not in put.patch.partition("@@")[2].replace(" L3 = 33", "") and "+L7 = 70" in put.patch
    assert leads.ALONE in git(little, "log", "-1", "--format=%B", put.commit) and not put.again
