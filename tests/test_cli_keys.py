"""The keys of the live view, pressed on a real terminal."""

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time

import pyte
import pytest

from conftest import LITTLE, command, repository

NEEDS = "night"
SLOW = LITTLE["run.py"] + "import time\ntime.sleep(0.1)\n"


class Seat:
    """A user before a terminal with a night on it."""

    def __init__(self, folder):
        self.ours, theirs = pty.openpty()
        self.before = termios.tcgetattr(theirs)
        termios.tcsetwinsize(theirs, (40, 100))
        self.theirs, self.seen = theirs, ""
        env = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(command("run", folder, "--workers", "1", "--for", "60s"), stdin=theirs, stdout=theirs,
                                        stderr=theirs, env=env, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def until(self, said, seconds=40):
        """Read until this is on the screen or was."""
        end = time.monotonic() + seconds
        while not re.search(said, self.seen) and time.monotonic() < end:
            if select.select([self.ours], [], [], 0.2)[0]:
                self.seen += os.read(self.ours, 1 << 16).decode(errors="replace")
        assert re.search(said, self.seen), self.screen()

    def press(self, key):
        os.write(self.ours, key.encode())

    def screen(self):
        shown = pyte.Screen(100, 40)
        pyte.Stream(shown).feed(self.seen)
        return "\n".join(line.rstrip() for line in shown.display)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def seat(tmp_path):
    sits = Seat(repository(tmp_path / "little", LITTLE | {"run.py": SLOW}))
    yield sits
    sits.close()


def test_keys_pause_show_and_stop_and_leave_the_terminal_as_it_was(seat):
    seat.until("keys: p pause")
    seat.until("#1 ")
    seat.press("p")
    seat.until("paused")
    seat.press("p")
    seat.seen = ""
    seat.until(r"#\d+ (discard|keep|crash)")
    seat.press("d")
    seat.until(r"\+X = |nothing is kept yet")
    seat.press("s")
    seat.until("stopped by a key")
    assert seat.process.wait(30) == 0
    assert termios.tcgetattr(seat.theirs)[3] == seat.before[3]
