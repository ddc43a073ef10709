"""What any workers must do, as tests: a new kind of them inherits these.

    from overnight.testing.workers import WorkersSuite

    class TestMine(WorkersSuite):
        def hire(self, work, measure_slots=1, edit_slots=1): ...      # workers with so many, where `work` carries out a job

Nothing here imports pytest; it collects the class.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from overnight.contracts import Brief, Place, Workers
from overnight.errors import Fault, TrackError
from overnight.lab.jobs import Job, Measure, Measurement, Proposal, Propose, Result, Trouble

SOON = 10.0  # seconds in which a job that does nothing must be done, and closing with nothing under way
THINK = Propose("someone", 0, "c", Brief("", "y", "minimize", {}, 0, None, (), "", 1))


def measure(number: int = 1) -> Measure:
    """A job of a measure slot."""
    return Measure(number, 1, "c", 7, "race")


def done(job: Job, place: Place) -> Result:
    """Carry out such a job at once."""
    return Measurement(job=job, outcome="ok", worker=place.number) if isinstance(job, Measure) else Proposal(job=THINK)


def failing(error: Exception, often: int = 1) -> Callable[[Job, Place], Result]:
    """What raises so often, and then carries out jobs."""
    errors = [error] * often

    def work(job: Job, place: Place) -> Result:
        if errors:
            raise errors.pop()
        return done(job, place)

    return work


class WorkersSuite:
    """A free place takes one job of its kind; each job comes back once, as its result, as a Trouble, or as what it raised."""

    def hire(self, work: Callable[[Job, Place], Result], measure_slots: int = 1, edit_slots: int = 1) -> Workers[Job, Result]:
        """Workers with so many places, and no think slots."""
        raise NotImplementedError

    def test_all_places_are_idle_at_first(self) -> None:
        with closing(self.hire(done, measure_slots=2)) as workers:
            assert list(workers.idle()) == ["measure 1", "measure 2", "edit 1"]
            assert [(place.kind, place.number, place.job) for place in workers.places] == [
                ("measure", 1, None), ("measure", 2, None), ("edit", 1, None)]

    def test_a_job_takes_a_place_of_its_kind_until_its_result_is_fetched(self) -> None:
        with closing(self.hire(done)) as workers:
            workers.start(THINK, "edit 1")
            assert list(workers.idle()) == ["measure 1"]
            assert workers.next(SOON) == Proposal(job=THINK)
            assert list(workers.idle()) == ["measure 1", "edit 1"]

    def test_the_work_knows_its_place(self) -> None:
        with closing(self.hire(lambda job, place: done(job, place), measure_slots=2)) as workers:
            workers.start(measure(), "measure 2")
            assert workers.next(SOON) == Measurement(job=measure(), outcome="ok", worker=2)

    def test_every_job_comes_back_once(self) -> None:
        with closing(self.hire(done, measure_slots=3)) as workers:
            came, numbers = list[Result](), list(range(1, 10))
            waiting = list(numbers)
            while len(came) < len(numbers):
                for place in [each for each in workers.idle() if each.startswith("measure")][:len(waiting)]:
                    workers.start(measure(waiting.pop()), place)
                if (result := workers.next(SOON)) is None:
                    break
                came.append(result)
            assert sorted(result.job.run for result in came if isinstance(result, Measurement)) == numbers
            assert workers.next(0.0) is None

    def test_without_a_result_in_time_there_is_none(self) -> None:
        with closing(self.hire(done)) as workers:
            began = time.monotonic()
            assert workers.next(0.05) is None and time.monotonic() - began < SOON

    def test_a_fault_is_told_as_trouble_with_the_job_and_its_place(self) -> None:
        with closing(self.hire(failing(Fault("the disk is full")))) as workers:
            workers.start(measure(), "measure 1")
            assert workers.next(SOON) == Trouble(measure(), "the disk is full", "measure 1")

    def test_whatever_else_a_job_raises_is_raised_again(self) -> None:
        with closing(self.hire(failing(TrackError("no such data")))) as workers:
            workers.start(measure(), "measure 1")
            try:
                raise AssertionError(f"it was told as {workers.next(SOON)}")
            except TrackError as error:
                assert str(error) == "no such data"

    def test_a_place_can_be_used_again_after_a_failure(self) -> None:
        with closing(self.hire(failing(Fault("once")))) as workers:
            outcomes = []
            for number in (1, 2):
                workers.start(measure(number), "measure 1")
                outcomes.append(type(workers.next(SOON)))
            assert outcomes == [Trouble, Measurement]

    def test_closing_with_nothing_under_way_is_quick_and_may_be_repeated(self) -> None:
        workers, began = self.hire(done, measure_slots=2), time.monotonic()
        workers.close()
        workers.close()
        assert time.monotonic() - began < SOON
