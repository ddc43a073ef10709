"""A night over a network that repeats, reorders, delays and loses results comes to the verdicts of an undisturbed twin.

What a run measures depends on its commit and its seed alone, and a commit is named by the changes that it holds; so two nights
differ only in what the network did to them. The proposals are a fixed list. A verdict is that on a change, by its name.

- Where one job is out at a time, the whole record is the twin's but for the times and the numbers of the runs: whatever the
  changes are worth, with stacks, rebases, conflicts, reopenings and flaky runs.
- Where several are out, the order in which results come decides which frontier a change is measured against and with which
  others it is stacked, so that a change near the threshold may fairly end either way. Those verdicts are the same that do not
  hang on luck: on changes whose effect adds up with the others' and is clear, or of any size where the metric has no noise.
  Not in it: changes that conflict with others or overlap with them, for which it matters what was kept first.
"""

import heapq
import random
from collections import Counter
from dataclasses import dataclass

import msgspec
import pytest

from fakes import CONTRACT, FakeWorld, Idea, Night, lots_of, referee_world
from overnight.contracts import Change
from overnight.errors import Declined
from overnight.lab.events import Judged, Measured, Proposed, Rebased, Reopened, Stacked
from overnight.lab.flight import MOST_FAULTS_IN_A_ROW, Budget, lease
from overnight.lab.jobs import Accept, Job, Measurement, Proposal, Propose, Result, Think, Trouble, Try, key
from overnight.track.roles import Role

# ---- how the Lab is reached ------------------------------------------------------------------------------------


def begin(lab, orders):
    """A session without any bound; these changes were handed in."""
    lab.begin(Budget(), 0.0)
    for order in orders:
        lab.hear(order, 0.0)


def in_flight(lab):
    """How many jobs are out at each kind of place."""
    return Counter(job.place for job in lab.flight.of(Job))


def lasts(lab, job):
    """Seconds within which a result of a job must come."""
    return lease(job, lab.state.track)


def outcomes(lab):
    """Name of a change -> its verdict; "open" where it was never judged."""
    assert len({e.message for e in lab.state.experiments.values()}) == len(lab.state.experiments)
    return {e.message: e.verdict for e in lab.state.experiments.values()}


def calibration(lab):
    """All that the baseline was found to be."""
    runs = lab.state.known.of("c0")
    return [runs.get(seed) for seed in lab.state.known.calibration], lab.state.known.repeat, lab.state.known.kind


def kept(lab):
    """Names of the changes that the frontier holds."""
    return {e.message for e in lab.state.chain()}


def counted(lab):
    """How many runs were made, both sides of a pair in time included."""
    return lab.state.runs


def stuck(lab):
    """Experiments and stacks that were never brought to an end."""
    return [*lab.state.open, *lab.state.stacks]


def state(lab):
    """What the record must replay to."""
    known = lab.state
    return known.experiments, known.commit, known.counts, known.runs, known.alpha, dict(known.known.values), known.sizes


# ---- a world that does not depend on time ----------------------------------------------------------------------


@dataclass(frozen=True)
class Named(Idea):
    """A change with a name, which is its content; `flaky` is the share of seeds on which it fails."""

    name: str = ""
    flaky: float = 0.0


class Listed(FakeWorld):
    """Proposes what stands on a list and was not tried yet; `handed` is handed in by users. `exact`: runs have no noise."""

    def __init__(self, seed, changes, handed=(), exact=False):
        super().__init__(seed, level=50.0)
        self.changes, self.exact = changes, exact
        self.orders = [Try(f"order {c.name}", "c0", self.made(c, "c0"), c.name) for c in handed]

    def answer(self, job):
        if isinstance(job, Accept):
            return self._proposal(job, self.ideas_of[job.order.commit], job.order.commit)
        return super().answer(job)

    def _propose(self, job: Propose):
        tried = {past.message for past in job.brief.history}
        change = next((c for c in self.changes if c.name not in tried), None)
        return self._proposal(job, change, self.made(change, job.commit)) if change else Proposal(job, reason="nothing left")

    def _proposal(self, job, change, commit):
        return Proposal(job, Change({"a": change.name}, change.name), commit=commit, patch=change.name, foul=change.foul)

    def _measure(self, job):
        """A commit fails where one of the changes that it holds does: always, or on its seeds."""
        if not self.fails(job.commit, job.seed):
            return super()._measure(job)
        beside = {self.metric: self.ran(job.paired_with, job.seed)} if job.paired_with else {}
        return Measurement(job, outcome="crash", reason="it failed on this seed", paired_metrics=beside)

    def fails(self, commit, seed):
        """Whether a change that this commit holds fails on this seed."""
        if not commit:
            return False
        idea = self.ideas_of[commit]
        return idea.outcome != "ok" or lots_of("flaky", commit, seed).random() < getattr(idea, "flaky", 0.0) \
            or self.fails(self.parents[commit], seed)

    def _commit(self, idea, parent, *what):
        name = f"{parent}+{idea.name}"
        self.ideas_of[name], self.parents[name] = idea, parent
        return name

    def _luck(self, commit, seed):
        return 0.0 if self.exact else super()._luck(commit, seed)


# ---- a network that cannot be relied on ------------------------------------------------------------------------


@dataclass(frozen=True)
class Disturbed:
    """What a network does to results: shares of those that come again and again, out of order, after their lease, never."""

    repeat: float = 0.0
    reorder: float = 0.0
    late: float = 0.0
    lose: float = 0.0


CALM = Disturbed()
DISTURBANCES = {"repeated": Disturbed(repeat=0.6), "reordered": Disturbed(reorder=1.0), "late": Disturbed(late=0.15),
                "lost": Disturbed(lose=0.15), "all": Disturbed(0.4, 0.7, 0.1, 0.1)}


class Network:
    """The loop between a Lab and a world, in simulated seconds. Every result is told as it comes from the wire, and what has
    not come by the end of its lease is asked for again. `places` are free at first; `single`: one job is out at a time."""

    def __init__(self, world, contract, disturbed, *, places, single=False):
        self.world, self.disturbed, self.places, self.single = world, disturbed, places, single
        self.night = Night(world, contract=contract, measure_slots=places["measure"])
        self.lab, self.lots = self.night.lab, random.Random(world.seed)
        self.now, self.sent, self.coming, self.seen = 0.0, 0, [], Counter()

    def go(self):
        """Run until the Lab is finished, and tell it then what still comes."""
        begin(self.lab, self.world.orders)
        self.fill()
        while not self.lab.finished(self.now):
            assert self.coming, "nothing is under way, and nothing is asked for"
            assert self.sent < 20_000, "the night does not end"
            self.now, _, told = heapq.heappop(self.coming)
            self.tell(told)
            self.fill()
        finished = len(self.events)
        for _, _, told in sorted(self.coming):
            self.tell(told)
        assert len(self.events) == finished and not in_flight(self.lab)
        return self

    @property
    def events(self):
        """The record."""
        return self.night.events

    def fill(self):
        """Give out as many jobs as there are free places; asked without one, the Lab looks at the time alone."""
        self.lab.ask(self.now, [])
        while job := self.asked(self.free()):
            self.send(job)

    def asked(self, free):
        """The next job; where one is out at a time an edit job comes first, so that some wait and are stacked."""
        first = self.lab.ask(self.now, ["edit"]) if self.single and free else None
        return first or self.lab.ask(self.now, list(free.elements()))

    def free(self):
        busy = in_flight(self.lab)
        return Counter() if self.single and busy else self.places - busy

    def send(self, job):
        """What becomes of a job: when its result comes, how often, and when its lease has ended."""
        lots, chance, end = self.lots, self.disturbed, lasts(self.lab, job)
        self.put(end + 1.0, None)
        if lots.random() < chance.lose:
            self.seen["lost"] += 1
            return
        takes = lots.uniform(0.1, 40.0) if lots.random() < chance.reorder else 1.0
        if lots.random() < chance.late:
            takes += end * lots.uniform(1.01, 3.0)
            self.seen["late"] += 1
        told = msgspec.json.encode(self.world.answer(job))
        self.put(takes, told)
        while lots.random() < chance.repeat:
            self.seen["repeated"] += 1
            self.put(takes + lots.choice((0.0, lots.uniform(0.0, 5.0), lots.uniform(0.0, 2 * end))), told)

    def put(self, after, told):
        self.sent += 1
        heapq.heappush(self.coming, (self.now + after, self.sent, told))

    def tell(self, told):
        """Tell the Lab what came; None is no more than the time."""
        if told is None:
            return
        before = len(self.events)
        try:
            self.night._record(self.lab.tell(msgspec.json.decode(told, type=Result), self.now))
        except Declined:
            self.seen["declined"] += 1
            assert len(self.events) == before

    def sound(self):
        """What holds of every night: nothing is stuck or counted twice, and the record replays to what the Lab knows."""
        runs = [e for e in self.events if isinstance(e, Measured)]
        assert len({e.run for e in runs}) == len(runs) == counted(self.lab) - sum(bool(e.paired_metrics) for e in runs)
        assert not stuck(self.lab) and not self.lab.problem
        again = Night(self.world, contract=CONTRACT, measure_slots=self.places["measure"], past=self.events)
        assert state(again.lab) == state(self.lab)
        return self


def happened(network):
    """What a night was made of."""
    events = network.events
    found = network.seen + Counter(e.verdict for e in events if isinstance(e, Judged))
    for kind in (Rebased, Stacked, Reopened, Proposed):
        found[kind.__name__] = sum(isinstance(e, kind) for e in events)
    return found


def assert_happened(seen, how, *what):
    """The nights were what they are to be: none of this was left out."""
    caused = {"repeated": ["repeated", "declined"], "reordered": [], "late": ["late", "declined"], "lost": ["lost"],
              "all": ["repeated", "late", "lost", "declined"]}
    assert not [each for each in (*what, *caused[how]) if not seen[each]], seen


def contract(metric="", referee=""):
    """The contract with more about the metric and the referee."""
    return CONTRACT.replace("[run]", f"{metric}\n[referee]\n{referee}\n[run]")


# ---- one job at a time: the same record ------------------------------------------------------------------------


def any_change(lots, name, harm=1.0):
    """A change that is good or bad, by much or by little, or breaks; `harm` multiplies how bad."""
    idea, kind = referee_world(lots), lots.random()
    gain = lots.uniform(0.0, 3.0) if lots.random() < 0.06 else min(0.0, idea.gain) * harm
    return Named(gain, idea.correlation, "crash" if kind < 0.06 else "ok", kind > 0.9, "it touched b" if 0.06 < kind < 0.1 else "",
                 wild=0.05 * (lots.random() < 0.2), name=name, flaky=0.2 * (lots.random() < 0.2))


def written(network):
    """The record without times and numbers of runs."""
    return [msgspec.structs.replace(e, at=0.0, **({"run": 0} if isinstance(e, Measured) else {})) for e in network.events]


@pytest.mark.parametrize("how", ["repeated", "late", "lost", "all"])
def test_with_one_job_at_a_time_the_whole_record_is_that_of_an_undisturbed_twin(how):
    seen = Counter()
    for seed in range(12):
        lots = lots_of("one at a time", seed)
        count, harm = ((6, 1.0), (12, 1.0), (80, 5.0))[seed % 3]  # the more there are, and the worse, the more is stacked
        changes = [any_change(lots, f"p{n}", harm) for n in range(count)]
        handed = [any_change(lots, f"h{n}") for n in range(lots.randrange(4))]
        text, places = contract(referee=f"may_crash = {lots.choice((0.0, 0.3))}"), Counter(measure=lots.choice((1, 3)), edit=1)
        twin, other = (Network(Listed(seed, changes, handed, exact=seed % 6 == 4), text, each, places=places, single=True).go().sound()
                       for each in (CALM, DISTURBANCES[how]))
        assert written(other) == written(twin), seed
        seen += happened(other)
    assert_happened(seen, how, "keep", "discard", "crash", "foul", "Rebased", "Reopened", "Stacked")


# ---- many at a time: the same verdicts -------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """Nights of one kind of metric: the contract, and what changes are worth in standard deviations of a run."""

    text: str
    good: tuple[float, float]
    bad: tuple[float, float]
    count: int = 14
    exact: bool = False


SINGLE = "stack = 1"
KINDS = {
    "noisy": Kind(contract(referee=SINGLE), (20.0, 40.0), (-30.0, -8.0)),
    "a time": Kind(contract('kind = "timing"', SINGLE), (20.0, 40.0), (-30.0, -8.0)),
    "without noise": Kind(contract("worthwhile = 0.5", SINGLE), (0.0, 2.0), (-1.0, 0.4), exact=True),
    "noisy and stacked": Kind(contract(), (50.0, 70.0), (-7.0, -5.0), 80),
}


def clear(lots, kind, name):
    """A change that is far better, far worse, crashes or leaves the boundary. In a stack one that is good outweighs the others."""
    fate, rare = lots.random(), kind.count > 20
    gain = lots.uniform(*kind.good) if fate < (0.05 if rare else 0.35) else lots.uniform(*kind.bad)
    return Named(round(gain, 1), lots.choice((0.0, 0.5, 0.9)), "crash" if 0.8 < fate < 0.9 else "ok",
                 foul="it touched b" if fate > 0.95 else "", name=name)


@pytest.mark.parametrize("how", DISTURBANCES)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_with_many_jobs_at_a_time_the_verdicts_are_those_of_an_undisturbed_twin(kind, how):
    seen = Counter()
    for seed in range(4 if kind.count > 20 else 12):
        lots = lots_of("many at a time", seed)
        changes = [clear(lots, kind, f"p{n}") for n in range(kind.count)]
        handed = [clear(lots, kind, f"h{n}") for n in range(lots.randrange(4))]
        places = Counter(measure=lots.choice((1, 2, 5)), edit=1)
        twin, other = (Network(Listed(seed, changes, handed, exact=kind.exact), kind.text, each, places=places).go().sound()
                       for each in (CALM, DISTURBANCES[how]))
        assert outcomes(other.lab) == outcomes(twin.lab), seed
        assert len(outcomes(other.lab)) == len(changes) + len(handed)
        assert kept(other.lab) <= {change.name for change in (*changes, *handed) if change.gain > 0}
        assert kept(other.lab) == kept(twin.lab) and calibration(other.lab) == calibration(twin.lab)
        seen += happened(other)
        seen["another way"] += written(other) != written(twin)
    assert_happened(seen, how, "keep", "discard", "crash", "foul", "Rebased", *["Stacked"] * (kind.count > 20))
    assert bool(seen["another way"]) == (how != "repeated"), "the network has changed what was measured, and against what"


# ---- a job that is offered again is waited for anew ------------------------------------------------------------


def night_with(*roles):
    """A calibrated night with a think slot."""
    night = Night(FakeWorld(3), roles=roles, think_slots=1)
    begin(night.lab, ())
    while not night.lab.state.calibrated:
        night.lab.tell(night.world.answer(night.lab.ask(0.0, ["measure"])), 0.0)
    return night


def test_a_fault_that_is_told_again_is_not_counted_as_that_of_the_job_that_was_offered_again():
    lab = night_with(Role("tuner", "knobs")).lab
    first = lab.ask(0.0, ["edit"])
    fault = Trouble(first, "the disk is full")
    lab.tell(fault, 0.0)
    again = lab.ask(0.0, ["edit"])
    assert key(again) == key(first)
    for _ in range(MOST_FAULTS_IN_A_ROW):
        with pytest.raises(Declined):
            lab.tell(fault, 0.0)
    assert not lab.problem and in_flight(lab)["edit"] == 1


def test_a_result_of_a_job_that_was_lost_is_declined_though_the_same_job_is_offered_again():
    night = night_with(Role("tuner", "knobs"))
    lab, first = night.lab, night.lab.ask(0.0, ["edit"])
    again = lab.ask(lasts(lab, first) + 1.0, ["edit"])
    assert key(again) == key(first)
    with pytest.raises(Declined):
        lab.tell(night.world.answer(first), 5000.0)
    assert lab.tell(night.world.answer(again), 5000.0)


def test_thoughts_that_are_told_again_are_not_taken_for_the_next_ones():
    night = night_with(Role("tuner", "knobs"), Role("standup", "standup", every=1))
    lab, thoughts = night.lab, []
    while len(thoughts) < 2:
        job = lab.ask(0.0, ["think"]) or lab.ask(0.0, ["measure", "edit"])
        if isinstance(job, Think):
            thoughts.append(night.world.answer(job))
        if len(thoughts) < 2:
            lab.tell(night.world.answer(job), 0.0)
    with pytest.raises(Declined):
        lab.tell(thoughts[0], 0.0)
    assert lab.tell(thoughts[1], 0.0)
