"""What a researcher is told: bounded, however long the track has been worked on, and with all that researchers learn from."""

import random

import msgspec
import pytest

from fakes import FakeWorld, Idea, Night, team
from overnight.brief import lessons
from overnight.contracts import Change
from overnight.lab import wire
from overnight.lab.briefing import MOST_IDEA_CHARACTERS, MOST_IDEAS
from overnight.lab.experiment import MOST_PASTS, MOST_PASTS_BYTES, past
from overnight.lab.jobs import AddIdea, Propose
from overnight.researchers.knobs.history import read
from overnight.track.roles import Role

KIB = 1 << 10
KNOBS = {f"train.py:{name}": 1.0 for name in ("LEARNING_RATE", "EMBED_RATE", "WEIGHT_DECAY", "ADAM_EPS", "BETA2", "WARM_UP_STEPS")}


class Writes(FakeWorld):
    """A world whose researchers write as `words` does: (message, note)."""

    def __init__(self, seed, words):
        super().__init__(seed, lambda lots: Idea(gain=lots.choice((0.3, 0.0, -1.0)), correlation=0.9))
        self.words, self.lots = words, random.Random(seed)

    def _propose(self, job):
        found = super()._propose(job)
        message, note = self.words(self.lots)
        return msgspec.structs.replace(found, change=Change(found.change.files, message, note))


def turned(lots):
    """What `knobs` says of a turn of two or three of its knobs."""
    some = {name: [1.0, float(f"{lots.lognormvariate(0, 2):.2g}")] for name in lots.sample(sorted(KNOBS), lots.choice((2, 3)))}
    title = ", ".join(f"{name.partition(':')[2]} {old} -> {new}" for name, (old, new) in some.items())
    why = "".join(f"- {name} raised: the other way than #{lots.randrange(1000)}, which gave {lots.gauss(0, 1):.2g}.\n" for name in some)
    return f"{title} (train.py)\n\nAll at once, since each alone may be lost in the noise.\n{why}", {"kind": "knobs", "set": some}


def noisy(lots):
    """The longest words that a desk lets through, and nothing that repeats itself."""
    return "\n\n".join((lots.randbytes(150).hex(), lots.randbytes(7 * KIB).hex())), {"mine": lots.randbytes(2 * KIB).hex()}


def last(night):
    """The last job of a researcher."""
    return [job for job in night.jobs if isinstance(job, Propose)][-1]


@pytest.fixture(scope="module")
def long_night():
    """A simulated night of a thousand experiments."""
    return Night(Writes(1, turned), measure_slots=4).go(experiments=1000)


def test_a_brief_after_a_thousand_experiments_is_64_kib_on_the_wire_at_most(long_night):
    job = last(long_night)
    assert len(job.brief.history) > 990 and len(wire.encode(job)) <= 64 * KIB
    assert wire.job(wire.encode(job)) == job


def test_whatever_researchers_write_a_brief_is_bounded():
    job = last(Night(Writes(2, noisy), measure_slots=4).go(experiments=1000))
    judged = [each for each in job.brief.history if each.verdict != "open"]
    assert 400 < len(judged) < MOST_PASTS and len(msgspec.json.encode(judged)) <= MOST_PASTS_BYTES + len(judged) + 2
    assert len(wire.encode(job)) <= MOST_PASTS_BYTES + 16 * 16 * KIB  # the rest is under way


def test_a_bounded_history_teaches_what_the_whole_of_it_would(long_night):
    state = long_night.lab.state
    whole, bounded = list(map(past, state.experiments.values())), state.pasts.items
    assert len(msgspec.json.encode(whole)) > 1.5 * len(msgspec.json.encode(bounded))
    first, second = (read(found, state.frontier, KNOBS) for found in (sorted(whole, key=lambda p: p.id), sorted(bounded, key=lambda p: p.id)))
    assert (first.tried, first.turned, first.mutations) == (second.tried, second.turned, second.mutations)
    assert [trial.move for trial in first.trials] == [trial.move for trial in second.trials]
    assert {(f.verdict, f.count) for f in lessons.failures(whole)} == {(f.verdict, f.count) for f in lessons.failures(bounded)}
    kept = [[(p.id, lessons.title(p.message), lessons.why(p.message)) for p in lessons.kept(found, state.frontier)] for found in (whole, bounded)]
    assert kept[0] == kept[1] and kept[0]


def test_the_size_of_what_is_remembered_is_kept_count_of(long_night):
    pasts = long_night.lab.state.pasts
    assert pasts.size == sum(len(msgspec.json.encode(each)) for each in pasts.items) <= MOST_PASTS_BYTES
    number = pasts.items[3].id
    other = msgspec.json.decode(msgspec.json.encode(pasts), type=type(pasts))
    other.forget(number)
    assert number not in {each.id for each in other.items} and other.size == pasts.size - len(msgspec.json.encode(pasts.items[3]))


def test_a_long_note_is_not_brought_back_and_a_short_one_is():
    def words(lots):
        return "a change", {"of": "few words"} if lots.random() < 0.5 else {"of": "words" * 300}

    history = Night(Writes(3, words)).go(experiments=20).lab.state.pasts.items
    assert {tuple(each.note.values()) for each in history} == {(), ("few words",)}


def test_a_proposer_is_told_of_the_newest_ideas_and_of_the_whole_of_its_own():
    night = Night(FakeWorld(1), roles=[Role("llm", "llm"), *team("r")], think_slots=1, think=1.0)
    orders = [AddIdea(f"r{n}", f"idea {n}", f"{n} " + "x" * 3000) for n in range(MOST_IDEAS + 20)]
    night._record([event for order in orders for event in night.lab.hear(order, 0.0)])
    brief = night.lab.briefing.role("llm", idea=1)
    assert len(brief.ideas) == MOST_IDEAS and brief.ideas[-1].title == f"idea {MOST_IDEAS + 19}"
    assert {len(idea.text) for idea in brief.ideas} == {MOST_IDEA_CHARACTERS} and len(brief.idea.text) == 3002
    assert len(night.lab.briefing.outside().ideas) == MOST_IDEAS + 20


def test_those_who_think_at_the_same_time_have_different_numbers_and_know_what_is_measured_on_their_frontier():
    world = FakeWorld(1, lambda lots: Idea(gain=lots.choice((2.0, 0.0)), correlation=0.9))
    night = Night(world, roles=[Role("llm", "llm")], think_slots=4, think=5.0).go(experiments=24)
    asked = [job for job in night.jobs if isinstance(job, Propose) and job.thinks]
    assert {job.brief.beside[0] for job in asked} == {0, 1, 2, 3} and {job.brief.beside[1] for job in asked} == {1, 2, 3, 4}
    assert [job.brief.beside for job in asked[:4]] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    commits = {e.commit: e.base_commit for e in night.events if hasattr(e, "base_commit") and hasattr(e, "commit")}
    told = [(job.commit, rival) for job in asked for rival in job.brief.rivals]
    assert told and all(commits[rival] == base for base, rival in told)
