"""Ideas from a repository: what others have changed, by the messages of its last commits.

Covered: none of the repository's or the user's hooks, filters, templates, helpers or settings runs; nothing asks for a
password; it takes bounded time, bytes and memory, and where the server is able to, commits alone are fetched, no files.
Not covered: bugs of git itself in reading what an untrusted server sends.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from overnight.errors import TrackError
from overnight.ideas.found import FoundIdea, found
from overnight.untrusted import line

GITHUB = "https://github.com"
COMMITS = 200  # of the last ones that are looked at
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_SETTINGS = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "credential.helper=",
             "-c", "gc.auto=0", "-c", "transfer.fsckObjects=true", "-c", "log.showSignature=false", "-c",
             "i18n.logOutputEncoding=UTF-8"]
_UPLOAD = "git -c uploadpack.allowFilter=true upload-pack"  # a folder on this machine lets us take commits alone, too
_DULL = re.compile(
    r"(?:(?:merge|bump|releas(?:e|ing)|version|changelog|readme|initial commit|first commit|wip|typos?|fix(?:ed)? typos?|lint|"
    r"formatting|reformat)\b|fixup!|squash!|revert \"?merge|v?\d+(?:\.\d+)+|"
    r"(?:chore|ci|docs?|style|tests?|release)(?:\([^)]*\))?!?:|(?:build|chore)\(deps|"
    r"(?:add|update|fix) (?:the )?(?:change ?log|readme|docs?|dependenc|requirements|lock ?file|submodule|version|ci|"
    r"licen[cs]e)\w*\b)",
    re.IGNORECASE)
_TRAILER = re.compile(r"^(?:[A-Z][A-Za-z-]*-by|Change-Id|Reviewed-on|Closes|Fixes|Refs?|PR-URL|git-svn-id|Cc)\s*:.*$",
                      re.MULTILINE)


class GitBounds(Struct, frozen=True):
    """What one git may take: seconds, bytes of a file that it writes, bytes of messages that are read."""

    seconds: float = 60.0
    written: int = 64 << 20
    read: int = 8 << 20


BOUNDS = GitBounds()


def from_github(name: str, commits: int = COMMITS, base: str = GITHUB, bounds: GitBounds = BOUNDS) -> list[FoundIdea]:
    """The ideas in the last commits of OWNER/NAME. Raises TrackError."""
    if not _NAME.fullmatch(name) or name.endswith((".git", "/.", "/..")):
        raise TrackError(f"{line(name, 80) or 'an empty name'} is no repository of GitHub: write github:OWNER/NAME.")
    return _ideas(f"{base}/{name}", f"github:{name}", commits, bounds)


def from_clone(folder: Path, commits: int = COMMITS, bounds: GitBounds = BOUNDS) -> list[FoundIdea]:
    """The ideas in the last commits of a repository on this machine. Raises TrackError."""
    return _ideas(folder.resolve().as_uri(), f"git {folder.resolve().name}", commits, bounds)


def _ideas(address: str, source: str, commits: int, bounds: GitBounds) -> list[FoundIdea]:
    if shutil.which("git") is None:
        raise TrackError("git is not installed: install it (sudo apt-get install -y git) and run again.")
    with tempfile.TemporaryDirectory(prefix="overnight-") as scratch:
        fetched = Path(scratch, "fetched")
        options = ["-q", "--bare", "--no-local", "--template=", "--single-branch", "--no-tags", "--filter=tree:0"]
        options += [f"--depth={commits}", f"--upload-pack={_UPLOAD}"]
        code, _, said = _git(bounds, Path(scratch), "clone", *options, "--", address, str(fetched))
        if code:
            raise TrackError(_why(source, code, said, bounds))
        wanted = [f"-n{commits}", "--no-merges", "--format=tformat:%h%x00%s%x00%b%x00", "HEAD"]
        code, messages, _ = _git(bounds, fetched, "rev-list", *wanted)  # `git log` would ask for trees, which are not there
    if code > 0:  # less: we ended it ourselves, having read enough
        raise TrackError(f"{source} has no commits to take ideas from.")
    return list(parsed(messages.decode(errors="replace"), source))


def parsed(messages: str, source: str) -> Iterator[FoundIdea]:
    """The ideas in what rev-list prints: a line, then hash, subject and body, a NUL after each. Housekeeping is left out."""
    fields = messages.split("\0")
    for commit, subject, body in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
        if commit.strip() and not dull(subject):
            yield found(subject, _TRAILER.sub("", body), f"{source}@{commit.split()[-1][:7]}")


def dull(subject: str) -> bool:
    """Whether a commit's title promises no idea: a merge, a new version, papers and tidying."""
    return not subject.strip() or _DULL.match(subject.strip()) is not None


# ---- git -------------------------------------------------------------------------------------------------------


def _git(bounds: GitBounds, folder: Path, *arguments: str) -> tuple[int, bytes, str]:
    """git without any user's settings, bounded; its status, what it printed and what it complained of. A status below zero
    says that we ended it."""
    command = ["/bin/sh", "-c", f'ulimit -f {bounds.written // 512}; exec git "$@"', "git", *_SETTINGS, *arguments]
    with (folder / "complaint").open("w+b") as complaint, subprocess.Popen(
            command, cwd=folder, env=_surroundings(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaint,
            start_new_session=True) as process:
        timer = threading.Timer(bounds.seconds, _end, [process])
        timer.start()
        try:
            printed = process.stdout.read(bounds.read) if process.stdout else b""
            if len(printed) == bounds.read:
                _end(process)
            process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                _end(process)
        complaint.seek(0)
        return process.returncode, printed, complaint.read(4096).decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End git and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _surroundings(folder: Path) -> dict[str, str]:
    """The environment of git: no settings, no home, no questions, no protocol but the two that we use."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SSH_", "XDG_"))}
    return kept | {"HOME": str(folder), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
                   "GIT_ASKPASS": "true", "GIT_ALLOW_PROTOCOL": "file:https", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}


def _why(source: str, code: int, said: str, bounds: GitBounds) -> str:
    """One sentence for why nothing was fetched."""
    if "index-pack" in said or "too large" in said or code == -signal.SIGXFSZ:
        return f"{source} is damaged or too much: its last commits may take {bounds.written >> 10} KiB; try a smaller one."
    if code < 0:
        return f"{source} took longer than {bounds.seconds:g} seconds: try a local clone with fewer commits."
    if "safe.directory" in said or "dubious ownership" in said:
        return f"git refuses {source}, because it belongs to another user: run as that user."
    if "empty" in said or "Remote branch HEAD not found" in said:
        return f"{source} has no commits to take ideas from."
    if any(words in said for words in ("resolve host", "unable to access", "Failed to connect", "Connection")):
        return f"{source} cannot be reached: without a network, give the path of a local clone."
    return f"{source} is no repository that can be read: give github:OWNER/NAME or the path of a clone."
