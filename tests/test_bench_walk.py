"""The newcomer's walk: that a step which fails is told, with what it printed."""

import json

from bench.walk import Walk, kept_at

NEEDS = "sandbox"


def log(folder, *verdicts):
    """A home whose command `overnight` prints these experiments."""
    home = folder / "overnight/.venv/bin"
    home.mkdir(parents=True)
    (folder / "tour").mkdir()
    lines = [json.dumps({"verdict": each and {"verdict": each}, "judged_at": at}) for at, each in enumerate(verdicts, 5)]
    (home / "overnight").write_text("#!/bin/sh\ncat <<'END'\n" + "\n".join(lines) + "\nEND\n")
    (home / "overnight").chmod(0o755)
    return Walk(folder)


def test_a_step_that_fails_is_told_with_what_it_printed(tmp_path):
    walk = Walk(tmp_path)
    assert walk.types("good", "echo found") == "found\n" and not walk.failed
    walk.types("nothing yet", "exit 2", (0, 2))
    walk.types("bad", "echo lost >&2; false; echo more")
    assert walk.failed == {"bad": "lost\n"} and list(walk.took) == ["good", "nothing yet", "bad"]


def test_a_walk_begins_in_a_home_of_its_own(tmp_path):
    assert Walk(tmp_path).types("home", "cd && pwd && env").splitlines()[0] == str(tmp_path)


def test_the_first_keep_is_that_which_was_judged_first(tmp_path):
    assert kept_at(log(tmp_path / "a", "discard", None, "keep", "keep")) == 7
    assert kept_at(log(tmp_path / "b", "discard", None)) == 0
