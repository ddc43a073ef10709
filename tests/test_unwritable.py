"""Commands where the state folder can only be read, where the disk is full, and where HOME is not set: a sentence each."""

import errno
import os
import shutil
import subprocess
import sys

import pytest

from conftest import LITTLE, command, home, overnight, repository, sentence
from overnight.cli.base import ADVICE
from overnight.journal import open as open_journal
from overnight.lab.events import Noted

NEEDS = "night"
NONE = ("--sandbox", "none")
READ = [("status", ...), ("log", ...), ("log", ..., "--verify"), ("show", "1", ...), ("brief", ...), ("idea", "list", ...), ("where", ...)]
WRITE = [("check", ..., *NONE), ("run", ..., "--experiments", "1", *NONE), ("try", ..., *NONE), ("report", ...),
         ("idea", "add", "an idea", ...)]


def named(words):
    return "-".join(word for word in words if word is not ...)


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts folders here")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A track with one experiment, and a change of it in its tree."""
    folder = repository(tmp_path_factory.mktemp("night") / "little", LITTLE)
    assert overnight("run", folder, "--experiments", "1", "--researcher", "knobs", *NONE).returncode == 0
    (folder / "settings.py").write_text("X = 2.25\n")
    return folder


def at(folder, words):
    return [str(folder) if word is ... else word for word in words]


def mounted(mount, folder, words, **environ):
    """A command in a mount namespace of its own, once `mount` was run there."""
    return subprocess.run(["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *command(*at(folder, words))], check=False,
                          capture_output=True, text=True, timeout=120, env=os.environ | environ)


@AS_ROOT
@pytest.mark.parametrize("words", READ + WRITE, ids=named)
def test_a_state_that_can_only_be_read(night, words):
    state = home(night)
    before = sorted(p.name for p in state.iterdir())
    done = mounted(f"mount --bind {state} {state} && mount -o remount,bind,ro {state}", night, words)
    assert sorted(p.name for p in state.iterdir()) == before
    if words in READ:
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert done.stdout == overnight(*at(night, words)).stdout or words[0] == "brief"
    else:
        assert "Read-only file system" in sentence(done)


@AS_ROOT
@pytest.mark.parametrize("words", WRITE, ids=named)
def test_a_disk_that_is_full(night, tmp_path, words):
    root = home(night).parents[1]
    (tmp_path / "overnight").mkdir()
    mount = (f"mount -t tmpfs -o size=300m,mode=700 none {tmp_path} && cp -a {root} {tmp_path}/overnight && "
             f"(head -c 400000000 /dev/zero >{tmp_path}/filler 2>/dev/null || true)")
    sentence(mounted(mount, night, words, XDG_STATE_HOME=str(tmp_path)))


@pytest.mark.parametrize("bytes_each", [0, 4096])
@pytest.mark.parametrize("words", WRITE[2:] + READ[:3], ids=named)
def test_files_that_may_not_grow(night, words, bytes_each):
    done = subprocess.run(["prlimit", f"--fsize={bytes_each}", *command(*at(night, words))], capture_output=True, text=True, check=False,
                          timeout=120)
    assert done.returncode == 0 or sentence(done)


@pytest.mark.parametrize("words", READ, ids=named)
def test_without_a_home(night, words):
    environ = {name: value for name, value in os.environ.items() if name not in ("HOME", "USER", "LOGNAME")}
    done = overnight(*at(night, words), env=environ)
    assert (done.returncode, done.stderr) == (0, "")


@AS_ROOT
def test_a_user_without_any_home_is_told_what_to_set(tmp_path):
    script = "import os\nfrom overnight.night.place import root\nos.setresuid(54321, 54321, 54321)\nroot()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False,
                          env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ})
    assert "set XDG_STATE_HOME to a folder of yours." in done.stderr.splitlines()[-1]


@AS_ROOT
@pytest.mark.parametrize("shared", [True, False])
def test_what_is_not_yet_in_the_journal_s_own_file_is_read_too(tmp_path, shared):
    """A killed process leaves its last records beside the journal, and a folder that cannot be written to keeps them there."""
    (tmp_path / "state").mkdir()
    writer = open_journal(tmp_path / "state" / "journal.db")
    writer.extend([Noted(at=1.0, idea=1, title="one", source="person")])
    left = tmp_path / "left"
    shutil.copytree(tmp_path / "state", left)
    writer.close()
    assert (left / "journal.db-wal").stat().st_size
    if not shared:
        (left / "journal.db-shm").unlink()
    script = f"from overnight.journal import open\nprint([e.title for e in open({str(left / 'journal.db')!r}).replay()])"
    done = subprocess.run(["unshare", "-m", "sh", "-c", f'mount --bind {left} {left} && mount -o remount,bind,ro {left} && exec "$@"', "sh",
                           sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "['one']\n", done.stderr


def test_every_fault_of_a_disk_has_its_advice():
    assert {errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG, errno.EACCES} <= ADVICE.keys()
