"""What a night found, the sentence for it and the four answers."""

import msgspec
import pytest

from fakes import CONTRACT, FakeWorld, Idea, Night
from overnight.audit.arithmetic import Keep, Plan, Run, conclude
from overnight.audit.worth import Division, Explanation, KeptPart, Worth
from overnight.lab.events import Opened
from overnight.lab.state import State
from overnight.views.findings import WORDS, Again, findings
from overnight.views.headline import answers, headline
from overnight.views.track import track

HELD = CONTRACT + 'holdout = "unseen.txt"\n'
SEEDS = tuple(range(8))


def a_night(*kinds, experiments=14):
    """A state after a simulated night."""
    return Night(FakeWorld(1, lambda lots: lots.choice(kinds))).go(experiments=experiments).lab.state


@pytest.fixture(scope="module")
def kept():
    """A state with some keeps."""
    state = a_night(Idea(gain=2.0, correlation=0.9), Idea())
    assert len(state.chain()) > 1
    return state


def audited(state, worth=1.0, alone=True):
    """An audit in which each keep is worth so many times what was claimed; `alone`: each can be left out."""
    chain, metric = state.chain(), state.track.metric
    keeps = tuple(Keep((e.id,), e.title, (e.commit,), e.effect, e.interval, f"without {e.id}" if alone else "") for e in chain)
    groups = () if alone else (Keep(tuple(e.id for e in chain), "", tuple(e.commit for e in chain), state.levels.gain, None,
                                    state.opened.commit),)
    plan = Plan("fake", metric.name, metric.unit, metric.direction, 0.0, state.opened.commit, state.commit, state.levels.gain,
                keeps, groups, SEEDS)
    best = {seed: 100.0 + seed + 0.02 * (2 * (seed % 2) - 1) for seed in SEEDS}
    sign = -1 if metric.direction == "maximize" else 1
    runs = [Run(state.commit, seed, "ok", value) for seed, value in best.items()]
    runs += [Run(state.opened.commit, seed, "ok", 100.0 + seed + sign * worth * state.levels.gain) for seed in SEEDS]
    runs += [Run(k.without, seed, "ok", 100.0 + seed + sign * worth * k.claimed) for k in keeps if alone for seed in SEEDS]
    return conclude(plan, runs, 5.0)


def sentence(state, **how):
    """The headline."""
    return headline(track(state), findings(state, **how))


def test_before_the_baseline_there_is_nothing_to_say_but_that():
    state = State()
    state.apply(Opened(0.0, "fake", "c0", CONTRACT, "key"))
    found = sentence(state)
    assert (found.state, found.marks) == ("no_baseline", ()) and "baseline is not measured yet" in found.sentence


def test_a_night_that_kept_nothing_says_how_much_it_tried():
    state = a_night(Idea())
    found = sentence(state)
    assert found.state == "nothing_kept" and found.sentence == "14 tried, nothing shown to be better"
    assert [part.strong for part in found.parts] == [True, False]
    assert answers(track(state), findings(state))[0].answer == "Nothing"


def test_keeps_without_an_audit_are_a_gain_that_is_not_audited(kept):
    found, said = findings(kept), sentence(kept)
    assert said.state == "not_audited" and said.parts[0].strong and not said.warn
    assert f"from {len(kept.chain())} kept changes out of {len(kept.experiments)}" in said.sentence
    assert {keep.code for keep in found.keeps} == {"not_audited"} and found.sum == "not_audited" and found.again is None
    assert found.claimed == pytest.approx(kept.levels.gain)
    low, high = found.claimed_interval
    assert low < found.claimed < high
    believe = answers(track(kept), found)[1]
    assert believe.doubt == "not audited yet" and believe.command == "overnight audit"


def test_a_claim_that_holds_is_told_with_both_numbers(kept):
    found, said = findings(kept, audited(kept)), sentence(kept, audit=audited(kept))
    assert said.state == "holds" and said.sentence.startswith("The claim holds: +") and " was claimed" in said.sentence
    assert {keep.code for keep in found.keeps} == {"holds"} and found.alone == len(found.keeps)
    assert found.sum == "add_up" and found.seeds == len(SEEDS) and found.audited_at == 5.0
    assert all(keep.again.effect == pytest.approx(keep.effect, rel=0.05) for keep in found.keeps)


def test_a_claim_that_does_not_hold_is_a_warning_and_names_dead_weight(kept):
    found, said = findings(kept, audited(kept, 0.0)), sentence(kept, audit=audited(kept, 0.0))
    assert said.warn and said.state in ("does_not_hold", "unknown")
    nothing = findings(kept, audited(kept, -0.5))
    assert nothing.state == "does_not_hold" and set(nothing.dead) == {keep.id for keep in nothing.keeps}
    assert answers(track(kept), found)[3].doubt == "look at the audit first"
    assert headline(track(kept), nothing).sentence.startswith("The claim does not hold: −")


def test_keeps_of_which_none_can_be_left_out_alone_are_never_said_to_add_up(kept):
    found = findings(kept, audited(kept, alone=False))
    assert {keep.code for keep in found.keeps} == {"cannot_be_taken_out_alone"}
    assert found.sum == "not_tested" and found.gap is None and found.alone == 0
    others = {keep.id: set(keep.with_others) for keep in found.keeps}
    assert all(mine | {number} == set(others) for number, mine in others.items())
    assert "add up" not in str(msgspec.to_builtins(found)) + headline(track(kept), found).sentence


def test_parts_that_an_explanation_found_worthless_are_named(kept):
    keep = kept.chain()[0]
    part = KeptPart("EPS 1 → 2\x1b[31m", "a.py", 3, "x")
    division = Division("fake", keep.id, keep.title, keep.commit, "y", "", "minimize", 0.0, (part, part), SEEDS)
    told = Explanation(division, 1.0, (Worth(part, "worth nothing"), Worth(part, "worth it")), ())
    found = findings(kept, explanations=[told])
    assert found.keeps[0].worthless == ("EPS 1 → 2",) and not any(each.worthless for each in found.keeps[1:])


def test_the_holdout_is_for_the_user_alone():
    world = FakeWorld(2, lambda lots: lots.choice((Idea(gain=2.0, correlation=0.9), Idea())), holdout=1.0)
    state = Night(world, contract=HELD).go(experiments=8).lab.state
    assert state.chain() and findings(state).holdout is None and all(keep.holdout is None for keep in findings(state).keeps)
    seen = findings(state, full=True)
    assert seen.holdout.keeps == len(seen.keeps) and all(keep.holdout is not None for keep in seen.keeps)
    assert "on a holdout" in " ".join(answers(track(state), seen)[1].lines)
    assert "on a holdout" not in " ".join(answers(track(state), findings(state))[1].lines)


def test_every_code_of_a_keep_has_its_words():
    assert set(WORDS) == set(Again.__args__)


def test_marks_stand_beside_every_answer_with_a_number(kept):
    marked = msgspec.structs.replace(track(kept), marks=("self-reported",))
    found = msgspec.structs.replace(findings(kept), marks=("self-reported", "drifted"))
    assert headline(marked, found).marks == ("self-reported", "drifted")
    assert [each.marks for each in answers(marked, found)][:2] == [("self-reported", "drifted")] * 2


def test_the_answers_are_four_and_whole(kept):
    told = answers(track(kept), findings(kept))
    assert [each.question for each in told] == ["What did it find?", "Can I believe it?", "What did it cost?", "What do I merge?"]
    assert all(each.answer for each in told) and told[3].command == "overnight merge"
    assert msgspec.json.decode(msgspec.json.encode(told)) and len(told[0].keeps) <= 4
