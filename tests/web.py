"""A track with a long record, and the web's application on it, for the tests of the web."""

from contextlib import contextmanager

from starlette.testclient import TestClient

from overnight.web import guard, tokens
from overnight.web.app import Application
from overnight.web.tracks import Tracks

TOKEN = "a-token-that-is-only-for-tests"
RECORD = tokens.TokenRecord(__import__("hashlib").sha256(TOKEN.encode()).hexdigest(), "0" * 64)
HOST = "127.0.0.1:8765"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def application(*folders, host="127.0.0.1", names=(), secure=False, proxies=()):
    """The application as `overnight serve` makes it."""
    where = guard.address(host, 8765, names, secure, proxies)
    return Application(Tracks(folders), where, tokens.Tokens(RECORD))


@contextmanager
def client(*folders, base=f"http://{HOST}", **options):
    """A client of it, while it follows its tracks."""
    with TestClient(application(*folders, **options).asgi, base_url=base, raise_server_exceptions=False) as asks:
        yield asks
