"""Whole nights in which models think: a team in program.md, a scripted server on loopback, the real command."""

import json
import re
import subprocess
import threading
import time

import pytest

from conftest import LITTLE, command, commit, home, overnight, repository, sentence, stop, write
from overnight.contracts import Change
from overnight.journal import open as open_journal
from overnight.testing.server import Server
from said import said

NEEDS = "night"


def change(messages, x, title="X is set"):
    """An answer that sets X to a number on whatever the page shows."""
    before = re.findall(r"^X = .*$", messages[1]["content"], re.MULTILINE)[-1] + "\n"
    return said(Change({"settings.py": f"X = {x}\n"}, f"{title}\n\nA rehearsal."), {"settings.py": before})


def purpose(messages):
    """Which prompt a request came with."""
    return next(name for name in ("critic", "scientist", "standup", "author") if PROMPTS[name] in messages[0]["content"])


def prompts():
    from overnight.researchers.llm.client import text
    return {name: text(name)[:60] for name in ("critic", "scientist", "standup", "author")}


PROMPTS = prompts()


def records(folder, *kinds):
    journal = open_journal(home(folder) / "journal.db")
    found = [e for e in journal.replay() if type(e).__name__.lower() in kinds]
    journal.close()
    return found


def program(*roles):
    return "---\nroles:\n" + "".join(f"  {role}\n" for role in roles) + "---\nSmall steps.\n"


class Mind:
    """A scripted model that remembers what it was asked."""

    def __init__(self, **answers):
        self.answers, self.heard, self.lock = answers, [], threading.Lock()

    def __call__(self, messages):
        kind = purpose(messages)
        with self.lock:
            self.heard.append((kind, messages))
            count = sum(k == kind for k, _ in self.heard)
        return self.answers[kind](messages, count)

    def asked(self, kind):
        return [messages for k, messages in self.heard if k == kind]


def run(folder, server, *more, **options):
    return overnight("run", folder, "--model", f"server:r@{server.url}", "--price", "1,4", *more, **options)


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """A night of a whole team; only to look at. The critic sends the first change back."""
    folder = repository(tmp_path_factory.mktemp("team") / "little", LITTLE | {
        "roles/author.md": "You like odd numbers.\n", "roles/critic.md": "You are kind.\n",
        "program.md": program("author: {kind: llm, prose: roles/author.md}", "newton: {kind: scientist, below: 1}",
                              "critic: {kind: critic, prose: roles/critic.md}", "standup: {kind: standup, every: 4}")})
    mind = Mind(author=lambda m, n: change(m, 1 + n / 8), critic=lambda m, n: "SEND BACK: be bolder" if n == 1 else "FINE",
                scientist=lambda m, n: f"IDEA: try the {n}th prime for X\nIt may fit.\n",
                standup=lambda m, n: "- X near three is best.\n")
    with Server(mind) as server:
        done = run(folder, server, "--experiments", 14, "--thinkers", 1)
        tally = server.tally
    assert done.returncode == 0, done.stderr
    return folder, mind, tally, done.stdout


def test_every_call_is_in_the_journal_with_what_it_cost(team):
    folder, _, tally, _ = team
    calls = [e.call for e in records(folder, "called")]
    assert len(calls) == tally.requests and sum(c.tokens_in for c in calls) == tally.tokens_in
    assert sum(c.tokens_out for c in calls) == tally.tokens_out
    assert sum(c.dollars for c in calls) == pytest.approx(tally.dollars)
    assert {c.role for c in calls} == {"author", "newton", "critic", "standup"}
    models = json.loads(overnight("status", folder, "--json").stdout)["models"]
    assert sum(use["tokens_in"] + use["tokens_out"] for use in models.values()) == tally.tokens_in + tally.tokens_out


def test_an_experiment_knows_what_it_cost(team):
    folder, _, _, _ = team
    log = [json.loads(line) for line in overnight("log", folder, "--json").stdout.splitlines()]
    assert all(e["model"]["calls"] >= 2 and e["model"]["dollars"] > 0 for e in log)  # its author's and its critic's


def test_the_critic_sends_a_change_back_once_and_decides_nothing(team):
    folder, mind, _, _ = team
    again = [m for m in mind.asked("author") if "be bolder" in json.dumps(m)]
    assert len(again) == 1 and len(records(folder, "proposed")) == 14
    assert len([e for e in records(folder, "called") if e.call.purpose == "critic"]) == len(mind.asked("critic")) >= 14


def test_the_scientists_ideas_are_tried_and_shown_with_what_came_of_them(team):
    folder, mind, _, _ = team
    ideas = [json.loads(line) for line in overnight("idea", "list", folder, "--json").stdout.splitlines()]
    assert ideas and {i["source"] for i in ideas} == {"role newton"}
    assert any(i["state"] == "tried" and i["outcome"].startswith("#") for i in ideas)
    assert any("prime for X" in m[1]["content"] for m in mind.asked("author"))


def test_the_standups_notes_are_on_the_next_page(team):
    folder, mind, _, _ = team
    assert len(records(folder, "learnt")) >= 2
    assert "X near three is best" in mind.asked("author")[-1][1]["content"]
    assert "X near three is best" in overnight("brief", folder).stdout
    assert "X near three is best" in (home(folder) / "notes.md").read_text()


def test_the_report_says_who_had_the_ideas_and_what_they_cost(team):
    folder, _, tally, _ = team
    assert overnight("report", folder).returncode == 0
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\S+) \| (\d+) \| ([\d,]+) \| ([\d.]+) \|$",
                      (home(folder) / "report/report.md").read_text(), re.MULTILINE)
    assert {row[0] for row in rows} == {"author", "newton", "critic", "standup"} and ("author", "14") in [r[:2] for r in rows]
    assert sum(int(row[5].replace(",", "")) for row in rows) == tally.tokens_in + tally.tokens_out


def test_a_role_is_given_its_own_prose(team):
    _, mind, _, _ = team
    assert all("You like odd numbers." in m[0]["content"] for m in mind.asked("author"))
    assert all("You are kind." in m[0]["content"] and "odd numbers" not in json.dumps(m) for m in mind.asked("critic"))


def test_what_stays_the_same_comes_first_in_every_call(team):
    _, mind, _, _ = team
    assert len({m[0]["content"] for m in mind.asked("author")}) == 1


def test_the_organisation_is_in_the_journal_with_its_hash(team):
    folder, _, _, _ = team
    (record,) = records(folder, "organised")
    assert record.roles == {"author": "llm", "newton": "scientist", "critic": "critic", "standup": "standup"}
    assert re.fullmatch("[0-9a-f]{64}", record.sha256)


# ---- a program that is edited ----------------------------------------------------------------------------------


@pytest.fixture
def night(little):
    """A night of placebos in runs of a fifth of a second, with what it says."""
    commit(little, {"run.py": LITTLE["run.py"] + "import time\ntime.sleep(0.2)\n", "program.md": program("a: {kind: placebo}")})
    with (little / ".overnight.out").open("wb") as out:
        process = subprocess.Popen(command("run", little, "--for", "20min"), stdout=out, stderr=out)
    try:
        wait_for(lambda: (home(little) / "journal.db").exists() and records(little, "proposed"))
        yield little
    finally:
        stop(process)


def wait_for(happened, seconds=240):
    end = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < end:
        time.sleep(0.1)
    assert found
    return found


def test_an_edit_of_the_program_takes_effect_at_the_next_experiment(night):
    write(night, {"program.md": program("b: {kind: placebo}")})
    wait_for(lambda: len(records(night, "organised")) == 2)
    wait_for(lambda: any(e.researcher == "b" for e in records(night, "proposed")))
    first, second = records(night, "organised")
    assert (first.roles, second.roles) == ({"a": "placebo"}, {"b": "placebo"}) and first.sha256 != second.sha256


@pytest.mark.parametrize(("text", "said"), [
    ("---\nroles: [\n---\n", "program.md"),
    (program("b: {kind: llm}"), "needs a model"),
    (program("b: {kind: llm, model: openai:gpt-5-mini, prose: gone.md}"), "gone.md"),
    (program("c: {kind: critic}"), "program.md"),
])
def test_a_broken_edit_is_said_once_and_the_night_goes_on(night, text, said):
    write(night, {"program.md": text})
    spoken = wait_for(lambda: [line for line in (night / ".overnight.out").read_text().splitlines() if "Until it is mended" in line])
    assert said in spoken[0]
    before = len(records(night, "proposed"))
    wait_for(lambda: len(records(night, "proposed")) > before + 1)
    assert {e.researcher for e in records(night, "proposed")} == {"a"} and len(records(night, "organised")) == 1
    assert sum("Until it is mended" in line for line in (night / ".overnight.out").read_text().splitlines()) == 1


# ---- before a night --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "said"), [
    (["--researcher", "llm"], "needs a model"),
    (["--model", "nonsense"], "nonsense"),
    (["--model", "openai:gpt-5-mini"], "OPENAI_API_KEY"),
    (["--model", "server:r@http://127.0.0.1:9/v1", "--dollars", 1], "--price"),
])
def test_what_no_model_can_do_is_said_before_the_night_begins(little, options, said):
    done = overnight("run", little, *options, env={"PATH": "/usr/bin:/bin", "HOME": str(little)})
    assert said in sentence(done)
    assert not (home(little) / "journal.db").exists() or records(little, "started") == []


@pytest.mark.parametrize(("option", "value"), [("--tokens", "many"), ("--tokens", "-5"), ("--price", "1"), ("--price", "a,b")])
def test_a_number_that_is_none_is_refused(little, option, value):
    done = overnight("run", little, option, value)
    assert done.returncode == 2 and "write" in done.stderr


def test_a_budget_is_never_passed(little):
    mind = Mind(author=lambda m, n: change(m, 1 + n / 8))
    with Server(mind) as server:
        done = run(little, server, "--researcher", "llm", "--tokens", "60k", "--for", "60s")
        tally = server.tally
    assert done.returncode == 0 and 0 < tally.tokens_in + tally.tokens_out <= 60_000
    assert "has no room for another call" in done.stdout


def test_a_server_that_is_gone_does_not_stop_the_others(little):
    done = overnight("run", little, "--model", "server:r@http://127.0.0.1:9/v1", "--experiments", 4)
    assert done.returncode == 0 and "cannot be reached" in done.stdout
    assert {e.researcher for e in records(little, "proposed")} == {"knobs"} and len(records(little, "proposed")) == 4
