"""What commands look like on narrow, dumb and old terminals, seen on a real one."""

import os
import pty
import re
import select
import subprocess
import termios

import pyte
import pytest

from conftest import LITTLE, command, overnight, repository
from overnight.report.folding import folded, short

NEEDS = "night"
OLD = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NONE = ("--sandbox", "none")
COLOUR = re.compile(r"\x1b\[[\d;]*(?:3\d|9\d|4\d)m")


def seen(columns, *words, **environ):
    """What a command leaves on a terminal of so many columns, line by line, and all that it wrote."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (200, columns))
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm-256color"} | environ
    process = subprocess.Popen(command(*words), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    wrote = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            wrote += os.read(ours, 1 << 16)
        except OSError:  # it has ended
            break
    os.close(ours)
    assert process.wait(10) == 0, wrote
    shown = pyte.Screen(columns, 200)
    pyte.ByteStream(shown).feed(wrote)
    return [line.rstrip() for line in shown.display if line.strip()], wrote.decode(errors="replace")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = repository(tmp_path_factory.mktemp("screens") / "little", LITTLE)
    lines, wrote = seen(60, "run", folder, "--experiments", "6", "--workers", "1", *NONE)
    return folder, lines, wrote


def words_of(text):
    return set(text.split())


def test_no_word_is_broken_where_a_screen_is_narrow(night, columns=40):
    for words in (["status", night[0]], ["log", night[0]], ["show", "1", night[0]]):
        whole = overnight(*words).stdout.partition("\ndiff --git")[0]
        lines = seen(columns, *words)[0]
        lines = lines[:next((i for i, line in enumerate(lines) if line.startswith("diff --git")), None)]
        long = {word for word in words_of(whole) if len(word) > columns // 2}  # a hash or a path: the terminal breaks it
        assert words_of(whole) - long <= words_of("\n".join(lines)), words
        assert max(map(len, lines)) <= columns


def test_a_live_view_leaves_keeps_and_its_end_in_whole_words(night):
    text = " ".join(" ".join(night[1]).split())
    assert " keep " in text and "ended: the experiments are used up" in text and "on branch overnight/little (unsandboxed)" in text
    assert COLOUR.search(night[2])


def test_a_dumb_terminal_has_plain_lines(night):
    dumb = seen(60, "run", night[0], "--experiments", "1", "--workers", "1", *NONE, TERM="dumb")[1]
    assert "\x1b" not in dumb and re.search(r"#\d+ (discard|keep)", dumb) and "keys:" not in dumb


def test_without_colour_and_in_an_old_locale_nothing_is_lost(night):
    text = seen(60, "run", night[0], "--experiments", "1", "--workers", "1", *NONE, NO_COLOR="1", **OLD)[1]
    assert not COLOUR.search(text) and " experiments - " in text and "?" not in re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", text)
    done = overnight("status", night[0], env={**os.environ, **OLD})
    assert done.returncode == 0 and " -> " in done.stdout and len(done.stdout.splitlines()) <= 7


def test_lines_are_broken_below_their_column():
    assert folded("ok     sandbox: what was found there", 24).split("\n") == ["ok     sandbox: what was", "       found there"]
    assert folded("a" * 30 + " b", 20) == "a" * 30 + "\nb" and folded("a b " * 20, 0) == "a b " * 20
    assert folded("  - one two three four five", 20) == "  - one two three\n  four five"
    assert short("one two three four five six seven eight nine ten", 20) == "one two three four\nfive six seven eight…"
