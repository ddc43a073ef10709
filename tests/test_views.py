"""The views: what is shown of a track and of an experiment is typed, whole, and fit for its reader."""

import importlib.util
import io
import json
import re
import time

import msgspec
import pyte
import pytest
from rich.console import Console

from conftest import ROOT
from fakes import FakeWorld, Idea, Night
from overnight.lab.events import Judged, Measured, Proposed, Rebased
from overnight.report.live import Panel, Terminal
from overnight.views import public
from overnight.views.experiment import DetailView, ExperimentView, detail, experiment, history, line, named
from overnight.views.progress import so_far
from overnight.views.track import TrackView, track

KINDS = (Idea(gain=2.0, correlation=0.9), Idea(), Idea(gain=-1.0), Idea(outcome="crash"), Idea(foul="touches score.py"))


@pytest.fixture(scope="module")
def night():
    """A simulated night of thirty experiments that end in every way."""
    return Night(FakeWorld(1, lambda lots: lots.choice(KINDS))).go(experiments=30)


def quiet(name):
    """No log was kept."""
    return ""


def test_the_page_on_json_is_what_the_views_say():
    spec = importlib.util.spec_from_file_location("schema", ROOT / "scripts" / "schema.py")
    schema = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(schema)
    assert (ROOT / "docs" / "schema.md").read_text() == schema.page()


@pytest.mark.parametrize("view", [TrackView, ExperimentView, DetailView, public.PublicView])
def test_every_field_is_explained(view):
    explained = "".join(kind.__doc__ for kind in view.__mro__ if kind.__module__ == view.__module__ or kind is ExperimentView)
    assert [name for name in view.__struct_fields__ if name not in explained] == []


def test_what_is_printed_decodes_to_what_was_shown(night):
    chosen = night.lab.state.experiments[1]
    for found in (track(night.lab.state), experiment(night.lab.state, chosen), detail(night.lab.state, chosen, night.events, quiet),
                  public.experiment(night.lab.state, chosen, night.events, quiet)):
        assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found


def test_the_track_counts_what_its_experiments_came_to(night):
    told = history(night.lab.state)
    counts = [sum(e.verdict.verdict == word for e in told.experiments) for word in ("keep", "discard", "crash", "foul", "open")]
    where = told.track
    assert counts == [where.kept, where.discarded, where.crashed, where.fouled, where.open] and sum(counts) == where.experiments == 30
    assert min(counts[:4]) > 0 and told.kept[-1].commit == where.commit and told.kept[0].base == where.base_commit
    assert where.gain == pytest.approx(sum(e.verdict.effect for e in told.kept)) and where.frontier_runs > 0


def test_each_verdict_is_the_one_that_was_recorded(night):
    judged = {e.experiment: e for e in night.events if isinstance(e, Judged)}  # the last of each
    for found in history(night.lab.state).experiments:
        if (event := judged.get(found.id)) and found.verdict.verdict != "open":
            same = ("verdict", "reason", "effect", "interval", "pairs", "fresh_pairs", "e_value")
            assert [getattr(found.verdict, name) for name in same] == [getattr(event, name) for name in same]
            assert found.verdict.finding == (event.finding or None)
            assert (found.level is None) == (event.verdict not in ("keep", "discard") or not found.measured)


def test_the_details_are_those_of_the_journal(night):
    for chosen in night.lab.state.experiments.values():
        found = detail(night.lab.state, chosen, night.events, lambda name: f"a log\n{name}\n\x1b[2J")
        mine = [e for e in night.events if getattr(e, "experiment", 0) == chosen.id]
        runs = [e for e in mine if isinstance(e, Measured)]
        assert [(r.run, r.seed, r.outcome) for r in found.runs] == [(e.run, e.seed, e.outcome) for e in runs]
        assert found.rebased == sum(isinstance(e, Rebased) for e in mine)
        assert found.patch == next(e.patch for e in mine if isinstance(e, Proposed))
        assert all(r.better_by == pytest.approx(night.lab.state.track.oriented(r.metrics["y"] - r.base)) for r in found.runs
                   if r.better_by is not None)
        assert not runs or (found.log_tail.startswith("a log") and "\x1b" not in found.log_tail)


def test_a_proposer_sees_no_seed_and_no_log_of_the_scorer(night):
    for chosen in night.lab.state.experiments.values():
        whole = detail(night.lab.state, chosen, night.events, lambda name: "SAID WHILE SCORING")
        seen = public.experiment(night.lab.state, chosen, night.events, lambda name: "SAID WHILE SCORING")
        told, page = json.dumps(msgspec.to_builtins(seen)), public.words(track(night.lab.state), seen)
        own = [run.run for run in whole.runs if not run.as_frontier]
        assert not [run.seed for run in whole.runs if str(run.seed) in told + page] and [run.run for run in seen.runs] == own
        assert whole.runs == () or "SAID WHILE SCORING" in whole.score_log_tail
        assert "SAID WHILE SCORING" not in told


def test_words_from_outside_are_bounded_for_agents(night):
    chosen = msgspec.structs.replace(night.lab.state.experiments[1], message="title\x1b[2J\n\n" + "x" * 100_000)
    found, listed = public.experiment(night.lab.state, chosen, night.events, quiet), public.listed(night.lab.state, chosen)
    assert len(found.message) <= public.PATCH and "\x1b" not in found.message
    assert listed.message == "title" and not isinstance(listed, public.PublicView)


def test_an_experiment_is_found_by_its_number_before_any_commit():
    class Each:
        def __init__(self, number, commit, request=""):
            self.id, self.commit, self.request = number, commit, request

    every = [Each(1, "1234" + "a" * 36), Each(1234, "b" * 40), Each(3, "c" * 40, "mark")]
    assert [getattr(named(every, name), "id", None) for name in ("1234", "#1", " bbbb ", "mark", "ccc", "", "12345")] == [
        1234, 1, 1234, 3, None, None, None]


def test_a_line_names_the_proposer_where_there_are_several(night):
    found = history(night.lab.state).experiments[0]
    assert f"{found.researcher}: " not in line(found) + line(found, (found.researcher,))
    assert f"  {found.researcher}: {found.title}" in line(found, (found.researcher, "other"))


def test_keeps_stay_on_the_terminal_when_the_panel_is_gone(night):
    written = io.StringIO()
    panel = Panel(night.lab.state, Terminal(file=written, width=200, force_terminal=True), [], time.monotonic() + 60, 5)
    judged = [e for e in night.events if isinstance(e, Judged)]
    keeps = [e for e in judged if e.verdict == "keep"]
    assert keeps and len(keeps) < len(judged)
    with panel.screen:
        for event in judged:
            panel([event])
    shown = pyte.Screen(200, 60)
    pyte.Stream(shown).feed(written.getvalue().replace("\n", "\r\n"))
    left = [line.strip() for line in shown.display if line.strip()]
    assert [line.split()[0] for line in left] == [f"#{e.experiment}" for e in keeps]


def test_the_panel_counts_down_what_may_still_be_tried(night):
    panel = Panel(night.lab.state, Console(file=io.StringIO(), width=200), [], time.monotonic() + 60, 5)
    proposed = [e for e in night.events if isinstance(e, Proposed)]
    panel(proposed[:2])
    by_hand = msgspec.structs.replace(proposed[2], request="mark")
    panel([by_hand])
    assert panel.left == 3 and "3 experiments left" in panel._counts().plain
    panel(proposed[3:])
    assert panel.left == 0


def test_progress_tells_pairs_effect_and_time_and_nothing_that_is_a_verdict():
    said = []

    def watch(night):
        said.extend(so_far(night.lab.state, each) for each in night.lab.state.open.values())

    Night(FakeWorld(3, lambda lots: lots.choice((Idea(gain=0.7, correlation=0.5), Idea())))).go(experiments=12, watch=watch)
    assert any(re.fullmatch(r"#\d+ so far: no pair yet, \d runs?", each) for each in said)
    assert any(re.search(r": 1 pair of the race, [-+][\d.]+ \(\+ is better, nothing is proven yet\)", each) for each in said)
    assert any(re.search(r"\d+ pairs, \d+ of them fresh, \+.* about .*s of runs to go were it as good as it seems$", each) for each in said)
    assert not [each for each in said if "[" in each or "odds" in each or " to 1" in each]
