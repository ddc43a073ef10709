"""Patterns of a contract take a time that grows with the text alone."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from overnight.errors import TrackError
from overnight.execution.metrics import Invalid, self_reported
from overnight.patterns import LARGEST_PROGRAM, compiled
from overnight.referee.curves import Reader
from overnight.track.contact import numbers
from overnight.track.spec import Metric, covers, parse

SLOW = "^(a+)+$"
METRICS = ["val_bpb", "loss", "accuracy", "seconds", "f1", "ms"]  # the six names in what `init` writes here


def printed(pattern, pick="only"):
    return Metric("x", "minimize", source="output", pattern=pattern, pick=pick)


def seconds(call, *arguments):
    began = time.thread_time()
    call(*arguments)
    return time.thread_time() - began


def test_what_would_take_for_ever_costs_nothing():
    text = "a" * 60 + "!"
    assert seconds(compiled(SLOW).search, text) < 0.05
    assert seconds(Reader(f"{SLOW}|(x)").feed, text.encode() + b"\n") < 0.05
    with pytest.raises(Invalid, match="0 times"):
        self_reported(printed(SLOW), b"a" * 100_000 + b"!")


def test_matches_that_each_look_to_the_end_are_few():
    with pytest.raises(Invalid, match="10 or more times, not once"):
        self_reported(printed("(x)(?s:.*y)?"), b"x" * 130_000)


@pytest.mark.parametrize("pattern", ["(a?){200}" * 4, "(" * 400 + ")" * 400 + "a" * 600, "a" * 5000, "((a{100}){100}){10}", "(?i)" + "k" * 900])
def test_a_pattern_that_is_large_is_refused(pattern):
    with pytest.raises(TrackError, match="^the pattern "):
        compiled(pattern)


def test_the_largest_program_searches_the_largest_output_in_seconds():
    made = compiled("(a?){190}a{190}b(c)")
    assert LARGEST_PROGRAM // 2 < made.programsize <= LARGEST_PROGRAM
    assert seconds(made.search, "a" * (128 << 10)) < 10


@pytest.mark.parametrize("pattern", [r"(?<=a)(b)", r"(?=a)(b)", r"(a)\1", r"(?P<n>a)(?P=n)", r"(a)\Z", "(a++)", "(?>a)", r"(\u00e9)"])
def test_what_no_linear_search_can_do_is_one_sentence(pattern):
    with pytest.raises(TrackError, match=r"^the pattern cannot be searched in linear time \(.+\): write it without .+\.$"):
        compiled(pattern)


def test_a_repetition_that_means_something_else_is_refused():
    with pytest.raises(TrackError, match=re.escape("write {0,n} for {,n}.")):
        compiled("a{,5}")


@pytest.mark.parametrize("name", METRICS)
def test_the_patterns_that_init_writes_find_what_they_found(name):
    pattern = numbers.found(f"{name}: 1\n")[0].pattern
    for text in (f"{name}: 1.25\n", f"a\n{name} = -1e-3\r\nb", f"{name}:\t7", f"x{name}: 1", f"{name}: 1\n{name}: 2", ""):
        assert [m[1] for m in compiled(pattern, lines=True).finditer(text)] == re.findall(pattern, text, re.MULTILINE)


@pytest.mark.parametrize("file", sorted((ROOT / "tracks").glob("*/track.toml")), ids=lambda file: file.parent.name)
def test_the_patterns_of_the_ready_tracks_compile(file):
    parse(file.read_text())


PIECES = st.lists(st.sampled_from(["a", "b", ".", r"\d", r"\S", "[ab]", "(?:a|b)", "x*", "b+?", "a?", "^", "$", " "]), max_size=8)


@given(PIECES.map("".join), st.text("ab x1\n", max_size=20))
def test_a_pattern_finds_what_python_finds(pattern, text):
    try:
        theirs = re.compile(pattern, re.MULTILINE)
    except re.error:
        return
    found, mine = theirs.search(text), compiled(pattern, lines=True).search(text)
    assert (mine and mine.span()) == (found and found.span())


def test_globs_take_linear_time():
    assert seconds(covers, "*a" * 40 + "*b", "a" * 250) < 0.05
    assert seconds(covers, "**a" * 40 + "**b", "a/" * 2000) < 0.05
    assert seconds(covers, "**/" * 30 + "b", "a/" * 2000 + "c") < 0.05


@pytest.mark.parametrize("name", ["a{,b} #&~-x.py", "a b", "x" * 3000, "a$^()|+\\\n"])
def test_a_glob_s_letters_are_letters(name):
    assert covers(name, name) and not covers(name, f"{name}y")
    assert covers(f"{name[:100]}*", name) and not covers(f"{name[:100]}*", "a")


def test_a_name_in_another_encoding_can_be_covered():
    assert covers("data/*", "data/caf\udce9") and covers("data/*.txt", "data/café.txt") and not covers("a/*", "data/caf\udce9")
