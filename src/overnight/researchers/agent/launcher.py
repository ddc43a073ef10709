"""Runs inside the sandbox, beside an agent: starts it in its worktree, ends it in time, leaves what it changed in
$OVERNIGHT_OUT. Started as a file of its own, so it imports the standard library alone.

Covered: the agent and whatever it started are dead before its files are looked at; only regular files are read, following
nothing, and no more of them than the bounds below allow; its connections leave through one socket, one descriptor for each.
Not covered: what it leaves. The agent runs as the same user and may end or steer this process, so a reader
of $OVERNIGHT_OUT must take it for the agent's own words.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

MOST_FILES, MOST_FILE_BYTES = 1000, 2 << 20  # of the files that are taken
MOST_WORDS_BYTES = 16 << 10  # of the proposal's words
BY_PRODUCTS = frozenset({".git", "__pycache__", "node_modules", ".venv", "venv", ".pytest_cache", ".mypy_cache", ".ruff_cache"})
GRACE = 3.0  # seconds between asking an agent to end and ending it
UNSTARTED = -1000
LOOK = 0.05  # seconds between two looks whether it has ended
_PR_SET_CHILD_SUBREAPER = 36
Snapshot = dict[str, str]


def main() -> None:
    """Carry out the job that lies in $OVERNIGHT_ARTIFACTS."""
    job = json.loads(Path(os.environ["OVERNIGHT_ARTIFACTS"], "job.json").read_bytes())
    root, out = Path.cwd(), Path(os.environ["OVERNIGHT_OUT"])
    before = snapshot(root)
    env, line = surroundings(job)
    begin_repository(root, env)
    folder = root / job["cwd"]
    if job["acp"]:
        os.write(1, json.dumps({"cwd": str(folder)}).encode() + b"\n")
    code = run(job, folder, env, line)
    left = found(root, before, out) | {"code": code, "words": words(folder / job["words"])}
    (out / "left.json").write_text(json.dumps(left))


# ---- the agent's process ---------------------------------------------------------------------------------------


def run(job: dict[str, Any], folder: Path, env: dict[str, str], line: Tunnel | None) -> int | None:
    """Run the agent to its end. Its exit status; 0 where it was told that it is done, None where its time was over, UNSTARTED
    where it could not be started."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    brief = str(Path(os.environ["OVERNIGHT_ARTIFACTS"], "brief.md"))
    argv = [word.replace("{brief}", brief) for word in job["argv"]]
    with open(brief, "rb") as page:
        try:
            process = subprocess.Popen(argv, cwd=folder, env=env, stdin=None if job["acp"] else page, start_new_session=True)
        except OSError as error:
            os.write(2, f"{argv[0]} cannot be started: {error.strerror}\n".encode(errors="replace"))
            return UNSTARTED
    until = time.monotonic() + job["seconds"]
    over = line.over if line is not None else threading.Event()
    while process.poll() is None and time.monotonic() < until and not over.wait(LOOK):
        pass
    in_time = process.poll() is not None
    if not in_time:
        ask_to_end(process)
    slay_descendants()
    return process.returncode if in_time else 0 if over.is_set() else None


def ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """Ask an agent to end, and give it a few seconds for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)


def slay_descendants() -> None:
    """Kill all processes that the agent started; this process adopts the orphans among them."""
    until = time.monotonic() + GRACE
    while (pids := descendants()) and time.monotonic() < until:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(LOOK / 10)


def descendants() -> list[int]:
    """Every process below this one that still lives."""
    left, pids = [os.getpid()], []
    while left:
        for task in _listed(f"/proc/{left.pop()}/task"):
            with suppress(OSError, ValueError):
                left += (children := [int(pid) for pid in (Path(task) / "children").read_text().split()])
                pids += [pid for pid in children if _lives(pid)]
    return pids


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"


# ---- what it finds ---------------------------------------------------------------------------------------------


def surroundings(job: dict[str, Any]) -> tuple[dict[str, str], Tunnel | None]:
    """The agent's environment, with a home of its own and the addresses behind which its hosts are."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OVERNIGHT_")}
    home = Path(os.environ["HOME"], "home")
    home.mkdir(exist_ok=True)
    for source, place in job["home"]:
        _copy(Path(source), home / place)
    env |= {"HOME": str(home), "OVERNIGHT_WORDS": job["words"], "PYTHONDONTWRITEBYTECODE": "1"}
    line = Tunnel(job["line"]) if job["line"] >= 0 else None
    if line is not None and job["proxy"]:
        proxy = f"http://127.0.0.1:{line.listen()}"
        env |= dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), proxy)
        env |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    for name, (target, url) in job["routes"].items():
        assert line is not None
        env[name] = url.replace("{port}", str(line.listen(target)))
    return env, line


def _copy(source: Path, to: Path) -> None:
    """A writable copy of a file or a folder of the user's home."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, dirs_exist_ok=True, symlinks=True)
    else:
        shutil.copyfile(source, to)
        to.chmod(0o600)


def begin_repository(root: Path, env: dict[str, str]) -> None:
    """A git repository to be thrown away: many agents want one, and none may see the user's."""
    author = ["-c", "user.name=Overnight", "-c", "user.email=overnight@localhost", "-c", "commit.gpgsign=false"]
    for line in (["-c", "init.defaultBranch=main", "init", "-q"], ["config", "user.name", "agent"],
                 ["config", "user.email", "agent@localhost"], ["add", "-A", "-f"], [*author, "commit", "-q", "-m", "frontier"]):
        try:
            subprocess.run(["git", *line], cwd=root, env=env, check=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            return  # an agent without one is better than none


class Tunnel:
    """The way out: for each connection to a local port a descriptor is asked for, through which it goes on outside.
    `over` is set when the other side hangs up, which says that the agent is no longer wanted."""

    def __init__(self, fd: int) -> None:
        self.over = threading.Event()
        self._socket = socket.socket(fileno=fd)
        os.set_inheritable(fd, False)
        self._waiting: deque[tuple[socket.socket, bytes]] = deque()
        self._asking = threading.Lock()
        threading.Thread(target=self._answered, daemon=True).start()

    def listen(self, target: str = "") -> int:
        """A port that leads to a target, or where every client names its own, as to a proxy."""
        server = socket.create_server(("127.0.0.1", 0))
        head = f"CONNECT {target} HTTP/1.1\r\n\r\n".encode() if target else b""
        threading.Thread(target=self._accept, args=(server, head), daemon=True).start()
        port: int = server.getsockname()[1]
        return port

    def _accept(self, server: socket.socket, head: bytes) -> None:
        while True:
            client, _ = server.accept()
            with self._asking:
                self._waiting.append((client, head))
                self._socket.sendall(b"+")

    def _answered(self) -> None:
        try:
            while (answer := socket.recv_fds(self._socket, 1, 1))[0]:
                client, head = self._waiting.popleft()
                if not answer[1]:
                    client.close()
                    continue
                threading.Thread(target=join, args=(client, socket.socket(fileno=answer[1][0]), head), daemon=True).start()
        except OSError:
            pass  # the other side is gone
        finally:
            self.over.set()


def join(client: socket.socket, way: socket.socket, head: bytes) -> None:
    """Carry bytes both ways until both sides have ended. With a `head`, that asks for the target in the client's place."""
    with client, way, suppress(OSError):
        if head:
            way.sendall(head)
            said = b""
            while not said.endswith(b"\r\n\r\n"):
                said += (more := way.recv(1))
                if not more:
                    return
            if not said.startswith(b"HTTP/1.1 200"):
                return
        back = threading.Thread(target=carry, args=(way, client), daemon=True)
        back.start()
        carry(client, way)
        back.join()


def carry(source: socket.socket, to: socket.socket) -> None:
    """Carry bytes until the source ends."""
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            to.sendall(chunk)
    with suppress(OSError):
        to.shutdown(socket.SHUT_WR)


# ---- what it leaves --------------------------------------------------------------------------------------------


def snapshot(root: Path) -> Snapshot:
    """What lies below a folder: path -> hash of a regular file, or what else it is; without by-products."""
    return {path: _mark(root / path) for path in _paths(root)}


def _paths(root: Path) -> list[str]:
    """Paths of all that is no folder; those that lie higher first."""
    paths = []
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = [name for name in folders if name not in BY_PRODUCTS and name not in links]
        paths += [str(Path(folder, name).relative_to(root)) for name in [*files, *links]]
    return sorted(paths, key=lambda path: (path.count("/"), path))


def _mark(path: Path) -> str:
    try:
        with _opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return f"link {path.readlink()}" if path.is_symlink() else "special"


def _opened(path: Path) -> Any:
    """A regular file, opened without following a link. Raises OSError, and ValueError for what is none."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError(path)
    return open(fd, "rb")


def found(root: Path, before: Snapshot, out: Path) -> dict[str, Any]:
    """Leave the files that are new or other than before in `out`, under numbers; what they are, by path. Files that were
    there before come first, so that a flood of new ones cannot hide them."""
    after = snapshot(root)
    changed = sorted((path for path in after if after[path] != before.get(path)), key=lambda path: path not in before)
    files, odd = {}, {}
    for number, path in enumerate(changed[:MOST_FILES]):
        if (kind := after[path].partition(" ")[0]) in ("link", "special"):
            odd[path] = kind
        elif (root / path).stat().st_size > MOST_FILE_BYTES:
            odd[path] = "large"
        else:
            shutil.copyfile(root / path, out / str(number), follow_symlinks=False)
            files[path] = str(number)
    return {"files": files, "odd": odd, "gone": [path for path in before if path not in after][:MOST_FILES],
            "more": max(0, len(changed) - MOST_FILES)}


def words(path: Path) -> str:
    """What the agent wrote about its change; "" if nothing."""
    try:
        with _opened(path) as file:
            return str(file.read(MOST_WORDS_BYTES).decode(errors="replace"))
    except (OSError, ValueError):
        return ""


if __name__ == "__main__":
    main()
