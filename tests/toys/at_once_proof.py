"""Workers in the calling thread do what workers do."""

from fakes import FakeWorld, Night, referee_world
from overnight import loop
from overnight.journal import open as open_journal
from overnight.lab.flight import Budget
from overnight.testing.workers import WorkersSuite
from overnight.workers import WORKERS


class TestAtOnce(WorkersSuite):
    def hire(self, work, measure_slots=1, edit_slots=1):
        return WORKERS["at once"](work, measure_slots, edit_slots=edit_slots)


def test_a_night_works_with_them(tmp_path):
    world = FakeWorld(3, referee_world)
    workers, lab = WORKERS["at once"](lambda job, place: world.answer(job), 2), Night(world).lab
    lab.begin(Budget(experiments=12), 0.0)
    journal = open_journal(tmp_path / "journal.db")
    loop.run(lab, workers, journal, lambda event: None, lambda events: None)
    assert lab.state.judged == len(lab.state.experiments) == 12
    assert lab.state.runs > 12 and journal.head[0] > lab.state.runs
