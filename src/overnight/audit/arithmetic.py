"""An audit: what a night kept, measured again on seeds that it never used. Pure: the arithmetic and the verdicts.

Everything is oriented so that positive is better. A keep's own effect is what the frontier loses without it (leave one
out), so that two keeps of which either would do show nothing each, and two that need one another show their gain twice;
what all of them gained together, less the sum of their own effects, tells the two cases apart. Keeps that changed the
same lines go out together. Where every seed gave one number, nothing is said to hold.
Not covered: which of three or more parts overlap, and that of many 95 % intervals some miss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, structs

from overnight.contracts import Direction
from overnight.lab.events import Outcome
from overnight.lab.state import BASELINE
from overnight.referee.estimates import Estimate, estimate

ROUNDING = 1e-9  # share of the metric that the rounding of sums may amount to

Verdict = Literal["holds", "one number", "in doubt", "dead weight", "cannot be taken out alone", "needed", "undone",
                  "not measured"]
Claim = Literal["holds", "one number", "too high", "too low", "unknown"]
Sum = Literal["add up", "overlap", "need one another", "not tested", "unknown"]


class Keep(Struct, frozen=True):
    """A kept change as the night claimed it, or several that only go together, and the frontier without it.

    ids      of the experiments, oldest first
    commits  theirs
    without  the frontier without them; itself where nothing is left of them; "" where they cannot be taken out
    clean    whether `git revert` takes them out; else another keep changed a line next to theirs
    """

    ids: tuple[int, ...]
    title: str
    commits: tuple[str, ...]
    claimed: float
    claimed_interval: tuple[float, float] | None
    without: str
    clean: bool = True

    @property
    def label(self) -> str:
        """How it is called."""
        return "+".join(f"#{number}" for number in self.ids)


class Run(Struct, frozen=True):
    """One run: the track's metric, None where it failed, and why."""

    commit: str
    seed: int
    outcome: Outcome
    value: float | None
    reason: str = ""
    seconds: float = 0.0


class Finding(Struct, frozen=True):
    """What came out for one keep.

    reason        why it could not be measured, or why runs without it failed
    runs, failed  of the frontier without it
    """

    keep: Keep
    verdict: Verdict
    own: Estimate | None = None
    reason: str = ""
    runs: int = 0
    failed: int = 0


class Plan(Struct, frozen=True):
    """What is audited: the track's metric, the two ends, what was kept between them, and the seeds.

    keeps   one by one, oldest first
    groups  of keeps that changed the same lines, so that all but the last of them go only together
    fixed_seeds  where the program fixes its own seed, if the baseline gave one number on every seed
    edits   every run has an edit that does nothing, because such edits move the number; they may draw lots in vain where
            `draws` is true
    """

    track: str
    metric: str
    unit: str
    direction: Direction
    worthwhile: float
    baseline: str
    frontier: str
    claimed: float
    keeps: tuple[Keep, ...]
    groups: tuple[Keep, ...]
    seeds: tuple[int, ...]
    marks: tuple[str, ...] = ()
    fixed_seeds: tuple[str, ...] = ()
    edits: bool = False
    draws: bool = False

    @property
    def commits(self) -> tuple[str, ...]:
        """Every commit to run, the two ends first."""
        left_out = (k.without for k in (*self.keeps, *self.groups) if k.without)
        return tuple(dict.fromkeys([self.baseline, self.frontier, *left_out]))

    @property
    def owners(self) -> dict[str, int]:
        """The experiment that each commit is of, or without."""
        return {**{k.without: k.ids[0] for k in (*self.groups, *self.keeps)}, self.baseline: BASELINE,
                self.frontier: self.keeps[-1].ids[0]}

    @property
    def reference(self) -> str:
        """The commit that the others are compared with."""
        return self.frontier


class Audit(Struct, frozen=True):
    """The whole audit, with every run, so that any reader can calculate it again.

    total        the frontier against the baseline
    ones         the sum of the own effects of the parts, on the seeds on which every commit ran; None where one has none
    gap          the total less that sum, seed by seed
    claimed_sum  the sum of what was claimed for each keep
    doubt        half the width of the claimed sum's own 95 % interval; None where a keep has no interval
    claim        "one number": it was found again, and each end gave one number on all seeds, so that nothing is shown of luck
    sum          "not tested": there are no two parts, of which one at least is a keep by itself
    """

    plan: Plan
    at: float
    total: Estimate | None
    ones: Estimate | None
    gap: Estimate | None
    claimed_sum: float
    doubt: float | None
    claim: Claim
    sum: Sum
    findings: tuple[Finding, ...]
    groups: tuple[Finding, ...]
    runs: tuple[Run, ...]

    @property
    def parts(self) -> tuple[Finding, ...]:
        """What the whole consists of: the groups, and the keeps that are in none."""
        together = {number for group in self.plan.groups for number in group.ids}
        return (*(f for f in self.findings if not together.intersection(f.keep.ids)), *self.groups)


Values = Mapping[str, Mapping[int, float]]  # commit -> seed -> metric, of the runs that ended well


def conclude(plan: Plan, runs: Sequence[Run], at: float) -> Audit:
    """What these runs amount to."""
    values = {c: {r.seed: r.value for r in runs if r.commit == c and r.value is not None} for c in plan.commits}
    findings = tuple(_finding(plan, keep, values, runs) for keep in plan.keeps)
    groups = tuple(_finding(plan, group, values, runs) for group in plan.groups)
    total = estimate(list(_gains(plan, values, plan.baseline).values()))
    claimed, doubt = add_up([(keep.claimed, keep.claimed_interval) for keep in plan.keeps])
    rounding = ROUNDING * max((abs(v) for known in values.values() for v in known.values()), default=0.0)
    claim = _claim(plan.claimed, total)
    if total and abs(plan.claimed - total.effect) <= rounding and one_number(values[plan.baseline], values[plan.frontier]):
        claim = "one number"
    bare = Audit(plan, at, total, None, None, claimed, doubt, claim, "not tested", findings, groups, tuple(runs))
    if len(bare.parts) < 2 or all(len(part.keep.ids) > 1 for part in bare.parts):
        return bare
    ones, gap = _sums(plan, bare.parts, values)
    return structs.replace(bare, ones=ones, gap=gap, sum=_sum(gap, rounding))


def one_number(*runs: Mapping[int, float]) -> bool:
    """Whether each of these commits gave one number on all seeds."""
    return all(len(known) > 1 and len(set(known.values())) == 1 for known in runs)


def add_up(claims: Sequence[tuple[float, tuple[float, float] | None]]) -> tuple[float, float | None]:
    """What was claimed for all of them, each with its 95 % interval, and half the width of theirs; None where one has none."""
    radii = [(interval[1] - interval[0]) / 2 for _, interval in claims if interval]
    return math.fsum(claimed for claimed, _ in claims), math.hypot(*radii) if len(radii) == len(claims) else None


def verdict(own: Estimate, worthwhile: float) -> Verdict:
    """`dead weight` when it is shown to be worth less than what is worthwhile, or nothing; else by where zero lies."""
    low, high = own.interval
    if high < worthwhile or high <= 0:
        return "dead weight"
    return "holds" if low > 0 else "in doubt"


def _gains(plan: Plan, values: Values, worse: str) -> dict[int, float]:
    """Seed -> by how much the frontier is better than another commit, where both ran."""
    sign = -1.0 if plan.direction == "minimize" else 1.0
    theirs = values[worse]
    return {s: sign * (v - theirs[s]) for s, v in values[plan.frontier].items() if s in theirs}


def _finding(plan: Plan, keep: Keep, values: Values, runs: Sequence[Run]) -> Finding:
    if not keep.without:
        return Finding(keep, "cannot be taken out alone", reason="later keeps changed its lines")
    if keep.without == plan.frontier:
        return Finding(keep, "undone", reason="nothing of it is left in the frontier")
    mine = [r for r in runs if r.commit == keep.without]
    failed = [r for r in mine if r.value is None]
    reason = failed[0].reason if failed else ""
    own = estimate(list(_gains(plan, values, keep.without).values()))
    lost = [r for r in failed if r.seed in values[plan.frontier]]
    word: Verdict = "not measured" if own is None else verdict(own, plan.worthwhile)
    if word == "holds" and one_number(values[plan.frontier], values[keep.without]):
        word = "one number"
    if lost and len(failed) == len(mine):
        word = "needed"
    elif lost and word == "dead weight":
        word = "in doubt"  # without it there are runs that fail, and they have no number that would say how bad that is
    return Finding(keep, word, own, reason, len(mine), len(failed))


def _sums(plan: Plan, parts: Sequence[Finding], values: Values) -> tuple[Estimate | None, Estimate | None]:
    """The own effects of the parts added up seed by seed, and what is left of the total beside them."""
    if any(f.own is None and f.verdict != "undone" for f in parts):
        return None, None
    total = _gains(plan, values, plan.baseline)
    own = [_gains(plan, values, f.keep.without) for f in parts]
    sums = {s: math.fsum(gains[s] for gains in own) for s in total if all(s in gains for gains in own)}
    return estimate(list(sums.values())), estimate([total[s] - value for s, value in sums.items()])


def _sum(gap: Estimate | None, rounding: float) -> Sum:
    if gap is None:
        return "unknown"
    return "overlap" if gap.interval[0] > rounding else "need one another" if gap.interval[1] < -rounding else "add up"


def _claim(claimed: float, total: Estimate | None) -> Claim:
    if total is None:
        return "unknown"
    low, high = total.interval
    return "too high" if claimed > high else "too low" if claimed < low else "holds"
