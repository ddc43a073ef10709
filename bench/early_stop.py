"""How often early stopping ends a run that would have been better, and what it saves on one that is worse.

Simulated learning curves: power laws, exponentials and curves that drop when the learning rate is let down, with noise
from report to report (half of it common to both sides: the same batches; some of it lasting over reports; now and then a
spike). The incumbent's curve is thinned as the journal thins it. A candidate is better
where it truly ends below the incumbent.
"""

import math
import random
from collections.abc import Iterator
from functools import partial

from bench.kit import Bench, Cell, Row, mean, share
from overnight.referee import curves
from overnight.track import spec

STEPS, REPORTS = 1000, 120
LATE = (0.67, 0.92)  # where late overtakers overtake, as shares of the run


def base(lots):
    """An incumbent: a function of the share of the run that has passed."""
    floor, height = lots.uniform(1, 3), lots.uniform(0.5, 3)
    if lots.random() < 0.6:
        power = lots.uniform(0.25, 1.0)
        shape = lambda x: floor + height * (20 * x + 1) ** -power  # noqa: E731
    else:
        scale = lots.uniform(0.1, 0.4)
        shape = lambda x: floor + height * math.exp(-x / scale)  # noqa: E731
    return let_down(shape, lots.uniform(0.05, 0.2) * height, lots.uniform(0.6, 0.85)) if lots.random() < 0.4 else shape


def let_down(shape, drop, since, over=0.15):
    """A learning rate that is let down: the curve drops by so much, from `since` on."""
    return lambda x: shape(x) - drop * min(1.0, max(0.0, (x - since) / over))


def scale_of(shape):
    """What the incumbent still gains after the patience: the unit in which candidates differ."""
    return shape(0.3) - shape(1.0)


def a_little_better(lots, shape):
    """Better by up to a third of what the incumbent gains late."""
    gain = lots.uniform(0, 0.33) * scale_of(shape)
    return lambda x: shape(x) - gain * x


def warm_up(lots, shape):
    """Begins later, then learns the same and a little faster."""
    wait, faster = lots.uniform(0.05, 0.25), lots.uniform(1.0, 1.6)
    return lambda x: shape(max(0.0, x - wait) * (1 + wait / (1 - wait)) * faster)


def slow_starter(lots, shape):
    """A lower learning rate: a gap that closes as it learns and is made good in the last third."""
    cross, gap, bend = lots.uniform(*LATE), lots.uniform(0.3, 3) * scale_of(shape), lots.uniform(1, 6)
    end = math.exp(-bend * cross)
    return lambda x: shape(x) + gap * (math.exp(-bend * x) - end) / (1 - end)


def power_crossing(lots, shape):
    """A steeper power law that is above and comes down through the incumbent's curve in the last third."""
    cross, power, height = lots.uniform(*LATE), lots.uniform(0.2, 0.8), lots.uniform(0.5, 4) * scale_of(shape)
    fall = lambda x: height * ((10 * x + 1) ** -power - (10 * cross + 1) ** -power)  # noqa: E731
    return lambda x: shape(x) + fall(x)


def higher_rate(lots, shape):
    """A higher learning rate: above while it is high, below once it is let down at the end."""
    return _made_good_at_the_end(lots, shape, lots.uniform(0.05, 0.9))


def out_of_the_blue(lots, shape):
    """The same, but it lags by more than all that the incumbent gains late: nothing foretells that it comes back."""
    return _made_good_at_the_end(lots, shape, lots.uniform(1.0, 2.0))


def _made_good_at_the_end(lots, shape, share):
    gap, since = share * scale_of(shape), lots.uniform(0.6, 0.85)
    return let_down(lambda x: shape(x) + gap * min(1.0, 5 * x), gap * lots.uniform(1.0, 1.8), since)


def later_drop(lots, shape):
    """The learning rate is let down later than the incumbent's, and a little further."""
    drop, since = lots.uniform(0.2, 1.5) * scale_of(shape), lots.uniform(0.5, 0.8)
    return let_down(shape, drop * lots.uniform(1.0, 1.3), since), let_down(shape, drop, lots.uniform(0.35, since - 0.1))


def a_little_worse(lots, shape):
    """Worse by up to a third of what the incumbent gains late."""
    loss = lots.uniform(0.05, 0.33) * scale_of(shape)
    return lambda x: shape(x) + loss * min(1.0, 3 * x)


def clearly_worse(lots, shape):
    """Levels off higher, by once to three times what the incumbent gains late."""
    loss = lots.uniform(1, 3) * scale_of(shape)
    return lambda x: shape(x) + loss * min(1.0, 3 * x)


def far_too_slow(lots, shape):
    """Learns at a tenth to a third of the speed."""
    share = lots.uniform(0.1, 0.33)
    return lambda x: shape(share * x)


def diverging(lots, shape):
    """Turns upwards at some moment."""
    turn, slope = lots.uniform(0.1, 0.5), lots.uniform(0.5, 3) * scale_of(shape)
    return lambda x: shape(x) + slope * max(0.0, x - turn)


KINDS = (a_little_better, warm_up, slow_starter, power_crossing, higher_rate, later_drop,
         a_little_worse, clearly_worse, far_too_slow, diverging)
BEYOND = (out_of_the_blue,)  # shown and not counted: no rule that stops what is clearly worse can know them


def noisy(shape, noise, common, lots):
    """The curve that a run of this shape prints."""
    lasting, points = 0.0, []
    for number in range(1, REPORTS + 1):
        lasting = 0.7 * lasting + lots.gauss(0, 0.5)
        spike = 8 * noise if lots.random() < 0.005 else 0.0
        own = noise * (0.7 * common[number] + 0.5 * lots.gauss(0, 1) + 0.5 * lasting) + spike
        points.append((STEPS * number / REPORTS, shape(number / REPORTS) + own))
    return tuple(points)


def stopped_at(mine, pace):
    """The share of the run at which it is stopped; 1 when it runs to its end."""
    for count in range(1, len(mine) + 1):
        if curves.behind(mine[:count], pace, patience=spec.WARM_UP, margin=spec.CATCH_UP):
            return count / len(mine)
    return 1.0


def pair(kind, lots):
    """(whether the candidate truly ends better, where it was stopped) for one pair of runs."""
    shape = base(lots)
    made = kind(lots, shape)
    theirs, incumbent = made if isinstance(made, tuple) else (made, shape)
    noise = lots.choice((0.01, 0.05, 0.15)) * scale_of(incumbent)
    common = [lots.gauss(0, 1) for _ in range(REPORTS + 1)]
    pace = curves.thinned(noisy(incumbent, noise, common, lots))
    at = stopped_at(noisy(theirs, noise, common, lots), pace)
    return theirs(1.0) < incumbent(1.0), at
def rows(runs: int) -> Iterator[Row]:
    """Each kind, then all that can be foreseen together."""
    wrong = good = 0
    for kind in (*KINDS, *BEYOND):
        name, lots = kind.__name__.replace("_", " "), random.Random(kind.__name__)
        found = [pair(kind, lots) for _ in range(runs)]
        better, worse = [at for is_better, at in found if is_better], [at for is_better, at in found if not is_better]
        if better:
            yield share(f"{name}: better, and stopped", sum(at < 1 for at in better), len(better))
        if worse:
            yield share(f"{name}: worse, and stopped", sum(at < 1 for at in worse), len(worse))
            yield mean(f"{name}: share of a worse run that is saved", [1 - at for at in worse])
        if kind not in BEYOND:
            wrong, good = wrong + sum(at < 1 for at in better), good + len(better)
    yield share("all but those out of the blue: better, and stopped", wrong, good, "<= 0.02")


def cells(quick: bool) -> Iterator[Cell]:
    """All kinds as one cell."""
    yield Cell("kinds", partial(rows, 60 if quick else 300))


BENCH = Bench("early_stop", "Simulated learning curves: of what ends better, <= 2 % is stopped early.", cells)
