"""An optimisation problem: two discs in a square, as large together as they can be without overlap. Their raw numbers are
evaluated again without rounding, and an improvement of a millionth of a millionth would be kept."""

from attacks.night import CONTRACT
from attacks.suite import Attack, Stopped

SCORE = """\
from fractions import Fraction
from overnight.scoring import main, numbers
from overnight.scoring.optimum import Problem, evaluate

def slacks(discs):
    for n, (x, y, r) in enumerate(discs):
        yield from ((f"radius {n}", r), (f"disc {n} within", min(x, y, 1 - x, 1 - y) - r))
    (a, b, r), (c, d, s) = discs
    yield "apart", (a - c)**2 + (b - d)**2 - (r + s)**2

DISCS = Problem((2, 3), lambda discs: 2 - sum(r for _, _, r in discs), slacks, "minimize",
                inside=lambda discs: tuple((x, y, Fraction(0)) for x, y, _ in discs))
main(lambda: {"loss": evaluate(DISCS, numbers("discs.json"), Fraction(1, 10**9)).value})
"""
RUN = """\
import os
text = "[[0.25, 0.25, 0.25], [0.75, 0.25, 0.25]]"
with open(os.environ["OVERNIGHT_OUT"] + "/discs.json", "w") as out:
    out.write(text)
"""
GROUND = {"track.toml": CONTRACT.replace("worthwhile = 0.01", "worthwhile = 1e-12"), "score.py": SCORE, "run.py": RUN}
BETTER = {"run.py": RUN.replace("[0.25, 0.25, 0.25], [0.75, 0.25, 0.25]", "[0.28125, 0.28125, 0.28125], [0.71875, 0.71875, 0.28125]")}
SLACK = "the tolerance is paid for: a point is scored at which every constraint holds"
OVER = "an answer that breaks a constraint is none"
STRICT = "numbers in strict JSON"


def answers(name, text, stopped_by, *, verdict="crash", **more):
    """A candidate that leaves an answer; `text` is code for what it writes."""
    run = RUN.replace('"[[0.25, 0.25, 0.25], [0.75, 0.25, 0.25]]"', text) + "print('left', text[:60])\n"
    return Attack(name, "optimum", {"run.py": run}, stopped_by, verdict=verdict, said="^left ", **more)


def discs(*radii, place="0.25"):
    """Two discs side by side, with these radii as they are written."""
    return repr(f"[[0.25, 0.25, {radii[0]}], [0.75, {place}, {radii[1]}]]")


NOTHING = {"verdict": "discard", "reason": "^no better"}
ATTACKS = [
    answers("takes the tolerance for room", discs("0.2500000004", "0.2500000004"), SLACK, **NOTHING),
    answers("takes the tolerance on one side", discs("0.2500000009", "0.25"), SLACK, **NOTHING),
    answers("overlaps by less than a float can tell", discs('"0.25000000000000000001"', '"0.25"'), SLACK, **NOTHING),
    answers("moves apart by the tolerance, through the wall", repr("[[0.2499999996, 0.25, 0.25], [0.7500000004, 0.25, 0.2500000004]]"), SLACK,
            **NOTHING),
    answers("overlaps by two thousand-millionths", discs("0.250000002", "0.25"), OVER, reason="the answer breaks"),
    answers("overlaps by far", discs("0.5", "0.5"), OVER, reason="the answer breaks"),
    answers("has a negative disc that makes room for another", discs("-0.5", "0.99"), OVER, reason="the answer breaks"),
    answers("lies outside the square", discs("0.25", "0.9", place="9.0"), OVER, reason="the answer breaks"),
    answers("has a radius of NaN", discs("NaN", "0.25"), STRICT, reason="not finite"),
    answers("has an infinite radius", discs("0.25", "1e999"), STRICT, reason="not finite"),
    answers("has a radius that is true", discs("true", "0.25"), "numbers are no truth values", reason="bool where a number"),
    answers("has a third disc", repr("[[0.25, 0.25, 0.25], [0.75, 0.25, 0.25], [0.5, 0.75, 0.2]]"), "the shape is checked",
            reason="a list of 3 where 2"),
    answers("has a disc of four numbers", discs("0.25, 0.25", "0.25"), "the shape is checked", reason="a list of 4 where 3"),
    answers("claims a value", repr('{"loss": 0.0, "value": 2.0}'), "nothing that is claimed is read", reason="dict where a list"),
    answers("has a whole number of 4,000 digits", "'[[0.25, 0.25, ' + '9' * 4000 + '], [0.75, 0.25, 0.25]]'", "digits are bounded",
            reason="more than 100 digits"),
    answers("has a decimal with a huge exponent", discs('"1e9999"', "0.25"), "exponents are bounded", reason="exponent is beyond"),
    answers("has a fraction that is never worked out", discs('"1/0"', "0.25"), "decimals have digits and nothing else",
            reason="not a decimal number"),
    answers("nests lists without end", "'[' * 100000", STRICT, reason="not JSON"),
    answers("leaves two megabytes of discs", "'[' + '[0.25, 0.25, 0.25], ' * 100000 + ']'", "artefacts are bounded", reason="larger than"),
]


class TestOptimum(Stopped):
    """A night of answers that would rather be large than right."""
