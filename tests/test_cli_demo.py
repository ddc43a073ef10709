"""`overnight demo`: a night that is never empty, from nothing to a report."""

import json
import os
import signal
import subprocess
import time

import pytest

from conftest import command, git, overnight, sentence, write
from overnight.errors import TrackError
from overnight.track import ready

NEEDS = "night"


def test_it_goes_on_until_something_is_kept_and_leaves_a_report(tmp_path):
    done = overnight("demo", tmp_path / "demo", "--track", "synthetic", "--for", "6s")
    assert done.returncode == 0, done.stderr
    assert json.loads(overnight("status", tmp_path / "demo", "--json").stdout)["kept"] > 0
    again = next(line for line in done.stdout.splitlines() if "where it stands" in line)
    assert f"XDG_STATE_HOME={os.environ['XDG_STATE_HOME']} overnight status" in again
    assert {"progress.svg", "report.md", "report.html", "card.png"} <= {path.name for path in (tmp_path / "demo/report").iterdir()}
    assert git(tmp_path / "demo", "log", "--format=%s", "overnight/synthetic").splitlines()[-1] == "The track as it comes"


def test_ctrl_c_ends_it_with_a_report(tmp_path):
    with subprocess.Popen(command("demo", tmp_path / "demo", "--track", "synthetic", "--for", "90s"), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert any("baseline" in line for line in process.stdout)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
    assert process.returncode == 0 and time.monotonic() - began < 60
    assert "stopped by SIGINT" in said and (tmp_path / "demo/report/report.md").exists()


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path):
    write(tmp_path / "demo", {"mine.txt": ""})
    assert "is there already" in sentence(overnight("demo", tmp_path / "demo"))


def test_ready_tracks_are_found_and_others_are_not(tmp_path):
    assert {"microgpt", "sorting", "synthetic"} <= set(ready.names())
    with pytest.raises(TrackError, match="choose one of binpacking, digits, kernel"):
        ready.lay_out("../..", tmp_path / "x")
