"""The browser of the tests: it counts what a page does wrong."""

from browsing import PHONE, visit

NEEDS = "browser"
BAD = """<!doctype html><html><title>bad</title><body><main><h1>Words</h1><p style="width: 1400px; color: #ccc">pale</p></main>
<script>console.log("talks")</script></body></html>"""
GOOD = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>good</title>
<body><main><h1>Words</h1><p>more words</p></main></body></html>"""


def test_what_a_page_does_wrong_is_seen(browser, tmp_path):
    (tmp_path / "bad.html").write_text(BAD)
    with visit(browser, (tmp_path / "bad.html").as_uri()) as seen:
        assert seen.console == ["talks"] and seen.sideways() > 100
        assert {line.partition(":")[0] for line in seen.violations()} >= {"color-contrast", "html-has-lang"}
        assert [url.rpartition("/")[2] for url in seen.requests] == ["bad.html"]


def test_a_page_without_faults_passes(browser, tmp_path):
    (tmp_path / "good.html").write_text(GOOD)
    with visit(browser, (tmp_path / "good.html").as_uri(), width=PHONE, dark=True) as seen:
        assert (seen.console, seen.sideways(), seen.violations()) == ([], 0, [])
        assert seen.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
