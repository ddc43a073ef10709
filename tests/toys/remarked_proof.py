"""A user's remark is an event."""

from fakes import FakeWorld, Night
from overnight.lab.remarked import Remarked
from overnight.testing.events import EventSuite


class TestRemarked(EventSuite):
    def story(self):
        return [*Night(FakeWorld(1)).go(experiments=2).events, Remarked(9.0, 1, "too clever")]


def test_a_night_goes_on_behind_it():
    night = Night(FakeWorld(1), past=TestRemarked().story()).go(experiments=2)
    assert night.lab.state.experiments[1].message.endswith("\n\nRemark: too clever") and len(night.lab.state.experiments) == 4
