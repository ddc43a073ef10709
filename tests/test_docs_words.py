"""The words that are not used: a sentence names its subject, and one thing has one name.

What is read: every page, the help of every command, the tools of MCP, the prompts, docstrings and messages. Code, and names between
backticks, are left alone.
"""

import ast
import re
from pathlib import Path

import pytest

from conftest import ROOT
from test_architecture import FILES

SUBJECT = "name the subject: the user, the researcher, the candidate, the caller"
PERSONS = ("people", "users", "user", "person", "persons", "authors", "author", "readers", "reader", "makers", "developers")
WORDS = {  # what is not written -> what is
    r"who(so)?ever|whomever": SUBJECT,
    "".join(rf"(?<!\b{person} )" for person in PERSONS) + r"\bwhom?": SUBJECT,
    r"somebody|someone": SUBJECT,
    r"nobody|no one": "no user, no researcher, or the passive",
    r"everybody|anybody": "every user, any user, or what it is that does it",
    "gauges?": "overfitting monitor",
    "errands?": "pending try",
    "hand-?ins?": "order",
    "purses?": "budget",
    "desks?": "edit slot",
    "thinkers": "think slots, or models and agents",
    "beside (a )?minds?": "beside models and agents",
    "(for|of|on|idle|busy|many|two|three|four|eight|fourteen) (the )?benches": "measure slots",
    "(can|could) hardly": "is unlikely to",
    "heed(s|ed)?": "follow",
}
SPANS = re.compile(r"```.*?```|`[^`\n]*`|<!--.*?-->|\]\([^)]*\)", re.DOTALL)  # what is not prose
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("*.txt"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("skills/**/*.md"),
                *ROOT.glob("tracks/*/*.md"), *ROOT.glob("src/overnight/**/*.md"), *ROOT.glob(".github/**/*.*")])


def found(text):
    """The forbidden words of a text, with what to write."""
    prose = SPANS.sub(" ", text)
    return [f"{match[0]!r} in {prose[max(0, match.start() - 40):match.end() + 20].strip()!r}: {instead}" for word, instead in WORDS.items()
            for match in re.finditer(rf"\b(?:{word})\b", prose, re.IGNORECASE)]


def docstring(node):
    """Its docstring, where it can have one."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return (ast.get_docstring(node) or "") if isinstance(node, kinds) else ""


def sentences(path):
    """The docstrings and the messages of a file of Python: strings of several words, in whole."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        yield docstring(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(" ") > 2:
            yield node.value


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_names_its_subjects(path):
    assert found(path.read_text(encoding="utf-8")) == []


def test_docstrings_and_messages_name_their_subjects():
    wrong = {module: sorted({line for text in sentences(path) for line in found(text)}) for module, path in FILES.items()}
    assert not {module: lines for module, lines in wrong.items() if lines}


def test_people_may_be_called_who_and_code_may_be_called_anything():
    assert found("Users who merge, and people whom it helps, run `somebody` and\n```\nnobody\n```") == []
    assert len(found("Who asks is whoever nobody knows.")) == 3


def test_every_page_is_read():
    assert {Path("README.md"), Path("docs/referee.md"), Path("llms.txt")} <= {path.relative_to(ROOT) for path in PAGES}
