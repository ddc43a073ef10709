"""Log loss and accuracy on 400 digits that are drawn now: labels that do not exist yet cannot be known."""

import random

from draw import sample

from overnight.scoring import Oracle, fresh, main, seed
from overnight.scoring.prediction import ask, audit, classification

FRESH = 400


def score():
    """The classifier is asked twice: the second process meets the digits in other company, and must say the same."""
    lots = random.Random(seed())
    rows, labels = sample(FRESH, lots)
    predictions = ask(Oracle.given(), rows, 10, lots)
    audit(predictions, rows, fresh(), lots)
    return classification(predictions, labels)


if __name__ == "__main__":
    main(score)
