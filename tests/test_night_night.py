"""Nights wired whole: several tracks side by side in one process, on the cores of one machine."""

import threading
from pathlib import Path

import pytest

from conftest import LITTLE, git, repository
from overnight.errors import TrackError
from overnight.lab.events import Judged, Measured, Organised, Started, Stopped
from overnight.lab.flight import Budget
from overnight.night.night import Night
from overnight.night.session import Session
from overnight.track.roles import Role
from overnight.workers.cores import Cores

NEEDS = "night"
TRACKS, EXPERIMENTS = 3, 4


class Watched:
    """A sandbox that notes how many payloads of benches go on at once, over all that use it."""

    def __init__(self, inner):
        self.inner, self.name, self.identity, self.findings = inner, inner.name, inner.identity, inner.findings
        self.lock, self.running, self.most, self.threads = threading.Lock(), set(), 0, set()

    def start(self, command):
        process, outer = self.inner.start(command), self
        mark = object()
        with self.lock:
            self.running.add(mark)
            self.most = max(self.most, len(self.running))
            self.threads.add(threading.get_ident())

        class Process:
            def wait(self):
                ended = process.wait()
                with outer.lock:
                    outer.running.discard(mark)
                return ended

            def kill(self):
                process.kill()

        return Process()


@pytest.fixture(scope="module")
def side_by_side(tmp_path_factory):
    """Three tracks, each in a thread of its own, that share a sandbox and a pool of one core."""
    from overnight.sandbox.bubblewrap import Bubblewrap
    inner = Bubblewrap()
    inner.probe()
    box, machine, wrong = Watched(inner), Cores((0,)), []
    folders = [repository(tmp_path_factory.mktemp("several") / f"little{n}", LITTLE) for n in range(TRACKS)]

    def work(folder: Path) -> None:
        try:
            session = Session(folder)
            with session.writing(), Night(session, box, machine=machine) as night:
                night.organise(lambda program: (Role("knobs", "knobs"),))
                night.run(Budget(experiments=EXPERIMENTS), lambda events: None)
        except Exception as error:
            wrong.append(error)
            raise

    threads = [threading.Thread(target=work, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert not wrong and not any(thread.is_alive() for thread in threads)
    return folders, box, machine


def test_each_track_has_its_own_record_from_beginning_to_end(side_by_side):
    for folder in side_by_side[0]:
        session = Session(folder)
        events = list(session.journal.replay())
        assert [type(e) for e in events[1:3]] == [Started, Organised] and isinstance(events[-1], Stopped)
        assert sum(isinstance(e, Judged) for e in events) >= EXPERIMENTS - 1
        state = session.read()
        assert git(folder, "rev-parse", session.branch).strip() == state.commit
        assert state.known.draw("x") not in {Session(f).read().known.draw("x") for f in side_by_side[0] if f != folder}


def test_runs_of_all_of_them_share_the_machine_one_at_a_time(side_by_side):
    _, box, machine = side_by_side
    assert box.most == 1 and len(box.threads) == TRACKS
    with machine.lent(1) as cores:
        assert cores == (0,)  # all were given back


def test_no_night_waits_until_another_has_ended(side_by_side):
    runs = [[e.at for e in Session(folder).journal.replay() if isinstance(e, Measured)] for folder in side_by_side[0]]
    assert max(times[0] for times in runs) < min(times[-1] for times in runs)


def test_a_role_that_cannot_be_had_ends_a_night_before_anything_is_recorded(little, bubblewrap):
    session = Session(little)
    with session.writing(), Night(session, bubblewrap) as night, pytest.raises(TrackError, match="needs to be named"):
        night.organise(lambda program: (Role("someone", "agent"),))
    assert not [e for e in Session(little).journal.replay() if isinstance(e, Started)]
