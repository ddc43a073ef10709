"""A long track's record, made up and judged by the real referee: for whatever has to bear ten thousand experiments or more.

    night = LongNight(state, commit)            a state that is opened, and what commits a change
    for event in night.go(10_000): ...          each is applied already; write them to a journal in this order

There are keeps, discards of every cause, crashes, fouls, stacks, rebased changes, points of campaigns, ideas, calls to models,
a keep that is taken back, nights and days, and a few experiments that are left open. The numbers are a world's in which a keep
is found some 0.4 times the square root of the experiments. The same lots give the same record but for the commits' names.
"""

from __future__ import annotations

import hashlib
import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from overnight.contracts import Call
from overnight.lab import events, weighing
from overnight.lab.events import Event, Measured, Outcome, Stage
from overnight.lab.experiment import Experiment
from overnight.lab.state import BASELINE, State
from overnight.referee import decision, inference
from overnight.referee.findings import Finding

CONTRACT = """[track]
name = "long"
goal = "The fewest bits per byte after a fixed number of steps."
editable = ["train.py"]

[metric]
name = "val_bpb"
direction = "minimize"
unit = "bits/byte"
worthwhile = 0.002

[run]
command = ["python3", "train.py"]
timeout = "60s"

[score]
command = ["python3", "score.py"]
holdout = "unseen.txt"

[[guard]]
metric = "cpu_seconds"
at_most = "1.25x"

[[guard]]
metric = "peak_memory"
at_most = "1.5x"
"""
LEVEL, FLOOR = 2.5, 1.3  # the metric of the baseline, and what no change gets below
SHARED, OWN = 0.012, 0.0024  # noise of a run that all commits have in common on a seed, and its own; standard deviations
OFTEN = 0.5  # changes that are better, for the square root of all
SMALLEST_GAIN = 0.012  # of a change that is better
CARRIES = 0.9  # share of a gain that is found on the holdout
CPU, MEMORY = 20.0, 512e6  # seconds and bytes of a run
NIGHT, DAY, DUSK = 8 * 3600.0, 16 * 3600.0, 1_790_000_000.0  # seconds
TEAM = {"tuner": "knobs", "author": "llm", "critic": "llm", "ada": "agent"}
KINDS = {"worse": 40, "alike": 19, "small": 1, "guard": 5, "crash": 7, "timeout": 2, "memory": 1, "foul": 2, "caught": 1,
         "conflict": 2, "rebased": 2, "behind": 3, "stack": 40, "point": 3}  # what is tried, by its share
WHY: dict[str, tuple[Outcome, str]] = {
    "crash": ("crash", "the program ended with exit status 1: RuntimeError: loss is nan at step 120"),
    "timeout": ("timeout", "it took longer than 60 s"), "memory": ("memory", "it wanted more than 2 GiB of memory"),
    "behind": ("behind", "fell behind the incumbent's curve at step 300 of 1000 (2.61 against 2.43)"),
    "caught": ("foul", "it wrote to the scorer's results")}
KNOBS = ("learning_rate", "weight_decay", "warmup_steps", "n_head", "head_dim", "dropout", "beta2", "grad_clip", "batch_size",
         "rope_theta", "init_scale", "softcap")
DEEDS = ("Raise {} from {:.3g} to {:.3g}", "Lower {} from {:.3g} to {:.3g}", "Decay {} from {:.3g} to {:.3g} over the run",
         "Tie {} to the width: {:.3g} becomes {:.3g}", "Give the last layer its own {}: {:.3g}, not {:.3g}")
HOSTILE = (
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'-alert(1)-'",
    "</textarea></title></style><svg onload=alert(1)>", "{{7*7}} {% include 'x' %} ${7*7}", "javascript:alert(1)",
    "\x1b[2J\x1b[31mred\x1b]8;;http://example.invalid\x07link\x1b]8;;\x07",
    "\u202egnp.exe\u202c", "zero\u200bwidth\ufeff", "line\u2028and\u2029paragraph", "nul\0byte", "word" * 400,
    "عربي and עברית and 漢字 🌙", "=HYPERLINK(\"http://example.invalid\")", "http://example.invalid/x.png",
    "&lt;b&gt;&amp;amp;",
    "<!-- --> <![CDATA[", "\r\nSet-Cookie: a=b", "data:text/html,<script>alert(1)</script>", "<a href=//example.invalid>x</a>")
Commits = Callable[[str, str, int], tuple[str, str]]


def named(base: str, message: str, number: int) -> tuple[str, str]:
    """The name of a commit that is not made, and its diff."""
    name = hashlib.sha1(f"{base} {message} {number}".encode(errors="replace")).hexdigest()
    return name, diff(number, message)


def diff(number: int, message: str) -> str:
    """A small change of train.py in words of git's."""
    knob = KNOBS[number % len(KNOBS)].upper()
    start, before = number % 90 + 1, number % 7
    return (f"diff --git a/train.py b/train.py\n--- a/train.py\n+++ b/train.py\n@@ -{start},3 +{start},3 @@\n"
            f" # {message.partition(chr(10))[0][:200]}\n-{knob} = {before}e-3\n+{knob} = {before}.{abs(number)}e-3\n"
            " def main():\n")


class LongNight:
    """Goes on with the record of an opened track.

    commit   what commits a change, given the base, the message and the number of the experiment: the commit and its diff. It
             is asked for changes that may be kept or stay open; of the others `named` gives the names
    lots     other lots give another record
    hostile  one experiment in five has words that would harm a page or a terminal which shows them as they are
    """

    def __init__(self, state: State, commit: Commits = named, lots: int = 1, hostile: bool = False) -> None:
        self.state, self.commit, self.hostile, self.seed = state, commit, hostile, lots
        self.lots = random.Random(f"{lots} {state.records}")
        self.at = max(DUSK, state.usage.last or 0.0)
        self.worlds = {state.commit: self._known_level()}  # commit -> what its runs measure on average
        self.costs: dict[str, tuple[float, float]] = {}  # commit -> its seconds and bytes, in those of the baseline
        self.outcomes: dict[str, str] = {}  # commit -> how its runs end, where that is not well
        self.idea = 0  # that the next change tries
        self.better = int(OFTEN * math.sqrt(state.next_experiment))  # changes so far that are better
        self.made = {state.commit}  # commits that are there
        self._findings: dict[tuple[float, ...], Finding] = {}

    def _known_level(self) -> float:
        runs = self.state.known.numbers(self.state.commit)
        return statistics.fmean(runs) if runs else LEVEL

    def _did(self, event: Event) -> Event:
        self.state.apply(event)
        return event

    # -- a session --

    def go(self, experiments: int, left_open: int = 3) -> Iterator[Event]:
        """So many more experiments, the last `left_open` of them without a verdict."""
        goal, dawn = self.state.next_experiment + experiments, self.at + NIGHT
        yield from self._dusk()
        while self.state.next_experiment < goal - left_open:
            if self.at > dawn:
                yield from self._dawn(dawn - NIGHT)
                self.at, dawn = dawn - NIGHT + 24 * 3600.0, dawn + 24 * 3600.0
                yield from self._dusk()
            yield from self._aside()
            yield from self._turn(goal - left_open - self.state.next_experiment)
        while self.state.next_experiment < goal:
            yield from self._left_open()

    def _dusk(self) -> Iterator[Event]:
        names = tuple(TEAM)
        yield self._did(events.Started(self.at, 2, "bubblewrap", "0", names, f"bubblewrap-{self.seed}", {"network": "stopped"}))
        yield self._did(events.Organised(self.at, hashlib.sha256(b"program").hexdigest(), TEAM))
        if not self.state.calibrated:
            for seed in (*self.state.known.calibration, self.state.known.calibration[0]):
                yield self._run(BASELINE, self.state.commit, seed, "calibrate")

    def _dawn(self, dusk: float) -> Iterator[Event]:
        yield self._did(events.Learnt(self.at, "author", self._words("Smaller steps late in the run pay; width does not.")))
        yield self._did(events.Stopped(self.at, self.at - dusk, "the time is over", 0.001, 0.004))

    def _aside(self) -> Iterator[Event]:
        """What happens now and then beside the experiments."""
        draw = self.lots.random()
        if draw < 0.02:
            idea, title = self.state.ideas.next, self._title()
            text = self._words("A paper says so.")
            self.idea = idea if self.lots.random() < 0.7 else 0
            yield self._did(events.Noted(self.at, idea, self._words(title), text, "person", f"i-{idea}"))
        elif draw < 0.03:
            yield self._did(events.Passed(self.at, "critic", self.state.frontier, "nothing left to try", thinking=2.0))
        elif draw < 0.032:
            yield self._did(events.Faulted(self.at, "measure", self._words("the disk is full")))
        elif draw < 0.033 and len(kept := self.state.chain()) > 12:
            yield self._did(events.Vetoed(self.at, kept[-1].id, self._words("it cannot be read"), f"v-{self.state.records}"))
            self.worlds.setdefault(self.state.commit, self._known_level())
        elif draw < 0.3:
            call = Call("author", "openai:gpt-5-mini", "propose", self.state.records, 4200, 900, 3000, 0.004, 6.0)
            yield self._did(events.Called(self.at, call))

    # -- experiments --

    def _turn(self, room: int) -> Iterator[Event]:
        """One experiment, or a stack of them where there is room."""
        if self.better < OFTEN * math.sqrt(self.state.next_experiment) - self.lots.random():
            self.better += 1
            yield from self._better()
            return
        kind = self.lots.choices(list(KINDS), list(KINDS.values()))[0]
        if kind == "stack" and room > 4:
            yield from self._stack()
        elif kind == "point":
            yield from self._point()
        elif kind == "rebased" and self.state.frontier != BASELINE:
            yield from self._rebased()
        else:
            yield from self._single(kind)

    def _better(self) -> Iterator[Event]:
        """A change that is better; the referee decides whether it is kept."""
        level = self.worlds[self.state.commit]
        gain = max(SMALLEST_GAIN, (level - FLOOR) * self.lots.uniform(0.02, 0.06))
        event = self._proposal(level - gain, made=True)
        yield event
        yield from self._to_its_end(self.state.open[event.experiment])

    def _single(self, kind: str) -> Iterator[Event]:
        level, costs = self.worlds[self.state.commit], self.costs.get(self.state.commit, (1.0, 1.0))
        worse = {"worse": self.lots.expovariate(50.0) + 0.004, "small": -0.003, "guard": -0.05}.get(kind, 0.0)
        event = self._proposal(level + worse, made=kind == "small")
        yield event
        experiment = self.state.open[event.experiment]
        if kind in ("foul", "conflict"):
            reason = "touches score.py, which is not editable" if kind == "foul" else "conflicts with what was kept meanwhile"
            yield self._judged(experiment, "foul" if kind == "foul" else "discard", self._words(reason))
            return
        if kind in WHY:
            self.outcomes[event.commit] = kind
        if kind == "guard":
            self.costs[event.commit] = (costs[0] * 1.9, costs[1]) if self.lots.random() < 0.7 else (costs[0], costs[1] * 2.5)
        yield from self._to_its_end(experiment)

    def _rebased(self) -> Iterator[Event]:
        """A change that was proposed before the frontier moved: it is put on top of the new one."""
        last = self.state.chain()[-1]
        event = self._proposal(self.worlds[self.state.commit] + 0.01, base=last.base, base_commit=last.base_commit)
        yield event
        commit, _ = named(self.state.commit, event.message, event.experiment)
        self.worlds[commit] = self.worlds.pop(event.commit)
        yield self._did(events.Rebased(self.at, event.experiment, self.state.frontier, self.state.commit, commit))
        yield from self._to_its_end(self.state.open[event.experiment])

    def _stack(self) -> Iterator[Event]:
        """Three or four changes that are looked at in one run; those that are not dropped go on alone."""
        level, made = self.worlds[self.state.commit], list[events.Proposed]()
        for _ in range(self.lots.choice((3, 4))):
            made.append(self._proposal(level + self.lots.expovariate(150.0)))
            yield made[-1]
        seed = self.state.known.next_common()
        if seed not in self.state.known.of(self.state.commit):
            yield self._run(self.state.frontier, self.state.commit, seed, "race")
        tops, total = [made[0].commit], self.worlds[made[0].commit] - level
        for each in made[1:]:
            total += self.worlds[each.commit] - level
            tops.append(named(tops[-1], each.message, each.experiment)[0])
            self.worlds[tops[-1]] = level + total
        numbers = tuple(each.experiment for each in made)
        yield self._did(events.Stacked(self.at, numbers, tuple(tops), self.state.commit, seed))
        self.worlds[tops[-1]] = max(self.worlds[tops[-1]], level + 0.02)  # together they harm
        yield self._run(numbers[-1], tops[-1], seed, "screen")
        for number, top in zip(numbers, tops, strict=True):
            yield from self._to_its_end(self.state.open[number])
            self.worlds.pop(top, None)

    def _point(self) -> Iterator[Event]:
        """A point of a campaign: it is run, and gets no verdict."""
        number, knob = self.state.probes.next, self.lots.choice(KNOBS)
        commit, patch = named(self.state.commit, "a point", -number)
        self.worlds[commit] = self.worlds[self.state.commit] + self.lots.expovariate(100.0)
        yield self._did(events.Probed(self.at, number, self.state.commit, "tuner", f"try {knob}", {knob: number}, number, 0.1,
                                      commit=commit, patch=patch))
        yield self._run(number, commit, self.state.known.explored_on(number, ()), "explore")
        del self.worlds[commit]

    def _left_open(self) -> Iterator[Event]:
        """A change that has one run so far."""
        event = self._proposal(self.worlds[self.state.commit] - 0.004, made=True)
        yield event
        yield self._run(event.experiment, event.commit, self.state.known.next_common(), "race")

    # -- records --

    def _proposal(self, level: float, made: bool = False, base: int | None = None, base_commit: str = "") -> events.Proposed:
        """A change whose runs measure so much on average; `made`: its commit is wanted."""
        number, base_commit = self.state.next_experiment, base_commit or self.state.commit
        message = self._words(f"{self._title()}\n\nLosses late in the run are still falling, so there is room.")
        commit, patch = (self.commit if made else named)(base_commit, message, number)
        self.worlds[commit] = level
        self.made |= {commit} if made else set()
        self.costs[commit] = self.costs.get(base_commit, (1.0, 1.0))
        idea, self.idea = self.idea, 0
        event = events.Proposed(
            at=self.at, experiment=number, base=self.state.frontier if base is None else base, base_commit=base_commit,
            commit=commit, patch=self._words(patch), size_delta=self.lots.randint(0, 12),
            researcher=self.lots.choice(list(TEAM)), message=message, note={"knobs": {self.lots.choice(KNOBS): number}},
            idea=idea, asked=number, thinking=self.lots.random())
        self._did(event)
        return event

    def _to_its_end(self, experiment: Experiment) -> Iterator[Event]:
        """Its runs, until the referee has decided."""
        known = self.state.known
        while experiment.decided is None:
            if weighing.claimable(experiment, known):
                if experiment.commit not in self.made:  # it could be kept, and nothing could stand on it
                    experiment.decided = ("discard", "put aside, for others wait for the measure slots", None)
                    break
                claim = weighing.claim(experiment, known, self.state.policy, self.state.wealth)
                yield self._did(events.Claimed(self.at, experiment.id, claim))
                continue
            stage, seed = self._wanted(experiment)
            if seed not in known.of(self.state.commit):
                yield self._run(self.state.frontier, self.state.commit, seed, stage)
            if experiment.decided is None and seed not in known.of(experiment.commit):
                yield self._run(experiment.id, experiment.commit, seed, stage)
        assert experiment.decided is not None
        verdict, reason, ruling = experiment.decided
        yield self._judged(experiment, verdict, reason, ruling)

    def _wanted(self, experiment: Experiment) -> tuple[Stage, int]:
        """Where it runs next."""
        known, ran = self.state.known, self.state.known.of(experiment.commit)
        if experiment.claim is not None:
            return "confirm", next(seed for seed in known.fresh(experiment, len(ran) + 40) if seed not in ran)
        return "race", known.next_common({*ran, *experiment.used})

    def _run(self, number: int, commit: str, seed: int, stage: Stage) -> Event:
        """A run of a commit as this world has it."""
        self.at += self.lots.uniform(2.0, 5.0)
        kind = self.outcomes.get(commit, "") if stage != "calibrate" else ""
        outcome, reason = WHY.get(kind, ("ok", ""))
        own, run = random.Random(f"{self.seed} {commit} {seed}"), self.state.next_run
        value = self.worlds[commit] + SHARED * random.Random(f"{self.seed} {seed}").gauss(0, 1) + OWN * own.gauss(0, 1)
        cpu, memory = self.costs.get(commit, (1.0, 1.0))
        seconds = CPU * cpu * own.uniform(0.99, 1.01)
        more: dict[str, Any] = {"log": f"{run}.log", "reason": self._words(reason)}
        if outcome == "ok":
            more = {"metrics": {"val_bpb": value, "cpu_seconds": seconds, "peak_memory": round(MEMORY * memory)}}
            if stage in ("calibrate", "confirm"):
                more["holdout"] = LEVEL + CARRIES * (value - LEVEL) + OWN * own.gauss(0, 1)
        return self._weighed(Measured(
            at=self.at, run=run, experiment=number, commit=commit, seed=seed, stage=stage, outcome=outcome, busy=seconds,
            overhead={"tree": 0.01, "clean-up": 0.02}, spent={"run": seconds - 1.0, "scoring": 0.8, "start-up": 0.2},
            worker=run % 2, sandbox=f"bubblewrap-{self.seed}", accounting="exact",
            artifacts=f"{own.getrandbits(256):064x}", **more))

    def _weighed(self, event: Measured) -> Event:
        """A run, applied, with how the evidence stands of what it completed pairs of."""
        before = {e.id: (e.pairs, e.fresh_pairs) for e in self.state.open.values() if event.commit in (e.commit, e.base_commit)}
        self.state.apply(event)
        more = [e for e in map(self.state.open.__getitem__, before) if (e.pairs, e.fresh_pairs) != before[e.id]]
        told = tuple(filter(None, (weighing.told(each, self.state.known, self.state.policy) for each in more)))
        return replace(event, weighed=told) if told else event

    def _judged(self, experiment: Experiment, verdict: events.Decision, reason: str,
                ruling: decision.Ruling | None = None) -> Event:
        """Its verdict, as the Lab records it; what is remembered only while it is open is forgotten."""
        known, policy = self.state.known, self.state.policy
        race, fresh = known.pairs(experiment) if verdict != "foul" else ((), ())
        raced = inference.winsorized(race, known.variance, policy.reach)
        variance = inference.squares(raced) / (len(raced) - 1) if len(raced) > 1 else None
        effect = ruling.effect if ruling else inference.mean(fresh or race) if race or fresh else None
        found = self._found(race, fresh) if verdict == "discard" and (race or fresh) else UNSET
        alpha = experiment.claim.alpha if experiment.claim and ruling else None
        event = self._did(events.Judged(
            self.at, experiment.id, verdict, reason, effect, ruling.interval if ruling else None, len(race) + len(fresh),
            len(fresh), ruling.e_value if ruling else None, variance, alpha, found))
        self.outcomes.pop(experiment.commit, None)
        if verdict != "keep":
            for left in (self.worlds, self.costs):
                left.pop(experiment.commit, None)
        return event

    def _found(self, race: Sequence[float], fresh: Sequence[float]) -> Finding | UnsetType:
        """What its pairs say of it, worked out once for pairs that are alike: it takes milliseconds."""
        seen = fresh or race
        spread = statistics.stdev(seen) if len(seen) > 1 else 0.0
        alike = float(len(seen)), round(statistics.fmean(seen) / OWN, 1), round(2 * spread / OWN)
        if alike not in self._findings:
            self._findings[alike] = weighing.found(race, fresh, self.state.known, self.state.policy, self.state.alpha)
        return self._findings[alike]

    # -- words --

    def _title(self) -> str:
        knob, before, after = self.lots.choice(KNOBS), self.lots.uniform(0.001, 1.0), self.lots.uniform(0.001, 1.0)
        return self.lots.choice(DEEDS).format(knob, before, after)

    def _words(self, plain: str) -> str:
        """These words, or now and then some that harm."""
        return f"{self.lots.choice(HOSTILE)} {plain}" if self.hostile and self.lots.random() < 0.2 else plain
