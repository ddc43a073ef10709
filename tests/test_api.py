"""`overnight.api`: a track read from Python, beside a night at work, with nothing written and nothing locked."""

import fcntl
import hashlib
import re
import subprocess
import sys
import time

import msgspec
import pytest

from conftest import LITTLE, ROOT, command, home, overnight, repository, sentence, stop
from overnight.api import Track
from overnight.errors import NotFound, TrackError
from overnight.views.experiment import DetailView, ExperimentView, RunDetailView, RunView

NEEDS = "night"
NONE = ("--sandbox", "none")
ENDLESS = {"run.py": LITTLE["run.py"] + "import time\ntime.sleep(0.05)\n",
           "program.md": "---\nresearchers: [knobs, placebo]\n---\n"}  # a placebo never runs out of changes


@pytest.fixture(scope="module")
def track(tmp_path_factory):
    """The smallest track after a short night."""
    folder = repository(tmp_path_factory.mktemp("api") / "little", LITTLE)
    done = overnight("run", folder, "--experiments", 4, *NONE)
    assert done.returncode == 0, done.stderr
    return folder


def lines(folder, *words, kind):
    return tuple(msgspec.json.decode(row, type=kind) for row in overnight(*words, folder, "--json").stdout.splitlines())


def files(folder):
    """What lies in the state folder: names with contents, but for those with which SQLite's readers speak to one another, and
    the store that is laid out where git is asked whether a commit is there."""
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(home(folder).rglob("*"))
            if path.is_file() and not path.name.endswith(("-shm", "-wal")) and "git" not in path.relative_to(home(folder)).parts}


def test_it_gives_what_the_commands_print(track):
    before = files(track)
    with Track.open(track) as found:
        assert found.experiments() == lines(track, "log", kind=ExperimentView)
        assert found.status().kept >= 1 and found.status().track == "little"
        (detail,) = lines(track, "show", "1", kind=DetailView)
        runs = found.runs(1)
        assert [each.run for each in runs] == [each.run for each in detail.runs] and all(type(each) is RunView for each in runs)
        assert found.runs(detail.commit[:8]) == runs
        assert found.findings().state == "not_audited" and len(found.findings().keeps) == found.status().kept
    with Track.open(str(track), private=True) as found:
        assert found.runs(1) == detail.runs and all(type(each) is RunDetailView and each.seed for each in found.runs(1))
    assert files(track) == before


def test_its_tables_are_frames(track):
    with Track.open(track) as found:
        frame, runs = found.experiments(frame=True), found.frame(runs=True)
        assert frame.id.tolist() == [each.id for each in found.experiments()] and frame.equals(found.frame())
        assert set(runs.experiment) >= {0, 1} and "seed" not in runs
        assert frame[frame.verdict == "keep"].effect.sum() > 0
    with Track.open(track, private=True) as found:
        assert "seed" in found.frame(runs=True) and "holdout_effect" in found.frame()


def test_a_track_that_is_closed_is_read_again(track):
    found = Track.open(track)
    count = len(found.experiments())
    found.close()
    found.close()
    assert len(found.experiments()) == count
    found.close()


def test_what_is_wrong_is_a_sentence(track, tmp_path):
    fresh = repository(tmp_path / "fresh", LITTLE)
    for folder in (tmp_path / "none", tmp_path, fresh):
        with pytest.raises(TrackError) as caught:
            Track.open(folder)
        assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
        assert str(caught.value) in sentence(overnight("export", folder, "--to", "x.csv")) or not folder.exists()
    with Track.open(track) as found:
        for wrong in (99, "99", "", "zzzz", "\x1b[2J" * 99):
            with pytest.raises(NotFound, match="there is no experiment"):
                found.runs(wrong)
    with pytest.raises(TrackError):
        Track.open(track, rung="large")


def test_beside_a_night_at_work_it_tells_ever_more_and_holds_nothing(tmp_path):
    folder = repository(tmp_path / "little", LITTLE | ENDLESS)
    night = subprocess.Popen(command("run", folder, "--workers", "1", *NONE), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while night.poll() is None and not _begun(folder):
            time.sleep(0.1)
        with Track.open(folder) as found:
            first = _until(night, lambda: len(found.experiments()), lambda count: count >= 2)
            more = _until(night, lambda: len(found.experiments()), lambda count: count >= first + 2)
            done = overnight("export", folder, "--to", tmp_path / "x.csv")
            assert done.returncode == 0 and int(re.match(r"\d+", done.stdout)[0]) >= more
            with (home(folder) / "lock").open("rb") as lock, pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the night's own
            assert len(found.frame(runs=True)) > 5
        assert night.poll() is None
    finally:
        stop(night)
        night.stderr.close()
    again = overnight("run", folder, "--experiments", 1, *NONE)
    assert again.returncode == 0, again.stderr


def _begun(folder):
    return (home(folder) / "journal.db").exists() and overnight("status", folder).returncode == 0


def _until(night, look, enough, within=60.0):
    """What a look gives as soon as it is enough."""
    ends = time.monotonic() + within
    while not enough(found := look()):
        assert night.poll() is None and time.monotonic() < ends, found
        time.sleep(0.1)
    return found


def test_the_example_of_the_page_runs(track, tmp_path):
    page = (ROOT / "docs/export.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", code], cwd=track, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert re.search(r"^1 (keep|discard) ", done.stdout, re.MULTILINE) and "knobs" in done.stdout and "not_audited" in done.stdout


def test_what_a_table_holds_stands_on_the_page_of_what_is_printed():
    from overnight.export.columns import EXPERIMENTS, RUNS
    page = (ROOT / "docs/schema.md").read_text(encoding="utf-8")
    assert all(f"| `{column.name}` | {column.type} |" in page for column in (*EXPERIMENTS, *RUNS))


def test_every_public_name_stands_on_its_page():
    page = (ROOT / "docs/export.md").read_text(encoding="utf-8")
    assert not [name for name in vars(Track) if not name.startswith("_") and not re.search(rf"`(?:Track)?\.?{name}\b", page)]
