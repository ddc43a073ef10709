"""The pages as a whole: links lead somewhere, figures that are told again stand where they were measured, and nothing public is missing."""

import re

import pytest

from conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), ROOT / "llms.txt", *ROOT.glob("docs/*.md"), *ROOT.glob("tracks/*/README.md")])
RETOLD = ("docs/why.md", "docs/log.md")
FIGURE = re.compile(r"(?<![\w.])\d*\.\d+(?!\.)")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def prose(page):
    """A page without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```", "", page, flags=re.DOTALL | re.MULTILINE)


def anchor(heading):
    """The name that GitHub gives a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(path):
    return {anchor(line) for line in re.findall(r"^#+ +(.*)$", prose(path.read_text(encoding="utf-8")), re.MULTILINE)}


def broken(path):
    """The links of a page that lead nowhere."""
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(path.read_text(encoding="utf-8")))):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, name = link.partition("#")
        target = path.parent / file if file else path
        target = target / "README.md" if target.is_dir() and name else target
        if not target.exists() or (name and name not in anchors(target)):
            yield link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    assert list(broken(path)) == []


@pytest.mark.parametrize("name", RETOLD)
def test_a_figure_that_is_told_again_stands_where_it_was_measured(name):
    page, others = text(name), "".join(path.read_text(encoding="utf-8") for path in PAGES if str(path.relative_to(ROOT)) not in RETOLD)
    known = {figure.lstrip("0") for figure in FIGURE.findall(others)}
    figures = {figure.lstrip("0") for figure in FIGURE.findall(page)}
    assert figures and figures - known == set()


def test_every_page_is_found_from_the_map():
    linked = set(re.findall(r"\]\(([\w.-]+\.md)", text("docs/README.md")))
    assert {path.name for path in ROOT.glob("docs/*.md")} - {"README.md"} == linked
