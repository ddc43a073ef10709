"""Importing: papers from a real Atom server on loopback, commits by real git, lists from real files; one sentence for the rest."""

import http.server
import os
import socket
import stat
import subprocess
import sys
import threading
import urllib.parse
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import commit, git, repository
from overnight.errors import TrackError
from overnight.ideas import commits, papers
from overnight.ideas.found import MOST_SOURCE_CHARACTERS, distinct, found, written
from overnight.ideas.notes import ideas
from overnight.ideas.source import gather
from overnight.lab.queue import MOST_TEXT_CHARACTERS as TEXT
from overnight.lab.queue import MOST_TITLE_CHARACTERS as TITLE

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">
  <opensearch:totalResults>{total}</opensearch:totalResults><opensearch:startIndex>0</opensearch:startIndex>
  <opensearch:itemsPerPage>{total}</opensearch:itemsPerPage>
  {entries}
</feed>"""
ENTRY = """<entry><id>http://arxiv.org/abs/{id}</id><title>{title}</title><summary>{summary}</summary>
  <updated>2024-01-02T00:00:00Z</updated><published>2024-01-01T00:00:00Z</published></entry>"""


def feed(*entries):
    """An answer with these papers: (number, title, abstract)."""
    shown = [ENTRY.format(id=number, title=escape(title), summary=escape(text)) for number, title, text in entries]
    return FEED.format(total=len(entries), entries="\n".join(shown)).encode()


PAPERS = feed(("2401.00001v3", "A Warm-Up That\n   Starts at Nothing", "We raise the step size slowly."),
              ("2401.00002v1", "Sorting by \x85Digits", "Radix sort & friends. <b>Fast</b>."))


@pytest.fixture
def library(monkeypatch):
    """A server that gives scripted answers, one after the other, and remembers what it was asked."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query))
            status, body = self.server.answers[min(len(self.server.asked), len(self.server.answers)) - 1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:
                return

        def log_message(self, *_):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.asked, server.answers = [], [(200, PAPERS)]
    server.address = f"http://127.0.0.1:{server.server_port}/api/query"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def refused(call, *arguments, **options):
    """The sentence with which something is refused."""
    with pytest.raises(TrackError) as caught:
        call(*arguments, **options)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400
    return sentence


# ---- papers ----------------------------------------------------------------------------------------------------


@pytest.mark.services
def test_papers_become_ideas_with_their_numbers(library):
    first, second = gather("arxiv: learning rate warmup", 5, arxiv=library.address)
    assert first.title == "A Warm-Up That Starts at Nothing" and first.text == "We raise the step size slowly."
    assert first.source == "arxiv:2401.00001"
    assert second.source == "arxiv:2401.00002" and second.text == "Radix sort & friends. <b>Fast</b>."
    assert library.asked[0]["search_query"] == ["learning rate warmup"] and library.asked[0]["max_results"] == ["5"]


@pytest.mark.services
def test_one_request_is_enough_however_many_are_asked_for(library):
    gather("arxiv:sorting", 10_000, arxiv=library.address)
    assert [asked["max_results"] for asked in library.asked] == [["100"]]


@pytest.mark.services
def test_an_outage_that_passes_is_waited_for(library):
    library.answers = [(503, b""), (200, PAPERS)]
    assert len(papers.from_arxiv("sorting", 5, library.address, pause=0.01)) == 2


@pytest.mark.services
@pytest.mark.parametrize(("status", "body", "word"), [(400, b"", "400"), (429, b"", "429"), (500, b"oops", "500")])
def test_a_refusal_is_one_sentence(library, status, body, word):
    library.answers = [(status, body)]
    assert word in refused(papers.from_arxiv, "sorting", 5, library.address, pause=0.01)


@pytest.mark.services
@pytest.mark.parametrize("body", [b"", b"not a feed", b"<feed", FEED.format(total=0, entries="").encode(), b"\xff\xfe\x00"])
def test_an_answer_without_papers_is_one_sentence(library, body):
    library.answers = [(200, body)]
    assert "no ideas" in refused(gather, "arxiv:sorting", arxiv=library.address)


@pytest.mark.services
def test_an_answer_with_an_impossible_date_is_one_sentence(library):
    library.answers = [(200, PAPERS.replace(b"2024-01-02T00:00:00Z", b"yesterday"))]
    assert "cannot be read" in refused(gather, "arxiv:sorting", arxiv=library.address)


@pytest.mark.services
def test_an_answer_that_is_too_long_is_given_up(library):
    library.answers = [(200, feed(("2401.1v1", "Long", "x" * (papers.MOST_ANSWER_BYTES + 1))))]
    assert "too long" in refused(gather, "arxiv:sorting", arxiv=library.address)


@pytest.mark.services
def test_a_machine_without_a_network_is_one_sentence():
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/api/query"
        assert "offline" in refused(papers.from_arxiv, "sorting", 5, address, pause=0.01)


@pytest.mark.parametrize("query", ["arxiv:", "arxiv:   ", "arxiv:\x1b[31m\0"])
def test_an_empty_query_is_one_sentence(query):
    assert "empty" in refused(gather, query)


# ---- repositories ----------------------------------------------------------------------------------------------


@pytest.fixture
def theirs(tmp_path):
    """A repository with a past."""
    folder = repository(tmp_path / "ada" / "engine", {"a": "1"})
    for number, message in enumerate(["Use a bigger batch", "Bump version to 1.2", "v1.3.0", "docs: spelling",
                                      "Clip the gradients at 1.0\n\nThey blew up.\n\nSigned-off-by: Ada <ada@localhost>",
                                      "Minibatches of a larger size"]):
        commit(folder, {"a": f"{number + 2}"}, message)
    git(folder, "checkout", "-q", "-b", "side", "HEAD~1")
    commit(folder, {"b": "1"}, "Warm up the learning rate")
    git(folder, "checkout", "-q", "main")
    git(folder, "merge", "-q", "--no-ff", "-m", "Merge branch 'side'", "side")
    return folder


@pytest.mark.sandbox
def test_commits_become_ideas_and_housekeeping_does_not(theirs):
    got = gather("github:ada/engine", github=theirs.parent.parent.as_uri())
    assert {idea.title for idea in got} >= {"Clip the gradients at 1.0", "Warm up the learning rate"}
    assert len(got) == 4 and "the beginning" in {idea.title for idea in got}, "one of the two about batches is enough"
    clip = next(idea for idea in got if idea.title.startswith("Clip"))
    assert clip.text == "They blew up."
    assert clip.source == "github:ada/engine@" + git(theirs, "log", "--format=%H", "--grep=Clip")[:7]


@pytest.mark.sandbox
def test_a_clone_on_this_machine_will_do(theirs):
    assert {idea.source.partition("@")[0] for idea in gather(str(theirs))} == {"git engine"}


@pytest.mark.sandbox
def test_only_the_last_commits_are_looked_at(theirs):
    assert not {"Use a bigger batch", "the beginning"} & {i.title for i in commits.from_clone(theirs, commits=3)}


@pytest.mark.sandbox
def test_nothing_of_a_hostile_repository_runs(theirs, tmp_path):
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {sprung}\nexec cat\n")
    trap.chmod(0o755)
    for hook in ("post-checkout", "pre-auto-gc", "post-index-change", "reference-transaction", "post-upload-pack"):
        (theirs / ".git" / "hooks" / hook).write_bytes(trap.read_bytes())
        (theirs / ".git" / "hooks" / hook).chmod(0o755)
    for name in ("core.fsmonitor", "core.sshCommand", "core.pager", "filter.x.smudge", "diff.x.textconv", "gpg.program",
                 "uploadpack.packObjectsHook", "core.alternateRefsCommand", "credential.helper", "core.editor"):
        git(theirs, "config", name, str(trap))
    git(theirs, "config", "log.showSignature", "true")
    commit(theirs, {".gitattributes": "* filter=x diff=x\n"}, "Use attributes")
    sprung.unlink(missing_ok=True)
    assert len(commits.from_clone(theirs)) >= 4
    assert not sprung.exists()


@pytest.mark.sandbox
def test_words_of_commits_are_cleaned_and_bounded(theirs):
    commit(theirs, {"a": "last"}, "Steer \x1b[2Jthe terminal " + "x" * 3000 + "\n\n" + "y" * 100_000)
    idea = commits.from_clone(theirs)[0]
    assert "\x1b" not in idea.title + idea.text
    assert len(idea.title) <= TITLE and len(idea.text) <= TEXT


@pytest.mark.sandbox
def test_a_repository_that_sends_too_much_is_given_up(theirs, tmp_path):
    (tmp_path / "message").write_text("Large " + os.urandom(1 << 20).hex())
    git(theirs, "commit", "-q", "--allow-empty", "-F", str(tmp_path / "message"))
    assert "too much" in refused(commits.from_clone, theirs, bounds=commits.GitBounds(written=64 << 10))


@pytest.mark.sandbox
def test_messages_are_read_up_to_a_bound(theirs):
    got = commits.from_clone(theirs, bounds=commits.GitBounds(read=150))
    assert 0 < len(got) < 4


@pytest.mark.sandbox
def test_a_server_that_never_answers_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        base = f"https://127.0.0.1:{silent.getsockname()[1]}"
        assert "longer than" in refused(commits.from_github, "ada/engine", base=base, bounds=commits.GitBounds(seconds=0.5))


@pytest.mark.sandbox
def test_a_repository_without_commits_is_one_sentence(tmp_path):
    git(tmp_path, "init", "-q")
    assert "no commits" in refused(gather, str(tmp_path))


@pytest.mark.sandbox
def test_a_folder_that_is_no_repository_is_one_sentence(tmp_path):
    assert "no repository" in refused(gather, str(tmp_path))


@pytest.mark.parametrize("name", ["", "ada", "ada/../x/y", "-u/x", "ada/en gine", "ada/engine;ls", "https://x/y", "ada/.."])
def test_a_name_that_is_none_of_githubs_is_one_sentence(name):
    assert "OWNER/NAME" in refused(gather, f"github:{name}")


@pytest.mark.sandbox
def test_a_repository_that_is_not_there_is_one_sentence(tmp_path):
    refused(gather, "github:ada/nothing", github=tmp_path.as_uri())


@pytest.mark.sandbox
def test_a_server_that_cannot_be_reached_is_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        base = f"https://127.0.0.1:{taken.getsockname()[1]}"
        assert "cannot be reached" in refused(commits.from_github, "ada/engine", base=base)


@pytest.mark.parametrize("subject", ["Merge branch 'x'", "bump to 2", "Release 1.2", "v2.0.1", "chore(deps): bump x", "docs: a word",
                                     "fix typo", "Update README.md", "WIP", "fixup! x", "", "Update dependencies"])
def test_housekeeping_is_no_idea(subject):
    assert commits.dull(subject)


@pytest.mark.parametrize("subject", ["Use Muon", "Merged QKV projection", "Versioned embeddings", "feat: rotary positions",
                                     "Linting loss with a smooth prior", "Cite better data", "build a trie of words"])
def test_an_idea_is_not_housekeeping(subject):
    assert not commits.dull(subject)


# ---- files -----------------------------------------------------------------------------------------------------

NOTES = """---
title: notes
---
# Ideas

## Warm-up
Start slowly.

Then faster.

## Only orders others

- [ ] Clip the gradients
  when they exceed one
- [x] Use Adam
* **Tie** the embeddings
1. Decay the learning rate

A paragraph that belongs to nobody.

```
- not an item
# not a heading
```
"""


def test_items_and_headings_with_their_paragraphs_become_ideas():
    got = [(idea.title, idea.text) for idea in ideas(NOTES, "file notes.md")]
    assert got == [("Warm-up", "Start slowly.\n\nThen faster."), ("Clip the gradients", "when they exceed one"),
                   ("**Tie** the embeddings", ""), ("Decay the learning rate", "")]


def test_a_file_is_read_and_named(tmp_path):
    (tmp_path / "notes.md").write_text(NOTES)
    got = gather(str(tmp_path / "notes.md"))
    assert {idea.source for idea in got} == {"file notes.md"} and len(got) == 4


@given(st.text())
def test_any_text_gives_bounded_ideas(text):
    for idea in ideas(text, "file x"):
        assert len(idea.title) <= TITLE and len(idea.text) <= TEXT


def test_no_more_than_asked_for_and_each_once(tmp_path):
    lines = ["- Raise the learning rate", "- a larger LR", "- Use Muon", "- Tie the embeddings"]
    (tmp_path / "x.md").write_text("\n".join(lines))
    assert [i.title for i in gather(str(tmp_path / "x.md"), 2)] == ["Raise the learning rate", "Use Muon"]


@pytest.mark.parametrize(("content", "word"), [
    (b"- an idea\n" * (1 << 17), "larger than"), (b"- x\0y", "no text"), (b"- \xff\xfe\xfa", "UTF-8"), (b"", "no ideas"),
    (b"only prose, and nothing in a list", "no ideas")])
def test_a_file_without_ideas_is_one_sentence(tmp_path, content, word):
    (tmp_path / "notes.md").write_bytes(content)
    assert word in refused(gather, str(tmp_path / "notes.md"))


def test_what_is_no_ordinary_file_is_one_sentence(tmp_path):
    os.mkfifo(tmp_path / "pipe", stat.S_IRUSR | stat.S_IWUSR)
    assert "no ordinary file" in refused(gather, str(tmp_path / "pipe"))


@pytest.mark.parametrize("source", ["", "  ", "missing.md", "a\0b", "x" * 5000])
def test_a_source_that_is_not_there_is_one_sentence(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(gather, source)


def test_none_cannot_be_asked_for():
    refused(gather, "arxiv:x", 0)


# ---- ideas as such ---------------------------------------------------------------------------------------------


def test_a_title_that_is_too_long_goes_on_in_the_text():
    idea = found("word " * 100, "and more", "person")
    assert len(idea.title) <= TITLE and idea.text.startswith("word word") and idea.text.endswith("and more")


def test_what_is_typed_has_its_title_in_the_first_line():
    assert written("Use Muon\nfor matrices") == found("Use Muon", "for matrices", "person")


@pytest.mark.parametrize("text", ["", "  \n ", "\x1b[0m", "x" * (1 << 20)])
def test_what_is_no_idea_is_one_sentence(text):
    refused(written, text)


def test_an_idea_as_large_as_allowed_is_cut():
    assert len(written("x" * MOST_SOURCE_CHARACTERS).text) <= TEXT


def test_what_has_no_title_is_left_out():
    assert distinct([found("", "text", "person"), found("Use Muon", "", "person")], 5) == [found("Use Muon", "", "person")]


@pytest.mark.sandbox
def test_the_packages_for_papers_are_loaded_only_when_papers_are_asked_for():
    code = "import sys, overnight.ideas.source; print(sorted({'arxiv', 'requests', 'lxml'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_heading_of_any_shape_is_read_in_a_moment():
    (idea,) = ideas("# a" + " #" * 100_000 + " " * 100_000 + "b ##\nwhy\n", "s")
    assert idea.title.startswith("a #") and not list(ideas("# a" + " " * 100_000 + "b", "s"))
