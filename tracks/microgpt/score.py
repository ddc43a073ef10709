"""Score a trained model in bits per character, without running or trusting anything of it.

The model answers through two pipes whose numbers are in $OVERNIGHT_ASK and $OVERNIGHT_ANSWER, one JSON line
each way: {"token": null} opens a word, {"token": 3} says that the next letter was c, and each answer is the
list of the probabilities of the next token. A letter is said only after its probabilities have come, so that
no model can peek.

The words are those of words/validation.txt, or of the file $OVERNIGHT_HOLDOUT. Each letter and each end of a
word counts as one character. Prints {"val_bpc": number}, or {"invalid": "why"} where an answer is no
distribution.

Covered: answers that are no distribution, too long, zero for what was true, or absent.
Not covered: an oracle that keeps silent; the time limit on this process ends it.
"""

import json
import math
import os
from pathlib import Path
from typing import IO

from wordlist import ALPHABET, LONGEST_WORD, VOCABULARY, encode, read_words

LONGEST_ANSWER = 64 * 1024  # bytes
SUM_TOLERANCE = 1e-6  # how far from 1 the probabilities may sum


class Invalid(Exception):
    """The model gave something that cannot be scored; the message is one sentence that says what."""


def distribution(line: bytes) -> list[float]:
    """The probabilities in one answer, made to sum to exactly one."""
    if not line:
        raise Invalid("The oracle ended before it answered.")
    if len(line) > LONGEST_ANSWER:
        raise Invalid(f"An answer is longer than {LONGEST_ANSWER} bytes.")
    try:
        answer = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError):
        raise Invalid("An answer is not a line of JSON.") from None
    if not isinstance(answer, list) or len(answer) != VOCABULARY:
        raise Invalid(f"An answer is not a list of {VOCABULARY} numbers.")
    for p in answer:
        if type(p) not in (int, float) or not 0 <= p <= 1:  # a comparison with NaN is false
            raise Invalid("An answer holds something that is not a probability.")
    total = math.fsum(answer)
    if abs(total - 1) > SUM_TOLERANCE:
        raise Invalid(f"The probabilities of an answer sum to {total!r}, not to 1.")
    return [p / total for p in answer]


def ask(token: int | None, questions: IO[bytes], answers: IO[bytes]) -> list[float]:
    """Tell the model which token came, and hear what it expects next."""
    try:
        questions.write(json.dumps({"token": token}).encode() + b"\n")
    except BrokenPipeError:
        raise Invalid("The oracle ended before it was asked everything.") from None
    return distribution(answers.readline(LONGEST_ANSWER + 1))


def bits_per_character(words: list[str], questions: IO[bytes], answers: IO[bytes]) -> float:
    """The mean of -log2 of the probability given to what came, over all letters and ends of words."""
    bits: list[float] = []
    for word in words:
        said = None
        for token in encode(word):
            p = ask(said, questions, answers)[token]
            if p == 0:
                raise Invalid("What came had been given probability 0, which costs infinitely many bits.")
            bits.append(-math.log2(p))
            said = token
    return math.fsum(bits) / len(bits)


def words_to_score() -> list[str]:
    """The validation words, or the words of the file that only the harness knows."""
    if "OVERNIGHT_HOLDOUT" not in os.environ:
        return read_words("validation")
    words = Path(os.environ["OVERNIGHT_HOLDOUT"]).read_text("ascii").split()
    if not words or any(len(word) > LONGEST_WORD or set(word) - set(ALPHABET) for word in words):
        raise SystemExit(f"$OVERNIGHT_HOLDOUT must hold words of at most {LONGEST_WORD} letters from a to z.")
    return words


def main() -> None:
    words = words_to_score()
    to_oracle, from_oracle = int(os.environ["OVERNIGHT_ASK"]), int(os.environ["OVERNIGHT_ANSWER"])
    with open(to_oracle, "wb", buffering=0) as questions, open(from_oracle, "rb") as answers:
        try:
            result = {"val_bpc": round(bits_per_character(words, questions, answers), 6)}
        except Invalid as reason:
            result = {"invalid": str(reason)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
