"""What fails beside the requests ends neither the server nor the work for others."""

import logging
from functools import partial

import anyio
import pytest

from overnight.web.lasting import attempt, lasting


async def failing(left, done):
    """Fail as often as `left` says, in a way that no code foresees, then do some work."""
    if left:
        raise ZeroDivisionError(left.pop())
    done.append(True)


@pytest.mark.pure
def test_lasting_work_begins_again_and_each_failure_is_said(caplog):
    left, done = [1, 2], []
    anyio.run(lasting, "counting", partial(failing, left, done), 0.001)
    assert done == [True] and [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "counting failed" in caplog.text and "ZeroDivisionError" in caplog.text


@pytest.mark.pure
def test_an_attempt_says_whether_it_came_to_its_end():
    assert anyio.run(attempt, "it", partial(failing, [], [])) is True
    assert anyio.run(attempt, "it", partial(failing, [1], [])) is False
