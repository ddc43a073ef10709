"""A project that is installed in place: what a run imports is the candidate's, not the user's folder."""

import venv

import pytest

from conftest import CONTRACT, LITTLE, commit, home, repository, write
from overnight.execution import editables
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.night.missing import why
from overnight.repo import Repo
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.track import spec

NEEDS = "sandbox"
FINDER = "import sys\nMAPPING: dict[str, str] = {}\ndef install():\n    pass\n"
TRACK = CONTRACT.replace('"settings.py"', '"src/kit/*.py"').replace('"python", "-S", "-E", "run.py"', '"python", "bench/run.py"').replace(
    "[run]", '[run]\npython = ".venv"')
FILES = LITTLE | {"track.toml": TRACK, ".gitignore": ".venv\n*.so\n", "src/kit/__init__.py": "X = 3.0\n", "score.py": LITTLE["score.py"],
                  "bench/run.py": "import os, kit\nprint(kit.__file__)\nopen(os.environ['OVERNIGHT_OUT'] + '/x', 'w').write(str(kit.X))\n"}


def environment(folder, files):
    """A virtual environment of the project with these files in its site-packages; where they lie."""
    venv.create(folder / ".venv", with_pip=False)
    site = next((folder / ".venv/lib").glob("python*")) / "site-packages"
    write(site, files)
    return site


def test_an_edit_of_a_candidate_is_what_is_imported(tmp_path, bubblewrap):
    folder = repository(tmp_path / "track", FILES)
    environment(folder, {"_kit.pth": f"{folder}/src\n"})
    repo, track = Repo(folder), spec.parse(TRACK)
    base, better = repo.head(), commit(folder, {"src/kit/__init__.py": "X = 2.0\n"})
    for sandbox in (bubblewrap, Unsandboxed()):
        runner = Runner(track, repo, sandbox, base, home(folder))
        assert runner.imports == ("src",)
        found = {}
        for each in (base, better):
            done = runner.measure(Measure(1, 0, each, 7, "calibrate"))
            assert done.outcome == "ok" and b"/work/" in done.logs["run"], (done.reason, done.logs)
            found[each] = done.metrics["loss"]
        assert found[better] - found[base] == pytest.approx(1.0)


@pytest.mark.pure
@pytest.mark.parametrize(("files", "found"), [
    ({"_kit.pth": "{root}/src\n"}, ("src",)), ({"easy-install.pth": "# made by a tool\n{root}\n./other\n"}, (".",)),
    ({"__editable__.kit-0.1.pth": "{root}/src\n", "b.pth": "import os; os.x = '{root}/lib'\n/elsewhere\n{root}/src\n"}, ("src",)),
    ({"__editable___kit_0_1_finder.py": FINDER.format("{'kit': '{root}/src/kit', 'one': '{root}/lib/one.py'}")}, ("src", "lib")),
    ({"__editable___kit_0_1_finder.py": FINDER.format("{'a.b': '{root}/src/a/b', 'kit': '{root}/source'}")}, ("src",)),
    ({"__editable___kit_0_1_finder.py": "MAPPING = {'kit': open('x')}\nMAPPING = 3\ndef ("}, ()), ({"a.pth": "\x00\n/\n\n{root}x\n/" + "x" * 5000}, ())])
def test_what_an_environment_imports_from_the_repository(tmp_path, files, found):
    root = tmp_path / "root"
    write(root, {".venv/bin/python": "", "src/x": "", "lib/x": "", "source/x": ""})
    write(root / ".venv/lib/python3.11/site-packages", {name: text.replace("{root}", str(root)) for name, text in files.items()})
    assert editables.folders(root / ".venv/bin/python", root) == found


def test_what_was_built_in_place_is_named(tmp_path, bubblewrap):
    folder = repository(tmp_path / "track", FILES | {"src/kit/__init__.py": "from kit.fast import X\n"})
    environment(folder, {"_kit.pth": f"{folder}/src\n"})
    write(folder, {"src/kit/fast.cpython-311-x86_64-linux-gnu.so": b"\x7fELF"})
    repo, track = Repo(folder), spec.parse(TRACK)
    done = Runner(track, repo, bubblewrap, repo.head(), home(folder)).measure(Measure(1, 0, repo.head(), 7, "calibrate"))
    assert 'not in the commit: name it, `[run] data = ["src/kit/fast.cpython-311' in why(track, repo, done.reason, done.logs["run"]), done.reason
