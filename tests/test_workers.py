"""Local places: who gets a job, what comes back, and that closing ends everything soon."""

import os
import threading
import time
from collections import Counter

import pytest

from overnight.contracts import Command, Limits
from overnight.errors import Fault
from overnight.testing.workers import THINK, WorkersSuite, done, measure
from overnight.workers.cores import Cores, available
from overnight.workers.local import LocalWorkers


class TestLocal(WorkersSuite):
    def hire(self, work, measure_slots=1, edit_slots=1):
        return LocalWorkers(work, measure_slots, edit_slots=edit_slots)


@pytest.fixture
def staffed():
    """Workers by what they do; closed at the end."""
    opened = []

    def make(work, measure_slots=1, **options):
        opened.append(LocalWorkers(work, measure_slots, **options))
        return opened[-1]

    yield make
    for workers in opened:
        workers.close()


def test_benches_work_at_the_same_time(staffed):
    meeting = threading.Barrier(2, timeout=5)
    workers = staffed(lambda job, place: (meeting.wait(), done(job, place))[1], measure_slots=2)
    workers.start(measure(1), "measure 1")
    workers.start(measure(2), "measure 2")
    assert {workers.next(5).job.run, workers.next(5).job.run} == {1, 2}


def test_runs_that_go_on_at_once_have_cores_of_their_own(staffed):
    together, seen = threading.Barrier(len(available()), timeout=10), []

    def look(job, place):
        seen.append((place.cores, tuple(sorted(os.sched_getaffinity(0)))))
        together.wait()
        return done(job, place)

    workers = staffed(look, measure_slots=len(available()), machine=Cores(available()))
    for number in range(len(available())):
        workers.start(measure(number), workers.idle()[0])
    for _ in available():
        workers.next(5)
    assert all(cores == pinned for cores, pinned in seen)
    assert sorted(core for cores, _ in seen for core in cores) == list(available())


def test_a_bench_beyond_the_cores_is_not_pinned(staffed):
    together, seen = threading.Barrier(len(available()) + 1, timeout=10), []

    def look(job, place):
        seen.append((place.cores, tuple(sorted(os.sched_getaffinity(0)))))
        together.wait()
        return done(job, place)

    workers = staffed(look, measure_slots=len(available()) + 1, edit_slots=0)
    for number, place in enumerate(workers.idle()):
        workers.start(measure(number), place)
    for _ in range(len(available()) + 1):
        workers.next(10)
    assert [pinned for cores, pinned in seen if not cores] == [available()]


def test_nights_of_one_process_never_have_the_same_core_at_once(staffed):
    lock, having, clashes, nights = threading.Lock(), set(), [], 3

    def look(job, place):
        with lock:
            clashes.extend(having & set(place.cores))
            having.update(place.cores)
        time.sleep(0.001)
        with lock:
            having.difference_update(place.cores)
        return done(job, place)

    machine = Cores(available())
    several = [staffed(look, measure_slots=len(available()), edit_slots=0, machine=machine) for _ in range(nights)]
    came = Counter()
    for number in range(60):
        for workers in several:
            for place in workers.idle():
                workers.start(measure(number), place)
        for night, workers in enumerate(several):
            came[night] += workers.next(0.05) is not None
    assert not clashes and min(came.values()) > 0


@pytest.mark.sandbox
def test_closing_kills_what_runs_and_returns_when_it_is_dead(bubblewrap, tmp_path):
    tmp_path.chmod(0o755)

    def sleeps(job, place):
        process = bubblewrap.start(Command(("/bin/sleep", "60"), tmp_path, Limits(wall=60)))
        place.running(process)
        process.wait()
        raise Fault("stopped")

    workers = LocalWorkers(sleeps, 2)
    workers.start(measure(1), "measure 1")
    workers.start(measure(2), "measure 2")
    time.sleep(0.3)
    began = time.monotonic()
    workers.close()
    assert time.monotonic() - began < 3 and not any(p.is_alive() for p in workers.places)


@pytest.mark.sandbox
def test_closing_does_not_wait_long_for_a_desk_that_thinks(bubblewrap):
    thinking = threading.Event()
    workers = LocalWorkers(lambda job, place: (thinking.wait(30), done(job, place))[1], 1)
    workers.start(THINK, "edit 1")
    began = time.monotonic()
    workers.close()
    spent = time.monotonic() - began
    thinking.set()
    assert spent < 3
