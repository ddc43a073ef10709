"""Claims that stand on one another: what is measured while the frontier is about to move. Pure.

On many slots a claim is on its way when the next race ends. Made on the same frontier, the second claim would be lost with
the first one's keep, and its pairs with it. So the second change is put on top of the first one's commit and compared with
that: where the first is kept, the second stands on the new frontier already; where it is not, the second is put back on the
frontier and claims anew. Each claim is a test of its own pairs against its own base, and is kept only when that base is the
frontier.
"""

from __future__ import annotations

from overnight.lab import weighing
from overnight.lab.experiment import Experiment
from overnight.lab.flight import Flight
from overnight.lab.jobs import Rebase
from overnight.lab.state import State

HOLDS = 0.8  # chance that a claim is thought to have of being kept
FEW, SLOTS_FOR_CLAIM = 8, 6  # measure slots; beyond so few, so many for each claim that others may stand on


class Tower:
    """The open claims that stand on one another, from the frontier up.

    refused  (experiment, commit) where git could not put the one on the other
    """

    def __init__(self, state: State, flight: Flight) -> None:
        self.state, self.flight = state, flight
        self.refused: set[tuple[int, str]] = set()

    @property
    def claims(self) -> list[Experiment]:
        """Those that others may stand on, the lowest first. Of several on one commit, the one that others stand on already, or
        the likeliest to be kept."""
        most, found, at = (self.flight.measure_slots - FEW) // SLOTS_FOR_CLAIM, list[Experiment](), self.state.commit
        claimed = [e for e in self.state.open.values() if e.claim and not e.patient] if most > 0 else []
        based = {e.base_commit for e in self.state.open.values()} if claimed else set()
        while len(found) < most and (here := [e for e in claimed if e.base_commit == at]):
            found.append(max(here, key=lambda e: (e.commit in based, e.priority, -e.id)))
            at = found[-1].commit
        return found

    @property
    def floors(self) -> dict[str, int]:
        """Commits on which experiments may stand now, the highest last, each with the number of its experiment."""
        return {self.state.commit: self.state.frontier} | {e.commit: e.id for e in self.claims}

    def onto(self, experiment: Experiment, floors: dict[str, int]) -> str:
        """The commit on which an experiment should stand: the frontier or, where it is about to claim, the highest claim."""
        *_, top = floors
        about_to = weighing.claimable(experiment, self.state.known) and not experiment.patient
        if about_to and (experiment.id, top) not in self.refused:
            return top
        return experiment.base_commit if experiment.base_commit in floors else self.state.commit

    def worth(self, experiment: Experiment, floors: dict[str, int]) -> float:
        """What its next run is worth, where all that it stands on must be kept first."""
        return experiment.priority * HOLDS ** list(floors).index(experiment.base_commit)

    def settled(self, experiment: Experiment, floors: dict[str, int]) -> bool:
        """Whether it stands where it should."""
        return experiment.base_commit == self.onto(experiment, floors)

    def may_claim(self, experiment: Experiment) -> bool:
        """Whether it makes its claim now, where it stands."""
        return weighing.claimable(experiment, self.state.known) and self.settled(experiment, self.floors)

    def wants(self, job: Rebase, experiment: Experiment) -> bool:
        """Whether what comes of a job still puts the experiment where it should stand."""
        onto = self.state.commit if job.anew else self.onto(experiment, self.floors)
        return job.commit == experiment.commit and job.onto == onto
