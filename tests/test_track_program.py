"""program.md: the team in its front matter, the prose below, and what happens when it is edited at night."""

import os
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conftest import write
from overnight.errors import TrackError
from overnight.track.frontmatter import MOST_DEPTH, MOST_HEAD_CHARACTERS, MOST_WORDS
from overnight.track.program import MOST_PROGRAM_BYTES, MOST_ROLE_BYTES, Program, Watch, load, parse
from overnight.track.roles import KEYS, MOST_ROLES, PROPOSE, Role

TEAM = """\
---
roles:
  tuner:     {kind: knobs, share: auto}
  author:    {kind: llm, model: "openai:gpt-5-mini", prose: roles/author.md, share: 0.5}
  claude:    {kind: agent, agent: claude, timeout: 15min}
  scientist: {kind: scientist, below: 5}
  critic:    {kind: critic}
  standup:   {kind: standup, every: 10}
---
Go.
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with the whole team."""
    write(tmp_path, {"program.md": TEAM, "roles/author.md": "Write.\n"})
    return tmp_path


def roles(text):
    """The roles of front matter without its fences."""
    return parse(f"---\n{text}\n---\n").roles


def wrong(text):
    """The sentence with which a program is refused."""
    with pytest.raises(TrackError) as caught:
        parse(text)
    said = str(caught.value)
    assert said.startswith("program.md") and said.endswith(".") and "\n" not in said
    return said


def head(text):
    """The sentence with which front matter is refused."""
    return wrong(f"---\n{text}\n---\n")


def refused(path):
    """The sentence with which a file is refused."""
    with pytest.raises(TrackError) as caught:
        load(path)
    return str(caught.value)


# ---- what is read ----------------------------------------------------------------------------------------------


def test_a_folder_without_one_gets_the_default_team(tmp_path):
    assert load(tmp_path / "program.md").roles == (Role("knobs", "knobs"),)


def test_without_front_matter_all_is_prose():
    program = parse("# Do it\n\nwell\n")
    assert (program.roles, program.prose) == (Program().roles, "# Do it\n\nwell\n")


def test_the_front_matter_names_the_team(folder):
    program = load(folder / "program.md")
    assert program.prose == "Go.\n"
    assert program.roles == (
        Role("tuner", "knobs"), Role("author", "llm", "openai:gpt-5-mini", "Write.\n", 0.5),
        Role("claude", "agent", agent="claude", timeout=900.0), Role("scientist", "scientist", below=5),
        Role("critic", "critic"), Role("standup", "standup", every=10))
    assert program.researchers == ("tuner", "author", "claude")


def test_the_short_form_names_kinds():
    assert roles("researchers: [knobs, llm]") == (Role("knobs", "knobs"), Role("llm", "llm"))
    assert roles("researchers:\n- llm") == (Role("llm", "llm"),)


@pytest.mark.parametrize("text", ["---\n---\nGo.\n", "---\n# nothing yet\n---\nGo.\n", "---\n~\n---\nGo.\n"])
def test_front_matter_may_be_empty(text):
    assert (parse(text).roles, parse(text).prose) == (Program().roles, "Go.\n")


def test_front_matter_may_end_the_file():
    assert parse("---\nresearchers: [llm]\n---").researchers == ("llm",)


def test_lines_may_end_as_they_do_on_windows_below_its_mark(tmp_path):
    (tmp_path / "program.md").write_bytes(b"\xef\xbb\xbf---\r\nresearchers: [llm]\r\n---\r\nGo.\r\n")
    assert load(tmp_path / "program.md").researchers == ("llm",)
    assert load(tmp_path / "program.md").prose == "Go.\n"


def test_a_fence_further_down_is_prose():
    assert parse("Go.\n---\nx: 1\n---\n").prose == "Go.\n---\nx: 1\n---\n"


def test_words_stay_words_where_yaml_would_make_something_else_of_them():
    assert [role.name for role in roles("roles: {no: {kind: knobs}, on: {kind: llm, model: 1:30}}")] == ["no", "on"]
    assert roles("roles: {x: {kind: llm, model: 2024-01-01}}")[0].model == "2024-01-01"


def test_a_replay_names_a_folder_that_is_there(tmp_path):
    write(tmp_path, {"program.md": "---\nroles: {again: {kind: replay, folder: patches}}\n---\n", "patches/x.patch": ""})
    assert load(tmp_path / "program.md").roles == (Role("again", "replay", folder="patches"),)


def test_names_from_the_command_line_are_roles_or_kinds(folder):
    program = load(folder / "program.md")
    assert [role.kind for role in program.named(["tuner", "placebo"])] == ["knobs", "placebo"]
    with pytest.raises(TrackError, match=r"there is no researcher 'tunr' \(did you mean 'tuner'\?\)\.$"):
        program.named(["tunr"])
    with pytest.raises(TrackError, match="there is no researcher 'critic'"):
        program.named(["critic"])


# ---- what is refused -------------------------------------------------------------------------------------------


def test_front_matter_that_is_never_closed():
    assert wrong("---\nresearchers: []\n").startswith("program.md: the front matter opened by --- on line 1 is never closed: ")


def test_front_matter_in_toml():
    assert wrong('+++\nresearchers = ["knobs"]\n+++\n') == (
        "program.md (line 1): front matter is YAML now: write --- instead of +++, and below it for example "
        "researchers: [knobs].")


@pytest.mark.parametrize(("text", "said"), [
    ("researcher: [llm]", "(line 2): unknown key 'researcher' in the front matter (did you mean 'researchers'?)."),
    ("# team\n\nwords: x", "(line 4): unknown key 'words' in the front matter; known are roles, researchers."),
    ("researchers: llm", "(line 2): researchers is a list of kinds, like [knobs, llm]."),
    ("researchers: []", "(line 2): researchers is a list of kinds, like [knobs, llm]."),
    ("researchers: [[llm]]", "(line 2): researchers is a list of kinds, like [knobs, llm]."),
    ("researchers: [critic]", "(line 2): no role of the team proposes: add a role of one of the kinds knobs, llm, agent, "
                              "replay, placebo."),
    ("researchers:\n- llm\n- llm", "(line 4): there are two roles of the name 'llm': rename one of them."),
    ("researchers: [lmm]", "(line 2): there is no kind 'lmm' of role (did you mean 'llm'?)."),
    ("researchers: [agent]", "(line 2): the role 'agent' lacks its agent: write for example "
                             "`agent: {kind: agent, agent: claude}`."),
    ("roles: [llm]", "(line 2): roles is a mapping with a line for each, like `tuner: {kind: knobs}`."),
    ("roles:", "(line 2): roles is a mapping with a line for each, like `tuner: {kind: knobs}`."),
    ("roles: {a: {kind: llm}}\nresearchers: [llm]", "(line 2): the front matter has one key, roles or researchers: keep one "
                                                    "of them."),
    ("roles:\n  a: {}", "(line 3): the role 'a' has no kind: write for example `a: {kind: knobs}`."),
    ("roles:\n  a: llm", "(line 3): the role 'a' has no kind: write for example `a: {kind: knobs}`."),
    ("roles:\n  a: {kind: knob}", "(line 3): there is no kind 'knob' of role (did you mean 'knobs'?)."),
    ("roles:\n  a:\n    kind: llm\n    shar: 1", "(line 5): 'shar' says nothing to a role of kind llm (did you mean 'share'?)."),
    ("roles:\n  a: {kind: llm}\n  b: {kind: critic, share: .5}", "(line 4): 'share' says nothing to a role of kind critic; "
                                                                 "known are kind, model, prose, timeout."),
    ("roles:\n  a: {kind: llm}\n  a: {kind: llm}", "(line 4): 'a' is there twice: take one of them out."),
    ("roles:\n  a: {kind: llm, share: 0}", "(line 3): share is auto or a number above 0 and up to 1, like 0.5, not '0'."),
    ("roles:\n  a: {kind: llm, share: 1.5}", "(line 3): share is auto or a number above 0 and up to 1, like 0.5, not '1.5'."),
    ("roles:\n  a: {kind: llm, share: nan}", "(line 3): share is auto or a number above 0 and up to 1, like 0.5, not 'nan'."),
    ("roles:\n  a: {kind: llm, share: [1]}", "(line 3): share is one word or number, not a list or a mapping."),
    ("roles:\n  a: {kind: llm, share: .7}\n  b: {kind: knobs, share: .6}",
     "(line 4): with that of 'b' the shares come to 1.3: lower them to 1 in sum."),
    ("roles:\n  a: {kind: llm, share: 1}\n  b: {kind: knobs}",
     "(line 4): the shares of the others come to 1, which leaves nothing for 'b': lower one."),
    ("roles:\n  a: {kind: standup, every: 0}", "(line 3): every is a whole number from 1 to 100000, not '0'."),
    ("roles:\n  a: {kind: scientist, below: 2.5}", "(line 3): below is a whole number from 1 to 100000, not '2.5'."),
    ("roles:\n  a: {kind: agent, agent: x, timeout: soon}",
     "(line 3): 'soon' is not a duration: write it like 30s, 5min or 1h30m."),
    ("roles:\n  a: {kind: llm, model: ''}", "(line 3): model is one line of at most 200 characters."),
    ("roles:\n  a: {kind: replay}", "(line 3): the role 'a' lacks its folder: write for example "
                                    "`a: {kind: replay, folder: patches}`."),
    ("roles:\n  person: {kind: llm}", "(line 3): 'person' cannot be the name of a role: take at most 40 letters, digits, - and "
                                      "_, a letter first, and not person."),
    ("roles:\n  ../a: {kind: llm}", "(line 3): '../a' cannot be the name of a role: take at most 40 letters, digits, - and _, "
                                    "a letter first, and not person."),
    ("just words", "(line 2): the front matter names the team: write `researchers: [knobs]`, or `roles:` and roles below it."),
    ("roles:\n  a: {kind: llm\n", "(line 5): the front matter is not YAML: expected ',' or '}', but got '<stream end>'."),
    ("a: b: c", "(line 2): the front matter is not YAML: mapping values are not allowed here."),
    ("roles:\n  a\x00b", "(line 3): the front matter holds a character that YAML does not allow: take it out."),
    ("? [a]\n: b", "(line 2): a key is a word, followed by a colon."),
    ("a: 1\n--- b", "(line 3): the front matter is one document: take out the line that begins another."),
])
def test_each_mistake_is_one_sentence_with_its_line(text, said):
    assert head(text) == f"program.md {said}"


@pytest.mark.parametrize("text", [
    "a: &a [x]\nb: *a", "roles: !!python/object/apply:os.system [id]", "roles: !x y",
    "a: &a [l,l]\nb: &b [*a,*a]\nc: &c [*b,*b]"])
def test_nothing_is_multiplied_or_made(text):
    assert "anchors (&), aliases (*) and tags (!) are not read here: write it out." in head(text)


def test_front_matter_is_bounded():
    assert "nested too deeply or too long" in head("a: " + "[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1))
    assert "nested too deeply or too long" in head("a: " + "[" * 20_000)
    assert "nested too deeply or too long" in head("a: [" + "x," * MOST_WORDS + "]")
    assert "longer than 64 KiB" in head("# " + "x" * MOST_HEAD_CHARACTERS)
    many = "\n".join(f"  r{i}: {{kind: llm}}" for i in range(MOST_ROLES + 1))
    assert head(f"roles:\n{many}") == "program.md (line 2): there are 33 roles: a team has at most 32."


@pytest.mark.parametrize(("prose", "said"), [
    ("roles/missing.md", "is missing or no regular file"), ("roles", "is missing or no regular file"),
    ("../outside.md", "leads out of the folder"), ("/etc/passwd", "leads out of the folder"),
    (".overnight/x.md", "leads out of the folder of program.md or is hidden"), ("link.md", "leads out of the folder"),
    ("inner.md", "is no markdown file"), ("holdout.json", "is no markdown file"),
    ("binary.md", "cannot be read as text"), ("long.md", "is larger than 64 KiB"), ("fifo.md", "no regular file"),
    (f"{'x' * 5000}.md", "is missing or no regular file"), ("loop.md", "is"), ('"a\\0b.md"', "is no path"),
])
def test_a_role_s_file_lies_beside_the_program_as_it_seems_to(tmp_path, prose, said):
    write(tmp_path / "in", {"roles/a.md": "", "holdout.json": "{}", ".overnight/x.md": "secret", "binary.md": b"\xff\xfe",
                            "long.md": "x" * (MOST_ROLE_BYTES + 1),
                            "program.md": f"---\nroles:\n  a: {{kind: llm, prose: {prose}}}\n---\n"})
    write(tmp_path, {"outside.md": "secret"})
    for name, to in (("link.md", "../outside.md"), ("inner.md", "holdout.json"), ("loop.md", "loop.md")):
        os.symlink(to, tmp_path / "in" / name)
    os.mkfifo(tmp_path / "in/fifo.md")
    sentence = refused(tmp_path / "in/program.md")
    assert sentence.startswith(f"program.md (line 3): prose '{prose.split(chr(92))[0].strip(chr(34))[:200]}")
    assert said in sentence and sentence.endswith(".")


def test_a_replay_without_its_folder(tmp_path):
    write(tmp_path, {"program.md": "---\nroles: {again: {kind: replay, folder: patches}}\n---\n"})
    assert refused(tmp_path / "program.md") == "program.md (line 2): folder 'patches' is no folder: make it, or name another."


@pytest.mark.parametrize(("content", "said"), [
    (b"\xff\xfe\x00", "program.md cannot be read as text (invalid start byte): save it as UTF-8."),
    (b"x" * (MOST_PROGRAM_BYTES + 1), "program.md is larger than 1024 KiB: shorten it."),
])
def test_a_program_that_is_no_text_or_too_much(tmp_path, content, said):
    (tmp_path / "program.md").write_bytes(content)
    assert refused(tmp_path / "program.md") == said


def test_a_program_that_is_a_link_out(tmp_path):
    write(tmp_path, {"secret.md": "x", "in/a.md": ""})
    os.symlink("../secret.md", tmp_path / "in/program.md")
    assert refused(tmp_path / "in/program.md").startswith("program.md leads out of the folder")


# ---- its hash --------------------------------------------------------------------------------------------------


def test_the_hash_covers_every_text_and_nothing_else(folder):
    first = load(folder / "program.md").sha256
    assert re.fullmatch("[0-9a-f]{64}", first)
    write(folder, {"other.md": "x"})
    assert load(folder / "program.md").sha256 == first
    write(folder, {"roles/author.md": "Write well.\n"})
    second = load(folder / "program.md").sha256
    write(folder, {"program.md": TEAM + "\n"})
    assert len({first, second, load(folder / "program.md").sha256}) == 3


# ---- edited at night -------------------------------------------------------------------------------------------


def test_an_edit_is_seen_once(folder):
    watch = Watch(folder / "program.md")
    assert watch.look() is None
    write(folder, {"program.md": TEAM.replace("Go.", "Go on.")})
    found = watch.look()
    assert isinstance(found, Program) and found.prose == "Go on.\n" and watch.program == found
    assert watch.look() is None


def test_an_edit_of_a_role_s_file_is_seen(folder):
    watch = Watch(folder / "program.md")
    write(folder, {"roles/author.md": "Write better.\n"})
    assert isinstance(watch.look(), Program)
    assert watch.program.roles[1].prose == "Write better.\n"


def test_a_file_that_was_written_again_as_it_was_is_no_edit(folder):
    watch = Watch(folder / "program.md")
    write(folder, {"program.md": TEAM + " "})
    write(folder, {"program.md": TEAM})
    assert watch.look() is None


def test_a_broken_edit_keeps_the_program_and_says_so_once(folder):
    watch = Watch(folder / "program.md")
    write(folder, {"program.md": TEAM.replace("kind: llm", "kind: lmm")})
    said = watch.look()
    assert said == ("program.md (line 4): there is no kind 'lmm' of role (did you mean 'llm'?). Until it is mended, the night "
                    "goes on with the program as it was.")
    assert watch.look() is None
    write(folder, {"program.md": TEAM.replace("kind: llm", "kind: lmm").replace("Go", "So")})
    assert watch.look() is None, "the same mistake"
    assert watch.program.prose == "Go.\n"
    write(folder, {"program.md": TEAM.replace("Go", "So")})
    assert isinstance(watch.look(), Program)
    assert watch.program.prose == "So.\n"


def test_a_role_s_file_that_is_lost_and_found(folder):
    watch = Watch(folder / "program.md")
    write(folder, {"roles/author.md": None})
    assert "'roles/author.md' is missing" in watch.look()
    assert watch.look() is None
    write(folder, {"roles/author.md": "Write.\n"})
    assert watch.look() is None, "as it was"
    write(folder, {"roles/author.md": "Write!\n"})
    assert isinstance(watch.look(), Program)


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_program_that_vanishes_is_not_the_default_team(folder, content):
    watch = Watch(folder / "program.md")
    write(folder, {"program.md": content})
    assert watch.look().startswith("program.md is gone or empty.")
    assert watch.program.researchers == ("tuner", "author", "claude")
    write(folder, {"program.md": "Anew.\n"})
    assert watch.look().prose == "Anew.\n"


def test_a_program_that_is_written_later(tmp_path):
    watch = Watch(tmp_path / "program.md")
    write(tmp_path, {"program.md": "---\nresearchers: [placebo]\n---\n"})
    assert watch.look().researchers == ("placebo",)


# ---- properties ------------------------------------------------------------------------------------------------

WORDS = st.from_regex(r"[a-z][a-z0-9_-]{0,9}", fullmatch=True).filter(lambda name: name != "person")
PLAIN = {"share": st.one_of(st.just("auto"), st.floats(0.001, 0.02)), "every": st.integers(1, 99), "below": st.integers(1, 99),
         "model": st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20), "agent": WORDS,
         "timeout": st.integers(1, 99).map(lambda n: f"{n}s")}


@st.composite
def teams(draw):
    """Front matter as a person may write it: a name for each role, a kind, some of its keys."""
    found = {}
    for name in draw(st.lists(WORDS, min_size=1, max_size=8, unique=True)):
        kind = draw(st.sampled_from([k for k in KEYS if k != "replay"]))
        keys = [k for k in KEYS[kind] if k in PLAIN and (k == kind or draw(st.booleans()))]
        found[name] = {"kind": kind, **{key: draw(PLAIN[key]) for key in keys}}
    found["last"] = {"kind": "knobs"}
    return found


@given(teams(), st.text(st.characters(categories=["L", "P", "Zs"], include_characters="\n")), st.sampled_from([True, False, None]))
def test_a_team_is_read_as_it_was_written(team, prose, flow):
    program = parse(f"---\n{yaml.safe_dump({'roles': team}, default_flow_style=flow, allow_unicode=True, sort_keys=False)}---\n{prose}")
    assert program.prose == prose
    assert [(role.name, role.kind) for role in program.roles] == [(name, fields["kind"]) for name, fields in team.items()]
    for role, fields in zip(program.roles, team.values(), strict=True):
        assert role.share == (None if fields.get("share", "auto") == "auto" else fields["share"])
        assert all(str(getattr(role, key)) == str(value) for key, value in fields.items() if key in ("every", "below", "agent"))
        assert "model" not in fields or role.model == fields["model"].strip()
    assert program.researchers == tuple(name for name, fields in team.items() if fields["kind"] in PROPOSE)


@given(st.text(st.sampled_from("abroles: {}[],-\n&*!'\"#%|>.~0\t\r\u2028\x07é")))
def test_whatever_stands_between_the_fences_is_a_team_or_one_sentence(text):
    try:
        assert parse(f"---\n{text}\n---\n").researchers
    except TrackError as error:
        assert str(error).startswith("program.md") and str(error).endswith(".") and "\n" not in str(error)


@given(st.text())
def test_any_text_without_a_fence_is_its_own_prose(text):
    assert parse("." + text).prose == "." + text
