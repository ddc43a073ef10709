"""What a replayed journal means, as plain JSON: the one place where the golden nights touch the names of the Lab.

The keys stay as they are; where an attribute is renamed, its line here follows. Nothing is read that a caller could not
see: caches, and what belongs to a session, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from overnight.lab.events import Event, Judged, Opened, Started
from overnight.lab.flight import Budget
from overnight.lab.jobs import Combine, Job, Measure, Propose, Rebase
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.track.roles import Role

PLACES = ("measure", "measure", "measure", "edit", "edit", "think")


def replay(events: Iterable[Event], roles: Sequence[Role] = ()) -> Lab:
    """The Lab that has seen these events, with the team that the night had."""
    events = list(events)
    names = next((e.researchers for e in reversed(events) if isinstance(e, Started)), ())
    lab = Lab(State(), [Role(name, name) for name in names], 2)
    if roles:
        lab.organise(roles)
    for event in events:
        lab.apply(event)
    return lab


def summary(lab: Lab) -> dict[str, object]:
    """All that is known of the track."""
    if lab.state.opened is None:
        return {"opened": None}
    return {**_track(lab), **_numbers(lab), **_queue(lab), **_team(lab), **_further(lab),
            "experiments": {str(number): _experiment(lab, number) for number in lab.state.experiments},
            "open": {str(number): _open(lab, number) for number in lab.state.open}}


def jobs(lab: Lab) -> list[list[object]]:
    """What `ask` gives to free places, one after the other. The Lab has these jobs in flight afterwards."""
    idle, found = list(PLACES), []
    while idle and (job := lab.ask(0.0, idle)):
        idle.remove(job.place)
        found.append(_job(job))
    return found


def unwritten(lab: Lab) -> list[list[object]]:
    """The verdicts that a new session records at once, because a killed one could not. The Lab has them afterwards."""
    return [[e.experiment, e.verdict, e.reason, e.effect, e.e_value] for e in lab.begin(Budget(), lab.state.usage.last)
            if isinstance(e, Judged)]


# ---- parts -----------------------------------------------------------------------------------------------------


def _further(lab: Lab) -> dict[str, object]:
    """What was suggested and what was measured by further metrics, where there is any."""
    watched = lab.state.watched
    return {**({"suggested": [[e.suggestion, e.by, e.suggested.metric] for e in lab.state.suggested]} if lab.state.suggested else {}),
            **({"disowned": [[s.further.metric, k.experiment, k.disowned] for s in watched.found for k in s.keeps]} if watched else {})}


def _track(lab: Lab) -> dict[str, object]:
    assert isinstance(lab.state.opened, Opened)
    return {
        "opened": [lab.state.opened.track, lab.state.opened.commit], "frontier": lab.state.frontier, "commit": lab.state.commit,
        "chain": [e.id for e in lab.state.chain()], "taken_back": sorted(lab.state.taken_back), "problem": lab.problem,
        "counts": {name: count for name, count in sorted(lab.state.counts.items()) if count},
        "next_run": lab.state.next_run, "next_experiment": lab.state.next_experiment, "paused": lab.state.paused,
        "stacks": [list(stack.members) for stack in lab.state.stacks.values()], "stack_size": lab.state.sizes.size,
        "urgency": [e.id for e in sorted(lab.state.open.values(), key=lab.measuring.urgency)],
    }


def _numbers(lab: Lab) -> dict[str, object]:
    known, held = lab.state.known, lab.state.monitor.read()
    return {
        "runs": lab.state.runs, "calibrated": lab.state.calibrated, "kind": known.kind.name, "alpha": lab.state.alpha, "noise": lab.state.noise,
        "variance": known.variance, "seed_variance": known.seed_variance, "hits": lab.state.hits,
        "levels": _levels(lab.state), "next_seed": known.next_common(), "bad_seeds": sorted(known.bad),
        "calibration": list(known.calibration), "drift": list(known.drift.shifts),
        "holdout": [held.keeps, lab.state.monitor.denied, held.here, held.there, held.share, held.interval],
    }


def _levels(state: State) -> list[float | None]:
    """The baseline's mean, and that moved by the effects of what is kept: no level that anything shows, but the sum of what a
    night of the recorded format came to."""
    start = state.levels.baseline
    return [start, None if start is None else start + state.track.oriented(state.levels.gain)]


def _queue(lab: Lab) -> dict[str, object]:
    ideas = [lab.state.idea(entry) for entry in lab.state.ideas]
    return {"ideas": {str(i.id): [i.title, i.text, i.source, i.state, list(i.tried), i.outcome] for i in ideas},
            "next_idea": lab.state.ideas.next, "notes": lab.state.notes, "answered": sorted(lab.state.answered)}


def _team(lab: Lab) -> dict[str, object]:
    usage, attempts = lab.state.usage, lab.state.attempts
    return {
        "program": lab.state.program, "asked": dict(sorted(attempts.asked.items())),
        "thinking": {name: lab.roster.seconds(name) for name in sorted(attempts.asked)},
        "records": {name: [r.tried, r.kept, r.gain, r.cost] for name, r in sorted(attempts.records.items())},
        "usage": {name: _use(use) for name, use in sorted(usage.used.items())}, "session_usage": _use(usage.session),
        "carried_usage": _use(usage.carried),
        "busy": usage.busy, "seconds": usage.seconds, "capacity": usage.capacity,
        "overhead": {part: math.fsum(seconds) for part, seconds in sorted(usage.parts.items())},
        "sandboxes": sorted(usage.sandboxes), "accounting": sorted(usage.accounting),
    }


def _use(use: object) -> list[float]:
    return [getattr(use, name) for name in ("calls", "failed", "tokens_in", "tokens_out", "dollars", "unpriced")]


def _experiment(lab: Lab, number: int) -> dict[str, object]:
    e = lab.state.experiments[number]
    return {
        "verdict": e.verdict, "base": e.base, "base_commit": e.base_commit, "commit": e.commit, "reason": e.reason,
        "researcher": e.researcher, "title": e.title, "effect": e.effect, "interval": e.interval, "pairs": e.pairs,
        "fresh_pairs": e.fresh_pairs, "e_value": e.e_value, "runs": e.runs, "metrics": dict(e.metrics), "cost": e.cost,
        "size": e.size_delta, "idea": e.idea, "request": e.request, "log": e.log, "guard": e.guard_usage, "reopened": e.reopenings,
    }


def _open(lab: Lab, number: int) -> dict[str, object]:
    """What is under way: where it stands, and what it was measured to be so far."""
    e = lab.state.open[number]
    race, fresh = lab.state.known.pairs(e)
    return {"confirming": e.confirming, "stacked": bool(e.stack), "waiting": e.waiting, "race": list(race),
            "fresh": list(fresh), "priority": e.priority, "decided": e.decided[0] if e.decided else None,
            "next_seeds": lab.state.known.fresh(e, e.confirming), "used_seeds": sorted(e.used), "largest_stack": e.max_stack}


def _job(job: Job) -> list[object]:
    if isinstance(job, Measure):
        return ["measure", job.run, job.experiment, job.commit, job.seed, job.stage, job.paired_with, len(job.pace)]
    if isinstance(job, Propose):
        idea = job.brief.idea.id if job.brief.idea else 0
        return ["propose", job.researcher, job.base, job.commit, job.brief.seed, idea, job.thinks]
    if isinstance(job, Rebase):
        return ["rebase", job.experiment, job.commit, job.onto, job.researcher]
    if isinstance(job, Combine):
        return ["combine", list(job.experiments), job.onto]
    return [type(job).__name__.lower(), getattr(job, "role", "")]
