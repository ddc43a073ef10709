"""`overnight init` on repositories as people have them: the program is run once, what it prints is read, and `check` ends well."""

import json
import os
import shutil
import tomllib
import venv
from pathlib import Path

import pytest

from conftest import commit, git, overnight, repository, sentence, write
from overnight.night import contact
from overnight.night.session import Session
from overnight.sandbox import gpus

NEEDS = "night"
DRAWS = "import os, random\nrandom.seed(int(os.environ.get('OVERNIGHT_SEED', 0)))\nRATE = 0.02\nloss = 1 + (RATE - 0.05) ** 2 * 100 + random.gauss(0, 0.01)\n"


def begun(folder, files, *options, ready=True):
    """The contract that `init` writes for a repository, and what it said; `ready`: `check` must end well on it."""
    repository(folder, files)
    done = overnight("init", folder, *options)
    assert done.returncode == 0, done.stderr
    made = tomllib.loads((folder / "track.toml").read_text())
    if ready:
        commit(folder, {}, "the contract")
        checked = overnight("check", folder)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    return made, done.stdout


def refused(folder, files, *options):
    """The sentence with which `init` refuses a repository; it wrote nothing."""
    repository(folder, files)
    done = overnight("init", folder, *options)
    assert done.returncode == 2 and not (folder / "track.toml").exists(), done.stdout
    return done.stderr.strip().splitlines()[-1]


# ---- what a program prints --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "name", "direction", "pick", "bounds"), [
    ('print(f"val_acc: {100 * (2 - loss):.2f}%")', "val_acc", "maximize", "only", [0, 100]),
    ('for e in range(5): print(f"val_loss: {loss + 1 / (e + 1):.4f}")', "val_loss", "minimize", "last", [0, float("inf")]),
    ('import logging; logging.basicConfig(level=logging.INFO); logging.info(f"val_loss: {loss:.4f}")', "val_loss", "minimize", "only",
     [0, float("inf")]),
    ('print(f"reward_model_loss: {loss:.4f}")', "reward_model_loss", "minimize", "only", [0, float("inf")]),
    ('print(f"val_bpb: {loss:.6f}\\ntraining_seconds: 1.0\\npeak_vram_mb: 0.0\\nnum_params_M: 1.0")', "val_bpb", "minimize", "only",
     [0, float("inf")]),
    ('for e in range(3): print(f"step {e * 60}: train loss {loss:.3f}, val loss {loss + .1:.3f}")', "val loss", "minimize", "last",
     [0, float("inf")]),
    ('print(f"Makespan: {1000 * loss:,.1f}")', "Makespan", "minimize", "only", [0, float("inf")]),
    ('print(f"sharpe = {loss:.3f}±0.010")', "sharpe", "maximize", "only", None),
    ('import json; print(json.dumps({"epochs": 3, "f1": loss / 3, "seconds": 1.5}))', "f1", "maximize", "only", [0, 1]),
    ('print("\\x1b[32mDone.\\x1b[0m Test accuracy:", round(loss / 3, 4))', "Test accuracy", "maximize", "only", [0, 1]),
    ('print(f"METRIC speedup={loss:.3f}x")', "speedup", "maximize", "only", None),
])
def test_the_number_that_a_program_prints_is_read(tmp_path, line, name, direction, pick, bounds):
    made, _ = begun(tmp_path / "any", {"train.py": DRAWS + line + "\n"})
    metric = made["metric"]
    assert (metric["name"], metric["direction"], metric.get("pick", "only"), metric.get("range")) == (name, direction, pick, bounds)


def test_times_are_compared_as_times(tmp_path):
    made, _ = begun(tmp_path / "any", {"bench.py": DRAWS + 'print(f"latency_ms: {loss:.3f}ms")\n'})
    assert (made["metric"]["kind"], made["metric"]["direction"]) == ("timing", "minimize")


def test_a_file_of_json_is_printed_behind_the_program(tmp_path):
    text = DRAWS + "import json\njson.dump({'val_loss': loss, 'epochs': 3}, open('results.json', 'w'))\n"
    made, _ = begun(tmp_path / "any", {"train.py": text})
    assert made["metric"]["name"] == "val_loss" and made["run"]["command"][-1].endswith("&& cat results.json")


def test_five_lines_say_what_was_found_and_what_to_check(tmp_path):
    _, said = begun(tmp_path / "any", {"train.py": DRAWS + "print(f'val_loss: {loss}\\nval_acc: {1 / loss}')\n"}, ready=False)
    lines = [line for line in said.splitlines() if not line.startswith(("running", "wrote", "granted"))]
    assert len(lines) <= 5 and "printed val_acc" in lines[0] and "also val_loss" in lines[0], said
    assert "train.py may be edited to maximize" in lines[1] and "measures itself" in lines[2] and "commit it" in lines[3]


# ---- what cannot be seen is asked -------------------------------------------------------------------------------


def test_an_unknown_direction_is_asked_and_never_guessed(tmp_path):
    files = {"main.py": DRAWS + "print(f'energy: {loss}')\n"}
    assert "--direction minimize or --direction maximize" in refused(tmp_path / "any", files)
    made, _ = begun(tmp_path / "told", files, "--direction", "minimize")
    assert made["metric"]["direction"] == "minimize" and "range" not in made["metric"]


def test_of_several_numbers_that_say_nothing_none_is_taken(tmp_path):
    said = refused(tmp_path / "any", {"main.py": "print('widgets: 3')\nprint('energy: 1.5')\n"})
    assert "energy = 1.5" in said and "widgets = 3" in said and "--metric" in said


def test_bookkeeping_alone_is_no_result(tmp_path):
    said = refused(tmp_path / "any", {"main.py": "print('num_params: 3')\nprint('total_seconds: 1.5')\n"})
    assert "no result, only num_params = 3, total_seconds = 1.5" in said


def test_a_name_that_is_not_printed_shows_the_nearest(tmp_path):
    said = refused(tmp_path / "any", {"main.py": "print('val_loss: 3')\nprint('lr: 1.5')\n"}, "--metric", "valid_loss")
    assert "does not print `valid_loss`" in said and "val_loss = 3" in said


def test_a_program_that_prints_no_number_shows_its_last_lines(tmp_path):
    said = refused(tmp_path / "any", {"main.py": "print('hello')\nprint('good bye')\n"})
    assert '"hello" / "good bye"' in said and "prints a line like" in said


def test_a_program_that_fails_shows_its_last_lines(tmp_path):
    said = refused(tmp_path / "any", {"main.py": "print('reading data')\nraise SystemExit('no data here')\n"})
    assert "ended with status 1: no data here" in said and '"reading data"' in said


def test_a_program_that_fails_after_all_but_says_what_it_would_print_gets_a_contract_with_a_warning(tmp_path):
    _, said = begun(tmp_path / "any", {"train.py": "import nothing_of_that_name\nprint(f'val_loss: {x}')\n"}, ready=False)
    assert "warning: `python train.py` ended with status 1: ModuleNotFoundError" in said and "was not tried" in said


def notebook(*cells, **more):
    code = [{"cell_type": "code", "source": cell.splitlines(keepends=True), "outputs": []} for cell in cells]
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": "markdown", "source": ["# a title"]}, *code]} | more, indent=1)


def test_a_notebook_is_run_and_improved_as_a_script(tmp_path):
    book = notebook("%matplotlib inline\nimport os, random", "%%bash\npip install x", DRAWS, "if loss:\n    !ls\nprint(f'val_loss: {loss:.4f}')\nloss")
    made, said = begun(tmp_path / "any", {"my explore.ipynb": book, "README.md": ""})
    assert made["run"]["command"] == ["python", "my_explore.py"] and made["track"]["editable"] == ["my_explore.py"]
    assert "my_explore.py has the code of my explore.ipynb as a script" in said and "git add track.toml program.md my_explore.py" in said


def test_of_several_notebooks_one_is_named(tmp_path):
    files = {"a/one.ipynb": notebook("print('hello')"), "two.ipynb": notebook("print('loss: 3')"), "three.ipynb": notebook("x", metadata={"kernelspec": {"language": "R"}})}
    assert "`overnight init --from a/one.ipynb`; a script is made of it" in refused(tmp_path / "any", files)
    assert "prints no named number" in overnight("init", "any", "--from", "any/a/one.ipynb", cwd=tmp_path).stderr
    assert "three.ipynb has no code in Python" in overnight("init", "any", "--from", "any/three.ipynb", cwd=tmp_path).stderr
    assert git(tmp_path / "any", "status", "--porcelain") == ""


# ---- options ----------------------------------------------------------------------------------------------------


def test_a_name_with_signs_is_written_so_that_check_reads_it(tmp_path):
    files = {"train.py": DRAWS + 'print(f"top-1 (%): {100 * (2 - loss):.3f}")\n'}
    made, _ = begun(tmp_path / "any", files, "--metric", "top-1 (%)", "--entry", "train.py")
    assert made["metric"]["name"] == "top-1 (%)" and made["metric"]["direction"] == "maximize"


def test_a_command_files_and_a_pattern_can_be_told(tmp_path):
    files = {"go.py": DRAWS + "import sys\nprint(f'the answer, {sys.argv[1]} <{loss:.4f}>')\n", "notes.py": "X = 1\n"}
    made, _ = begun(tmp_path / "any", files, "--run", "python go.py twice", "--edit", "go.py", "--edit", "notes.py",
                    "--pattern", r"<(\S+)>", "--metric", "it", "--direction", "minimize")
    assert made["run"]["command"] == ["python", "go.py", "twice"] and made["track"]["editable"] == ["go.py", "notes.py"]
    assert made["metric"]["name"] == "it"


@pytest.mark.parametrize(("pattern", "said"), [("(a)(b)", "exactly one group"), ("nowhere (.*)", "nothing that matches"),
                                               ("(loss)", "which is no number"), ("(?=x)(y)", "linear time"), ("(", "no regular expression")])
def test_a_pattern_that_finds_nothing_is_a_sentence(tmp_path, pattern, said):
    assert said in refused(tmp_path / "any", {"main.py": "print('loss: 3')\n"}, "--pattern", pattern)


def test_words_for_a_shell_are_given_to_one(tmp_path):
    made, _ = begun(tmp_path / "any", {"go.py": DRAWS + "print(f'loss: {loss}')\n"}, "--run", "python3 go.py | tail -n 1")
    assert made["run"]["command"] == ["sh", "-c", "python3 go.py | tail -n 1"]


# ---- layouts ----------------------------------------------------------------------------------------------------

LOSS = "def loss(rate, rng):\n    return 1 + (rate - 0.05) ** 2 * 100 + rng.gauss(0, 0.01)\n"
SEEDED = "import os, random\nRNG = random.Random(int(os.environ.get('OVERNIGHT_SEED', 0)))\n"
PACKAGE = {
    "{}/__init__.py": "", "{}/model.py": LOSS, "{}/config.py": "RATE = 0.02\n",
    "{}/train.py": SEEDED + "from {} import config\nfrom {}.model import loss\nif __name__ == '__main__':\n"
                            "    print(f'val_loss: {{loss(config.RATE, RNG):.4f}}')\n"}


def package(base, name="pkg"):
    return {base + path.format(name): text.format(name, name) for path, text in PACKAGE.items()}


@pytest.mark.parametrize(("base", "command"), [("", ["python", "-m", "pkg.train"]),
                                               ("src/", ["env", "PYTHONPATH=src", "python3", "-m", "pkg.train"])])
def test_a_package_is_run_as_a_module_and_its_model_and_settings_may_be_edited(tmp_path, base, command):
    files = package(base) | {"tests/test_pkg.py": "import pkg\n", "pyproject.toml": "[project]\nname = 'pkg'\nversion = '1'\n"}
    made, _ = begun(tmp_path / "any", files)
    assert made["run"]["command"] == command
    assert made["track"]["editable"] == [f"{base}pkg/{name}.py" for name in ("train", "config", "model")]


def test_what_measures_and_what_prepares_may_not_be_edited(tmp_path):
    files = {"main.py": SEEDED + "from evaluate import score\nfrom solver import solve\nprint(f'cost: {score(solve(), RNG):.4f}')\n",
             "solver.py": "RATE = 0.02\ndef solve():\n    return RATE\n", "evaluate.py": "from data import TARGET\ndef score(x, rng):\n"
             "    return 1 + abs(x - TARGET) + rng.gauss(0, 0.01)\n", "data.py": "TARGET = 0.05\n", "tests/test_solver.py": "import solver\n"}
    made, said = begun(tmp_path / "any", files)
    assert made["track"]["editable"] == ["main.py", "solver.py"] and "may not: data.py, evaluate.py" in said


def test_a_benchmark_is_run_and_what_it_measures_is_edited(tmp_path):
    files = {"bench.py": SEEDED + "import sorter\nprint(f'sort_ms: {sorter.WIDTH * 2 + RNG.random():.3f}')\n", "sorter.py": "WIDTH = 3\n"}
    made, said = begun(tmp_path / "any", files)
    assert made["track"]["editable"] == ["sorter.py"] and made["metric"]["kind"] == "timing" and "measures itself" not in said


def test_settings_that_a_program_names_may_be_edited_and_data_may_not(tmp_path):
    text = SEEDED + "import json\nc = json.load(open('configs/base.json'))\nd = json.load(open('words.json'))\n" \
                    "print(f'loss: {c[\"rate\"] + len(d) + RNG.random():.4f}')\n"
    files = {"train.py": text, "configs/base.json": '{"rate": 0.1}\n', "words.json": json.dumps(["word"] * 5000)}
    made, _ = begun(tmp_path / "any", files)
    assert made["track"]["editable"] == ["train.py", "configs/base.json"]


def test_a_script_in_a_folder_finds_the_packages_of_the_root(tmp_path):
    files = {"scripts/train.py": SEEDED + "from lib.model import loss\nprint(f'val_loss: {loss(0.02, RNG):.4f}')\n", "lib/__init__.py": "",
             "lib/model.py": LOSS}
    for place, words in (("any", ()), ("told", ("--run", "python scripts/train.py"))):
        made, _ = begun(tmp_path / place, files, *words)
        assert made["run"]["command"] == ["env", "PYTHONPATH=.", "python3", "scripts/train.py"]
        assert made["track"]["editable"] == ["scripts/train.py", "lib/model.py"]


def test_of_several_programs_the_first_that_prints_a_result_is_taken(tmp_path):
    files = {"main.py": "print('usage: see README')\n", "experiment.py": DRAWS + "print(f'loss: {loss}')\n"}
    assert begun(tmp_path / "any", files)[0]["run"]["command"] == ["python", "experiment.py"]


def test_what_is_not_committed_counts(tmp_path):
    folder = repository(tmp_path / "any", {"train.py": DRAWS + "print(f'loss: {loss}')\n"})
    write(folder, {"train.py": DRAWS + "from model import f\nprint(f'val_acc: {f(loss)}')\n", "model.py": "def f(x):\n    return x / 3\n"})
    done = overnight("init", folder)
    made = tomllib.loads((folder / "track.toml").read_text())
    assert made["metric"]["name"] == "val_acc" and made["track"]["editable"] == ["train.py", "model.py"], done.stderr
    assert git(folder, "status", "--porcelain", "model.py") == "?? model.py"


def test_what_is_changed_beside_the_run_counts_too_and_what_is_no_text_is_said(tmp_path):
    folder = repository(tmp_path / "any", {"train.py": "print('nothing')\n", "rate.csv": "1\n", "weights.bin": b"\xff\x00", "old.txt": "x\n"})
    write(folder, {"train.py": DRAWS + "import os\nloss += float(open('rate.csv').read())\nprint(f'loss: {loss + 9 * os.path.exists(\"old.txt\")}')\n",
                   "rate.csv": "100\n", "weights.bin": b"\xff\x01"})
    git(folder, "rm", "-q", "old.txt")
    done = overnight("init", folder)
    assert done.returncode == 0, done.stderr
    assert "printed loss = 10" in done.stdout and "no text stays as it is committed: weights.bin" in done.stdout


def test_what_git_ignores_is_said_and_not_editable(tmp_path):
    files = {".gitignore": "local.py\n", "train.py": DRAWS + "try:\n    import local\nexcept ImportError:\n    pass\nprint(f'loss: {loss}')\n"}
    folder = tmp_path / "any"
    repository(folder, files)
    write(folder, {"local.py": "X = 1\n"})
    done = overnight("init", folder)
    assert "git does not know local.py" in done.stdout
    assert tomllib.loads((folder / "track.toml").read_text())["track"]["editable"] == ["train.py"]


def test_a_repository_without_a_commit_is_a_sentence(tmp_path):
    git(tmp_path, "init", "-q")
    write(tmp_path, {"train.py": "print('loss: 3')\n"})
    assert "commit" in sentence(overnight("init", tmp_path))


# ---- other languages --------------------------------------------------------------------------------------------

needs = {name: pytest.mark.skipif(shutil.which(name, path="/usr/local/bin:/usr/bin:/bin") is None, reason=f"{name} is not installed")
         for name in ("cc", "make", "node")}
C = ('#include <stdio.h>\n#include <stdlib.h>\n#include "step.h"\nint main(void) {\n    const char *seed = getenv("OVERNIGHT_SEED");\n'
     '    srand(seed ? atoi(seed) : 0);\n    printf("energy loss: %8.4f\\n", STEP * 2 + rand() % 100 / 1e4);\n}\n')


@needs["cc"]
def test_c_without_a_makefile_is_compiled_and_run(tmp_path):
    made, _ = begun(tmp_path / "any", {"main.c": C, "step.h": "#define STEP 0.5\n"})
    assert made["track"]["editable"] == ["main.c", "step.h"] and made["metric"]["name"] == "energy loss"
    assert made["build"]["outputs"] == ["program"] and made["run"]["command"] == ["./program"]


@needs["cc"]
@needs["make"]
def test_c_with_a_makefile_is_run_by_its_target(tmp_path):
    files = {"main.c": C, "step.h": "#define STEP 0.5\n", "Makefile": "prog: main.c step.h\n\tcc -O1 -o prog main.c\nrun: prog\n\t./prog\n"}
    made, _ = begun(tmp_path / "any", files)
    assert made["build"] == {"command": ["make", "-s", "prog"], "outputs": ["prog"]}
    assert made["run"]["command"] == ["./prog"] and made["track"]["editable"] == ["main.c", "step.h"]


@needs["node"]
def test_a_script_of_package_json_is_run(tmp_path):
    files = {"package.json": json.dumps({"name": "x", "scripts": {"bench": "node bench.js"}}), "solver.js": "exports.WIDTH = 3;\n",
             "bench.js": "const s = require('./solver.js');\nconsole.log(`throughput: ${(s.WIDTH * 100 + Number(process.env.OVERNIGHT_SEED) % 7).toFixed(1)} ops/s`);\n"}
    made, _ = begun(tmp_path / "any", files)
    assert made["run"]["command"] == ["node", "bench.js"] and made["track"]["editable"] == ["solver.js"]
    assert made["metric"]["direction"] == "maximize"


# ---- autoresearch -----------------------------------------------------------------------------------------------

AUTORESEARCH = {  # the same files, cache, project and output; of a size for one core
    "program.md": "# autoresearch\n\nRun `uv run train.py`.\n", ".python-version": "3.11\n", "uv.lock": "version = 1\n", ".gitignore": ".venv\n*.log\n",
    "pyproject.toml": "[project]\nname = 'autoresearch'\nversion = '0.1.0'\nrequires-python = '>=3.10'\ndependencies = ['charset']\n",
    "prepare.py": """\
import math, os
from charset import encode  # of the project's own environment
CACHE_DIR = os.path.join(os.path.expanduser("~"), ".cache", "autoresearch")
DATA_DIR = os.path.join(CACHE_DIR, "data")
TIME_BUDGET = 1500  # letters that are learnt from

def tokens(split):
    with open(os.path.join(DATA_DIR, f"shard_{split}.txt")) as file:
        return encode(file.read())

def evaluate_bpb(model):
    letters = tokens("val")
    return -sum(math.log2(model.chance(a, b)) for a, b in zip(letters, letters[1:])) / (len(letters) - 1)
""",
    "train.py": """\
import os, random, time
from prepare import TIME_BUDGET, evaluate_bpb, tokens

SMOOTHING = 40.0
DEPTH = 1

class Model:
    def __init__(self, size):
        self.counts = [[SMOOTHING] * size for _ in range(size)]
    def learn(self, a, b):
        self.counts[a][b] += DEPTH
    def chance(self, a, b):
        return self.counts[a][b] / sum(self.counts[a])

begun = time.time()
random.seed(int(os.environ.get("OVERNIGHT_SEED", 42)))
letters = tokens("train")
model = Model(max(letters) + 1)
for step in range(TIME_BUDGET):
    at = random.randrange(len(letters) - 1)
    model.learn(letters[at], letters[at + 1])
    if step % 500 == 0:
        print(f"\\rstep {step:05d} ({100 * step / TIME_BUDGET:.1f}%) | lrm: 1.00", end="", flush=True)
print()
print("---")
print(f"val_bpb:          {evaluate_bpb(model):.6f}")
print(f"training_seconds: {time.time() - begun:.1f}")
print("peak_vram_mb:     0.0")
print(f"num_steps:        {TIME_BUDGET}")
print(f"depth:            {DEPTH}")
"""}


def test_autoresearch_goes_through_init_and_check_and_a_night_keeps_something(tmp_path):
    home, folder = tmp_path / "home", tmp_path / "home/autoresearch"
    words = ["the", "night", "is", "long", "and", "data", "few"]
    write(home / ".cache/autoresearch/data", {f"shard_{split}.txt": " ".join(words[n * n % 7] for n in range(400)) for split in ("train", "val")})
    repository(folder, AUTORESEARCH)
    venv.create(folder / ".venv", with_pip=False)
    site = next((folder / ".venv/lib").glob("python*")) / "site-packages"
    write(site, {"charset.py": "def encode(text):\n    return [ord(c) % 32 for c in text]\n"})
    env = {**os.environ, "HOME": str(home)}
    done = overnight("init", folder, env=env)
    assert done.returncode == 0, done.stderr
    made = tomllib.loads((folder / "track.toml").read_text())
    assert made["track"]["editable"] == ["train.py"] and made["metric"]["name"] == "val_bpb" and "gpus" not in made["run"]
    assert (made["run"]["command"], made["run"]["timeout"], made["metric"]["worthwhile"]) == (["python", "train.py"], "15min", 0.0005)
    assert (made["run"]["data"], made["run"]["python"]) == (["~/.cache/autoresearch"], ".venv")
    assert "printed val_bpb = " in done.stdout and "prepare.py" in done.stdout
    text = (folder / "track.toml").read_text()
    commit(folder, {"track.toml": text.replace('["python", "train.py"]', '["uv", "run", "train.py"]')}, "the contract")
    checked = overnight("check", folder, env=env)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    ran = overnight("run", folder, "--experiments", "6", env=env)
    assert " keep " in ran.stdout and "0 kept" not in ran.stdout, ran.stdout + ran.stderr


def test_autoresearch_without_its_data_is_a_sentence(tmp_path):
    folder = repository(tmp_path / "autoresearch", AUTORESEARCH | {"charset.py": "def encode(text):\n    return list(text)\n"})
    said = overnight("init", folder, env={**os.environ, "HOME": str(tmp_path)}).stdout
    assert "~/.cache/autoresearch/data/shard_train.txt is not there: prepare it first" in said, said


@pytest.mark.skipif(bool(gpus.devices()), reason="this machine has a GPU")
def test_autoresearch_that_wants_a_gpu_gets_its_contract_and_one_sentence(tmp_path):
    wants = "raise SystemExit('no NVIDIA driver')  # torch.device('cuda')\n"
    folder = tmp_path / "autoresearch"
    made, said = begun(folder, AUTORESEARCH | {"train.py": wants + AUTORESEARCH["train.py"]}, ready=False)
    assert made["run"]["gpus"] is True and "warning: `python train.py` ended with status 1: no NVIDIA driver" in said
    commit(folder, {}, "the contract")
    assert "asks for a GPU and this machine shows none" in sentence(overnight("check", folder))


def test_a_missing_package_is_looked_for_in_the_environment_that_is_active(tmp_path):
    folder = repository(tmp_path / "any", {"train.py": DRAWS + "import package_of_an_environment\nprint(f'loss: {loss}')\n"})
    venv.create(tmp_path / "env", with_pip=False)
    place = next((tmp_path / "env" / "lib").glob("python*")) / "site-packages" / "package_of_an_environment.py"
    place.write_text("")
    done = overnight("init", folder, env={**os.environ, "VIRTUAL_ENV": str(tmp_path / "env")})
    assert done.returncode == 0, done.stderr
    assert tomllib.loads((folder / "track.toml").read_text())["run"]["python"] == str(tmp_path / "env")
    commit(folder, {}, "the contract")
    assert overnight("check", folder).returncode == 0


def test_an_environment_that_a_clone_brought_is_neither_run_nor_granted(tmp_path):
    venv.create(tmp_path / "inst", with_pip=False)
    secret = next((tmp_path / "inst" / "lib").glob("python*")) / "site-packages" / "secret.py"
    secret.write_text("K = 'key'\n")
    folder = repository(tmp_path / "any", {"train.py": DRAWS + "try:\n    import secret\n    print(secret.K)\nexcept ImportError:\n"
                                           "    pass\nprint(f'loss: {loss}')\n"})
    (folder / ".venv").symlink_to("../inst")
    git(folder, "add", "-A"), git(folder, "commit", "-qm", "a link")
    done = overnight("init", folder)
    assert done.returncode == 0, done.stderr
    assert ".venv is not used, because it leads to" in done.stdout and "granted" not in done.stdout + done.stderr
    assert "python" not in tomllib.loads((folder / "track.toml").read_text())["run"]


def test_a_benchmark_in_a_folder_of_a_src_layout_measures_the_package(tmp_path):
    files = {"src/mylib/__init__.py": "", "src/mylib/core.py": "def f(n):\n    return sum(range(n))\n", "benchmarks/bench_core.py":
             "import time\nfrom mylib.core import f\nif __name__ == '__main__':\n    t = time.perf_counter()\n    f(100000)\n"
             "    print(f'sum of a range: {(time.perf_counter() - t) * 1e3:.3f} ms')\n"}
    made, _ = begun(tmp_path / "any", files)
    assert made["run"]["command"] == ["env", "PYTHONPATH=src", "python3", "benchmarks/bench_core.py"]
    assert made["track"]["editable"] == ["src/mylib/core.py"] and made["metric"]["kind"] == "timing"


@pytest.mark.skipif(not list(Path("~/.rustup/toolchains").expanduser().glob("*/bin/cargo")), reason="no toolchain of rustup is installed")
def test_a_toolchain_of_the_home_is_found_and_granted(tmp_path):
    files = {"Cargo.toml": '[package]\nname = "x"\nversion = "0.1.0"\nedition = "2021"\n', "Cargo.lock": 'version = 3\n[[package]]\nname = "x"\nversion = "0.1.0"\n',
             "src/main.rs": 'mod step;\nfn main() { println!("cost: {:.3}", step::STEP * 2.0); }\n', "src/step.rs": "pub const STEP: f64 = 0.5;\n"}
    made, said = begun(tmp_path / "any", files)
    assert made["track"]["editable"] == ["src/main.rs", "src/step.rs"] and made["run"]["data"][0].startswith("~/.rustup/toolchains/")
    assert "granted: candidates and the scorer read" in said


# ---- contracts that were written by hand ------------------------------------------------------------------------

CONTRACT = """\
[track]
name = "t"
editable = [{editable}]
[metric]
name = "val_loss"
direction = "minimize"
worthwhile = 0.001
from = "output"
pattern = '^val_loss\\s*[:=]\\s*(\\S+)'
[run]
command = {command}
timeout = "20s"
"""


def test_a_module_of_the_repository_is_run(tmp_path):
    text = CONTRACT.format(editable='"pkg/*.py"', command='["python", "-m", "pkg.train"]')
    files = {"pkg/__init__.py": "", "pkg/train.py": DRAWS + "print(f'val_loss: {loss}')\n", "track.toml": text}
    done = overnight("check", repository(tmp_path / "any", files))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_scorer_that_is_run_as_a_module_may_not_be_edited(tmp_path):
    text = CONTRACT.format(editable='"judge/*.py"', command='["python", "train.py"]').replace('from = "output"\n', "")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("pattern"))
    files = {"judge/__init__.py": "", "judge/score.py": "x = 1\n", "train.py": "x = 1\n",
             "track.toml": f'{text}\n[score]\ncommand = ["python", "-m", "judge.score"]\n'}
    assert "judge/score.py may not be editable: it judges" in sentence(overnight("check", repository(tmp_path / "any", files)))


# ---- programs that take long ------------------------------------------------------------------------------------


@pytest.mark.sandbox
def test_a_program_that_takes_too_long_is_read_as_far_as_it_came(tmp_path, monkeypatch, bubblewrap):
    monkeypatch.setattr(contact, "TRIAL", "3s")
    text = "import time\nfor e in range(1000):\n    print(f'epoch {e}: val_loss={1 / (e + 1):.4f}', flush=True)\n    time.sleep(0.5)\n"
    session = Session(repository(tmp_path / "any", {"train.py": text}))
    found, said = contact.Contact(session, bubblewrap, contact.Told(), lambda line: None).met()
    assert (found.number.name, found.number.pick, found.timeout) == ("val_loss", "last", "1h")
    assert "it took longer than 3s" in " ".join(said) and "was stopped after 3s and had printed val_loss = " in said[0]


@pytest.mark.git
def test_without_a_sandbox_what_is_printed_is_read_in_the_text(tmp_path):
    session = Session(repository(tmp_path / "any", {"train.py": DRAWS + "print(f'val_loss: {loss}')\n"}))
    found, said = contact.Contact(session, None, contact.Told(), lambda line: None).met()
    assert found.number.name == "val_loss" and found.direction == "minimize" and "was not tried" in said[0]
