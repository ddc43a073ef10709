"""Podman and Docker: what every sandbox must do, then what is theirs."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from overnight import sandbox
from overnight.contracts import Command, Limits
from overnight.errors import Fault, SandboxMissing
from overnight.sandbox import watch
from overnight.sandbox.containers import engines
from overnight.sandbox.containers.engines import Containers
from overnight.sandbox.containers.rootfs import Rootfs
from overnight.testing.containment import Contains
from overnight.testing.sandbox import Behaves, Ground


@pytest.fixture(scope="session")
def podman():
    """Podman, where it works."""
    engine = Containers("podman")
    try:
        engine.probe()
    except SandboxMissing as missing:
        pytest.skip(str(missing))
    return engine


class TestPodman(Behaves, Contains):
    """Containers on an empty root."""

    @pytest.fixture
    def ground(self, podman, tmp_path):
        return Ground(podman, tmp_path)

    def test_a_container_that_is_killed_from_outside_is_a_fault_of_the_machine(self, ground):
        process = ground.start("import time; time.sleep(30)")
        os.kill(process._top, signal.SIGKILL)
        with pytest.raises(Fault, match="killed from outside"):
            process.wait()

    def test_nothing_runs_on_when_its_parent_is_killed(self, ground):
        script = f"""
            import sys
            sys.path.insert(0, {str(Path(sandbox.__file__).parents[2])!r})
            from pathlib import Path
            from overnight.contracts import Command, Limits
            from overnight.sandbox.containers import Containers
            process = Containers("podman").start(Command(("/bin/sleep", "60"), Path({str(ground.tree)!r}), Limits(wall=60)))
            print(process._top, flush=True)
            sys.stdin.read()
        """
        with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as parent:
            init = os.pidfd_open(int(parent.stdout.readline()))
            parent.kill()
        assert watch.dead(init, 10.0)
        os.close(init)

    def test_what_a_killed_overnight_left_is_swept_up(self, podman, tmp_path):
        gone = subprocess.Popen(["sleep", "60"])
        left = Path("/tmp", f"{watch.name_of(gone.pid)}-box-leftover")
        left.mkdir()
        gone.kill()
        gone.wait()
        podman.probe()
        assert not left.exists()


@pytest.mark.sandbox
def test_podman_passes_the_self_test(podman):
    assert "OPEN" not in sandbox.choose("podman").findings.values()


# ---- engines that are not there --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_an_engine_that_is_missing_says_what_to_install(monkeypatch, tmp_path, name):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxMissing, match=f"{name} is not installed: run `sudo apt-get install -y {name}"):
        sandbox.choose(name)


def fake(folder, name, script):
    """A program of that name, on the PATH before all others."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


REFUSALS = {
    ("docker", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."): "systemctl start docker",
    ("docker", "permission denied while trying to connect to the Docker daemon socket"): "usermod -aG docker",
    ("podman", "Error: crun: cgroups in hybrid mode not supported"): "apt-get install -y runc",
    ("podman", "Error: could not find newuidmap"): "apt-get install -y uidmap",
    ("podman", "something unheard of"): "see its message",
}


@pytest.mark.sandbox
@pytest.mark.parametrize(("name", "said"), REFUSALS, ids=lambda s: s[:24])
def test_an_engine_that_does_not_work_here_says_why_and_what_to_do(monkeypatch, tmp_path, name, said):
    monkeypatch.setenv("PATH", fake(tmp_path, name, f"echo '{said}' >&2; exit 1"))
    with pytest.raises(SandboxMissing) as caught:
        sandbox.choose(name)
    assert REFUSALS[name, said] in str(caught.value) and "--sandbox bubblewrap" in str(caught.value)


# ---- what they are asked for -----------------------------------------------------------------------------------


def asked(name, command):
    """The arguments with which an engine is started."""
    engine = Containers(name)
    rootfs = Rootfs(command, engine.owner())
    try:
        return engine.argv(command, rootfs)
    finally:
        rootfs.close()


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ["podman", "docker"])
def test_both_are_asked_for_the_same_walls(monkeypatch, tmp_path, name):
    monkeypatch.setenv("PATH", fake(tmp_path, name, "echo image"))
    argv = asked(name, Command(("/bin/true",), tmp_path, Limits(memory=1 << 28, processes=40)))
    said = " ".join(argv)
    for wall in ("--network none", "--cap-drop ALL", "--security-opt no-new-privileges", "--read-only", "--memory 268435456",
                 "--memory-swap 268435456", "--pids-limit 42", "--ipc private", "--rm"):
        assert wall in said
    assert "--privileged" not in said and "--env" not in said


@pytest.mark.sandbox
def test_docker_gets_an_image_of_the_empty_root_and_nothing_that_only_podman_knows(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", fake(tmp_path, "docker", "echo image"))
    argv = asked("docker", Command(("/bin/true",), tmp_path, Limits()))
    assert [a for a in argv if a.startswith(f"{engines.IMAGE}:")]
    assert not {"--rootfs", "--uidmap", "--pidfile", "--no-hosts"} & set(argv)


@pytest.mark.sandbox
def test_the_same_root_is_the_same_image(tmp_path):
    folders = [Rootfs(Command(("/bin/true",), tmp_path, Limits()), None) for _ in range(2)]
    archives = {engines._archive(rootfs.root) for rootfs in folders}
    for rootfs in folders:
        rootfs.close()
    assert len(archives) == 1


def test_paths_with_commas_and_quotes_are_mounted_as_they_are(podman, tmp_path):
    odd = tmp_path / 'a,b "c"'
    odd.mkdir()
    (odd / "x").write_text("data")
    ground = Ground(podman, tmp_path)
    assert ground.says(f"print(open({str(odd / 'x')!r}).read())", mounts=(*ground.mounts, odd)) == "data"


@pytest.mark.parametrize(("network", "families"), [("none", {1}), ("loopback", {1, 2, 10, 16})])
def test_the_filter_lets_only_these_families_of_sockets_pass(tmp_path, network, families):
    rules = engines._filter(Command(("/bin/true",), tmp_path, Limits(), network=network))["syscalls"]
    assert {rule["args"][0]["value"] for rule in rules if "socket" in rule["names"]} == families


def test_the_filter_lets_nothing_pass_that_is_denied(tmp_path):
    rules = engines._filter(Command(("/bin/true",), tmp_path, Limits()))["syscalls"]
    free = {name for rule in rules if not rule.get("args") for name in rule["names"]}
    assert not free & engines.DENIED and "clone" not in free


def test_payloads_never_run_as_a_user_of_this_machine_where_we_are_root():
    first = {Containers("podman").owner() for _ in range(3)}
    assert os.geteuid() != 0 or min(first) >= engines.FIRST_UID


def test_a_loopback_network_reaches_itself(podman, tmp_path):
    assert Ground(podman, tmp_path).says("""
        import socket
        server = socket.create_server(("127.0.0.1", 0))
        socket.create_connection(server.getsockname()).sendall(b"hello")
        print(server.accept()[0].recv(9))
    """, network="loopback") == "b'hello'"


@pytest.mark.sandbox
def test_docker_refuses_what_it_cannot_hand_over(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", fake(tmp_path, "docker", "echo image"))
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(Fault, match="cannot hand over a socket"):
        Containers("docker").start(Command(("/bin/true",), tmp_path, Limits(), fds=(theirs.fileno(),)))


def test_much_can_be_said_through_given_pipes(podman, tmp_path):
    read, write = os.pipe()
    back, forth = os.pipe()
    process = Ground(podman, tmp_path).start("""
        import sys
        while piece := sys.stdin.buffer.read(1 << 16): sys.stdout.buffer.write(piece)
    """, stdin=read, stdout=forth)
    os.close(read)
    os.close(forth)
    sender = threading.Thread(target=_send, args=(write, b"x" * (4 << 20)))
    sender.start()
    with open(back, "rb") as stream:
        assert stream.read() == b"x" * (4 << 20)
    sender.join()
    assert process.wait().code == 0


def _send(fd, what):
    with open(fd, "wb") as stream:
        stream.write(what)
