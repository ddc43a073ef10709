"""`doctor`, `completion`, and `status` for people."""

import json
import os
import subprocess
import sys

import pytest

from conftest import git, overnight, write

NEEDS = "night"


def test_a_machine_that_is_fit_is_told_so():
    done = overnight("doctor")
    assert done.returncode == 0 and "wrong" not in done.stdout
    assert "ok     sandbox: bubblewrap; 25 attempts to get out of it were stopped" in done.stdout.splitlines()


def test_what_is_missing_is_told_with_what_to_do(tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    done = overnight("doctor", "--json", env={**os.environ, "PATH": str(empty)})
    found = {each["name"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 2 and not found["git"]["fit"] and "apt-get install -y git" in found["git"]["said"]
    assert not found["sandbox"]["fit"] and "bubblewrap is not installed" in found["sandbox"]["said"]
    assert found["programs"]["said"].endswith("there are: none")
    assert found["room"]["fit"] and found["extras"]["fit"] is None


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "overnight", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == overnight("--version").stdout


def test_bash_completes_commands_with_what_completion_prints(tmp_path):
    program = tmp_path / "overnight"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c \"from overnight.cli import main; main(prog_name='overnight')\" \"$@\"\n")
    program.chmod(0o755)
    asked = 'COMP_WORDS=(overnight do); COMP_CWORD=1; _overnight_completion overnight; echo "${COMPREPLY[@]}"'
    found = subprocess.run(["bash", "-c", f"{overnight('completion', 'bash').stdout}\n{asked}"], capture_output=True, text=True,
                           check=True, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert found.stdout.split() == ["doctor"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_completion(shell):
    assert "_OVERNIGHT_COMPLETE" in overnight("completion", shell).stdout


def test_status_is_six_lines_for_people_and_has_all_numbers_when_asked(little):
    begun = overnight("run", little, "--experiments", "6", "--workers", "1")
    assert begun.returncode == 0, begun.stderr
    lines = overnight("status", little).stdout.splitlines()
    assert lines[0].startswith("little: 6 experiments, ") and lines[0].endswith("on branch overnight/little")
    assert lines[1].startswith("last keep: #") and "X " in lines[1]
    assert "discarded" in lines[2] and " runs of " in lines[3] and "experiments an hour" in lines[3]
    assert lines[4] == "no night is at work: `overnight run` goes on, `overnight merge` takes what was kept"
    assert len(lines) <= 6
    assert "evidence_wanted" in overnight("status", little, "--all").stdout


def test_try_prints_its_verdict_once(little):
    write(little, {"settings.py": "X = 2.0\n", "helper.py": "new\n", "run.log": "junk\n"})
    done = overnight("try", little)
    assert "not editable, and left out of the change: helper.py\n" in done.stderr
    assert done.returncode == 0 and (done.stdout + done.stderr).count("#1 keep") == 1
    git(little, "checkout", "settings.py")
