"""Words from outside in every view: what a page is made of is UTF-8, steers no terminal and turns no direction of reading."""

import re

import msgspec
import pytest

from fakes import FakeWorld, Idea, Night
from overnight.audit.arithmetic import Estimate, Finding, Keep
from overnight.lab.events import Organised, Programmed
from overnight.lab.jobs import AddIdea
from overnight.untrusted import readable
from overnight.views import public
from overnight.views.compare import compare, side
from overnight.views.experiment import detail, experiment, history
from overnight.views.findings import findings
from overnight.views.headline import answers, headline
from overnight.views.ideas import ideas
from overnight.views.program import program
from overnight.views.team import team
from overnight.views.timeline import progress
from overnight.views.track import track

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
HOSTILE = [
    "\ud800", "\udfff", "a\ud83d", "\ude00b", "\ud83d\ude00", "\ud800" * 300, "\udc80surrogate escape", "x\ud800\n\nbody\udfff",
    "\x1b[31mred\x1b[0m", "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "\x9b31m", "\x1bP1$r\x1b\\",
    "\x1b[999999999C", "\x07" * 99, "\x00", "nul\x00nul", "\x08\x08\x08ok", "\x7f", "\x85", "\x0b\x0c", "\r\nreturn\r", "\rover",
    "\u202egnp.exe", "\u202d\u202e\u202c", "\u2066\u2067\u2068\u2069", "\u200e\u200f\u061c", "a\u202eb\u202cc", "\u202e" * 500,
    "\u2028line\u2029paragraph", "\ufeffmark", "\u200b\u200c\u200d", "\u00ad", "\ufffe\uffff", "\U000e0041\U000e007f", "\U0010ffff",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</textarea>", "<!--", "]]>", "&lt;", "{{7*7}}", "${7*7}", "javascript:0",
    "' OR 1=1 --", "../../etc/passwd", "%s%n%x", "=cmd|'/c'!A1", "`id`", "$(id)", "| table |\n|---|", "# heading\n* list", "[a](b)",
    "Z\u0335\u0321\u0322" * 60, "é" * 5000, "x" * 100_000, "日本語" * 400, "👩‍👩‍👧‍👦" * 90, "\t" * 400, "\n" * 400, "",
]


@pytest.fixture(scope="module")
def night():
    """A simulated night with a queue of ideas."""
    found = Night(FakeWorld(1, lambda lots: lots.choice((Idea(gain=2.0, correlation=0.9), Idea(), Idea(outcome="crash"))))).go(experiments=8)
    found._record(found.lab.hear(AddIdea("1-a", "an idea"), 99.0))
    assert found.lab.state.chain()
    return found


def test_there_are_sixty_of_them():
    assert len(HOSTILE) >= 60 and len(set(HOSTILE)) == len(HOSTILE)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_readable_text_is_utf_8_and_steers_nothing(text):
    read = readable(text)
    read.encode()
    assert not CONTROL.search(read) and readable(read) == read
    assert len(readable(text, 200)) <= 200 * 8 and (text.isascii() is False or len(readable(text, 200)) <= 200)


def spoiled(night, text):
    """The state of the night with this text wherever words come from outside."""
    state = night.lab.state
    for each in state.experiments.values():
        each.message, each.reason, each.researcher = text, text, text
    state.roles, state.researchers = {text: text}, (text,)
    for entry in state.ideas:
        entry.title = entry.text = entry.source = text
    return state


def views(night, state, text):
    """Every view of it."""
    chosen = state.chain()[0]
    events = [*night.events, Programmed(1.0, text, "s", "o", text), Organised(2.0, "t", {text: text}, text)]
    told, kept = history(state), findings(state)
    keep = Keep((chosen.id,), text, (chosen.commit,), 1.0, None, "x")
    yield from (told, kept, headline(track(state), kept), answers(track(state), kept), ideas(state), team(state), progress(told),
                program(events), compare(side(state, text), side(state, text, text)))
    yield from (experiment(state, chosen), detail(state, chosen, events, lambda name: text),
                public.experiment(state, chosen, events, lambda name: text))
    yield msgspec.structs.replace(kept, keeps=(msgspec.structs.replace(
        kept.keeps[0], reason=readable(Finding(keep, "holds", Estimate(1.0, (0.0, 2.0), 2), text).reason)),))


def texts(value):
    """All texts of a value, at whatever depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for key, each in value.items() for part in (key, each) for text in texts(part))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in texts(each))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_every_view_of_hostile_words_is_utf_8_json_and_steers_nothing(night, text):
    state = spoiled(night, text)
    for view in views(night, state, text):
        msgspec.json.encode(view).decode()
        bad = [each for each in texts(msgspec.to_builtins(view)) if CONTROL.search(each)]
        assert not bad, (type(view).__name__, bad[:3])
    assert all(len(each.title) <= 200 for each in history(state).experiments)
    assert all(len(keep.title) <= 200 * 8 for keep in findings(state).keeps)
