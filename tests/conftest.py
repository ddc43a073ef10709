"""Grounds to test on: git without anybody's settings, small repositories, the command as a user runs it."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

import needs
from browsing import browser  # noqa: F401, a fixture
from forks import forked
from overnight.night import needs as wanted
from overnight.night.session import Session
from overnight.sandbox.bubblewrap import Bubblewrap
from overnight.track.load import load

ROOT = Path(__file__).parent.parent
STATE = tempfile.TemporaryDirectory(prefix="overnight-state-")  # where the nights of these tests keep their states
os.environ["XDG_STATE_HOME"] = STATE.name
os.environ.pop("OVERNIGHT_JOURNAL", None)
# The same examples each time. Hypothesis' own deadline goes by the clock on the wall, which other work on the same cores moves;
# `needs.paced` holds each example to a bound in processor time instead.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)  # new examples: pytest --hypothesis-profile search
settings.load_profile("suite")

CONTRACT = """\
[track]
name = "little"
editable = ["settings.py"]

[metric]
name = "loss"
direction = "minimize"
worthwhile = 0.01

[run]
command = ["python", "-S", "-E", "run.py"]
timeout = "10s"
memory = "256MiB"

[score]
command = ["python", "-S", "-E", "score.py"]
timeout = "10s"
memory = "256MiB"
"""
RUN = """\
import os, settings
with open(os.environ["OVERNIGHT_OUT"] + "/x", "w") as out:
    out.write(str(settings.X))
"""
SCORE = """\
import json, os
x = float(open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x").read())
print(json.dumps({"loss": (x - 3) ** 2 + int(os.environ["OVERNIGHT_SEED"]) % 7 / 100}))
"""
LITTLE = {"track.toml": CONTRACT, "settings.py": "X = 1.0\n", "run.py": RUN, "score.py": SCORE}


def pytest_configure(config):
    for name, what in needs.MARKS.items():
        config.addinivalue_line("markers", f"{name}: {what}")
    config.pluginmanager.register(needs.Guard(), "needs")


@pytest.fixture(autouse=True)
def git_without_settings(monkeypatch):
    """No user.name, no default branch, no hooks from outside: as on a machine where git was never set up."""
    for name in [n for n in os.environ if n.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def git(folder, *arguments):
    """git as the user of the repository; what it printed."""
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def write(folder, files):
    """Write files below a folder: path -> text or bytes; None removes one."""
    for path, content in files.items():
        place = Path(folder, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            place.unlink()
        else:
            place.write_bytes(content if isinstance(content, bytes) else content.encode())


def commit(folder, files, message="a change"):
    """Write files and commit everything; the commit."""
    write(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def repository(folder, files):
    """A new repository with these files in its first commit."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    commit(folder, files, "the beginning")
    return Path(folder)


def home(folder):
    """The state folder of the track in a folder; made where it is missing."""
    place = Session(Path(folder)).place
    place.make()
    return place.path


def trusted(folder):
    """The folder of a track, after its user granted all that it wants."""
    session, contract = Session(Path(folder)), load(Path(folder))
    session.place.make()
    session.trust.grant((*wanted.of_contract(contract, session.repo), *wanted.of_roles(session.program.roles)))
    return folder


@pytest.fixture
def little(tmp_path):
    """The smallest track with a scorer: one constant, of which 3 is best."""
    return repository(tmp_path / "little", LITTLE)


@pytest.fixture
def synthetic(tmp_path):
    """A copy of tracks/synthetic in a repository of its own."""
    source = ROOT / "tracks" / "synthetic"
    return repository(tmp_path / "synthetic", {p.name: p.read_bytes() for p in source.iterdir() if p.is_file()})


@pytest.fixture(scope="session")
def bubblewrap():
    """The real sandbox; scripts/setup.sh installs what it needs."""
    sandbox = Bubblewrap()
    sandbox.probe()
    return sandbox


def command(*arguments):
    """The command line of `overnight` in this very environment."""
    return [sys.executable, "-m", "overnight.cli", *map(str, arguments)]


def overnight(*arguments, **options):
    """Run `overnight`; the finished process, with text. Where nothing else of it is asked for, it is forked from one that has the
    imports behind it, with options it is started as a user does."""
    if options.keys() <= {"cwd", "timeout"}:
        return _forked(list(map(str, arguments)), **options)
    options = {"capture_output": True, "text": True, "timeout": 120, "check": False} | options
    return subprocess.run(command(*arguments), **options)


def _forked(arguments, cwd=None, timeout=120):
    with tempfile.TemporaryDirectory(prefix="overnight-said-") as said:
        outputs = [Path(said, name) for name in ("out", "err")]
        code = forked(arguments, dict(os.environ), cwd or Path.cwd(), outputs, timeout)
        texts = [each.read_text() if each.exists() else "" for each in outputs]
    if code is None:
        raise subprocess.TimeoutExpired(arguments, timeout, *texts)
    return subprocess.CompletedProcess(["overnight", *arguments], code, *texts)


def sentence(done):
    """The one sentence with which a command refused: exit status 2, a single line, no traceback."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("overnight: ") and lines[0].endswith("."), done.stderr
    return lines[0].removeprefix("overnight: ")


def stop(process, number=signal.SIGKILL):
    """End one process and reap it."""
    process.send_signal(number)
    process.wait(timeout=30)
