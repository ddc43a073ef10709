"""What was kept, as branches that a maintainer can review: one for each keep, or all as one stack of commits.

A keep's change is put on the user's own commit alone; one that does not apply there stands on the branch of the keep that it
builds on. What a keep gained was measured on top of those before it: alone it may gain more or less, and its message says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from overnight.errors import TrackError
from overnight.lab.experiment import Experiment
from overnight.lab.state import State
from overnight.night.anchor import TRAILER
from overnight.repo import Repo
from overnight.track.units import number
from overnight.untrusted import line, plain

MOST_SLUG, MOST_TITLE, MOST_BODY = 40, 72, 2000  # characters of a branch's name, a title, and what a researcher wrote below it


class Offer(NamedTuple):
    """One branch: its name, its newest commit, the keeps that it holds beyond the user's commit, the newest last, and the
    branch that it stands on, "" where that is the user's."""

    branch: str
    commit: str
    keeps: tuple[int, ...]
    on: str = ""


def apart(state: State, repo: Repo) -> list[Offer]:
    """A branch for each keep. Raises TrackError."""
    head, made, kept = repo.head(), list[Offer](), _kept(state)
    for place, each in enumerate(kept):
        name = f"overnight-{state.track.name}/{place + 1:02}-{_slug(each.title)}"
        for below in (Offer("", head, ()), *reversed(made)):
            if commit := _put(state, repo, each, below.commit, len(below.keeps) == place):
                made.append(Offer(name, commit, (*below.keeps, each.id), below.branch))
                break
        else:  # it needs more than one of those before it
            made.append(Offer(name, _piled(state, repo, kept[:place + 1]), tuple(one.id for one in kept[:place + 1])))
    return _made(repo, [offer for offer in made if offer.commit != head])


def stacked(state: State, repo: Repo) -> list[Offer]:
    """All keeps as commits on top of one another, as one branch. Raises TrackError."""
    kept = _kept(state)
    return _made(repo, [Offer(f"overnight-{state.track.name}/stack", _piled(state, repo, kept), tuple(one.id for one in kept))])


def _piled(state: State, repo: Repo, kept: Sequence[Experiment]) -> str:
    """Keeps as commits on top of one another and of the user's. Raises TrackError on a conflict."""
    tip = repo.head()
    for each in kept:
        if not (put := _put(state, repo, each, tip, True)):
            raise TrackError(f"#{each.id} conflicts with what your branch has changed since: merge with `overnight merge`, and "
                             "settle it there.")
        tip = put
    return tip


def _kept(state: State) -> Sequence[Experiment]:
    if not (kept := state.chain()):
        raise TrackError("nothing was kept yet, so there is nothing to offer.")
    return kept


def _put(state: State, repo: Repo, each: Experiment, onto: str, stands: bool) -> str:
    """A keep's change on top of a commit, by the user's name; "" on a conflict. `stands`: on top of all that were kept before
    it, as it was measured."""
    message = "\n".join(_message(state, each, stands))
    return repo.transplant(each.base_commit, each.commit, onto, message, users=True)


def _made(repo: Repo, offers: list[Offer]) -> list[Offer]:
    if not offers:
        raise TrackError("your branch has all that was kept already.")
    repo.offer({offer.branch: offer.commit for offer in offers})
    return offers


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:MOST_SLUG].strip("-") or "change"


def _message(state: State, each: Experiment, stands: bool) -> Iterator[str]:
    """What was changed, why, what it gained, and how to see that again."""
    metric, run = state.track.metric, state.track.run
    yield line(each.title, MOST_TITLE)
    body = TRAILER.sub("", each.message.partition("\n")[2]).strip()
    yield from ("", plain(body, MOST_BODY)) if body else ()
    unit, better = line(metric.unit, 24), "lower" if metric.direction == "minimize" else "higher"
    if each.effect is not None:
        within = "" if each.interval is None else " (95 % interval {} to {})".format(*(number(n, 3) for n in each.interval))
        yield ""
        yield (f"{line(metric.name, 40)}: {better} by {number(each.effect, 3)} {unit}".rstrip() + f"{within}, measured in "
               f"{each.fresh_pairs or each.pairs} paired runs" + " on seeds drawn after the change" * bool(each.fresh_pairs)
               + ("." if stands else ", on top of the changes kept before it; by itself it may gain more or less."))
    yield ""
    yield f"To see it again: run `{line(' '.join(run.command), 200)}` here and on the parent commit with the same"
    yield "OVERNIGHT_SEED, for several seeds, and compare. Found by " + line(each.researcher, 40) + f" (Overnight, #{each.id})."
