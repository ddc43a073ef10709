"""The commands as a user types them: what they print, what they refuse, and that nothing of the user's is touched."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from conftest import LITTLE, ROOT, command, commit, git, home, overnight, repository, sentence, stop, write
from overnight import sandbox
from overnight.cli import main
from overnight.cli.base import COMMANDS, SANDBOXES
from overnight.referee.decision import Policy

NEEDS = "night"
KEYS = {"id", "commit", "base", "researcher", "message", "verdict", "metrics"}
EVIDENCE = {"verdict", "reason", "effect", "interval", "pairs", "fresh_pairs", "e_value", "older_pairs", "word", "finding"}
STATE = {"track", "metric", "baseline", "frontier", "experiments", "kept", "discarded", "crashed", "fouled", "runs",
         "busy_share", "overhead_ms", "kind", "drift", "evidence_wanted", "stacked"}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A short night on the smallest track, in which something is kept."""
    folder = repository(tmp_path_factory.mktemp("night") / "little", LITTLE)
    done = overnight("run", folder, "--experiments", 8)
    assert done.returncode == 0, done.stderr
    return folder


# ---- a night ---------------------------------------------------------------------------------------------------


def test_a_night_keeps_what_is_better_on_the_result_branch(night):
    assert git(night, "rev-list", "--count", "overnight/little") > "1"
    assert git(night, "show", "overnight/little:settings.py") != "X = 1.0"


def test_the_users_branch_index_and_tree_are_untouched(night):
    assert git(night, "rev-list", "--count", "HEAD") == "1"
    assert git(night, "status", "--porcelain", "--ignored") == ""
    assert (night / "settings.py").read_text() == "X = 1.0\n"


def test_log_json_is_one_object_a_line(night):
    records = [json.loads(line) for line in overnight("log", night, "--json").stdout.splitlines()]
    assert len(records) == 8 and all(r.keys() >= KEYS and r["verdict"].keys() == EVIDENCE for r in records)


def test_every_keep_has_an_interval_clear_of_zero_and_fresh_pairs(night):
    records = [json.loads(line) for line in overnight("log", night, "--json").stdout.splitlines()]
    kept = [r["verdict"] for r in records if r["verdict"]["verdict"] == "keep"]
    assert kept and all(r["interval"][0] > 0 and r["fresh_pairs"] >= Policy().fresh_pairs for r in kept)


def test_status_json_says_where_the_track_stands(night):
    state = json.loads(overnight("status", night, "--json").stdout)
    assert state.keys() >= STATE
    assert state["experiments"] == 8 and state["frontier"] < state["baseline"] and 0 < state["busy_share"] <= 1


def test_show_explains_a_verdict(night):
    records = [json.loads(line) for line in overnight("log", night, "--json").stdout.splitlines()]
    kept = next(r for r in records if r["verdict"]["verdict"] == "keep")
    for name in (str(kept["id"]), kept["commit"][:8]):
        text = overnight("show", name, night).stdout
        assert "keep" in text and "-X = 1.0" in text and " fresh " in text
        assert "Compared: each run of it with a run of its base with the same seed, so that shared luck cancels." in text
        assert f"{kept['verdict']['fresh_pairs']} of them on seeds that were drawn after its commit existed." in text
        assert "95 % interval" in text and "to 1 was needed" in text
    assert json.loads(overnight("show", kept["id"], night, "--json").stdout)["runs"]


def test_show_of_nothing_is_a_sentence(night):
    assert "no experiment 999" in sentence(overnight("show", "999", night))


def test_report_writes_its_files(night, tmp_path):
    done = overnight("report", night, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "card.png", "progress.png", "progress.svg", "report.html", "report.md", "results.tsv"]
    assert (tmp_path / "out" / "results.tsv").read_text().splitlines()[0].split("\t") == [
        "commit", "loss", "memory_gb", "status", "description"]


def test_a_second_night_goes_on_where_the_first_stopped(night):
    before = overnight("log", night, "--json").stdout
    assert overnight("run", night, "--experiments", 2).returncode == 0
    assert overnight("log", night, "--json").stdout.startswith(before)


def test_merge_brings_the_frontier_into_the_users_branch_when_asked(tmp_path):
    folder = repository(tmp_path / "little", LITTLE)
    assert overnight("run", folder, "--experiments", 8).returncode == 0
    assert overnight("merge", folder).returncode == 0
    assert git(folder, "rev-parse", "HEAD") == git(folder, "rev-parse", "overnight/little")


def test_a_tampered_journal_is_refused(tmp_path):
    import sqlite3

    folder = repository(tmp_path / "little", LITTLE)
    overnight("run", folder, "--experiments", 1)
    with sqlite3.connect(home(folder) / "journal.db") as connection:
        connection.execute("update events set hash = ? where seq = 2", ("0" * 64,))
    connection.close()
    for verb in ("log", "status", "run"):
        assert "was altered: record 2" in sentence(overnight(verb, folder))


def test_unsandboxed_results_say_so(little):
    assert "(unsandboxed)" in overnight("run", little, "--experiments", 1, "--sandbox", "none").stdout
    assert json.loads(overnight("status", little, "--json").stdout)["marks"] == ["unsandboxed"]


def test_self_reported_results_say_so(little):
    text = LITTLE["track.toml"].partition("[score]")[0].replace(
        "worthwhile = 0.01", "worthwhile = 0.01\nfrom = \"output\"\npattern = '^loss: (\\S+)'")
    commit(little, {"track.toml": text, "run.py": "import settings\nprint('loss:', (settings.X - 3) ** 2)\n"})
    assert "self-reported" in overnight("check", little).stdout
    assert "(self-reported)" in overnight("run", little, "--experiments", 1).stdout


# ---- bad input -------------------------------------------------------------------------------------------------


def test_without_git_it_says_what_to_install(little, tmp_path):
    done = overnight("check", little, env={**os.environ, "PATH": str(tmp_path)})
    assert "install" in sentence(done)


def test_a_folder_that_is_no_repository(tmp_path):
    write(tmp_path, LITTLE)
    assert "not in a git repository" in sentence(overnight("check", tmp_path))


def test_a_bare_repository(tmp_path):
    git(tmp_path, "init", "-q", "--bare")
    write(tmp_path, LITTLE)
    assert "bare repository" in sentence(overnight("run", tmp_path))


def test_a_repository_without_commits(tmp_path):
    git(tmp_path, "init", "-q")
    write(tmp_path, LITTLE)
    assert "no commits yet" in sentence(overnight("run", tmp_path))


def test_a_folder_that_is_not_there(tmp_path):
    assert "there is no folder" in sentence(overnight("run", tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["settings.py", "track.toml"])
def test_a_dirty_tree(little, name):
    (little / name).write_text((little / name).read_text() + "\n# mine\n")
    assert f"{name} is not committed" in sentence(overnight("run", little))


def test_a_contract_that_git_does_not_know(little):
    git(little, "rm", "-q", "--cached", "track.toml")
    git(little, "commit", "-qm", "without")
    assert "track.toml is not committed" in sentence(overnight("run", little))


def test_a_typo_in_the_contract(little):
    commit(little, {"track.toml": LITTLE["track.toml"].replace("direction", "dierction")})
    assert "line 7" in (said := sentence(overnight("run", little))) and "did you mean 'direction'" in said


def test_a_missing_scorer(little):
    commit(little, {"score.py": None})
    assert "score.py, which does not exist" in sentence(overnight("check", little))


def test_a_baseline_that_crashes_and_is_mended(little):
    commit(little, {"run.py": "raise SystemExit('no data')\n"})
    for verb in ("check", "run"):
        done = overnight(verb, little)
        assert done.returncode == 2 and "no data" in done.stdout + done.stderr
    commit(little, {"run.py": LITTLE["run.py"]})
    assert overnight("run", little, "--experiments", 1).returncode == 0


def test_a_baseline_that_takes_too_long(little):
    commit(little, {"run.py": "while True: pass\n",
                    "track.toml": LITTLE["track.toml"].replace('timeout = "10s"', 'timeout = "500ms"', 1)})
    assert "the baseline fails: the run took longer than 0.5 s" in sentence(overnight("run", little))


def test_a_detached_head_runs_but_does_not_merge(little):
    git(little, "checkout", "-q", "--detach")
    assert overnight("run", little, "--experiments", 8).returncode == 0
    assert "detached head" in sentence(overnight("merge", little))


def test_nothing_to_merge(little):
    assert overnight("run", little, "--experiments", 1, "--researcher", "placebo").returncode == 0
    assert "nothing was kept yet" in sentence(overnight("merge", little))


def test_looking_before_running(little):
    for verb in ("status", "log", "report", "merge"):
        assert "nothing was run here yet" in sentence(overnight(verb, little))


def test_a_researcher_that_nobody_knows(little):
    assert "no researcher 'newton'" in sentence(overnight("run", little, "--researcher", "newton"))


def test_a_sandbox_that_nobody_knows(little):
    assert "no sandbox called 'sandcastle'" in sentence(overnight("run", little, "--sandbox", "sandcastle"))


def test_without_bubblewrap_it_says_what_to_install(little, tmp_path):
    for name in ("git", "sh"):
        (tmp_path / name).symlink_to(subprocess.run(["which", name], capture_output=True, text=True).stdout.strip())
    done = overnight("run", little, env={**os.environ, "PATH": str(tmp_path)})
    assert "sudo apt-get install -y bubblewrap" in sentence(done)


def test_a_time_that_is_none(little):
    assert "not a duration" in sentence(overnight("run", little, "--for", "soon"))


def test_two_nights_at_once(little):
    slow = LITTLE["run.py"] + "import time\ntime.sleep(1)\n"
    commit(little, {"run.py": slow})
    first = subprocess.Popen(command("run", little), stdout=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while not (home(little) / "journal.db").exists() and time.monotonic() < until:
        time.sleep(0.05)
    try:
        assert f"process {first.pid}" in sentence(overnight("run", little))
    finally:
        stop(first)


def test_a_contract_that_changes_under_way(little):
    assert overnight("run", little, "--experiments", 3).returncode == 0
    commit(little, {"track.toml": LITTLE["track.toml"].replace("0.01", "0.02")})
    assert "overnight run --restart" in sentence(overnight("run", little))
    assert overnight("run", little, "--restart", "--experiments", 1).returncode == 0
    assert json.loads(overnight("status", little, "--json").stdout)["experiments"] == 1
    assert git(little, "rev-parse", "overnight/little-1")


def test_a_result_branch_that_somebody_moved(little):
    assert overnight("run", little, "--experiments", 1, "--researcher", "placebo").returncode == 0
    git(little, "checkout", "-q", "overnight/little")
    commit(little, {"settings.py": "X = 2.0\n"})
    git(little, "checkout", "-q", "-")
    assert "this journal did not judge" in sentence(overnight("run", little, "--experiments", 1))


def test_a_track_in_a_folder_of_a_larger_repository(tmp_path):
    folder = repository(tmp_path / "large", {"README": "large\n", **{f"tracks/little/{k}": v for k, v in LITTLE.items()}})
    done = overnight("run", folder / "tracks" / "little", "--experiments", 8)
    assert done.returncode == 0, done.stderr
    changed = git(folder, "diff", "--name-only", "HEAD", "overnight/little")
    assert changed == "tracks/little/settings.py"


# ---- init ------------------------------------------------------------------------------------------------------

KARPATHY = {"program.md": "# autoresearch\n", "prepare.py": "\n",
            "train.py": "loss = 1.25\nprint('---')\nprint(f\"val_bpb:          {loss:.6f}\")\n"}


def test_init_knows_karpathys_layout(tmp_path):
    folder = repository(tmp_path / "autoresearch", KARPATHY)
    done = overnight("init", folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "program.md").read_text().startswith(KARPATHY["program.md"])
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "contract")
    checked = overnight("check", folder)
    assert "val_bpb of the baseline: 1.25" in checked.stdout and "self-reported" in checked.stdout
    assert re.search(r"^of .* that a run takes, .* are the run and .* the harness: .* % is neither run nor scoring$", checked.stdout, re.MULTILINE)


def test_init_finds_the_number_that_a_script_prints(tmp_path):
    folder = repository(tmp_path / "any", {"bench.py": "acc = .5\nprint(f'accuracy: {acc}')\n"})
    assert overnight("init", folder).returncode == 0
    text = (folder / "track.toml").read_text()
    assert 'name = "accuracy"' in text and 'direction = "maximize"' in text and 'editable = ["bench.py"]' in text


def test_init_says_what_it_cannot_find(tmp_path):
    folder = repository(tmp_path / "any", {"main.py": "print('hello')\n"})
    assert "prints a line like" in sentence(overnight("init", folder))


def test_init_overwrites_nothing(little):
    assert "exists already" in sentence(overnight("init", little))


# ---- help ------------------------------------------------------------------------------------------------------


def command_of(name):
    """A command, loaded."""
    return main.get_command(click.Context(main), name)


def test_the_options_name_every_sandbox_that_there_is():
    assert SANDBOXES == sandbox.NAMES


def parameters():
    return [(name, p) for name in COMMANDS for p in command_of(name).params if isinstance(p, click.Option)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_is_for(name):
    assert " ".join(command_of(name).help.split("\n\n")[0].split()) == COMMANDS[name][1]
    assert overnight(name, "--help").returncode == 0


@pytest.mark.parametrize(("name", "option"), parameters(), ids=lambda x: getattr(x, "name", x))
def test_every_option_says_what_it_is_for(name, option):
    assert option.help


def test_the_page_on_commands_is_what_the_commands_say():
    made = subprocess.run([sys.executable, ROOT / "scripts" / "commands.py"], capture_output=True, text=True, check=True)
    assert (ROOT / "docs" / "commands.md").read_text() == made.stdout


def test_importing_the_package_says_and_writes_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", "import overnight"], cwd=tmp_path, capture_output=True, check=False)
    assert (done.stdout, list(Path(tmp_path).iterdir())) == (b"", [])


@pytest.mark.parametrize("line", ["print('val_loss:', x)", "print('val_loss: %.4f' % x)", "print(f'val_loss: {x}')",
                                  "print('val_loss: ' + str(x))"])
def test_init_knows_the_common_ways_to_print_a_number(tmp_path, line):
    folder = repository(tmp_path / "any", {"train.py": f"x = 0.5\n{line}\n"})
    assert overnight("init", folder).returncode == 0
    assert 'name = "val_loss"' in (folder / "track.toml").read_text()


def test_init_believes_what_it_is_told(tmp_path):
    folder = repository(tmp_path / "any", {"a.py": "report('score', 1)\n"})
    assert overnight("init", folder, "--metric", "score", "--entry", "a.py").returncode == 0


def test_data_that_would_open_the_journal_to_candidates_is_refused(little):
    commit(little, {"track.toml": LITTLE["track.toml"].replace("[run]", '[run]\ndata = ["."]')})
    assert "name a folder that holds the data alone" in sentence(overnight("run", little))


def test_a_night_says_why_it_ended(little):
    assert "ended: the experiments are used up" in overnight("run", little, "--experiments", 1).stdout
    assert "ended: the time is over" in overnight("run", little, "--for", "1s", "--researcher", "placebo").stdout


def test_a_commit_of_the_users_own_is_not_passed_over_in_silence(little):
    assert overnight("run", little, "--experiments", 1).returncode == 0
    commit(little, {"settings.py": "X = 2.0\n"})
    assert "--restart` begins anew at your commit" in overnight("run", little, "--experiments", 1).stderr
