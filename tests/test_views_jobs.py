"""What a night is doing now, and what it may still use: the record, and the file that the night writes."""

import os

import pytest

from fakes import FakeWorld, Idea, Night
from overnight.lab.flight import Budget
from overnight.night.now import FILE, Now, read
from overnight.views import jobs


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self, at):
        self.at = at

    def __call__(self):
        return self.at


@pytest.fixture
def lab():
    """A night in the middle, with jobs in flight."""
    found = []

    def watch(night):
        if not found and len(night.lab.flight) > 1 and night.lab.state.calibrated and night.lab.state.open:
            found.append(night.lab)
            night.lab.stop("that is enough")

    Night(FakeWorld(1, lambda lots: lots.choice((Idea(gain=1.0), Idea())))).go(experiments=9, watch=watch)
    lab, = found
    return lab


def held(home):
    """This process holds the track whose state folder this is."""
    (home / "lock").write_text(f"{os.getpid()}\n")


def test_what_is_under_way_is_told_with_its_beginning_and_its_length(lab, tmp_path):
    lab.flight.begin(Budget(until=60.0, experiments=9, tokens=1000, dollars=2.0))
    job = lab.measuring.state  # the state goes on; the jobs are asked for anew
    assert job is lab.state
    given = [lab.ask(10.0, ["measure", "edit"]) for _ in range(2)]
    clock, wall = Clock(10.0), Clock(1000.0)
    now = Now(tmp_path, lab, clock, wall)
    held(tmp_path)
    now.tell()
    found = read(tmp_path)
    assert [each.number for each in found.jobs] == [each.ticket for each in given] and found.process == os.getpid()
    run = next(each for each in found.jobs if each.kind == "measure")
    assert run.began == 1000.0 and run.expected == pytest.approx(lab.state.usage.each) and run.words == jobs.STAGES[run.stage]
    assert (found.budget.until, found.budget.tokens, found.budget.dollars) == (1050.0, 1000, 2.0)
    clock.at, wall.at = 12.0, 1002.0
    now.tell()
    assert read(tmp_path) == found, "nothing changed, and a job keeps the time at which it began"
    now.end()
    assert read(tmp_path) is None and not (tmp_path / FILE).exists()


def test_the_file_is_written_a_few_times_a_second_and_only_where_something_changed(lab, tmp_path):
    clock = Clock(10.0)
    now = Now(tmp_path, lab, clock, Clock(1000.0))
    now.tell()
    first = (tmp_path / FILE).stat().st_ino
    lab.state.paused = True
    now.tell()
    assert (tmp_path / FILE).stat().st_ino == first, "too soon"
    clock.at = 11.0
    now.tell()
    second = (tmp_path / FILE).stat().st_ino
    clock.at = 12.0
    now.tell()
    assert second != first and (tmp_path / FILE).stat().st_ino == second


def test_what_another_process_left_is_not_read(lab, tmp_path):
    Now(tmp_path, lab).tell()
    (tmp_path / "lock").write_text("1\n")
    assert read(tmp_path) is None
    (tmp_path / "lock").unlink()
    assert read(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff" * 9, b"{}" * 200_000, b"[" * 100_000])
def test_a_file_of_anything_is_no_record(content, tmp_path):
    (tmp_path / FILE).write_bytes(content)
    held(tmp_path)
    assert read(tmp_path) is None and jobs.decode(content) is None


def test_a_link_is_not_followed_and_a_folder_that_cannot_be_written_is_no_error(lab, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / f"{FILE}.new").symlink_to(tmp_path / "elsewhere")
    Now(tmp_path, lab).tell()
    assert (tmp_path / "elsewhere").read_bytes() == b"mine" and not (tmp_path / FILE).is_symlink()
    Now(tmp_path / "nowhere", lab).tell()
    Now(tmp_path / "nowhere", lab).end()


def test_no_seed_and_no_secret_is_in_it(lab, tmp_path):
    lab.flight.begin(Budget())
    job = lab.ask(10.0, ["measure"])
    Now(tmp_path, lab).tell()
    text = (tmp_path / FILE).read_text()
    assert str(job.seed) not in text and job.secret not in text and str(job.scorer_seed) not in text


def test_many_jobs_are_counted_and_not_all_listed(lab):
    class Many:
        """A session with more jobs than are listed."""

        state, flight = lab.state, type("F", (), {"jobs": list(lab.flight.jobs) * 400, "measure_slots": 9})()

    lab.flight.begin(Budget())
    lab.ask(10.0, ["measure"])
    Many.flight.jobs = lab.flight.jobs * 400
    found = jobs.now(Many, 1, {}, jobs.BudgetView(0.0))
    assert len(found.jobs) == jobs.MOST_JOBS and found.more == 400 - jobs.MOST_JOBS
    assert len(jobs.encode(found)) < jobs.MOST_BYTES
