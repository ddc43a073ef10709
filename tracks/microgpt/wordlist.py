"""The words of this track, and the check that they are the frozen ones. No candidate may change it.

A word is written as tokens: 0 is the end of a word (and stands before its first letter), 1 to 26 are a to z.
"""

import hashlib
from pathlib import Path

END = 0
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = 1 + len(ALPHABET)  # tokens
LONGEST_WORD = 12  # letters

FOLDER = Path(__file__).parent / "words"
SHA256 = {
    "train": "2892ae3dacf73112ab89ee8011fe90a8d9f901535fcc9aa9a33ff8a5579e67ea",
    "validation": "9737bbc2963f24f0e2eccae99a512b34b7c7400b90aed6fb93a9fd4abfaa16f4",
    "holdout": "caa5e44870e2b094685abf5281be00d2141329d385d56fb69b3394bba221bdb6",
}


def read_words(name: str) -> list[str]:
    """The words of one list: train, validation or holdout."""
    raw = (FOLDER / f"{name}.txt").read_bytes()
    if hashlib.sha256(raw).hexdigest() != SHA256[name]:
        raise SystemExit(f"words/{name}.txt is not the frozen list: its sha256 differs from wordlist.py's.")
    return raw.decode("ascii").split()


def encode(word: str) -> list[int]:
    """The tokens of a word, the end of the word included: "abc" is [1, 2, 3, 0]."""
    return [1 + ALPHABET.index(letter) for letter in word] + [END]
