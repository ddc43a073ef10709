"""What a test needs: the marks of the suite, and a guard that holds tests to them.

A file says what its tests need with `NEEDS = "git"`; a test that needs something else bears a mark of its own. Without either
it is pure. `make fast` runs what is pure, so a pure test that starts a process or opens a connection fails where it does so.
"""

import functools
import re
import sys
import time
from pathlib import Path

import pytest

MARKS = {
    "pure": "no process and no socket",
    "git": "git, and no other program",
    "sandbox": "other programs, most of them in bubblewrap or a container",
    "night": "the command `overnight` at work on a track",
    "browser": "a browser",
    "services": "servers, on this machine or elsewhere",
    "model": "a real language model on this machine: `make test-model`",
}
FOLDERS = {"attacks": "sandbox", "hostile": "night", "injections": "night"}
EXAMPLE = 1.0  # seconds of the processor that one example of a property may take
STARTS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "pty.spawn"}


def marks(item):
    """The names of the marks of this table that a test bears."""
    return [mark.name for mark in item.iter_markers() if mark.name in MARKS]


def bears(path, mark):
    """Whether a file may hold a test that bears this mark, as far as its text tells."""
    text = path.read_text(encoding="utf-8")
    own = re.search(r'^NEEDS = "(\w+)"', text, re.MULTILINE)
    return mark == (own[1] if own else FOLDERS.get(path.parent.name, "pure")) or f"mark.{mark}" in text


def needed(event, args):
    """The mark that what is about to happen asks for, as Python's audit events tell it; "" for anything harmless."""
    if event == "subprocess.Popen":
        executable, arguments = args[0], args[1]
        name = executable or (arguments if isinstance(arguments, str | bytes) else arguments[0])
        return "git" if Path(str(name)).name == "git" else "sandbox"
    if event == "socket.connect":
        return "services"
    return "sandbox" if event in STARTS else ""


def paced(test):
    """A property whose examples are each held to EXAMPLE: of this thread alone, so that other work moves nothing."""
    @functools.wraps(test)
    def held(*args, **kwargs):
        began = time.thread_time()
        test(*args, **kwargs)
        took = time.thread_time() - began
        assert took <= EXAMPLE, f"one example took {took:.1f} s of the processor"
    return held


class Guard:
    """A plugin that marks each test, and fails one that reaches for more than its mark allows."""

    def __init__(self):
        self.unclear = {}  # test -> its marks, where it does not bear exactly one
        self.bound = ""  # the mark that holds now; "" where anything goes
        self._building = []  # (name, node) of the shared fixtures that are being set up, the innermost last
        self._reached = {}  # the same -> the marks that setting it up asked for
        sys.addaudithook(self._heard)

    def _heard(self, event, args):
        need = needed(event, args)
        for fixture in self._building if need else ():
            self._reached.setdefault(fixture, set()).add(need)
        if need and self.bound in ("pure", "git") and need != self.bound:
            raise AssertionError(f"a test marked {self.bound} needs {need}: {event} {args[:2]}")

    def pytest_ignore_collect(self, collection_path, config):
        """Where one mark alone is asked for (`-m pure`), a file without it is not even imported."""
        asked = config.option.markexpr
        if asked in MARKS and collection_path.suffix == ".py" and not bears(collection_path, asked):
            return True
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        for item in items:
            if not marks(item):
                default = FOLDERS.get(item.path.parent.name, "pure")
                item.add_marker(getattr(item.module, "NEEDS", default))
        self.unclear = {item.nodeid: found for item in items if len(found := marks(item)) != 1}
        for handle in {id(h): h for item in items if (h := getattr(item.obj, "hypothesis", None))}.values():
            handle.inner_test = paced(handle.inner_test)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        shared = [(fixturedef.argname, fixturedef.baseid)] if fixturedef.scope != "function" else []
        self._building += shared
        try:
            return (yield)
        finally:
            del self._building[len(self._building) - len(shared):]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.bound = marks(item)[0]
        try:
            return (yield)
        finally:
            self.bound = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        """A fixture that an earlier test set up counts for every test that uses it."""
        used = [reached for (name, node), reached in self._reached.items()
                if name in item.fixturenames and item.nodeid.startswith(node)]
        beyond = set().union(*used) - {self.bound}
        assert self.bound not in ("pure", "git") or not beyond, f"a test marked {self.bound} needs {beyond} for its fixtures"
        return (yield)
