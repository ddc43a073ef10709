"""The points of a campaign: commits that were run once or more, to learn from, and that never get a verdict. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from overnight.lab.events import Measured, Probed
from overnight.lab.experiment import Metrics


class Probe(Struct, array_like=True, gc=False):
    """One point: a change that claims nothing.

    base_commit  what it was made from: the campaign's lead, or the frontier
    packed       its researcher's note as JSON
    runs         seed -> what was measured there; {} where the run failed
    """

    id: int
    base_commit: str
    commit: str
    researcher: str
    message: str
    packed: bytes
    runs: dict[int, Metrics] = {}

    @property
    def note(self) -> dict[str, Any]:
        """What the researcher left with its change."""
        return msgspec.json.decode(self.packed, type=dict[str, Any])


@dataclass
class Probes:
    """All points of a track, by their numbers, and the number of the next one."""

    made: dict[int, Probe] = field(default_factory=dict)
    next: int = 1

    def probed(self, event: Probed) -> None:
        """One more was committed."""
        self.made[event.probe] = Probe(event.probe, event.base_commit, event.commit, event.researcher, event.message,
                                       msgspec.json.encode(event.note))
        self.next = event.probe + 1

    def measured(self, event: Measured, metrics: Metrics) -> None:
        """A run of one ended; `metrics` are empty where it failed. A run of a point that is not known says nothing."""
        if event.experiment in self.made:
            self.made[event.experiment].runs[event.seed] = metrics
