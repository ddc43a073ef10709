"""The sum of radii of 26 circles, computed from their raw numbers with fractions; no overlap scores, however small."""

from fractions import Fraction
from itertools import combinations

from overnight.scoring import main, numbers
from overnight.scoring.optimum import Problem, evaluate


def slacks(circles):
    for n, (x, y, r) in enumerate(circles):
        yield from ((f"radius {n}", r), (f"circle {n} within", min(x, y, 1 - x, 1 - y) - r))
    for (n, (a, b, r)), (m, (c, d, s)) in combinations(enumerate(circles), 2):
        yield f"circles {n} and {m} apart", (a - c)**2 + (b - d)**2 - (r + s)**2


PACKING = Problem((26, 3), lambda circles: sum(r for _, _, r in circles), slacks, "maximize",
                  inside=lambda circles: tuple((x, y, Fraction(0)) for x, y, _ in circles))

if __name__ == "__main__":
    main(lambda: {"sum_of_radii": evaluate(PACKING, numbers("circles.json"), Fraction(1, 10**9)).value})
