"""examples/miniature.py: the whole idea in one file. It keeps what is better, and seldom what is not."""

import importlib.util
import math
import random
import re
import statistics
import subprocess
import sys

import pytest
from scipy import stats

from conftest import ROOT

FILE = ROOT / "examples" / "miniature.py"
NIGHTS = 150  # nights without anything to find


def loaded():
    spec = importlib.util.spec_from_file_location("miniature", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["miniature"] = module  # where a dataclass looks for its types
    spec.loader.exec_module(module)
    return module


miniature = loaded()


def night(number, gain=0.0, candidates=30):
    """A night on programs that are numbers: each candidate is better by `gain` standard deviations of a run, if by any."""
    def measure(program, seed):
        return random.Random(f"{number} {program} {seed}").gauss(0, 1) - float(program.split()[0])

    def propose(best, rng):
        return f"{float(best.split()[0]) + gain} {rng.random()}"

    done = miniature.Night("0 0", measure, secret=number)
    done.run(candidates, random.Random(number), propose)
    return done


def greedy(number, candidates=30):
    """The common loop on the same worthless candidates: keeps by one run each."""
    rng = random.Random(number)
    best = rng.gauss(0, 1)
    return sum(1 for loss in (rng.gauss(0, 1) for _ in range(candidates)) if loss < best and (best := loss) is not None)


def test_of_nights_with_nothing_to_find_few_keep_anything_and_the_common_loop_nearly_always():
    ours = sum(bool(night(number).keeps) for number in range(NIGHTS))
    assert stats.binom.sf(ours - 1, NIGHTS, 0.05) > 0.01, f"{ours} of {NIGHTS} nights kept what is worth nothing"
    assert statistics.mean(greedy(number) > 0 for number in range(NIGHTS)) > 0.9


def test_what_is_better_is_kept():
    keeps = [len(night(number, gain=3.0, candidates=3).keeps) for number in range(20)]
    assert statistics.mean(keeps) > 2.5


def test_a_keep_says_how_much_it_gained_on_fresh_pairs():
    gains = [gain for number in range(20) for _, gain in night(number, gain=3.0, candidates=3).keeps]
    assert statistics.mean(gains) == pytest.approx(3.0, abs=0.4)


def test_the_levels_of_all_claims_stay_within_the_share():
    done = night(1, gain=1.5)
    assert done.keeps and 0 < done.spent < done.false_share


@pytest.mark.parametrize("gains", [[0.3, 1.2], [1.0, -0.4, 0.9, 2.0], [-0.2, -0.1, 0.05], [0.01 * k for k in range(1, 13)]])
def test_the_e_value_is_the_ratio_of_the_non_central_t_to_the_central(gains):
    n, t = len(gains), stats.ttest_1samp(gains, 0).statistic
    ratios = [stats.nct.pdf(t, n - 1, effect * math.sqrt(n)) / stats.t.pdf(t, n - 1) for effect in miniature.EFFECTS]
    assert miniature.e_value(gains) == pytest.approx(statistics.mean(ratios), rel=1e-3)
    assert miniature.e_value([1000 * gain for gain in gains]) == pytest.approx(miniature.e_value(gains))


def test_the_e_value_is_one_on_average_where_nothing_is_better():
    rng = random.Random(7)
    values = [miniature.e_value([rng.gauss(0, 5) for _ in range(4)]) for _ in range(3000)]
    assert statistics.mean(values) == pytest.approx(1.0, abs=4 * statistics.stdev(values) / math.sqrt(len(values)))


def test_a_crash_and_equal_numbers_are_no_evidence():
    assert miniature.e_value([1.0, -math.inf]) == 0.0
    assert miniature.e_value([0.0, 0.0]) == 1.0


def test_the_seeds_of_a_claim_follow_from_the_candidate_and_a_secret():
    first, other_candidate, other_secret = (list(miniature.fresh_seeds(*of)) for of in (("a", 1), ("b", 1), ("a", 2)))
    assert not {*first} & {*other_candidate} and not {*first} & {*other_secret}
    assert first == list(miniature.fresh_seeds("a", 1)) and min(first) > miniature.RACE_PAIRS


def test_a_proposal_changes_one_constant():
    rng = random.Random(3)
    proposals = [miniature.propose(miniature.PROGRAM, rng) for _ in range(30)]
    before = miniature.PROGRAM.splitlines()
    assert {sum(old != new for old, new in zip(before, each.splitlines(), strict=True)) for each in proposals} == {1}
    assert len({*proposals}) > 4


@pytest.mark.sandbox
def test_the_night_that_it_shows_keeps_a_real_improvement():
    done = subprocess.run([sys.executable, FILE, "1"], capture_output=True, text=True, check=True)
    kept, before, after = re.search(r"(\d+) kept\..*: loss ([\d.]+) -> ([\d.]+)", done.stdout).groups()
    assert int(kept) >= 1 and float(after) < 0.5 * float(before)
    assert not any("keep" in line for line in done.stdout.splitlines() if "BURN" in line)


def test_it_can_be_read_in_one_sitting():
    lines = [line for line in FILE.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) <= 150 and not [line for line in lines if "import overnight" in line]


def test_the_page_quotes_the_file_as_it_is():
    page = (ROOT / "docs" / "miniature.md").read_text()
    excerpts = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(excerpts) >= 5 and not [each for each in excerpts if each not in FILE.read_text()]


def test_the_parts_of_the_package_that_the_page_names_are_there():
    named = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", (ROOT / "docs" / "miniature.md").read_text())
    assert len(named) >= 5 and not [name for name in named if not (ROOT / "src/overnight" / name).exists() and not (ROOT / name).exists()]
