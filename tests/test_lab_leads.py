"""Changes that minds make on a campaign's lead, in whole simulated nights: raced with a handicap, confirmed with the lead against
the frontier, alone where that moves."""

from functools import cache

import msgspec
import pytest

from fakes import CONTRACT, FakeWorld, Idea, Night, held
from overnight.brief import page
from overnight.contracts import EXPECTS, TURNED, Best, turns
from overnight.lab import leads, snapshot, wire
from overnight.lab.events import Claimed, Judged, Measured, Probed, Proposed, Rebased, Vetoed
from overnight.lab.jobs import Propose, Rebase, Rebasing, Veto
from overnight.lab.state import State
from overnight.track.roles import Role
from overnight.views import sentences
from overnight.views.experiment import detail, experiment
from overnight.views.track import track

TEAM = (Role("r", "knobs"), Role("mind", "llm"))
ON = CONTRACT + '[referee]\nleads = "on"\n'
TIMED = ON.replace('"minimize"', '"minimize"\nkind = "timing"')


class Beside(FakeWorld):
    """Points say what is expected of them, a mind's ideas are drawn by themselves, and git puts a change elsewhere. `alone`: what
    a mind's commit is worth without its lead."""

    def __init__(self, seed, minds, points=lambda lots: Idea(3.0 * (lots.random() < 0.3), 0.9), claims=14, **how):
        super().__init__(seed, minds, explores=claims, **how)
        self.minds, self.points, self.alone = minds, points, {}

    def _propose(self, job):
        self.ideas = self.minds if job.thinks else self.points
        result = super()._propose(job)
        change = result.change
        if change is None:
            return result
        if job.thinks:
            return self._on_lead(job, result) if job.lead else result
        gain = self.worth[change.note["at"]] - self.worth[job.commit]
        note = change.note | {EXPECTS: [gain * self.sigma, 0.5 * self.sigma]}
        return msgspec.structs.replace(result, change=msgspec.structs.replace(change, note=note))

    def _on_lead(self, job, result):
        """The same change as one of both, on the frontier."""
        idea, lead = self.ideas_of[result.commit], self.worth[job.lead] - self.worth[job.commit]
        commit = self.made(Idea(lead + idea.gain, idea.correlation), job.commit, job.lead, result.commit)
        self.alone[commit] = idea.gain
        change = msgspec.structs.replace(result.change, message=leads.made_on(result.change.message, job.brief.lead))
        return msgspec.structs.replace(result, change=change, commit=commit, patch=commit)

    def _rebase(self, job):
        if self.ideas_of[job.commit].conflicts:
            return Rebasing(job, "")
        gain = self.worth[job.commit] - self.worth[job.base_commit]
        commit = self.made(Idea(gain, 0.9), job.onto, job.commit, job.base_commit)
        self.alone[commit] = self.alone.get(job.commit, gain)
        return Rebasing(job, commit, message=job.message, patch=commit) if job.message else Rebasing(job, commit)


def some(lots):
    return Idea(lots.choice((1.5, 0.0, 0.0, -1.0, -1.0)), 0.9)


def night(seed=1, minds=some, runs=160, contract=ON, slots=3, past=(), world=None, **how):
    world = world or Beside(seed, minds, **how)
    return Night(world, contract=contract, roles=TEAM, measure_slots=slots, think_slots=2, think=4.0, past=past).go(runs=runs)


@cache
def usual():
    """Points are claimed so late that minds prove their leads first."""
    return night(0, claims=60, runs=240)


@cache
def claiming():
    """Points are claimed early and again and again."""
    return night(2, lambda lots: Idea(lots.choice((1.0, 0.7, 0.0)), 0.5), claims=10, runs=240)


@cache
def timed():
    return night(3, contract=TIMED, sigma=0.1, level=10.0, drift=0.002, claims=60, runs=240)


NIGHTS = pytest.mark.parametrize("made", [usual, claiming, timed])


def of(events, *kinds):
    return [event for event in events if isinstance(event, kinds)]


def on_leads(events):
    return {event.experiment: event for event in of(events, Proposed) if event.lead}


def replayed(events):
    state = State()
    for event in events:
        state.apply(event)
    return state


# ---- where a change is made ----------------------------------------------------------------------------------------


@NIGHTS
def test_minds_work_on_the_lead_while_one_is_trusted_and_others_on_the_frontier(made):
    done = made()
    assert len(on_leads(done.events)) > 5
    for proposed in of(done.events, Proposed):
        assert not proposed.lead or (proposed.researcher == "mind" and leads.TOGETHER in proposed.message)
    commits = {probe.probe: probe for probe in of(done.events, Probed)}
    for job in of(done.jobs, Propose):
        lead = job.brief.lead
        assert (lead is None) == (job.lead == "") and (lead is None or job.thinks)
        if lead is not None:
            assert lead.gain >= max(leads.TRUSTED * lead.deviation, leads.WORTH * job.brief.noise)
            assert commits[lead.point].commit == job.lead and commits[lead.point].base_commit == job.commit
            assert wire.job(wire.encode(job)) == job


def test_a_lead_that_is_not_clearly_better_is_none_to_work_on():
    dull = night(points=lambda lots: Idea(-1.0, 0.9), runs=60)
    assert of(dull.events, Proposed) and not on_leads(dull.events)


def test_without_a_campaign_minds_work_on_the_frontier():
    done = Night(Beside(1, some), contract=ON, roles=TEAM[1:], measure_slots=2, think_slots=2, think=4.0).go(runs=60)
    assert of(done.events, Proposed) and not on_leads(done.events)


def test_unless_the_contract_asks_for_it_minds_work_on_the_frontier():
    off = night(0, contract=CONTRACT, claims=60)
    assert of(off.events, Probed) and not on_leads(off.events)
    assert all(job.brief.lead is None and not job.lead for job in of(off.jobs, Propose))


# ---- how it is measured --------------------------------------------------------------------------------------------


def test_its_race_takes_off_what_the_lead_is_expected_to_gain_and_its_fresh_pairs_do_not():
    done, looked = usual(), 0
    for number, proposed in on_leads(done.events).items():
        state = State()
        for event in done.events:
            mine = state.experiments.get(number)
            if isinstance(event, Judged) and event.experiment == number and mine.lead and not mine.older:
                race, fresh = state.known.pairs(mine)
                raw = [state.known.difference(pair) for pair in state.known.shared(mine).values()]
                assert sum(race) + sum(fresh) == pytest.approx(sum(raw) - len(race) * proposed.handicap)
                looked += bool(fresh)
            state.apply(event)
    assert looked


@NIGHTS
def test_every_keep_is_proven_by_fresh_pairs_with_the_frontier(made):
    state, seen, kept = State(), {}, 0
    for event in made().events:
        if isinstance(event, Claimed):
            seen[event.experiment] = {run.seed for run in of(made().events[:state.records], Measured)}
        if isinstance(event, Judged) and event.verdict == "keep":
            mine = state.experiments[event.experiment]
            fresh = state.known.confirmed[mine.commit]
            assert mine.base_commit == state.commit and event.fresh_pairs == len(fresh) > 0 and not fresh & seen[mine.id]
            pairs = [state.known.difference(pair) for seed, pair in state.known.shared(mine).items() if seed in fresh]
            assert state.known.kind.paired_in_time or min(pairs) - 0.3 <= event.effect <= max(pairs) + 0.3
            kept += 1
        state.apply(event)
    assert kept > 1


def test_it_is_kept_together_with_its_lead_and_credited_with_its_own_part():
    done = usual()
    kept = [e for e in done.lab.state.chain() if e.lead]
    assert kept
    for each in kept:
        whole = done.world.worth[each.commit] - done.world.worth[each.base_commit]
        assert whole > done.world.alone[each.commit] > 0 and leads.TOGETHER in each.message
        assert each.gained == pytest.approx(each.effect - each.handicap) and each.handicap > 0


def test_what_is_worth_nothing_itself_does_not_ride_on_a_lead():
    """Nights in which minds have nothing that helps, on leads that are worth three standard deviations."""
    rode = tried = 0
    for seed in range(12):
        done = night(seed, lambda lots: Idea(lots.choice((0.0, -0.5, -1.5)), 0.9), runs=100, claims=60)
        tried += len(on_leads(done.events))
        rode += sum(e.researcher == "mind" for e in done.lab.state.chain())
    assert tried > 60 and rode <= 0.04 * tried


def test_it_goes_on_alone_where_the_frontier_moves_with_what_its_race_says_of_its_own_change():
    state, found = State(), 0
    done = claiming()
    for event in done.events:
        if isinstance(event, Rebased) and event.alone:
            mine, lead = state.open[event.experiment], state.probes.made[state.experiments[event.experiment].lead]
            assert lead.base_commit != state.commit == event.base_commit
            race, fresh = state.known.pairs(mine)
            assert leads.ALONE in event.message and leads.TOGETHER not in event.message
            state.apply(event)
            assert (mine.lead, mine.handicap, mine.prior_differences) == (0, 0.0, (*race, *fresh))
            found += 1
            continue
        state.apply(event)
    assert found
    alone = {event.commit for event in of(done.events, Rebased) if event.alone}
    for commit in alone:
        gain = done.world.worth[commit] - done.world.worth[done.world.parents[commit]]
        assert gain == pytest.approx(done.world.alone[commit]) and gain <= 1.0  # a lead is worth three


def test_one_that_makes_the_code_smaller_must_help_all_the_same():
    class Smaller(Beside):
        def _propose(self, job):
            result = super()._propose(job)
            return msgspec.structs.replace(result, size_delta=-5) if job.thinks else result
    done = night(world=Smaller(0, some, claims=60), runs=120)
    mine = [e for e in done.lab.state.experiments.values() if e.lead]
    assert mine and not any(e.simplifies for e in mine) and all(e.size_delta == -5 for e in mine)


def test_none_of_them_is_stacked():
    done = night(runs=200, claims=200)
    assert on_leads(done.events)
    assert not {e.id for e in done.lab.state.experiments.values() if e.stack} & on_leads(done.events).keys()


# ---- the record ----------------------------------------------------------------------------------------------------


@NIGHTS
def test_a_replay_and_its_bytes_are_the_live_state(made):
    state, seen = State(), 0
    for place, event in enumerate(made().events):
        state.apply(event)
        if place % 19 == 0:
            seen += any(e.lead for e in state.open.values())
            assert held(state) == held(snapshot.decode(snapshot.encode(state)))
    assert seen and held(state) == held(made().lab.state)


def test_a_session_that_is_killed_anywhere_goes_on_with_them():
    past, known = usual().events, usual().world
    for cut in range(20, len(past), 97):
        begun = replayed(past[:cut])
        again = night(world=known, past=past[:cut], runs=begun.runs + 25)
        assert held(replayed(again.events)) == held(again.lab.state) and again.lab.state.runs >= begun.runs + 25
        assert len({run.run for run in again.runs}) == len(again.runs)


def test_a_keep_of_both_that_is_taken_back_takes_both_back():
    done = usual()
    first = next(e for e in done.lab.state.chain() if e.lead)
    place = next(n for n, e in enumerate(done.events) if isinstance(e, Judged) and e.experiment == first.id)
    again = Night(done.world, past=done.events[:place + 1], roles=TEAM, measure_slots=3, think_slots=2, think=4.0)

    def veto(now):
        if not of(now.events, Vetoed):
            now._record(now.lab.hear(Veto("r1", first.id, "no"), now.now))
            assert now.lab.state.commit == first.base_commit
    again.go(runs=again.lab.state.runs + 60, watch=veto)
    assert len(of(again.events, Vetoed)) == 1 and held(replayed(again.events)) == held(again.lab.state)


def test_the_job_that_leaves_a_lead_behind_takes_the_difference_to_its_commit():
    points = {probe.commit for probe in of(claiming().events, Probed)}
    jobs = [job for job in of(claiming().jobs, Rebase) if job.message]
    assert jobs and {job.base_commit for job in jobs} <= points and all(wire.job(wire.encode(job)) == job for job in jobs)


def test_the_note_of_one_that_turns_knobs_is_of_what_it_turns_itself():
    lead, both = {TURNED: {"a": [1, 2], "b": [1, 3], "d": [4, 5]}}, {"kind": "m", TURNED: {"a": [1, 2], "b": [1, 5], "c": [7, 8]}}
    assert turns(leads.parted(both, lead)) == {"b": (3, 5), "c": (7, 8), "d": (5, 4)}
    assert leads.parted({"x": 1}, lead) == {"x": 1}


# ---- where it is seen ----------------------------------------------------------------------------------------------


def test_the_page_says_on_which_lead_the_code_stands():
    brief = msgspec.structs.replace(usual().lab.briefing.outside(), files={"a": "RATE = 0.2"},
                                    lead=Best("RATE 0.1 -> 0.2", {"RATE": (0.1, 0.2)}, 1.5, 0.4, 3.0, 12))
    text = page.page(brief).text
    assert "## The code at the lead" in text and '"RATE" "0.1" -> "0.2"' in text and "+1.5 ± 0.4" in text
    assert "## The code at the frontier" not in text
    assert "at the lead" not in page.page(msgspec.structs.replace(brief, lead=None)).text
    assert usual().lab.briefing.outside().lead is None


def test_show_says_which_part_came_from_the_lead():
    done, state = usual(), usual().lab.state
    kept = next(e for e in state.chain() if e.lead)
    view = experiment(state, kept)
    assert view.lead == kept.lead and view.marks == (f"with the lead, point {kept.lead}",)
    found = detail(state, kept, done.events, lambda name: "")
    said = "\n".join(sentences.measured(track(state), found))
    assert f"point {kept.lead}, and its commit holds that as well" in said and f"`overnight explain {kept.id}`" in said
    plain = next(e for e in state.experiments.values() if not e.lead)
    assert experiment(state, plain).lead is None and not experiment(state, plain).marks
