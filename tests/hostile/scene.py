"""A victim's machine: a home with what is dear to its user, a hostile repository in it, and somebody who listens.

Everything lies below one folder. What no command may change is all of it but Overnight's own state folder and those parts of the
repository's git folder that Overnight keeps its results in. No secret may be read out: the one in files, the one in the environment.
"""

import hashlib
import os
import random
import shutil
import socket
import stat
import subprocess
import zlib
from contextlib import closing, suppress
from pathlib import Path

import overnight
from conftest import LITTLE, repository, write

OURS = ("objects", "refs/overnight", "refs/heads/overnight", "logs/refs/overnight", "logs/refs/heads/overnight",
        "packed-refs")  # results, in a repository's git folder
HOST = ("/etc/passwd", "/etc/shadow", "/etc/hosts", "/etc/crontab", "/etc/profile", "/etc/ld.so.preload", "/etc/ssh/ssh_config",
        "~/.bashrc", "~/.profile", "~/.gitconfig", "~/.ssh/authorized_keys", "~/.config/git/config")
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "CODEX_API_KEY", "OVERNIGHT_MODEL_KEY", "AWS_SECRET_ACCESS_KEY")
LARGE = 1 << 20  # bytes above which a file is known by its size and times
WHO = ("-c", "user.name=Mallory", "-c", "user.email=mallory@localhost", "-c", "init.defaultBranch=main")


class Scene:
    """One victim's machine, with a copy of the smallest track (or of `ground`) as the repository that turns hostile."""

    def __init__(self, folder, template):
        self.folder, self.home = folder, folder / "home"
        self.repo, self.state = self.home / "code/track", self.home / ".local/state"
        self.file_digits, self.key_digits = (str(random.randrange(10**12, 10**13) | 1) for _ in "ab")
        self.key, self.ran = self.home / ".ssh/id_ed25519", folder / "ran"
        self.git_folders = [f"{self.repo}/.git"]  # in which results may be kept
        self.known = set()  # loose objects that were there before the victim came
        self.watched = []  # functions whose answers no command may change
        write(self.home, {".ssh/id_ed25519": f"{self.file_digits}\n", "Documents/thesis.txt": f"{self.file_digits}\n",
                          "Documents/secret.md": f"{self.file_digits}\n", ".bashrc": "export EDITOR=vi\n",
                          ".gitconfig": "[user]\n\tname = Ada\n\temail = ada@localhost\n"})
        for each in (self.ran, folder / "tmp", self.state):
            each.mkdir(parents=True)
        shutil.copytree(template, self.repo, symlinks=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        src = str(Path(overnight.__file__).parent.parent)
        self.env = {
            "PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(self.home), "XDG_STATE_HOME": str(self.state), "LANG": "C.UTF-8",
            "TMPDIR": str(folder / "tmp"), "MPLCONFIGDIR": str(template.parent / "fonts"),  # what matplotlib keeps for itself
            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.pathsep.join([src, *filter(None, [os.environ.get("PYTHONPATH")])]),
            **dict.fromkeys(KEYS, f"sk-{self.key_digits}")}

    def close(self):
        """Stop listening."""
        self.listener.close()

    # -- for those who lay out an attack --

    def git(self, *arguments, cwd=None, check=True, **options):
        """git as the attacker, with settings of nobody's; what it printed."""
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(["git", *WHO, *map(str, arguments)], cwd=cwd or self.repo, env=env, capture_output=True, text=True,
                              check=False, **({"stdin": subprocess.DEVNULL} | options if "input" not in options else options))
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, files=(), message="a change"):
        """Write files of the repository and commit everything."""
        write(self.repo, dict(files))
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def link(self, name, target, commit=True):
        """A link in the repository in the place of whatever is there; committed, unless it is to lie in no commit."""
        path = self.repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        if commit:
            self.commit()

    def contract(self, *changes, **files):
        """The track's contract with parts of its text replaced, (old, new) each; committed."""
        text = LITTLE["track.toml"]
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        return self.commit({"track.toml": text, **files})

    def program(self, path, mode=0o755):
        """A script that leaves a trace on the host when it runs, with its environment; its path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\nenv > {self.ran}/{path.name}.$$\ncat 2>/dev/null </dev/null\n")
        path.chmod(mode)
        return path

    def plainly(self, *command, cwd=None, seconds=20, **more):
        """A command with the victim's environment, however it ends; what it printed."""
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run([str(word) for word in command], cwd=cwd or self.repo, env={**self.env, **more}, timeout=seconds,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
            return done.stdout + done.stderr
        return ""

    # -- looking --

    def came(self):
        """What was sent to the listener; None where nobody came."""
        with suppress(BlockingIOError):
            client, _ = self.listener.accept()
            with closing(client):
                client.settimeout(0.5)
                with suppress(OSError):
                    return client.recv(1 << 16)
                return b""
        return None

    def look(self):
        """Everything that must stay as it is: path -> what it is."""
        found = {name: _seen(Path(name).expanduser()) for name in HOST}
        ours = {str(self.state / "overnight"), *(f"{folder}/{each}" for folder in self.git_folders for each in OURS)}
        left = [self.folder]
        while left:
            for entry in _entries(left.pop()):
                if entry.path in ours:
                    continue
                found[os.path.relpath(entry.path, self.folder)] = _seen(Path(entry.path))
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
        return found | {f"watched {n}": watch() for n, watch in enumerate(self.watched)}

    def objects(self):
        """The repository's loose objects."""
        return set((self.repo / ".git/objects").glob("??/*")) if not (self.repo / ".git").is_symlink() else set()

    def leaked(self, said=b""):
        """Where a secret is to be read that should not be: what a command printed, the state folder, the repository's objects."""
        needles = [digits.encode() for digits in (self.file_digits, self.key_digits)]
        places = [(path, path.read_bytes()) for path in sorted(self.state.rglob("*")) if stat.S_ISREG(path.lstat().st_mode)]
        for path in self.objects() - self.known:
            with suppress(OSError, zlib.error):
                if path.stat().st_size < LARGE:
                    places.append((path, zlib.decompress(path.read_bytes())))
        return [f"{path} holds a secret" for path, text in [("its output", said), *places] if any(each in text for each in needles)]


def _entries(folder):
    """What lies in a folder; nothing where its path is longer than the system takes."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _seen(path):
    """What a path is, without following it."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return f"link {os.readlink(path)}"
        what = f"{status.st_mode:o} {status.st_uid}"
        if not stat.S_ISREG(status.st_mode):
            return what
        if status.st_size > LARGE:
            return f"{what} {status.st_size} {status.st_mtime_ns}"
        return f"{what} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    except OSError as error:
        return type(error).__name__


def template(folder):
    """The repository that scenes are copied from."""
    return repository(folder, LITTLE)
