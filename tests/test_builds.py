"""`[build]`: made once of equal inputs, laid over the tree, never left for others; compile caches of the baseline's for every run."""

import io
import os
import re
import socket
import tarfile

import pytest

from conftest import home, overnight, repository, write
from overnight.errors import TrackError
from overnight.execution import builds
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.repo import Repo
from overnight.track import spec

NEEDS = "sandbox"
CONTRACT = """\
[track]
name = "made"
editable = ["loss.h", "notes.txt"]

[metric]
name = "loss"
direction = "minimize"
from = "output"
pattern = '^loss: (\\S+)'

[build]
command = ["make", "-s"]
outputs = ["bin"]

[run]
command = ["bin/program"]
timeout = "10s"
memory = "256MiB"
"""
MAKE = """\
bin/program: program.c loss.h
\tmkdir -p bin && date +%s%N > bin/when && ln -sf program bin/alias && cc -O0 -o bin/program program.c && ln bin/program bin/same
"""
PROGRAM = """\
#include <stdio.h>
#include "loss.h"
int main() {
    char when[99];
    FILE *file = fopen("bin/when", "r");
    printf("when: %s", fgets(when, 99, file));
    printf("loss: %f\\n", LOSS);
    return fopen("bin/alias", "r") == 0 || fopen("bin/same", "r") == 0;
}
"""
MADE = {"track.toml": CONTRACT, "Makefile": MAKE, "program.c": PROGRAM, "loss.h": "#define LOSS 1.0\n", "notes.txt": "none\n"}


class Bench:
    """Measures commits of one repository, the baseline of which is its first."""

    def __init__(self, folder, sandbox, contract=CONTRACT):
        self.folder, self.repo = folder, Repo(folder)
        self.base = self.repo.head()
        self.runner = Runner(spec.parse(contract), self.repo, sandbox, self.base, home(folder))

    def run(self, files=None, keep=None):
        head = self.repo.commit(self.base, files, "a change") if files else self.base
        ended = self.runner.measure(Measure(1, 1, head, 3, "race"), keep=keep)
        self.said = ended.logs["run"].decode()
        self.when = self.said.partition("when: ")[2].partition("\n")[0]
        return ended


@pytest.fixture
def made(tmp_path, bubblewrap):
    return Bench(repository(tmp_path / "made", MADE), bubblewrap)


def test_equal_inputs_are_built_once_and_others_anew(made):
    """The commit again, another commit with the same files, a later session; then a change of what is compiled, and back."""
    assert made.run().metrics["loss"] == 1.0
    first = made.when
    assert made.run().outcome == "ok" and made.when == first
    made.runner.forget(made.base)
    assert not list(made.runner.trees.glob(f"{made.base}*"))
    again = Bench(made.folder, made.runner.sandbox)
    assert again.run().outcome == "ok" and again.when == first
    assert again.run({"loss.h": "#define LOSS 0.5\n"}).metrics["loss"] == 0.5 and again.when != first
    assert again.run().metrics["loss"] == 1.0 and again.when == first
    assert not list((home(made.folder) / "builds").glob("making-*"))


def test_a_build_is_no_part_of_the_time_of_a_run(made):
    ended = made.run()
    assert ended.overhead["build"] > ended.busy / 10 and ended.metrics["wall_seconds"] <= ended.busy


def test_without_inputs_every_file_counts_and_with_them_others_are_not_there(tmp_path, bubblewrap):
    """What the hash does not cover cannot be read, so that it cannot make what another candidate with the same hash would get."""
    files = MADE | {"Makefile": MAKE.replace("date +%s%N", "(cat notes.txt || echo gone)")}
    whole = Bench(repository(tmp_path / "whole", files), bubblewrap)
    whole.run()
    assert whole.when == "none" and whole.run({"notes.txt": "evil\n"}) and whole.when == "evil"
    assert whole.run() and whole.when == "none"
    files["track.toml"] = CONTRACT.replace("outputs", 'inputs = ["Makefile", "*.c", "*.h"]\noutputs')
    named = Bench(repository(tmp_path / "named", files), bubblewrap, files["track.toml"])
    for notes in ({"notes.txt": "evil\n"}, None):
        assert named.run(notes).outcome == "ok", named.said
        assert named.when == "gone"


def test_the_environment_of_runs_is_no_part_of_a_build_which_would_be_kept_for_another(tmp_path, bubblewrap):
    contract = CONTRACT.replace('command = ["make", "-s"]', 'command = ["sh", "-c", "mkdir bin && echo built ${SIZE-without} > bin/said"]') \
        .replace('command = ["bin/program"]', 'command = ["sh", "-c", "cat bin/said && echo ran with $SIZE && echo loss: 1"]\nenvironment = { SIZE = "2" }')
    bench = Bench(repository(tmp_path / "made", {**MADE, "track.toml": contract}), bubblewrap, contract)
    bench.run()
    assert "built without\nran with 2\n" in bench.said


def test_a_build_that_fails_is_a_crash_with_the_compilers_words(made):
    ended = made.run({"loss.h": "#define LOSS 1.0 +\n"})
    assert ended.outcome == "crash" and ended.reason.startswith("the build ended with status 2: program.c:7:"), ended.reason
    assert "error: expected expression" in ended.reason and "make: ***" in made.said
    assert not list((home(made.folder) / "builds").iterdir())


def test_outputs_that_are_not_made_are_named(tmp_path, bubblewrap):
    contract = CONTRACT.replace('["bin"]', '["bin", "lib"]')
    ended = Bench(repository(tmp_path / "made", MADE | {"track.toml": contract}), bubblewrap, contract).run()
    assert ended.outcome == "crash" and "lib" in ended.reason


def test_a_build_is_as_confined_as_a_run(tmp_path, bubblewrap):
    """No network, nothing of the home, no file of the host's; nothing but what is named comes out."""
    listening = socket.create_server(("127.0.0.1", 0))
    probe = ("import os, socket\nos.makedirs('bin')\nopen('other', 'w').write('x')\nopen('loss.h', 'w').write('x')\n"
             "def tried(what):\n    try:\n        return what()\n    except OSError as error:\n        return type(error).__name__\n"
             f"said = [tried(lambda: socket.create_connection(('127.0.0.1', {listening.getsockname()[1]}), 1) and 'reached'),\n"
             f"        tried(lambda: open({str(tmp_path)!r} + '/secret').read()), 'SECRET' in os.environ]\n"
             "open('bin/when', 'w').write(repr(said) + '\\n')\n")
    contract = CONTRACT.replace('["make", "-s"]', '["python", "probe.py"]').replace(
        '["bin/program"]', '["sh", "-c", "cat bin/when loss.h; ls; echo loss: 1"]')
    (tmp_path / "secret").write_text("secret")
    os.environ["SECRET"] = "secret"
    made = Bench(repository(tmp_path / "made", MADE | {"probe.py": probe}), bubblewrap, contract)
    try:
        assert made.run().outcome == "ok", made.said
    finally:
        del os.environ["SECRET"]
    said, header, *names = made.said.splitlines()
    listening.close()
    assert re.fullmatch(r"\['(OSError|PermissionError)', 'FileNotFoundError', False\]", said), said
    assert header == "#define LOSS 1.0" and "other" not in names


def test_an_artefact_may_be_run(made, tmp_path):
    contract = CONTRACT.replace('["bin/program"]', '["sh", "-c", "bin/program && cp bin/program $OVERNIGHT_OUT/"]')
    made.runner.track = spec.parse(contract)
    assert made.run(keep=tmp_path / "kept").outcome == "ok"
    assert os.access(tmp_path / "kept/program", os.X_OK)


# ---- caches ----------------------------------------------------------------------------------------------------

CACHED = """\
import os
place = os.environ["TORCHINDUCTOR_CACHE_DIR"]
os.makedirs(place, exist_ok=True)
print("found:", sorted(os.listdir(place)), [open(place + "/" + name).read() for name in sorted(os.listdir(place))])
with open(place + "/base", "a") as base:
    base.write(TEXT)
open(place + "/new", "w").write(TEXT)
os.replace(place + "/new", place + "/entry")
print("loss: 1", round(os.stat("text.py").st_mtime))
"""
CACHES = CONTRACT.replace('command = ["make", "-s"]\noutputs = ["bin"]', "cache = true").replace(
    '["bin/program"]', '["python", "run.py"]').replace('["loss.h", "notes.txt"]', '["text.py"]').replace("(\\\\S+)", "(\\\\d+)")


def test_the_baselines_caches_are_every_runs_and_no_candidates_are_anothers(tmp_path, bubblewrap):
    """What the baseline's first run leaves is read by each later run; what that adds or replaces is gone with it."""
    files = {"track.toml": CACHES, "text.py": "TEXT = 'own'\n", "run.py": "from text import TEXT\n" + CACHED}
    bench = Bench(repository(tmp_path / "cached", files), bubblewrap, CACHES.replace("\\\\", "\\"))
    evil = {"text.py": "TEXT = 'evil'\n"}
    assert bench.run(evil).outcome == "ok", bench.said
    assert "found: [] []" in bench.said
    assert bench.run().outcome == "ok" and "found: [] []" in bench.said
    dated = bench.said.split()[-1]
    for change in (evil, None, evil):
        assert bench.run(change).outcome == "ok", bench.said
        assert "found: ['base', 'entry'] ['own', 'own']" in bench.said
        assert (bench.said.split()[-1] == dated) == (change is None)  # times go by contents, and so do caches that go by times


def test_caches_are_no_artefacts(tmp_path, bubblewrap):
    files = {"track.toml": CACHES, "text.py": "TEXT = 'own'\n", "run.py": "from text import TEXT\n" + CACHED}
    bench = Bench(repository(tmp_path / "cached", files), bubblewrap, CACHES.replace("\\\\", "\\"))
    for turn in range(2):
        assert bench.run(keep=tmp_path / f"kept{turn}").outcome == "ok" and list((tmp_path / f"kept{turn}").iterdir()) == []


# ---- archives of strangers -------------------------------------------------------------------------------------


def member(name, kind=tarfile.REGTYPE, link="", size=0):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


@pytest.mark.pure
@pytest.mark.parametrize("members", [
    [member("../out")], [member("/out")], [member("a/../../out")], [member("a", tarfile.SYMTYPE, "/"), member("a/out")],
    [member("a", tarfile.SYMTYPE, ".."), member("a/b", tarfile.SYMTYPE, "x")], [member("a", tarfile.LNKTYPE, "../out")],
    [member("a"), member("a")], [member("a", tarfile.LNKTYPE, "/etc/hostname")], [member("x/" * 80 + "y")], [member("")],
], ids=lambda each: each[-1].name[:20])
def test_an_archive_that_leads_out_is_refused(tmp_path, members):
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in/built.tar", "w") as tar:
        for each in members:
            tar.addfile(each, io.BytesIO(b""))
    try:
        builds._unpack(tmp_path / "in/built.tar", tmp_path / "in/made")
    except (tarfile.TarError, ValueError, OSError):
        pass
    else:
        assert [p for p in (tmp_path / "in/made").rglob("*") if p.is_symlink()], "only links may come through"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


@pytest.mark.pure
def test_outputs_are_laid_through_no_link_of_the_tree(tmp_path):
    outside = tmp_path / "data"
    (tmp_path / "made/build/deeper").mkdir(parents=True)
    (tmp_path / "made/build/deeper/x").write_text("made")
    (tmp_path / "made/file").write_text("made")
    outside.mkdir()
    (outside / "file").write_text("mine")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "build").symlink_to(outside)
    (tree / "file").symlink_to(outside / "file")
    builds._lay(tmp_path / "made", tree)
    assert (tree / "build/deeper/x").read_text() == (tree / "file").read_text() == "made"
    assert [p.name for p in outside.iterdir()] == ["file"] and (outside / "file").read_text() == "mine"


# ---- the contract ----------------------------------------------------------------------------------------------


@pytest.mark.pure
@pytest.mark.parametrize(("before", "after", "words"), [
    ('command = ["make", "-s"]\noutputs = ["bin"]', "", "has no command"), ('outputs = ["bin"]', "", "needs a command and the `outputs`"),
    ('["bin"]', '["../bin"]', "is no file or folder below"), ('["bin"]', '["."]', "is no file or folder below"),
    ('["bin"]', '["/bin"]', "is no file or folder below"), ('["bin"]', '["**"]', "is no file or folder below"),
    ('outputs = ["bin"]', 'outputs = ["bin"]\ntimeout = "long"', "is not a duration"),
    ("[run]", '[[guard]]\nmetric = "cpu_seconds"\nat_most = "1.2x"\n[run]', "cannot be compared"),
])
def test_a_build_that_cannot_be_is_a_sentence_with_its_line(before, after, words):
    cached = CONTRACT.replace("outputs", "cache = true\noutputs") if "guard" in after else CONTRACT
    with pytest.raises(TrackError, match=words) as found:
        spec.parse(cached.replace(before, after, 1))
    assert "(line " in str(found.value)


@pytest.mark.night
def test_a_made_candidate_is_tried_and_kept(tmp_path):
    folder = repository(tmp_path / "made", MADE)
    write(folder, {"loss.h": "#define LOSS 0.5\n"})
    done = overnight("try", folder, "-m", "Less")
    assert done.returncode == 0 and "keep" in done.stdout, done.stdout + done.stderr
