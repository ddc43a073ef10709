"""A cache that decides what leaves: the key that is worth least, by how long ago and how often it was asked for.

Asked in one line of JSON, for each trace the list of keys that were requested since the last question, in order; the last
one is not in the cache, and the cache is full. Answers, for each trace, the key that leaves: the requested key itself where it
is not to be stored. A trace that is over has an empty list, answered by null. While there is room, what is requested is stored.
"""

import json
import sys

CAPACITY = 100  # knob: off
# As they come, the key that was asked for longest ago leaves: LRU.
HIT_WORTH = 0.0  # knob: linear 0..1000
MOST_HITS = 8  # knob: int 1..32
NEWCOMER_AGE = 0.0  # knob: linear 0..1000
GHOSTS = 0  # knob: int 0..1000
GHOST_SHARE = 0.5  # knob: linear 0..1
# HIT_WORTH     requests by which each earlier hit makes a key younger
# MOST_HITS     hits of a key that count
# NEWCOMER_AGE  requests by which a key without a history is older than it is
# GHOSTS        keys that left and are remembered, with their hits
# GHOST_SHARE   of its hits that a key which comes back still has


class Cache:
    """The cache of one trace, and what is remembered of keys that left."""

    def __init__(self):
        self.now, self.held, self.ghosts = 0, {}, {}  # held: key -> [when it was last asked for, its hits]

    def request(self, key):
        """A request that needs no decision: a hit, or one while there is room."""
        self.now += 1
        if key in self.held:
            entry = self.held[key]
            entry[0] = self.now
            entry[1] = min(MOST_HITS, entry[1] + 1)
        else:
            self.store(key)

    def store(self, key):
        """Put a key in; it brings along what is remembered of it."""
        if key in self.ghosts:
            self.held[key] = [self.now, GHOST_SHARE * (1 + self.ghosts.pop(key))]
        else:
            self.held[key] = [self.now - NEWCOMER_AGE, 0]

    def leaves(self, key):
        """The key that leaves for one that is not here."""
        self.now += 1
        gone = min(self.held, key=self.worth)
        hits = self.held.pop(gone)[1]
        self.store(key)
        self.ghosts[gone] = hits
        if len(self.ghosts) > GHOSTS:
            del self.ghosts[next(iter(self.ghosts))]
        return gone

    def worth(self, key):
        """How much a key is worth keeping."""
        last, hits = self.held[key]
        return last + HIT_WORTH * hits


def answer(cache, keys):
    """The key that leaves, after all requests of a question."""
    if not keys:
        return None
    for key in keys[:-1]:
        cache.request(key)
    return cache.leaves(keys[-1])


def serve():
    """Answer until nobody asks any more."""
    caches = []
    for line in sys.stdin:
        question = json.loads(line)
        caches = caches or [Cache() for _ in question]
        gone = [answer(cache, keys) for cache, keys in zip(caches, question, strict=True)]
        sys.stdout.write(json.dumps(gone) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:] == ["--try"]:
        some = Cache()
        assert answer(some, [*range(CAPACITY), 0, CAPACITY]) in range(1, CAPACITY)
    else:
        serve()
