"""The token that lets its holder see everything and write, and the cookie that a browser gets for it.

The token is 32 random bytes, shown once when it is made; the user's state folder keeps its SHA-256 and the key of cookies, in a
file that its owner alone can read. Each comparison takes constant time.
Covered: a file that is read by others tells no token; `--token-new` ends every cookie; a cookie ends by itself.
Not covered: browsers send a cookie of 127.0.0.1 to every port there, so a hostile server on this machine that its user visits
may take the cookie over until it ends.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from overnight.errors import TrackError
from overnight.night.place import root

BYTES = 32  # of a token and of a key
LASTS = 7 * 86400  # seconds until a cookie ends
FILE = "web.json"
TRIES, WITHIN, MOST_CALLERS = 10, 60.0, 1000  # wrong tokens of one caller, seconds in which they count, callers remembered


class TokenRecord(Struct, frozen=True):
    """What is kept: SHA-256 of the token, and what cookies are signed with, both in hexadecimal digits."""

    token_sha256: str
    cookie_key: str


class Tokens:
    """The one token of a user on this machine."""

    def __init__(self, record: TokenRecord) -> None:
        self._record = record

    def fits(self, token: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(hashlib.sha256(token.encode(errors="replace")).hexdigest(), self._record.token_sha256)

    def cookie(self) -> str:
        """A new cookie's value: when it ends, and the proof that it was made here."""
        ends = str(int(time.time()) + LASTS)
        return f"{ends}.{self._signed(ends)}"

    def admits(self, cookie: str) -> bool:
        """Whether a cookie was made here and has not ended."""
        ends, _, proof = cookie.partition(".")
        real = hmac.compare_digest(proof.encode(errors="replace"), self._signed(ends).encode())
        return real and ends.isascii() and ends.isdigit() and int(ends) > time.time()

    def _signed(self, ends: str) -> str:
        key = f"{self._record.cookie_key}{self._record.token_sha256}".encode()
        return hmac.new(key, ends.encode(errors="replace"), hashlib.sha256).hexdigest()


class Tries:
    """Counts wrong tokens by caller, so that a caller that guesses is put off."""

    def __init__(self) -> None:
        self._wrong: dict[str, list[float]] = {}

    def wrong(self, caller: str) -> int:
        """Note one; the number of seconds to wait, 0 while a caller may go on."""
        now = time.monotonic()
        times = [*(at for at in self._wrong.pop(caller, ()) if now - at < WITHIN), now][-TRIES - 1:]
        self._wrong[caller] = times
        if len(self._wrong) > MOST_CALLERS:
            del self._wrong[next(iter(self._wrong))]
        return int(WITHIN - (now - times[0])) + 1 if len(times) > TRIES else 0


def place() -> Path:
    """The file that keeps it. Raises TrackError where there is no home folder."""
    return root() / FILE


def kept(anew: bool = False) -> tuple[Tokens, str]:
    """The token of this user, and its text where it was made just now (where there was none, or it is to be made `anew`), else
    "". Raises TrackError."""
    path = place()
    record = None if anew else _read(path)
    if record is not None:
        return Tokens(record), ""
    token = secrets.token_urlsafe(BYTES)
    record = TokenRecord(hashlib.sha256(token.encode()).hexdigest(), secrets.token_hex(BYTES))
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        new = path.with_name(f".{FILE}.{os.getpid()}")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(record))
        new.replace(path)
    except OSError as error:
        raise TrackError(f"{path} cannot be written ({error.strerror}): make it yours to write, or set XDG_STATE_HOME to "
                         "another folder.") from error
    return Tokens(record), token


def _read(path: Path) -> TokenRecord | None:
    """What was kept; None where there is nothing. Raises TrackError where it is another's or readable by others."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TrackError(f"{path} cannot be read ({error.strerror}): remove it, and a new token is made.") from error
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise TrackError(f"{path} is not yours alone to read: remove it, and a new token is made.")
        try:
            return msgspec.json.decode(file.read(4096), type=TokenRecord)
        except msgspec.DecodeError as error:
            raise TrackError(f"{path} is damaged: remove it, and a new token is made.") from error
