"""Journals that are forged, with a chain that is whole, and offered to be taken over: beside the track, in no commit, as a tarball
brings them."""

import time

from hostile.attack import Attacks
from hostile.night import forged, honest
from hostile.suite import Harmless
from overnight.lab.events import Measured, Noted, Proposed, Started, Stopped

ATTACKS = attack = Attacks()
AFTER = ("adopt", "status", "brief", "show", "log")


class TestJournals(Harmless):
    """A journal is data: no word of it names a file, a branch or a path that is used unchecked."""


def experiment(scene, log):
    """The records of one experiment, whose log has that name."""
    head, now = scene.git("rev-parse", "HEAD"), time.time()
    ran = {"outcome": "crash", "reason": "x", "metrics": {}, "cpu": 0.1, "wall": 0.1, "peak_memory": 1}
    names = {name: value for name, value in ran.items() if name in Measured.__struct_fields__}
    made = {"commit": head, "fingerprint": ""}
    proposed = {name: value for name, value in made.items() if name in Proposed.__struct_fields__}
    return [Proposed(at=now, experiment=1, base=0, base_commit=head, researcher="person", message="x", **proposed),
            Measured(at=now, run=1, experiment=0, commit=head, seed=1, stage="calibrate", log=log, **names),
            Measured(at=now, run=2, experiment=1, commit=head, seed=1, stage="race", log=log, **names)]


@attack(*AFTER, control=lambda scene: scene.file_digits in scene.plainly("cat", ".overnight/logs/../../../../.ssh/id_ed25519"))
def log_above_the_state(scene):
    """A key is read as the log of a run, and printed into the page for models"""
    forged(scene, *experiment(scene, "../../../../.ssh/id_ed25519"))


@attack(*AFTER)
def log_by_its_whole_path(scene):
    """A key is read as the log of a run, by its whole path"""
    forged(scene, *experiment(scene, str(scene.key)))


def user_s_branch(scene):
    """A branch of the victim's that no command may move."""
    scene.git("branch", "release")
    scene.watched.append(lambda: scene.git("rev-parse", "release"))


@attack("adopt", "try", "merge")
def result_branch_of_the_victim(scene):
    """The journal says that its results lie on a branch of the victim's, which is then moved"""
    user_s_branch(scene)
    forged(scene, branch="release")


@attack("adopt", "try")
def result_branch_that_leads_elsewhere(scene):
    """The journal names a branch that leads to another ref, and labels that are removed"""
    user_s_branch(scene)
    forged(scene, branch="overnight/../release")


@attack("adopt", "try")
def label_that_is_everything(scene):
    """The journal's track has a name by which all refs are let go of"""
    user_s_branch(scene)
    scene.git("update-ref", "refs/overnight/other/1", "HEAD")
    scene.watched.append(lambda: scene.git("rev-parse", "refs/overnight/other/1"))
    forged(scene, track="..", branch="overnight/..")


@attack("adopt", "try", "audit", "run", says="overnight:")
def contract_of_the_journal_wants_more(scene):
    """The contract in the journal wants the victim's keys, and the one in the tree nothing"""
    contract = (scene.repo / "track.toml").read_text().replace("[run]\n", '[run]\ndata = ["~/.ssh"]\n')
    forged(scene, contract=contract)


@attack("adopt", "status", "run", says="overnight:")
def contract_of_the_journal_is_none(scene):
    """The contract in the journal cannot be read"""
    forged(scene, contract="[[[[")


@attack("adopt", "status", "run", says="overnight:")
def commit_of_the_journal_is_an_option(scene):
    """The commit in the journal is an option of git"""
    forged(scene, commit=f"--output={scene.home}/.bashrc")


@attack(*AFTER, "run")
def numbers_beyond_all_measure(scene):
    """Times and numbers that no clock has"""
    forged(scene, Started(1e300, 2**62, "bubblewrap", "0"), Noted(-1e300, 2**62, "x"), Stopped(1e300, 1e308))


@attack(*AFTER, "run", says="overnight:")
def records_of_one_experiment_twice(scene):
    """The same experiment begins twice, and a verdict is on one that is not there"""
    from overnight.lab.events import Judged, Rebased, Vetoed
    now = time.time()
    forged(scene, *experiment(scene, ""), *experiment(scene, ""), Judged(now, 99, "keep", "x"), Vetoed(now, 98), Rebased(now, 97, 1, "x", "y"))


@attack("adopt", "status", "verify", "brief", says="journal")
def journal_with_triggers_and_views(scene):
    """The database holds a view in the place of the table, and triggers"""
    import sqlite3
    from contextlib import closing
    folder = forged(scene)
    with closing(sqlite3.connect(folder / "journal.db")) as database:
        database.executescript("ALTER TABLE events RENAME TO hidden; CREATE VIEW events AS WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL "
                               "SELECT seq + 1 FROM n) SELECT '' AS track, seq, x'7b7d' AS body, 'a' AS hash FROM n;")


@attack("adopt", "status", "verify", says="journal")
def journal_that_is_no_database(scene):
    """The journal is bytes of chance behind the head of a database"""
    folder = forged(scene)
    (folder / "journal.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 64)


@attack("adopt", "status", "verify", says="altered")
def journal_whose_end_was_changed(scene):
    """One word of an honest night was changed"""
    import sqlite3
    from contextlib import closing
    honest(scene)
    with closing(sqlite3.connect(scene.repo / ".overnight/journal.db")) as database, database:
        database.execute("UPDATE events SET body = replace(body, 'little', 'larger') WHERE seq = 1")
