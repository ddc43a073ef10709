"""Makes pictures of the pages of `overnight serve`: every page, light, dark, on a phone and as it is printed.

    make screenshots                                    a short real night on a ready track first, in a folder that goes again
    python scripts/screenshots.py FOLDER                the pages of a track that is there
    python scripts/screenshots.py --track digits --for 5min

It needs Chromium (apt-get install chromium) and the extra `dev`. README's three pictures go to docs/pictures, all others to
docs/pictures/all, which git ignores.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from playwright.sync_api import Page as Tab
from playwright.sync_api import sync_playwright

from overnight.night import layouts
from overnight.web import guard, tokens
from overnight.web.app import Application
from overnight.web.pages import PAGES
from overnight.web.tracks import Tracks

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
FORMS = {"light": (1280, "light"), "dark": (1280, "dark"), "phone": (390, "light"), "phone-dark": (390, "dark")}
CHOSEN = {("night", "light"): "night.png", ("experiment", "light"): "experiment.png",
          ("night", "phone-dark"): "night-phone.png"}
TALLEST = {"night.png": 1500, "experiment.png": 1500, "night-phone.png": 1400}  # pixels of README's pictures
COLOURS = 96  # of a picture
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Make them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--track", default="microgpt")
    parser.add_argument("--for", dest="lasts", default="3min")
    asked = parser.parse_args()
    chosen = nullcontext(asked.folder) if asked.folder else _night(asked.track, asked.lasts)
    with chosen as folder, _served(folder) as (at, token):
        _pictures(at, token)


@contextmanager
def _night(track: str, lasts: str) -> Iterator[Path]:
    """A short night on a ready track, with an idea in its queue."""
    with tempfile.TemporaryDirectory(prefix="overnight-pictures-") as place:
        os.environ["XDG_STATE_HOME"] = f"{place}/state"
        folder = Path(place, track)
        layouts.laid_out(track, folder)
        _overnight("run", str(folder), "--for", lasts)
        _overnight("idea", "add", "Warm the learning rate up over the first steps", str(folder))
        yield folder


def _overnight(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "overnight.cli", *words], check=True)


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, str]]:
    """The track in a server of its own: its address, and a token."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port, (keeper, token) = listening.getsockname()[1], _token()
        application = Application(Tracks([folder]), guard.address("127.0.0.1", port, (), False, ()), keeper)
        server = uvicorn.Server(uvicorn.Config(application.asgi, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{port}", token
        finally:
            application.hub.close()
            server.should_exit = True
            thread.join(10)


def _token() -> tuple[tokens.Tokens, str]:
    """A token that is for this server alone; the user's stays as it is."""
    import hashlib
    import secrets
    token = secrets.token_urlsafe(tokens.BYTES)
    return tokens.Tokens(tokens.TokenRecord(hashlib.sha256(token.encode()).hexdigest(), secrets.token_hex(32))), token


def _pictures(at: str, token: str) -> None:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise SystemExit("no Chromium is installed: apt-get install chromium")
    (PICTURES / "all").mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--disable-gpu", "--no-sandbox"])
        for form, (width, scheme) in FORMS.items():
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=_scheme(scheme))
            tab = context.new_page()
            home = _signed_in(tab, at, token)
            for path, name in _addresses(tab, home).items():
                _picture(tab, f"{home}{path}", name, form)
            context.close()
        browser.close()


def _scheme(name: str) -> Any:
    return name


def _signed_in(tab: Tab, at: str, token: str) -> str:
    """The address of the track's first page, opened by a reader with the token."""
    tab.goto(f"{at}/")
    home = tab.url
    tab.goto(f"{home}team#token={token}")
    tab.wait_for_selector("body[data-full]")
    return home


def _addresses(tab: Tab, home: str) -> dict[str, str]:
    """Every page: its path and the name of its picture; of experiments the newest that is kept, else the newest."""
    found = {each.path: each.path or "night" for each in PAGES if "{" not in each.path}
    for query in ("?verdict=keep", ""):
        tab.goto(f"{home}experiments{query}")
        if link := tab.query_selector("tbody a"):
            return found | {f"experiments/{(link.get_attribute('href') or '').rpartition('/')[2]}": "experiment"}
    return found


def _picture(tab: Tab, address: str, name: str, form: str) -> None:
    tab.goto(address, wait_until="load")
    tab.wait_for_timeout(300)
    shown = Image.open(io.BytesIO(tab.screenshot(full_page=True))).convert("RGB")
    _saved(shown, PICTURES / "all" / f"{name}-{form}.png")
    if chosen := CHOSEN.get((name, form)):
        _saved(shown.crop((0, 0, shown.width, min(shown.height, TALLEST[chosen]))), PICTURES / chosen)
    if form == "light":
        tab.pdf(path=PICTURES / "all" / f"{name}-print.pdf", format="A4", print_background=True)


def _saved(picture: Image.Image, path: Path) -> None:
    """Save with few colours, which pages have."""
    picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
