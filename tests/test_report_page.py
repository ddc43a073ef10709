"""The report as a page, in a real browser, from disk: it says nothing to the console, asks for nothing, fits, prints, and answers to
pointer and keys."""

import random
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from browsing import PHONE, WIDE, visit
from overnight.report import files
from overnight.report.content import Checked
from overnight.report.morning import report_md
from overnight.report.page import report_html
from overnight.report.svg.progress import progress
from test_charts import dot, falling, scene
from test_report import REPORTED, Night

NEEDS = "browser"
PAPERS = {"A4": 182 / 25.4 * 96, "Letter": (8.5 - 28 / 25.4) * 96}  # CSS pixels between the margins
EVIL = '<img src=x onerror="hacked=1"><script>hacked=1</script> "\'`|'
PATCH = """diff --git a/train.py b/train.py
--- a/train.py
+++ b/train.py
@@ -3,3 +3,3 @@
 N = 1
-RATE = 1.0  # a very long remark about what this number does to the model, so long that no phone can show it on a single line
+RATE = 2.0  # a very long remark about what this number does to the model, so long that no phone can show it on a single line
-NAME = "old"
+NAME = "</code></div><script>hacked=1</script>"
"""


def night(**more):
    """A night of every kind of ending."""
    made, lots = Night(**more), random.Random(7)
    for number in range(1, 47):
        if number in (6, 12, 30):
            made.judge("keep", f"RATE {number} -> {number + 1}, {EVIL if number == 30 else 'ACTIVATION relu -> relu_squared'} (train.py)",
                       gain=0.6 / number, width=0.1 / number)
        elif number in (9, 20):
            made.judge("discard", "larger", gain=0.2, reason="breaks the guard on cpu_seconds: 9 where 5 (1.25x) is the bound", fresh=0)
        elif number in (14, 15):
            made.end("crash", f"exit status 1: {EVIL}", EVIL)
        elif number == 16:
            made.end("foul", "touches score.py", "cheats")
        else:
            made.judge("discard", f"a change {number}", gain=-abs(lots.gauss(0, 0.03)), reason="no sign of an improvement", fresh=0)
    made.propose("an open one")
    return made.stop()


def report(state, patch=PATCH):
    found = files.read(state, Path("nowhere"), (), Checked(99, "ab" * 32))
    return replace(found, patches={each.id: patch for each in found.told.kept})


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The address of a report on disk, and what it was made of."""
    told = report(night(contract=REPORTED, sandbox="none"))
    place = tmp_path_factory.mktemp("report") / "report.html"
    place.write_text(report_html(told), encoding="utf-8")
    return place.as_uri(), told


@pytest.mark.parametrize("width", [WIDE, PHONE])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_whole_on_any_screen(browser, page, width, dark):
    with visit(browser, page[0], width=width, dark=dark) as seen:
        assert seen.console == [] and seen.requests == [page[0]] and seen.sideways() == 0
        assert seen.page.evaluate("typeof hacked") == "undefined" and seen.page.locator(".card").count() == 3
        seen.page.locator("summary").first.click()
        assert seen.violations() == [] and seen.sideways() == 0


@pytest.mark.parametrize("state", [Night(measure=False).lab.state, Night().lab.state, Night("maximize").stop()],
                         ids=["no baseline", "nothing tried", "higher is better"])
def test_a_night_without_findings_has_a_page(browser, tmp_path, state):
    (tmp_path / "report.html").write_text(report_html(report(state)), encoding="utf-8")
    with visit(browser, (tmp_path / "report.html").as_uri(), width=PHONE) as seen:
        assert seen.console == [] and seen.sideways() == 0 and seen.violations() == []


def test_its_policy_lets_no_other_script_run(browser, page, tmp_path):
    (tmp_path / "report.html").write_text(report_html(page[1]).replace("</main>", "<script>hacked=1</script></main>"))
    with visit(browser, (tmp_path / "report.html").as_uri()) as seen:
        assert seen.page.evaluate("typeof hacked") == "undefined" and "Content Security Policy" in seen.console[0]


def test_pointer_and_keys_walk_through_the_points(browser, page):
    with visit(browser, page[0]) as seen:
        plot, tip, said = (seen.page.locator(css) for css in ("#progress .plot", "#progress .tip", "#progress-said"))
        plot.focus()
        seen.page.keyboard.press("ArrowRight")
        assert tip.is_visible() and tip.inner_text().startswith("#1 discarded")
        seen.page.keyboard.press("Shift+ArrowRight")
        assert tip.inner_text().startswith("#6 kept, +0.10") and said.inner_text().startswith("#6 kept")
        seen.page.keyboard.press("Enter")
        assert seen.page.url.endswith("#experiment-6")
        seen.page.keyboard.press("Escape")
        assert not tip.is_visible()
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        x, y = seen.page.evaluate("JSON.parse(document.getElementById('progress-points').textContent).find(p => p[0] == 12).slice(1, 3)")
        seen.page.mouse.move(box["x"] + x / 1000 * box["width"] + 5, box["y"] + y / 1000 * box["height"] + 5)
        assert tip.inner_text().startswith("#12 kept") and EVIL not in tip.inner_html()


def test_it_is_whole_without_its_script(browser, page):
    with visit(browser, page[0], java_script_enabled=False) as seen:
        assert seen.page.locator("#progress .step").count() == 1 and "3 kept" in seen.page.locator(".answers").inner_text()


@pytest.mark.parametrize("paper", PAPERS)
def test_it_prints_without_anything_cut(browser, page, paper):
    with visit(browser, page[0], width=int(PAPERS[paper])) as seen:
        seen.page.emulate_media(media="print", color_scheme="dark")
        assert seen.sideways() == 0
        assert seen.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
        cut = "[...document.querySelectorAll('.diff, .wide, .card, .chart')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        assert seen.page.evaluate(cut) == 0
        assert meeting(seen.page) == [] and beyond(seen.page, ".keeps") == []
        hidden = "[...document.querySelectorAll('details')].filter(e => e.lastElementChild.getBoundingClientRect().height < 9).length"
        assert seen.page.evaluate(hidden) == 0
        paged = seen.page.pdf(format=paper)
        assert paged.startswith(b"%PDF") and 2 <= len(re.findall(rb"/Type\s*/Page\b", paged)) <= 6


def test_it_says_the_same_as_its_markdown_and_as_the_track(page):
    told, html = page[1], report_html(page[1])
    text, track = re.sub(r"<[^>]+>", "", html).replace("\u2212", "-"), page[1].told.track
    markdown = report_md(told)
    assert told.headline.sentence in text and told.headline.sentence in markdown.replace("\\", "")
    for answer in told.answers:
        assert answer.answer.replace("\u2212", "-") in text and f"| {answer.question} |" in markdown
    assert f"{track.kept} kept" in text and f"{track.runs:,} runs" in text and f"+{track.gain:.3f}" in text
    assert "ab" * 32 in text and "99 records, chain whole, branch agrees" in text and "99 records" in markdown
    assert all(mark in text and mark in markdown for mark in track.marks)


# ---- the gutter, drawn -----------------------------------------------------------------------------------------


def meeting(page):
    """Pairs of labels in the gutter whose boxes meet."""
    return page.evaluate("""() => {
        const boxes = [...document.querySelectorAll('.keeps text')].map(e => [e.textContent, e.getBoundingClientRect()])
            .filter(([, box]) => box.width > 0);
        const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1.5 && b.top < a.bottom - 1.5;
        return boxes.flatMap(([a, ba], i) => boxes.slice(i + 1).filter(([, bb]) => meet(ba, bb)).map(([b]) => a + ' / ' + b));
    }""")


def beyond(page, css):
    """Labels that leave the box in which they stand, at its right."""
    return page.evaluate("""css => [...document.querySelectorAll(css)].flatMap(box => [...box.querySelectorAll('text')]
        .filter(e => e.getBoundingClientRect().width && e.getBoundingClientRect().right > box.getBoundingClientRect().right + 1)
        .map(e => e.textContent))""", css)


def shown(chart):
    style = (Path(files.__file__).parent / "static/overnight.css").read_text(encoding="utf-8")
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>a</title><style>{style}</style><main>{chart}</main></html>"


@pytest.mark.parametrize("width", [1000, 1280, 1600])
def test_of_ten_thousand_experiments_with_forty_keeps_no_two_labels_meet(browser, width):
    lots = random.Random(2)
    kept = [dot(250 * n, 3.5 - n / 100, "keep", lots.uniform(0.01, 0.1), 0.004, f"KNOB_{n} 1.0 → 2.0, OTHER_{n} False → True")
            for n in range(1, 41)]
    others = [dot(n, 3.5 - n / 25000 + lots.gauss(0, 0.02)) for n in range(1, 10_001)]
    with visit(browser, html=shown(progress(scene(kept, others))), width=width) as seen:
        assert seen.page.locator(".keeps .what").count() == 8
        assert meeting(seen.page) == [] and beyond(seen.page, ".keeps") == [] and seen.sideways() == 0


@pytest.mark.parametrize("made", [falling(60, 1e-7), falling(60, 50.0), falling(3, 0.0), falling(9, -1.0, sign=-1)],
                         ids=["tiny", "large", "nothing", "higher"])
def test_labels_of_extreme_numbers_stay_in_the_gutter(browser, made):
    kept = [each._replace(title="界W@" * 40 if n % 2 else "x" * 300) for n, each in enumerate(made.kept)]
    with visit(browser, html=shown(progress(replace(made, kept=tuple(kept))))) as seen:
        assert meeting(seen.page) == [] and beyond(seen.page, ".keeps") == []
