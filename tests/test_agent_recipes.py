"""Recipes: those that are shipped, the user's own, and what a role may ask for."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as some

from overnight.errors import Away, TrackError
from overnight.researchers.agent import programs, recipes
from overnight.researchers.agent.gate import public, target
from overnight.track.roles import Role

SHIPPED = recipes.read(recipes.SHIPPED)


def role(agent, model=""):
    return Role("coder", "agent", agent=agent, model=model)


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode", "aider", "mini"])
def test_a_shipped_recipe_is_whole(name):
    recipe = SHIPPED[name]
    assert shlex.split(recipe.command)[0] == name and recipe.keys and recipe.hosts and recipe.note
    assert all(target(host)[1] == 443 for host in recipe.hosts)
    assert not recipe.home and not recipe.mounts


def test_the_model_of_a_role_goes_into_the_command():
    assert recipes.understood(role("claude", "anthropic:big"), SHIPPED).argv[-2:] == ("--model", "big")
    assert recipes.understood(role("opencode", "ollama:a:7b"), SHIPPED).argv[-1] == "ollama:a/7b"
    assert "--model" not in recipes.understood(role("claude"), SHIPPED).argv


def test_a_command_of_ones_own_gets_the_recipe_of_its_program_or_nothing():
    own = recipes.understood(role("claude -p --max-turns 9"), SHIPPED)
    assert own.argv == ("claude", "-p", "--max-turns", "9") and own.recipe == SHIPPED["claude"]
    assert recipes.understood(role("./tools/claude -p"), SHIPPED).recipe == recipes.Recipe()
    assert recipes.understood(role("/opt/bin/claude -p"), SHIPPED).recipe == recipes.Recipe()
    assert recipes.understood(role("acp:claude-agent-acp --x"), SHIPPED).recipe == SHIPPED["claude"]
    other = recipes.understood(role("mytool --file {brief}"), SHIPPED)
    assert other.recipe == recipes.Recipe() and recipes.way(other.recipe, {"ANTHROPIC_API_KEY": "k"}).allowed == {}


def test_acp_by_the_name_of_a_recipe():
    call = recipes.understood(role("acp:gemini"), SHIPPED)
    assert call.acp and call.argv == ("gemini", "--acp")


def test_only_what_is_named_is_passed_in():
    way = recipes.way(SHIPPED["claude"], {"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "no", "HOME": "/home/u"})
    assert way.env == {"ANTHROPIC_API_KEY": "k", **SHIPPED["claude"].fixed} and way.allowed == {("api.anthropic.com", 443): False}
    assert recipes.way(SHIPPED["claude"], {"OPENAI_API_KEY": "no"}) is None


@pytest.mark.parametrize("address, allowed, route", [
    ("http://127.0.0.1:11434", ("127.0.0.1", 11434), ("127.0.0.1:11434", "http://127.0.0.1:{port}")),
    ("http://gpu-box/v1?a=b", ("gpu-box", 80), ("gpu-box:80", "http://127.0.0.1:{port}/v1?a=b")),
    ("http://[::1]:8000/v1", ("::1", 8000), ("[::1]:8000", "http://127.0.0.1:{port}/v1")),
    ("https://llm.example.com/v1", ("llm.example.com", 443), None),
])
def test_a_server_of_the_users_is_allowed_wherever_it_lies(address, allowed, route):
    way = recipes.way(SHIPPED["aider"], {"OLLAMA_API_BASE": address})
    assert way.allowed[allowed] is True and way.routes.get("OLLAMA_API_BASE") == route
    assert way.env.get("OLLAMA_API_BASE") == (address if route is None else None)


@pytest.mark.parametrize("address", ["localhost:11434", "ftp://x", "http://", "http://u:p@x", "http://x:99999", "http://[x"])
def test_an_address_that_is_none_is_a_sentence(address):
    with pytest.raises(TrackError, match=r"\$OLLAMA_API_BASE cannot be used: .*\.$"):
        recipes.way(SHIPPED["aider"], {"OLLAMA_API_BASE": address})


@pytest.mark.parametrize("text", ["[mine]\ncomand = 'x'", "[mine", "[mine]\nhosts = ['*']", "[mine]\nhosts = ['http://x']", "mine = 3"])
def test_recipes_that_are_none_are_a_sentence(tmp_path, text):
    own = tmp_path / "overnight/recipes.toml"
    own.parent.mkdir()
    own.write_text(text)
    with pytest.raises(TrackError, match=r"recipes.toml holds no recipes: .*\.$"):
        recipes.load({"XDG_CONFIG_HOME": str(tmp_path)})


def test_a_recipe_of_ones_own_goes_before(tmp_path):
    own = tmp_path / ".config/overnight/recipes.toml"
    own.parent.mkdir(parents=True)
    own.write_text("[claude]\ncommand = 'claude --mine'\n")
    found = recipes.load({"HOME": str(tmp_path)})
    assert found["claude"].command == "claude --mine" and found["codex"] == SHIPPED["codex"]


@pytest.mark.parametrize("text, host, port", [("api.example.com", "api.example.com", 443), ("A.example.com:8443", "a.example.com", 8443),
                                              ("[::1]:80", "::1", 80), ("10.0.0.1:1", "10.0.0.1", 1)])
def test_targets(text, host, port):
    assert target(text) == (host, port)


@pytest.mark.parametrize("text", ["", "*", "*.example.com", "a:0", "a:65536", "a:b", "a b", "a/b", "user@a", "a:1:2", "::1", "a\n", "ä.de"])
def test_what_is_no_target(text):
    with pytest.raises(ValueError):
        target(text)


@given(some.ip_addresses())
def test_an_address_is_public_only_where_the_world_can_reach_it(address):
    assert not (public(str(address)) and (address.is_private or address.is_loopback or address.is_link_local
                                          or address.is_multicast or address.is_unspecified))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "::1", "::ffff:127.0.0.1",
                                     "fe80::1%eth0", "fd00::1", "100.64.0.1", "224.0.0.1"])
def test_addresses_that_are_not_the_worlds(address):
    assert not public(address)


def test_a_program_that_is_not_there():
    with pytest.raises(Away, match="not installed"):
        programs.found("no-such-program", "/usr/bin")


def test_a_program_in_a_circle_of_links(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name).symlink_to(other)
    with pytest.raises(Away):
        programs.found("a", str(tmp_path))
