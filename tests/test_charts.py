"""The charts: pure functions from plain records to HTML, looked at as a parser sees them. test_report_page.py looks with a browser."""

import json
import math
import random
import re
import time
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from overnight.report.svg import axes
from overnight.report.svg.curves import DOLLARS, RUNS, TIME, Curve, curves
from overnight.report.svg.evidence import Odds, evidence
from overnight.report.svg.intervals import Row, bullet, common, forest, interval
from overnight.report.svg.pairs import MOST_SLOPES, Pair, Summary, pairs
from overnight.report.svg.progress import HEIGHT, LABEL, Look, appended, clock, clock_ticks, progress
from overnight.views.timeline import Dot, Scene

HOSTILE = '</script><script>alert(1)</script>"\'><img src=x onerror=alert(1)>&amp;\u202e'
VOID = {"br", "img", "meta", "link", "input"}
HUGE, TINY, NAN, INF = 1e300, 1e-300, math.nan, math.inf


class Reader(HTMLParser):
    """Reads markup, and holds it to being whole."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.words.append(data)

    def of(self, kind):
        return [attrs for _, attrs in self.tags if kind in (attrs.get("class") or "").split()]


def read(text):
    """The markup, which has nothing that a strict policy forbids and no number that is none."""
    found = Reader(text)
    for tag, attrs in found.tags:
        assert "style" not in attrs and not [name for name in attrs if name.startswith("on")], attrs
        assert tag != "script" or attrs["type"] == "application/json"
        assert not re.search(r"\b(nan|inf)\b", " ".join(f"{v}" for k, v in attrs.items() if k in ("d", "x", "y", "x1", "x2", "width")))
    return found


def dot(number, y, kind="discard", effect=-0.01, half=0.0, title="a change"):
    low, high = y - half, y + half
    return Dot(number, kind, float(number), y, low, high, effect, (effect - half, effect + half) if half else None, title)


def scene(kept=(), others=(), explored=(), baseline=3.5, **more):
    number = max([dot.id for dot in (*kept, *others)], default=1)
    given = {"crashed": (), "fouled": (), "unmeasured": 0, "waiting": 0, "ratios": False, "sign": 1, "start": 0.0, "end": float(number),
             "timed": False, "metric": "loss", "unit": "bits"} | more
    return Scene(kept=tuple(kept), others=tuple(others), explored=tuple(explored), baseline=baseline, **given)


def falling(count, step=0.01, **more):
    """So many keeps, each a step below the one before."""
    return scene([dot(5 * n, 3.5 - step * n, "keep", step, abs(step) / 4) for n in range(1, count + 1)], **more)


def points(text):
    return json.loads(re.search(r'-points">(.*?)</script>', text)[1])


# ---- progress --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 8, 9, 40, 100])
@pytest.mark.parametrize("step", [0.01, 1e-9, -0.02, 1e9, 0.0])
def test_no_two_labels_in_the_gutter_meet(count, step):
    found = read(progress(falling(count, step)))
    places = sorted(float(attrs["y"].rstrip("%")) * HEIGHT / 100 for attrs in found.of("what"))
    assert len(places) == min(count, 8) and all(0 <= place <= HEIGHT for place in places)
    assert all(after - before >= LABEL - 0.1 for before, after in pairwise(places))
    assert (f"and {count - 8} more" in found.words) == (count > 8)


def test_labels_are_moved_apart_by_as_little_as_possible_and_stay_within():
    assert axes.apart([0.0, 1.0, 90.0], 10.0) == [-4.5, 5.5, 90.0]
    assert axes.apart([0.0, 1.0, 90.0], 10.0, 0.0, 100.0) == [0.0, 10.0, 90.0]
    assert axes.apart([99.0, 99.0], 10.0, 0.0, 100.0) == [90.0, 100.0]
    lots = random.Random(1)
    for _ in range(200):
        wanted = sorted(lots.choice([lots.uniform(0, 400), lots.gauss(200, 2)]) for _ in range(lots.randrange(1, 10)))
        placed = axes.apart(wanted, 40.0, 16.0, 384.0)
        assert all(b - a >= 40 - 1e-9 for a, b in pairwise(placed)) and placed[0] >= 16 - 1e-9 and placed[-1] <= 384 + 1e-9


def test_the_newest_and_the_largest_keeps_are_named():
    kept = [dot(n, 3.5 - n / 100, "keep", effect=n % 13 / 100) for n in range(1, 41)]
    found = read(progress(scene(kept)))
    named = {int(re.search(r"#(\d+)", words)[1]) for words in found.words if re.fullmatch(r" #\d+", words)}
    assert 40 in named and {12, 25, 38} <= named and len(named) == 8


def test_what_lies_far_away_has_a_tick_at_its_edge():
    found = read(progress(scene([dot(1, 3.4, "keep", 0.1, 0.02)], [dot(2, 1e6), dot(3, -1e6, "barred"), dot(4, 3.45)])))
    assert len(found.of("dots")[0]["d"].split("M")) == 2 and found.of("far")[0]["d"].count("v22") == 2
    assert "2 of them beyond the scale" in found.words and "1 broke a guard" in found.words


@pytest.mark.parametrize("shown", [
    scene(), scene(baseline=0.0), scene([dot(1, 3.5, "keep", 0.0)]), scene(others=[dot(1, 3.5, effect=0.0)]),
    scene(others=[dot(n, 3.5, effect=0.0) for n in range(1, 9)]), falling(3, HUGE / 10), falling(3, TINY, baseline=0.0),
    scene([dot(1, 3.4, "keep", NAN)]), falling(4, -0.1, sign=-1), falling(2, 10.0, ratios=True, baseline=100.0),
    scene(explored=[dot(1, 3.3, "explored")], crashed=((1, 1.0), (2, 2.0)), fouled=((3, 3.0),), end=3.0)],
    ids=["nothing", "at 0", "a keep of 0", "one of 0", "a constant metric", "huge", "tiny", "no effect", "higher is better", "ratios",
         "ended"])
def test_a_scene_of_any_kind_is_whole(shown):
    for look in (Look(), Look(growing=True, zooms=True), Look(window=(2.0, 5.0), more="/all")):
        found = read(progress(shown, look))
        assert len(found.of("step")) == 1 and found.of("plot")[0]["aria-label"].startswith("loss by experiment")


def test_titles_from_outside_stay_words():
    text = progress(scene([dot(1, 3.4, "keep", 0.1, title=HOSTILE)], [dot(2, 3.5, title=HOSTILE)], metric=HOSTILE, unit=HOSTILE))
    found = read(text)
    assert [tag for tag, _ in found.tags if tag in ("img", "script")] == ["script"]
    assert [point[5] for point in points(text)] == [HOSTILE, HOSTILE] and text.count("</script>") == 1


def test_the_points_for_the_script_are_from_left_to_right_in_thousandths():
    kept = [dot(2, 3.4, "keep", 0.1, 0.02, "best")]
    text = progress(scene(kept, [dot(1, 3.6, effect=-0.1), dot(3, 99.0), dot(4, 3.41, "open")]))
    told = points(text)
    assert [(p[0], p[3]) for p in told] == [(1, "discard"), (2, "keep"), (3, "discard"), (4, "open")]
    assert told[1][4:] == ["+0.100 [+0.080, +0.120]", "best"] and told[2][2] == 8
    assert all(0 <= p[1] <= 1000 and 0 <= p[2] <= 1000 for p in told)


def test_many_points_come_without_words_and_each_kind_in_one_path():
    lots = random.Random(2)
    kept = [dot(250 * n, 3.5 - n / 100, "keep", 0.01, 0.004) for n in range(1, 41)]
    shown = scene(kept, [dot(n, 3.5 - n / 250 / 100 + lots.gauss(0, 0.02)) for n in range(1, 10_001)])
    took = []
    for _ in range(3):
        began = time.thread_time()
        text = progress(shown)
        took.append(time.thread_time() - began)
    found = read(text)
    assert {len(point) for point in points(text)} == {4} and len(found.of("dots")) == len(found.of("kdot")) == 1
    assert min(took) < 0.25  # measured alone it is 0.06; other work on the machine slows the processor itself


def test_a_part_of_the_axis_is_drawn_on_its_own_scale():
    shown = scene([dot(10, 3.0, "keep", 0.5, 0.01), dot(50, 2.9, "keep", 0.1, 0.01)], [dot(n, 2.95) for n in range(20, 60)])
    text = progress(shown, Look(window=(20, 60), zooms=True))
    assert 'data-zoom="20,60"' in text and {p[0] for p in points(text)} == set(range(20, 60))
    assert read(text).of("step")[0]["d"].count("V") == 1 and "3.5 baseline" not in text


def test_a_growing_axis_ends_on_a_round_number_and_a_dot_can_be_added_to_it():
    shown = scene([dot(10, 3.0, "keep", 0.5, 0.01)], [dot(n, 3.02 + n / 1000) for n in range(11, 47)])
    look = Look(growing=True)
    before = read(progress(shown, look)).of("dots")[0]["d"]
    more = scene(shown.kept, [*shown.others, dot(47, 3.05)])
    kind, data = appended(more, 47, look)
    assert kind == "dots" and read(progress(more, look)).of("dots")[0]["d"] == before + data
    assert appended(more, 99, look) is None and appended(scene(shown.kept, [dot(48, 1e9)]), 48, look) is None


def test_times_are_told_as_a_clock_does():
    assert [clock(s) for s in (0, 59.6, 61, 3600, 93_784)] == ["0:00", "1:00", "1:01", "1:00:00", "26:03:04"]
    assert clock_ticks(0, 182) == [0, 30, 60, 90, 120, 150, 180] and clock_ticks(0, 8 * 3600) == [h * 3600.0 for h in range(9)]
    assert len(clock_ticks(0, 40 * 86400)) <= 9


# ---- scales ----------------------------------------------------------------------------------------------------


def test_ticks_are_round_and_told_with_the_decimals_that_they_need():
    assert axes.named(axes.ticks(3.55, 3.87, 8)) == ["3.55", "3.60", "3.65", "3.70", "3.75", "3.80", "3.85"]
    assert axes.named(axes.ticks(-0.02, 0.25, 5), sign=True) == ["0", "+0.1", "+0.2"]
    assert axes.named(axes.ticks(0, 10_000, 5)) == ["0", "2,000", "4,000", "6,000", "8,000", "10,000"]
    assert axes.named([2e8, 4e8]) == ["2\u00d710\u2078", "4\u00d710\u2078"] and axes.ticks(1.0, 1.0) == []
    assert axes.decades(0.3, 1e6) == [1, 10, 100, 1e3, 1e4, 1e5, 1e6] and len(axes.decades(1e-9, 1e30)) <= 8


@pytest.mark.parametrize(("value", "shown"), [
    (None, "\u2013"), (NAN, "\u2013"), (0.1234, "+0.123"), (-0.0004, "\u22120.0004"), (-4e-7, "\u22124\u00d710\u207b\u2077"), (0.0, "+0.000"),
    (-12345.6, "\u221212,345.600"), (2.5e9, "+2.5\u00d710\u2079")])
def test_numbers_have_a_true_minus(value, shown):
    assert axes.fixed(value) == shown


def test_a_text_is_cut_to_the_room_that_its_letters_take():
    assert axes.cut("short", 34) == "short" and axes.cut("x" * 50, 34) == "x" * 33 + "…"
    assert len(axes.cut("界" * 50, 34)) < 18 and len(axes.cut("W" * 50, 34)) < 28


# ---- pairs -----------------------------------------------------------------------------------------------------


def test_pairs_are_slopes_race_and_fresh_apart():
    found = read(pairs([Pair(3.8, 3.7, False), Pair(3.9, 3.95, False), Pair(3.8, 3.6, True)], 1))
    assert [attrs["d"].count("L") for attrs in found.of("pair")] == [2, 1]
    assert "race, 2 pairs" in found.words and "fresh seeds, 1 pair" in found.words
    assert found.of("plot")[0]["aria-label"].startswith("In 2 of 3 pairs")
    assert read(pairs([Pair(3.8, 3.7, True)], -1)).of("plot")[0]["aria-label"].startswith("In 0 of 1 pairs")


def test_of_many_pairs_the_differences_are_shown_with_mean_and_interval():
    many = [Pair(1.0, 0.9 + n / 1000, n > 30) for n in range(MOST_SLOPES + 20)]
    found = read(pairs(many, 1, Summary(0.08, (0.07, 0.09)), Summary(0.05, None)))
    assert not found.of("pair") and len(found.of("span")) == 1 and len(found.of("mean")) == 2
    assert sum(attrs["d"].count("h0") for attrs in found.of("pdot")) == len(many)


@pytest.mark.parametrize("found", [[Pair(1.0, 1.0, False)] * 3, [Pair(NAN, 1.0, True), Pair(2.0, 1.0, True)], [Pair(HUGE, -HUGE, True)],
                                   [Pair(0.0, 0.0, True)] * 50])
def test_pairs_of_any_size_are_drawn(found):
    assert read(pairs(found, 1)).of("plot") and pairs([], 1) == "" and pairs([Pair(NAN, 1.0, True)], 1) == ""


# ---- evidence --------------------------------------------------------------------------------------------------


def test_evidence_has_the_bar_of_its_time_and_the_fresh_part_shaded():
    steps = [Odds(4.0, 20.0, False), Odds(30.0, 20.0, False), Odds(40.0, 125.0, True), Odds(400.0, 125.0, True)]
    found = read(evidence(steps))
    bar = found.of("goal-line")[0]["d"]
    assert bar.count("V") == 1 and bar.startswith("M0.0 ") and found.of("freshzone")[0]["d"].startswith("M500.0 0")
    assert "needed: 125 to 1" in found.words and "400 to 1" in found.words and "race" in found.words and "fresh seeds" in found.words
    assert "4, 30, 40, 400" in found.of("plot")[0]["aria-label"]


@pytest.mark.parametrize("steps", [[Odds(1.0, None, False)], [Odds(0.0, 20.0, False)], [Odds(INF, 20.0, True)] * 3, [Odds(NAN, 9.0, True)],
                                   [Odds(10.0**n, 20.0, n > 100) for n in range(200)]])
def test_evidence_of_any_size_is_drawn(steps):
    assert read(evidence(steps)).of("plot") and evidence([]) == ""


# ---- intervals -------------------------------------------------------------------------------------------------


def test_rows_share_an_axis_and_tell_night_from_audit():
    rows = [Row("#6", 0.12, (0.08, 0.16), "night", "kept"), Row("#6 again", 0.1, (0.09, 0.11), "again", "holds", "again"),
            Row("#7", None, None, "again", "cannot be taken out alone", note=HOSTILE)]
    found = read(forest(rows, 0.01, "bits"))
    assert len([1 for tag, attrs in found.tags if tag == "circle"]) == 1 and len(found.of("iv")) == 2
    assert len([1 for tag, attrs in found.tags if tag == "rect" and attrs["class"].startswith("dot")]) == 1
    assert len({attrs["x1"] for attrs in found.of("zero")}) == 1 and len(found.of("worth")) == 3 and "Better by, bits" in found.words
    assert forest([]) == "" and HOSTILE in "".join(found.words)


def test_what_leaves_the_axis_is_shown_to_go_on():
    axis = common([-0.1, 0.1], even=True)
    assert (axis.low, axis.high) == (-0.1, 0.1) and axis(0.0) == 500
    assert "\u203a" in interval(axis, 0.05, (0.0, 9.0)) and "\u2039" in interval(axis, -5.0, None)
    assert "circle" not in interval(axis, -5.0, None) and read(interval(axis, NAN, None)) and common([])


def test_a_guard_over_its_bound_is_said_and_coloured():
    over = read(bullet(1.86, 1.25))
    assert over.of("over") and over.of("row")[0]["aria-label"] == "1.86, 1.25 allowed, broke a guard"
    assert not read(bullet(1.05, 1.25)).of("over") and not read(bullet(3e9, 4e9, None)).of("zero")
    assert read(bullet(None, None)) and read(bullet(INF, 1.25)) and read(bullet(0.0, 0.0, None))


# ---- curves ----------------------------------------------------------------------------------------------------


def test_curves_of_gain_have_their_names_apart():
    nights = [Curve(f"night {n} {HOSTILE}", [(50.0, 0.1), (80.0, 0.19 + n / 1e4)], 180.0, (0.14, 0.23)) for n in range(7)]
    found = read(curves([*nights, Curve("nothing", [], 120.0)], TIME, "bits"))
    places = sorted(float(attrs["y"].rstrip("%")) for tag, attrs in found.tags if tag == "text" and attrs.get("class", "")[:1] == "c")
    assert len(places) == 8 and all(b - a >= 100 * 20 / 272 - 0.1 for a, b in pairwise(places)) and "3:00" in found.words
    assert "$0.4" in read(curves([Curve("a", [(0.9, 1.0)], 1.0)], DOLLARS)).words
    assert read(curves([Curve("a", [], 0.0)], RUNS)) and curves([]) == ""
