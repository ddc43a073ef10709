"""Log loss and accuracy on 400 digits that are drawn now: labels that do not exist yet cannot be known."""

from draw import sample

from overnight.scoring import Oracle, fresh, lots, main
from overnight.scoring.prediction import ask, audit, classification

FRESH = 400


def score():
    """A classifier that is about to be kept is asked twice: the second process meets the digits in other company, and must say
    the same."""
    secret = lots()
    rows, labels = sample(FRESH, secret)
    predictions = ask(Oracle.given(), rows, 10, secret)
    audit(predictions, rows, fresh, secret)
    return classification(predictions, labels)


if __name__ == "__main__":
    main(score)
