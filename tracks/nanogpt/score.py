"""Bits for each byte of text that the model has not seen, without running or trusting anything of it.

The model is the track's oracle. It is asked about windows of tokens, drawn anew for each seed from the private text, and
answers the logits of what comes behind each place. Before something is kept a second process is asked again, with another
future behind a random place: who looked ahead is a foul. The sums, over the whole vocabulary, are made here.

The text is text/validation.bin, or the file $OVERNIGHT_HOLDOUT. The tokeniser is frozen, so a token's bytes are known.
"""

from budget import LENGTH, VOCABULARY, pieces, tokens

from overnight.scoring import holdout, main, rng
from overnight.scoring.language import batched, bits_per_byte, windows

WINDOWS = 512  # of budget.LENGTH tokens each: about 85,000 bytes


def score() -> dict[str, float]:
    """The metric."""
    private, secret = holdout(), rng()
    text = tokens("validation") if private is None else tokens("holdout", private)
    drawn = windows(text, LENGTH, WINDOWS, secret)
    nats = batched(drawn, VOCABULARY, secret)
    return {"bits_per_byte": bits_per_byte(nats, drawn[:, 1:], pieces())}


if __name__ == "__main__":
    main(score)
