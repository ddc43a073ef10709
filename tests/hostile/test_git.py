"""A tarball with its git folder: configuration, attributes, filters, hooks, promisors, alternates, links."""

import shutil
from types import SimpleNamespace

from conftest import LITTLE, repository, write
from hostile.attack import Attack, Attacks
from hostile.suite import Harmless
from test_repo_store import CANARIES, laid_out

ATTACKS = attack = Attacks()


class TestGit(Harmless):
    """Whatever stands in a git folder, no program of it runs, and nothing outside is read or changed."""


def laid_in(lay):
    """An attack of a canary: a program that the repository sets up for git, and what makes plain git run it."""
    def build(scene):
        shutil.rmtree(scene.repo)
        laid_out(scene.repo)
        scene.sings = lay(scene.repo, SimpleNamespace(program=scene.program(scene.folder / "programs/canary.sh"), sung=scene.ran))

    def control(scene):
        scene.sings()
        return list(scene.ran.iterdir())

    return Attack(f"git_runs_{lay.__name__}", f"a program of the repository's runs as git's {lay.__name__.replace('_', ' ')}", build,
                  ("try", "brief"), control=control)


ATTACKS += [laid_in(lay) for lay in CANARIES]


def private(scene):
    """A repository of the victim's own, beside the hostile one, that no one else may read."""
    folder = repository(scene.home / "code/private", {**LITTLE, "settings.py": f"X = {scene.file_digits}\n"})
    scene.watched.append(lambda: scene.git("for-each-ref", cwd=folder))
    return folder


def shows_private(scene):
    """A control: plain git shows the victim's own repository."""
    return scene.file_digits in scene.plainly("git", "show", "HEAD:settings.py")


@attack("brief", "try", says="is a link", control=shows_private)
def git_folder_is_a_link(scene):
    """The git folder leads to a repository of the victim's, whose code goes to models"""
    shutil.rmtree(scene.repo / ".git")
    (scene.repo / ".git").symlink_to(private(scene) / ".git")


@attack("brief", "try", says="does not name", control=shows_private)
def git_file_names_a_repository_of_the_victim(scene):
    """A .git file lays claim to a repository of the victim's"""
    shutil.rmtree(scene.repo / ".git")
    write(scene.repo, {".git": f"gitdir: {private(scene)}/.git\n"})


@attack("brief", "try", says="overnight:", control=shows_private)
def git_folder_shares_a_repository_of_the_victim(scene):
    """The git folder says that it is a work tree's of the victim's repository"""
    folder = private(scene)
    head = (folder / ".git/HEAD").read_text()
    shutil.rmtree(scene.repo / ".git")
    write(scene.repo, {".git/HEAD": head, ".git/commondir": f"{folder}/.git\n", ".git/gitdir": f"{scene.repo}/.git\n",
                       ".git/config": "[core]\n\tbare = false\n"})


@attack("brief", "run", says="borrows", control=shows_private)
def objects_of_the_victim_are_borrowed(scene):
    """A commit of the victim's is read through alternates"""
    folder = private(scene)
    write(scene.repo, {".git/objects/info/alternates": f"{folder}/.git/objects\n",
                       ".git/refs/heads/main": scene.git("rev-parse", "HEAD", cwd=folder) + "\n"})


@attack("brief", "run", says="link", control=shows_private)
def objects_are_links(scene):
    """A commit of the victim's is read through links among the objects"""
    folder = private(scene)
    for each in (folder / ".git/objects").glob("*/*"):
        mine = scene.repo / ".git/objects" / each.parent.name
        if not mine.exists():
            mine.symlink_to(each.parent)
        elif not (mine / each.name).exists():  # the folder is there, by the chance of a hash, and no link
            (mine / each.name).symlink_to(each)
    write(scene.repo, {".git/refs/heads/main": scene.git("rev-parse", "HEAD", cwd=folder) + "\n"})


@attack("try", "idea", says="link")
def result_branches_are_a_link(scene):
    """The result branch is written through a linked folder of refs, into the victim's home"""
    (scene.repo / ".git/refs/heads/overnight").symlink_to(scene.home / "Documents")


@attack("try", says="link")
def result_branch_is_a_link(scene):
    """The result branch is written through a link, over the victim's start-up file"""
    (scene.repo / ".git/refs/heads/overnight").mkdir()
    (scene.repo / ".git/refs/heads/overnight/little").symlink_to(scene.home / ".bashrc")


@attack("try", "brief", says="overnight:")
def packed_refs_are_a_link(scene):
    """The list of branches is a link to a key, whose words come out in the error"""
    (scene.repo / ".git/packed-refs").symlink_to(scene.key)


@attack("try", "brief", says="overnight:")
def head_is_a_link(scene):
    """HEAD is a link to a key, whose words come out in the error"""
    (scene.repo / ".git/HEAD").unlink()
    (scene.repo / ".git/HEAD").symlink_to(scene.key)


@attack("try", "brief", says="overnight:")
def configuration_is_a_link(scene):
    """The configuration is a link to a key, whose words come out in the error"""
    (scene.repo / ".git/config").unlink()
    (scene.repo / ".git/config").symlink_to(scene.key)


@attack("try", "merge")
def index_is_a_link(scene):
    """The index is a link to a file of the victim's, which is written anew"""
    (scene.repo / ".git/index").unlink()
    (scene.repo / ".git/index").symlink_to(scene.home / ".bashrc")


@attack("try", "merge")
def logs_of_branches_are_links(scene):
    """git's diary of the result branch is written through a link, into the victim's start-up file"""
    for name in ("HEAD", "refs/heads/main", "refs/heads/overnight/little"):
        path = scene.repo / ".git/logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(scene.home / ".bashrc")


@attack("try", says="does not name")
def work_tree_is_elsewhere(scene):
    """The configuration says that the work tree is the victim's home"""
    scene.git("config", "core.worktree", scene.home)


@attack("try", says="core.attributesfile")
def lists_of_the_home(scene):
    """Files of the victim's are read as lists of attributes and exclusions"""
    scene.git("config", "core.excludesFile", scene.key)
    scene.git("config", "core.attributesFile", scene.key)


@attack("try", "brief")
def includes_of_the_home(scene):
    """The victim's own files are included, and their words come out in the error"""
    with open(scene.repo / ".git/config", "a") as file:
        file.write(f'[include]\n\tpath = {scene.key}\n[includeIf "gitdir:/"]\n\tpath = {scene.key}\n')


def pointer(digest, size):
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n"


@attack("try", says="no plain file")
def content_of_lfs_is_a_link(scene):
    """A content of Git LFS is a link to a key, which is then in the candidate's tree"""
    digest = "ab" * 32
    place = scene.repo / f".git/lfs/objects/ab/ab/{digest}"
    place.parent.mkdir(parents=True)
    place.symlink_to(scene.key)
    scene.commit({"words.bin": pointer(digest, scene.key.stat().st_size), ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
                  "run.py": "print(open('words.bin').read())\n" + LITTLE["run.py"]})


@attack("try")
def names_of_lfs_that_lead_elsewhere(scene):
    """A pointer of Git LFS names a path in the victim's home"""
    scene.commit({"words.bin": pointer("../../../../../../.ssh/id_ed25519", 14), ".gitattributes": "*.bin filter=lfs -text\n",
                  ".lfsconfig": f"[lfs]\n\turl = http://127.0.0.1:{scene.port}\n\tstorage = ../../.ssh\n"})


@attack("try", "brief", "merge")
def submodules_that_run_and_write(scene):
    """Submodules whose address is a command and whose folder lies in the git folder"""
    program = scene.program(scene.folder / "programs/clone")
    scene.commit({".gitmodules": f'[submodule "../../hooks"]\n\tpath = sub\n\turl = ext::{program} %G\n\tupdate = !{program}\n'})
    scene.git("update-index", "--add", "--cacheinfo", f"160000,{scene.git('rev-parse', 'HEAD')},sub")
    scene.git("commit", "-q", "-m", "a submodule")
    (scene.repo / "sub").mkdir()
    scene.git("config", "submodule.sub.update", f"!{program}")
    scene.git("config", "protocol.ext.allow", "always")


@attack("try", "run", "brief", says="filter")
def secret_behind_a_filter(scene):
    """What the victim's filter would encrypt lands on the result branch in clear text"""
    scene.contract(('editable = ["settings.py"]', 'editable = ["settings.py", "secrets.py"]'), **{"secrets.py": "encrypted\n"})
    scene.commit({".gitattributes": "secrets.py filter=crypt\n"})
    scene.git("config", "filter.crypt.clean", "echo encrypted")
    write(scene.repo, {"secrets.py": f"{scene.file_digits}\n"})


@attack("brief", "run", says="overnight:")
def configuration_of_a_hundred_megabytes(scene):
    """A configuration takes all memory"""
    with open(scene.repo / ".git/config", "ab") as file:
        file.truncate(100 << 20)


@attack("brief", "run", says="overnight:")
def format_of_the_future(scene):
    """A format that nobody knows is read as if it were known"""
    scene.git("config", "core.repositoryformatversion", "1")
    scene.git("config", "extensions.evil", "\x1b[2J")
