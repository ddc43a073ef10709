"""What a run of the baseline with an edit that does nothing says of all that is known. Pure; part of the replay."""

from __future__ import annotations

from overnight.lab.events import Measured
from overnight.lab.experiment import Metrics
from overnight.lab.measurements import Runs


def nulled(known: Runs, event: Measured, metrics: Metrics) -> None:
    """The baseline ran with an edit that does nothing. Where its number is moved by such edits, those runs are what counts of
    it from now on."""
    nulls, plain = known.nulls, known.of(event.commit).get(event.seed)
    nulls.add(event, metrics, known.difference((metrics, plain)) if metrics and plain else None)
    seeds = known.calibration
    if not nulls.moving and nulls.moved(known.floor) and nulls.metrics.keys() >= set(seeds):
        nulls.draws, nulls.moving, again = known.one_number, True, nulls.metrics[seeds[0]]
        known.repeat = again if known.deterministic else known.repeat
        known.values[event.commit] = {seed: nulls.metrics[seed] for seed in seeds}
        known.varies = known.varies or len(set(known.numbers(event.commit))) > 1
        known.look_anew()
