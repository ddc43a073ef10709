"""Work trees that are not what they say: swapped .git files, linked work trees, submodules, work trees of other repositories."""

import shutil
from types import SimpleNamespace

from conftest import LITTLE, repository, write
from hostile.attack import Attacks
from hostile.night import lived
from hostile.suite import Harmless
from test_repo_store import clean, fsmonitor, process

ATTACKS = attack = Attacks()
EVERYWHERE = ("try", "brief")


class TestWorkTrees(Harmless):
    """A work tree is believed only where its repository knows it."""


def linked(scene):
    """A linked work tree of the repository, as an agent has one."""
    scene.git("worktree", "add", "-q", "--detach", scene.home / "code/linked")
    return scene.home / "code/linked"


def swapped(scene, **config):
    """A linked work tree whose .git names a git folder of the agent's making, outside the repository, with filters in it."""
    place, made = linked(scene), scene.folder / "made"
    shutil.copytree(scene.repo / ".git", made)
    scene.sings = clean(made, SimpleNamespace(program=scene.program(scene.folder / "programs/filter.sh")))
    scene.git("--git-dir", made, "config", "core.fsmonitor", scene.folder / "programs/filter.sh")
    write(made, {"info/attributes": "* filter=evil\n"})
    for name, value in config.items():
        scene.git("--git-dir", made, "config", name.replace("_", "."), value)
    write(place, {".git": f"gitdir: {made}\n"})
    return place


def runs_status(place="code/linked"):
    """A control: plain git runs the program in that work tree."""
    return lambda scene: scene.plainly("git", "status", cwd=scene.home / place) is not None and list(scene.ran.iterdir())


@attack(*EVERYWHERE, says="does not name", control=runs_status())
def git_file_of_a_work_tree_is_swapped(scene):
    """An agent swaps its work tree's .git for one whose filters run with the harness's rights"""
    return swapped(scene)


@attack(*EVERYWHERE, says="overnight:", control=runs_status())
def git_file_of_a_work_tree_is_swapped_and_names_it(scene):
    """The same, and the made git folder says that the work tree is its own"""
    scene.git_folders.append(str(scene.folder / "made"))
    return swapped(scene, core_worktree=str(scene.home / "code/linked"))


@attack(*EVERYWHERE, says="no work tree that the repository")
def made_git_folder_borrows_the_repository(scene):
    """The made git folder says that it is a work tree's of the repository, which does not know it"""
    place, made = linked(scene), scene.folder / "made"
    program = scene.program(scene.folder / "programs/filter.sh")
    write(made, {"HEAD": scene.git("rev-parse", "HEAD") + "\n", "commondir": f"{scene.repo}/.git\n", "gitdir": f"{place}/.git\n",
                 "config.worktree": f"[core]\n\tfsmonitor = {program}\n"})
    write(place, {".git": f"gitdir: {made}\n"})
    return place


@attack(*EVERYWHERE, control=runs_status())
def work_tree_s_own_configuration(scene):
    """A linked work tree has a configuration of its own, which names a program"""
    place = linked(scene)
    scene.git("config", "core.repositoryformatversion", "1")
    scene.git("config", "extensions.worktreeConfig", "true")
    scene.git("config", "--worktree", "core.fsmonitor", scene.program(scene.folder / "programs/monitor.sh"), cwd=place)
    return place


@attack(*EVERYWHERE, says="overnight:")
def work_tree_of_the_victim_s_repository(scene):
    """The hostile folder says that it is a linked work tree of a repository of the victim's"""
    folder = repository(scene.home / "code/private", {**LITTLE, "settings.py": f"X = {scene.file_digits}\n"})
    scene.git("worktree", "add", "-q", "--detach", scene.home / "code/theirs", cwd=folder)
    scene.watched.append(lambda: scene.git("for-each-ref", cwd=folder))
    shutil.rmtree(scene.repo / ".git")
    write(scene.repo, {".git": (scene.home / "code/theirs/.git").read_text()})


@attack("try", "check", says="may not be edited")
def other_files_are_changed_too(scene):
    """A work tree changes the scorer beside the file that may be edited"""
    place = linked(scene)
    write(place, {"score.py": "print('{\"loss\": 0}')\n"})
    return place


@attack("run", "status", "try", "verify", "log", says="chain whole")
def second_work_tree_of_a_night(scene):
    """Commands in a second work tree begin a second night and move the branch of the first"""
    lived(scene)
    place = linked(scene)
    write(place, {"more.txt": "x"})
    scene.git("add", "-A", cwd=place)
    scene.git("commit", "-q", "-m", "elsewhere", cwd=place)
    scene.watched.append(lambda: len(list(scene.state.glob("overnight/*/*/journal.db"))))
    scene.watched.append(lambda: scene.git("merge-base", "--is-ancestor", "main", "overnight/little", check=False))
    return place


@attack(*EVERYWHERE)
def submodule_of_a_hostile_repository(scene):
    """A submodule's configuration in the git folder above names programs"""
    above = scene.home / "code/above"
    repository(above, {"x": "x"})
    scene.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", scene.repo, "sub", cwd=above)
    program = scene.program(scene.folder / "programs/filter.sh")
    scene.git("config", "core.fsmonitor", program, cwd=above / "sub")
    process(above / "sub", SimpleNamespace(program=program))
    write(above / ".git/modules/sub", {"info/attributes": "* filter=evil\n"})
    scene.git_folders.append(f"{above}/.git/modules/sub")
    return above / "sub"


@attack("try", "brief", "check", says="overnight:")
def work_tree_without_its_repository(scene):
    """A work tree whose git folder is gone leads to another repository above it: the victim's home"""
    scene.git("init", "-q", scene.home)
    shutil.rmtree(scene.repo / ".git")
    fsmonitor(scene.home, SimpleNamespace(program=scene.program(scene.folder / "programs/monitor.sh")))
