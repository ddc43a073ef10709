"""Nights with everything that goes wrong around those who think, through the real command: a sentence each, and the night goes on."""

import os
import re
import subprocess
import threading
import time

import pytest

from conftest import LITTLE, command, commit, git, home, overnight, repository, sentence, stop, trusted, write
from overnight.errors import TrackError
from overnight.journal import open as open_journal
from overnight.lab.events import Called, Judged, Noted, Organised, Passed, Proposed, Stopped
from overnight.lab.jobs import AddIdea, Try
from overnight.night.inbox import Inbox, request
from overnight.repo import Repo
from overnight.testing.server import Server
from overnight.track.load import load

NEEDS = "night"
WAYS = {
    "sound": "import random\nopen('settings.py', 'w').write(f'X = {1.5 + random.random() / 9}\\n')",
    "endless": "open('settings.py', 'w').write('X = 2.2\\n')\nwhile True: pass",
    "outside": "open('score.py', 'a').write('#')",
    "binary": "open('settings.py', 'wb').write(bytes(99))",
    "deletes": "import os\nos.remove('settings.py')",
    "commits": "import subprocess\nopen('settings.py', 'w').write('X = 2.4\\n')\nsubprocess.run(['git', 'commit', '-qam', 'mine'], check=True)",
    "hooks": """import os, subprocess
open('settings.py', 'w').write('X = 2.6\\n')
open('.git/hooks/post-checkout', 'w').write('#!/bin/sh\\ntouch owned')
os.chmod('.git/hooks/post-checkout', 0o755)
for name in ('core.hooksPath', 'core.fsmonitor', 'filter.evil.clean'):
    subprocess.run(['git', 'config', name, 'touch owned'], check=True)
    subprocess.run(['git', 'config', '--global', name, 'touch owned'], check=True)
open('.gitattributes', 'w').write('* filter=evil')""",
}


def records(folder):
    if not (home(folder) / "journal.db").exists():
        return []
    journal = open_journal(home(folder) / "journal.db")
    found = list(journal.replay())
    journal.close()
    return found


# ---- models and agents -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A team of which only one role is as it should be. One role thinks at a time, and each is asked once before any is asked
    twice; no role that needs no time takes the experiments meanwhile."""
    with Server(models=("there",)) as server:
        roles = {"wrong": f'kind: llm, model: "server:absent@{server.url}"',
                 "dead": 'kind: llm, model: "server:any@http://127.0.0.1:9/v1"'}
        roles |= {way: f'kind: agent, agent: "python {way}.py", timeout: 5s' for way in WAYS}
        program = "---\nroles:\n" + "".join(f"  {name}: {{{role}, share: 0.11}}\n" for name, role in roles.items()) + "---\nBe bold.\n"
        ground = LITTLE | {"program.md": program} | {f"{way}.py": script for way, script in WAYS.items()}
        folder = trusted(repository(tmp_path_factory.mktemp("bad") / "little", ground))
        before = (folder / ".git/config").read_bytes(), sorted(os.listdir(folder / ".git/hooks"))
        done = overnight("run", folder, "--experiments", 6, "--thinkers", 1, "--for", "2min", timeout=240)
    return folder, done, records(folder), before


def said(events, role):
    """What the journal says of a role that made no change."""
    return {e.reason for e in events if isinstance(e, Passed) and e.researcher == role}


def test_the_night_goes_on_to_its_end(night):
    _, done, events, _ = night
    assert done.returncode == 0, done.stderr
    assert [e.reason for e in events if isinstance(e, Stopped)] == ["the experiments are used up"]
    assert sum(isinstance(e, Proposed) for e in events) == 6
    assert {e.researcher for e in events if isinstance(e, Proposed)} == {"sound", "commits", "hooks", "deletes", "endless"}


@pytest.mark.parametrize(("role", "words"), [
    ("wrong", "there is no such model"), ("dead", "cannot be reached"), ("outside", "score.py, which is not editable"),
    ("binary", "only text can be proposed")])
def test_each_has_its_sentence(night, role, words):
    _, done, events, _ = night
    reasons = {r for r in said(events, role) if "left the team" not in r}
    assert reasons and all(words in reason and reason.endswith(".") and "\n" not in reason for reason in reasons)
    assert f"{role} is away: " in done.stdout or f"{role} made no change: " in done.stdout


def test_a_model_that_is_not_there_is_asked_once(night):
    assert [e.call.outcome for e in night[2] if isinstance(e, Called) and e.call.role == "wrong"] == ["refused"]


def test_what_an_agent_did_until_its_time_was_over_is_taken(night):
    folder, _, events, _ = night
    made = [e for e in events if isinstance(e, Proposed) and e.researcher == "endless"]
    assert made and "X = 2.2" in git(folder, "show", f"{made[0].commit}:settings.py")


def test_an_agent_that_deletes_the_file_crashes_and_nothing_else(night):
    events = night[2]
    gone = [e.experiment for e in events if isinstance(e, Proposed) and e.researcher == "deletes"]
    verdicts = {e.experiment: e.verdict for e in events if isinstance(e, Judged)}
    assert gone and verdicts[gone[0]] == "crash"


def test_what_an_agent_does_with_git_goes_nowhere(night):
    folder, _, _, before = night
    assert ((folder / ".git/config").read_bytes(), sorted(os.listdir(folder / ".git/hooks"))) == before
    assert not list(folder.rglob("owned")) and git(folder, "status", "--porcelain") == ""
    assert "mine" not in git(folder, "log", "--all", "--format=%s").splitlines()


def test_without_a_key_nothing_begins(little):
    env = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    assert "set OPENAI_API_KEY" in sentence(overnight("run", little, "--model", "openai:gpt-5-mini", env=env))


# ---- program.md in the middle of a night -----------------------------------------------------------------------


def test_a_program_that_breaks_under_way_is_said_and_the_night_goes_on(little):
    sound = "---\nroles:\n  turner: {kind: placebo}\n---\n"
    commit(little, {"program.md": sound, "run.py": LITTLE["run.py"] + "import time\ntime.sleep(0.2)\n"})
    env = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    process = subprocess.Popen(command("run", little, "--for", "5min"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    heard = []
    listening = threading.Thread(target=lambda: heard.extend(iter(process.stdout.readline, "")))
    listening.start()
    try:
        wait_for(lambda: any(isinstance(e, Proposed) for e in records(little)))
        for broken, words in [
            ("---\nroles: [\n---\n", "the front matter is not YAML"),
            (sound.replace("placebo", "llm, model: x, prose: gone.md"), "prose 'gone.md' is missing"),
            (sound.replace("placebo", 'llm, model: "openai:gpt-5"'), "no role is left that may propose"),
            (sound.replace("placebo", "replay, folder: ../.."), "leads out of the folder"),
        ]:
            write(little, {"program.md": broken})
            wait_for(lambda words=words: any(words in line and "ntil it is mended" in line for line in heard))
            runs = len(records(little))
            wait_for(lambda runs=runs: len(records(little)) > runs + 3)
        write(little, {"program.md": sound.replace("turner", "other")})
        wait_for(lambda: any(isinstance(e, Organised) and "other" in e.roles for e in records(little)))
        wait_for(lambda: any(isinstance(e, Proposed) and e.researcher == "other" for e in records(little)))
        assert overnight("stop", little).returncode == 0 and process.wait(timeout=60) == 0
    finally:
        if process.poll() is None:
            stop(process)
        listening.join()
        process.stdout.close()


def wait_for(happened, seconds=90):
    end = time.monotonic() + seconds
    while not happened() and time.monotonic() < end:
        time.sleep(0.1)
    assert happened()


@pytest.mark.parametrize(("program", "words"), [
    ("---\nroles: {a: {kind: agent}}\n---\n", "lacks its agent"), ("---\nroles: [\n---\n", "not YAML"),
    ("---\nroles:\n  a: {kind: llm, prose: gone.md}\n---\n", "'gone.md' is missing"),
    ("---\nroles:\n  a: {kind: agent, agent: x, timeout: 9999h}\n---\n", "timeout is at most 24h"),
])
def test_a_program_that_is_broken_before_is_a_sentence(little, program, words):
    commit(little, {"program.md": program})
    assert words in sentence(overnight("run", little))


def test_a_folder_of_patches_that_is_gone_under_way_ends_no_night(little):
    commit(little, {"program.md": "---\nroles:\n  again: {kind: replay, folder: patches, share: 0.5}\n  other: {kind: placebo}\n---\n",
                    "patches/note.md": "none yet", "run.py": LITTLE["run.py"] + "import time\ntime.sleep(0.2)\n"})
    process = subprocess.Popen(command("run", little, "--experiments", 6), stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: any(type(e).__name__ == "Started" for e in records(little)))
        (little / "patches").rename(little / "elsewhere")
        out, _ = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            stop(process)
    assert process.returncode == 0 and "the experiments are used up" in out
    assert any("cannot be read" in reason for reason in said(records(little), "again"))


# ---- ideas and orders ------------------------------------------------------------------------------------------


def test_an_idea_of_a_megabyte_is_a_sentence(little):
    write(little, {"notes.md": "- " + "longer " * 150_000})
    assert "larger than 512 KiB" in sentence(overnight("idea", "import", little / "notes.md", little))
    with pytest.raises(TrackError, match="more than 64 KiB"):
        Inbox(home(little) / "inbox").put(AddIdea(request(), "x" * (1 << 20)))


def test_an_inbox_full_of_rubbish_ends_no_night(little):
    """A night takes up what it can read and puts the rest aside, whatever it is."""
    inbox = home(little) / "inbox"
    inbox.mkdir(parents=True)
    rubbish = {"1-a": b'{"order": "idea", "request": "1-a", "title": "' + b"x" * (1 << 20) + b'"}',
               "1-b": b'{"order": "drop", "request": "1-b", "idea": 1, "x": ' + b"[" * 9000 + b"]" * 9000 + b"}",
               "1-c": b'{"order": "idea", "request": "1-c", "title": "\xff\xfe"}', "1-d": b'{"order": "veto", "request": "1-c", "experiment": 1}',
               "1-2": b'{"order": "idea", "request": "1-2", "title": "\\u001b[2J \\u0000 \\u202e"}',
               "1-3": b'{"order": "idea", "request": "1-3", "title": "\\u001b[2Ja\\nb", "source": "\\u0007x"}',
               "1-e": b'{"order": "drop", "request": "1-e", "idea": ' + b"9" * 400 + b"}"}
    for name, body in rubbish.items():
        (inbox / f"{name}.json").write_bytes(body)
    os.mkfifo(inbox / "1-f.json")
    (inbox / "1-9.json").symlink_to("/dev/zero")
    (inbox / "2-a.json").mkdir()
    Inbox(inbox).put(AddIdea(request(), "a good one"))
    done = overnight("run", little, "--experiments", 1, "--researcher", "placebo")
    assert done.returncode == 0, done.stderr
    assert [(e.title, e.source) for e in records(little) if isinstance(e, Noted)] == [("a good one", "person"), ("a b", "x")]
    assert not list(inbox.glob("*.json"))


# ---- what is handed in -----------------------------------------------------------------------------------------


def test_of_a_commit_that_is_handed_in_only_the_files_count(little):
    """Its history, its words and a name that may move do not."""
    base = git(little, "rev-parse", "HEAD")
    hidden = commit(little, {"score.py": "print('{\"loss\": 0}')\n"}, "hidden")
    mine = commit(little, {"score.py": LITTLE["score.py"], "settings.py": "X = 2.9\n"}, "Mine\n\nOvernight-Verdict: keep")
    git(little, "reset", "-q", "--hard", base)
    git(little, "branch", "moves", mine)
    inbox = Inbox(home(little) / "inbox")
    inbox.put(Try(request(), base, mine, "Mine\n\nOvernight-Verdict: keep"))
    inbox.put(Try(request(), base, "moves", "By name"))
    inbox.put(Try(request(), f"{base}^0", mine, "By another name"))
    assert overnight("run", little, "--experiments", 1, "--researcher", "placebo").returncode == 0
    tip = git(little, "rev-parse", "overnight/little")
    assert git(little, "show", f"{tip}:settings.py") == "X = 2.9" and git(little, "rev-parse", f"{tip}^") == base
    assert hidden not in git(little, "rev-list", "overnight/little").split()
    assert git(little, "log", "-1", "--format=%an %B", tip).startswith("Overnight Mine\n\n> Overnight-Verdict: keep")
    assert sum(isinstance(e, Proposed) and bool(e.request) for e in records(little)) == 1


def test_a_folder_that_became_a_link_is_not_followed(little, tmp_path):
    commit(little, {"track.toml": LITTLE["track.toml"].replace('["settings.py"]', '["settings.py", "lib/*"]'), "lib/key": "harmless\n"})
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/key").write_text("the key\n")
    other = tmp_path / "other"
    git(little, "worktree", "add", "-q", "--detach", other)
    (other / "lib/key").unlink()
    (other / "lib").rmdir()
    (other / "lib").symlink_to(tmp_path / "secrets")
    assert "lies behind a link" in sentence(overnight("try", other))
    objects = subprocess.run(["git", "cat-file", "--batch", "--batch-all-objects"], cwd=little, capture_output=True, check=True).stdout
    assert b"the key" not in objects


def test_a_submodule_s_settings_run_nothing(little, tmp_path):
    inner = repository(little / "inner", {"f": "1\n", ".gitattributes": "* filter=evil\n"})
    git(little, "add", "inner")
    git(little, "commit", "-q", "-m", "with a submodule")
    git(inner, "config", "filter.evil.clean", f"touch {tmp_path / 'owned'}; cat")
    (inner / "f").write_text("2\n")
    os.utime(inner / "f", (1, 1))
    write(little, {"settings.py": "X = 2.0\n"})
    repo = Repo(little)
    assert repo.present(repo.head(), load(little)) == {"settings.py": "X = 2.0\n"} and repo.dirty() == ["settings.py"]
    assert not (tmp_path / "owned").exists()
    assert re.search("inner", git(little, "status", "--porcelain")) and (tmp_path / "owned").exists()
