"""The loop: what comes before what."""

from types import SimpleNamespace

from overnight import loop


class OneAfterAnother:
    """A lab, its workers and its journal in one, for two jobs; it notes what it is asked for."""

    def __init__(self):
        self.noted, self.jobs, self.free = [], ["first", "second"], True
        self.flight = SimpleNamespace(stopping=False, set_aside=())

    def finished(self, now):
        return not self.jobs and self.free

    def ask(self, now, places):
        return SimpleNamespace(name=self.jobs.pop(0), place="measure") if places and self.jobs else None

    def tell(self, result, at):
        return [f"{result.name} is over"]

    def idle(self):
        return ["measure 1"] * self.free

    def start(self, job, place):
        self.noted.append(f"start {job.name}")
        self.free, self.job = False, job

    def next(self, timeout):
        self.free = True
        return self.job

    def extend(self, events):
        self.noted += [f"record: {event}" for event in events]


def test_a_free_worker_gets_its_next_job_when_the_record_is_durable_and_before_anything_is_acted_on():
    all_in_one, shown = OneAfterAnother(), []
    loop.run(all_in_one, all_in_one, all_in_one, lambda event: all_in_one.noted.append(f"follow: {event}"), shown.append)
    assert all_in_one.noted == ["start first", "record: first is over", "start second", "follow: first is over",
                                "record: second is over", "follow: second is over"]
    assert shown == [[], ["first is over"], ["second is over"]]
