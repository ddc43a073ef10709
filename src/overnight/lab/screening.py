"""What a run of a stack says of its members. Pure; part of the replay."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from overnight.lab.events import Measured
from overnight.lab.experiment import Experiment, Metrics
from overnight.lab.measurements import Runs
from overnight.referee.stacks import Sizes, Stack, dropped, read


def screened(stack: Stack, event: Measured, metrics: Metrics, known: Runs, sizes: Sizes,
             experiments: Mapping[int, Experiment]) -> Iterator[Experiment]:
    """A run of a stack ended, with these metrics (none: it failed): settle what it settles. Gives the members that go on alone,
    with what they gained."""
    for member in stack.members:
        experiments[member].cost += event.busy / len(stack.members)
    if known.nulls.moving:  # it may have been made before that was known
        stack.standard, stack.sigma = known.of(stack.base_commit).get(stack.seed) or stack.standard, known.seed_variance**0.5
    theirs = event.paired_metrics or stack.standard
    place = stack.position(event.commit)
    stack.gains[place] = known.difference((metrics, theirs)) if metrics and theirs else \
        -math.inf if event.outcome == "behind" else None
    if place == len(stack.members) and (gain := stack.gains[place]) is not None:
        sizes.saw(place, gain, known.seed_variance**0.5)
    found = read(stack)
    for number in [n for n in stack.members if n not in stack.settled]:
        experiment = experiments[number]
        if number in found.dropped:
            experiment.decided = ("discard", dropped(*found.dropped[number]), None)
        elif number in found.apart:
            experiment.max_stack = max(1, len(stack.members) // 2)
        elif number in found.alone:
            experiment.prior_differences, experiment.used = (found.alone[number],), frozenset({stack.seed})
        else:
            continue
        stack.settled.add(number)
        experiment.stack = ""
        if number in found.alone:
            yield experiment
