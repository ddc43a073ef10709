"""The site of the documentation: `make docs` builds it into build/site, to be read without a network.

The source is the repository itself, so that links between pages are those that a reader of the files follows. The order of
pages is that of docs/README.md.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent

project = "Overnight"
version = release = re.search(r'__version__ = "(.+)"', (ROOT / "src/overnight/__init__.py").read_text())[1]
copyright = "the contributors of Overnight"
extensions = ["myst_parser"]
root_doc = "docs/README"
include_patterns = ["*.md", "docs/*.md", "skills/*/SKILL.md", "tracks/*/README.md"]
myst_heading_anchors = 6
suppress_warnings = ["misc.highlighting_failure", "myst.header"]
html_theme = "furo"
html_title = f"Overnight {version}"
html_show_sphinx = False
html_copy_source = False

PROJECT = ["README", "CONTRIBUTING", "CHANGELOG", "SECURITY", "AGENTS", "skills/overnight/SKILL"]
TREE = "\n```{{toctree}}\n:caption: {caption}\n:hidden:\n\n{pages}\n```\n"


def trees(text):
    """The trees of the side bar: one for each section of the map, one of the tracks, one of the project's own pages."""
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        caption = section.partition("\n")[0].partition(":")[0]
        yield caption, [f"/docs/{name}" for name in re.findall(r"\]\(([\w-]+)\.md", section)]
    yield "Tracks", [f"/tracks/{path.parent.name}/README" for path in sorted(ROOT.glob("tracks/*/README.md"))]
    yield "Project", [f"/{name}" for name in PROJECT]


def link(match, folder):
    """A link to a folder as one to its README; without one, its text alone."""
    text, target, anchor = match.groups()
    path = folder / target
    if not target or not path.is_dir():
        return match[0]
    return f"[{text}]({target.rstrip('/')}/README.md{anchor or ''})" if (path / "README.md").exists() else text


def read(app, name, source):
    """What a page is before it is parsed."""
    folder = (ROOT / name).parent
    source[0] = re.sub(r"\[([^\]\n]*)\]\((?![a-z]+:)([^)#\s]*)(#[^)\s]*)?\)", lambda match: link(match, folder), source[0])
    if name == root_doc:
        source[0] += "".join(TREE.format(caption=caption, pages="\n".join(pages)) for caption, pages in trees(source[0]))


def begin(app, exception):
    """The page that a server shows first."""
    if exception is None and app.builder.format == "html":
        to = f"{root_doc}.html"
        page = f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={to}"><a href="{to}">Docs</a>'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app):
    """Sphinx calls it."""
    app.connect("source-read", read)
    app.connect("build-finished", begin)
