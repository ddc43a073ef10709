"""gVisor: what every sandbox must do, then what is its own."""

import pytest

from overnight import sandbox
from overnight.contracts import Command, Limits
from overnight.errors import Fault, SandboxMissing
from overnight.sandbox import selftest, watch
from overnight.sandbox.containers.gvisor import Gvisor
from overnight.testing.containment import Contains
from overnight.testing.sandbox import Behaves, Ground


@pytest.fixture(scope="session")
def gvisor():
    """gVisor, where it works."""
    engine = Gvisor()
    try:
        engine.probe()
    except SandboxMissing as missing:
        pytest.skip(str(missing))
    return engine


class TestGvisor(Behaves, Contains):
    """A kernel of its own."""

    seen_from_outside = False

    @pytest.fixture
    def ground(self, gvisor, tmp_path):
        return Ground(gvisor, tmp_path)

    def test_a_flood_of_empty_files_is_ended(self, ground):
        """By its time: making a file takes it a millisecond."""
        ended = ground.run("""
            import os
            os.chdir(os.environ["OVERNIGHT_OUT"])
            for n in range(100_000): open(str(n), "w").close()
        """, Limits(wall=3))
        assert ended.killed == "time" and sum(1 for _ in ground.kept.iterdir()) <= watch.MOST_FILES

    def test_the_processors_time_is_about_right(self, ground):
        """Inside it is counted in ticks, outside gVisor's own work is counted too."""
        ended = ground.run("""
            import os, time
            if not os.fork():
                while time.process_time() < 0.4: pass
                os._exit(0)
            os.wait()
            while time.process_time() < 0.3: pass
        """)
        assert 0.2 <= ended.cpu <= 2.5


@pytest.mark.sandbox
def test_what_is_open_is_open_in_its_own_kernel_alone(gvisor):
    found = sandbox.choose("gvisor").findings
    assert {what for what, stopped in found.items() if stopped == "OPEN"} <= selftest.INNER


def test_without_gvisor_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxMissing, match="apt-get install -y runsc"):
        sandbox.choose("gvisor")


@pytest.mark.sandbox
def test_a_gvisor_that_does_not_work_here_says_why(monkeypatch, tmp_path):
    broken = tmp_path / "runsc"
    broken.write_text("#!/bin/sh\necho 'no such platform' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SandboxMissing, match="no such platform"):
        sandbox.choose("gvisor")


def test_it_shows_no_gpu(tmp_path):
    with pytest.raises(Fault, match="shows no GPU"):
        Gvisor().start(Command(("/bin/true",), tmp_path, Limits(), gpus=True))
