"""The end of a journal is held in the commits and beside it: what was cut, rewritten or forced is found and never followed."""

import shutil
import sqlite3

import pytest

from conftest import LITTLE, commit, git, home, overnight, repository, sentence
from overnight import journal as journals
from overnight.journal.chain import link
from overnight.night import anchor
from overnight.night.session import Session

NEEDS = "night"
MORE = ("--experiments", 2, "--researcher", "knobs", "--workers", 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A night that kept something; only to copy."""
    folder = repository(tmp_path_factory.mktemp("night") / "little", LITTLE)
    assert overnight("run", folder, "--experiments", 8, "--researcher", "knobs", "--workers", 1).returncode == 0
    session = Session(folder)
    assert session.read().frontier
    return folder


@pytest.fixture
def night(made, tmp_path):
    """A copy of it with a state of its own."""
    folder = tmp_path / "little"
    shutil.copytree(made, folder, symlinks=True)
    Session(folder).adopt(home(made))
    return folder


def rewritten(folder, change):
    """Pass each record's body through a function and make the chain whole again; None drops a record and all behind it."""
    with sqlite3.connect(home(folder) / "journal.db") as database:
        rows = database.execute("SELECT seq, body FROM events ORDER BY seq").fetchall()
        database.execute("DELETE FROM events")
        chain = "0" * 64
        for seq, body in rows:
            new = change(seq, body)
            if new is None:
                break
            chain = link(chain, new)
            database.execute("INSERT INTO events (track, seq, body, hash) VALUES ('', ?, ?, ?)", (seq, new, chain))
    database.close()


def refuses(folder, words):
    """Each command that follows the journal refuses, and the branch stays where it was."""
    before = git(folder, "for-each-ref"), git(folder, "rev-parse", "HEAD")
    for command in (("log", folder, "--verify"), ("merge", folder), ("run", folder, *MORE)):
        assert words in sentence(overnight(*command)), command
    assert (git(folder, "for-each-ref"), git(folder, "rev-parse", "HEAD")) == before


def test_each_commit_that_was_made_bears_the_end_of_the_journal(night):
    session = Session(night)
    state = session.read()
    for each in state.chain():
        number, hashed = anchor.TRAILER.search(git(night, "show", "-s", "--format=%B", each.commit)).groups()
        assert session.journal.hash_of(int(number)) == hashed
    assert overnight("log", night, "--verify").returncode == 0


def test_a_journal_whose_last_records_were_cut_off_is_noticed(night):
    last = Session(night).journal.head[0]
    rewritten(night, lambda seq, body: body if seq < last else None)
    refuses(night, "was cut or rewritten")


def test_so_is_one_that_was_cut_before_the_last_keep_with_the_note_beside_it_gone(night):
    state = Session(night).read()
    born = next(number for number, e in enumerate(journals.open(home(night) / "journal.db").replay(), 1)
                if getattr(e, "commit", "") == state.commit and type(e).__name__ == "Proposed")
    (home(night) / "head").unlink()
    rewritten(night, lambda seq, body: body if seq < born else None)
    refuses(night, "this journal did not judge")


def test_a_rewritten_journal_is_noticed_although_its_chain_is_whole(night):
    (home(night) / "head").unlink()
    rewritten(night, lambda seq, body: body.replace(b"little", b"l1ttle", 1) if seq == 3 else
              body.replace(b'"workers":1', b'"workers":9') if b'"workers":1' in body else body)
    refuses(night, "does not fit the commit")


def test_a_forged_keep_moves_no_branch(night, tmp_path):
    """Its commit was not made under this journal, whatever the journal says."""
    state = Session(night).read()
    old = state.commit
    forged = commit(night, {"settings.py": "X = -9.0\n"}, "forged")
    git(night, "reset", "-q", "--hard", "HEAD~1")
    (home(night) / "head").unlink()
    rewritten(night, lambda seq, body: body.replace(old.encode(), forged.encode()))
    refuses(night, "the journal does not fit the commit" if len(state.chain()) > 1 else "which this journal did not judge")
    assert git(night, "rev-parse", "overnight/little") == old


def test_a_commit_that_was_forced_onto_the_branch_is_never_merged(night):
    tip = git(night, "rev-parse", "overnight/little")
    forced = commit(night, {"settings.py": "X = 99.0\n"}, "forced")
    git(night, "reset", "-q", "--hard", "HEAD~1")
    git(night, "update-ref", "refs/heads/overnight/little", forced)
    refuses(night, "git branch -m overnight/little mine")
    git(night, "branch", "-m", "overnight/little", "mine")
    assert overnight("run", night, *MORE).returncode == 0, "what it said puts it right"
    assert tip in git(night, "rev-list", "overnight/little").split()
    assert overnight("merge", night).returncode == 0


def test_a_branch_that_was_set_back_or_lost_is_put_right_by_a_run(night):
    for spoil in (("update-ref", "refs/heads/overnight/little", git(night, "rev-parse", "HEAD")), ("branch", "-D", "overnight/little")):
        git(night, *spoil)
        for command in (("log", night, "--verify"), ("merge", night)):
            assert "`overnight run` puts it right" in sentence(overnight(*command))
        assert overnight("run", night, *MORE).returncode == 0
        assert overnight("log", night, "--verify").returncode == 0


def test_a_journal_of_before_the_trailers_is_followed(night):
    """Commits without a trailer, under a state without a note."""
    old = {"a" * 40: "An old keep", "b" * 40: "Another\n\nOvernight-Journal: 1 " + "0" * 64}

    class Known:
        """The messages of two commits."""

        def messages(self, commits):
            """Theirs."""
            return [old[each] for each in commits]

    session = Session(night)
    anchor.check_commits(Known(), session.journal, ["a" * 40])
    with pytest.raises(Exception, match="b{12}"):
        anchor.check_commits(Known(), session.journal, ["a" * 40, "b" * 40])


def test_begun_anew_a_cut_journal_goes_on(night):
    last = Session(night).journal.head[0]
    rewritten(night, lambda seq, body: body if seq < last else None)
    assert overnight("run", night, "--restart", *MORE).returncode == 0
    assert overnight("log", night, "--verify").returncode == 0
