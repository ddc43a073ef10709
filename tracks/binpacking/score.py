"""Bins used beyond the lower bound, in percent, on secret instances of Weibull items that are told one by one."""

from statistics import fmean

from overnight.scoring import Broken, Oracle, main, rng

CAPACITY = 100
SHAPE, SCALE = 3.0, 45.0  # of the Weibull distribution
INSTANCES, ITEMS = 4, 5000


class Packing:
    """The bins of one instance: how many of each room are open."""

    def __init__(self):
        self.open, self.used, self.total = [0] * (CAPACITY + 1), 0, 0

    def put(self, item, room):
        """Put an item into a bin with so much room; CAPACITY opens one. Raises Broken."""
        if type(room) is not int or not item <= room <= CAPACITY:
            raise Broken(f"an item of {item} cannot go into a bin with room for {str(room)[:40]}.")
        if room == CAPACITY:
            self.used += 1
        elif self.open[room]:
            self.open[room] -= 1
        else:
            raise Broken(f"there is no bin with room for {room}.")
        self.open[room - item] += 1
        self.total += item

    @property
    def excess(self):
        """Bins beyond the sum of all items over the capacity, rounded up, in percent of that."""
        least = -(-self.total // CAPACITY)
        return 100.0 * (self.used - least) / least


def draw(lots):
    """One item: a whole number from 1 to the capacity."""
    return min(CAPACITY, max(1, round(lots.weibullvariate(SCALE, SHAPE))))


def score():
    """The instances go in step, so that one question holds an item of each; the next is told when all have a bin."""
    secret, oracle = rng(), Oracle.given()
    packings = [Packing() for _ in range(INSTANCES)]
    for items in [[draw(secret) for _ in packings] for _ in range(ITEMS)]:
        rooms = oracle.ask(items)
        if not isinstance(rooms, list) or len(rooms) != len(items):
            raise Broken("an answer is not one room for each item.")
        for packing, item, room in zip(packings, items, rooms, strict=True):
            packing.put(item, room)
    oracle.close()
    return {"excess_percent": fmean(packing.excess for packing in packings)}


if __name__ == "__main__":
    main(score)
