"""Words from strangers in every place of every page: nothing of them is markup, and none of them takes a page down.

They come as a journal that no night wrote, for a night cleans much of them before.
"""

import json
from types import SimpleNamespace

import msgspec
import pytest

from hostile_words import UNSEEN, WORDS
from overnight.errors import EditError
from overnight.lab import events
from overnight.lab.state import State
from overnight.track.program import Program
from overnight.views.experiment import History, detail, history
from overnight.views.program import Versions
from overnight.web.fragments import FRAGMENTS
from overnight.web.pages import PAGES
from overnight.web.seen import Seen
from pages_ground import Parts

OURS = {"lang", "charset", "name", "content", "rel", "href", "type", "src", "defer", "class", "id", "role", "tabindex", "hidden", "value"}
MADE = {"html", "head", "meta", "title", "link", "script", "body", "a", "header", "div", "span", "nav", "ul", "ol", "li", "p", "main", "footer",
        "h1", "h2", "h3", "section", "article", "svg", "path", "circle", "rect", "line", "text", "tspan", "figure", "figcaption", "table",
        "caption", "thead", "tbody", "tr", "th", "td", "form", "input", "select", "option", "button", "label", "textarea", "code", "pre", "b",
        "br", "dl", "dt", "dd", "em", "details", "summary", "progress", "noscript"}
PATCH = "--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-{0}\n+{0}{0}\n"
CONTRACT = """[track]
name = "hostile"
goal = {goal}
editable = ["train.py"]
[metric]
name = "loss"
direction = "minimize"
unit = {goal}
worthwhile = 0.01
[run]
command = ["python3", "train.py"]
[score]
command = ["python3", "score.py"]
[[guard]]
metric = "cpu_seconds"
at_most = "1.25x"
"""


ONE = next(each for each in PAGES if each.path.startswith("experiments/"))


class Records:
    """A journal in memory."""

    def __init__(self, told):
        self.told = told

    def replay(self, after=0):
        return iter(self.told[after:])


class Gone:
    """A repository that has nothing any more."""

    folder = "gone"

    def patch(self, base, commit):
        raise EditError("there is no such commit.")


def told(word):
    """A record in which a stranger wrote this wherever it can."""
    plain = word.encode(errors="replace").decode().replace("\0", "")  # what a contract and a diff can hold
    quoted = json.dumps(plain, ensure_ascii=False).replace("\x7f", "")
    yield events.Opened(1.0, "hostile", "a" * 40, CONTRACT.format(goal=quoted), key="k", branch=f"overnight/{plain[:40]}")
    yield events.Started(2.0, 2, word, "0", (word,), "id", {})
    yield events.Organised(3.0, "b" * 64, {word: word})
    yield events.Noted(4.0, 1, word, word, word)
    yield events.Noted(5.0, 2, word, word, "person")
    for run, seed in enumerate((11, 12, 13, 14, 15), 1):
        yield events.Measured(at=5.0 + run, run=run, experiment=0, commit="a" * 40, seed=seed, stage="calibrate", outcome="ok",
                              metrics={"loss": 1.0 + run / 100, "cpu_seconds": 1.0})
    for number, (ends, verdict) in enumerate((("crash", "crash"), ("ok", "discard"), ("ok", "keep"), ("foul", "foul")), 1):
        yield events.Proposed(at=20.0 + number, experiment=number, base=0, base_commit="a" * 40, commit=str(number) * 40,
                              researcher=plain, message=f"{plain}\n\n{plain}", patch=PATCH.format(plain), idea=1)
        yield events.Measured(at=30.0 + number, run=10 + number, experiment=number, commit=str(number) * 40, seed=11, stage="race",
                              outcome=ends, reason="" if ends == "ok" else word, log=f"{number}.log", sandbox=word,
                              metrics={"loss": 0.9, "cpu_seconds": 1.0} if ends == "ok" else {})
        yield events.Judged(40.0 + number, number, verdict, plain, 0.1 if ends == "ok" else None,
                            (0.05, 0.15) if ends == "ok" else None, 1 if ends == "ok" else 0, 0, 30.0, None, 0.05)
    yield events.Passed(50.0, word, 0, word)
    yield events.Faulted(51.0, "measure", word)
    yield events.Learnt(52.0, word, word)
    yield events.Ordered(53.0, "r-1", word, word)
    yield events.Dropped(54.0, 2, "r-2")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def seen(word, home):
    state, record = State(), list(told(word))
    for event in record:
        state.apply(event)
    session = SimpleNamespace(repo=Gone(), home=home, journal=Records(record), log=lambda name: word, program=Program(), begun=True,
                              look=lambda: state, watched=lambda: SimpleNamespace(program=Program(), text=word, written="", digest=""))
    known: History = history(state)
    versions = Versions()
    for event in record:
        versions.hear(event)

    def shelf(number, full):
        return detail(state, state.experiments[number], record, session.log)

    fields = {"name": "hostile", "state": state, "session": session, "full": True, "live": False, "now": 60.0, "seq": len(record),
              "head": "c" * 64, "names": ("hostile",), "book": lambda: known, "shelf": shelf,
              "told": lambda: versions, "once": lambda _key, made: made()}
    missing = {name: None for name in Seen.__dataclass_fields__ if name not in fields}
    return Seen(**fields, **missing)


@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
def test_words_of_strangers_are_words(word, home):
    view = seen(word, home)
    for path, asked in [(each, {}) for each in PAGES if "{" not in each.path] + [(ONE, {"number": str(n)}) for n in (1, 2, 3, 4)]:
        check(path.render(view, asked | {"q": word, "kind": word, "researcher": word, "cause": word}))
    for render in FRAGMENTS.values():
        check(render(view))


def check(text):
    text.encode()  # which a half of a pair would not let through
    assert not UNSEEN & set(text)
    parts = Parts(text)
    for tag, attributes in parts.elements:
        assert tag in MADE, tag
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc", "formaction", "autofocus")]
        assert (attributes.get("href") or "/").startswith(("/", "?", "#"))
        if tag == "script":
            assert attributes.get("type") == "application/json" or attributes["src"].startswith("/static/")
    for body in parts.scripts:
        assert not body.strip() or json.loads(body) is not None
    assert len(text) < 2_000_000


def test_the_sixty_words_are_all_different():
    assert len(set(WORDS)) == len(WORDS) >= 60
    assert msgspec.json.encode("x")  # the record itself is JSON
