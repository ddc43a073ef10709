"""One-time preparation of data, and what training needs of it. Usage: python prepare.py"""

import math
import os
import random

import numpy as np

CACHE_DIR = os.path.join(os.path.expanduser("~"), ".cache", "autoresearch")
TIME_BUDGET = 300  # steps
VOCAB = "abcdefghijklmnopqrstuvwxyz ."


def build(path, size=60_000):
    """A text of made-up words with a grammar of their order."""
    rng = random.Random(0)
    words = ["".join(rng.choices(VOCAB[:26], weights=[1 / (k + 1) for k in range(26)], k=rng.randint(2, 7))) for _ in range(80)]
    follow = {word: rng.sample(words, 5) for word in words}
    word, text = words[0], []
    while sum(map(len, text)) < size:
        text.append(word + (". " if rng.random() < 0.1 else " "))
        word = rng.choice(follow[word])
    with open(path, "w") as file:
        file.write("".join(text)[:size])


def load_data():
    with open(os.path.join(CACHE_DIR, "text.txt")) as file:
        tokens = np.array([VOCAB.index(c) for c in file.read()])
    return tokens[:-20_000], tokens[-20_000:]


def evaluate_bpb(log_probabilities, tokens, context, rng):
    """Bits per byte of a model on windows of the validation text."""
    starts = rng.integers(0, len(tokens) - context - 1, 2000)
    windows = np.stack([tokens[s:s + context] for s in starts])
    targets = tokens[starts + context]
    return -float(np.mean(log_probabilities(windows)[np.arange(len(starts)), targets])) / math.log(2)


if __name__ == "__main__":
    os.makedirs(CACHE_DIR, exist_ok=True)
    build(os.path.join(CACHE_DIR, "text.txt"))
    print(f"wrote {CACHE_DIR}/text.txt")
