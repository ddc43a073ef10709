"""The self-test of a sandbox: what is tried, what that says, and what it refuses."""

import os
import tempfile
from pathlib import Path

import pytest

from overnight import sandbox
from overnight.errors import Fault, SandboxMissing
from overnight.sandbox import backend, gpus, probes, selftest, watch
from overnight.sandbox.unsandboxed import Unsandboxed

NEEDS = "sandbox"


def test_a_dozen_attempts_and_more_are_all_stopped(bubblewrap):
    found = selftest.examine(bubblewrap)
    assert set(found) == set(probes.ATTEMPTS) and len(found) >= 12
    assert not [what for what, stopped in found.items() if stopped == selftest.OPEN]


def test_it_finds_the_same_twice_so_that_its_hash_names_the_machine(bubblewrap):
    assert selftest.fingerprint(selftest.examine(bubblewrap)) == selftest.fingerprint(selftest.examine(bubblewrap))


def test_code_without_a_sandbox_is_seen_to_be_free():
    with pytest.raises(SandboxMissing) as caught:
        selftest.examine(Unsandboxed())
    for what in ("reads a file of the host's", "connects to the host", "connects to an abstract socket", "sees the host's processes",
                 "connects to a socket file", "leaves a file on the host", "has no filter of calls"):
        assert what in str(caught.value)


def test_what_is_excused_is_noted_and_what_is_not_is_refused():
    everything = frozenset(probes.ATTEMPTS)
    found = selftest.examine(Unsandboxed(), inner=everything)
    assert found["reads a file of the host's"] == selftest.OPEN
    with pytest.raises(SandboxMissing, match="code inside it connects to the host;"):
        selftest.examine(Unsandboxed(), inner=everything - {"connects to the host"})


def test_one_that_does_not_come_to_its_end_is_a_fault():
    class Silent(Unsandboxed):
        def start(self, command):
            return super().start(type(command)(argv=("/bin/sh", "-c", "echo broken >&2; exit 3"), tree=command.tree,
                                               limits=command.limits, harvest=command.harvest))

    with pytest.raises(Fault, match=r"the self-test of the sandbox 'none' did not end \(broken\)"):
        selftest.examine(Silent())


def test_a_chosen_sandbox_bears_what_was_found():
    box = sandbox.choose("bubblewrap")
    assert box.identity == f"bubblewrap {selftest.fingerprint(box.findings)}" and len(box.findings) == len(probes.ATTEMPTS)


@pytest.fixture
def short():
    """A folder for temporary files whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as name:
        yield Path(name)


def test_nothing_is_left_of_the_bait(bubblewrap):
    seen = []

    class Looks(type(bubblewrap)):
        def start(self, command):
            seen.extend(Path("/tmp").glob(f"{watch.name_of(os.getpid())}-bait-*"))
            return bubblewrap.start(command)

    selftest.examine(Looks())
    assert seen and not any(path.exists() for path in seen)


def test_a_long_name_of_the_folder_for_temporary_files_is_no_obstacle(bubblewrap, tmp_path, monkeypatch):
    (tmp_path / ("long" * 30)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("long" * 30)))
    assert selftest.examine(bubblewrap)


def test_the_bait_of_one_that_was_killed_is_removed_and_nothing_else(short, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(short))
    mine = watch.name_of(os.getpid())
    for name in ("overnight-999999999-1-bait-leftover", f"{mine}-bait-leftover", "overnight-2026-11-notes"):
        (short / name).mkdir()
    backend.sweep()
    assert sorted(p.name for p in short.iterdir()) == sorted([f"{mine}-bait-leftover", "overnight-2026-11-notes"])


def test_a_gpu_is_only_promised_where_there_is_one(tmp_path):
    assert gpus.devices(tmp_path) == []
    for name in ("nvidia0", "nvidiactl", "null", "dri/renderD128", "dri/card0"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [p.name for p in gpus.devices(tmp_path)] == ["renderD128", "nvidia0", "nvidiactl"]
    if not gpus.devices():
        with pytest.raises(SandboxMissing, match=r"\[run\] gpus asks for a GPU and this machine shows none"):
            sandbox.choose("bubblewrap", needs_gpus=True)
