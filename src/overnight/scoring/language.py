"""Language models: how surprised one is by a text, token by token, and whether it saw what it should have foretold.

`streaming` tells the model a token only after it has said what it expects there: it cannot peek. It takes a round trip for
each token. `batched` sends whole windows and gets all their logits at once; because a window holds its own future, a
second process, started afresh, is then asked about the same windows with everything behind a random place replaced: what
it says before that place must cost exactly what it cost the first time.

Covered: looking ahead, at any distance; other rows of a batch; what earlier questions taught; logits that are no
distribution, not finite, or of another size. A model that answers differently each time counts as looking ahead.
Not covered: a text that the model has learnt by heart; sharing a tokeniser that may be edited (see docs/scoring.md).
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from overnight.scoring.answer import Broken, Foul
from overnight.scoring.oracle import Oracle, audited, fresh

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]
    Rng = int | random.Random | numpy.random.Generator

SUM = 1e-6  # how far from 1 the probabilities of an answer may sum
BATCH = 32 << 20  # bytes of logits in one answer, unless the scorer says how many rows
PIECE = 1 << 15  # logits that are worked on at once: in float64 they fit the cache


def streaming(oracle: Oracle, tokens: Iterable[int], vocabulary: int, logits: bool = False,
              within: float = 10.0) -> list[float]:
    """Nats of surprise at each token of one text. The questions are {"token": null}, which begins a text, then
    {"token": t} with what came. The answers are lists of `vocabulary` probabilities in JSON or, with `logits`, as many raw
    float32. Raises Broken and Foul."""
    nats, came = [], None
    for token in tokens:
        question = {"token": came}
        if logits:
            data = oracle.exchange(question, b"", 4 * vocabulary, within)
            nats.append(_surprise(struct.unpack(f"<{vocabulary}f", data), token))
        else:
            p = probabilities(oracle.ask(question, within), vocabulary)[token]
            if p == 0:
                raise Broken("what came had been given probability 0, which costs infinitely many bits.")
            nats.append(-math.log(p))
        came = token
    return nats


def probabilities(answer: object, vocabulary: int) -> list[float]:
    """An answer as probabilities that sum to exactly one. Raises Broken."""
    if not isinstance(answer, list) or len(answer) != vocabulary:
        raise Broken(f"an answer is not a list of {vocabulary} numbers.")
    if any(type(p) not in (int, float) or not 0 <= p <= 1 for p in answer):
        raise Broken("an answer holds something that is not a probability.")
    total = math.fsum(answer)
    if abs(total - 1) > SUM:
        raise Broken(f"the probabilities of an answer sum to {total!r}, not to 1.")
    return [p / total for p in answer]


def batched(windows: Array, vocabulary: int, rng: Rng, rows: int = 0, share: float = 0.03, miss: float = 1e-3,
            tolerance: float = 0.0, within: float = 60.0, audit: int | None = None) -> Array:
    """Nats of surprise at each token but the first of each window: (n, T + 1) tokens give (n, T) nats. Raises Broken, and Foul
    where the audit finds that something moved. Without an audit where this run is to have none.

    rng        which windows come when and together: rng(), or a seed or a generator of numpy
    rows       windows in one question, the same in all of them (0: as many as make an answer of 32 MiB)
    share      of the places: a candidate that peeks at so many of them
    miss       goes unseen at most this often; as many windows are asked about again as that takes, all of them more than
               once where they are few
    tolerance  nats by which a surprise may move: 0 on CPUs; where a machine adds in no fixed order, what it needs. A
               candidate that stays below gains no more than that for each token
    within     seconds for each question
    audit      from where on a window is cut, and what is put there; drawn from the operating system, so that nothing that
               was seen foretells it. Give it only to repeat an audit, which is then made in any run

    The question has the header {"bytes", "shape": [rows, T], "dtype": "int32"}; the answer is rows * T * vocabulary raw
    float32, the logits of the token behind each place.
    """
    import numpy
    lots = _generator(rng)
    count, length = _check(windows, vocabulary)
    rows = rows or max(1, min(count // 2, BATCH // (4 * length * vocabulary)))
    padded = numpy.concatenate([windows, lots.integers(0, vocabulary, (-count % rows, length + 1))])
    seats = lots.permutation(len(padded)).reshape(-1, rows)
    first = Oracle.given()
    nats = _nats(fresh() if first.asked else first, padded[:, :-1], padded[:, 1:], seats, vocabulary, within)
    lots, left = numpy.random.default_rng(audit), cuts(share, miss) if audited() or audit is not None else 0
    while left > 0:
        seats = numpy.stack([lots.permutation(seat) for seat in seats.T], axis=1)  # the same seat in other company
        chosen = seats[:math.ceil(left / rows)]
        places = lots.integers(1, length + 1, (len(padded), 1))
        later = numpy.arange(length) >= places
        other = (padded[:, :-1] + lots.integers(1, vocabulary, later.shape)) % vocabulary  # never what was there
        blind = numpy.where(later, other, padded[:, :-1])
        again = _nats(fresh(audit=True), blind, padded[:, 1:], chosen, vocabulary, within)
        asked = numpy.unique(chosen[chosen < count])
        _compare(numpy.where(later, 0.0, abs(nats - again))[asked], asked, tolerance)
        left -= len(asked)
    return nats[:count]


def cuts(share: float, miss: float) -> int:
    """How many windows to cut. A cut shows a peek at the next token only right before it, so each finds a candidate
    that peeks at a `share` of the places with that chance, and n of them miss it with (1 - share) ** n."""
    return math.ceil(math.log(miss) / math.log1p(-share))


def windows(text: bytes | Array, length: int, count: int, rng: Rng) -> Array:
    """`count` windows of `length` + 1 tokens or bytes of a text, as `batched` wants them. No two share a token, so that none
    holds what another must foretell."""
    import numpy
    lots = _generator(rng)
    tokens = numpy.frombuffer(text, "u1") if isinstance(text, bytes) else text
    places, rest = divmod(len(tokens), length + 1)
    if places < count:
        raise ValueError(f"a text of {len(tokens)} tokens has no {count} windows of {length + 1}.")
    begin = int(lots.integers(0, rest + 1))
    blocks = tokens[begin:begin + places * (length + 1)].reshape(places, length + 1)
    return numpy.asarray(blocks[lots.choice(places, count, replace=False)], "<i4")


def bits_per_byte(nats: Iterable[float] | Array, tokens: Iterable[int] | Array, pieces: Sequence[bytes] | None = None) -> float:
    """Surprise in bits for each byte of raw text, from the nats and the tokens that they belong to. `pieces` are the bytes of
    each token of a protected tokeniser; without them a token is a byte."""
    spent, said = _flat(nats), _flat(tokens)
    if len(spent) != len(said):
        raise ValueError(f"there are {len(spent)} surprises for {len(said)} tokens: leave out tokens that were not foretold.")
    count = len(said) if pieces is None else sum(len(pieces[token]) for token in said)
    return math.fsum(spent) / math.log(2) / count


def _generator(rng: Rng) -> numpy.random.Generator:
    """A generator of numpy; seeded from rng() with 128 bits, too many to be found by trying."""
    import numpy
    return numpy.random.default_rng(rng.getrandbits(128) if isinstance(rng, random.Random) else rng)


# ---- one pass --------------------------------------------------------------------------------------------------


def _flat(values: Iterable[Any] | Array) -> list[Any]:
    return list(values.ravel().tolist()) if hasattr(values, "ravel") else list(values)


def _check(windows: Array, vocabulary: int) -> tuple[int, int]:
    """How many windows there are, and how long their answers. Raises ValueError: these are the scorer's own."""
    if windows.ndim != 2 or windows.dtype.kind not in "iu" or not windows.size or windows.shape[1] < 2:
        raise ValueError("windows must be rows of at least two whole numbers.")
    if windows.min() < 0 or windows.max() >= vocabulary:
        raise ValueError(f"a window holds a token that is not one of the {vocabulary}.")
    return windows.shape[0], windows.shape[1] - 1


def _nats(oracle: Oracle, tokens: Array, targets: Array, seats: Array, vocabulary: int, within: float) -> Array:
    """Ask about all windows, as they are seated; the surprise at each target."""
    import numpy
    nats = numpy.zeros(targets.shape)
    for batch in seats:
        question = tokens[batch].astype("<i4")
        logits = oracle.exchange_array({}, question, (*question.shape, vocabulary), "float32", within)
        nats[batch] = surprises(logits, targets[batch])
    return nats


def surprises(logits: Array, targets: Array) -> Array:
    """Nats of surprise at each target, in float64 over the whole vocabulary: logits (..., V), targets (...)."""
    import numpy
    flat, places = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1, 1)
    nats, step = numpy.empty(len(flat)), max(1, PIECE // logits.shape[-1])
    for start in range(0, len(flat), step):
        piece = flat[start:start + step].astype("f8")
        piece -= piece.max(axis=1, keepdims=True)
        true = numpy.take_along_axis(piece, places[start:start + step], axis=1)[:, 0].copy()
        nats[start:start + step] = numpy.log(numpy.exp(piece, out=piece).sum(axis=1)) - true
    return nats.reshape(targets.shape)


def _surprise(logits: Sequence[float], token: int) -> float:
    """The same for one token, without numpy."""
    if not all(map(math.isfinite, logits)):
        raise Broken("an answer holds a number that is not finite.")
    highest = max(logits)
    return math.log(math.fsum(math.exp(logit - highest) for logit in logits)) + highest - logits[token]


def _compare(moved: Array, windows: Array, tolerance: float) -> None:
    """Raise Foul where a surprise of these windows moved by more than the tolerance."""
    if moved.max() <= tolerance:
        return
    row, place = divmod(int(moved.argmax()), moved.shape[1])
    count = int((moved.max(axis=1) > tolerance).sum())
    raise Foul(f"what is said at place {place} of window {windows[row]} moves by {moved.max():.3g} nats when only later tokens "
               f"and other windows change ({count} of {len(moved)} windows move): it looks ahead, at its neighbours or back.")
