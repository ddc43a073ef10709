"""CPU time and memory where no kernel counts them: refused as the metric, marked as guards wherever they are shown."""

import json

import pytest

from conftest import LITTLE, home, overnight, repository, sentence

NEEDS = "night"
GUARD = '\n[[guard]]\nmetric = "cpu_seconds"\nat_most = "1000x"\n[[guard]]\nmetric = "loss"\nat_most = 1000\n'
FORGEABLE = "{} cannot be counted exactly in this sandbox, so a candidate could forge the metric: no kernel counts what runs " \
    "there; choose `--sandbox bubblewrap`; or take wall_seconds as the metric."


def made(folder, metric=None, more=""):
    contract = LITTLE["track.toml"]
    if metric:
        contract = contract.replace('name = "loss"', f'name = "{metric}"', 1)
    return repository(folder, {**LITTLE, "track.toml": contract + more})


@pytest.mark.parametrize("metric", ["cpu_seconds", "peak_memory"])
@pytest.mark.parametrize("command", [("check",), ("run", "--experiments", "1", "--researcher", "knobs"), ("try",)])
def test_as_the_metric_they_are_refused(tmp_path, command, metric):
    folder = made(tmp_path / "track", metric)
    if command == ("try",):
        (folder / "settings.py").write_text("X = 2.0\n")
    assert sentence(overnight(*command, folder, "--sandbox", "none")) == FORGEABLE.format(metric)


def test_time_on_the_clock_is_no_such_metric(tmp_path):
    assert "forge" not in overnight("check", made(tmp_path / "track", "wall_seconds"), "--sandbox", "none").stderr


def test_as_a_guard_they_are_marked_wherever_they_are_shown(tmp_path):
    folder = made(tmp_path / "track", more=GUARD)
    said = overnight("check", folder, "--sandbox", "none").stdout
    assert "MiB, estimated)" in said and "the guard on cpu_seconds is held to estimates here" in said
    done = overnight("run", folder, "--experiments", "2", "--researcher", "knobs", "--sandbox", "none")
    assert "(estimated guards)" in done.stdout, done.stdout + done.stderr
    assert "cpu_seconds (estimated) " in overnight("status", folder, "--all").stdout
    told = json.loads(overnight("status", folder, "--json").stdout)
    assert told["estimated"] == ["cpu_seconds"] and "estimated guards" in told["marks"]
    assert json.loads(overnight("log", folder, "--json").stdout.splitlines()[0])["estimated"] == ["cpu_seconds"]
    assert "Estimated, because nothing could count it in every run: cpu_seconds." in overnight("show", "1", folder).stdout
    assert "- Estimated here, because nothing could count it in every run: cpu_seconds." in overnight("brief", folder).stdout
    overnight("report", folder)
    assert "> **estimated guards**:" in (home(folder) / "report" / "report.md").read_text()
