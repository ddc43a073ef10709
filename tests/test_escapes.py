"""What a contract and a program say never steers the terminal that it is shown on."""

import io
import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import CONTRACT, LITTLE, ROOT, home, overnight, repository
from fakes import CONTRACT as FAKE
from fakes import FakeWorld, Night
from overnight.report.live import Lines, Panel, Terminal
from overnight.untrusted import escaped, flat
from test_lab import better

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\n\x85\x7f"
TOLD = EVIL.encode("unicode_escape").decode().replace("\\x", "\\u00").replace("\\r", "\\u000d").replace("\\n", "\\u000a")
STEERS = [*"\x1b\x07\x9b\u202e\r\x85\x7f"]


def steers(text):
    return [sign for sign in STEERS if sign in text]


HOSTILE = CONTRACT.partition("[score]")[0] \
    .replace('name = "loss"', f'name = "lo{TOLD}ss"\nunit = "u{TOLD}"\nfrom = "output"\npattern = \'^loss: (\\S+)\'') \
    .replace('name = "little"', f'name = "little"\ngoal = "go{TOLD}al"') \
    .replace('"run.py"]', f'"run.py", "{TOLD}"]')
PROGRAM = "---\nroles:\n  tuner: {kind: knobs}\n---\n" + EVIL.replace("\r", "") + "\n"


@pytest.mark.night
def test_no_command_lets_a_contract_steer(tmp_path):
    run = "import settings\nprint('loss:', (settings.X - 3) ** 2)\n"
    folder = repository(tmp_path / "track", {**LITTLE, "track.toml": HOSTILE, "run.py": run, "program.md": PROGRAM})
    none, said = ("--sandbox", "none"), {}
    for words in (("check", ..., *none), ("trust", ...), ("run", ..., "--experiments", "1", *none), ("status", ..., "--all"), ("log", ...),
                  ("show", "1", ...), ("report", ...), ("brief", ...), ("idea", "add", f"{EVIL} an idea", ...), ("idea", "list", ...),
                  ("where", ...), ("status", ..., "--json"), ("log", ..., "--json"), ("brief", ..., "--json"),
                  ("trust", ..., "--json"), ("show", "1", ..., "--json"), ("idea", "list", ..., "--json")):
        said[words] = overnight(*(folder if word is ... else word for word in words))
    (folder / "settings.py").write_text("X = 2.5\n")
    said["try"] = overnight("try", folder, "-m", EVIL, "--by", "me", *none)
    for words, done in said.items():
        assert not steers(done.stdout + done.stderr), (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, (words, done.stderr)
    assert "owned[U+202E]  al" in said["status", ..., "--all"].stdout, said["run", ..., "--experiments", "1", *none]
    assert json.loads(said["status", ..., "--json"].stdout)["goal"] == "go]0;owned[U+202E]\n al"
    for file in (home(folder) / "report").iterdir():
        assert file.suffix == ".png" or not steers(file.read_text())


@pytest.mark.parametrize(("before", "after"), [
    ('name = "little"', f'name = "{TOLD}"'), ("worthwhile = 0.01", f'"x{TOLD}" = 1'), ("[run]", f'["{TOLD}"]\na = 1\n[run]'),
    ('direction = "minimize"', f'direction = "{TOLD}"'), ('timeout = "10s"', f'timeout = "{TOLD}"'), ("worthwhile = 0.01", EVIL),
    ('worthwhile = 0.01', f'from = "output"\npattern = "({TOLD}"'), ('["settings.py"]', f'["../{TOLD}"]'),
    ("[score]", f'[[guard]]\nmetric = "{TOLD}"\nat_most = "{TOLD}"\n[score]'), ("[score]", f'[[guard]]\nmetric = "{TOLD}"\n[score]')])
@pytest.mark.night
def test_no_error_lets_a_contract_steer(tmp_path, before, after):
    folder = repository(tmp_path / "track", LITTLE)
    (folder / "track.toml").write_text(CONTRACT.replace(before, after, 1), newline="")
    for words in (("check",), ("trust",)):
        done = overnight(*words, folder)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not steers(done.stderr[:-1]), done.stderr


@pytest.mark.parametrize("matter", [f'roles: ["{TOLD}"]', f'roles:\n  "a{TOLD}": {{kind: knobs}}', f'"{TOLD}": 1',
                                    f'roles:\n  a: {{kind: "{TOLD}"}}', f'roles:\n  a: {{kind: agent, agent: "{TOLD}"}}',
                                    f'roles:\n  a: {{kind: llm, model: "{TOLD}"}}', f'roles:\n  a: {{"{TOLD}": 1}}'])
@pytest.mark.night
def test_no_error_lets_a_program_steer(tmp_path, matter):
    folder = repository(tmp_path / "track", {**LITTLE, "program.md": f"---\n{matter}\n---\n"})
    done = overnight("run", folder, "--experiments", "1", "--sandbox", "none")
    assert done.returncode == 2 and not steers(done.stdout + done.stderr), done.stderr


@pytest.mark.parametrize("kind", [Lines, Panel])
def test_neither_the_panel_nor_the_lines_of_a_night_steer(kind):
    contract = FAKE.replace('name = "y"', f'name = "y{TOLD}"\nunit = "{TOLD}"')
    night = Night(FakeWorld(0, better, metric=f"y{EVIL}"), contract=contract).go(experiments=2)
    console = Terminal(file=io.StringIO(), width=200, force_terminal=kind is Panel)
    view = Panel(night.lab.state, console, [], None, 5) if kind is Panel else Lines(night.lab.state, console)
    events = [msgspec.structs.replace(e, reason=EVIL) if hasattr(e, "reason") else e for e in night.events]
    with view.screen:
        view(events)
    console.say(f"role {EVIL} stays out")
    text = console.file.getvalue()
    assert "y" in text and not [sign for sign in ("\x1b]0", "\x07", "\x1b[2J", "\x9b", "\u202e", "\x85", "\x7f") if sign in text]


def test_words_are_printed_in_one_place():
    for file in (ROOT / "src" / "overnight" / "cli").glob("*.py"):
        assert file.name == "base.py" or not re.search(r"click\.echo|\bConsole\(|\bprint\(", file.read_text()), file


@given(st.recursive(st.text() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_with_escapes_is_the_same_json(value):
    text = escaped(msgspec.json.encode(value).decode())
    assert json.loads(text) == value and text.isprintable()


def test_a_line_stays_one():
    assert flat("a\r\nb  c\x1b[31m\x85d") == "a b  c d"
