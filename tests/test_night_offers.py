"""What was kept, as branches for review: each keep by itself where it can be, and all as a stack."""

import pytest

from conftest import CONTRACT, LITTLE, git, overnight, repository, sentence, write

NEEDS = "night"
TWO = LITTLE | {"track.toml": CONTRACT.replace('["settings.py"]', '["settings.py", "other.py"]'), "other.py": "Y = 1.0\n",
                "run.py": LITTLE["run.py"].replace("import os, settings", "import os, other, settings").replace(
                    "settings.X)", "settings.X + other.Y - 1)")}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Three keeps: of one file, of another, and of the first one again."""
    folder = repository(tmp_path_factory.mktemp("offers") / "track", TWO)
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@localhost")
    for number, (name, text) in enumerate((("settings.py", "X = 1.5\n"), ("other.py", "Y = 1.5\n"), ("settings.py", "X = 2.0\n"))):
        write(folder, {name: text})
        done = overnight("try", folder, "-m", f"{text.strip()}\n\nbecause of {number}")
        assert done.returncode == 0, done.stdout + done.stderr
        git(folder, "checkout", "-q", "overnight/little", "--", ".")
    git(folder, "reset", "-q", "--hard", "main")
    return folder


def test_each_keep_is_a_branch_of_its_own_where_it_builds_on_no_other(night):
    told = overnight("merge", night, "--as", "branches").stdout.splitlines()
    assert [words.split()[0] for words in told] == ["overnight-little/01-x-1-5", "overnight-little/02-y-1-5",
                                                    "overnight-little/03-x-2-0"]
    assert told[2].endswith("#3, on overnight-little/01-x-1-5")
    parents = [git(night, "rev-parse", f"{words.split()[0]}^").strip() for words in told]
    first = git(night, "rev-parse", "overnight-little/01-x-1-5").strip()
    head = git(night, "rev-parse", "main").strip()
    assert parents == [head, head, first]
    assert git(night, "show", "overnight-little/02-y-1-5:settings.py") == git(night, "show", "main:settings.py")


def test_all_keeps_are_one_stack_by_the_users_name_with_what_a_maintainer_asks(night):
    told = overnight("merge", night, "--as", "pr").stdout
    assert told.startswith("overnight-little/stack") and "#1, #2, #3" in told
    subjects = git(night, "log", "--format=%an %s", "main..overnight-little/stack").splitlines()
    assert subjects == ["Ada X = 2.0", "Ada Y = 1.5", "Ada X = 1.5"]
    message = git(night, "log", "-1", "--format=%B", "overnight-little/stack")
    assert "because of 2" in message and "loss: lower by " in message and "Overnight-Journal" not in message
    assert "OVERNIGHT_SEED, for several seeds" in message
    assert git(night, "diff", "overnight-little/stack", "overnight/little") == ""


def test_what_is_there_already_is_left_and_named(night):
    overnight("merge", night, "--as", "pr")
    before = git(night, "for-each-ref")
    assert "the branch overnight-little/stack is there already" in sentence(overnight("merge", night, "--as", "pr"))
    assert git(night, "for-each-ref") == before


def test_a_stack_that_conflicts_with_the_users_own_change_is_told(night, tmp_path):
    git(night, "worktree", "add", "-q", "-b", "mine", str(tmp_path / "mine"), "main")
    write(tmp_path / "mine", {"settings.py": "X = 9.0\n"})
    git(tmp_path / "mine", "commit", "-qam", "my own")
    assert "#1 conflicts with what your branch has changed since" in sentence(overnight("merge", tmp_path / "mine", "--as", "pr"))


def test_a_keep_that_builds_on_two_others_stands_on_all_before_it(tmp_path):
    folder = repository(tmp_path / "track", TWO | {"settings.py": "A = 0\nX = 1.0\nB = 0\n"})
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@localhost")
    for files in ({"settings.py": "A = 1\nX = 1.5\nB = 0\n"}, {"other.py": "Y = 1.5\n"},
                  {"settings.py": "A = 1\nX = 1.75\nB = 0\n", "other.py": "Y = 1.75\n"}):
        write(folder, files)
        done = overnight("try", folder, "-m", "a step")
        assert done.returncode == 0, done.stdout + done.stderr
    git(folder, "checkout", "-q", "main", "--", ".")
    told = overnight("merge", folder, "--as", "branches").stdout.splitlines()
    assert told[2].split(None, 2)[2] == "#1, #2, #3"
    name = told[2].split()[0]
    assert git(folder, "diff", name, "overnight/little") == "" and len(git(folder, "rev-list", f"main..{name}").split()) == 3
    alone, whole = (git(folder, "log", "-1", "--format=%B", line.split()[0]) for line in told[1:])
    assert "by itself it may gain more or less" in alone and "by itself" not in whole
