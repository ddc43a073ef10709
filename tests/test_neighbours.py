"""Projects that were laid out for other tools, and our own ready tracks, as tracks: `overnight init --from`."""

import json
import subprocess
import sys
import tomllib

import pytest

from conftest import ROOT, commit, git, overnight, repository, sentence, write
from overnight.track import neighbours, spec
from overnight.track.contact import names

NEEDS = "night"
PROGRAM = """\
import random
SIZE = 3
# EVOLVE-BLOCK-START
RATE = 0.3
def search(seed):
    return 5 - RATE * 10 + random.Random(seed).gauss(0, 0.01)
# EVOLVE-BLOCK-END
def run_experiment(seed):
    return search(seed) + SIZE * 0
"""
LOAD = "import importlib.util\nspec = importlib.util.spec_from_file_location('program', path)\nprogram = importlib.util.module_from_spec(spec)\n" \
       "spec.loader.exec_module(program)\n"
OPENEVOLVE = {"initial_program.py": PROGRAM, "config.yaml": "max_iterations: 10\n", "evaluator.py": (
    "import random\nfrom openevolve.evaluation_result import EvaluationResult\ndef evaluate(path):\n    "
    + LOAD.replace("\n", "\n    ") + "print('overnight combined_score=99')\n    x = program.run_experiment(random.randrange(10**6))\n"
    "    return EvaluationResult(metrics={'combined_score': 1 / (1 + abs(x)), 'distance': abs(x), 'valid': True}, artifacts={'x': str(x)})\n")}
SHINKA = {"initial.py": PROGRAM, "evaluate.py": """\
import argparse
from shinka.core import run_shinka_eval
def main(program_path, results_dir):
    print("overnight combined_score=99")
    metrics, correct, error = run_shinka_eval(
        program_path=program_path, results_dir=results_dir, experiment_fn_name="run_experiment", num_runs=3,
        validate_fn=lambda x: (x < 9, "too far"), aggregate_metrics_fn=lambda xs: {"combined_score": 1 / (1 + abs(sum(xs))), "private": {"xs": xs}})
    print(metrics)
if __name__ == "__main__":
    told = argparse.ArgumentParser()
    told.add_argument("--program_path", default="initial.py")
    told.add_argument("--results_dir", default="results")
    main(**vars(told.parse_args()))
"""}
PI = {
    ".auto/measure.sh": "#!/bin/bash\nset -euo pipefail\npython3 bench.py\n", ".auto/checks.sh": "#!/bin/bash\nset -euo pipefail\npython3 test_it.py\n",
    ".auto/prompt.md": "# Autoresearch: speed\n\n## Metrics\n- **Primary**: `cost` (units, lower is better) — the target\n\n## Files in Scope\n"
                       "- `lib/` — all of it\n- `nothing.py` is gone\n\n## Off Limits\n- `bench.py`\n",
    "bench.py": "import os, random\nfrom lib.work import RATE\nrng = random.Random(os.environ['OVERNIGHT_SEED'])\n"
                "print(f'METRIC runs=3')\nprint(f'METRIC cost={(RATE - 3) ** 2 + rng.random() / 100}')\nprint('METRIC loss=7')\n",
    "lib/__init__.py": "", "lib/work.py": "RATE = 1.5\n", "test_it.py": "import lib.work\nassert lib.work.RATE > 0\n"}


# ---- what is known of them --------------------------------------------------------------------------------------


@pytest.mark.pure
@pytest.mark.parametrize(("texts", "tool", "editable"), [
    (OPENEVOLVE, "OpenEvolve", ("initial_program.py",)), (SHINKA, "ShinkaEvolve", ("initial.py",)), (PI, "pi-autoresearch", ("lib/**",)),
    ({"initial.jl": "", "evaluate.py": SHINKA["evaluate.py"]}, "ShinkaEvolve", ("initial.jl",)), ({"autoresearch.sh": ""}, "pi-autoresearch", ())])
def test_a_layout_is_known_by_its_files(texts, tool, editable):
    found = neighbours.known(texts)
    assert (found.tool, found.editable) == (tool, editable)


@pytest.mark.pure
@pytest.mark.parametrize("texts", [
    {}, {"initial.py": "", "evaluate.py": "print(1)"}, {"evaluator.py": OPENEVOLVE["evaluator.py"]}, {"initial_program.py": "", "evaluator.py": "x = 1\n"},
    {"initial_program.py": "", "initial_program.rs": "", "evaluator.py": OPENEVOLVE["evaluator.py"]}, {"src/autoresearch.sh": ""}])
def test_what_only_resembles_one_is_none(texts):
    assert neighbours.known(texts) is None


@pytest.mark.pure
@pytest.mark.parametrize(("files", "name", "direction"), [
    ({".auto/prompt.md": "- **Primary**: val_bpb (bits, lower is better)"}, "val_bpb", "minimize"),
    ({".auto/prompt.md": "**Primary**: `fps` (higher is better, lower is worse)"}, "fps", None), ({".auto/prompt.md": "nothing"}, "", None),
    ({".auto/log.jsonl": '{"type":"config","metricName":"old","bestDirection":"lower"}\n{"run": 1}\nno json\n'
                         '{"type":"config","metricName":"fps","bestDirection":"higher"}\n{"run":2,"metric":3}\n',
      ".auto/prompt.md": "- **Primary**: other (lower is better)"}, "fps", "maximize")])
def test_the_metric_of_a_session_is_that_of_its_log_or_its_page(files, name, direction):
    found = neighbours.known({".auto/measure.sh": ""} | files)
    assert (found.metric, found.direction) == (name, direction)


@pytest.mark.pure
def test_a_time_of_the_whole_is_a_time_where_it_is_the_metric():
    assert names.timed("total_ms") and names.timed("build_seconds") and not names.timed("tokens/s") and not names.timed("loss")


# ---- the scripts that call their evaluators ---------------------------------------------------------------------


def called(folder, script, files, *words):
    """What the script of a tool prints of a project, and how it ended."""
    text = (ROOT / f"src/overnight/track/neighbours/{script}.py").read_text()
    write(folder, files | {"overnight_evaluate.py": text})
    done = subprocess.run([sys.executable, "-S", "overnight_evaluate.py", *words], cwd=folder, capture_output=True, text=True, check=False,
                          env={"OVERNIGHT_SEED": "7"})
    return done, dict(line.removeprefix("overnight: ").split("=") for line in done.stdout.splitlines())


@pytest.mark.sandbox
@pytest.mark.parametrize(("returns", "numbers"), [
    ("{'combined_score': 0.5, 'speed': 2, 'ok': True, 'name': 'x'}", {"combined_score": "0.5", "speed": "2.0"}),
    ("{'a': 1, 'b': 2.0}", {"combined_score": "1.5", "a": "1.0", "b": "2.0"}), ("{'metrics': {'combined_score': 3}}", {"combined_score": "3.0"}),
    ("EvaluationResult.from_dict({'combined_score': 0.25})", {"combined_score": "0.25"}),
    ("{'combined_score': __import__('random').randrange(1, 2)}", {"combined_score": "1.0"})])
def test_whatever_an_evaluator_of_openevolve_returns_becomes_lines(tmp_path, returns, numbers):
    text = f"from openevolve.evaluation_result import EvaluationResult\ndef evaluate(path):\n    print('noise')\n    return {returns}\n"
    done, found = called(tmp_path, "openevolve", {"evaluator.py": text, "initial_program.py": ""}, "evaluator.py", "initial_program.py")
    assert done.returncode == 0 and found == numbers and "noise" in done.stderr, done.stderr


@pytest.mark.sandbox
def test_an_evaluator_without_a_number_is_an_error(tmp_path):
    text = "def evaluate(path):\n    return {'error': 'too slow'}\n"
    done, found = called(tmp_path, "openevolve", {"evaluator.py": text, "initial_program.py": ""}, "evaluator.py", "initial_program.py")
    assert done.returncode == 1 and not found and "too slow" in done.stderr and "returned no number" in done.stderr


@pytest.mark.sandbox
def test_an_evaluator_of_shinka_is_run_without_it_and_draws_from_the_seed(tmp_path):
    done, found = called(tmp_path, "shinka", SHINKA, "evaluate.py", "initial.py")
    assert done.returncode == 0 and set(found) == {"combined_score", "execution_time_mean", "num_valid_runs"}, done.stderr
    assert "overnight combined_score" in done.stderr and found["combined_score"] == called(tmp_path, "shinka", SHINKA, "evaluate.py", "initial.py")[1]["combined_score"]


@pytest.mark.sandbox
@pytest.mark.parametrize(("program", "said"), [(PROGRAM.replace("5 -", "50 -"), "initial.py is not correct: too far"), ("x = 1 / 0\n", "ZeroDivisionError")])
def test_a_wrong_program_has_no_number(tmp_path, program, said):
    done, found = called(tmp_path, "shinka", SHINKA | {"initial.py": program}, "evaluate.py", "initial.py")
    assert done.returncode == 1 and not found and said in done.stderr


@pytest.mark.sandbox
def test_an_evaluator_that_writes_its_own_files_is_read(tmp_path):
    text = ("import json, os, sys\nfolder = sys.argv[sys.argv.index('--results_dir') + 1]\nopen(folder + '/metrics.json', 'w').write("
            "json.dumps({'combined_score': 0.5}))\nopen(folder + '/correct.json', 'w').write('{\"correct\": true}')\nsys.exit(0)\n")
    done, found = called(tmp_path, "shinka", {"evaluate.py": text, "initial.jl": ""}, "evaluate.py", "initial.jl")
    assert done.returncode == 0 and found == {"combined_score": "0.5"}, done.stderr


# ---- init -------------------------------------------------------------------------------------------------------


def made(done, folder):
    """The contract that `init` wrote, committed; `check` ends well on it."""
    assert done.returncode == 0, done.stderr
    commit(folder, {}, "the contract")
    checked = overnight("check", folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return tomllib.loads((folder / "track.toml").read_text())


def test_openevolve_is_copied_and_runs_a_night_within_its_marks(tmp_path):
    write(tmp_path / "theirs", OPENEVOLVE)
    folder = tmp_path / "mine"
    done = overnight("init", "--from", tmp_path / "theirs", folder)
    found = made(done, folder)
    assert "this is laid out for OpenEvolve" in done.stdout and "git add track.toml program.md overnight_evaluate.py" in done.stdout
    assert found["track"]["editable"] == ["initial_program.py"] and found["track"]["region"] == "EVOLVE-BLOCK"
    assert found["metric"]["name"] == "combined_score" and found["metric"]["direction"] == "maximize"
    ran = overnight("run", folder, "--experiments", "6")
    state = json.loads(overnight("status", folder, "--json").stdout)
    assert state["kept"] > 0 and state["fouled"] == 0 and state["frontier"] > state["baseline"], ran.stdout
    assert {git(folder, "show", f"overnight/mine:{name}") for name in ("evaluator.py", "config.yaml")} == {
        OPENEVOLVE[name].strip() for name in ("evaluator.py", "config.yaml")}


def test_shinka_and_pi_are_taken_where_they_are(tmp_path):
    shinka = repository(tmp_path / "shinka", SHINKA)
    found = made(overnight("init", "--from", shinka, cwd=tmp_path), shinka)
    assert found["run"]["command"] == ["python", "overnight_evaluate.py", "evaluate.py", "initial.py"] and found["track"]["region"] == "EVOLVE-BLOCK"
    pi = repository(tmp_path / "pi", PI)
    found = made(overnight("init", pi), pi)
    assert found["run"]["command"] == ["bash", ".auto/measure.sh"] and found["track"]["editable"] == ["lib/**"]
    assert [each["command"] for each in found["require"]] == [["bash", ".auto/checks.sh"]]
    assert (found["metric"]["name"], found["metric"]["direction"]) == ("cost", "minimize")


def test_where_the_evaluator_fails_nothing_is_left_behind(tmp_path):
    folder = repository(tmp_path / "theirs", OPENEVOLVE | {"evaluator.py": "def evaluate(path):\n    return {'loss': 3}\n"})
    assert overnight("init", folder, "--metric", "nothing").returncode == 2
    assert git(folder, "status", "--porcelain") == ""


def test_a_ready_track_is_laid_out_in_a_repository_of_its_own(tmp_path):
    done = overnight("init", "--from", "synthetic", cwd=tmp_path)
    assert done.returncode == 0 and git(tmp_path / "synthetic", "status", "--porcelain") == "", done.stderr
    spec.parse((tmp_path / "synthetic/track.toml").read_text())
    assert "is there already" in sentence(overnight("init", "--from", "synthetic", cwd=tmp_path))
    assert "no ready track of that name (binpacking, digits, kernel" in sentence(overnight("init", "--from", "nothing", cwd=tmp_path))
    folder = repository(tmp_path / "any", {"x.py": "", ".gitignore": "/runs/\n"})
    assert overnight("init", "--from", "synthetic", folder / "runs/mine").returncode == 0
    assert git(folder / "runs/mine", "status", "--porcelain") == "" and (folder / "runs/mine/.git").exists()
    overnight("init", "--from", "synthetic", folder / "tracks/mine")
    assert not (folder / "tracks/mine/.git").exists() and (folder / "tracks/mine/track.toml").exists()


def test_a_folder_of_no_known_layout_is_not_copied(tmp_path):
    write(tmp_path / "theirs", {"x.py": ""})
    said = sentence(overnight("init", "--from", tmp_path / "theirs", tmp_path / "mine"))
    assert "laid out for no other tool that is known: OpenEvolve (evaluator.py" in said and not (tmp_path / "mine").exists()
