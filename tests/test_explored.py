"""Explored points: single runs that claim nothing are shown as such in every view, never as experiments and never missing."""

import io
import json
import time
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from fakes import FakeWorld, Idea, Night
from overnight.audit.run import draw
from overnight.brief import data, explored, page
from overnight.contracts import EXPECTS, MATTERS, Best, Change, Explored
from overnight.lab import leads, snapshot
from overnight.lab.events import Judged, Measured, Probed, Proposed
from overnight.lab.jobs import Measure, Proposal
from overnight.report import files, live, morning, standing, tables
from overnight.views import points, public, sentences
from overnight.views import timeline as scene
from overnight.views.experiment import History, detail, history
from overnight.views.points import PointView
from overnight.views.track import track

CRASHES, BEST = 5, 3
GAINS = {1: 0.5, 2: 1.0, BEST: 3.0, 4: -1.0, CRASHES: 0.0, 6: 0.2}  # of a knob's values, in standard deviations of a run


class Campaigner(FakeWorld):
    """Its researcher turns one knob: nine points, then what it thinks best is claimed."""

    def _propose(self, job):
        explore = job.brief.explore
        if explore is None:
            return super()._propose(job)
        claimed = any(past.verdict in ("open", "keep") for past in job.brief.history)
        claim = explore.made >= 9 and not claimed
        value = BEST if claim else 1 + len(explore.points) % len(GAINS)
        idea = Idea(gain=GAINS[value], correlation=0.9, outcome="crash" if value == CRASHES else "ok")
        commit = self.made(idea, job.commit, value, len(explore.points), job.brief.seed)
        note = {"set": {"a:x": [0, value]}, EXPECTS: [0.5, 0.5], MATTERS: {"a:x": 0.75, "a:y": 0.25, "a:z": "much", "a:w": 9}}
        change = Change({"a": commit}, f"x 0 -> {value}\n\nA reason.", note, probe=not claim)
        return Proposal(job, change, commit=commit, patch=f"x={value}")


@pytest.fixture(scope="module")
def night():
    """A simulated night that explores, keeps what it led to, and explores on from there."""
    return Night(Campaigner(2)).go(runs=80, until=1e6)


@pytest.fixture(scope="module")
def told(night):
    return history(night.lab.state)


@pytest.fixture(scope="module")
def kept(night):
    """What was kept with all that is known of it, and the points that had made the same change by then."""
    state = night.lab.state
    (chosen,) = state.chain()
    before = night.events[:next(i for i, e in enumerate(night.events) if isinstance(e, Proposed) and e.experiment == chosen.id)]
    same = {e.probe for e in before if isinstance(e, Probed) and e.patch == f"x={BEST}"}
    runs = [e.run for e in before if isinstance(e, Measured) and e.stage == "explore" and e.experiment in same]
    return detail(state, chosen, night.events, lambda name: ""), runs


def test_points_are_counted_beside_experiments_and_never_among_them(night, told):
    probed = [e for e in night.events if isinstance(e, Probed)]
    runs = [e for e in night.events if isinstance(e, Measured) and e.stage == "explore"]
    assert told.track.explored == len(probed) == len(told.points) > 20
    assert told.track.explored_runs == len(runs) and told.track.explored_runs < told.track.runs
    assert told.track.experiments == len(told.experiments) == sum(isinstance(e, Proposed) for e in night.events)
    assert (told.track.kept, told.track.discarded, told.track.crashed) == (1, 0, 0)


def test_a_point_has_its_own_run_beside_what_it_stands_on(night, told):
    runs = {e.experiment: e for e in night.events if isinstance(e, Measured) and e.stage == "explore"}
    for point in told.points:
        run = runs.get(point.point)
        assert point.state == ("open" if run is None else "ok" if run.metrics else "failed")
        assert point.value == (run and run.metrics.get("y")) and point.expected == (0.5, 0.5)
        assert (point.gain is None) == (point.value is None)
    assert {point.state for point in told.points} >= {"ok", "failed"}
    best, worst = ([p.gain for p in told.points if p.title == f"x 0 -> {value}" and p.gain is not None and not p.after]
                   for value in (BEST, 4))
    assert min(best) > 0 > max(worst)
    first = next(p for p in told.points if p.title == f"x 0 -> {BEST}")
    assert first.experiment == told.kept[0].id and not any(p.experiment for p in told.points if p.title == "x 0 -> 4")
    assert msgspec.json.decode(msgspec.json.encode(first), type=PointView) == first


def test_every_field_of_a_point_is_explained():
    for view in (PointView, points.LeadView, Explored, Best, History):
        assert [name for name in view.__struct_fields__ if name not in view.__doc__] == []


def test_the_pairs_of_an_experiment_that_points_began_are_shown_with_where_they_come_from(night, kept):
    found, before = kept
    explored = [run for run in found.runs if run.point is not None]
    assert [run.run for run in explored] == before and before and {run.stage for run in explored} == {"explore"}
    assert all(run.better_by is not None and not run.older and not run.as_frontier for run in explored)
    assert sum(run.better_by is not None for run in found.runs) == found.verdict.pairs
    fresh = [run for run in found.runs if run.stage == "confirm" and run.better_by is not None]
    assert found.verdict.fresh_pairs == len(fresh) > 0  # so that no claim rests on what was explored
    shown = sentences.words(track(night.lab.state), found)
    assert f"of point {explored[0].point}, explored before" in shown and "no claim rests on that" in shown


def test_the_run_of_a_point_is_not_that_of_the_experiment_with_its_number(night, kept):
    found, before = kept
    others = {e.run for e in night.events if isinstance(e, Measured) and e.stage == "explore"} - set(before)
    assert others and not others & {run.run for run in found.runs}


def test_a_proposer_is_told_of_points_and_of_no_seed(night, kept):
    seen = public.experiment(night.lab.state, night.lab.state.chain()[0], night.events, lambda name: "")
    text = json.dumps(msgspec.to_builtins(seen)) + public.words(track(night.lab.state), seen)
    assert "explored before" in text and not [run.seed for run in kept[0].runs if str(run.seed) in text]


# ---- the lead --------------------------------------------------------------------------------------------------


def test_a_lead_is_what_was_expected_put_together_with_its_run(night):
    state = night.lab.state
    found = leads.leads(state)
    assert found and [lead.gain for lead in found] == sorted((lead.gain for lead in found), reverse=True)
    noise = state.noise
    for lead in found:
        probe = state.probes.made[lead.point]
        assert probe.base_commit == state.commit
        saw = state.track.oriented(probe.value - probe.beside)
        assert min(0.5, saw) <= lead.gain <= max(0.5, saw)
        assert lead.deviation == pytest.approx((1 / 0.5**2 + 1 / noise**2) ** -0.5)
    assert track(state).lead == points.LeadView(found[0].point, found[0].gain, found[0].deviation)


def test_an_expectation_that_its_own_run_belies_counts_for_little(night):
    state = night.lab.state
    last = next(e for e in reversed(night.events) if isinstance(e, Probed) and state.probes.made[e.probe].value is not None)
    probe, at = state.probes.made[last.probe], state.probes.made
    saw = state.track.oriented(probe.value - probe.beside)
    at[last.probe] = msgspec.structs.replace(probe, expected=(saw + 100 * state.noise, state.noise / 10), base_commit=state.commit)
    found = {lead.point: lead.gain for lead in leads.leads(state)}
    at[last.probe] = probe
    assert abs(found.get(last.probe, saw) - saw) < state.noise / 50


def test_what_was_claimed_and_not_kept_is_no_lead(night):
    batch = next(i for i, e in enumerate(night.events) if isinstance(e, Judged))
    before = Night(Campaigner(2), past=night.events[:batch])
    (claimed,) = set(before.lab.state.probes.claims.values())
    assert any(before.lab.state.probes.claims.get(before.lab.state.probes.made[lead.point].mark) == claimed
               for lead in leads.leads(before.lab.state))
    before.lab.state.apply(Judged(0.0, claimed, "discard", "no better"))
    assert not any(before.lab.state.probes.claims.get(before.lab.state.probes.made[lead.point].mark) == claimed
                   for lead in leads.leads(before.lab.state))


@pytest.mark.parametrize("note", [{}, {EXPECTS: "much"}, {EXPECTS: [1.0]}, {EXPECTS: [float("inf"), 1.0]}, {EXPECTS: [1.0, -1.0]}])
def test_a_researcher_that_leaves_no_expectation_has_points_and_no_lead(night, note):
    state = night.lab.state
    last = next(e for e in reversed(night.events) if isinstance(e, Probed))
    state = Night(Campaigner(2), past=[e for e in night.events if not isinstance(e, Probed)]).lab.state
    state.apply(msgspec.structs.replace(last, note=note))
    assert state.probes.made[last.probe].expected is None and leads.leads(state) == []
    assert points.explored(1, points.best(state), "") == "explored 1 point in single runs, which claim nothing"


def test_a_state_as_bytes_has_the_points(night):
    again = snapshot.decode(snapshot.encode(night.lab.state), night.lab.state.keys)
    assert history(again) == history(night.lab.state)


# ---- words -----------------------------------------------------------------------------------------------------


def test_the_plain_view_has_a_line_for_each_point_and_what_they_led_to(night):
    said = io.StringIO()
    lines = live.Lines(night.lab.state, live.Terminal(file=said, width=300))
    for event in night.events:
        lines([event])
    text = said.getvalue()
    assert sum(line.startswith("explored ") and ": " in line for line in text.splitlines()) >= track(night.lab.state).explored_runs
    assert "its run failed" in text and "in one run)" in text
    assert "#1 is to prove the lead of what was explored, point " in text


def test_the_panel_says_that_it_explores_and_what_runs(night):
    written, state = io.StringIO(), night.lab.state
    panel = live.Panel(state, Console(file=written, width=200), [], time.monotonic() + 60, None)
    panel(night.events[-40:])
    Console(file=written, width=200).print(panel.draw())
    assert f"{len(state.probes.made)} explored" in written.getvalue() and "the lead, point" in written.getvalue()
    probe = state.probes.made[1]
    assert live.doing(state, Measure(1, 1, probe.commit, 7, "explore")) == f"explores 1: x 0 -> {probe.title[-1]}"


def test_status_report_and_table_count_points(night, told):
    count = len(told.points)
    assert f"{count} explored" in tables.headline(told.track)
    assert any(f"explored {count} points" in line for line in standing.standing(told.track, told.kept, False))
    report = morning.report_md(files.read(night.lab.state, Path("nowhere")))
    assert "## What was explored" in report and f"explored {count} points, which claim nothing" in report
    assert f"#{told.kept[0].id} |" in report.partition("## What was explored")[2]
    rows = [row.split("\t") for row in tables.results_tsv(told).splitlines()]
    explored = [row for row in rows if row[3] == "explore"]
    assert len(explored) == sum(p.state != "open" for p in told.points)
    claim = rows.index(next(row for row in rows if row[0] == told.kept[0].commit[:7]))
    assert sum(row[3] == "explore" for row in rows[:claim]) == sum(p.state != "open" and p.after < told.kept[0].id
                                                                  for p in told.points)


def test_the_chart_has_a_ring_for_each_point_between_its_experiments(night, told):
    chart = pytest.importorskip("overnight.report.chart")
    drawn = scene.scene(told)
    ran = [p for p in told.points if p.gain is not None]
    assert len(drawn.explored) == len(ran) and drawn.end >= max(dot.x for dot in drawn.explored)
    assert sum(dot.x < 1 for dot in drawn.explored) == sum(p.after == 0 for p in ran)
    assert [text.get_text() for text in chart._figure(told).axes[0].get_legend().get_texts()][-1] == (
        f"{len(told.points)} explored in single runs")


def test_a_mind_reads_what_was_explored_and_the_knobs_do_not(night):
    lab = night.lab
    brief = lab.briefing.outside()
    assert lab.briefing.role("r").explored is None and brief.explored.points == len(lab.state.probes.made)
    text = page.page(brief).text
    assert "## What single runs have explored" in text and '"x 0 -> ' in text and " of the best " in text
    found = data.as_json(brief)
    assert found["explored"]["points"] == brief.explored.points and "explored" in found["untrusted"]
    assert found["explored"]["best"][0]["gain"] == brief.explored.best[0].gain
    assert found["explored"]["matters"] == {"a:x": 0.75, "a:y": 0.25} and '"a:x" 75%, "a:y" 25%' in text


def test_what_the_best_points_turn_is_told_with_its_range():
    best = [Best("a", {"lr": (0.1, 0.2), "act": ("relu", "gelu")}, 1.0, 0.1, 3.0), Best("b", {"lr": (0.1, 0.4)}, 0.5, 0.1, 3.0)]
    told = list(explored.turned(Explored(9, tuple(best))))
    assert told == ['"lr", now "0.1": 0.2 to 0.4 in 2 of the best 2', '"act", now "relu": "gelu" in 1 of the best 2']
    assert explored.NOTHING in explored.head(Explored(9))


def test_an_audit_draws_no_seed_on_which_a_point_was_run(night):
    runs = [e for e in night.events if isinstance(e, Measured)]
    used = {e.seed for e in runs if e.stage == "explore"}
    assert used and not used & set(draw(50, runs))
