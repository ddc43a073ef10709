"""The pages in a real browser: every page in light and dark, wide and on a phone; keys; what comes while they are looked at."""

import re
import time

import pytest

from browsing import PHONE, WIDE, visit
from overnight.lab.events import Judged, Stopped
from overnight.night.session import Session
from overnight.report.svg import progress
from overnight.testing.journals import LongNight
from overnight.web.pages import PAGES
from pages_ground import TOKEN, served, track

NEEDS = "browser"
ADDRESSES = [each.path.replace("{number:int}", "1") for each in PAGES]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("pages")
    return track(base / "usual", 60), track(base / "hostile", 60, hostile=True)


@pytest.fixture(scope="module")
def address(folders):
    with served(*folders) as at:
        yield at


@pytest.fixture(scope="module")
def names(address, browser):
    with visit(browser, f"{address}/") as looked:
        return [each.get_attribute("href") for each in looked.page.query_selector_all("main li a")]


def signed_in(looked, address, name):
    """The page of a reader with the token."""
    looked.page.goto(f"{address}{name}team#token={TOKEN}")
    looked.page.wait_for_selector("body[data-full]")
    return looked


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
@pytest.mark.parametrize("which", [0, 1], ids=["usual", "hostile"])
def test_every_page_is_without_fault(browser, address, names, which, width, dark):
    name = names[which]
    with visit(browser, f"{address}{name}", width=width, dark=dark) as looked:
        signed_in(looked, address, name)
        for path in ADDRESSES:
            looked.page.goto(f"{address}{name}{path}", wait_until="load")
            assert looked.sideways() <= 0, path
            assert looked.violations() == [], path
        assert looked.console == []
        assert {re.match(r"https?://[^/]+", each)[0] for each in looked.requests} == {address}


def test_the_token_is_traded_once_and_leaves_the_address(browser, address, names):
    with visit(browser, f"{address}{names[0]}ideas") as looked:
        assert looked.page.query_selector("form[data-send]") is None
        looked.page.goto(f"{address}{names[0]}ideas#token={TOKEN}")
        looked.page.wait_for_selector("form[data-send]")
        assert TOKEN not in looked.page.url and TOKEN not in looked.page.evaluate("document.cookie")


def test_a_wrong_token_is_told(browser, address, names):
    with visit(browser, f"{address}{names[0]}") as looked:
        looked.page.goto(f"{address}{names[0]}team#token=wrong")
        looked.page.wait_for_selector("#said.bad:not(:empty)")


def test_an_idea_is_added_with_the_keyboard_alone(browser, address, names):
    with visit(browser, f"{address}{names[0]}") as looked:
        signed_in(looked, address, names[0]).page.goto(f"{address}{names[0]}ideas")
        looked.page.focus("#idea")
        looked.page.keyboard.type("Warm the learning rate up along a cosine")
        looked.page.keyboard.press("Enter")
        looked.page.wait_for_selector("li.idea:has-text('along a cosine')", timeout=20_000)


def test_an_idea_is_moved_up(browser, address, names):
    with visit(browser, f"{address}{names[0]}") as looked:
        page = signed_in(looked, address, names[0]).page
        page.goto(f"{address}{names[0]}ideas")
        for words in ("Anneal the sampler", "Freeze the first layer"):
            page.fill("#idea", words)
            page.check("[data-key='idea-anyway']")
            page.click("[data-key='idea-add']")
            page.wait_for_selector(f"li.idea:has-text('{words}')", timeout=20_000)
        last = page.locator("#h-next >> xpath=../.. >> li.idea").last.get_attribute("id")
        before = page.locator(f"#{last} .num").first.inner_text()
        page.click(f"#{last} button[aria-label^='Move up']")
        page.wait_for_selector(f"#{last} .num:text-is('{int(before) - 1}')", timeout=20_000)


def test_a_program_is_written_and_a_late_one_is_told(browser, address, names):
    with visit(browser, f"{address}{names[0]}") as looked, visit(browser, f"{address}{names[0]}") as other:
        for each in (looked, other):
            signed_in(each, address, names[0]).page.goto(f"{address}{names[0]}program")
        looked.page.fill("#text", "Try small steps first.\n")
        looked.page.click("[data-key='program-preview']")
        looked.page.wait_for_selector("#preview:has-text('+Try small steps first.')")
        looked.page.click("[data-key='program-save']")
        looked.page.wait_for_selector("pre[aria-label='The program']:has-text('Try small steps first.')", timeout=20_000)
        other.page.fill("#text", "Try large steps first.\n")
        other.page.click("[data-key='program-save']")
        other.page.wait_for_selector("#said.bad:has-text('another version is in force')")
        other.page.reload()
        assert "Try small steps first." in other.page.inner_text("main")


def test_a_page_can_be_walked_through_by_keys(browser, address, names):
    with visit(browser, f"{address}{names[0]}experiments") as looked:
        looked.page.keyboard.press("Tab")
        assert looked.page.evaluate("document.activeElement.className") == "skip"
        looked.page.keyboard.press("Enter")
        assert looked.page.evaluate("location.hash") == "#main"
        looked.page.keyboard.press("/")
        assert looked.page.evaluate("document.activeElement.type") == "search"
        looked.page.keyboard.type("learning")
        looked.page.keyboard.press("Enter")
        looked.page.wait_for_url("**q=learning**")
        reached = set()
        for _ in range(80):
            looked.page.keyboard.press("Tab")
            reached.add(looked.page.evaluate("document.activeElement.dataset.key || ''"))
        assert {"sort-effect", "search", "select-sort"} <= reached


def test_the_chart_answers_to_pointer_and_keys(browser, address, names):
    with visit(browser, f"{address}{names[0]}") as looked:
        page = looked.page
        page.focus(".plot")
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#progress-said")
        page.keyboard.press("Shift+ArrowRight")
        assert "kept" in page.inner_text("#progress-said")
        page.keyboard.press("Escape")
        assert page.evaluate("document.querySelector('.tip').hidden")
        place = page.evaluate("""() => { const [id, x, y] = JSON.parse(document.getElementById('progress-points').textContent)
            .find(point => point[3] === 'keep'), box = document.querySelector('.plot').getBoundingClientRect();
            return [box.left + x / 1000 * box.width, box.top + y / 1000 * box.height, id]; }""")
        page.mouse.move(place[0] + 9, place[1] + 9)
        assert f"#{place[2]}" in page.inner_text(".tip")
        page.mouse.click(place[0], place[1])
        page.wait_for_url(f"**/experiments/{place[2]}")


def test_a_chart_of_many_points_fetches_the_words_of_one(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "MOST_TOLD", 5)  # a record of so many as there are takes half a minute to write
    folder = track(tmp_path / "many", 30)
    with served(folder) as at, visit(browser, f"{at}/") as looked:
        page = looked.page
        page.focus(".plot")
        page.keyboard.press("Shift+ArrowRight")
        page.wait_for_selector(r"#progress-said:text-matches('#\\d+ kept, \\+[\\d.]+ \\[.*\\]: \\S')", state="attached")
        assert page.inner_text("#progress-said").partition(": ")[2] in page.inner_text(".tip")
        assert sum("/progress/" in each for each in looked.requests) == 1
        assert looked.console == []


def test_a_part_of_the_chart_has_an_address(browser, address, names):
    with visit(browser, f"{address}{names[0]}") as looked:
        box = looked.page.locator(".plot").bounding_box()
        looked.page.mouse.move(box["x"] + 50, box["y"] + 100)
        looked.page.mouse.down()
        looked.page.mouse.move(box["x"] + 400, box["y"] + 100, steps=5)
        looked.page.mouse.up()
        looked.page.wait_for_url("**from=*")
        assert "show all" in looked.page.inner_text("main")
        looked.page.click("text=show all")
        looked.page.wait_for_url(re.compile(r"/t/[^/]+/$"))


def test_every_page_can_be_read_without_script(browser, address, names):
    with visit(browser, f"{address}{names[0]}", java_script_enabled=False) as looked:
        for path in ADDRESSES:
            looked.page.goto(f"{address}{names[0]}{path}")
            assert len(looked.page.inner_text("main")) > 40
            assert not looked.page.locator("button[data-copy]:visible").count()


# ---- while it is looked at -------------------------------------------------------------------------------------


class Night:
    """Records that are written while a page is looked at."""

    def __init__(self, folder):
        self.session = Session(folder)
        self.state = self.session.read()
        self.told = LongNight(self.state)

    def verdict(self):
        """Write until one more experiment has its verdict; its number."""
        for event in self.told.go(3, left_open=0):
            self.session.journal.extend([event])
            if isinstance(event, Judged):
                return event.experiment
        raise AssertionError("none was judged")

    def end(self):
        self.session.journal.extend([Stopped(self.told.at, 60.0, "the time is over")])


def test_a_verdict_is_there_within_a_second_and_focus_stays(browser, tmp_path):
    folder = track(tmp_path / "live", 30)
    with served(folder) as at, visit(browser, f"{at}/") as looked:
        page = looked.page
        page.wait_for_selector("#feed li")
        page.focus("[data-key='all']")
        page.focus("#feed a >> nth=0")
        held = page.evaluate("document.activeElement.dataset.key")
        page.wait_for_timeout(700)
        number = Night(folder).verdict()
        began = time.monotonic()
        page.wait_for_selector(f"#feed a:text-is('#{number}')", timeout=5000)
        assert time.monotonic() - began < 3.0  # a second, and what else two busy cores have to do
        assert page.evaluate("document.activeElement.dataset.key") == held


def test_the_night_ends_while_it_is_looked_at(browser, tmp_path):
    folder = track(tmp_path / "ends", 30)
    with served(folder) as at:
        night = Night(folder)
        with visit(browser, html=" ") as looked:
            page = looked.page
            with night.session.writing():
                page.goto(f"{at}/")
                page.wait_for_timeout(1500)
                page.reload()
                page.wait_for_selector("#live:has-text('at work')")
                page.wait_for_timeout(500)
                page.focus("#feed a >> nth=0")
                night.end()
            page.wait_for_selector("#live:has-text('ended after')", timeout=10_000)
            assert page.evaluate("document.activeElement.dataset.key") and looked.console == []


def test_a_browser_that_slept_catches_up(browser, tmp_path):
    folder = track(tmp_path / "sleeps", 30)
    with served(folder) as at, visit(browser, f"{at}/") as looked:
        page = looked.page
        page.wait_for_selector("#feed li")
        page.wait_for_timeout(500)
        page.context.set_offline(True)
        night = Night(folder)
        numbers = [night.verdict() for _ in range(3)]
        page.wait_for_timeout(500)
        page.context.set_offline(False)
        page.wait_for_selector(f"#feed a:text-is('#{numbers[-1]}')", timeout=20_000)


def test_another_page_says_that_there_is_more(browser, tmp_path):
    folder = track(tmp_path / "more", 30)
    with served(folder) as at, visit(browser, f"{at}/") as looked:
        page = looked.page
        page.goto(page.url + "experiments")
        page.wait_for_timeout(500)
        assert page.is_hidden("#newer")
        number = Night(folder).verdict()
        page.wait_for_selector("#newer:visible")
        page.click("#newer a")
        page.wait_for_selector(f"#e{number}")
