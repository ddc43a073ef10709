"""`overnight run --notify --hook` and `overnight doctor --notify`: real nights, a real service, real hooks."""

import base64
import json
import os
import time

import pytest

from conftest import home, overnight, sentence
from test_night_word_delivery import Service, down, hook, service, silent  # noqa: F401

NEEDS = "night"


def run(track, *words, **more):
    """A short night; what it printed. Fails unless it ended well."""
    done = overnight("run", track, "--experiments", 4, "--workers", 1, *words, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_night_sends_its_word_and_calls_its_hooks(little, service, tmp_path):  # noqa: F811
    there, got = service(), tmp_path / "got"
    hooked = hook(tmp_path, f"import sys, shutil; shutil.copyfileobj(sys.stdin, open({str(got)!r}, 'a'))")
    said = run(little, "--notify", there.url, "--hook", hooked)
    events = [json.loads(line) for line in got.read_text().splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["start", "end"]
    verdicts = [each for each in events if each["event"] == "verdict"]
    log = [json.loads(line) for line in overnight("log", little, "--json").stdout.splitlines()]
    assert [(e["experiment"], e["verdict"]) for e in sorted(verdicts, key=lambda e: e["experiment"])] == \
        [(e["id"], e["verdict"]["verdict"]) for e in log]
    assert [each["seq"] for each in events] == sorted(each["seq"] for each in events)
    last = there.got[-1][1]
    assert "the night has ended" in last["title"] and "the experiments are used up" in last["message"]
    assert base64.b64decode(last["attachments"][0]["base64"]).startswith(b"\x89PNG")
    assert "secret-token" not in said and "secret-token" not in everything(little)


def everything(track):
    """All that the track's state folder holds, as text."""
    return "".join(path.read_bytes().decode(errors="replace") for path in home(track).rglob("*") if path.is_file())


def test_services_that_are_down_or_silent_and_hooks_that_fail_are_notes_and_the_night_is_the_same(little, down, silent, tmp_path):  # noqa: F811
    bad, slow = hook(tmp_path, "raise SystemExit(3)", "bad"), hook(tmp_path, "import time; time.sleep(60)", "slow")
    began = time.monotonic()
    said = run(little, "--notify", down, "--notify", silent, "--hook", bad, "--hook", slow)
    assert time.monotonic() - began < 90
    assert "note: a message to json://… was not sent: it cannot be reached." in said and "note: the hook bad ended with status 3" in said
    assert "hook bad" not in overnight("log", little).stdout and "bad ended with status 3" in (home(little) / "hooks.log").read_text()
    assert len(overnight("log", little, "--json").stdout.splitlines()) == 4
    assert "secret-token" not in said + everything(little)


def test_hooks_and_addresses_of_the_users_configuration_are_taken(little, service, tmp_path):  # noqa: F811
    there, folder = service(), tmp_path / "config" / "overnight"
    (folder / "hooks").mkdir(parents=True)
    hook(folder / "hooks", f"open({str(tmp_path / 'called')!r}, 'w')")
    (folder / "notify").write_text(f"{there.url}\n")
    run(little, env=os.environ | {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert there.got and (tmp_path / "called").exists()


def test_hooks_of_the_repository_are_refused(little, tmp_path):
    inside = hook(little, "pass", "hook")
    said = sentence(overnight("run", little, "--hook", inside, "--experiments", 1))
    assert "lies in the repository" in said


@pytest.mark.parametrize(("words", "expected"), [
    (["--notify", "nosuch://secret"], "nosuch://… cannot be notified: apprise does not know such an address"),
    (["--notify", "secret"], "an address to notify is none of apprise's"),
    (["--morning", "7"], "is no time of day"), (["--morning", "07:00"], "there is nothing to send a summary to")])
def test_what_cannot_be_used_is_one_sentence_before_anything_runs(little, words, expected):
    said = sentence(overnight("run", little, *words, "--experiments", 1))
    assert expected in said and "secret" not in said


def test_doctor_sends_a_test_message(service, down):  # noqa: F811
    there = service()
    done = overnight("doctor", "--notify", there.url, "--notify", down)
    assert done.returncode == 2 and "this is a test" in there.got[0][1]["title"]
    assert "ok     notify: json://…: a test message was sent" in done.stdout and "wrong  notify: json://…: it cannot be reached" in done.stdout
    assert "secret-token" not in done.stdout + done.stderr
