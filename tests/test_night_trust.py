"""What a track wants beyond its repository is granted once, by its user, and asked again when it changes."""

import json
import os
import pty
import subprocess
import time
import venv

import pytest

from conftest import LITTLE, command, commit, git, home, overnight, repository, sentence, write
from overnight.errors import TrackError
from overnight.night import needs, trust
from overnight.night.session import Session
from overnight.repo import Repo
from overnight.track import spec
from overnight.track.roles import Role

NEEDS = "night"
ONE = ("--experiments", 1, "--researcher", "placebo", "--workers", 1)


def with_run(folder, line, **files):
    """The little track with another line in [run]."""
    return repository(folder, LITTLE | {"track.toml": LITTLE["track.toml"].replace("[run]\n", f"[run]\n{line}\n")} | files)


def wants(folder):
    """What a track says it wants."""
    return json.loads(overnight("trust", folder, "--json").stdout)["wants"]


# ---- what needs no grant -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ['data = ["notes"]', 'network = "loopback"', 'python = "/usr/bin/python3"', ""])
def test_what_a_sandbox_holds_and_a_repository_brings_is_free(tmp_path, line):
    folder = with_run(tmp_path / "little", line, **{"notes/a.txt": "x"})
    assert wants(folder) == [] and "nothing to grant" in overnight("trust", folder).stdout


def test_a_virtual_environment_of_the_repository_that_git_does_not_track_is_free(tmp_path):
    folder = with_run(tmp_path / "little", 'python = ".venv"', **{".gitignore": ".venv\n"})
    venv.create(folder / ".venv", with_pip=False)
    assert wants(folder) == []


def test_one_that_git_tracks_is_not(tmp_path):
    folder = with_run(tmp_path / "little", 'python = ".venv"')
    venv.create(folder / ".venv", with_pip=False)
    git(folder, "add", "-fA"), git(folder, "commit", "-qm", "with an environment")
    assert any(str(folder / ".venv") in need for need in wants(folder))


def test_an_environment_in_the_repository_wants_nothing_where_its_user_made_it_of_a_python_that_a_tool_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(needs, "MANAGED", (str(tmp_path / "managed"),))
    for base in ("managed", "elsewhere"):
        write(tmp_path / base / "cpython", {"bin/python3": "", "lib/python3.11/os.py": ""})
        (tmp_path / base / "cpython/bin/python3").chmod(0o755)
    folder = repository(tmp_path / "little", LITTLE)
    repo = Repo(folder)
    write(folder, {".venv/pyvenv.cfg": "home = x\n", ".venv/bin/activate": ""})
    python = folder / ".venv/bin/python"
    python.symlink_to(tmp_path / "managed/cpython/bin/python3")
    assert needs.of_environment(".venv", repo) == []
    git(folder, "add", "-fA"), git(folder, "commit", "-qm", "with an environment")
    assert str(tmp_path / "managed/cpython") in needs.of_environment(".venv", repo)
    git(folder, "rm", "-rq", "--cached", ".venv"), git(folder, "commit", "-qm", "without")
    python.unlink(), python.symlink_to(tmp_path / "elsewhere/cpython/bin/python3")
    assert needs.of_environment(".venv", repo) == [str(tmp_path / "elsewhere/cpython")]


def test_models_that_the_user_types_are_free_and_those_of_the_program_are_not():
    typed, named = Role("a", "llm"), Role("b", "llm", model="server:m@http://10.0.0.5:8000/v1")
    assert list(needs.of_roles([typed], {})) == []
    assert list(needs.of_roles([named], {})) == [
        "the role 'b' sends briefs, which hold the files that may be edited, to 10.0.0.5:8000"]


# ---- what does -----------------------------------------------------------------------------------------------------


def test_data_outside_the_repository_are_refused_until_they_are_granted_once(tmp_path):
    write(tmp_path / "words", {"a.txt": "x"})
    folder = with_run(tmp_path / "little", 'data = ["../words"]')
    for words in (("check",), ("run", *ONE), ("audit",)):
        said = sentence(overnight(words[0], folder, *words[1:]))
        assert f"candidates and the scorer read {tmp_path / 'words'}" in said and "overnight trust" in said
    assert not (home(folder) / "journal.db").exists()
    assert "not granted" in overnight("trust", folder).stderr and "+ not granted yet" in overnight("trust", folder).stdout
    assert overnight("trust", folder, "--yes").returncode == 0 and "= granted" in overnight("trust", folder).stdout
    assert overnight("check", folder).returncode == 0 and overnight("run", folder, *ONE).returncode == 0


def test_a_change_is_asked_again_with_the_difference_and_a_need_less_is_not(tmp_path):
    write(tmp_path, {"one/a": "x", "two/a": "x"})
    folder = with_run(tmp_path / "little", 'data = ["../one"]')
    overnight("trust", folder, "--yes")
    commit(folder, {"track.toml": (folder / "track.toml").read_text().replace('["../one"]', '["../one", "../two"]')})
    said = overnight("trust", folder).stdout
    assert f"= granted: candidates and the scorer read {tmp_path / 'one'}" in said
    assert f"+ not granted yet: candidates and the scorer read {tmp_path / 'two'}" in said
    assert "two" in sentence(overnight("check", folder))
    commit(folder, {"track.toml": (folder / "track.toml").read_text().replace('["../one", "../two"]', "[]")})
    assert overnight("check", folder).returncode == 0


def test_a_folder_that_becomes_a_link_is_another_need(tmp_path):
    write(tmp_path, {"words/a": "x", "secret/a": "x"})
    folder = with_run(tmp_path / "little", 'data = ["../words"]')
    overnight("trust", folder, "--yes")
    (tmp_path / "words").rename(tmp_path / "were")
    (tmp_path / "words").symlink_to(tmp_path / "secret")
    assert str(tmp_path / "secret") in sentence(overnight("check", folder))


def test_a_link_within_the_repository_that_leads_out_is_no_data_of_the_repository(tmp_path):
    write(tmp_path, {"secret/a": "x"})
    folder = with_run(tmp_path / "little", 'data = ["notes"]')
    (folder / "notes").symlink_to(tmp_path / "secret")
    commit(folder, {})
    assert str(tmp_path / "secret") in sentence(overnight("check", folder))


@pytest.mark.parametrize("line", ['data = ["/"]', 'data = ["/proc"]', 'data = ["/proc/self/environ"]', 'data = ["/dev/null"]',
                                  'python = "/proc/self/environ"', 'python = "/etc/hostname"', 'python = "score.py"',
                                  'data = ["no\\\\u0000thing"]', 'data = ["~nobody-of-that-name/x"]', 'data = ["loop"]',
                                  'python = "~nobody-of-that-name/x"', 'data = ["a\\u0000b"]',
                                  f'data = ["{"x" * 5000}"]', f'python = "{"x" * 5000}"'])
def test_what_is_no_data_and_no_interpreter_nobody_is_asked_about(tmp_path, line):
    folder = with_run(tmp_path / "little", line)
    (folder / "loop").symlink_to("loop")
    for word in ("check", "trust"):
        assert "[run]" in sentence(overnight(word, folder))


def test_what_would_open_the_states_of_tracks_is_refused_before_it_is_granted(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home/.local/state"))
    write(tmp_path / "home", {"notes": "x"})
    folder = with_run(tmp_path / "little", 'data = ["../home"]')
    assert "would open" in sentence(overnight("trust", folder, "--yes"))


def test_what_init_wrote_is_granted_as_it_was_written(tmp_path):
    folder = repository(tmp_path / "mine", {"train.py": "loss = 1.0\nprint(f'loss: {loss}')\n"})
    venv.create(folder / ".venv", with_pip=False)
    (folder / ".git/info/exclude").write_text(".venv\n")
    assert overnight("init", folder).returncode == 0
    assert json.loads(overnight("trust", folder, "--json").stdout)["missing"] == []


def test_a_grant_that_was_tampered_with_is_none(tmp_path):
    write(tmp_path, {"words/a": "x"})
    folder = with_run(tmp_path / "little", 'data = ["../words"]')
    overnight("trust", folder, "--yes")
    path = home(folder) / "trust.json"
    path.write_text(path.read_text().replace("words", "worde"))
    assert "not granted" in sentence(overnight("check", folder))


def test_a_terminal_is_asked_and_an_answer_is_kept(tmp_path):
    write(tmp_path, {"words/a": "x"})
    folder = with_run(tmp_path / "little", 'data = ["../words"]')
    assert _typed("n\n", "check", folder)[0] == 2
    status, said = _typed("y\n", "check", folder)
    assert status == 0 and "Grant what is marked +?" in said
    assert overnight("check", folder).returncode == 0


def _typed(answer, *arguments):
    """Exit status and output of a command at a terminal, with something typed."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command(*arguments), stdin=slave, stdout=slave, stderr=slave, close_fds=True)
    os.close(slave)
    os.write(master, answer.encode())
    said = b""
    try:
        while chunk := os.read(master, 65536):
            said += chunk
    except OSError:  # the other side is gone
        pass
    os.close(master)
    return process.wait(timeout=60), said.decode()


# ---- roles in the middle of a night ----------------------------------------------------------------------------------


def test_a_host_that_appears_in_the_program_during_a_night_stays_out_and_the_night_goes_on(little):
    sound = "---\nroles:\n  turner: {kind: placebo}\n---\n"
    commit(little, {"program.md": sound, "run.py": LITTLE["run.py"] + "import time\ntime.sleep(0.2)\n"})
    process = subprocess.Popen(command("run", little, "--for", "5min"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until = time.monotonic() + 90
    while not (home(little) / "journal.db").exists() and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(1)
    write(little, {"program.md": sound.replace("---\n", '---\n', 1).replace(
        "\n---\n", '\n  spy: {kind: llm, model: "server:m@http://127.0.0.1:9/v1"}\n---\n')})
    said = ""
    while "stays out" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    assert "the role 'spy' sends briefs" in said and "127.0.0.1:9" in said
    assert overnight("stop", little).returncode == 0 and process.wait(timeout=60) == 0
    process.stdout.close()


# ---- pure --------------------------------------------------------------------------------------------------------------


def test_needs_that_look_alike_are_not_the_same():
    """What is cleaned or cut for the eye must not let one need pass for another."""
    shown = {needs._need(f"reads /a/{name}") for name in ("b", "b\u200b", "b\x1b[0m", "b\n", "b" * 1000, "b" * 1001)}
    assert len(shown) == 6 and all(text.isprintable() for text in shown)


@pytest.mark.git
def test_a_host_of_letters_that_look_like_others_is_told_and_so_is_the_server_s_key():
    role = Role("b", "llm", model="server:m@http://\u0430pi.com/v1")
    assert next(needs.of_roles([role], {})).endswith("to xn--pi-6kc.com")
    with pytest.raises(TrackError, match="no host"):
        next(needs.of_roles([Role("b", "llm", model="server:m@http://" + "\u0430" * 100)], {}))
    mine = {"OVERNIGHT_MODEL_URL": "http://10.0.0.5/v1", "OVERNIGHT_MODEL_KEY": "k"}
    assert next(needs.of_roles([Role("b", "llm", model="server:m")], mine)).endswith("10.0.0.5, with $OVERNIGHT_MODEL_KEY")


def test_an_agent_by_its_path_gets_no_key():
    environ = {"ANTHROPIC_API_KEY": "k", "HOME": "/nowhere"}
    (free,) = needs.of_roles([Role("a", "agent", agent="./tools/claude -p")], environ)
    (known,) = needs.of_roles([Role("a", "agent", agent="claude")], environ)
    assert "KEY" not in free and "without a network" in free
    assert "$ANTHROPIC_API_KEY" in known and "api.anthropic.com:443" in known


def test_the_gpus_are_asked_about(little):
    contract = spec.parse(LITTLE["track.toml"].replace("[run]\n", "[run]\ngpus = true\n"))
    assert [need for need in needs.of_contract(contract, Session(little).repo) if "GPU" in need]


def test_the_one_sentence_names_the_first_and_counts_the_rest(tmp_path):
    with pytest.raises(TrackError, match=r"a \(and 1 more\). `overnight trust` at a terminal"):
        trust.Trust(tmp_path).require(["b", "a"])
