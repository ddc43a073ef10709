"""States for attacks that begin with one: an honest night's, and journals that are forged record by record."""

import shutil
import time

from hostile.opened import command
from overnight import journal as journals
from overnight.lab.events import Opened
from overnight.night import keys


def lived(scene, *names):
    """The victim's own night on the repository as it is."""
    for name in names or ("run",):
        ended = command(scene, name, scene.repo, 60)
        assert ended.status in (0, 10), ended.said.decode()
    return next(scene.state.glob("overnight/*/*/journal.db")).parent


def honest(scene, name=".overnight"):
    """The state of a stranger's honest night, in the tree."""
    old = lived(scene)
    shutil.copytree(old, scene.repo / name, ignore=shutil.ignore_patterns("git", "lock", "inbox"))
    shutil.rmtree(scene.state / "overnight")
    for ref in scene.git("for-each-ref", "--format=%(refname)", "refs/overnight", "refs/heads/overnight").splitlines():
        scene.git("update-ref", "-d", ref)


def forged(scene, *events, **opened):
    """A journal with a chain that is whole, in the tree: of a track that was begun, and these events. `opened` are fields of
    the beginning."""
    folder = scene.repo / ".overnight"
    (folder / "logs").mkdir(parents=True)
    name = keys.make(folder)
    journal = journals.open(folder / "journal.db")
    first = {"track": "little", "commit": scene.git("rev-parse", "HEAD"), "contract": (scene.repo / "track.toml").read_text(),
             "key_hash": name} | opened
    journal.extend([Opened(time.time(), **first), *events])
    journal.close()
    return folder
