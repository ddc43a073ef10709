"""git, asked through a git folder of our own that leads to a repository's objects and branches and to nothing else of it.

Covered: no git runs with the configuration, the hooks, the attributes or the environment of a repository, a work tree or a
user; so no filter, driver, monitor, pager, editor, helper or remote of theirs runs, and nothing is fetched. Objects are read
from this repository alone: links in it and alternates are refused, replacements and grafts are not applied. Branches that lead
to other branches are not followed when they are written.
Not covered: a repository whose objects lie about themselves misleads only its readers; bugs in git's own reading of
objects, indexes and attributes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from overnight import files
from overnight.errors import Fault, TrackError
from overnight.repo import settings
from overnight.repo.gitdirs import GitDirs, foreign

_OURS = """\
[core]
    repositoryformatversion = {version}
    bare = false
    hooksPath = /dev/null
    fsmonitor = false
    quotePath = false
    logAllRefUpdates = false
    commitGraph = false
    attributesFile = /dev/null
    excludesFile = /dev/null
    splitIndex = false
    fsync = loose-object,reference
[gc]
    auto = 0
[protocol]
    allow = never
"""
_HANDED_DOWN = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "TZ", "USER", "LOGNAME", "EMAIL", "SYSTEMROOT",
                *(f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL", "DATE")))
_CLOSED = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
           "GIT_ATTR_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none",
           "GIT_NO_REPLACE_OBJECTS": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1",
           "GIT_PAGER": "cat", "GIT_EDITOR": "false",
           "GIT_ASKPASS": "false", "GIT_SSH_COMMAND": "false", "LC_ALL": "C"}
_USERS = ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
_SHARED = ("objects", "refs", "packed-refs", "shallow")
MOST_PACK_BYTES = 256 << 20  # bytes of a commit with what it stands on
MOST_TREE_FILES = 1_000_000  # of a commit
NO_HEAD = "refs/none"  # what is checked out in a git folder of ours that has no work tree


class Store:
    """A repository's objects and branches. `kept`: a folder of the user's outside the repository in which our git folder may
    stay; otherwise it is a temporary one."""

    def __init__(self, dirs: GitDirs) -> None:
        self.dirs = dirs
        self.kept: Path | None = None
        self._folder: Path | None = None
        self._lock = threading.Lock()
        self._sized = set[str]()  # commits that git can look at
        self._git = _program(dirs)
        if foreign(dirs) and not settings.safe(self._safe_directories(), dirs.root):
            raise TrackError(f"git refuses {dirs.root}, because it belongs to another user: run as that user, or run "
                             f"`git config --global --add safe.directory {dirs.root}`.")
        self.pairs = self._configuration(dirs.own)
        self.format = settings.read_format(self.pairs)
        if not dirs.linked:
            settings.check_work_tree(self.pairs, dirs.root, dirs.own)

    # -- asking --

    def call(self, arguments: list[str], given: bytes = b"", umask: int = -1, env: dict[str, str] | None = None,
             cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        """git on the store, in a session of its own, so that Ctrl-C does not break it off half-way."""
        return self._run(arguments, {"GIT_DIR": str(self.folder), **(env or {})}, given, umask, cwd or self.folder)

    def git(self, *arguments: str, given: bytes = b"", env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
        """What git prints. Raises Fault."""
        done = self.call([*arguments], given, env=env, cwd=cwd)
        if done.returncode:
            raise Fault(f"git {arguments[0]} failed: {self.said(done)}")
        return done.stdout.decode(errors="surrogateescape").rstrip("\n")

    def ask(self, *arguments: str) -> str | None:
        """The same; None where git fails."""
        try:
            return self.git(*arguments)
        except Fault:
            return None

    def blob(self, name: str) -> bytes:
        """A content by its hash. Raises Fault."""
        done = self.call(["cat-file", "blob", name])
        if done.returncode:
            raise Fault(f"git cat-file failed: {self.said(done)}")
        return done.stdout

    def said(self, done: subprocess.CompletedProcess[bytes]) -> str:
        """The last line of what git said is wrong."""
        lines = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
        fatal = [line for line in lines if line.startswith("fatal:")]
        last = (fatal or lines or [f"status {done.returncode}"])[-1].strip()
        lacks = self.format.partial and any(word in last for word in ("unable to read", "missing", "bad object", "not a tree"))
        return f"{last} (this is a partial clone, and Overnight fetches nothing: clone it whole)" if lacks else last

    def _run(self, arguments: list[str], env: dict[str, str], given: bytes, umask: int,
             cwd: Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([self._git, *arguments], cwd=cwd, env=_surroundings(env), input=given,
                              capture_output=True, check=False, start_new_session=True, umask=umask)

    def check_size(self, commit: str) -> None:
        """Raise TrackError where a commit holds more files than git could look at: few trees, each within the other often, make
        more of them than any memory holds."""
        if commit in self._sized:
            return
        listing = [self._git, "ls-tree", "-r", "-z", "--name-only", commit]
        env = _surroundings({"GIT_DIR": str(self.folder)})
        with subprocess.Popen(listing, cwd=self.folder, env=env, start_new_session=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            left = MOST_TREE_FILES
            while left >= 0 and (block := process.stdout.read(1 << 16)):
                left -= block.count(b"\0")
            process.kill()
        if left < 0:
            raise TrackError(f"the commit {commit[:7]} holds more than {MOST_TREE_FILES:,} files, and Overnight does not look "
                             "at so many.")
        self._sized.add(commit)

    # -- journeys --

    def pack(self, commit: str, known: Iterable[str]) -> bytes:
        """A commit with all that it stands on, without what the known ones stand on. Raises Fault."""
        wanted = "\n".join([commit, *(f"^{each}" for each in known), ""]).encode()
        done = self.call(["pack-objects", "--revs", "--thin", "--stdout", "-q"], given=wanted)
        if done.returncode or len(done.stdout) > MOST_PACK_BYTES:
            raise Fault(f"{commit[:7]} cannot be sent: {self.said(done) if done.returncode else 'it is too large'}.")
        return done.stdout

    def unpack(self, pack: bytes, commit: str) -> None:
        """Take a commit that came as a pack, whole and well-formed. Raises Fault."""
        done = self.call(["index-pack", "--stdin", "--fix-thin", "--strict", f"--max-input-size={MOST_PACK_BYTES}"], given=pack)
        whole = ("rev-list", "--objects", "--quiet", f"{commit}^{{commit}}", "--not", "--all")
        if done.returncode or commit.startswith("-") or self.ask(*whole) is None:
            raise Fault(f"the commit {commit[:7]} did not arrive whole: {self.said(done)}.")

    # -- our git folder --

    @property
    def folder(self) -> Path:
        """Our git folder, made when it is first wanted. Raises TrackError where the repository may not be read through it."""
        with self._lock:
            if self._folder is None or not (self._folder / "HEAD").exists():
                self._check()
                usable = self.kept is not None and os.access(self.kept.parent, os.W_OK)
                self._folder = self.kept if usable and self.kept else self._temporary()
                self.lay_out(self._folder, NO_HEAD)
            return self._folder

    def _temporary(self) -> Path:
        made = Path(tempfile.mkdtemp(prefix="overnight-git-"))
        weakref.finalize(self, _remove, made, os.getpid())
        return made

    def _check(self) -> None:
        common = self.dirs.common
        for name in ("objects", "refs"):
            files.refuse_links(common / name)
        for name in ("packed-refs", "shallow"):
            files.check(common, name)
        if (files.read(common, "objects/info/alternates") or b"").strip():
            raise TrackError(f"the repository borrows objects from elsewhere ({common / 'objects/info/alternates'}), where "
                             "Overnight does not follow: take them in (git repack -a -d, then remove that file).")

    def lay_out(self, folder: Path, head: str, more: settings.Pairs | None = None) -> None:
        """Make a git folder that leads to the objects and branches of the repository, with nothing else of its
        configuration."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in _SHARED:
            link, target = folder / name, self.dirs.common / name
            if (name != "shallow" or target.exists()) and not (link.is_symlink() and link.readlink() == target):
                making = folder / f"{name}.{os.urandom(4).hex()}"
                making.symlink_to(target)
                making.replace(link)
        sha256 = self.format.hash != "sha1"
        extension = {"extensions.objectformat": self.format.hash} if sha256 else {}
        pairs = {**extension, **settings.chosen(self.pairs, settings.SHARED), **(more or {})}
        _put(folder / "config", _OURS.format(version=int(sha256)) + settings.written(pairs))
        _put(folder / "HEAD", f"ref: {head}\n" if head.startswith("refs/") else f"{head}\n")

    # -- settings, as data --

    @cached_property
    def users(self) -> settings.Pairs:
        """The user's own settings, from the global and the system's files of git."""
        found = self._protected("--list", "-z", "--includes", "--show-scope")
        fields = found.split("\0")
        own = [entry for scope, entry in zip(fields[::2], fields[1::2], strict=False) if scope in ("system", "global")]
        return settings.parsed("\0".join(own))

    def identity(self) -> dict[str, str]:
        """The name under which the user commits, for the environment of git. What is missing git finds out or asks for; where
        the settings say that it may not (user.useConfigOnly) raises Fault."""
        pairs = {**self.users, **self.pairs}
        found = {}
        for role in ("author", "committer"):
            for what in ("name", "email"):
                variable = f"GIT_{role.upper()}_{what.upper()}"
                value = os.environ.get(variable) or pairs.get(f"{role}.{what}") or pairs.get(f"user.{what}")
                if value and value.isprintable():
                    found[variable] = value
                elif settings.true(pairs.get("user.useconfigonly")):
                    raise Fault(f"your {what} is not known: git config --global user.{what} \"...\"")
        return found

    def _safe_directories(self) -> list[str]:
        asked = ("--includes", "-z", "--get-all", "safe.directory")
        found = (self._protected(scope, *asked) for scope in ("--system", "--global"))
        return [each for values in found for each in values.split("\0")[:-1]]

    def _protected(self, *arguments: str) -> str:
        env = {name: os.environ[name] for name in _USERS if name in os.environ}
        open_ = {name: value for name, value in _CLOSED.items() if name not in _USERS}
        handed = {name: os.environ[name] for name in _HANDED_DOWN if name in os.environ}
        done = subprocess.run([self._git, "config", *arguments], cwd="/", env={**handed, **open_, **env, "GIT_DIR": os.devnull},
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.stdout.decode(errors="surrogateescape")

    @property
    def bare(self) -> bool:
        """Whether the repository has linked work trees alone, and no main one."""
        return settings.true(self._configuration(self.dirs.common).get("core.bare"))

    def _configuration(self, place: Path) -> settings.Pairs:
        """What a repository is set to, for the work tree whose git folder is named."""
        pairs = self._listed(self.dirs.common / "config")
        own = settings.true(pairs.get("extensions.worktreeconfig"))
        return pairs | self._listed(place / "config.worktree") if own else pairs

    def _listed(self, path: Path) -> settings.Pairs:
        content = files.read(path.parent, path.name) or b""
        listing = ["config", "--file", "-", "--no-includes", "--list", "-z"]
        done = self._run(listing, {"GIT_DIR": os.devnull}, content, -1, Path("/"))
        if done.returncode:
            raise TrackError(f"the configuration {path} cannot be read ({self._complaint(done)}): mend it.")
        return settings.parsed(done.stdout.decode(errors="surrogateescape"))

    @staticmethod
    def _complaint(done: subprocess.CompletedProcess[bytes]) -> str:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"status {done.returncode}"


def _surroundings(env: dict[str, str]) -> dict[str, str]:
    """The environment of git."""
    return {**{name: os.environ[name] for name in _HANDED_DOWN if name in os.environ}, **_CLOSED, **env}


def _program(dirs: GitDirs) -> str:
    """The git to run: on the search path, and no file of the repository. Raises TrackError."""
    places = [place for place in os.environ.get("PATH", os.defpath).split(os.pathsep)
              if place.startswith("/") and not Path(place).resolve().is_relative_to(dirs.root)]
    found = shutil.which("git", path=os.pathsep.join(places))
    if found is None:
        raise TrackError("git is not installed: install it (sudo apt-get install -y git) and run again.")
    return found


def _put(path: Path, text: str) -> None:
    """Write a file whole, so that no other process reads half of it."""
    content = text.encode(errors="surrogateescape")
    if files.read(path.parent, path.name) == content:
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)


def _remove(folder: Path, maker: int) -> None:
    if os.getpid() == maker:
        shutil.rmtree(folder, ignore_errors=True)
