"""Replay: patches as proposals, applied by real git; and the patches of a journal, written and read again."""

import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import CONTRACT, commit, git, repository, write
from overnight.contracts import Brief, Change, Past
from overnight.errors import EditError, TrackError
from overnight.lab.events import Opened, Proposed
from overnight.repo import Repo
from overnight.researchers.replay import CUT, MOST_PATCH_BYTES, Replay, patches
from overnight.researchers.team import ModelOptions, TeamBuilder
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.track import spec
from overnight.track.roles import Role

NEEDS = "git"
FILES = {"a.py": "X = 1\nY = 2\nZ = 3\n", "lib/b.py": "print('b')\n"}


def builder(folder):
    """Who makes a team of the roles of a track in this folder."""
    return TeamBuilder(spec.parse(CONTRACT), folder, Unsandboxed(), ModelOptions(), lambda call: None, lambda: None)


def brief(files, history=(), seed=1, **more):
    """A brief with these files; all of them, and what else is in lib, may be edited."""
    given = {"editable": ("a.py", "lib/**")} | more
    return Brief("", "loss", "minimize", dict(files), 0, None, history, "", seed, **given)


def past(number, change, name="replay"):
    """The experiment that came of a change."""
    return Past(number, 0, name, "discard", change.message, note=change.note)


def applied(files, change):
    """The files after a change."""
    return {path: text for path, text in {**files, **change.files}.items() if text is not None}


def diff(tmp_path, before, after, *options):
    """What git says is different."""
    folder = repository(tmp_path / "of", before)
    write(folder, {path: after.get(path) for path in before.keys() | after.keys()})
    git(folder, "add", "-A")
    done = subprocess.run(["git", "diff", "--cached", "--binary", *options], cwd=folder, capture_output=True, check=True)
    return done.stdout


def of(tmp_path, **found):
    """A folder of patches."""
    write(tmp_path / "patches", {name.replace("_", "."): text for name, text in found.items()})
    return tmp_path / "patches"


def plain(path, old, new, strip=""):
    """A small plain diff of a file with one line."""
    return f"--- {strip and 'a/'}{path}\n+++ {strip and 'b/'}{path}\n@@ -1 +1 @@\n-{old}\n+{new}\n"


# ---- which is proposed -----------------------------------------------------------------------------------------


def test_patches_come_in_the_order_of_their_names_and_then_no_more(tmp_path):
    files = {"a.py": "1\n"}
    replay = Replay(of(tmp_path, b_diff=plain("a.py", 1, 3), a_patch=plain("a.py", 1, 2), c_txt="no patch"))
    first = replay.propose(brief(files))
    assert first == Change({"a.py": "2\n"}, "a.patch", {"patch": "a.patch"})
    history = [past(1, first)]
    second = replay.propose(brief(files, history, 2))
    assert (second.files, second.note) == ({"a.py": "3\n"}, {"patch": "b.diff"})
    assert replay.propose(brief(files, [*history, past(2, second)], 3)) is None


def test_which_were_proposed_is_in_the_history_alone(tmp_path):
    folder = of(tmp_path, a_patch=plain("a.py", 1, 2), b_patch=plain("a.py", 1, 3))
    first = Replay(folder).propose(brief({"a.py": "1\n"}))
    assert Replay(folder).propose(brief({"a.py": "1\n"}, [past(7, first)])).note == {"patch": "b.patch"}


def test_a_brief_gets_its_change_again_and_another_one_another(tmp_path):
    replay = Replay(of(tmp_path, a_patch=plain("a.py", 1, 2), b_patch=plain("a.py", 1, 3)))
    names = [replay.propose(brief({"a.py": "1\n"}, seed=seed)).note["patch"] for seed in (1, 2, 1, 2)]
    assert names == ["a.patch", "b.patch", "a.patch", "b.patch"]
    assert replay.propose(brief({"a.py": "1\n"}, seed=3)) is None


def test_a_history_that_was_cut_off_began_with_the_lower_names(tmp_path):
    folder = of(tmp_path, **{f"p{i}_patch": plain("a.py", 1, i) for i in range(2, 6)})
    seen = Change({}, "", {"patch": "p4.patch"})
    assert Replay(folder).propose(brief({"a.py": "1\n"}, [past(1003, seen)])).note == {"patch": "p5.patch"}
    assert Replay(folder).propose(brief({"a.py": "1\n"}, [past(1, seen)])).note == {"patch": "p2.patch"}


def test_what_another_role_replayed_is_not_ours(tmp_path):
    folder = of(tmp_path, a_patch=plain("a.py", 1, 2))
    theirs = past(1, Change({}, "", {"patch": "a.patch"}), "other")
    assert Replay(folder, "mine").propose(brief({"a.py": "1\n"}, [theirs])) is not None


def test_a_patch_that_does_not_apply_is_passed_over_until_it_does(tmp_path):
    replay = Replay(of(tmp_path, a_patch=plain("a.py", 2, 3), b_patch=plain("a.py", 1, 2)))
    second = replay.propose(brief({"a.py": "1\n"}))
    assert second.note == {"patch": "b.patch"}
    with pytest.raises(EditError, match=r"^no patch that is left can be proposed on today's files: a.patch does not apply\.$"):
        replay.propose(brief({"a.py": "1\n"}, [past(1, second)], 2))
    assert replay.propose(brief({"a.py": "2\n"}, [past(1, second)], 3)).files == {"a.py": "3\n"}


def test_again_applies_the_same_patch_to_today_s_files(tmp_path):
    replay = Replay(of(tmp_path, a_patch=plain("a.py", 1, 2), b_patch=plain("a.py", 1, 3)))
    first = past(1, replay.propose(brief({"a.py": "1\n"})))
    assert replay.propose(brief({"a.py": "1\n"}, [first], 2, again=first)).files == {"a.py": "2\n"}
    assert replay.propose(brief({"a.py": "4\n"}, [first], 2, again=first)) is None
    assert replay.propose(brief({"a.py": "1\n"}, [], 2, again=Past(1, 0, "x", "open", "", note={"patch": "../a"}))) is None


def test_a_critic_s_advice_changes_no_patch(tmp_path):
    replay = Replay(of(tmp_path, a_patch=plain("a.py", 1, 2)))
    draft = replay.propose(brief({"a.py": "1\n"}))
    assert replay.propose(brief({"a.py": "1\n"}, draft=draft, advice="No.")) == draft


def test_an_empty_folder_and_none(tmp_path):
    (tmp_path / "empty").mkdir()
    assert Replay(tmp_path / "empty").propose(brief(FILES)) is None
    with pytest.raises(TrackError, match=r"none cannot be read \(No such file or directory\): make it, or name another\.$"):
        Replay(tmp_path / "none").propose(brief(FILES))


# ---- what is a patch -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "files"), [
    (plain("a.py", 1, 2), {"a.py": "1\n"}),
    (plain("a.py", 1, 2, "a/"), {"a.py": "1\n"}),
    (plain("some/where/a.py", 1, 2, "a/"), {"a.py": "1\n"}),
    (plain("some/where/lib/c.py", 1, 2), {"lib/c.py": "1\n", "a.py": "x\n"}),
    (plain("a.py", 1, 2).replace("a.py\n+++", "a.py.orig\t2026-01-01 00:00:00\n+++"), {"a.py": "1\n"}),
])
def test_paths_may_begin_elsewhere(tmp_path, text, files):
    change = Replay(of(tmp_path, p_patch=text)).propose(brief(files))
    assert list(change.files.values()) == ["2\n"] and change.files.keys() <= files.keys()


@pytest.mark.parametrize("after", [
    {**FILES, "lib/new.py": "n = 1\n"}, {"a.py": FILES["a.py"]}, {**FILES, "a.py": "X = 1\r\nY = 2"},
    {"a.py": FILES["a.py"], "lib/moved.py": FILES["lib/b.py"]}, {**FILES, "lib/ä \"b\".py": "é = '\t'\n"},
    {**FILES, "lib/empty.py": ""},
])
def test_files_are_made_removed_moved_and_kept_byte_for_byte(tmp_path, after):
    folder = of(tmp_path, p_patch=diff(tmp_path, FILES, after, "-M"))
    assert applied(FILES, Replay(folder).propose(brief(FILES))) == after


@pytest.mark.parametrize(("text", "said"), [
    ("", "is no patch"), ("hello\n", "is no patch"), (b"\xff\xfe\x00", "is no patch"),
    ("--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-1\n", "is no patch"),
    (plain("c.py", 1, 2), "touches 'c.py', which is not editable"),
    ("--- /dev/null\n+++ b/lib/../../evil\n@@ -0,0 +1 @@\n+x\n", "does not apply"),
    ("--- /dev/null\n+++ b/lib/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n", "does not apply"),
    ("--- /dev/null\n+++ b/track.toml\n@@ -0,0 +1 @@\n+x\n", "touches 'track.toml', which is not editable"),
    ("diff --git a/a.py b/a.py\nold mode 100644\nnew mode 100755\n", "changes no text"),
    ("diff --git a/lib/l b/lib/l\nnew file mode 120000\n--- /dev/null\n+++ b/lib/l\n@@ -0,0 +1 @@\n+/etc/passwd\n"
     "\\ No newline at end of file\n", "makes a link of 'lib/l'"),
    ("diff --git a/lib/l b/lib/l\nnew file mode 120000\n--- /dev/null\n+++ b/lib/l\n@@ -0,0 +1 @@\n+/tmp\n"
     "\\ No newline at end of file\n--- /dev/null\n+++ b/lib/l/x\n@@ -0,0 +1 @@\n+x\n", "does not apply"),
    ("x" * (MOST_PATCH_BYTES + 1), "is no regular file of at most 1024 KiB"),
])
def test_what_is_no_proposal_is_passed_over_with_a_reason(tmp_path, text, said):
    folder = of(tmp_path, p_patch=text, z_patch=plain("a.py", 1, 2))
    replay, files = Replay(folder), {"a.py": "1\n"}
    good = replay.propose(brief(files))
    assert good.note == {"patch": "z.patch"} and good.files == {"a.py": "2\n"}, "nothing of the other is left behind"
    with pytest.raises(EditError) as caught:
        replay.propose(brief(files, [past(1, good)], 2))
    assert str(caught.value) == f"no patch that is left can be proposed on today's files: p.patch {said}."


def test_a_binary_file_is_no_text(tmp_path):
    folder = of(tmp_path, p_patch=diff(tmp_path, FILES, {**FILES, "lib/x": b"\x00\xff"}))
    with pytest.raises(EditError, match=r"p.patch changes a file that is no text\.$"):
        Replay(folder).propose(brief(FILES))


def test_a_file_that_is_no_utf8_is_no_text(tmp_path):
    folder = of(tmp_path, p_patch=diff(tmp_path, FILES, {**FILES, "lib/x": b"caf\xe9\n"}))
    with pytest.raises(EditError, match=r"p.patch leaves 'lib/x' as no text\.$"):
        Replay(folder).propose(brief(FILES))


def test_a_link_is_no_patch(tmp_path):
    folder = of(tmp_path, real_txt=plain("a.py", 1, 2))
    (folder / "p.patch").symlink_to("real.txt")
    with pytest.raises(EditError, match="p.patch is no regular file"):
        Replay(folder).propose(brief({"a.py": "1\n"}))


def test_many_that_do_not_apply_are_one_bounded_sentence(tmp_path):
    folder = of(tmp_path, **{f"p{i}_patch": plain("a.py", 7, i) for i in range(8)})
    with pytest.raises(EditError, match="p4.patch does not apply; and 3 more.$"):
        Replay(folder).propose(brief({"a.py": "1\n"}))


def test_nobody_s_settings_and_no_repository_around_it_have_a_say(tmp_path, monkeypatch):
    around = repository(tmp_path / "around", {"x": "", ".gitattributes": "* text eol=crlf\n"})
    write(tmp_path, {"config": "[apply]\n\twhitespace = error-all\n[core]\n\tautocrlf = true\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_DIR", str(around / ".git"))
    monkeypatch.setenv("TMPDIR", str(around))
    monkeypatch.setattr("tempfile.tempdir", None)
    change = Replay(of(tmp_path, p_patch=plain("a.py", 1, "2 \t"))).propose(brief({"a.py": "1\n"}))
    assert change.files == {"a.py": "2 \t\n"}


# ---- messages --------------------------------------------------------------------------------------------------


def test_files_that_look_like_a_git_folder_are_none(tmp_path):
    canary = tmp_path / "canary"
    files = {"a.py": "X = 1\n", "HEAD": "ref: refs/heads/main\n", "objects/x": "x\n", "refs/x": "x\n",
             "info/attributes": "* filter=evil\n", "config": f"[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
             f"\tworktree = .\n[filter \"evil\"]\n\tclean = touch {canary}; cat\n\tsmudge = touch {canary}; cat\n"}
    made = Replay(of(tmp_path, p_patch=plain("a.py", "X = 1", "X = 2"))).propose(brief(files, editable=("**",)))
    assert made.files == {"a.py": "X = 2\n"} and not canary.exists()


def test_the_message_is_that_of_git_format_patch(tmp_path):
    source = repository(tmp_path / "source", FILES)
    commit(source, {"a.py": FILES["a.py"].replace("1", "10")}, "X 1 → 10: größer\n\nIt was too small,\nby far.\n\nA trailer: x")
    git(source, "format-patch", "-1", "-o", str(tmp_path / "patches"), "--stat")
    change = Replay(tmp_path / "patches").propose(brief(FILES))
    assert change.message == "X 1 → 10: größer\n\nIt was too small,\nby far.\n\nA trailer: x"
    assert change.files == {"a.py": "X = 10\nY = 2\nZ = 3\n"}


def test_words_above_a_plain_diff_are_its_message(tmp_path):
    folder = of(tmp_path, p_patch="Turn it up.\n\n" + plain("a.py", 1, 2))
    assert Replay(folder).propose(brief({"a.py": "1\n"})).message == "Turn it up."


# ---- from a journal and back -----------------------------------------------------------------------------------


def proposed(repo, number, base, new, message, patch=None):
    """The record of a change, as a night writes it."""
    return Proposed(0.0, number, 0, base, "knobs", message, commit=new, patch=repo.patch(base, new) if patch is None else patch)


def test_a_night_s_patches_are_its_proposals_again(tmp_path):
    folder = repository(tmp_path / "r", {"track/" + path: text for path, text in FILES.items()})
    base, repo = git(folder, "rev-parse", "HEAD"), Repo(folder / "track")
    changes = [
        Change({"a.py": "X = 10\nY = 2\nZ = 3\n"}, "X 1 → 10\n\nBecause.\n---\ndiff --git is a word\nFrom: nobody"),
        Change({"a.py": None, "lib/b.py": None, "lib/c.py": "no newline at the end"}, "Move everything"),
        Change({"lib/b.py": "print('ü')\r\n"}, "[a] Re: b"),
    ]
    events = [Opened(0.0, "t", base, "", "k"), *(
        proposed(repo, number, base, repo.commit(base, change.files, change.message), change.message)
        for number, change in enumerate(changes, 1))]
    written = patches(events, tmp_path / "out")
    assert [path.name for path in written.files] == ["0001-x-1-10.patch", "0002-move-everything.patch", "0003-a-re-b.patch"]
    assert written.left == ()
    history, found = [], []
    for change in changes:
        found.append(Replay(tmp_path / "out").propose(brief(FILES, history)))
        history.append(past(len(found), found[-1]))
        assert found[-1].files == change.files
    assert found[0].message == "X 1 → 10\n\nBecause.\n ---\n diff --git is a word\n From: nobody"
    assert [c.message for c in found[1:]] == ["Move everything", "[a] Re: b"]


def test_git_am_takes_them_as_well(tmp_path):
    folder = repository(tmp_path / "r", FILES)
    base, repo = git(folder, "rev-parse", "HEAD"), Repo(folder)
    new = repo.commit(base, {"a.py": "X = 2\n"}, "Shorter\n\nBy two lines.")
    written = patches([proposed(repo, 1, base, new, "Shorter\n\nBy two lines.")], tmp_path / "out")
    git(folder, "am", "-q", str(written.files[0]))
    assert git(folder, "log", "-1", "--format=%B") == "Shorter\n\nBy two lines."
    assert git(folder, "diff", new, "HEAD") == ""


def test_a_diff_that_the_journal_cut_off_is_left_out(tmp_path):
    folder = repository(tmp_path / "r", {"a.py": "x\n"})
    base, repo = git(folder, "rev-parse", "HEAD"), Repo(folder)
    new = repo.commit(base, {"a.py": "y = 1\n" * CUT}, "Long")
    written = patches([proposed(repo, 1, base, new, "Long"), proposed(repo, 2, base, new, "None", "")], tmp_path / "out")
    assert written.files == () and written.left == (1, 2)


def test_only_the_night_since_the_track_was_opened_last(tmp_path):
    opened = Opened(0.0, "t", "c", "", "k")
    some = Proposed(0.0, 1, 0, "b", "knobs", "m", commit="c", patch=plain("a.py", 1, 2))
    assert patches([opened, some, opened], tmp_path / "out").files == ()


def test_a_folder_that_holds_something_is_not_written_to(tmp_path):
    write(tmp_path / "out", {"mine": ""})
    with pytest.raises(TrackError, match=r"out is not empty: name a new one\.$"):
        patches([], tmp_path / "out")
    with pytest.raises(TrackError, match=r"cannot be written to .*: name another folder\.$"):
        patches([], tmp_path / "out/mine")


def test_a_title_of_any_kind_makes_a_plain_name(tmp_path):
    titles = ["../../etc/passwd", "", "Ü", "x" * 200, ". ."]
    events = [Proposed(0.0, i, 0, "b", "knobs", title, commit="c", patch=plain("a.py", 1, 2)) for i, title in enumerate(titles, 1)]
    written = patches(events, tmp_path / "out")
    assert [path.name for path in written.files] == [
        "0001-etc-passwd.patch", "0002-change.patch", "0003-change.patch", f"0004-{'x' * 50}.patch", "0005-change.patch"]


LINES = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12), max_size=8)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES.map("\n".join), LINES.map("\n".join), st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=60))
def test_any_text_and_title_comes_back(tmp_path_factory, before, after, title):
    if before == after:
        after += "."
    top = tmp_path_factory.mktemp("any")
    folder = repository(top / "r", {"a.py": before, "other": ""})
    base, repo = git(folder, "rev-parse", "HEAD"), Repo(folder)
    new = repo.commit(base, {"a.py": after}, title)
    written = patches([proposed(repo, 1, base, new, title)], top / "out")
    found = Replay(top / "out").propose(brief({"a.py": before}))
    assert found == Change({"a.py": after}, title, {"patch": written.files[0].name})


# ---- on a team -------------------------------------------------------------------------------------------------


def test_a_role_of_the_team(tmp_path):
    folder = of(tmp_path, a_patch=plain("a.py", 1, 2))
    found = builder(tmp_path).team([Role("again", "replay", folder="patches")]).researchers["again"]
    assert (found.name, found.folder) == ("again", folder)
    with pytest.raises(TrackError, match="replay needs a folder of patches: name a role for it in program.md"):
        builder(tmp_path).team([Role("replay", "replay")])
