"""Templates to HTML: the environment, and how numbers, times and words from outside are written.

Covered: all text is escaped; a name that a template lacks is an error and no gap; what cannot be encoded or seen is taken out
of every text that is put into a template, whatever view it comes from.
Not covered: markup that charts and changes bring along ready made, which their makers escape.
"""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import overnight
from overnight.report.svg.axes import fixed, odds
from overnight.report.svg.intervals import times
from overnight.report.svg.marks import WORDS, shape, verdict
from overnight.untrusted import clean, line, plain
from overnight.views.timeline import short_title
from overnight.views.track import duration

NAME, UNIT, TEXT = 60, 24, 20_000  # characters that are shown of a name, a unit and a text
LONG = 3600.0  # seconds of a track beyond which times are those of the day
MINUS = re.compile(r"(?<![\w.:/-])-(?=[.\d])")  # before a number


def html(template: str, **known: object) -> str:
    """A template filled in. What no UTF-8 can hold is replaced, so that one record never takes the whole page."""
    return environment().get_template(template).render(**known).encode("utf-8", "replace").decode()


@functools.cache
def environment() -> Environment:
    """The templates, with their filters."""
    made = Environment(loader=PackageLoader("overnight.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True, finalize=_seen)
    made.filters.update(signed=signed, plainly=plainly, odds=odds, said=said, title=short_title, name=name, unit=unit,
                        text=text, lasted=duration, minutes=minutes, capital=capital, data=data, count=count)
    made.globals.update(version=overnight.__version__, words=WORDS, times=times, shape=_marked(shape), verdict=_marked(verdict))
    return made


def _marked(draw: Callable[..., str]) -> Callable[..., Markup]:
    """A function that makes markup, for templates."""
    return lambda *given: Markup(draw(*given))


def _seen(value: Any) -> Any:
    """Any plain text without what cannot be seen or encoded."""
    return clean(value) if type(value) is str and not value.isprintable() else value


# ---- numbers ---------------------------------------------------------------------------------------------------


def signed(value: float | None, places: int = 3) -> str:
    """A difference with its sign and so many decimals; an en dash where there is none, 0 where it is too small to show."""
    return fixed(_rounded(value, places), places).lstrip("+" * (not _rounded(value, places)))


def plainly(value: float | None, places: int = 3) -> str:
    """A number with so many decimals; an en dash where there is none."""
    return fixed(value, places, sign=False)


def _rounded(value: float | None, places: int) -> float | None:
    return 0.0 if value is not None and abs(value) < 0.5 * 10.0 ** -places else value


def count(value: int) -> str:
    """A whole number, with commas between its thousands."""
    return f"{value:,}"


def minutes(seconds: float | None) -> str:
    """A span as a clock shows it: 0:49, or 3:07:12."""
    if seconds is None:
        return "–"
    whole = int(max(0.0, seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def moment(at: float, began: float, last: float) -> str:
    """When something was: since the beginning of a track that is younger than an hour, else by this machine's clock."""
    if last - began < LONG:
        return minutes(at - began)
    then = datetime.fromtimestamp(at)
    return then.strftime("%H:%M" if last - began < 20 * LONG else "%d %b %H:%M")


def stamp(at: float) -> str:
    """A moment in full, by this machine's clock."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


# ---- words -----------------------------------------------------------------------------------------------------


def said(sentence: str) -> str:
    """A sentence of ours with true minus signs."""
    return MINUS.sub("−", sentence)


def capital(words: str) -> str:
    """Words as the beginning of a sentence."""
    return words[:1].upper() + words[1:]


def name(words: str) -> str:
    """A name from outside as one line."""
    return line(words, NAME)


def unit(words: str, before: str = " ") -> str:
    """The metric's unit behind a number, or nothing."""
    shown = line(words, UNIT)
    return before + shown if shown else ""


def text(words: str) -> str:
    """A text from outside, bounded."""
    return plain(words, TEXT)


def data(value: object) -> Markup:
    """A value as JSON within a script element, which it cannot close."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()
    return Markup(body.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
