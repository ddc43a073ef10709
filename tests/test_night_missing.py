"""A baseline that works for its user and fails in a run: what the run lacks is named, with what to do."""

import os
import subprocess
import sys

import pytest

from conftest import CONTRACT, LITTLE, git, home, overnight, repository, sentence, write
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.night.missing import why
from overnight.repo import Repo
from overnight.track import spec

NEEDS = "sandbox"
COMMAND = '["python", "-S", "-E", "run.py"]'
TAIL = "import os\nopen(os.environ['OVERNIGHT_OUT'] + '/x', 'w').write('1')\n"


def run(folder, sandbox):
    """One run of the commit that is checked out, and what it lacked."""
    repo, track = Repo(folder), spec.parse((folder / "track.toml").read_text())
    done = Runner(track, repo, sandbox, repo.head(), home(folder)).measure(Measure(1, 0, repo.head(), 7, "calibrate"))
    return done, why(track, repo, done.reason, done.logs["run"])


def lacking(folder, sandbox, program, contract=CONTRACT, disk=(), **files):
    """The same of a small track whose run is this program; `disk`: files in the folder that are not committed."""
    repository(folder, LITTLE | {"run.py": program + TAIL, "track.toml": contract} | files)
    write(folder, dict(disk))
    return run(folder, sandbox)


@pytest.mark.parametrize(("program", "disk", "said"), [
    ("import helper\n", {"helper.py": "K = 1\n"}, "helper.py is in your folder and not in the commit: `git add helper.py`"),
    ("import kit.deep\n", {"kit/deep.py": ""}, "kit is in your folder and not in the commit"),
    ("import sys\nsys.path.insert(0, 'src')\nimport kit\n", {"src/kit/__init__.py": ""}, "src/kit/__init__.py is in your folder"),
    ("open('data/x.csv')\n", {"data/x.csv": "1\n"}, '`[run] data = ["data"]`'),
    ("import subprocess\nsubprocess.run(['cat', 'words.txt'], check=True)\n", {"words.txt": "a\n"}, "words.txt is in your folder"),
    ("import no_such_module\n", {}, "the run's interpreter has no no_such_module: name the environment that has it"),
    ("import no_such_module\n", {".venv/bin/python": ""}, '`[run] python = ".venv"`'),
    ("import socket\nsocket.getaddrinfo('data.example.org', 80)\n", {}, "the network is off in a run: fetch the files before"),
    ("import subprocess\nsubprocess.check_output(['git', 'rev-parse', 'HEAD'])\n", {}, "a run's tree is no git repository"),
    ("f = open('big', 'wb')\nfor _ in range(9): f.write(bytes(1 << 20))\n", {}, '[run] disk = "8MiB": raise it, or write less'),
    ("1 / 0\n", {"helper.py": ""}, ""),
    ("import os\nopen(os.path.abspath('data/x.csv'))\n", {"data/x.csv": "1\n"}, '`[run] data = ["data"]`'),
    ("import os\nopen(os.path.expanduser('~/.cache/kit/x'))\n", {}, 'not there: prepare it first, and name it, `[run] data = ["~/.cache/kit"]`'),
    ("open('/data/x.csv')\n", {"data/x.csv": ""}, ""),
    ("open('../x.csv')\n", {}, ""),
])
def test_what_a_run_lacks_is_named(tmp_path, bubblewrap, program, disk, said):
    contract = CONTRACT.replace("[run]", '[run]\ndisk = "8MiB"')
    done, lacks = lacking(tmp_path / "track", bubblewrap, program, contract, disk)
    assert done.outcome != "ok" and said in lacks and bool(said) == bool(lacks)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "4d7a" * 16 + "\nsize 12345\n"


def test_a_pointer_of_lfs_in_the_place_of_a_content_is_named(tmp_path, bubblewrap):
    loads = "import pickle\npickle.load(open('{}', 'rb'))\n"
    _, lacks = lacking(tmp_path / "a", bubblewrap, loads.format("w.bin"), **{"w.bin": POINTER})
    assert lacks.startswith("w.bin is a pointer of Git LFS and not the content: install git-lfs, run `git lfs pull`")
    contract = CONTRACT.replace("[run]", '[run]\ndata = ["data"]')
    _, lacks = lacking(tmp_path / "b", bubblewrap, loads.format("data/w.bin"), contract, {"data/w.bin": POINTER}, **{".gitignore": "data\n"})
    assert f"{tmp_path}/b/data/w.bin is a pointer of Git LFS" in lacks
    _, lacks = lacking(tmp_path / "c", bubblewrap, "1 / 0\n", **{"w.bin": POINTER})
    assert lacks == ""
    folder = repository(tmp_path / "d", LITTLE | {"w.bin": POINTER, ".gitattributes": "*.bin filter=lfs -text\n"})
    assert "w.bin is kept in Git LFS and its content is not here" in sentence(overnight("check", folder))


def test_files_by_their_places_on_the_disk_are_named(tmp_path, bubblewrap, monkeypatch):
    home, folder, other = tmp_path / "home", tmp_path / "home/track", tmp_path / "other"
    monkeypatch.setenv("HOME", str(home))
    write(home, {"corpus/a.txt": "a\n"})
    write(other, {"b.txt": "b\n"})
    write(folder, {".gitignore": "local.txt\n", "local.txt": "l\n"})
    for path, said in (("~/corpus/a.txt", '~/corpus/a.txt is in your home, of which a run has what is named: `[run] data = ["~/corpus"]`'),
                       (f"{home}/corpus/a.txt", '`[run] data = ["~/corpus"]`'), (f"{other}/b.txt", f'`[run] data = ["{other}"]`'),
                       (f"{folder}/settings.py", "open settings.py from where the program is started"),
                       (f"{folder}/local.txt", 'open local.txt from where the program is started, and name it, `[run] data = ["local.txt"]`')):
        done, lacks = lacking(folder, bubblewrap, f"import os\nopen(os.path.expanduser('{path}'))\n")
        assert done.outcome != "ok" and said in lacks, lacks


@pytest.mark.parametrize("first", ["uv", "/usr/local/bin/no-such-program"])
def test_a_program_of_the_users_home_is_named(tmp_path, bubblewrap, first):
    contract = CONTRACT.replace(COMMAND, f'["{first}", "run", "run.py"]')
    done, lacks = lacking(tmp_path / "track", bubblewrap, "", contract)
    assert f"no {first.rpartition('/')[2]}: write what it starts" in lacks and "overnight-" not in done.reason


def test_which_bound_was_passed_and_by_which_key(tmp_path, bubblewrap):
    done, _ = lacking(tmp_path / "a", bubblewrap, "import sys\nsys.stdout.write('x' * (9 << 20))\n")
    assert done.outcome == "output" and done.reason.endswith("([run] output = 8MiB)")
    done, _ = lacking(tmp_path / "b", bubblewrap, "import sys\nsys.stdout.write('x' * (9 << 20))\n",
                      CONTRACT.replace("[run]", '[run]\noutput = "16MiB"'))
    assert done.outcome == "ok"
    done, _ = lacking(tmp_path / "c", bubblewrap, "x = bytearray(3 << 30)\n", CONTRACT.replace('memory = "256MiB"', 'memory = "64MiB"', 1))
    assert done.outcome == "memory" and done.reason.endswith("([run] memory = 64MiB)")


def test_a_tree_that_is_larger_than_its_bound_is_told_from_a_run_that_writes_too_much(tmp_path, bubblewrap):
    contract = CONTRACT.replace("[run]", '[run]\ndisk = "1MiB"')
    _, lacks = lacking(tmp_path / "track", bubblewrap, "", contract, **{"big.bin": os.urandom(2 << 20)})
    assert lacks.startswith("the repository's own tree takes 2 MiB, more than a run may have")


def ignored(folder, name):
    contract = CONTRACT.replace("[run]", f'[run]\ndata = ["{name}"]')
    files = LITTLE | {"run.py": f"print(open('{name}/x.csv').read())\n" + TAIL, "track.toml": contract, ".gitignore": "data/\n"}
    return repository(folder, files)


@pytest.mark.parametrize("name", ["data", "data/deep"])
def test_data_that_git_ignores_lies_at_its_own_place_in_a_runs_tree(tmp_path, bubblewrap, name):
    folder = ignored(tmp_path / "track", name)
    write(folder, {f"{name}/x.csv": "1\n"})
    assert run(folder, bubblewrap)[0].outcome == "ok"


def test_data_of_a_submodule_lies_at_its_own_place_in_a_runs_tree(tmp_path, bubblewrap):
    repository(tmp_path / "lib", {"x.csv": "1\n"})
    folder = ignored(tmp_path / "track", "third")
    git(folder, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "lib"), "third")
    git(folder, "commit", "-qm", "a submodule")
    assert run(folder, bubblewrap)[0].outcome == "ok"


def test_no_link_of_a_commit_leads_the_way_to_data_out_of_the_tree(tmp_path, bubblewrap):
    folder, outside = ignored(tmp_path / "track", "data/deep"), tmp_path / "outside"
    outside.mkdir()
    write(folder, {"data/deep/x.csv": "1\n"})
    (folder / "other").symlink_to(outside)
    git(folder, "add", "other")
    git(folder, "commit", "-qm", "a link")
    repo, track = Repo(folder), spec.parse((folder / "track.toml").read_text().replace("data/deep", "other/deep"))
    (outside / "deep").mkdir()
    Runner(track, repo, bubblewrap, repo.head(), home(folder)).tree(repo.head())
    assert list(outside.rglob("*")) == [outside / "deep"]


def test_the_machine_and_the_user_have_names_in_a_run(tmp_path, bubblewrap):
    program = ("import getpass, grp, os, pwd, socket\nassert pwd.getpwuid(os.getuid()).pw_name == 'sandbox'\n"
               "assert grp.getgrgid(os.getgid()).gr_name == 'sandbox'\n"
               "assert socket.gethostbyname('localhost') == socket.gethostbyname(socket.gethostname()) == '127.0.0.1'\n")
    done, _ = lacking(tmp_path / "track", bubblewrap, program, CONTRACT.replace("[run]", '[run]\nnetwork = "loopback"'))
    assert done.outcome == "ok", done.reason


@pytest.mark.parametrize("word", ["$OVERNIGHT_SEED", "--seed=${OVERNIGHT_SEED}"])
def test_the_seed_and_the_folder_for_artefacts_are_filled_into_a_commands_words(tmp_path, bubblewrap, word):
    contract = CONTRACT.replace(COMMAND, f'["python", "run.py", "{word}", "$OVERNIGHT_OUT/y", "$OVERNIGHT_SEEDS"]')
    program = "import sys\nassert sys.argv[1].endswith('7')\nopen(sys.argv[2], 'w')\nassert sys.argv[3] == '$OVERNIGHT_SEEDS'\n"
    done, _ = lacking(tmp_path / "track", bubblewrap, program, contract)
    assert done.outcome == "ok", done.reason


def test_check_and_run_say_what_a_run_lacks(tmp_path):
    folder = repository(tmp_path / "track", LITTLE | {"run.py": "import helper\n" + TAIL})
    write(folder, {"helper.py": ""})
    found = overnight("check", folder)
    assert "helper.py is in your folder and not in the commit" in found.stdout and found.returncode == 2
    assert "helper.py is in your folder" in sentence(overnight("run", folder, "--experiments", "1"))


def test_a_folder_named_as_editable_is_told_how_to_be_written(tmp_path):
    folder = repository(tmp_path / "track", LITTLE | {"src/a.py": "X = 1\n",
                                                      "track.toml": CONTRACT.replace('"settings.py"', '"src"')})
    assert "it is a folder: write 'src/**'" in sentence(overnight("check", folder))


def test_a_branch_in_the_way_of_the_result_branch_is_told_before_anything_runs(little):
    git(little, "branch", "overnight")
    assert "a branch `overnight` stands in the way of overnight/little: rename it" in sentence(
        overnight("run", little, "--experiments", "1"))


def test_a_terminal_without_a_sign_shows_another_one_and_a_folder_may_have_letters_that_the_locale_lacks(tmp_path):
    little = repository(tmp_path / "projéct", LITTLE)
    env = os.environ | {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code = ("import sys; from overnight.cli import main\nfrom overnight.cli.base import tell\n"
            "sys.argv = ['overnight', 'where', sys.argv[1]]\n"
            "try: main()\nfinally: tell('1 \\u2192 2')\n")
    done = subprocess.run([sys.executable, "-c", code, str(little)], env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and b"1 -> 2" in done.stdout


def test_data_beside_files_of_the_commit_lie_at_their_own_place(tmp_path, bubblewrap):
    folder = ignored(tmp_path / "track", "data")
    write(folder, {"data/.gitkeep": "", "data/x.csv": "1\n"})
    git(folder, "add", "-f", "data/.gitkeep")
    git(folder, "commit", "-qm", "a place for data")
    assert run(folder, bubblewrap)[0].outcome == "ok"


def test_what_only_sounds_like_git_is_no_git(tmp_path, bubblewrap):
    assert lacking(tmp_path / "track", bubblewrap, "raise SystemExit('fatal: cannot load the digits dataset')\n")[1] == ""
