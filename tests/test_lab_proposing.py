"""Who is asked for changes: turns, ideas, advisers, researchers who are away, orders, in nights of a simulated world."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import FakeWorld, Idea, Night, team
from overnight.contracts import Call
from overnight.lab.events import Dropped, Judged, Learnt, Noted, Ordered, Passed, Proposed, Rebased, Vetoed
from overnight.lab.flight import Budget
from overnight.lab.jobs import AddIdea, DropIdea, Job, Proposal, Rebase, Rebasing, Steer, Thought, Try, Veto
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.track.roles import Role

LLM, KNOBS = Role("author", "llm"), Role("tuner", "knobs")


def better(_lots):
    return Idea(gain=3.0, correlation=0.9)


def sometimes(lots):
    return Idea(gain=3.0, correlation=0.9) if lots.random() < 0.3 else Idea(gain=-1.0, correlation=0.9)


def night(*roles, ideas=sometimes, **more):
    more = {"think_slots": 4, "think": 20.0} | more
    return Night(FakeWorld(1, ideas), roles=roles, **more)


def kinds(night, kind):
    return [e for e in night.events if isinstance(e, kind)]


def again(night):
    """A Lab that replayed the record."""
    lab = Lab(State(), team("r"), 2)
    for event in night.events:
        lab.apply(event)
    return lab


# ---- places ----------------------------------------------------------------------------------------------------


def test_who_thinks_long_has_a_place_of_its_own():
    done = night(LLM, KNOBS).go(experiments=40)
    by = Counter(e.researcher for e in kinds(done, Proposed))
    assert by["author"] >= 4 and by["tuner"] > by["author"]  # twenty times as quick


def test_while_a_model_thinks_the_others_keep_the_benches_busy():
    alone, mixed = night(LLM).go(experiments=60), night(LLM, KNOBS).go(experiments=60)
    assert mixed.idled / mixed.now < 0.2 < alone.idled / alone.now


def test_as_many_proposals_are_thought_about_as_there_are_places():
    seen = []
    night(LLM, think_slots=4).go(experiments=30, watch=lambda n: seen.append(sum(j.place == "think" for j in n.lab.flight.of(Job))))
    assert max(seen) == 4 and seen.count(4) > len(seen) / 2


def test_proposals_that_are_made_at_the_same_time_have_different_seeds():
    done = night(LLM).go(experiments=30)
    asked = [e.asked for e in kinds(done, Proposed)]
    assert len(asked) == 30 == len(set(asked))


# ---- away ------------------------------------------------------------------------------------------------------


def test_who_is_away_is_asked_again_when_the_time_is_over():
    def once(lots):
        return Idea(away=30.0) if lots.random() < 0.4 else sometimes(lots)
    done = night(LLM, ideas=once).go(experiments=20)
    assert len(kinds(done, Proposed)) == 20 and any(e.away for e in kinds(done, Passed))


def test_an_outage_says_nothing_of_the_frontier():
    done = night(LLM, ideas=lambda lots: Idea(away=5.0)).go(until=400.0)
    assert len(kinds(done, Passed)) > 10 and all(e.away for e in kinds(done, Passed))  # never left alone for passing


def test_the_others_go_on_meanwhile():
    class World(FakeWorld):
        def _propose(self, job):
            self.ideas = (lambda lots: Idea(away=1e9)) if job.researcher == "author" else sometimes
            return super()._propose(job)
    done = Night(World(1), roles=(LLM, KNOBS), think_slots=4, think=1.0).go(experiments=20)
    assert Counter(e.researcher for e in kinds(done, Proposed)) == {"tuner": 20}
    assert len([e for e in kinds(done, Passed) if e.researcher == "author"]) <= 4


# ---- ideas -----------------------------------------------------------------------------------------------------


def hear(night, *orders):
    night._record([event for order in orders for event in night.lab.hear(order, 0.0)])
    return night


def test_ideas_are_leased_once_each_and_a_persons_come_first():
    papers = [AddIdea(f"r{n}", f"paper {n}", source="arxiv:1") for n in range(3)]
    done = hear(night(LLM, think_slots=1, think=1.0), *papers, AddIdea("r9", "mine"))
    done.go(experiments=12)
    tried = [e.idea for e in kinds(done, Proposed) if e.idea]
    assert tried[0] == 4 and sorted(tried) == [1, 2, 3, 4]
    assert {i.state for i in map(done.lab.state.idea, done.lab.state.ideas)} == {"tried"}
    assert all(i.outcome.startswith(f"#{i.tried[0]} ") for i in map(done.lab.state.idea, done.lab.state.ideas))


def test_researchers_that_do_not_read_are_given_none():
    done = hear(night(KNOBS), AddIdea("r1", "mine")).go(experiments=5)
    assert [e.idea for e in kinds(done, Proposed)] == [0] * 5 and done.lab.state.idea(done.lab.state.ideas.entries[1]).state == "open"


def test_an_idea_of_which_nobody_can_make_a_change_is_given_up():
    class World(FakeWorld):
        def _propose(self, job):
            self.ideas = (lambda lots: Idea(nothing=True)) if job.brief.idea else sometimes
            return super()._propose(job)
    done = hear(Night(World(1), roles=(LLM,), think_slots=1, think=1.0), AddIdea("r1", "hopeless")).go(experiments=6)
    (idea,) = map(done.lab.state.idea, done.lab.state.ideas)
    assert (idea.state, idea.outcome) == ("tried", "no researcher could make a change of it")
    assert len(kinds(done, Proposed)) == 6 and sum(e.idea == 1 for e in kinds(done, Passed)) == 2


def test_an_idea_that_is_worked_on_is_leased():
    states = []
    done = hear(night(LLM), AddIdea("r1", "mine"))
    done.go(experiments=6, watch=lambda n: states.append(n.lab.state.idea(n.lab.state.ideas.entries[1], n.lab.briefing.leased()).state))
    order = list(dict.fromkeys(states))
    assert order == ["leased", "tried"] or order == ["open", "leased", "tried"]


def test_a_scientist_fills_the_queue_when_it_runs_low():
    done = night(LLM, Role("newton", "scientist", below=2)).go(experiments=30)
    notes = kinds(done, Noted)
    assert notes and {e.source for e in notes} == {"role newton"} and len({e.idea for e in notes}) == len(notes)
    assert any(e.idea for e in kinds(done, Proposed))


def test_a_standup_writes_every_so_many_experiments():
    done = night(LLM, Role("standup", "standup", every=10)).go(experiments=40)
    assert 3 <= len(kinds(done, Learnt)) <= 4 and done.lab.state.notes == kinds(done, Learnt)[-1].notes
    assert done.lab.briefing.role("author").notes == done.lab.state.notes


def test_advisers_alone_do_not_keep_a_night_going():
    done = night(Role("newton", "scientist"), Role("standup", "standup")).go()
    assert kinds(done, Proposed) == kinds(done, Noted) == []


def test_a_standup_that_says_nothing_is_not_asked_again_at_once():
    class World(FakeWorld):
        asked = 0

        def _think(self, job):
            self.asked += 1
            return Thought(job)
    world = World(1, sometimes)
    Night(world, roles=(KNOBS, Role("standup", "standup", every=5)), think_slots=2, think=0.1).go(experiments=21)
    assert world.asked == 4


def test_a_scientist_is_asked_when_nobody_else_has_anything_left():
    class World(FakeWorld):
        def _propose(self, job):
            fresh = job.brief.idea or len(job.brief.history) < 4
            self.ideas = sometimes if fresh else lambda lots: Idea(nothing=True)
            return super()._propose(job)
    done = Night(World(3), roles=(LLM, Role("newton", "scientist", below=1)), think_slots=1, think=1.0).go(experiments=8)
    assert any(e.idea for e in kinds(done, Proposed))


def test_a_new_idea_wakes_who_had_nothing_left():
    done = night(LLM, ideas=lambda lots: Idea(nothing=True), think_slots=1).go()
    passed = len(kinds(done, Passed))
    assert passed == 3 and done.lab.finished(done.now)
    hear(done, AddIdea("r1", "mine"))
    assert not done.lab.finished(done.now)


def test_who_is_gone_for_good_is_named_with_the_reason():
    class World(FakeWorld):
        def _propose(self, job):
            return Proposal(job, reason="the key was refused.", away=True)
    done = Night(World(1), roles=(LLM,), think_slots=4, think=1.0).go()
    assert done.lab.why(done.now) == "author is away: the key was refused"


def test_what_git_cannot_move_goes_back_to_who_made_it_at_a_place_for_thinking():
    class World(FakeWorld):
        def _rebase(self, job):
            commit = self.made(self.ideas_of[job.commit], job.onto, job.commit) if job.anew else ""
            return Rebasing(job, commit, job.anew, "made anew", f"+{commit}", 3)
    done = Night(World(1, better), roles=(LLM,), think_slots=4, think=2.0).go(experiments=8)
    anew = [e for e in kinds(done, Rebased) if e.again]
    assert anew and all((e.message, e.patch, e.size_delta) == ("made anew", f"+{e.commit}", 3) for e in anew)
    assert all((done.lab.state.experiments[e.experiment].title, done.lab.state.experiments[e.experiment].size_delta) == ("made anew", 3)
               for e in anew)
    moved = [j for j in done.jobs if isinstance(j, Rebase)]
    assert any(j.anew for j in moved) and all(j.place == ("think" if j.anew else "edit") for j in moved)
    assert done.lab.state.counts["keep"] > 2


def test_what_nobody_is_there_to_make_anew_is_a_conflict():
    class World(FakeWorld):
        def _rebase(self, job):
            return Rebasing(job, "")
    done = Night(World(1, better), roles=(KNOBS,), measure_slots=3).go(experiments=8)
    assert any("conflicts with what was kept" in e.reason for e in kinds(done, Judged))
    assert not done.lab.state.open


# ---- the same change -------------------------------------------------------------------------------------------


def test_the_very_same_change_is_not_measured_twice():
    class World(FakeWorld):
        def made(self, idea, parent, *what):
            return super().made(idea, parent)  # whatever the seed: one change for each frontier
    done = Night(World(1, lambda lots: Idea(gain=-1.0)), roles=(LLM,), think_slots=2, think=1.0).go(experiments=5)
    assert len(kinds(done, Proposed)) == 1
    assert all("the very change of #1 again" in e.reason for e in kinds(done, Passed))


# ---- orders ----------------------------------------------------------------------------------------------------


def test_an_order_is_taken_up_once_also_after_a_replay():
    done = hear(night(KNOBS), AddIdea("r1", "mine"))
    assert done.lab.hear(AddIdea("r1", "mine"), 0.0) == [] and again(done).hear(AddIdea("r1", "mine"), 0.0) == []


def test_what_cannot_be_done_is_declined_with_a_reason():
    lab = night(KNOBS).go(experiments=3).lab
    for order, said in ((DropIdea("a", 7), "there is no idea 7"), (Veto("b", 7), "not among what is kept")):
        (event,) = lab.hear(order, 0.0)
        assert isinstance(event, Ordered) and said in event.reason


def test_an_idea_that_was_dropped_is_not_tried():
    done = hear(night(LLM), AddIdea("r1", "mine"), DropIdea("r2", 1)).go(experiments=4)
    assert kinds(done, Dropped) and not any(e.idea for e in kinds(done, Proposed))


def test_a_paused_night_starts_nothing_and_does_not_end():
    lab = hear(night(KNOBS), Steer("r1", "pause")).lab
    assert lab.ask(0.0, ["measure", "edit", "think"]) is None and not lab.finished(0.0)
    lab.hear(Steer("r2", "resume"), 0.0)
    assert lab.ask(0.0, ["measure"]) is not None


def test_a_pause_ends_with_the_session():
    done = hear(night(KNOBS), Steer("r1", "pause"))
    after = Night(FakeWorld(1, sometimes), roles=(KNOBS,), past=done.events).go(experiments=2)
    assert len(kinds(after, Proposed)) == 2


def test_a_change_that_is_handed_in_is_measured_before_all_others():
    done = night(KNOBS, measure_slots=1, think_slots=0)
    done.go(experiments=4)
    world = done.world
    commit = world.made(Idea(gain=3.0, correlation=0.9), done.lab.state.commit, "mine")
    done.lab.hear(Try("r1", done.lab.state.commit, commit, "mine"), 0.0)
    done.go(experiments=20)
    mine = next(e for e in kinds(done, Proposed) if e.request == "r1")
    first = [e.experiment for e in kinds(done, Judged) if e.experiment >= mine.experiment]
    assert first[0] == mine.experiment and done.lab.state.experiments[mine.experiment].verdict == "keep"
    assert mine.researcher == "person" and not done.lab.state.attempts.records.get("person")


def test_calls_to_models_are_counted_for_the_session_and_for_their_proposal():
    done = night(LLM)
    calls = [Call("author", "m", "propose", 7, 100, 10, 0, 0.5), Call("author", "m", "repair", 7, 50, 5, 0, None),
             Call("author", "m", "propose", 8, outcome="timeout")]
    hear(done, *calls)
    usage = again(done).state.usage
    assert (usage.session.calls, usage.session.failed, usage.session.tokens, usage.session.unpriced) == (3, 1, 165, 1)
    assert usage.asked[7].tokens == 165 and usage.asked[7].dollars == 0.5


# ---- veto ------------------------------------------------------------------------------------------------------


def kept(seed=0, keeps=3):
    """A night with some keeps on top of one another."""
    done = Night(FakeWorld(seed, better), roles=(KNOBS,))
    done.go(experiments=keeps)
    assert len(done.lab.state.chain()) >= 2
    return done


def test_a_veto_moves_the_frontier_back_and_opens_what_came_later():
    done = kept()
    victim, *later = done.lab.state.chain()
    hear(done, Veto("r1", victim.id, "I do not like it"))
    assert (done.lab.state.frontier, done.lab.state.commit) == (0, "c0") and victim.verdict == "discard"
    assert [done.lab.state.open[e.id].verdict for e in later] == ["open"] * len(later)
    done.go(experiments=1)
    assert all(done.lab.state.experiments[e.id].verdict == "keep" for e in later), "they are good, and found so again"
    assert victim not in done.lab.state.chain()


def test_what_comes_back_after_a_veto_is_confirmed_on_fresh_seeds_of_its_own():
    done = kept()
    victim, *later = done.lab.state.chain()
    before = {(e.commit, e.seed) for e in done.runs}
    hear(done, Veto("r1", victim.id)).go(experiments=1)
    for experiment in later:
        confirming = [e for e in done.runs if e.commit == experiment.commit and e.stage == "confirm"]
        assert confirming and not {(e.commit, e.seed) for e in confirming} & before


def test_a_replay_after_a_veto_knows_what_the_live_lab_knows():
    done = kept()
    hear(done, Veto("r1", done.lab.state.chain()[0].id)).go(experiments=3)
    lab = again(done)
    assert (lab.state.frontier, lab.state.commit, lab.state.counts, sorted(lab.state.open)) == (
        done.lab.state.frontier, done.lab.state.commit, done.lab.state.counts, sorted(done.lab.state.open))
    assert lab.state.alpha == done.lab.state.alpha and lab.state.levels == done.lab.state.levels


def unruly(lots):
    """Good and bad, some that cannot be moved, some that crash or leave the boundary."""
    return Idea(gain=3.0 if lots.random() < 0.4 else -1.0, correlation=0.9, conflicts=lots.random() < 0.3,
                outcome="crash" if lots.random() < 0.1 else "ok", foul="it left" if lots.random() < 0.05 else "")


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.lists(st.tuples(st.integers(0, 3), st.integers(1, 12)), min_size=1, max_size=6))
def test_vetoes_at_any_time_leave_the_record_consistent(seed, when):
    done = Night(FakeWorld(seed, unruly), roles=(KNOBS,), measure_slots=3)
    for number, (place, runs) in enumerate(when):
        done.go(runs=done.lab.state.runs + runs)  # broken off while runs are under way
        done.lab.flight.begin(Budget())
        if chain := done.lab.state.chain():
            hear(done, Veto(f"r{number}", chain[place % len(chain)].id))
    done.go(experiments=5)
    lab = again(done)
    assert (lab.state.frontier, lab.state.commit, lab.state.counts) == (done.lab.state.frontier, done.lab.state.commit, done.lab.state.counts)
    assert lab.state.counts["keep"] == len(lab.state.chain()) and lab.state.commit == (lab.state.chain()[-1].commit if lab.state.chain() else "c0")
    assert sum(lab.state.counts[v] for v in ("keep", "discard", "crash", "foul")) + len(lab.state.open) == len(lab.state.experiments)
    assert len(kinds(done, Vetoed)) <= len(when)


def test_no_seed_is_raced_on_twice_after_a_veto():
    for seed in range(6):
        done = Night(FakeWorld(seed, sometimes), roles=(KNOBS,), measure_slots=3)
        for number in range(4):
            done.go(runs=done.lab.state.runs + 15)
            done.lab.flight.begin(Budget())
            if chain := done.lab.state.chain():
                hear(done, Veto(f"r{number}", chain[0].id))
        done.go(experiments=10)
        own = Counter((e.commit, e.seed) for e in done.runs if e.experiment and e.stage in ("race", "confirm"))
        assert max(own.values()) == 1


@pytest.mark.parametrize("seed", range(3))
def test_no_work_of_a_night_with_everything_depends_on_when_it_is_replayed(seed):
    roles = (LLM, KNOBS, Role("newton", "scientist"), Role("standup", "standup", every=5))
    done = hear(Night(FakeWorld(seed, sometimes), roles=roles, think_slots=3, think=8.0), AddIdea("r1", "mine")).go(experiments=25)
    lab = Lab(State(), team("r"), 2)
    lab.organise(roles)
    for event in done.events:
        lab.apply(event)
    assert lab.state.attempts.records == done.lab.state.attempts.records and lab.state.attempts.asked == done.lab.state.attempts.asked
    assert [(e.id, e.tried, e.passes) for e in lab.state.ideas] == [
        (e.id, e.tried, e.passes) for e in done.lab.state.ideas]
