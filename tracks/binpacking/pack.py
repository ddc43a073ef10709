"""Pack items into bins of 100, one at a time: each goes where the gap that it leaves is worth most.

Asked in one line of JSON, a list with the next item of each instance; answers, for each, how much room there is in the bin that
the item goes into: 100 opens a new one. Bins with as much room as one another are the same to everybody.
"""

import json
import sys
from itertools import pairwise

CAPACITY = 100  # knob: off
# What a gap is worth that is left in a bin: so much at these sizes, and in between on straight lines. As it comes, the smaller
# the better, which is best fit.
AT_0 = 100.0  # knob: linear 0..100
AT_5 = 95.0  # knob: linear 0..100
AT_10 = 90.0  # knob: linear 0..100
AT_20 = 80.0  # knob: linear 0..100
AT_40 = 60.0  # knob: linear 0..100
AT_70 = 30.0  # knob: linear 0..100
AT_100 = 0.0  # knob: linear 0..100
POINTS = ((0, AT_0), (5, AT_5), (10, AT_10), (20, AT_20), (40, AT_40), (70, AT_70), (100, AT_100))  # knob: off


def worth(gap):
    """What a gap is worth."""
    for (low, at_low), (high, at_high) in pairwise(POINTS):
        if gap <= high:
            return at_low + (at_high - at_low) * (gap - low) / (high - low)
    raise ValueError(gap)


WORTH = [worth(gap) for gap in range(CAPACITY + 1)]


def priority(item, bins):
    """How good each bin is for an item, the higher the better; `bins`: how much room there is in each, the last a new one."""
    return [WORTH[room - item] for room in bins]


class Instance:
    """The bins of one instance: how many there are of each room."""

    def __init__(self):
        self.bins = [0] * (CAPACITY + 1)

    def put(self, item):
        """Put an item away; the room of the bin that it went into."""
        fit = [room for room in range(item, CAPACITY) if self.bins[room]] + [CAPACITY]
        good = priority(item, fit)
        room = fit[good.index(max(good))]
        if room < CAPACITY:
            self.bins[room] -= 1
        self.bins[room - item] += 1
        return room


def serve():
    """Answer until nobody asks any more."""
    instances = []
    for line in sys.stdin:
        items = json.loads(line)
        instances = instances or [Instance() for _ in items]
        rooms = [instance.put(item) for instance, item in zip(instances, items, strict=True)]
        sys.stdout.write(json.dumps(rooms) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:] == ["--try"]:
        some = Instance()
        assert all(item <= some.put(item) <= CAPACITY for item in (40, 70, 30, 100, 1, 59))
    else:
        serve()
