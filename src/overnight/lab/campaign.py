"""The campaign: a researcher that needs no time explores by single runs, which claim nothing, and what it then thinks best
becomes an experiment like any other. Pure.

The referee knows nothing of it: what is kept rests on fresh pairs alone. What is gained is runs: a verdict of its own for each
idea takes most of a night, and the next idea starts from the last verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from overnight.contracts import Explore, Point, turns
from overnight.lab.experiment import Experiment
from overnight.lab.flight import Flight
from overnight.lab.jobs import Measure, Propose
from overnight.lab.probes import Probe
from overnight.lab.roster import Roster
from overnight.lab.standing import Standing, standings
from overnight.lab.state import BASELINE, State

CLOSING, LEAST_CLOSING = 0.18, 12  # share of a session's runs that is kept for claims, and how many at least
OTHERS, OFTEN = 200, 5  # experiments that are looked back on for turned knobs, and single runs that one counts as at most
ROUNDS = 2  # of runs on all benches that a claim takes at least: those that are under way, and its first pairs


class Campaign:
    """What is explored on a track, beside what is in flight."""

    def __init__(self, state: State, flight: Flight, roster: Roster) -> None:
        self.state, self.flight, self.roster = state, flight, roster

    def open_to(self, name: str) -> bool:
        """Whether a role may propose probes: one that needs no time, so that its changes cost nothing but their runs, where the
        contract allows it and the session is not to have so many verdicts."""
        role, allowed = self.roster.roles.get(name), self.state.track.referee.campaign == "auto"
        return role is not None and not role.thinks and allowed and self.flight.budget.experiments is None

    def explored_by(self, name: str) -> bool:
        """Whether a role makes use of that."""
        return self.open_to(name) and name in self.state.probes.makers

    # -- what is left --

    @property
    def room(self) -> float:
        """About how many runs this session has time for, besides those that other benches make now; infinite where it has no
        end. Where time is the bound, a claim also has to wait for its own pairs, which come one after the other."""
        budget, usage, flight = self.flight.budget, self.state.usage, self.flight
        others = max(0, sum(1 for _ in flight.of(Measure)) - 1)
        left = math.inf if budget.until is None else budget.until - flight.now
        timed = left * flight.measure_slots / max(1e-9, usage.each)
        timed -= ROUNDS * (flight.measure_slots - 1)
        return max(0.0, min(timed, math.inf if budget.runs is None else budget.runs - self.state.runs - others))

    @property
    def closing(self) -> bool:
        """Whether what is left of the session is for claims."""
        room = self.room
        return math.isfinite(room) and room <= max(LEAST_CLOSING, CLOSING * (room + self.state.runs))

    @property
    def spent(self) -> bool:
        """Whether the few runs that the session may still make are for the claim that is open."""
        return self.flight.budget.runs is not None and self.closing and any(not e.patient for e in self.state.open.values())

    # -- what is run --

    def waiting(self) -> list[Probe]:
        """Points of which no run was made or is under way, oldest first."""
        flying = {j.experiment for j in self.flight.of(Measure) if j.stage == "explore"}
        return [self.state.probes.made[number] for number in self.state.probes.unrun if number not in flying]

    def seed(self, probe: Probe) -> int:
        """The seed on which a point is run: another than those on which the same change was run before."""
        used = {seed for each in self.state.probes.same(probe.mark) for seed in each.runs}
        used |= {j.seed for j in self.flight.of(Measure) if j.stage == "explore"
                 and self.state.probes.made[j.experiment].mark == probe.mark}
        return self.state.known.explored_on(probe.id, used)

    # -- what is told --

    def brief(self, name: str) -> Explore | None:
        """Leave for a role to propose probes, and what came of those before; None where it has none."""
        if not self.open_to(name):
            return None
        state, room = self.state, self.room
        flying = sum(j.brief.explore is not None for j in self.flight.of(Propose))
        made = len(state.probes.made) - state.probes.since + flying
        return Explore(tuple(self._points()), None if math.isinf(room) else int(room), made, state.usage.each, self.closing,
                       state.mattered)

    def _points(self) -> Iterator[Point]:
        """The baseline and the frontier, then what was explored, then what experiments showed that turned knobs; nothing of
        what stood on a keep that was taken back."""
        state, labels, standing = self.state, dict[object, int](), standings(self.state)
        for number, commit in dict.fromkeys([(BASELINE, state.known.baseline_commit), (state.frontier, state.commit)]):
            ran = state.known.of(commit)
            yield Point(number, {}, self._labelled(labels, standing[number], ran, {}), sum(not m for m in ran.values()))
        for probe in state.probes.told():
            if at := standing.get(probe.base):
                yield Point(probe.base, probe.note, self._labelled(labels, at, probe.runs, probe.paired),
                            sum(not m for m in probe.runs.values()), probe.id in state.probes.unrun, probe.guard_usage)
        claims = set(state.probes.claims.values())
        for experiment in list(state.experiments.values())[-OTHERS:]:
            if experiment.id not in claims and experiment.base in standing and turns(experiment.note):
                yield self._raced(labels, standing[experiment.base], experiment)

    def _labelled(self, labels: dict[object, int], standing: Standing, ran: dict[int, dict[str, float]],
                  paired: dict[int, dict[str, float]]) -> tuple[tuple[int, float], ...]:
        """Runs with a label in the place of the seed, which no researcher may know, as they would be with today's code."""
        known, found = self.state.known, []
        for seed, metrics in ran.items():
            if not metrics:
                continue
            number, beside = known.number(metrics), paired.get(seed)
            if beside is not None:
                number *= standing.level / known.number(beside) if known.number(beside) else 1.0
            else:
                number += standing.shift
            found.append((labels.setdefault(seed, len(labels)), number))
        return tuple(found)

    def _raced(self, labels: dict[object, int], standing: Standing, experiment: Experiment) -> Point:
        """An experiment as a point. A mean of pairs scatters as that of half as many runs."""
        still = experiment.verdict == "open"
        if experiment.effect is None or not experiment.pairs:
            return Point(experiment.base, experiment.note, failed=int(experiment.verdict in ("crash", "foul")),
                         open=still, guard_usage=experiment.guard_usage)
        effect = experiment.effect + experiment.handicap * (not experiment.fresh_pairs)
        number = standing.level + self.state.track.oriented(effect)
        runs = tuple((labels.setdefault((experiment.id, run), len(labels)), number)
                     for run in range(min(OFTEN, max(1, experiment.pairs // 2))))
        return Point(experiment.base, experiment.note, runs, open=still, guard_usage=experiment.guard_usage)
