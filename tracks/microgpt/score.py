"""Score a trained model in bits per character, without running or trusting anything of it.

The model is the track's oracle: {"token": null} opens a word, {"token": 3} says that the next letter was c, and each answer
is the list of the probabilities of the next token, a JSON line each way. A letter is said only after its probabilities
have come, so that no model can peek.

The words are those of words/validation.txt, or of the file $OVERNIGHT_HOLDOUT. Each letter and each end of a word counts as
one character. Prints {"val_bpc": number}, or {"invalid": "why"} where an answer is no distribution, or {"foul": "why"}
where the model spoke without being asked.
"""

import math

from wordlist import ALPHABET, LONGEST_WORD, VOCABULARY, encode, read_words

from overnight.scoring import Oracle, holdout, main
from overnight.scoring.language import streaming


def bits_per_character(words: list[str]) -> float:
    """The mean of -log2 of the probability given to what came, over all letters and ends of words."""
    oracle = Oracle.given()
    nats = [each for word in words for each in streaming(oracle, encode(word), VOCABULARY)]
    return math.fsum(nats) / math.log(2) / len(nats)


def words_to_score() -> list[str]:
    """The validation words, or the words of the file that only the harness knows."""
    private = holdout()
    if private is None:
        return read_words("validation")
    words = private.read_text("ascii").split()
    if not words or any(len(word) > LONGEST_WORD or set(word) - set(ALPHABET) for word in words):
        raise SystemExit(f"$OVERNIGHT_HOLDOUT must hold words of at most {LONGEST_WORD} letters from a to z.")
    return words


if __name__ == "__main__":
    main(lambda: {"val_bpc": round(bits_per_character(words_to_score()), 6)})
