"""The site that `make docs` builds: every page, without a warning, with a search, and nothing that is loaded from elsewhere."""

import json
import re
import subprocess
import sys

import pytest

from conftest import ROOT

NEEDS = "sandbox"
LOADS = re.compile(r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=["']([^"']+)"""
                   r"""|<link\b(?![^>]*rel=["'](?:next|prev|search|index|author|canonical))[^>]*\bhref=["']([^"']+)"""
                   r"""|url\(\s*["']?([^)"']+)|@import\s+["']([^"']+)""")


def loads(text):
    """The addresses that a page or a style sheet loads by itself."""
    return {next(filter(None, groups)) for groups in LOADS.findall(text)}


def foreign(address):
    return bool(re.match(r"(?:[a-z]+:)?//", address))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    to = tmp_path_factory.mktemp("site")
    done = subprocess.run([sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", to / "trees", "-c", "docs", ".", to / "html"],
                          cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return to / "html"


def test_the_site_has_every_page_a_first_one_and_a_search(site):
    assert {path.stem for path in ROOT.glob("docs/*.md")} == {path.stem for path in site.glob("docs/*.html")}
    assert 'url=docs/README.html' in (site / "index.html").read_text()
    index = (site / "searchindex.js").read_text()
    terms = json.loads(index[index.index("{"):index.rindex("}") + 1])["terms"]
    assert {"bubblewrap", "track"} <= set(terms) and (site / "search.html").exists()


def test_the_site_loads_nothing_from_elsewhere(site):
    found = {path.name: strange for path in [*site.rglob("*.html"), *site.rglob("*.css")]
             if (strange := {each for each in loads(path.read_text(encoding="utf-8", errors="replace")) if foreign(each)})}
    assert found == {}


def test_every_page_is_in_the_side_bar(site):
    bar = (site / "docs/README.html").read_text()
    assert not [path.name for path in site.glob("docs/*.html") if path.name != "README.html" and f'href="{path.name}"' not in bar]


@pytest.mark.pure
@pytest.mark.parametrize("text", ['<script src="https://cdn.example/x.js"></script>', '<link rel="stylesheet" href="//fonts.example/a.css">',
                                  "@import 'https://fonts.example/a.css'", "src: url(https://fonts.example/a.woff2)"])
def test_what_is_loaded_from_elsewhere_would_be_found(text):
    assert any(map(foreign, loads(text)))


@pytest.mark.pure
def test_a_link_that_a_reader_may_follow_is_no_load():
    assert not any(map(foreign, loads('<a href="https://example.org">x</a><link rel="canonical" href="https://example.org">')))
