"""What tells agents how to work here: AGENTS.md, the skill, llms.txt. That it is well formed, true, and leads somewhere."""

import re

import click
import pytest
from skills_ref import read_properties, validate

from conftest import ROOT
from overnight.cli import main
from overnight.cli.base import COMMANDS
from overnight.cli.outside import STATUS
from overnight.track import init

SKILL = ROOT / "skills" / "overnight"
PAGES = {name: (ROOT / name).read_text() for name in ("AGENTS.md", "llms.txt", "skills/overnight/SKILL.md", "docs/agents.md")}
TEXTS = PAGES | {"program.md": init.program("x", "")}


def test_the_skill_is_one():
    assert validate(SKILL) == []
    assert read_properties(SKILL).name == "overnight"


def test_the_skill_fits_into_a_context():
    assert len(PAGES["skills/overnight/SKILL.md"].splitlines()) < 500


@pytest.mark.parametrize("name", PAGES)
def test_what_is_linked_to_is_there(name):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGES[name])
    place = ROOT if name == "skills/overnight/SKILL.md" else (ROOT / name).parent
    assert [link for link in links if not (place / link).exists()] == []


@pytest.mark.parametrize("name", TEXTS)
def test_commands_that_are_named_exist(name):
    named = set(re.findall(r"`(?:[^`\n]*\s)?overnight ([a-z]+)", TEXTS[name]))
    assert named and not {each for each in named if each not in COMMANDS}


def test_options_that_are_named_exist():
    for name in ("try", "brief", "mcp"):
        known = {option for parameter in main.get_command(click.Context(main), name).params for option in parameter.opts}
        said = {option for text in TEXTS.values() for line in re.findall(rf"overnight {name} ([^`\n]*)", text)
                for option in re.findall(r"(?<!\S)(--?[a-z]+)", line)}
        assert said <= known and (said or name == "brief"), name


@pytest.mark.parametrize("name", ["AGENTS.md", "docs/agents.md", "program.md", "skills/overnight/SKILL.md"])
def test_the_exit_statuses_are_those_of_the_command(name):
    said = {verdict: int(status) for status, verdict in re.findall(
        r"\b(\d+)(?: \| | )(keep|discard|crash|foul)\b", TEXTS[name])}
    assert said == STATUS
