"""Grounds for the tests of the pages: tracks on the disk, what is seen of them, a server, and pages taken apart."""

import socket
import threading
import time
from contextlib import contextmanager
from html.parser import HTMLParser

import uvicorn

from bench.long import write
from overnight.night.session import Session
from overnight.web import guard, tokens
from overnight.web.app import Application
from overnight.web.follow import Follower
from overnight.web.tracks import Tracks

TOKEN = "a-token-that-is-only-for-tests"


def track(folder, experiments=40, **options):
    """A track with a record, on the disk; its folder."""
    write(folder, experiments, **options)
    return folder


def seen(folder, full=True, name="long"):
    """What a reader sees of a track now."""
    follower = Follower(name, lambda: Session(folder))
    follower.load()
    follower.watch()
    return follower.seen(full, (name,))


@contextmanager
def served(*folders):
    """A server of these tracks in a thread: its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        hashed = __import__("hashlib").sha256(TOKEN.encode()).hexdigest()
        keeper = tokens.Tokens(tokens.TokenRecord(hashed, "0" * 64))
        application = Application(Tracks(folders), guard.address("127.0.0.1", port, (), False, ()), keeper)
        server = uvicorn.Server(uvicorn.Config(application.asgi, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until = time.monotonic() + 20
        while not server.started and time.monotonic() < until:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            application.hub.close()
            server.should_exit = True
            thread.join(10)


class Parts(HTMLParser):
    """A page taken apart: its elements with their attributes, its text, and what stands in script elements."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.words, self.scripts = [], [], []
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        (self.scripts if self._open == "script" else self.words).append(data)

    @property
    def text(self):
        """All that is to be read."""
        return " ".join(" ".join(self.words).split())

    def of(self, tag):
        """The attributes of each element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]
