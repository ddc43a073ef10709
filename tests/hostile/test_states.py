"""State that came with the tree: what earlier versions kept beside the track, filled by the attacker."""

import shutil

from conftest import write
from hostile.attack import Attacks
from hostile.night import forged, honest
from hostile.suite import Harmless

ATTACKS = attack = Attacks()
READING = ("report", "brief", "log")
NOTHING = "nothing was run here yet"


class TestStates(Harmless):
    """A state is read where the user's own are kept, and nowhere else."""


def appended(name):
    """A control: what an earlier version wrote there ends in the victim's file."""
    def control(scene):
        before = (scene.home / ".bashrc").read_text()
        scene.plainly("sh", "-c", f"echo attacked >> {name}")
        return (scene.home / ".bashrc").read_text() != before
    return control


@attack("run", *READING, says=NOTHING, control=appended(".overnight/logs/1.log"))
def logs_are_links(scene):
    """The candidate's bytes become the victim's start-up file, as its log"""
    for name in ("1.log", "2.log", "baseline.log", "1-score.log"):
        scene.link(f".overnight/logs/{name}", "../../../../.bashrc")


@attack("run", *READING, says=NOTHING)
def whole_state_is_a_link(scene):
    """The victim's documents become the state folder"""
    scene.link(".overnight", "../../Documents")


@attack("run", "brief", says=NOTHING)
def ignore_file_is_a_link(scene):
    """The victim's file is overwritten as the state's list of what git ignores"""
    scene.link(".overnight/.gitignore", "../../../.bashrc")


@attack("run", "idea", says=NOTHING)
def lock_is_a_link(scene):
    """The victim's file is emptied as the lock of the track"""
    scene.link(".overnight/lock", "../../../.bashrc")


@attack("run", *READING, says=NOTHING)
def report_is_a_link(scene):
    """The victim's file is overwritten as the report"""
    for name in ("report.md", "results.tsv", "progress.svg", "progress.png", "card.png", "report.html"):
        scene.link(f".overnight/report/{name}", "../../../../.bashrc")


@attack("run", *READING, "where", says=NOTHING)
def journal_is_a_link(scene):
    """A database of the victim's is opened and changed as the journal"""
    write(scene.home, {"Documents/mail.db": b"SQLite format 3\0" + bytes(4080)})
    scene.link(".overnight/journal.db", "../../../Documents/mail.db")


@attack("run", says=NOTHING)
def scratch_is_a_link(scene):
    """The victim's documents are removed as what a killed run left behind"""
    for name in ("scratch", "trees", "artifacts"):
        scene.link(f".overnight/{name}", "../../../Documents")


@attack("verify", *READING, says=NOTHING)
def journal_of_a_stranger(scene):
    """A stranger's night is shown as the victim's own, its chain whole"""
    honest(scene)
    scene.commit()


@attack("verify", *READING, "idea", says=NOTHING)
def state_of_a_stranger_under_the_state_s_own_names(scene):
    """The folder of states itself lies in the tree, where a relative XDG_STATE_HOME would look for it"""
    honest(scene, ".local/state/overnight/track/track")
    scene.env["XDG_STATE_HOME"] = ".local/state"
    scene.env["HOME"] = str(scene.home)
    scene.commit()


@attack("run", "trust", says="not granted")
def grants_that_came_along(scene):
    """A file of grants in the tree grants the victim's keys"""
    from overnight.night.trust import Trust
    (scene.repo / ".overnight").mkdir()
    Trust(scene.repo / ".overnight").grant([f"candidates and the scorer read {scene.home}/.ssh"])
    scene.contract(("[run]\n", '[run]\ndata = ["~/.ssh"]\n'))


@attack("adopt", "trust", "run", says="not granted")
def grants_that_are_taken_over(scene):
    """A file of grants beside a journal is taken over with it"""
    from overnight.night.trust import Trust
    scene.contract(("[run]\n", '[run]\ndata = ["~/.ssh"]\n'))
    forged(scene)
    Trust(scene.repo / ".overnight").grant([f"candidates and the scorer read {scene.home}/.ssh"])


@attack("adopt", "run", "brief", says="no plain file")
def state_of_links_is_taken_over(scene):
    """An old state that its user takes over holds links to the victim's keys"""
    honest(scene)
    for name in ("logs/1.log", "notes.md", "audit.json"):
        scene.link(f".overnight/{name}", scene.key, commit=False)


@attack("adopt", "run", says="no plain file")
def keys_of_the_journal_are_a_link(scene):
    """The folder of the journal's keys leads to the victim's"""
    honest(scene)
    shutil.rmtree(scene.repo / ".overnight/keys")
    scene.link(".overnight/keys", "../../../.ssh", commit=False)


@attack("adopt", "status", "log", says="part of the repository")
def state_of_a_commit_is_taken_over(scene):
    """A stranger's night lies in a commit, and its victim takes it over as an older one of their own"""
    honest(scene)
    scene.commit()
