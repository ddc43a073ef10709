"""What any scorer that reads artefacts must do, as tests: a new one inherits them.

    from overnight.testing.scorers import ScorerSuite

    class TestMine(ScorerSuite):
        artifacts = {"answer.json": b"[1, 2]"}      # what a good run leaves
        def score(self): ...                        # what is given to `overnight.scoring.main`

What a candidate answers through an oracle is the library's to judge. Nothing here imports pytest; it collects the class, and
gives `tmp_path` and `monkeypatch`.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from overnight.scoring import main

NOTHING: dict[str, Callable[[Path, bytes], object]] = {  # what lies in an artefact's stead, and is no answer
    "nothing": lambda path, good: None,
    "a folder": lambda path, good: path.mkdir(),
    "a link": lambda path, good: path.symlink_to("/etc/passwd"),
    "a pipe": lambda path, good: os.mkfifo(path),
}
GARBAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "the first half": lambda good: good[:len(good) // 2],
    "twice": lambda good: good * 2,
    "noise": lambda good: bytes(range(256)) * 8,
    "not finite": lambda good: b"[NaN, Infinity, 1e999]",
    "very deep": lambda good: b"[" * 100_000,
    "another shape": lambda good: b'{"answer": 1, "score": 1e9}',
    "huge numbers": lambda good: b"[" + b"9" * 4000 + b"]",
}


class ScorerSuite:
    """Whatever a run left, the scorer says one thing: numbers, or why there are none."""

    artifacts: Mapping[str, bytes] = {}

    def score(self) -> Mapping[str, object]:
        """The metrics of what lies in $OVERNIGHT_ARTIFACTS."""
        raise NotImplementedError

    def said(self, folder: Path, monkeypatch: Any) -> dict[str, Any]:
        """The one object that it prints about a folder."""
        monkeypatch.setenv("OVERNIGHT_ARTIFACTS", str(folder))
        monkeypatch.setenv("OVERNIGHT_SEED", "1")
        with redirect_stdout(io.StringIO()) as out:
            main(self.score)
        assert out.getvalue().count("\n") == 1
        found: dict[str, Any] = json.loads(out.getvalue())
        return found

    def left(self, folder: Path, without: str = "") -> Path:
        """A new folder with what a good run leaves, but for one artefact; the path of that one."""
        folder.mkdir()
        for name, data in self.artifacts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if name != without:
                (folder / name).write_bytes(data)
        return folder / without

    def test_a_good_run_gives_finite_numbers_and_the_same_ones_again(self, tmp_path: Path, monkeypatch: Any) -> None:
        self.left(tmp_path / "good")
        found = self.said(tmp_path / "good", monkeypatch)
        assert found and all(math.isfinite(value) for value in found.values()), found
        assert self.said(tmp_path / "good", monkeypatch) == found

    def test_where_an_artefact_is_no_file_there_is_no_number(self, tmp_path: Path, monkeypatch: Any) -> None:
        for name in self.artifacts:
            for what, lay in NOTHING.items():
                folder = tmp_path / f"{name} {what}".replace("/", "_")
                lay(self.left(folder, name), self.artifacts[name])
                assert set(self.said(folder, monkeypatch)) <= {"invalid", "foul"}, (name, what)

    def test_garbage_gives_a_sentence_or_finite_numbers(self, tmp_path: Path, monkeypatch: Any) -> None:
        for name in self.artifacts:
            for what, spoilt in GARBAGE.items():
                folder = tmp_path / f"{name} {what}".replace("/", "_")
                self.left(folder, name).write_bytes(spoilt(self.artifacts[name]))
                found = self.said(folder, monkeypatch)
                assert set(found) <= {"invalid", "foul"} or all(math.isfinite(value) for value in found.values()), (name, what)
