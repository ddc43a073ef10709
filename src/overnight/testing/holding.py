"""What a sandbox that can hold a command must do besides, as tests; `overnight.testing.sandbox` says how to inherit them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from overnight.contracts import Command, Held, Limits, Prepares
from overnight.testing.sandbox import QUICK, Ground

ADMITS, HELD_FOR = 5.0, 0.3  # seconds: what a start and its end may take on a busy machine, and how long one is held
WRITES = ("/bin/sh", "-c", 'date +%s.%N; echo ran > "$OVERNIGHT_OUT/x"')


def held(ground: Ground, argv: tuple[str, ...] = WRITES, **options: Any) -> Held:
    """A command that waits to be released."""
    assert isinstance(ground.sandbox, Prepares)
    given: dict[str, Any] = {"limits": QUICK, "harvest": ground.kept} | options
    return ground.sandbox.prepare(Command(argv, ground.tree, **given))


class Holds:
    """What a sandbox with `prepare` must do."""

    def test_it_begins_when_it_is_released_and_not_before(self, ground: Ground) -> None:
        waiting = held(ground)
        time.sleep(HELD_FOR)
        released = time.time()
        ended = waiting.release().wait()
        assert (ended.code, ended.killed) == (0, "") and float(ended.stdout) >= released
        assert (ground.kept / "x").read_text() == "ran\n"

    def test_the_time_for_which_it_was_held_is_nobodys(self, ground: Ground) -> None:
        waiting = held(ground)
        time.sleep(ADMITS)
        ended = waiting.release().wait()
        assert ended.wall + ended.setup < ADMITS

    def test_its_time_is_bounded_from_the_release_on(self, ground: Ground) -> None:
        waiting = held(ground, limits=Limits(wall=1.0, memory=QUICK.memory))
        time.sleep(1.0 + HELD_FOR)
        assert waiting.release().wait().killed == ""

    def test_it_sees_what_its_inputs_become_meanwhile(self, ground: Ground, tmp_path: Path) -> None:
        inputs = tmp_path / "inputs"
        inputs.mkdir()
        waiting = held(ground, ("/bin/sh", "-c", 'cat "$OVERNIGHT_ARTIFACTS/late"'), inputs=inputs)
        (inputs / "late").write_text("here")
        assert waiting.release().wait().stdout == b"here"

    def test_one_that_is_discarded_never_runs(self, ground: Ground) -> None:
        waiting = held(ground)
        waiting.discard()
        waiting.kill()
        assert not ground.kept.exists()

    def test_one_that_is_killed_has_ended_before_it_began(self, ground: Ground) -> None:
        waiting = held(ground)
        waiting.kill()
        ended = waiting.release().wait()
        assert (ended.killed, ended.stdout, ground.kept.exists()) == ("stopped", b"", False), ended
