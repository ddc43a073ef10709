"""What tells agents how to work here: AGENTS.md, the skill, llms.txt. That it is well formed, true, and leads somewhere."""

import json
import re

import click
import pytest
from skills_ref import read_properties, validate

from conftest import ROOT
from overnight import __version__
from overnight.cli import main
from overnight.cli.base import COMMANDS
from overnight.cli.outside import STATUS
from overnight.track import init
from scripts import llms

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


# ---- what installs the skill ------------------------------------------------------------------------------------


def manifest(name):
    return json.loads((ROOT / ".claude-plugin" / f"{name}.json").read_text())


def test_the_plugin_is_this_version_of_the_skill():
    plugin = manifest("plugin")
    assert (plugin["name"], plugin["version"], plugin["license"]) == ("overnight", __version__, "MIT")
    assert (ROOT / plugin["skills"]).resolve() == SKILL.parent
    assert plugin["skills"].startswith("./")


def test_the_marketplace_has_the_plugin():
    market = manifest("marketplace")
    assert market["name"] and market["owner"]["name"]
    assert [(plugin["name"], plugin["source"]) for plugin in market["plugins"]] == [(manifest("plugin")["name"], "./")]


def test_skills_are_where_installers_look():
    """`npx skills` takes each folder below skills/ that has a SKILL.md, by the name in its head."""
    assert {read_properties(path.parent).name for path in ROOT.glob("skills/*/SKILL.md")} == {path.name for path in ROOT.glob("skills/*")}


# ---- what models read -------------------------------------------------------------------------------------------


def test_llms_txt_has_the_form_that_its_makers_ask_for():
    lines = PAGES["llms.txt"].splitlines()
    assert lines[0].startswith("# ") and next(line for line in lines[1:] if line).startswith("> ")
    listed = [line for line in lines if line.startswith("- ")]
    assert listed and all(re.fullmatch(r"- \[[^\]]+\]\([^)]+\): .+", line) for line in listed)


def test_llms_txt_lists_every_page():
    listed = set(llms.linked(PAGES["llms.txt"]))
    assert {f"docs/{path.name}" for path in ROOT.glob("docs/*.md")} - listed == set()


def test_all_pages_in_one_text_are_those_of_the_list():
    whole = llms.whole()
    assert re.findall(r"^<!-- (\S+) -->$", whole, re.MULTILINE) == llms.linked(PAGES["llms.txt"])
    assert all((ROOT / name).read_text().strip() in whole for name in llms.linked(PAGES["llms.txt"]))
