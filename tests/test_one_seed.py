"""A night on a program that fixes its own seed: marked wherever it is shown, from `init` to the audit, and mended by one command."""

import json

import pytest
from msgspec import structs

from bench.seeded import CLASSIFIER, CONFIGURED, LANGUAGE
from conftest import LITTLE, commit, git, home, overnight, repository, write
from overnight.brief.page import page
from overnight.cli.audit import _fixed
from overnight.contracts import Brief
from overnight.lab.events import Measured, Opened
from overnight.lab.state import State
from overnight.night import seeds
from overnight.night.session import Session
from overnight.repo import Repo
from overnight.track.load import load
from overnight.track.spec import parse

NEEDS = "night"
MARK = "one seed only"
CONTRACT = LITTLE["track.toml"]
FIXED = ("train.py:3 random.seed(1)",)


# ---- what is known ----------------------------------------------------------------------------------------------


def state(numbers, fixed=FIXED, contract=CONTRACT):
    """The state after a calibration that gave these numbers, the first seed's twice."""
    made = State()
    made.apply(Opened(0.0, "little", "c0", contract, key="k", fixed_seeds=fixed))
    ran = [*made.known.calibration, made.known.calibration[0]]
    for number, (seed, value) in enumerate(zip(ran, [*numbers, numbers[0]], strict=True), 1):
        made.apply(Measured(at=0.0, run=number, experiment=0, commit="c0", seed=seed, stage="calibrate", outcome="ok",
                            metrics={"loss": value}))
    return made


@pytest.mark.pure
@pytest.mark.parametrize(("numbers", "fixed", "one"), [
    ([1.0] * 5, FIXED, True), ([1.0] * 4 + [1.5], FIXED, False), ([1.0] * 5, (), False), ([0.0] * 5, FIXED, True),
])
def test_behaviour_decides_and_the_source_explains(numbers, fixed, one):
    assert state(numbers, fixed).one_seed is one and state(numbers, fixed).known.one_number is (len(set(numbers)) == 1)


@pytest.mark.pure
@pytest.mark.parametrize("kind", ["noisy", "deterministic"])
def test_the_declared_kind_of_the_metric_changes_nothing(kind):
    assert state([1.0] * 5, contract=CONTRACT.replace('name = "loss"', f'name = "loss"\nkind = "{kind}"')).one_seed


@pytest.mark.pure
def test_before_the_calibration_is_done_nothing_is_said():
    made = State()
    made.apply(Opened(0.0, "little", "c0", CONTRACT, key="k", fixed_seeds=FIXED))
    assert not made.one_seed


@pytest.mark.pure
def test_a_researcher_is_told():
    brief = Brief("goal", "loss", "minimize", {}, 0, None, (), "", 1, one_seed=FIXED)
    assert 'One seed only' in page(brief).text and '"train.py:3 random.seed(1)"' in page(brief).text


# ---- where it is read -------------------------------------------------------------------------------------------


def test_a_commit_is_read_and_not_the_files_on_disk(tmp_path):
    folder = repository(tmp_path / "x", LITTLE | {"run.py": LITTLE["run.py"] + "import random\nrandom.seed(1)\n",
                                                  "data.json": '{"text": "' + "x" * (300 << 10) + '", "seed": 1}'})
    write(folder, {"run.py": LITTLE["run.py"]})
    found, texts = seeds.at(Repo(folder), git(folder, "rev-parse", "HEAD"), load(folder), CONTRACT)
    assert [str(place) for place in found] == ["run.py:5 random.seed(1)"] and "data.json" not in texts
    assert seeds.on_disk(folder, load(folder))[0] == []


def test_nothing_is_read_or_written_through_a_link(tmp_path):
    folder = repository(tmp_path / "x", LITTLE)
    write(tmp_path, {"outside.py": "import random\nrandom.seed(1)\n"})
    (folder / "more.py").symlink_to(tmp_path / "outside.py")
    (folder / "run.py").write_text("import more\n")
    found, texts = seeds.on_disk(folder, load(folder))
    assert found == [] and "more.py" not in texts


def test_a_track_below_a_folder_has_its_own_files_alone(tmp_path):
    below = {f"below/{path}": text for path, text in LITTLE.items()}
    folder = repository(tmp_path / "x", below | {"settings.py": "SEED = 1\n", "below/settings.py": "SEED = 2\n"})
    found, _ = seeds.at(Repo(folder / "below"), git(folder, "rev-parse", "HEAD"), parse(CONTRACT), CONTRACT)
    assert [str(place) for place in found] == ["settings.py:1 SEED = 2"]


# ---- from the first command to the last -------------------------------------------------------------------------


def begun(folder, files, *options):
    """A repository whose user wrote nothing but `overnight init`; what that said."""
    repository(folder, files)
    said = overnight("init", folder, *options).stdout
    commit(folder, {}, "the contract")
    return said


def done(*arguments):
    """What a command prints."""
    made = overnight(*arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_a_night_on_one_seed_is_marked_from_the_first_command_to_the_audit(tmp_path):
    folder = tmp_path / "seeded"
    assert "the program fixes its own seed" in begun(folder, CLASSIFIER, "--edit", "main.py")
    checked = done("check", folder)
    assert f"note: {MARK}" in checked and '+model = Perceptron(rate=0.02, rounds=3, random_state=int(os' in checked
    ran = done("run", folder, "--experiments", 6)
    assert f"; {MARK}: every seed gave the same number" in ran and f"({MARK})" in ran.splitlines()[-1]
    told = [json.loads(line) for line in done("log", folder, "--json").splitlines()]
    kept = [each for each in told if each["verdict"]["verdict"] == "keep"]
    assert kept and all(each["one_seed"] for each in kept) and not any(e["one_seed"] for e in told if e not in kept)
    assert done("log", folder).count(f"({MARK})") == len(kept)
    shown = done("show", kept[0]["id"], folder)
    assert f"#{kept[0]['id']} keep ({MARK})" in shown and "One seed only: every" in shown and "at most one in as many" not in shown
    status = json.loads(done("status", folder, "--json"))
    assert MARK in status["marks"] and status["fixed_seeds"][0] == "main.py:3 points = cloud(240, random_state=7)"
    assert done("status", folder).splitlines()[-1].startswith(f"{MARK}: ")
    audited = done("audit", folder, "--seeds", 3)
    assert "holds" not in audited and "Nothing was shown about any other seed" in audited and "add up:" not in audited
    done("report", folder)
    report = (home(folder) / "report" / "report.md").read_text()
    assert f"> **{MARK}**" in report and report.count(f"({MARK})") >= len(kept) and "holds" not in report
    assert f"\t{MARK}: " in (home(folder) / "report" / "results.tsv").read_text()
    assert "One seed only: the program fixes its own seed" in done("brief", folder)
    again = overnight("run", folder, "--experiments", 1)
    assert f"note: {MARK}" in again.stderr


def test_the_change_connects_the_seed_and_the_next_night_bears_no_mark(tmp_path):
    folder = tmp_path / "seeded"
    begun(folder, LANGUAGE)
    assert "seed of line 10 comes from $OVERNIGHT_SEED" in done("init", folder, "--seed")
    assert git(folder, "status", "--porcelain") == "M train.py"
    commit(folder, {}, "connected")
    assert MARK not in done("check", folder)
    assert MARK not in done("run", folder, "--experiments", 2)
    assert json.loads(done("status", folder, "--json"))["fixed_seeds"] == []
    assert "no fixed seed was found" in done("init", folder, "--seed")


def test_one_command_writes_the_contract_and_connects_the_seed(tmp_path):
    folder = repository(tmp_path / "seeded", LANGUAGE)
    said = done("init", folder, "--seed")
    assert "wrote" in said and (folder / "track.toml").exists() and "OVERNIGHT_SEED" in (folder / "train.py").read_text()


def test_where_no_change_is_safe_the_file_stays_as_it_is_and_the_user_is_told(tmp_path):
    folder = tmp_path / "seeded"
    begun(folder, CONFIGURED)
    assert "by hand: config.yaml:1 seed: 42" in done("init", folder, "--seed")
    assert (folder / "config.yaml").read_text() == CONFIGURED["config.yaml"] and git(folder, "status", "--porcelain") == ""
    assert "by hand: config.yaml:1 seed: 42" in done("check", folder)


def test_an_exact_result_is_no_night_on_one_seed_and_no_audit_says_that_it_holds(tmp_path):
    exact = LITTLE["score.py"].replace(' + int(os.environ["OVERNIGHT_SEED"]) % 7 / 100', "")
    folder = repository(tmp_path / "exact", LITTLE | {"score.py": f"SEED = 3\n{exact}"})
    assert "no fixed seed was found" in done("check", folder)
    ran = done("run", folder, "--experiments", 3)
    assert " keep " in ran and MARK not in ran
    audited = done("audit", folder, "--seeds", 3)
    assert "reproduced exactly" in audited and "holds" not in audited and MARK not in audited


def test_a_fixed_seed_that_does_not_fix_the_number_marks_nothing(tmp_path):
    folder = tmp_path / "varied"
    begun(folder, {"main.py": "import os, random\nsplit = random.Random(3).random()\nRATE = 0.5\n"
                              "lots = random.Random(int(os.environ['OVERNIGHT_SEED']))\n"
                              "print(f'loss: {(RATE - 3) ** 2 + lots.gauss(0, 0.01) + split}')\n"})
    assert MARK not in done("check", folder)
    ran = done("run", folder, "--experiments", 2)
    assert MARK not in ran and json.loads(done("status", folder, "--json"))["fixed_seeds"]


def test_of_a_track_that_was_opened_before_this_was_recorded_the_audit_finds_out(tmp_path):
    folder = tmp_path / "seeded"
    begun(folder, CLASSIFIER)
    done("run", folder, "--experiments", 1)
    session = Session(folder)
    state = session.read()
    assert state.one_seed
    state.opened = structs.replace(state.opened, fixed_seeds=())
    assert not state.one_seed and len(_fixed(session)) == 3
