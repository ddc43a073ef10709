"""The page of ready tracks: made by its script of what was measured, with a row for each; what was found says who found it."""

import difflib
import json
import runpy

import pytest

from bench import registry
from conftest import ROOT, git, repository
from overnight.errors import OvernightError

SCRIPT = runpy.run_path(str(ROOT / "scripts" / "tracks.py"))
NAMES = sorted(path.parent.name for path in ROOT.glob("tracks/*/track.toml"))
RECORD = {"measured": {"date": "2026-01-02", "cores": 4, "load": 0.5, "seeds": 20}, "baseline": [1.5, 1.25, 1.75], "spread": 0.5,
          "seconds": 1.234}
BEST = {"pairs": 0.25, "best": {"value": 1.0, "gain": [0.5, 0.4, 0.6], "by": "knobs", "date": "2026-01-01", "command": "overnight run"}}
PATCH = "By: knobs\nDate: 2026-01-02\nCommand: overnight run x --for 5min\n\ndiff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n" \
        "@@ -1 +1 @@\n-X = 1\n+X = 2\n"


def test_the_page_is_what_the_script_makes():
    assert (ROOT / "docs" / "tracks.md").read_text() == SCRIPT["page"](), "PYTHONPATH=src python scripts/tracks.py > docs/tracks.md"


@pytest.mark.parametrize("name", NAMES)
def test_every_track_has_its_rows_and_its_figures(name):
    page = (ROOT / "docs" / "tracks.md").read_text()
    assert f"| [{name}](../tracks/{name}) |" in page
    assert f"\n| {name} | " in page and f"| {name} | not measured yet |" not in page


def test_records_and_patches_are_of_tracks_that_are_there():
    assert set(registry.records()) <= set(NAMES)
    assert {path.stem for path in registry.FOUND.glob("*.patch")} <= set(NAMES)


@pytest.mark.git
@pytest.mark.parametrize("path", sorted(registry.FOUND.glob("*.patch")), ids=lambda path: path.stem)
def test_what_was_found_applies_and_its_record_is_of_it(tmp_path, path):
    folder = repository(tmp_path / "track", {f.name: f.read_bytes() for f in (ROOT / "tracks" / path.stem).iterdir() if f.is_file()})
    before = git(folder, "rev-parse", "HEAD")
    assert registry.with_patch(folder, path) != before
    best = registry.records()[path.stem]["best"]
    assert {name.lower(): text for name, text in registry.headings(path).items()}.items() <= best.items()
    assert best["gain"][1] > 0, "it is verified: its interval excludes nothing gained"


@pytest.mark.git
def test_a_patch_that_does_not_say_who_found_it_or_does_not_apply_is_refused(tmp_path):
    folder, patch = repository(tmp_path / "r", {"a.py": "X = 1\n"}), tmp_path / "x.patch"
    patch.write_text(PATCH)
    assert registry.headings(patch) == {"By": "knobs", "Date": "2026-01-02", "Command": "overnight run x --for 5min"}
    registry.with_patch(folder, patch)
    assert (folder / "a.py").read_text() == "X = 2\n"
    with pytest.raises(OvernightError, match="does not apply"):
        registry.with_patch(folder, patch)
    patch.write_text(PATCH.replace("By: knobs\n", ""))
    with pytest.raises(OvernightError, match="does not say By"):
        registry.headings(patch)


def test_what_is_measured_of_one_track_leaves_the_others(tmp_path):
    path = tmp_path / "registry.json"
    registry.kept("b", RECORD, path)
    registry.kept("a", RECORD | BEST, path)
    registry.kept("b", RECORD | {"seconds": 2.0}, path)
    assert json.loads(path.read_text()) == {"a": RECORD | BEST, "b": RECORD | {"seconds": 2.0}}


def test_a_record_becomes_rows():
    assert [row.what for row in registry.rows("a", RECORD)] == ["a: baseline", "a: standard deviation over seeds", "a: seconds of a run"]
    found = {row.what: row for row in registry.rows("a", RECORD | BEST)}
    assert found["a: gain of the best"].verdict == "holds" and found["a: baseline"].low == 1.25


def test_a_line_of_the_page():
    assert SCRIPT["figures"]("a", RECORD) == "| a | 1.5 [1.25, 1.75] | 0.5 |  | 1.2 s | none yet | 20 |"
    assert SCRIPT["figures"]("a", RECORD | BEST) == "| a | 1.5 [1.25, 1.75] | 0.5 | 0.25 | 1.2 s | +0.5 [+0.4, +0.6] | 20 |"
    assert SCRIPT["figures"]("a", None).count("|") == SCRIPT["figures"]("a", RECORD).count("|")


@pytest.mark.sandbox
def test_a_track_is_measured_beside_what_was_found(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "FOUND", tmp_path)
    before = (ROOT / "tracks" / "synthetic" / "settings.py").read_text().splitlines(True)
    after = [line.replace("RATE = 0.01", "RATE = 0.05") for line in before]
    diff = "".join(difflib.unified_diff(before, after, "a/settings.py", "b/settings.py"))
    (tmp_path / "synthetic.patch").write_text(
        f"By: a person\nDate: 2026-01-02\nCommand: by hand\n\ndiff --git a/settings.py b/settings.py\n{diff}")
    record = registry.measured("synthetic", 3)
    assert record["measured"]["seeds"] == 3 and record["baseline"][1] < record["baseline"][0] < record["baseline"][2]
    assert record["best"]["by"] == "a person" and record["best"]["gain"][0] > 0 and record["pairs"] > 0 and record["seconds"] > 0
