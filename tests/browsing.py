"""Pages in a real browser: Chromium of the system, driven by Playwright, with what a page must never do counted.

A test that asks for the fixture `browser` bears the mark `browser`, and is skipped only where no Chromium is installed.
"""

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDE, PHONE = 1280, 390  # CSS pixels
RULES = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def browser():
    """One headless Chromium for the tests of a file. (Playwright holds the thread's event loop meanwhile: a file that runs
    asyncio of its own in this thread cannot use it.)"""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--disable-gpu", "--disable-background-networking"])
        yield started
        started.close()


@dataclass
class Visit:
    """A page that is looked at, with all that it printed to the console, all that went wrong in it, and all it asked for."""

    page: object
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def sideways(self):
        """By how many pixels the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def violations(self):
        """What axe finds wrong for readers with other senses or means, a line for each element."""
        from axe_playwright_python.sync_playwright import Axe
        found = Axe().run(self.page, options=RULES).response["violations"]
        return [f"{rule['id']}: {node['target']} {node['html'][:160]}" for rule in found for node in rule["nodes"]]


@contextmanager
def visit(browser, address="", *, width=WIDE, height=900, dark=False, html="", **options):
    """A page in a window of its own, opened at an address or from text; `options` are those of Playwright's contexts."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", **options)
    try:
        seen = Visit(context.new_page())
        seen.page.on("console", lambda message: seen.console.append(message.text))
        seen.page.on("pageerror", lambda error: seen.console.append(str(error)))
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.goto(address) if address else seen.page.set_content(html)
        yield seen
    finally:
        context.close()
