"""The share of requests that a cache misses, on secret traces: popular keys that drift, and scans between them."""

from bisect import bisect
from itertools import accumulate
from statistics import fmean

from overnight.scoring import Broken, Oracle, main, rng

CAPACITY = 100  # keys that a cache holds
KEYS = 1500  # that a trace asks for
TRACES, REQUESTS = 6, 8000
EXPONENT = (0.8, 1.2)  # of Zipf's law
DRIFT = (0.002, 0.02)  # chance with each request that a popular key and another change places
SCAN, LENGTH = (0.001, 0.004), (50, 250)  # chance with each request that a scan begins, and keys of one


def trace(lots):
    """The requests of one trace. Names of keys say nothing; a scan walks over the keys in an order that stays the same."""
    exponent, drift, scan = (lots.uniform(*each) for each in (EXPONENT, DRIFT, SCAN))
    shelf = lots.sample(range(1 << 31), KEYS)
    popular, shares = lots.sample(shelf, KEYS), list(accumulate((rank + 1) ** -exponent for rank in range(KEYS)))
    requests = []
    while len(requests) < REQUESTS:
        rank = bisect(shares, lots.random() * shares[-1])
        if lots.random() < drift:
            other = lots.randrange(KEYS)
            popular[rank], popular[other] = popular[other], popular[rank]
        if lots.random() < scan:
            begin = lots.randrange(KEYS)
            requests += (shelf * 2)[begin:begin + lots.randint(*LENGTH)]
        requests.append(popular[rank])
    return requests[:REQUESTS]


class Cache:
    """The cache of one trace, as it is told to be."""

    def __init__(self, requests):
        self.requests, self.at, self.held, self.misses = requests, 0, set(), 0

    def ask(self):
        """The requests up to the next for which something has to leave; none when the trace is over."""
        began = self.at
        while self.at < len(self.requests):
            key = self.requests[self.at]
            self.at += 1
            if key not in self.held:
                self.misses += 1
                if len(self.held) == CAPACITY:
                    return self.requests[began:self.at]
                self.held.add(key)
        return []

    def told(self, keys, gone):
        """What leaves, after these requests. Raises Broken."""
        if not keys:
            if gone is not None:
                raise Broken("a key leaves a cache whose trace is over.")
        elif type(gone) is not int or (gone not in self.held and gone != keys[-1]):
            raise Broken(f"{str(gone)[:40]} is not in the cache, so it cannot leave.")
        elif gone != keys[-1]:
            self.held.remove(gone)
            self.held.add(keys[-1])


def score():
    """The traces go in step; what a cache is asked next depends on what left before, and is told when that is settled."""
    secret, oracle = rng(), Oracle.given()
    caches = [Cache(trace(secret)) for _ in range(TRACES)]
    while any(question := [cache.ask() for cache in caches]):
        gone = oracle.ask(question)
        if not isinstance(gone, list) or len(gone) != len(caches):
            raise Broken("an answer is not one key for each trace.")
        for cache, keys, each in zip(caches, question, gone, strict=True):
            cache.told(keys, each)
    oracle.close()
    return {"miss_ratio": fmean(cache.misses / len(cache.requests) for cache in caches)}


if __name__ == "__main__":
    main(score)
