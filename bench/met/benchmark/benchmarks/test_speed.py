import random

import pytest

from textlib import nearest


@pytest.fixture
def texts():
    rng = random.Random(5)
    words = ["".join(rng.choices("abcdefgh", k=rng.randint(3, 18))) for _ in range(300)]
    queries = [rng.choice(words[:40])[:-1] + rng.choice("abcdefgh") for _ in range(25)]
    return words, queries


def test_nearest(benchmark, texts):
    words, queries = texts
    found = benchmark(nearest, words, queries)
    assert sum(each is not None for each in found) > 20
