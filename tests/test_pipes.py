"""A pipe in the place of a file that a command or git reads: a sentence, and never a wait."""

import os

import pytest

from conftest import LITTLE, overnight, repository, sentence
from overnight.errors import TrackError
from overnight.track.program import Watch

NEEDS = "night"


@pytest.mark.parametrize("name", [".gitattributes", ".gitignore", "sub/.gitattributes", "track.toml", "program.md"])
@pytest.mark.parametrize("words", [("check",), ("try",), ("run", "--experiments", "1")], ids=lambda words: words[0])
def test_a_pipe_is_never_waited_for(tmp_path, name, words):
    folder = repository(tmp_path / "little", {**LITTLE, "sub/a.txt": "", "program.md": "be bold\n"})
    (folder / "settings.py").write_text("X = 2.5\n" if words[0] == "try" else LITTLE["settings.py"])
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    done = overnight(*words[:1], folder, *words[1:], "--sandbox", "none", timeout=60)
    assert "Traceback" not in done.stderr
    if name.startswith((".git", "sub/", "track")):
        assert name in sentence(done)


@pytest.mark.parametrize("name", [".gitattributes", "program.md", "train.py"])
def test_init_never_waits_for_a_pipe(tmp_path, name):
    folder = repository(tmp_path / "new", {"main.py": "print(f'loss: {1}')\n"})
    os.mkfifo(folder / name)
    done = overnight("init", folder, timeout=60)
    assert "Traceback" not in done.stderr and done.returncode in (0, 2)


def test_a_role_s_prose_is_never_waited_for(tmp_path):
    (tmp_path / "program.md").write_text("---\nroles:\n  mind: {kind: llm, prose: role.md}\n---\n")
    os.mkfifo(tmp_path / "role.md")
    with pytest.raises(TrackError, match=r"role\.md' is missing or no regular file"):
        Watch(tmp_path / "program.md")
