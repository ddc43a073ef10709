"""Network: a run whose track allows "loopback" may talk to itself, and still to nobody else.

What a run may open whose track allows no network at all is in test_kernel.py: there the system-call filter says no first.
"""

import contextlib
import os
import socket
import time
from pathlib import Path

import pytest

from attacks.night import CONTRACT, repository
from attacks.suite import Stopped, only, probe
from conftest import LITTLE, sentence, trusted
from conftest import overnight as command
from overnight.contracts import Command, Limits
from overnight.execution.mounts import interpreter
from overnight.track.spec import RunSpec

KIND = "network"
GROUND = {"track.toml": CONTRACT.replace('data = ["../data"]', 'data = ["../data"]\nnetwork = "loopback"')}
ALONE = "own network namespace"
NOBODY = only("ENETUNREACH", "EADDRNOTAVAIL", "EHOSTUNREACH")
FAMILY = only("EPERM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT")

ATTACKS = [
    probe("connects to a server on the host", KIND, """
        import socket
        return each(four=lambda: socket.create_connection(("127.0.0.1", TCP), 1),
                    mapped=lambda: socket.create_connection(("::ffff:127.0.0.1", TCP), 1),
                    any=lambda: socket.create_connection(("0.0.0.0", TCP), 1))
        """, ALONE, said=only("ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL"), works="^probe: OPEN"),
    probe("sends a datagram to the host", KIND, """
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"secret", ("127.0.0.1", UDP))
        say("sent to itself")
        """, ALONE, said="^probe: sent to itself$"),
    probe("connects to the internet", KIND, """
        import socket
        return each(four=lambda: socket.create_connection(("8.8.8.8", 53), 1),
                    six=lambda: socket.create_connection(("2001:4860:4860::8888", 53), 1),
                    cloud=lambda: socket.create_connection(("169.254.169.254", 80), 1))
        """, ALONE, said=NOBODY),
    probe("sends datagrams to the internet", KIND, """
        import socket
        def send(family, place):
            with socket.socket(family, socket.SOCK_DGRAM) as out:
                out.sendto(b"secret", place)
        return each(four=lambda: send(socket.AF_INET, ("8.8.8.8", 53)), six=lambda: send(socket.AF_INET6, ("2001:4860:4860::8888", 53)),
                    many=lambda: send(socket.AF_INET, ("224.0.0.1", 9999)), all=lambda: send(socket.AF_INET, ("255.255.255.255", 9)))
        """, ALONE, said=only("ENETUNREACH", "EADDRNOTAVAIL", "EACCES", "EHOSTUNREACH")),
    probe("asks for a name", KIND, """
        import socket
        try:
            return socket.gethostbyname("example.com")
        except socket.gaierror:
            return None
        """, ALONE, said="^probe: absent$"),
    probe("connects to sockets of the host's services", KIND, """
        import socket
        def reach(path):
            socket.socket(socket.AF_UNIX).connect(path)
        paths = (SOCKET, "/var/run/docker.sock", "/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private",
                 "/run/podman/podman.sock", "/tmp/.X11-unix/X0", f"/run/user/{os.getuid()}/bus")
        return each(**{path: lambda path=path: reach(path) for path in paths})
        """, "not mounted", said=only("ENOENT"), works="^probe: OPEN"),
    probe("connects to an abstract socket", KIND, """
        import socket
        socket.socket(socket.AF_UNIX).connect(ABSTRACT)
        return "connected"
        """, ALONE, said=only("ECONNREFUSED"), works="^probe: OPEN"),
    probe("sees abstract sockets and connections of the host", KIND, """
        names = ("unix", "tcp", "tcp6", "udp", "raw", "packet", "netlink")
        seen = {name: open(f"/proc/net/{name}").read().splitlines()[1:] for name in names if os.path.exists(f"/proc/net/{name}")}
        return [line for name, lines in seen.items() for line in lines if MARK in line or name in ("tcp", "tcp6", "udp", "raw", "packet")]
        """, ALONE, said="^probe: absent$", works="^probe: OPEN"),
    probe("opens raw sockets", KIND, """
        import socket
        return each(icmp=lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
                    raw=lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 255),
                    six=lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58),
                    ping=lambda: socket.socket(socket.AF_INET, socket.SOCK_SEQPACKET),
                    packet=lambda: socket.socket(17, socket.SOCK_RAW, 0x300), cooked=lambda: socket.socket(17, socket.SOCK_DGRAM, 0x300))
        """, "system-call filter", said=FAMILY),
    probe("talks to the kernel by netlink", KIND, """
        import socket
        kinds = {"diagnosis": 4, "security": 7, "audit": 9, "filter": 12, "devices": 15, "generic": 16, "crypto": 21}
        return each(**{name: lambda number=number: socket.socket(16, socket.SOCK_RAW, number) for name, number in kinds.items()})
        """, "system-call filter", said=FAMILY),
    probe("talks to the hypervisor by vsock", KIND, """
        import socket
        return each(stream=lambda: socket.socket(40, socket.SOCK_STREAM), datagram=lambda: socket.socket(40, socket.SOCK_DGRAM))
        """, "system-call filter", said=FAMILY),
    probe("opens every other family of sockets", KIND, """
        import socket
        kinds = {"stream": 1, "datagram": 2, "raw": 3, "packets": 5}
        plain = {0, 1, 2, 10, 16, 40}
        return each(**{f"{family} {name}": lambda family=family, kind=kind: socket.socket(family, kind)
                       for family in range(47) if family not in plain for name, kind in kinds.items()})
        """, "system-call filter", said=only("EPERM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EINVAL")),
    probe("changes its interfaces", KIND, """
        import fcntl, socket
        own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        def ask(number):
            fcntl.ioctl(own, number, b"lo".ljust(16, b"\\0") + bytes(24))
        return each(flags=lambda: ask(0x8914), address=lambda: ask(0x8916), mtu=lambda: ask(0x8922), bridge=lambda: ask(0x89a0),
                    device=lambda: socket.if_nameindex()[1:] or ask(0x8914))
        """, "no capability", said=only("EPERM", "EACCES", "ENODEV")),
]

HOLDS = """
import os, socket, sys, time
names = []
server = socket.create_server(("127.0.0.1", 47112))
hidden = socket.socket(socket.AF_UNIX)
hidden.bind("\\0neighbour")
hidden.listen()
for place in ("/tmp", "/dev/shm", os.getcwd()):
    open(place + "/neighbour", "w").write("secret")
print("ready", flush=True)
time.sleep(20)
"""
LOOKS = """
import os, socket
found = []
def tried(name, attempt):
    try:
        attempt()
        found.append(name)
    except OSError:
        pass
tried("port", lambda: socket.create_connection(("127.0.0.1", 47112), 1))
tried("abstract socket", lambda: socket.socket(socket.AF_UNIX).connect("\\0neighbour"))
for place in ("/tmp", "/dev/shm", os.getcwd()):
    tried(place, lambda: open(place + "/neighbour"))
tried("process", lambda: [os.kill(pid, 0) for pid in range(2, 400) if pid != os.getpid() and not os.kill(pid, 0)])
print(found)
"""


class TestNetwork(Stopped):
    """A night of calling out."""

    @pytest.mark.parametrize("looker", [LOOKS, HOLDS], ids=["nothing of it is seen", "both may have the same names"])
    def test_two_sandboxes_at_once_are_strangers(self, night, tmp_path, looker):
        first, _ = self._started(night.sandbox, tmp_path, HOLDS)
        second, told = self._started(night.sandbox, tmp_path, looker)
        for process in (first, second):
            process.kill()
            process.wait()
        assert told[0] in (b"[]\n", b"ready\n")

    def _started(self, sandbox, tmp_path, script):
        """A sandboxed process that has said something, and what."""
        told = []
        tree = tmp_path / f"tree{len(list(tmp_path.iterdir()))}"
        tree.mkdir()
        tmp_path.chmod(0o755)
        python, mounts = interpreter(RunSpec(command=("python",)), Path("/"))
        process = sandbox.start(Command(
            argv=(python, "-c", script), tree=tree, limits=Limits(wall=20), mounts=mounts, network="loopback",
            heard=lambda chunk: told.append(chunk)))
        end = time.monotonic() + 15
        while not told and time.monotonic() < end:
            time.sleep(0.01)
        return process, told or [b"nothing"]

    @pytest.mark.parametrize("kind", ["socket", "pipe"])
    def test_data_that_holds_a_way_out_is_refused(self, tmp_path, kind):
        contract = LITTLE["track.toml"].replace("[run]", '[run]\ndata = ["../data"]')
        folder = repository(tmp_path / "little", LITTLE | {"track.toml": contract})
        (tmp_path / "data/deeper").mkdir(parents=True)
        with contextlib.chdir(tmp_path / "data/deeper"), socket.socket(socket.AF_UNIX) as server:
            trusted(folder)
            os.mkfifo("way") if kind == "pipe" else server.bind("way")
        assert "way" in sentence(command("check", folder))
