"""Learning curves: what is read from a run's output, and when a run has fallen behind."""

import itertools
import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from overnight.referee import curves
from overnight.referee.curves import (
    CATCH_UP,
    FEWEST_REPORTS,
    MOST_LINE_BYTES,
    MOST_RECORDED_REPORTS,
    MOST_REPORTS,
    NEARLY_DONE,
    CurveWatch,
    Reader,
    at,
    behind,
    thinned,
)

PATTERN = r"^step (\S+) loss (\S+)"


def lines(points):
    """What a run prints."""
    return "".join(f"step {step:g} loss {value!r}\n" for step, value in points).encode()


def read(*chunks, pattern=PATTERN):
    reader = Reader(pattern)
    for chunk in chunks:
        reader.feed(chunk)
    return reader


# ---- reading ---------------------------------------------------------------------------------------------------


def test_reports_are_read_from_among_other_lines():
    assert read(b"begin\nstep 1 loss 2.5\nstep 2 loss 2e0, lr 1\r\n\nthe end\n", pattern=r"^step (\d+) loss ([\d.e]+)").kept == \
        ((1.0, 2.5), (2.0, 2.0))


def test_a_line_that_is_not_over_yet_is_no_report():
    reader = read(b"step 1 loss 2.")
    assert reader.kept == ()
    assert reader.feed(b"5\n") and reader.kept == ((1.0, 2.5),)


@pytest.mark.parametrize("line", [
    b"step 2 loss nan", b"step 2 loss inf", b"step 2 loss 1e999", b"step 2 loss -1e101", b"step nan loss 2", b"step inf loss 2",
    b"step 1 loss 2", b"step 0 loss 2", b"step -1 loss 2", b"step two loss 2", b"step 2 loss", b"step 2 loss 2" + b" " * MOST_LINE_BYTES,
    b"\xff\xfe\x00", b"\x00step 2 loss 2", "step 2 loss ½".encode(),
])
def test_what_is_no_later_number_is_no_report(line):
    reader = read(b"step 1 loss 3\n", line + b"\n")
    assert reader.kept == ((1.0, 3.0),)
    assert reader.feed(b"step 3 loss 1\n")


def test_a_group_that_may_be_missing_is_no_report():
    assert read(b"step 1\n", pattern=r"step (\d+)(?: loss (\S+))?").kept == ()


def test_a_bar_that_is_drawn_over_itself_is_read_too():
    assert len(read(b"step 1 loss 3\rstep 2 loss 2\rstep 3 loss 1\r").kept) == 3


def test_a_megabyte_without_a_newline_is_not_kept():
    reader = read(*[b"step 1 loss 1 " * 80] * 1000)
    assert reader.kept == () and len(reader._rest) <= MOST_LINE_BYTES + 1
    assert not reader.feed(b"\n") and reader.feed(b"step 1 loss 1\n")


@pytest.mark.parametrize("count", [1, MOST_RECORDED_REPORTS, MOST_REPORTS - 1, MOST_REPORTS, MOST_REPORTS + 1, 10 * MOST_REPORTS + 3])
def test_many_reports_are_thinned_evenly_and_their_ends_recorded(count):
    reader = read(lines([(n, 1.0 / n) for n in range(1, count + 1)]))
    steps = [step for step, _ in reader.kept]
    assert len(steps) < MOST_REPORTS and len({b - a for a, b in itertools.pairwise(steps)}) <= 1
    assert len(reader.curve) <= MOST_RECORDED_REPORTS and (reader.curve[0][0], reader.curve[-1][0]) == (1, count)


def test_a_report_that_is_thinned_out_is_no_news():
    reader = read(lines([(n, 1.0) for n in range(1, MOST_REPORTS + 1)]))
    assert [reader.feed(b"step %d loss 1\n" % (MOST_REPORTS + n)) for n in range(1, 5)] == [True, False, True, False]


@given(st.binary(max_size=300) | st.lists(st.sampled_from([b"step ", b" loss ", b"1", b"2", b"-", b"e9", b"\n", b"nan", b"\xff"]),
                                          max_size=60).map(b"".join), st.data())
def test_any_output_in_any_pieces_reads_the_same(output, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(output)), max_size=6)))
    whole, parts = read(output), read(*(output[a:b] for a, b in zip([0, *cuts], [*cuts, len(output)], strict=True)))
    assert whole.kept == parts.kept and whole.curve == parts.curve
    assert all(math.isfinite(v) for point in whole.curve for v in point)
    assert all(a[0] < b[0] for a, b in itertools.pairwise(whole.curve))


@given(st.integers(0, 300), st.integers(2, 80))
def test_thinning_keeps_the_ends_and_the_order(count, most):
    curve = tuple((float(n), 0.0) for n in range(count))
    thin = thinned(curve, most)
    assert len(thin) == min(count, most) and list(thin) == sorted(set(thin)) and set(thin) <= set(curve)
    assert not count or (thin[0], thin[-1]) == (curve[0], curve[-1])


# ---- the rule --------------------------------------------------------------------------------------------------


def curve(shape, noise=0.0, count=100, seed=0):
    """The reports of a run: a function of the share of it that has passed, and noise."""
    lots = random.Random(seed)
    return tuple((10.0 * n, shape(n / count) + lots.gauss(0, noise)) for n in range(1, count + 1))


def falling(x):
    return 2 + (20 * x + 1) ** -0.5


PACE = thinned(curve(falling, 0.002))


def ends(mine, pace=PACE, **options):
    """After how many reports a run is stopped; None if never."""
    return next((n for n in range(1, len(mine) + 1) if behind(mine[:n], pace, **options)), None)


def test_a_run_that_levels_off_higher_is_stopped_early_and_the_sentence_says_where():
    mine = curve(lambda x: falling(x) + 0.8, 0.002)
    assert 30 <= ends(mine) <= 50
    assert behind(mine[:50], PACE) == "fell behind the incumbent's curve at step 500 of 1000 (3.107 against 2.307)"


@pytest.mark.parametrize("shape", [
    falling,
    lambda x: falling(x) - 0.1,
    lambda x: falling(x) + 0.02,
    lambda x: falling(max(0.0, x - 0.2) * 1.4),
    lambda x: falling(x) + 0.5 * (math.exp(-2 * x) - math.exp(-1.6)),
    lambda x: falling(x) + 0.1 - (0.2 if x > 0.85 else 0.0),
], ids=["the same", "better", "a little worse", "warm-up", "overtakes at 80 %", "drops at the end"])
@pytest.mark.parametrize("noise", [0.0, 0.002, 0.02])
def test_a_run_that_may_still_catch_up_runs_on(shape, noise):
    assert ends(curve(shape, noise, seed=1)) is None


def test_noise_alone_stops_nothing():
    pace = thinned(curve(lambda x: 2.0, 1.0))
    assert not [seed for seed in range(1, 30) if ends(curve(lambda x: 2.0, 1.0, seed=seed), pace)]


def test_a_spike_is_not_the_end():
    mine = tuple((s, v + (5.0 if 500 <= s <= 520 else 0.0)) for s, v in curve(falling, 0.002, seed=1))
    assert ends(mine) is None


def test_a_drop_that_the_incumbent_made_late_is_granted_to_the_run():
    def dropping(when):
        return lambda x: falling(x) - (0.6 if x > when else 0.0)
    assert ends(curve(dropping(0.75), 0.002), thinned(curve(dropping(0.45), 0.002))) is None


def test_nothing_is_stopped_before_the_patience_or_close_to_the_end():
    mine = curve(lambda x: 9.0)
    assert 30 <= ends(mine) <= 33 and ends(mine, patience=0.6) >= 60
    for early_or_late in (29, 91, 100):
        assert not behind(mine[:early_or_late], PACE)


def test_a_run_that_goes_on_beyond_the_incumbents_end_is_not_stopped_there():
    assert not behind(tuple((s + 1000, v) for s, v in curve(lambda x: 9.0)), PACE)


@pytest.mark.parametrize("pace", [(), PACE[:FEWEST_REPORTS - 1]], ids=["none", "too few"])
def test_without_a_curve_to_compare_with_nothing_is_stopped(pace):
    assert ends(curve(lambda x: 9.0), pace) is None


def test_too_few_reports_stop_nothing():
    assert ends(curve(lambda x: 9.0, count=FEWEST_REPORTS + 1)) is None


points = st.lists(st.floats(-1e9, 1e9), min_size=12, max_size=60).map(
    lambda values: tuple((float(n), v) for n, v in enumerate(values)))


@st.composite
def races(draw):
    """A run and its pace: anything at all, or a run that lags, so that some are stopped."""
    pace = draw(points)
    if draw(st.booleans()):
        return draw(points), pace
    lag, noise = draw(st.floats(0, 10)), draw(st.floats(0, 0.5))
    shape = curve(falling, noise, seed=draw(st.integers(0, 99)))
    return tuple((s, v + lag) for s, v in shape)[:draw(st.integers(30, 90))], PACE


@given(races())
def test_a_larger_margin_or_patience_stops_nothing_more(race):
    for less, more in (({"margin": 1.0}, {"margin": CATCH_UP}), ({"patience": 0.1}, {"patience": 0.1, "margin": 9.0})):
        assert behind(*race, **less) or not behind(*race, **more)


@given(races(), st.floats(0.01, 100))
def test_a_worse_run_is_stopped_where_a_better_one_is(race, shift):
    mine, pace = race
    if behind(mine, pace):
        more = shift * max(abs(v) for _, v in (*mine, *pace))
        assert behind(tuple((s, v + more) for s, v in mine), pace)


@given(points, st.data())
def test_a_run_that_is_nowhere_worse_is_never_stopped(pace, data):
    gains = data.draw(st.lists(st.floats(0, 1e9), min_size=len(pace), max_size=len(pace)))
    mine = tuple((s, v - gain) for (s, v), gain in zip(pace, gains, strict=True))
    assert ends(mine, pace) is None


@given(races())
def test_larger_may_be_better(race):
    mine, pace = (tuple((s, -v) for s, v in each) for each in race)
    assert bool(behind(mine, pace, "maximize")) == bool(behind(*race))


@given(races(), st.integers(-9, 9), st.integers(-9, 9))
def test_the_units_do_not_matter(race, a, b):
    mine, pace = (tuple((s * 2.0**a, v * 2.0**b) for s, v in each) for each in race)
    assert bool(behind(mine, pace)) == bool(behind(*race))


wild = st.floats(-curves.LARGEST_NUMBER, curves.LARGEST_NUMBER)
rising = st.lists(st.tuples(wild, wild), max_size=40, unique_by=lambda p: p[0]).map(lambda ps: tuple(sorted(ps)))


@given(rising, rising, st.floats(0, NEARLY_DONE), st.floats(1, 1e9))
def test_whatever_is_read_the_rule_answers(mine, pace, patience, margin):
    assert isinstance(behind(mine, pace, "minimize", patience, margin), str)


@given(points, st.floats(-5, 70))
def test_between_two_reports_a_curve_is_straight(pace, step):
    assume(0 <= step <= pace[-1][0])
    (_, low), (_, high) = pace[math.floor(step)], pace[math.ceil(step)]
    assert min(low, high) - 1e-3 <= at(pace, step) <= max(low, high) + 1e-3


# ---- both ------------------------------------------------------------------------------------------------------


def test_a_run_is_stopped_while_it_is_heard_and_says_why_ever_after():
    pace = CurveWatch(PATTERN, PACE, "minimize")
    printed = lines(curve(lambda x: 9.0))
    assert not pace.hear(printed[:400]) and pace.hear(printed[400:800]) and pace.hear(b"")
    assert "fell behind" in pace.reason


def test_without_a_pace_it_only_listens():
    pace = CurveWatch(PATTERN, (), "minimize")
    assert not pace.hear(lines(curve(lambda x: 9.0))) and len(pace.reader.curve) == MOST_RECORDED_REPORTS
