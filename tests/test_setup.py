"""scripts/: that they are sound shell, and what setup.sh says where something is missing."""

import os
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT

NEEDS = "sandbox"
SCRIPTS = sorted((ROOT / "scripts").glob("*.sh"))


@pytest.fixture
def copy(tmp_path):
    """The scripts in a folder of their own, with a PATH that holds nothing but what a test puts there."""
    shutil.copytree(ROOT / "scripts", tmp_path / "repo/scripts")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / "repo" / name)
    (tmp_path / "bin").mkdir()
    for name in ("dirname", "git", "mkdir", "touch"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    return tmp_path


def fake(copy, name, script):
    path = copy / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def setup(copy, *arguments):
    return subprocess.run(["/bin/sh", copy / "repo/scripts/setup.sh", *arguments], capture_output=True, text=True,
                          check=False, env={"PATH": str(copy / "bin"), "HOME": str(copy)})


def linux(copy, user=1000):
    """A Linux with Python, without bubblewrap."""
    fake(copy, "uname", "echo Linux")
    fake(copy, "id", f"echo {user}")
    fake(copy, "python3", f'exec {sys.executable} "$@"')


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_a_script_is_sound_shell_and_can_be_started(script):
    assert subprocess.run(["/bin/sh", "-n", script], check=False).returncode == 0
    assert os.access(script, os.X_OK)


def test_on_a_mac_it_says_that_linux_is_needed(copy):
    fake(copy, "uname", "echo Darwin")
    done = setup(copy)
    assert done.returncode == 1 and "needs Linux for its sandbox" in done.stderr and "virtual machine" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_rights_it_prints_the_one_line_to_type(copy):
    linux(copy)
    fake(copy, "apt-get", "echo must not run; exit 9")
    done = setup(copy)
    assert done.returncode == 1 and "sudo apt-get install -y" in done.stderr and " bubblewrap" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and "must not run" not in done.stdout


def test_a_sudo_that_asks_for_a_password_is_no_right(copy):
    linux(copy)
    fake(copy, "apt-get", "exit 9")
    fake(copy, "sudo", "exit 1")
    assert "sudo apt-get install -y" in setup(copy).stderr


def test_without_apt_it_names_what_is_missing(copy):
    linux(copy)
    done = setup(copy)
    assert done.returncode == 1 and "bubblewrap" in done.stderr and "with your package manager" in done.stderr


@pytest.mark.parametrize("user", [0, 1000], ids=["root", "sudo without a password"])
def test_with_rights_it_installs_what_is_missing_by_itself(copy, user):
    linux(copy, user)
    fake(copy, "sudo", '[ "$1" = -n ] && shift; "$@"')
    fake(copy, "apt-get", f'echo "$@" >> {copy}/asked')
    fake(copy, "uv", "exit 9")
    setup(copy)
    update, install = (copy / "asked").read_text().splitlines()
    assert update.startswith("update") and install.startswith("install -y") and "bubblewrap" in install


def test_an_old_python_is_a_sentence(copy):
    fake(copy, "uname", "echo Linux")
    fake(copy, "bwrap", "")
    fake(copy, "uv", "exit 9")
    fake(copy, "python3", 'case "$1" in -V) echo Python 3.9.2;; *) exit 1;; esac')
    done = setup(copy)
    assert done.returncode == 1 and "python3" in done.stderr and not (copy / "repo/.venv").exists()


@pytest.mark.parametrize(("arguments", "extras"), [
    ([], "charts,similarity,web"), (["llm,mcp"], "charts,similarity,web,llm,mcp"), (["dev"], "charts,similarity,web,dev")])
def test_charts_and_likeness_come_along_with_what_is_asked_for(copy, arguments, extras):
    linux(copy)
    fake(copy, "bwrap", "")
    fake(copy, "uv", f'echo "$@" >> {copy}/asked; mkdir -p .venv/bin')
    assert setup(copy, *arguments).returncode == 0
    made, installed = (copy / "asked").read_text().splitlines()
    assert made.startswith("venv ") and installed.endswith(f"-c constraints.txt -e .[{extras}]")


def test_what_is_set_up_already_is_left_alone_and_says_nothing(copy):
    linux(copy)
    fake(copy, "bwrap", "")
    fake(copy, "uv", "exit 9")
    (copy / "repo/.venv/bin").mkdir(parents=True)
    (copy / "repo/.venv/bin/python").symlink_to(copy / "bin/python3")
    (copy / "repo/.venv/.ready-base").touch()
    done = setup(copy)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
