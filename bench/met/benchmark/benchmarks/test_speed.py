import random

import pytest

from textlib import nearest


@pytest.fixture
def texts():
    rng = random.Random(5)
    words = ["".join(rng.choices("abcdefgh", k=rng.randint(3, 18))) for _ in range(200)]
    queries = [rng.choice(words[:12])[:-2] + rng.choice("abcdefgh") * 2 for _ in range(15)]
    return words, queries


def test_nearest(benchmark, texts):
    words, queries = texts
    found = benchmark(nearest, words, queries)
    assert all(each is not None for each in found)
