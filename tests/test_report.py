"""The report: results.tsv, the chart and the morning report, from a Lab that replayed events."""

import csv
import io
import random
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from fakes import team
from overnight.lab.events import Faulted, Judged, Measured, Opened, Proposed, Rebased, Stacked, Started, Stopped, Vetoed
from overnight.lab.jobs import Measurement
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.referee.findings import Finding
from overnight.report import chart, files, learned, markdown, morning, tables
from overnight.report.standing import standing
from overnight.report.svg.axes import apart
from overnight.track import units
from overnight.track.spec import Guard
from overnight.views import sentences
from overnight.views import timeline as scene
from overnight.views.experiment import detail, history, line
from overnight.views.track import track

CONTRACT = """
[track]
name = "microgpt"
goal = "The fewest bits per character."
editable = ["train.py"]
[metric]
name = "val_bpc"
direction = "{direction}"
unit = "bits/char"
{source}
[run]
command = ["python", "train.py"]
{score}
"""
SCORED = {"source": "", "score": '[score]\ncommand = ["python", "score.py"]'}
REPORTED = {"source": 'from = "output"\npattern = "x: (.*)"', "score": ""}
NOWHERE = Path("nowhere")  # the state folder of a night that never had one
HOSTILE = "| <script>alert(1)</script> `x` ``y`` **bold** [link](http://evil) $\\frac$ \x1b[31m\u202e\u2028\ttab"


class Night:
    """Builds a Lab by the events that a night would have left."""

    def __init__(self, direction="minimize", sandbox="bubblewrap", contract=SCORED, measure=True, scatter=(0.0, 0.01)):
        self.lab = Lab(State(), team("knobs"))
        self.sign = -1 if direction == "minimize" else 1
        self.frontier = (0, "b" * 40)
        self.runs = 0
        self.scatter, self.events = scatter, []
        self.happen(Opened(0.0, "microgpt", "b" * 40, CONTRACT.format(direction=direction, **contract), "key"))
        self.happen(Started(0.0, 4, sandbox, "0"))
        while measure and not self.lab.state.calibrated:
            self.calibrate()

    def happen(self, *events):
        for event in events:
            self.lab.apply(event)
            self.events.append(event)

    def calibrate(self):
        self.runs += 1
        metrics = {"val_bpc": 3.5 + self.scatter[self.runs % len(self.scatter)], "peak_memory": 3.0 * 2**30}
        self.events += self.lab.tell(Measurement(self.lab.ask(0.0, ["measure"]), outcome="ok", metrics=metrics, busy=1.5), 0.0)

    def run(self, number, commit, value):
        self.runs += 1
        metrics = {"val_bpc": value, "peak_memory": 3.0 * 2**30}
        self.happen(Measured(0.0, self.runs, number, commit, number, "race", outcome="ok", metrics=metrics, busy=1.5,
                             overhead={"log": 0.01}))

    def propose(self, title):
        number = self.lab.state.next_experiment
        commit = f"{number:07x}" + "c" * 33
        self.happen(Proposed(0.0, number, *self.frontier, commit=commit, researcher="knobs", message=title + "\n\nwhy"))
        return number, commit

    def judge(self, verdict, title="a change", gain=0.02, reason="better on fresh seeds", fresh=3, width=0.01):
        """One experiment from its proposal to its verdict."""
        number, commit = self.propose(title)
        self.run(number, commit, 3.5 + self.sign * gain)
        interval = (gain - width, gain + width)
        self.happen(Judged(0.0, number, verdict, reason, gain, interval, 3 + fresh, fresh, 30.0))
        if verdict == "keep":
            self.frontier = (number, commit)
        return number

    def end(self, verdict, reason, title="a change"):
        """One experiment that was never measured to its end."""
        number, _ = self.propose(title)
        self.happen(Judged(0.0, number, verdict, reason))

    def stop(self):
        self.happen(Stopped(0.0, 3600.0, "", 0.001, 0.002))
        return self.lab.state


def busy_night(count, direction="minimize", keeps=8, **more):
    """A night of so many experiments: some kept, most discarded, some awful, some that fail."""
    lots, night = random.Random(count), Night(direction, **more)
    kept = {lots.randrange(1, count + 1) for _ in range(keeps)} if count else set()
    for number in range(1, count + 1):
        if number in kept:
            night.judge("keep", f"KNOB_{number} 0.1 -> 0.2 (train.py)", gain=lots.uniform(0.01, 0.1))
        elif lots.random() < 0.08:
            night.end(*lots.choice([("crash", "exit status 1"), ("foul", "touches score.py")]))
        else:
            awful = lots.random() < 0.1
            night.judge("discard", gain=-abs(lots.gauss(0, 5 if awful else 0.02)), reason="no sign", fresh=0)
    return night.stop()


def rows(lab):
    return list(csv.reader(io.StringIO(tables.results_tsv(history(lab))), delimiter="\t", quoting=csv.QUOTE_NONE))


def drawn(lab, folder):
    svg, png = folder / "a.svg", folder / "a.png"
    chart.draw(history(lab), svg, png)
    return svg.read_text(encoding="utf-8"), png.read_bytes()


def words(svg):
    """All the text in an SVG."""
    return [element.text or "" for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


# ---- results.tsv -----------------------------------------------------------------------------------------------


def test_the_table_has_karpathys_columns_and_begins_with_the_baseline():
    table = rows(Night().lab.state)
    assert table[0] == ["commit", "val_bpc", "memory_gb", "status", "description"]
    assert table[1][0] == "bbbbbbb" and table[1][2:] == ["3.0", "keep", "baseline"]
    assert float(table[1][1]) == pytest.approx(3.505, abs=0.006)


@pytest.mark.parametrize(("direction", "sign"), [("minimize", -1), ("maximize", 1)])
def test_the_metric_is_what_was_measured_and_no_sum_of_effects(direction, sign):
    night = Night(direction)
    night.judge("keep", gain=0.25)
    night.judge("keep", gain=0.5)
    night.judge("discard", gain=-1.0, fresh=0)
    start, *levels = [float(row[1]) for row in rows(night.lab.state)[1:]]
    assert start == pytest.approx(3.506) and levels == pytest.approx([3.5 + sign * 0.25, 3.5 + sign * 0.5, 3.5 - sign * 1.0])


def test_crashes_and_fouls_have_no_numbers():
    night = Night()
    night.end("crash", "exit status 1")
    night.end("foul", "touches score.py")
    assert [row[1:4] for row in rows(night.lab.state)[2:]] == [["0.000000", "0.0", "crash"], ["0.000000", "0.0", "foul"]]


def test_a_title_cannot_break_the_table():
    night = Night()
    night.judge("keep", title="a\tb\rc\x0bd\x1b[0m\u2028e")
    night.judge("keep", title="=HYPERLINK(1)")
    text = tables.results_tsv(history(night.lab.state))
    assert len(text.splitlines()) == 4 and all(line.count("\t") == 4 for line in text.splitlines())
    assert text.splitlines()[2].endswith("\ta b c d e")
    assert text.splitlines()[3].endswith("\t'=HYPERLINK(1)")


def test_open_experiments_are_not_in_the_table():
    night = Night()
    night.propose("still open")
    assert len(rows(night.lab.state)) == 2


def test_a_track_without_any_measurement_has_a_table_without_rows():
    assert len(rows(Night(measure=False).lab.state)) == 1


def test_words_are_bounded_and_printable():
    assert tables.plain("x" * 500, 10) == "x" * 9 + "…"
    assert tables.plain("a\ud800\x00\u200bb\n\n c") == "ab c"


@pytest.mark.parametrize(("gain", "shown"), [(0.1406, "0.141"), (0.00123, "0.00123"), (2.0, "2.00")])
def test_levels_show_as_many_decimals_as_the_gain_needs(gain, shown):
    night = Night()
    night.judge("keep", gain=gain)
    first, now = tables.levels(track(night.lab.state))
    assert len(first.partition(".")[2]) == len(now.partition(".")[2]) == len(shown.partition(".")[2])


# ---- the chart -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 40, 2000])
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_chart_of_any_size_is_a_picture(count, direction, tmp_path):
    lab = busy_night(count, direction)
    svg, png = drawn(lab, tmp_path)
    assert tables.headline(track(lab)) in words(svg)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")) == (1400, 800)


def test_the_chart_names_what_was_kept_the_metric_and_the_direction(tmp_path):
    lab = busy_night(40, keeps=5)
    said = words(drawn(lab, tmp_path)[0])
    kept = [e for e in lab.experiments.values() if e.verdict == "keep"]
    assert {f"KNOB_{e.id} 0.1 → 0.2" for e in kept} <= set(said)
    head = "val_bpc, difference from the baseline in bits/char, composed of what was kept; lower is better"
    assert head in said and any(text.endswith("baseline") for text in said) and any(text.endswith("frontier") for text in said)
    assert "The fewest bits per character." in said
    assert f"{len(kept)} kept, with 95 % interval" in said


def test_the_marks_are_printed_on_the_chart(tmp_path):
    said = words(drawn(busy_night(3, sandbox="none", contract=REPORTED), tmp_path)[0])
    assert {"self-reported", "unsandboxed"} <= set(said)


def test_the_same_lab_gives_the_same_svg(tmp_path):
    first, again = (drawn(busy_night(30), tmp_path)[0] for _ in range(2))
    assert first == again and "dc:date" not in first


def test_a_terrible_discard_does_not_squash_the_picture():
    night = Night()
    night.judge("keep", gain=0.1)
    for _ in range(9):
        night.judge("discard", gain=-0.02, fresh=0)
    night.judge("discard", gain=-1e6, fresh=0)
    low, high = scene.limits(scene.scene(history(night.lab.state), differences=True))
    assert -0.205 < low < -0.1 and 0 < high < 0.195


def test_an_experiment_stands_to_the_right_of_what_it_was_put_on(tmp_path):
    night = Night()
    first = night.propose("slow")
    night.judge("keep", "quick")
    night.happen(Rebased(0.0, first[0], *night.frontier, "d" * 40))
    night.happen(Judged(0.0, first[0], "keep", "better", 0.02, (0.01, 0.03), 6, 3, 30.0))
    assert [e.id for e in night.lab.state.chain()] == [2, 1]
    assert [(d.x, d.title) for d in scene.scene(history(night.lab.state)).kept] == [(2, "quick"), (3, "slow")]


def test_labels_are_moved_apart_as_little_as_possible():
    places = [0.0, 1.0, 1.5, 40.0]
    moved = apart(places, 10.0)
    assert all(after - before >= 10 - 1e-9 for before, after in pairwise(moved))
    assert moved[3] == 40.0 and sum(moved[:3]) == pytest.approx(sum(places[:3]))


def test_a_crowd_of_keeps_has_labels_that_do_not_overlap(tmp_path):
    night = Night()
    for number in range(120):
        night.judge("keep", f"change number {number}", gain=0.001 + number % 7 / 1000, width=0.0005)
    said = [text for text in words(drawn(night.stop(), tmp_path)[0]) if text.startswith("change number")]
    assert 5 <= len(said) <= chart.MOST_LABELS


def test_hostile_titles_neither_break_the_chart_nor_run_in_it(tmp_path):
    night = Night()
    night.judge("keep", HOSTILE)
    night.judge("keep", "日本語 $x^2")
    svg, _ = drawn(night.stop(), tmp_path)
    assert "<script" not in svg and "日本語 $x^2" in words(svg)


def test_a_baseline_that_fails_is_said_on_the_chart(tmp_path):
    night = Night(measure=False)
    for seed in range(5):
        night.happen(Measured(0.0, 1 + seed, 0, "b" * 40, seed, "calibrate", outcome="crash", reason="exit status 1"))
    assert "the baseline fails: exit status 1" in words(drawn(night.lab.state, tmp_path)[0])


# ---- the morning report ----------------------------------------------------------------------------------------


def report(lab):
    return morning.report_md(files.read(lab, NOWHERE), "progress.png")


def test_the_report_says_what_improved_by_how_much_and_at_what_cost():
    night = Night()
    night.judge("keep", "wider", gain=0.2)
    night.judge("keep", "deeper", gain=0.05)
    text = report(night.stop())
    first, now = tables.levels(track(night.lab.state))
    assert (f"`val_bpc` measured {first} bits/char at the baseline and {now} at the frontier: better by 0.25 bits/char "
            "(composed of 2 keeps)**; lower is better. Those are means of 5 runs and of 1. The gain is the sum of the 2 keeps") in text
    assert "2 experiments (2 kept, 0 discarded, 0 crashed, 0 fouled) took 8 runs in 1h 00m." in text
    assert "Sandbox: bubblewrap." in text and "One run took 1.5 s" in text and "](progress.png)" in text


def test_the_report_says_what_the_seconds_of_a_run_were_for():
    night = Night()
    assert "that a run takes" not in report(night.lab.state)
    night.happen(Measured(0.0, 99, 0, "b" * 40, 99, "check", outcome="ok", metrics={"val_bpc": 3.5}, busy=1.5, overhead={"tree": 0.02},
                          spent={"run": 1.2, "scoring": 0.2, "start-up": 0.1}))
    assert track(night.lab.state).run_seconds == {"run": 1.2, "scoring": 0.2, "start-up": 0.1, "harness": 0.02}
    assert ("Of 1.52 s that a run takes, 1.2 s are the run, 0.2 s scoring, 0.1 s start-up and 20 ms the harness: 7.9 % is neither run nor "
            "scoring.") in report(night.lab.state)


def test_the_report_says_which_runs_were_audited():
    seldom = SCORED | {"score": SCORED["score"] + '\naudit = "confirm"'}
    assert "audits what is about to be kept" in report(Night(contract=seldom).lab.state)
    assert track(Night(contract=seldom).lab.state).audit == "confirm" and track(Night().lab.state).audit == "always"
    assert "audits" not in report(Night().lab.state)


def test_the_report_lists_what_was_kept_with_its_evidence():
    night = Night()
    night.judge("keep", "wider", gain=0.2)
    assert re.search(r"\| 1 \| `0000001` \| `wider` \| \+0\.2 \(\+0\.19, \+0\.21\) \| 6 \(3\) \| 3\.\d+ \(1\) \|",
                     report(night.lab.state))


def test_the_report_groups_what_was_learned():
    night = Night()
    night.judge("discard", "worst", gain=-0.9, fresh=0)
    night.judge("discard", "bad", gain=-0.5, fresh=0)
    night.judge("discard", "same", gain=0.001, fresh=0)
    night.judge("discard", "faded", gain=0.004, fresh=3)
    night.judge("discard", "tiny", gain=0.02, fresh=3)
    night.judge("discard", "slow", gain=0.5, reason="breaks the guard on cpu_seconds: 9 where 5 (1.25x) is the bound")
    night.end("discard", "conflicts with what was kept meanwhile", "clash")
    text = report(night.lab.state)
    night.happen(Judged(0.0, night.propose("hope")[0], "discard", "no sign of an improvement", 0.1, (-0.1, 0.3), 5, 0, 2.0,
                        finding=Finding("promising", 0.6, 0.05, 0.2, 9)))
    night.end("discard", "no sign of an improvement: together with 3 more it came out -0.1 on one seed", "one of four")
    text = report(night.lab.state)
    kinds = [learned.PROMISING, learned.SMALL, learned.FADED, learned.NEUTRAL, learned.WORSE, learned.GUARD, learned.TOGETHER,
             learned.UNKNOWN]
    titles = ["hope", "tiny", "faded", "same", "worst", "bad", "slow", "one of four", "clash"]
    assert [text.index(f"**{kind}**") for kind in kinds] == sorted(text.index(f"**{kind}**") for kind in kinds)
    assert [text.index(f"`{title}`") for title in titles] == sorted(text.index(f"`{title}`") for title in titles)


def test_the_report_counts_crashes_by_their_reasons():
    night = Night()
    for _ in range(9):
        night.end("crash", "out of memory")
    night.end("foul", "touches score.py")
    text = report(night.lab.state)
    assert "| 9 | `out of memory` | 1, 2, 3, 4, 5, 6, … |" in text
    assert "| 1 | `touches score.py` | 10 |" in text


def test_the_report_explains_marks_and_faults():
    night = Night(sandbox="none", contract=REPORTED)
    night.happen(Faulted(0.0, "measure", "disk full"))
    text = report(night.lab.state)
    assert "> **self-reported**" in text and "> **unsandboxed**" in text
    assert "1 fault of the machine counted against no researcher" in text


def test_the_next_commands_name_the_baseline_and_the_branch():
    night = Night()
    night.judge("keep")
    text = report(night.lab.state)
    assert "git diff bbbbbbb..overnight/microgpt " in text
    assert "overnight show 1 " in text and "overnight merge " in text
    assert "overnight merge" not in report(Night().lab.state)


def test_words_from_candidates_stay_inside_their_code_spans():
    night = Night()
    night.judge("keep", HOSTILE)
    night.judge("discard", HOSTILE, gain=-0.5, reason=HOSTILE)
    night.end("crash", HOSTILE * 20)
    text = report(night.lab.state)
    outside = re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", text)
    assert "script" not in outside and "evil" not in outside
    assert not any(c in text for c in "\x1b\u202e\u2028\t")
    assert {line.count("|") for line in text.splitlines() if line.startswith("| ")} == {7, 6, 4}
    assert max(map(len, text.splitlines())) < 1200


def test_words_of_the_contract_have_no_markup():
    assert markdown.prose("<b>*x*</b> val_bpc _y_ | `z`") == "&lt;b&gt;\\*x\\*&lt;/b&gt; val_bpc \\_y\\_ \\| \\`z\\`"


@pytest.mark.parametrize("text", ["a`b", "``", "`", "a```b``c", "plain", "\\"])
def test_a_code_span_cannot_be_left(text):
    span = markdown.code(text)
    fence = re.match("`+", span)[0]
    assert span.endswith(fence) and fence not in re.findall("`+", span[len(fence):-len(fence)])
    assert span.strip("` ") == text.strip("`")


@pytest.mark.parametrize("count", [0, 1, 40, 2000])
def test_all_files_are_written(count, tmp_path):
    paths, missing = files.write(files.read(busy_night(count), NOWHERE), tmp_path / "deep" / "report")
    assert not missing
    assert [path.name for path in paths] == ["results.tsv", "report.md", "progress.svg", "progress.png", "card.png", "report.html"]
    assert all(path.stat().st_size > 0 for path in paths)
    assert "](progress.png)" in paths[1].read_text(encoding="utf-8")


def test_a_night_that_kept_nothing_says_so():
    night = Night()
    night.judge("discard", gain=-0.5, fresh=0)
    assert "Nothing was kept" in report(night.lab.state)


def test_a_track_that_was_only_opened_has_a_report():
    assert "The baseline was not measured." in report(Night(measure=False).lab.state)


@pytest.mark.parametrize("tiny", [1.7e-300, 4e-17])
def test_what_is_nothing_beside_the_numbers_shown_reads_0(tiny, tmp_path):
    night = Night()
    night.judge("discard", "same", gain=0.0, width=tiny)
    night.judge("keep", gain=tiny, width=0.0)
    text = report(night.stop()) + shown(night, 1, tmp_path) + line(history(night.lab.state).experiments[0])
    assert "| `same` | 0 | 6 |" in text and "lies between" not in text and "discard 0  same" in text
    assert "e-" not in text


@pytest.mark.parametrize(("value", "scale", "said"), [
    (1e-15, 0.0, "+1e-15"), (1e-15, 1.0, "0"), (-1e-11, 1.0, "-1e-11"), (-1.7e-300, 0.0, "0"), (1e-3, float("inf"), "+0.001")])
def test_a_number_is_nothing_only_beside_far_larger_ones(value, scale, said):
    assert units.number(value, 3, scale, "+") == said


# ---- one experiment --------------------------------------------------------------------------------------------


def shown(night, number, tmp_path):
    return sentences.words(track(night.lab.state), detail(night.lab.state, night.lab.state.experiments[number], night.events, lambda name: ""))


def test_a_verdict_is_explained_in_sentences(tmp_path):
    night = Night()
    text = shown(night, night.judge("keep", "wider", gain=0.2), tmp_path)
    assert "#1 keep: wider" in text and "Why: better on fresh seeds." in text
    assert "That makes 6 pairs, 3 of them on seeds that were drawn after its commit existed." in text
    assert "val_bpc better by 0.2 bits/char on average, on those fresh seeds alone." in text
    assert "The true gain lies between +0.19 and +0.21 (95 % interval, from the 3 fresh pairs)." in text
    assert "stack" not in text and "frontier moved" not in text


def test_what_was_only_raced_is_said_to_carry_no_claim(tmp_path):
    night = Night()
    text = shown(night, night.judge("discard", gain=-0.1, reason="no sign of an improvement", fresh=0), tmp_path)
    assert "val_bpc worse by 0.1 bits/char on average, in the race, which picks the lucky, so no claim rests on it." in text


@pytest.mark.parametrize(("verdict", "sentence"), [
    ("keep", "the evidence of its fresh pairs had reached 30 to 1 where 12.5 to 1 was needed"),
    ("discard", "The evidence that it is better stood at 30 to 1; a keep would have taken 12.5 to 1."),
])
def test_the_evidence_stands_beside_what_was_wanted(tmp_path, verdict, sentence):
    night = Night()
    number, commit = night.propose("a change")
    night.run(number, commit, 3.4)
    night.happen(Judged(0.0, number, verdict, "so it is", 0.1, (0.05, 0.15), 6, 4, 30.0, alpha=0.08))
    assert sentence in shown(night, number, tmp_path)


def test_the_company_of_its_first_run_and_a_new_frontier_are_told(tmp_path):
    night = Night()
    (first, low), (second, _) = night.propose("one"), night.propose("another")
    night.happen(Stacked(0.0, (first, second), (low, "e" * 40), night.frontier[1], 1))
    night.happen(Rebased(0.0, first, 0, "f" * 40, "d" * 40), Rebased(0.0, first, 0, "g" * 40, "h" * 40))
    night.happen(Judged(0.0, first, "discard", "no sign"), Judged(0.0, second, "discard", "no sign"))
    text = shown(night, first, tmp_path)
    assert f"first looked at together with #{second} in one run" in text
    assert "put on the new one and had to be confirmed there (2 times)." in text


@pytest.mark.parametrize(("more", "sentence"), [(12, "It makes the code larger by 12 nodes"), (-3, "smaller by 3 nodes")])
def test_how_much_code_it_costs_is_told(tmp_path, more, sentence):
    night = Night()
    night.happen(Proposed(0.0, 1, *night.frontier, commit="d" * 40, researcher="knobs", message="a change", size_delta=more))
    night.happen(Judged(0.0, 1, "discard", "no sign"))
    assert sentence in shown(night, 1, tmp_path)


def timed(night, title, pairs, verdict="keep", effect=None):
    """One experiment whose fresh runs took so long beside those of its base."""
    number, commit = night.propose(title)
    for seed, (mine, theirs) in enumerate(pairs, 1000 * number):
        night.runs += 1
        night.happen(Measured(0.0, night.runs, number, commit, seed, "confirm", outcome="ok", metrics={"val_bpc": mine},
                              paired_metrics={"val_bpc": theirs}))
    gain = effect or sum(theirs - mine for mine, theirs in pairs) / len(pairs)
    night.happen(Judged(0.0, number, verdict, "better on fresh seeds", gain, (gain / 2, gain * 1.5), len(pairs), len(pairs), 30.0))
    if verdict == "keep":
        night.frontier = (number, commit)
    return number


def test_gains_on_a_time_are_ratios_and_nothing_is_shown_that_no_run_took(tmp_path):
    night = Night(contract=TIMED)
    timed(night, "quick", [(0.7, 3.5), (0.6, 3.0), (0.8, 4.0)])
    timed(night, "quicker", [(0.35, 0.7), (0.3, 0.6), (1.0, 2.0)], effect=0.9)
    where = track(night.stop())
    assert where.gain > 3.6 > where.baseline  # so that the sum of effects would leave less than nothing of the baseline
    assert where.ratio == pytest.approx(0.1) and where.frontier == pytest.approx(0.55) and where.frontier_runs == 3
    text, said = report(night.lab.state), words(drawn(night.lab.state, tmp_path)[0])
    assert all("90 % lower (composed of 2 keeps)" in each for each in (tables.headline(where), text, " ".join(said)))
    assert "the product of the ratios of the 2 keeps below" in text and "ratio 0.2" in text and "ratio 0.5" in text
    assert "val_bpc, % of the baseline's, composed of what was kept; lower is better" in said
    assert [dot.y for dot in scene.scene(history(night.lab.state)).kept] == pytest.approx([20.0, 10.0])


def test_a_discard_is_told_in_a_word_before_the_referees_reason(tmp_path):
    night, reason = Night(), "no sign of an improvement"
    found = [Finding("worse", 0.01, -0.2, 0.3), Finding("no different", 0.1, 0.0, 0.02), Finding("promising", 0.62, 0.04, 0.2, 9)]
    for each in found:
        night.happen(Judged(0.0, night.propose("a change")[0], "discard", reason, 0.07, (-0.01, 0.15), 7, 0, 2.0, finding=each))
    night.happen(Judged(0.0, night.propose("slow")[0], "discard", "breaks the guard on cpu_seconds: 9 where 5 is the bound", 0.07,
                        None, 7, 0, 2.0, finding=found[2]))
    worse, same, hope, slow = (line(e) for e in history(night.lab.state).experiments)
    assert worse == f"#1 discard: worse, +0.07 [-0.01, +0.15]  a change ({reason})"
    assert same.startswith("#2 discard: no different (within ±0.02 bits/char), +0.07  a change")
    assert hope.startswith("#3 discard: promising, not proven, +0.07 [-0.01, +0.15], worth having with a chance of 62 %, about 18 more runs")
    assert "promising" not in slow
    assert "Found: promising, not proven, worth having with a chance of 62 %" in shown(night, 3, tmp_path)
    text = report(night.lab.state)
    assert text.index(f"**{learned.PROMISING}**: 1 experiment") < text.index(f"**{learned.NEUTRAL}**: 1 experiment")


def test_a_leap_in_a_number_that_the_program_prints_itself_is_to_be_looked_at_first(tmp_path):
    night = Night(contract=REPORTED)
    night.judge("keep", gain=0.02)
    night.judge("keep", gain=1.5)
    small, leap = history(night.lab.state).kept
    assert small.leap is None and leap.leap == pytest.approx(1.5 / night.lab.state.noise) and leap.leap > 10
    for text in (report(night.lab.state), "\n".join(standing(track(night.lab.state), (small, leap), False))):
        assert f"leap is to be looked at before it is believed: #2 by {leap.leap:.3g} standard deviations" in text
    assert "#2 keep    +1.5" in line(leap) and "(a leap)" in line(leap) and "#2 keep (a leap): " in shown(night, 2, tmp_path)
    assert "\ta leap: a change" in tables.results_tsv(history(night.lab.state))


def test_no_leap_is_marked_where_a_scorer_or_a_second_metric_confirms_it():
    for contract, guards in ((SCORED, ()), (REPORTED, (Guard("accuracy", at_least="0.9x"),))):
        night = Night(contract=contract)
        night.judge("keep", gain=1.5)
        night.lab.state.track = replace(night.lab.state.track, guard=guards)
        assert history(night.lab.state).kept[0].leap is None


def test_the_members_of_a_stack_that_was_dropped_are_said_to_have_been_looked_at_together():
    night = Night()
    night.end("discard", "no sign of an improvement: together with 3 more it came out -0.1 on one seed")
    assert line(history(night.lab.state).experiments[0]).startswith("#1 discard: only looked at together with 3 more, –  a change")


def test_a_keep_of_an_old_journal_says_what_its_interval_and_its_proof_are_of(tmp_path):
    night = Night()
    night.judge("keep", gain=0.2, width=0.3, fresh=4)
    assert "+0.2 [-0.1, +0.5] on its 4 fresh pairs, proven on all 7  a change" in line(history(night.lab.state).experiments[0])
    assert "(95 % interval, from the 4 fresh pairs). The proof is of all 7 pairs." in shown(night, 1, tmp_path)


def test_numbers_on_an_older_frontier_are_told_apart_from_those_on_the_present_one(tmp_path):
    night = Night()
    number, commit = night.propose("a change")
    first, second = night.lab.state.known.calibration[:2]
    run = {"outcome": "ok", "stage": "race"}
    base = {s: night.lab.state.known.of("b" * 40)[s]["val_bpc"] for s in (first, second)}
    night.happen(Measured(0.0, 90, number, commit, first, metrics={"val_bpc": base[first] - 0.5}, **run))
    night.judge("keep", "another", gain=0.25)
    night.happen(Measured(0.0, 91, 2, night.frontier[1], second, metrics={"val_bpc": 3.25}, **run),
                 Rebased(0.0, number, *night.frontier, "d" * 40),
                 Measured(0.0, 92, number, "d" * 40, second, metrics={"val_bpc": 3.26}, **run))
    night.happen(Judged(0.0, number, "discard", "no sign", 0.245, (-0.3, 0.8), 2, 0, 1.0))
    text = shown(night, number, tmp_path)
    assert "That makes 2 pairs, 1 of them measured earlier" in text
    assert "better by 0.5 bits/char on average, in 1 pair with an older frontier." in text
    assert "worse by 0.01 bits/char on average, in 1 pair with the one that it stands on now." in text and "0.245" not in text
    rows = {row[:2]: row for row in text.splitlines() if row[:2] in ("90", "92")}
    assert rows["90"].endswith("+0.5  on an older frontier") and rows["92"].endswith("-0.01")
    assert "in 2 pairs, 1 of them measured earlier" in line(history(night.lab.state).experiments[0])


def test_what_is_measured_again_after_a_veto_shows_no_number_of_before(tmp_path):
    night = Night()
    night.judge("keep", "one", gain=0.2)
    night.judge("keep", "two", gain=0.1)
    night.happen(Vetoed(0.0, 1, "no"))
    first, second = history(night.lab.state).experiments
    assert (second.verdict.verdict, second.verdict.effect, second.verdict.interval, second.level) == ("open", None, None, None)
    assert line(second) == "#2 open    –  two" and "+0.2" not in line(first)
    assert report(night.lab.state) and drawn(night.lab.state, tmp_path)


def test_a_change_that_was_made_anew_is_described_as_it_is_now(tmp_path):
    night = Night()
    number, _ = night.propose("a change")
    night.judge("keep", "another")
    night.happen(Rebased(0.0, number, *night.frontier, "d" * 40, True, "the same, made anew\n\nwhy", "+new line", 7))
    text = shown(night, number, tmp_path)
    assert text.startswith("#1 open: the same, made anew") and "a change" not in text and text.rstrip().endswith("+new line")
    assert "so its researcher made it anew: the title, the diff" in text and "larger by 7 nodes" in text


def test_of_many_runs_the_newest_are_shown_and_none_that_it_made_as_the_frontier(tmp_path):
    night = Night()
    number = night.judge("keep", gain=0.2)
    for run in range(100, 150):
        night.happen(Measured(0.0, run, number, night.frontier[1], run, "race", outcome="ok", metrics={"val_bpc": 3.3}))
    text = shown(night, number, tmp_path)
    assert "(51 more that it made as the frontier, beside later changes)" in text and not re.search("^1[0-4][0-9] ", text, re.MULTILINE)
    other, commit = night.propose("a change")
    for run in range(200, 250):
        night.happen(Measured(0.0, run, other, commit, run, "race", outcome="ok", metrics={"val_bpc": 3.3}))
    text = shown(night, other, tmp_path)
    assert "(10 earlier runs are left out; the data has them)" in text and len(re.findall("^2[0-4][0-9] ", text, re.MULTILINE)) == 40


def test_each_run_stands_beside_its_bases_on_the_same_seed(tmp_path):
    night = Night()
    seed = night.lab.state.known.calibration[0]
    theirs = night.lab.state.known.of("b" * 40)[seed]["val_bpc"]
    number, commit = night.propose("a change")
    night.happen(Measured(0.0, 90, number, commit, seed, "race", outcome="ok", metrics={"val_bpc": theirs - 0.25}),
                 Measured(0.0, 91, number, commit, 12, "race", outcome="ok", metrics={"val_bpc": 3.0}),
                 Measured(0.0, 92, number, commit, 13, "race", outcome="crash", reason="exit status 1"))
    rows = [line for line in shown(night, number, tmp_path).splitlines() if line[:2] in ("90", "91", "92")]
    assert rows[0].endswith("+0.25") and rows[1].endswith("–") and rows[2].endswith("exit status 1")


def test_a_run_on_an_older_frontier_is_not_compared_with_the_newer_one(tmp_path):
    night = Night()
    number, commit = night.propose("a change")
    night.run(number, commit, 3.4)
    night.happen(Rebased(0.0, number, 0, "f" * 40, "d" * 40),
                 Measured(0.0, 95, 0, "f" * 40, number, "confirm", outcome="ok", metrics={"val_bpc": 3.5}))
    assert next(line for line in shown(night, number, tmp_path).splitlines() if " race " in line).endswith("–")


TIMED = {"source": 'kind = "timing"', "score": SCORED["score"]}


def test_a_time_is_compared_with_what_ran_beside_it(tmp_path):
    night = Night(contract=TIMED)
    number, commit = night.propose("quicker")
    for seed, (mine, theirs) in enumerate([(1.0, 2.0), (1.2, 2.2), (1.1, 9.0)]):
        night.happen(Measured(0.0, 90 + seed, number, commit, seed, "race", outcome="ok", metrics={"val_bpc": mine},
                              paired_metrics={"val_bpc": theirs}))
    night.happen(Judged(0.0, number, "discard", "no sign", 1.0, None, 3, 0))
    text = shown(night, number, tmp_path)
    assert "right beside it on the same cores" in text and "its base did is 0.5, the median of its pairs." in text
    assert any(re.fullmatch("90 +race +0 +ok +1 +2 +0.5", line) for line in text.splitlines())


def test_the_status_says_what_a_claim_takes_and_how_the_machine_drifts():
    night = Night(scatter=(0.0, 0.01, 0.02, 0.03, 0.04))
    found = track(night.lab.state)
    assert (found.kind, found.stacked, found.drift) == ("noisy", 1, None)
    assert found.evidence_wanted == round(1 / night.lab.state.alpha, 1)
    seed = night.lab.state.known.calibration[0]
    before = night.lab.state.known.of("b" * 40)[seed]["val_bpc"]
    sigma = night.lab.state.known.seed_variance**0.5
    for number, more in enumerate([2.9, 3.1, 3.0]):
        metrics = {"val_bpc": before + more * sigma}
        night.happen(Measured(0.0, 90 + number, 0, "b" * 40, seed, "check", outcome="ok", metrics=metrics))
    assert track(night.lab.state).drift == pytest.approx(3.0)
