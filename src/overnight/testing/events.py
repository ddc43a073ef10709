"""What any record of the journal must do, as tests: a new kind of event inherits them.

    from overnight.testing.events import EventSuite

    class TestMine(EventSuite):
        def story(self): ...        # the record of a track that ends with such an event

Nothing here imports pytest; it collects the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from overnight.lab.events import Event
from overnight.lab.state import State


def there_and_back(event: Any, **more: Any) -> Event:
    """An event as it is read from a journal, where a later version may have added fields."""
    found: Event = msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(event) | more), type=Event)
    return found


class EventSuite:
    """It is told apart by its name, comes back as it was, cannot be changed, and a replay takes it up."""

    def story(self) -> Sequence[Any]:
        """The record of a track that ends with such an event."""
        raise NotImplementedError

    @property
    def event(self) -> Any:
        """The event."""
        return self.story()[-1]

    def test_it_comes_back_as_it_was(self) -> None:
        event = self.event
        assert there_and_back(event) == event

    def test_a_field_that_a_later_version_adds_is_passed_over(self) -> None:
        event = self.event
        assert there_and_back(event, added_later=[1]) == event

    def test_it_says_what_kind_it_is_by_its_own_name(self) -> None:
        config = type(self.event).__struct_config__
        assert (config.tag_field, config.tag) == ("kind", type(self.event).__name__.lower())

    def test_it_cannot_be_changed(self) -> None:
        event = self.event
        try:
            event.at = 0.0
        except AttributeError:
            return
        raise AssertionError("it was changed")

    def test_it_bears_its_time_first(self) -> None:
        assert self.event.__struct_fields__[0] == "at"

    def test_a_replay_takes_it_up(self) -> None:
        state, story = State(), self.story()
        for event in story:
            state.apply(event)
        assert state.usage.last == story[-1].at
