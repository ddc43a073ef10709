"""Addresses of journals, as they may be shown: no sentence, log or record has a password."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
SECRETS = ("password", "sslpassword", "passfile")  # parameters of an address that are not shown
_QUERY = re.compile(rf"(?<=[?&])({'|'.join(SECRETS)})=([^&#]*)", re.IGNORECASE)


def masked(url: str) -> str:
    """The address without its passwords; where it cannot be understood, its scheme alone."""
    scheme, there, rest = url.partition("://")
    if not there:
        return url
    try:
        found = urlsplit(url)
        found.port  # noqa: B018, it raises for a port that is none
    except ValueError:
        return f"{scheme}://{HIDDEN}"
    if "@" in found.path + found.fragment:  # a password with a slash or a number sign in it, which is not quoted
        return f"{scheme}://{HIDDEN}"
    user, at, host = rest.rpartition("@")
    shown = f"{user.partition(':')[0]}{f':{HIDDEN}' if ':' in user else ''}{at}{host}" if at else rest
    return _QUERY.sub(lambda found: f"{found[1]}={HIDDEN}", f"{scheme}://{shown}")


def scrubbed(text: str, url: str) -> str:
    """A text of another program about this address, without its passwords."""
    for secret in sorted(secrets(url), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def secrets(url: str) -> set[str]:
    """Every word of an address that is a password or may be a part of one, as it is written and as it is meant."""
    user = url.partition("://")[2].rpartition("@")[0]
    found = {user.partition(":")[2], *(each[2] for each in _QUERY.finditer(url))}
    if masked(url).endswith(f"://{HIDDEN}"):
        found |= set(re.split(r"[/@:?#]+", url.partition("://")[2]))
    return {each for word in found for each in (word, unquote(word)) if each}
