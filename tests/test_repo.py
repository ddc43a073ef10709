"""git: what is refused and in which words, that the user's things stay untouched, the boundary, the merge queue."""

import os
import random
import stat

import pytest

from conftest import LITTLE, commit, git, overnight, repository, sentence, write
from overnight.errors import EditError, Fault, TrackError
from overnight.repo import MOST_FILES, MOST_TEXT_BYTES, SEAM, Repo
from overnight.track import spec

NEEDS = "git"
EDITABLE = 'editable = ["settings.py"]'


def contract(editable='["settings.py", "lib/**"]'):
    return spec.parse(LITTLE["track.toml"].replace(EDITABLE, f"editable = {editable}"))


def snapshot(folder):
    """Everything of the user's that a run must leave as it is."""
    files = {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*"))
             if p.is_file() and ".git" not in p.parts}
    return files, (folder / ".git/index").read_bytes(), (folder / ".git/HEAD").read_text(), git(folder, "rev-parse", "main")


# ---- what is refused -------------------------------------------------------------------------------------------


def test_a_folder_that_is_no_repository_is_refused(tmp_path):
    with pytest.raises(TrackError, match="not in a git repository: run `git init`"):
        Repo(tmp_path)


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(TrackError, match="there is no folder"):
        Repo(tmp_path / "nowhere")


def test_a_bare_repository_is_refused(tmp_path):
    git(tmp_path, "init", "-q", "--bare", "bare")
    with pytest.raises(TrackError, match="is a bare repository: clone it"):
        Repo(tmp_path / "bare")


def test_a_repository_without_commits_has_no_head(tmp_path):
    git(tmp_path, "init", "-q")
    with pytest.raises(TrackError, match="no commits yet: commit your files first"):
        Repo(tmp_path).head()


@pytest.mark.night
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user_is_refused_with_the_cure(little):
    for path in [little, *little.rglob("*")]:
        os.chown(path, 12345, 12345)
    assert "belongs to another user" in sentence(overnight("run", little))


@pytest.mark.parametrize("path", ["settings.py", "score.py"])
def test_a_file_that_differs_from_its_commit_is_named(little, path):
    write(little, {path: LITTLE[path] + "# not committed\n"})
    assert Repo(little).dirty() == [path]


def test_a_file_that_is_staged_but_not_committed_is_named(little):
    write(little, {"score.py": "x = 1\n"})
    git(little, "add", "score.py")
    assert Repo(little).dirty() == ["score.py"]


@pytest.mark.parametrize("name", ["track.toml", "program.md"])
def test_a_contract_or_program_that_git_does_not_know_is_named(tmp_path, name):
    folder = repository(tmp_path / "r", {"settings.py": "X = 1\n"})
    write(folder, {name: "x"})
    assert Repo(folder).dirty() == [name]


def test_a_file_that_git_was_never_told_of_is_no_obstacle(little):
    write(little, {"notes.txt": "mine"})
    assert Repo(little).dirty() == []


@pytest.mark.night
def test_a_result_branch_that_is_checked_out_is_refused_before_anything_runs(little):
    git(little, "checkout", "-q", "-b", "overnight/little")
    assert "overnight/little is checked out: check out your own branch" in sentence(overnight("run", little))


@pytest.mark.night
def test_a_result_branch_that_is_checked_out_in_another_worktree_is_refused(little, tmp_path):
    git(little, "worktree", "add", "-q", "-b", "overnight/little", tmp_path / "look")
    assert "is checked out" in sentence(overnight("run", little))


# ---- what is left alone ----------------------------------------------------------------------------------------


@pytest.mark.night
def test_a_run_leaves_the_users_branch_index_and_files_alone(little):
    write(little, {"notes.txt": "untracked"})
    os.utime(little / "run.py", (1, 1))  # a stale index entry, that an idle `git status` would refresh
    before = snapshot(little)
    assert overnight("run", little, "--experiments", 3).returncode == 0
    assert snapshot(little) == before


@pytest.mark.night
def test_no_hook_of_the_repository_ever_runs(little, tmp_path):
    for name in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change", "prepare-commit-msg",
                 "post-commit", "post-merge", "pre-merge-commit"):
        hook = little / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/ran\n")
        hook.chmod(0o755)
    assert overnight("run", little, "--experiments", 2).returncode == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.night
def test_the_environment_of_a_hook_does_not_lead_git_astray(little, tmp_path):
    other = repository(tmp_path / "other", {"a": "a"})
    astray = {**os.environ, "GIT_DIR": str(other / ".git"), "GIT_INDEX_FILE": str(other / ".git/index")}
    done = overnight("run", little, "--experiments", 1, "--researcher", "placebo", env=astray)
    assert done.returncode == 0 and git(little, "branch", "--list", "overnight/little")


@pytest.mark.night
def test_a_run_works_in_a_linked_worktree(little, tmp_path):
    git(little, "worktree", "add", "-q", "--detach", tmp_path / "linked")
    assert overnight("run", tmp_path / "linked", "--experiments", 1).returncode == 0


@pytest.mark.night
def test_names_with_spaces_and_accents_do_no_harm(tmp_path):
    root = repository(tmp_path / "mein Töpfchen", {f"a b/ü/{k}": v for k, v in LITTLE.items()})
    assert overnight("run", root / "a b/ü", "--experiments", 1).returncode == 0


def test_a_clean_tree_holds_the_commit_and_not_the_work_tree(little, tmp_path):
    write(little, {"settings.py": "X = 99\n", "stray": "x"})
    repo = Repo(little)
    repo.checkout(repo.head(), tmp_path / "tree")
    assert {p.name for p in (tmp_path / "tree").iterdir()} == set(LITTLE)
    assert (tmp_path / "tree/settings.py").read_text() == LITTLE["settings.py"]


def test_a_clean_tree_can_be_read_by_others_whatever_the_umask(little, tmp_path):
    before = os.umask(0o077)
    try:
        repo = Repo(little)
        repo.checkout(repo.head(), tmp_path / "tree")
    finally:
        os.umask(before)
    assert all(p.stat().st_mode & stat.S_IROTH for p in [tmp_path / "tree", *(tmp_path / "tree").iterdir()])


def test_a_commit_that_does_not_exist_is_a_fault_of_the_machine(little, tmp_path):
    with pytest.raises(Fault, match="could not be checked out"):
        Repo(little).checkout("1" * 40, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


# ---- commits ---------------------------------------------------------------------------------------------------


def test_a_change_becomes_a_commit_on_top_of_its_base_alone(little):
    repo = Repo(little)
    made = repo.commit(repo.head(), {"settings.py": "X = 2.0\n"}, "X up\n\nbecause")
    assert git(little, "diff", "--name-only", repo.head(), made) == "settings.py"
    assert git(little, "log", "-1", "--format=%P|%an|%s", made) == f"{repo.head()}|Overnight|X up"


def test_a_change_that_changes_nothing_gives_the_base(little):
    repo = Repo(little)
    assert repo.commit(repo.head(), {"settings.py": LITTLE["settings.py"]}, "same") == repo.head()


def test_a_file_keeps_its_mode_when_it_is_edited(little):
    (little / "settings.py").chmod(0o755)
    base = commit(little, {})
    made = Repo(little).commit(base, {"settings.py": "X = 2\n"}, "m")
    assert git(little, "ls-tree", made, "settings.py").startswith("100755")


@pytest.mark.parametrize("path", ["../evil", "/etc/passwd", "a/../../evil", ".git/config", "sub/.GIT/hooks/x", "", "./a",
                                  "a//b", "a/", "a\nb", "a\0b", "\udcff", "../\ud800", "a\x1b[2J", "sco\u200bre.py",
                                  "\u202eyp.a"])
def test_a_path_that_is_none_is_an_error_of_the_edit(little, path):
    repo = Repo(little)
    with pytest.raises(EditError):
        repo.commit(repo.head(), {path: "x"}, "m")


def test_what_is_said_of_a_path_that_is_none_is_plain_text(little):
    repo = Repo(little)
    with pytest.raises(EditError) as said:
        repo.commit(repo.head(), {"../\ud800\x1b": "x"}, "m")
    assert str(said.value).isprintable() and str(said.value).encode()


@pytest.mark.parametrize("files", [{f"{n}": "x" for n in range(MOST_FILES + 1)}, {"a": "x" * (MOST_TEXT_BYTES + 1)}])
def test_a_change_without_end_is_an_error_of_the_edit(little, files):
    repo = Repo(little)
    with pytest.raises(EditError, match="the change is more than"):
        repo.commit(repo.head(), files, "m")


def test_a_folder_is_not_overwritten_by_a_file(tmp_path):
    repo = Repo(repository(tmp_path / "r", {"lib/a.py": "A = 1\n"}))
    with pytest.raises(EditError, match="'lib' is a folder"):
        repo.commit(repo.head(), {"lib": "x"}, "m")


@pytest.mark.parametrize("path", [":(top,exclude)a", ":(glob)**", ":!a", "*", "[a]"])
def test_a_path_that_is_a_pattern_to_git_is_a_name_like_others(little, path):
    repo = Repo(little)
    made = repo.commit(repo.head(), {path: "x"}, "m")
    assert repo.text(made, path) == "x" and [c.path for c in repo._trees.changes(repo.head(), made)] == [path]


def test_text_that_is_none_is_an_error_of_the_edit(little):
    repo = Repo(little)
    with pytest.raises(EditError, match="no text"):
        repo.commit(repo.head(), {"settings.py": "X = '\ud800'\n"}, "m")


def test_a_patch_of_a_file_that_was_no_text_can_still_be_recorded(little):
    base = commit(little, {"lib/old.py": b"# caf\xe9\n"})
    repo = Repo(little)
    repo.patch(base, repo.commit(base, {"lib/old.py": "# new\n"}, "m")).encode()


def test_the_files_to_edit_are_those_inside_the_globs_that_are_text(little):
    head = commit(little, {"lib/a.py": "a", "lib/deep/b.py": "b", "lib/c.bin": b"\xff", "lib2/d.py": "d"})
    assert set(Repo(little).editable(head, contract())) == {"settings.py", "lib/a.py", "lib/deep/b.py"}


# ---- the boundary ----------------------------------------------------------------------------------------------


def foul(folder, base, made):
    return Repo(folder).foul(base, made, contract())


def test_an_edit_inside_the_boundary_is_no_foul(little):
    base = commit(little, {"lib/a.py": "a"})
    assert foul(little, base, commit(little, {"settings.py": "X = 2\n", "lib/new.py": "n", "lib/a.py": None})) == ""


@pytest.mark.parametrize("files", [{"score.py": "cheat"}, {"new.py": "n"}, {"run.py": None}, {"settings.py/x": "x", "settings.py": None},
                                   {"track.toml": "[track]"}, {"program.md": "be kind"}, {"libx": "n"},
                                   {"sitecustomize.py": "import os"}], ids=lambda f: next(iter(f)))
def test_whatever_else_a_commit_touches_is_a_foul(little, files):
    base = Repo(little).head()
    if "settings.py/x" in files:
        write(little, {"settings.py": None})
        files = {"settings.py/x": "x"}
    assert "is not editable" in foul(little, base, commit(little, files))


def test_a_mode_change_is_a_foul(little):
    base = Repo(little).head()
    (little / "settings.py").chmod(0o755)
    assert foul(little, base, commit(little, {})) == "changes the kind or mode of settings.py"


@pytest.mark.parametrize("target", ["/etc/passwd", "score.py"])
def test_a_symlink_is_a_foul(little, target):
    base = Repo(little).head()
    (little / "settings.py").unlink()
    (little / "settings.py").symlink_to(target)
    assert "kind or mode" in foul(little, base, commit(little, {}))


def test_a_new_symlink_inside_the_globs_is_a_foul(little):
    base = Repo(little).head()
    (little / "lib").mkdir()
    (little / "lib/link").symlink_to("/")
    assert "kind or mode" in foul(little, base, commit(little, {}))


def test_a_submodule_inside_the_globs_is_a_foul(little):
    base = Repo(little).head()
    git(little, "update-index", "--add", "--cacheinfo", f"160000,{base},lib/sub")
    git(little, "commit", "-q", "-m", "sub")
    assert "kind or mode" in foul(little, base, git(little, "rev-parse", "HEAD"))


@pytest.mark.parametrize("name", [".gitattributes", ".gitmodules", ".gitignore"])
def test_files_that_steer_git_are_fouls_even_inside_the_globs(little, name):
    base = Repo(little).head()
    write(little, {f"lib/{name}": "x"})
    git(little, "add", "-f", f"lib/{name}")
    git(little, "commit", "-q", "-m", "steer")
    assert "steers git" in foul(little, base, git(little, "rev-parse", "HEAD"))


def test_an_edit_beside_the_tracks_folder_is_a_foul(tmp_path):
    root = repository(tmp_path / "r", {f"sub/{k}": v for k, v in LITTLE.items()} | {"settings.py": "not the track's"})
    base = git(root, "rev-parse", "HEAD")
    assert "settings.py, which is not editable" in foul(root / "sub", base, commit(root, {"settings.py": "x"}))


# ---- the merge queue -------------------------------------------------------------------------------------------

LINES = "".join(f"L{n} = {n}\n" for n in range(20))


def three(folder, mine, theirs):
    """(base, a change, another on the same base), each change a whole text of settings.py or a dict of files."""
    repo = Repo(folder)
    base = commit(folder, {"settings.py": LINES})
    first, second = (c if isinstance(c, dict) else {"settings.py": c} for c in (mine, theirs))
    return repo, base, repo.commit(base, first, "mine\n\nwhy"), repo.commit(base, second, "theirs")


def test_changes_of_different_lines_are_put_on_top_of_one_another(little):
    repo, base, mine, theirs = three(little, LINES.replace("L1 = 1\n", "L1 = 100\n"), LINES.replace("L18 = 18", "L18 = 0"))
    made = repo.rebase(mine, base, theirs)
    assert repo.text(made, "settings.py") == LINES.replace("L1 = 1\n", "L1 = 100\n").replace("L18 = 18", "L18 = 0")
    assert git(little, "log", "-1", "--format=%P|%B", made) == f"{theirs}|mine\n\nwhy"


def test_changes_of_the_same_line_conflict(little):
    repo, base, mine, theirs = three(little, LINES.replace("L1 = 1\n", "L1 = 5\n"), LINES.replace("L1 = 1\n", "L1 = 6\n"))
    assert repo.rebase(mine, base, theirs) == ""


def test_a_change_that_is_there_already_conflicts(little):
    repo, base, mine, theirs = three(little, LINES + "A = 1\n", LINES + "A = 1\n")
    assert repo.rebase(mine, base, theirs) == ""


def test_a_deletion_of_what_was_edited_meanwhile_conflicts(little):
    repo, base, mine, theirs = three(little, {"settings.py": None}, LINES + "B = 2\n")
    assert repo.rebase(mine, base, theirs) == ""


def test_a_new_file_comes_along(little):
    repo, base, mine, theirs = three(little, {"lib/new.py": "n\n"}, LINES + "B = 2\n")
    assert repo.text(repo.rebase(mine, base, theirs), "lib/new.py") == "n\n"


def with_lines(changes):
    """LINES with some of them changed: number -> the new line, "" for none."""
    return "".join(changes.get(n, f"L{n} = {n}\n") for n in range(20))


@pytest.mark.parametrize(("mine", "theirs"), [
    ({5: "L5 = 50\n"}, {6: "L6 = 60\n"}),
    ({5: "L5 = 50\n", 7: "L7 = 70\n"}, {4: "L4 = 40\n", 6: "L6 = 60\n", 8: "L8 = 80\n"}),
    ({6: ""}, {5: "L5 = 50\n"}),
    ({0: "L0 = 10\n"}, {1: "L1 = 11\n"}),
    ({19: "L19 = 0\n"}, {18: "L18 = 0\n"}),
], ids=["side by side", "in a comb", "one deleted", "at the top", "at the end"])
def test_changes_of_neighbouring_lines_do_not_conflict(little, mine, theirs):
    repo, base, first, second = three(little, with_lines(mine), with_lines(theirs))
    for made in (repo.rebase(first, base, second), repo.rebase(second, base, first)):
        assert repo.text(made, "settings.py") == with_lines(mine | theirs)


@pytest.mark.parametrize("seed", range(12))
def test_changes_of_different_lines_merge_to_both_or_conflict(little, seed):
    """Never to a third thing: lines changed, deleted and added in a small space."""
    lots = random.Random(seed)
    numbers = lots.sample(range(8), 5)
    changes = {n: lots.choice(["", f"N{n}\n", f"N{n}\nM{n}\n"]) for n in numbers}
    mine, theirs = ({n: changes[n] for n in part} for part in (numbers[:2], numbers[2:]))
    repo, base, first, second = three(little, with_lines(mine), with_lines(theirs))
    made = repo.rebase(first, base, second)
    assert made == "" or repo.text(made, "settings.py") == with_lines(changes)


@pytest.mark.parametrize("end", ["\r\n", "\n\n", ""], ids=["of Windows", "empty ones between", "none at the end of the file"])
def test_neighbouring_lines_keep_their_ends(little, end):
    text = f"A = 1{end or chr(10)}B = 2{end}"
    repo = Repo(little)
    base = commit(little, {"settings.py": text})
    first, second = (repo.commit(base, {"settings.py": text.replace(*pair)}, "m") for pair in (("1", "10"), ("2", "20")))
    assert repo.text(repo.rebase(first, base, second), "settings.py") == text.replace("1", "10").replace("2", "20")


def test_lines_added_at_the_same_place_conflict(little):
    repo, base, mine, theirs = three(little, LINES + "A = 1\n", LINES + "B = 1\n")
    assert repo.rebase(mine, base, theirs) == ""


def test_a_file_that_holds_the_seam_itself_is_merged_as_usual(little):
    text = "A = 1\n" + SEAM.decode() + "B = 2\n"
    repo = Repo(little)
    base = commit(little, {"settings.py": text})
    first, second = (repo.commit(base, {"settings.py": text.replace(*pair)}, "m") for pair in (("A = 1", "A = 3"), ("B = 2", "B = 4")))
    made = repo.rebase(first, base, second)
    assert made == "" or repo.text(made, "settings.py") == text.replace("A = 1", "A = 3").replace("B = 2", "B = 4")


# ---- several changes on top of one another ---------------------------------------------------------------------


def turned(repo, base, *numbers, to=100):
    """A commit on a base that changes these lines."""
    return repo.commit(base, {"settings.py": with_lines({n: f"L{n} = {to}\n" for n in numbers})}, f"turn {numbers}")


def values(repo, commit):
    return {n for n, line in enumerate(repo.text(commit, "settings.py").splitlines()) if line.endswith("= 100")}


def test_each_commit_of_a_stack_holds_one_change_more(little):
    repo, base = Repo(little), commit(little, {"settings.py": LINES})
    made = repo.combine([(base, turned(repo, base, n)) for n in (3, 9, 4)], base)
    assert [values(repo, c) for c in made] == [{3}, {3, 9}, {3, 4, 9}]
    assert git(little, "log", "--format=%s", f"{base}..{made[-1]}").splitlines() == ["turn (4,)", "turn (9,)", "turn (3,)"]


def test_the_lowest_change_of_a_stack_stays_the_commit_that_it_is(little):
    repo, base = Repo(little), commit(little, {"settings.py": LINES})
    first = commit(little, {"settings.py": with_lines({3: "L3 = 100\n"})}, "by the user")
    assert repo.combine([(base, first)], base) == [first] and repo.combine([], base) == []


def test_a_change_that_conflicts_is_left_out_of_a_stack_and_the_rest_goes_on(little):
    repo, base = Repo(little), commit(little, {"settings.py": LINES})
    made = repo.combine([(base, turned(repo, base, 3)), (base, turned(repo, base, 3, 5, to=7)), (base, turned(repo, base, 8))], base)
    assert made[1] == "" and [values(repo, c) for c in made if c] == [{3}, {3, 8}]


def test_the_same_change_is_not_stacked_twice(little):
    repo, base = Repo(little), commit(little, {"settings.py": LINES})
    again = repo.commit(base, {"settings.py": with_lines({3: "L3 = 100\n"})}, "by another name")
    assert repo.combine([(base, turned(repo, base, 3)), (base, again)], base)[1] == ""


def test_changes_of_different_frontiers_can_be_stacked(little):
    repo, old = Repo(little), commit(little, {"settings.py": LINES})
    new = commit(little, {"settings.py": with_lines({15: "L15 = 0\n"})})
    text = with_lines({15: "L15 = 0\n", 9: "L9 = 100\n"})
    made = repo.combine([(old, turned(repo, old, 3)), (new, repo.commit(new, {"settings.py": text}, "m"))], new)
    assert values(repo, made[-1]) == {3, 9} and "L15 = 0" in repo.text(made[-1], "settings.py")


def test_the_first_change_may_be_the_one_that_conflicts(little):
    repo, old = Repo(little), commit(little, {"settings.py": LINES})
    new = commit(little, {"settings.py": with_lines({3: "L3 = 0\n"})})
    made = repo.combine([(old, turned(repo, old, 3)), (old, turned(repo, old, 9))], new)
    assert made[0] == "" and values(repo, made[1]) == {9}


# ---- the branch ------------------------------------------------------------------------------------------------


def test_moving_a_branch_makes_it_and_moves_only_what_is_known(little):
    repo = Repo(little)
    base = repo.head()
    made = repo.commit(base, {"settings.py": "X = 2\n"}, "m")
    repo.move("overnight/little", base, set())
    repo.move("overnight/little", made, {base})
    assert repo.tip("overnight/little") == made
    with pytest.raises(TrackError, match="this journal did not judge"):
        repo.move("overnight/little", base, {base})


def test_a_branch_put_aside_keeps_its_commits_under_a_number(little):
    repo = Repo(little)
    repo.move("overnight/little", repo.head(), set())
    repo.put_aside("overnight/little")
    repo.put_aside("overnight/little")
    assert [repo.tip(f"overnight/little{name}") for name in ("", "-1", "-2")] == [None, repo.head(), None]


def kept(folder, text="X = 2.0\n"):
    """A result branch with one commit more than the user's."""
    repo = Repo(folder)
    repo.move("overnight/little", repo.commit(repo.head(), {"settings.py": text}, "X up"), set())
    return repo


def test_merging_brings_the_results_into_the_users_branch(little):
    kept(little).merge("overnight/little")
    assert (little / "settings.py").read_text() == "X = 2.0\n" and git(little, "status", "--porcelain") == ""


def test_merging_refuses_on_a_detached_head(little):
    repo = kept(little)
    git(little, "checkout", "-q", "--detach")
    with pytest.raises(TrackError, match="detached head"):
        repo.merge("overnight/little")


def test_merging_refuses_over_changes_that_are_not_committed(little):
    repo = kept(little)
    write(little, {"settings.py": "X = 7\n"})
    with pytest.raises(TrackError, match="not committed"):
        repo.merge("overnight/little")
    assert (little / "settings.py").read_text() == "X = 7\n"


def test_a_merge_that_conflicts_is_taken_back(little):
    repo = kept(little)
    mine = commit(little, {"settings.py": "X = 7\n"})
    with pytest.raises(TrackError, match="does not merge by itself"):
        repo.merge("overnight/little")
    assert git(little, "status", "--porcelain") == "" and repo.head() == mine


def test_a_merge_without_an_identity_says_so(little):
    repo = kept(little)
    mine = commit(little, {"notes.txt": "the branch went on"})
    git(little, "config", "user.useConfigOnly", "true")
    with pytest.raises(TrackError, match="email|identity|name"):
        repo.merge("overnight/little")
    assert repo.head() == mine and git(little, "status", "--porcelain") == ""


# ---- journeys --------------------------------------------------------------------------------------------------


def elsewhere(folder, little):
    """Another repository that has the first commit of one, and no way to it."""
    git(folder, "clone", "-q", "--no-local", str(little), "there")
    git(folder / "there", "remote", "remove", "origin")
    return Repo(folder / "there")


def test_a_commit_arrives_where_its_base_is_known_and_only_what_is_new_travels(little, tmp_path):
    here, there = Repo(little), elsewhere(tmp_path, little)
    base = here.head()
    changed = here.commit(base, {"settings.py": "SLOPE = 9.0\n"}, "steeper")
    pack = here.pack(changed, [base, "f" * 40])  # of what the sender does not know it can leave nothing out
    assert not there.has(changed) and len(pack) < len(here.pack(changed))
    there.unpack(pack, changed)
    assert there.text(changed, "settings.py") == "SLOPE = 9.0\n" and there.patch(base, changed) == here.patch(base, changed)
    there.unpack(pack, changed)  # once more changes nothing


def test_a_commit_arrives_with_all_that_it_stands_on(little, tmp_path):
    here, empty = Repo(little), tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    there = Repo(empty)
    there.unpack(here.pack(here.head()), here.head())
    assert git(empty, "rev-list", here.head()) == git(little, "rev-list", "HEAD")
    git(empty, "fsck", "--strict")


@pytest.mark.parametrize("spoil", [lambda pack: b"", lambda pack: pack[:-5], lambda pack: b"PACK" + bytes(40),
                                   lambda pack: pack[:40] + bytes([pack[40] ^ 255]) + pack[41:]])
def test_a_pack_that_is_damaged_brings_nothing(little, tmp_path, spoil):
    here, there = Repo(little), elsewhere(tmp_path, little)
    changed = here.commit(here.head(), {"settings.py": "SLOPE = 9.0\n"}, "steeper")
    with pytest.raises(Fault, match=f"the commit {changed[:7]} did not arrive whole"):
        there.unpack(spoil(here.pack(changed, [here.head()])), changed)
    assert not there.has(changed)


def test_a_pack_without_the_commit_or_what_it_stands_on_is_said(little, tmp_path):
    here, there = Repo(little), elsewhere(tmp_path, little)
    first = here.commit(here.head(), {"settings.py": "SLOPE = 9.0\n"}, "steeper")
    second = here.commit(first, {"settings.py": "SLOPE = 10.0\n"}, "steeper still")
    for pack in (here.pack(second, [first]), here.pack(first, [here.head()])):
        with pytest.raises(Fault, match=f"the commit {second[:7]} did not arrive whole"):
            there.unpack(pack, second)


def test_what_a_repository_does_not_have_it_cannot_send(little):
    for name in ("f" * 40, "--all", "-h"):
        with pytest.raises(Fault, match="there is no commit"):
            Repo(little).pack(name)
