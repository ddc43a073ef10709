"""Log loss on 300 displays and accuracy on 300 printed digits that are drawn now, and come in one mixed order.

The reader is not told which kind a digit is of. Prints display_loss, display_accuracy, print_loss and print_accuracy.
"""

from draw import sample

from overnight.scoring import Oracle, fresh, main, rng
from overnight.scoring.prediction import ask, audit, classification

FRESH = 300  # of each kind


def score():
    """A reader that is about to be kept is asked twice: the second process meets the digits in other company, and must say the
    same."""
    secret = rng()
    displays, shown = sample(FRESH, "display", secret)
    prints, printed = sample(FRESH, "print", secret)
    rows = displays + prints
    found = ask(Oracle.given(), rows, 10, secret)
    audit(found, rows, fresh, rng("audit"))
    display, print_ = classification(found[:FRESH], shown), classification(found[FRESH:], printed)
    return {"display_loss": display["log_loss"], "display_accuracy": display["accuracy"],
            "print_loss": print_["log_loss"], "print_accuracy": print_["accuracy"]}


if __name__ == "__main__":
    main(score)
