"""Branches that are moved, symbolic, locked or of the wrong name; commits that nobody judged."""

from conftest import write
from hostile.attack import Attacks
from hostile.night import lived
from hostile.suite import Harmless

ATTACKS = attack = Attacks()
EVIL = {"settings.py": "import os\nX = 3.0  # evil\n", "evil.py": "x\n"}


class TestBranches(Harmless):
    """No branch of the victim's is moved, and no result branch to what was not judged."""


def evil(scene, base="HEAD"):
    """A commit that nobody judged."""
    scene.git("checkout", "-q", "--detach", base)
    commit = scene.commit(EVIL)
    scene.git("checkout", "-q", "-f", "main")
    return commit


def unmerged(scene, commit):
    """No command may put that commit on the victim's branch, or leave it on the result branch as if it had been judged."""
    scene.watched.append(lambda: bool(scene.git("branch", "--contains", commit, "--list", "main", check=False)))
    scene.watched.append(lambda: (scene.repo / "evil.py").exists())


@attack("merge", "run", "verify", "merge", says="overnight:",
        control=lambda scene: scene.plainly("git", "merge", "-q", "overnight/little") is not None and (scene.repo / "evil.py").exists())
def commit_forced_onto_the_result_branch(scene):
    """A commit that nobody judged is forced onto the result branch, and merged"""
    lived(scene, "try")
    commit = evil(scene, "overnight/little")
    scene.git("update-ref", "refs/heads/overnight/little", commit)
    unmerged(scene, commit)


@attack("merge", "run", "verify", says="overnight:")
def result_branch_moved_back_and_replaced(scene):
    """The result branch is replaced by another line of commits from the same beginning"""
    lived(scene, "try")
    commit = evil(scene, "main")
    scene.git("update-ref", "refs/heads/overnight/little", commit)
    unmerged(scene, commit)


@attack("try", "merge")
def result_branch_that_came_along(scene):
    """The result branch is there before the first night, with a commit that nobody judged"""
    commit = evil(scene)
    scene.git("update-ref", "refs/heads/overnight/little", commit)
    unmerged(scene, commit)


@attack("try", "idea", control=lambda scene: scene.git("update-ref", "refs/heads/overnight/little", "HEAD~1") == ""
        and scene.git("rev-parse", "main") == scene.git("rev-parse", "overnight/little"))
def result_branch_stands_for_the_victim_s(scene):
    """The result branch is symbolic and stands for the victim's own branch, which moves with it"""
    scene.commit()
    scene.git("symbolic-ref", "refs/heads/overnight/little", "refs/heads/main")


@attack("try", "idea")
def result_branch_stands_for_nothing(scene):
    """The result branch stands for a ref outside refs, and for itself"""
    scene.git("symbolic-ref", "refs/heads/overnight/little", "refs/heads/overnight/little")


@attack("try", "brief")
def head_stands_for_the_result_branch(scene):
    """The result branch is checked out"""
    scene.git("checkout", "-q", "-b", "overnight/little")


@attack("try")
def result_branch_is_a_folder(scene):
    """A branch within the result branch keeps it from being made"""
    scene.git("branch", "overnight/little/x/y")


@attack("try")
def result_branches_are_one_branch(scene):
    """A branch named `overnight` keeps all result branches from being made"""
    scene.git("branch", "overnight")


@attack("try", "brief")
def result_branch_is_locked(scene):
    """Locks on the result branch and on all that is held"""
    write(scene.repo, {".git/refs/heads/overnight/little.lock": "", ".git/packed-refs.lock": "", ".git/index.lock": "", ".git/HEAD.lock": ""})


@attack("try", "merge")
def tags_and_branches_of_the_same_names(scene):
    """Tags that bear the names of the result branch, of commits and of HEAD"""
    commit = evil(scene)
    for name in ("overnight/little", "main", "HEAD", scene.git("rev-parse", "HEAD"), "heads/overnight/little"):
        scene.git("update-ref", f"refs/tags/{name}", commit)
    unmerged(scene, commit)


@attack("try", "brief", control=lambda scene: "evil" in scene.plainly("git", "show", "main:settings.py"))
def commits_that_are_replaced(scene):
    """Replacements and grafts show the victim another tree than the one that is judged"""
    commit = evil(scene)
    scene.git("replace", "main", commit)
    write(scene.repo, {".git/info/grafts": f"{commit}\n", ".git/shallow": ""})
    unmerged(scene, commit)


@attack("try", "brief", says="overnight:")
def branches_that_are_damaged(scene):
    """Branches hold words that are no commit, and HEAD leads out of the refs"""
    write(scene.repo, {".git/refs/heads/overnight/little": f"ref: ../../../../../.ssh/id_ed25519 {scene.port}\n",
                       ".git/HEAD": "ref: refs/heads/../../../../.ssh/id_ed25519\n"})


@attack("merge", "status")
def merge_before_any_night(scene):
    """A result branch with no night behind it is merged"""
    commit = evil(scene)
    scene.git("update-ref", "refs/heads/overnight/little", commit)
    unmerged(scene, commit)


@attack("try", "merge")
def held_refs_that_came_along(scene):
    """The refs by which open experiments are held hold others, and hundreds of them"""
    commit = evil(scene)
    for n in range(20):
        scene.git("update-ref", f"refs/overnight/little/{n}", commit)
    scene.git("update-ref", "refs/overnight/other/1", commit)
    scene.watched.append(lambda: scene.git("rev-parse", "refs/overnight/other/1"))
    unmerged(scene, commit)
