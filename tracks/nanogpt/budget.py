"""What a run is given: so many tokens to learn from, of a frozen text in frozen pieces, for a model of a given size. Protected.

A rung of the ladder is three variables of the environment; without them it is the lowest one.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path


def environment(**more: str) -> dict[str, str]:
    """The environment of a program that is started from here."""
    return {**os.environ, **more}


def given(name: str, default: int) -> int:
    """A whole number above 0 from the environment. Raises SystemExit."""
    said = os.environ.get(name, str(default))
    if not said.isdecimal() or int(said) == 0:
        raise SystemExit(f"${name} is {said!r}: set it to a whole number above 0, or not at all ({default}).")
    return int(said)


TOKENS = given("NANOGPT_TOKENS", 204_800)  # that are learnt from, each once
WIDTH = given("NANOGPT_WIDTH", 64)  # numbers that describe a token on its way through the model
LAYERS = given("NANOGPT_LAYERS", 2)
LENGTH = 64  # tokens of a window: a model is asked about so many at once
VOCABULARY = 1024  # pieces

FOLDER = Path(__file__).parent / "text"
PIECES = "pieces.json"
SHA256 = {
    "pieces.json": "e96c498a63024ea09577f9e4e3fd183525bf86eb32c51e38a8e565a2a9460cea",
    "train.bin": "111cd701ebdce960911b71718290ae8cfe5204f51030c2a0eadfe8c03680c04a",
    "validation.bin": "f7ea3292dcb6c4592c1d06bad590fba2f372ca0bcbd1e0c5c000a051a66abdf1",
    "holdout.bin": "a8428831ca1db6c03baa86356c6aaea4deb6604dee214ed6b6ee05319fcf5f10",
}


def frozen(name: str, path: Path | None = None) -> bytes:
    """A file of text/, or its double elsewhere, if it is the frozen one. Raises SystemExit."""
    try:
        content = (path or FOLDER / name).read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise SystemExit(f"text/{name} is not there yet, or not the frozen one: run `python fetch.py` in the folder of the "
                         "track, then `git add text` and `git commit`.")
    return content


def tokens(name: str, path: Path | None = None):
    """The tokens of train, validation or holdout, an array of numpy of whole numbers of 16 bits."""
    import numpy
    return numpy.frombuffer(frozen(f"{name}.bin", path), "<u2")


def pieces() -> list[bytes]:
    """The bytes of each token."""
    return [bytes.fromhex(piece) for piece in json.loads(frozen(PIECES))]


def batches(rows: int, seed: int) -> Iterator:
    """All that a run may learn from: TOKENS // (rows * LENGTH) batches of (rows, LENGTH + 1) tokens, windows with what
    follows. The seed draws which windows and in what order; no window comes twice while there are others."""
    import numpy
    lots, text = numpy.random.default_rng(seed), tokens("train")
    begin = int(lots.integers(0, LENGTH))
    windows = numpy.lib.stride_tricks.sliding_window_view(text[begin:], LENGTH + 1)[::LENGTH]
    order, need = lots.permutation(len(windows)), steps(rows) * rows
    order = numpy.concatenate([order] * -(-need // len(order)))[:need]
    for chosen in order.reshape(-1, rows):
        yield windows[chosen].astype("i8")


def steps(rows: int) -> int:
    """Steps of a run whose batches have so many rows: what is learnt from is fixed, not how often."""
    return max(1, TOKENS // (rows * LENGTH))
