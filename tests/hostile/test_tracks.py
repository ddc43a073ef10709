"""Tracks of the same name in one repository, and folders that lay claim to another track's results."""

from conftest import LITTLE, write
from hostile.attack import Attacks
from hostile.night import lived
from hostile.suite import Harmless

ATTACKS = attack = Attacks()


class TestTracks(Harmless):
    """The results of two tracks never meet."""


def two(scene, **second):
    """A second track of the repository, in a folder of its own; the first has had a night. The folder."""
    scene.commit({f"other/{name}": text for name, text in (LITTLE | second).items()})
    lived(scene, "try")
    scene.watched.append(lambda: scene.git("rev-parse", "overnight/little"))
    scene.watched.append(lambda: scene.git("for-each-ref", "refs/overnight/little"))
    return scene.repo / "other"


@attack("run", "merge", control=lambda scene: scene.plainly("git", "update-ref", "refs/heads/overnight/little", "main") == ""
        and scene.git("rev-parse", "main") == scene.git("rev-parse", "overnight/little"))
def second_track_of_the_same_name(scene):
    """A second track of the same name takes the branch of the first, and its commits are merged"""
    return two(scene)


@attack("run")
def track_whose_name_is_another_s_branch(scene):
    """A track is named as the branch of another one would be"""
    return two(scene, **{"track.toml": LITTLE["track.toml"].replace('name = "little"', 'name = "Little"')})


@attack("run")
def track_behind_a_link(scene):
    """The folder of a track is a link to the track of another repository"""
    write(scene.home, {f"code/private/{name}": text for name, text in LITTLE.items()})
    scene.git("init", "-q", cwd=scene.home / "code/private")
    scene.git("add", "-A", cwd=scene.home / "code/private")
    scene.git("commit", "-q", "-m", "x", cwd=scene.home / "code/private")
    scene.git_folders.append(f"{scene.home}/code/private/.git")
    scene.link("inner", "../private")
    return scene.repo / "inner"


@attack("run", "status", says="no commits yet")
def track_inside_another_repository_without_commits(scene):
    """A repository within the tree has no commits, so that the one around it would be taken"""
    write(scene.repo, {f"inner/{name}": text for name, text in LITTLE.items()})
    scene.git("init", "-q", cwd=scene.repo / "inner")
    return scene.repo / "inner"
