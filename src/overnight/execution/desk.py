"""Edit slots: where a researcher's change becomes a commit, and where commits are put on top of others.

Covered: a researcher's words are bounded, steer no terminal and forge no trailer; code that was only hidden is not counted as
less; of a submitted commit only the editable files count; a researcher that cannot work ends no night.
Not covered: what a title claims.
"""

from __future__ import annotations

import ast
import re
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from overnight import syntax
from overnight.contracts import Brief, Change, Past, Researcher, Suggestion, Team
from overnight.errors import Away, EditError, TrackError
from overnight.ideas import similarity
from overnight.lab import leads
from overnight.lab.jobs import Accept, Combine, Combined, Proposal, Propose, Rebase, Rebasing, Think, Thought
from overnight.repo import Repo, parts
from overnight.track.spec import FILE, Track, covers, lies_in
from overnight.untrusted import is_file_name, plain

MOST_CONTEXT_BYTES = 64 << 10  # of one file that may be read and not edited; of all, four times as many
LOGS, TAIL = 3, 2000  # failed runs of which a researcher sees the logs, and characters of each
MOST_MESSAGE_CHARACTERS = 16 << 10  # characters of a message
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # a commit itself, and no name that may come to mean another
HUNK = re.compile(r"@@ -(\d+)")
TRAILER = re.compile(r"^(?=[ \t]*overnight[-_])", re.MULTILINE | re.IGNORECASE)


class Desk:
    """Carries out the Lab's edit jobs for one track. `logs` is where the logs of runs are kept; `trailer` gives the last line
    of the message of each commit that is made."""

    def __init__(self, track: Track, repo: Repo, team: Team, logs: Path | None = None,
                 trailer: Callable[[], str] = lambda: "") -> None:
        self.track, self.repo, self.team, self.logs, self._trailer = track, repo, team, logs, trailer

    # -- proposals --

    def propose(self, job: Propose) -> Proposal:
        """Ask the researcher, commit its change, and check the commit against the boundary."""
        since = time.monotonic()
        try:
            proposal = self._proposed(job)
        except (Away, EditError, TrackError) as error:
            proposal = Proposal(job, **refusal(error), unusable=isinstance(error, EditError))
        return replace(proposal, seconds=time.monotonic() - since)

    def _proposed(self, job: Propose) -> Proposal:
        """The commit of a researcher's change. Raises Away, EditError, TrackError."""
        researcher, brief = self.team.researchers.get(job.researcher), self.full(job.lead or job.commit, job.brief)
        if researcher is None:
            return Proposal(job, reason="it left the team", away=True)
        change = researcher.propose(brief)
        if change is None:
            return Proposal(job, reason="nothing left to try")
        first = self._changed(job, brief, change)
        return self._advised(job, brief, researcher, first) or first

    def _changed(self, job: Propose, brief: Brief, change: Change) -> Proposal:
        """A researcher's change as a commit; of one that is made on a lead, together with that. Raises EditError."""
        if brief.lead is None or not job.lead:
            return self._made(job, job.commit, brief.files, change)
        after = {**brief.files, **change.files}
        if all(brief.files.get(path) == text for path, text in change.files.items()):
            raise EditError("the change changes nothing")
        before = self.repo.editable(job.commit, self.track)
        files = {path: after.get(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        words = leads.made_on(said(change.message), brief.lead)
        return self._made(job, job.commit, before, replace(change, files=files, message=words))

    def _made(self, job: Propose | Accept, base: str, before: Mapping[str, str], change: Change) -> Proposal:
        """A change to the files of a commit as a commit of its own. Raises EditError."""
        change = self.team.noted(before, replace(change, message=said(change.message)))
        commit = self.repo.commit(base, change.files, self._message(change.message))
        if commit == base:
            raise EditError("the change changes nothing")
        return Proposal(job, change, self.repo.foul(base, commit, self.track), commit=commit,
                        patch=self.repo.patch(base, commit), size_delta=size_delta(before, change.files))

    def _advised(self, job: Propose, brief: Brief, researcher: Researcher, first: Proposal) -> Proposal | None:
        """What its researcher makes of a critic's advice; None where there is no advice, or nothing comes of it. The critic
        is asked once, and decides nothing."""
        if self.team.critic is None or first.change is None or first.foul or not job.thinks:
            return None
        with suppress(Away, EditError, TrackError):
            if advice := self.team.critic(brief, first.change, first.patch):
                change = researcher.propose(replace(brief, draft=first.change, advice=said(advice)))
                return self._changed(job, brief, change) if change is not None else None
        return None

    def _message(self, text: str) -> str:
        trailer = self._trailer()
        return f"{text.rstrip()}\n\n{trailer}\n" if trailer else text

    def full(self, commit: str, brief: Brief) -> Brief:
        """A brief with the files, and the ends of some logs."""
        failed = [past for past in brief.history if past.log][-LOGS:] if brief.contract else []
        return replace(brief, commit=commit, files=self.repo.editable(commit, self.track), context=self._context(commit),
                       logs={past.id: self._tail(past) for past in failed},
                       taken=touched(self.repo.patch(commit, rival) for rival in brief.rivals))

    def _context(self, commit: str) -> dict[str, str]:
        """The files that researchers may read and not edit; none that no candidate may see."""
        head, private = self.track.track, self.track.private
        if not head.context:
            return {}

        def shown(path: str) -> bool:
            hidden = any(lies_in(place, path) for place in private) or any(covers(glob, path) for glob in head.editable)
            return not hidden and any(covers(glob, path) for glob in head.context)
        return self.repo.texts(commit, shown, MOST_CONTEXT_BYTES, 4 * MOST_CONTEXT_BYTES)

    def _tail(self, past: Past) -> str:
        """The end of a failed run's log, without the output of its scoring."""
        try:
            text = (self.logs / past.log).read_text(errors="replace") if self.logs and is_file_name(past.log) else ""
        except OSError:
            return ""
        return text[-TAIL:]

    def accept(self, job: Accept) -> Proposal:
        """Check a submitted change like any other. Its commit is made anew on its base, with a cleaned message, so that neither
        its history nor a moving name comes with it."""
        order = job.order
        if not all(HASH.fullmatch(name) and self.repo.has(name) for name in (order.base, order.commit)):
            return Proposal(job, reason="its commit is not in this repository")
        foul = self.repo.foul(order.base, order.commit, self.track)
        before, after = self.repo.editable(order.base, self.track), self.repo.editable(order.commit, self.track)
        files = {path: after.get(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        if foul:
            return Proposal(job, Change(files, said(order.message)), foul)
        try:
            made = self._made(job, order.base, before, Change(files, order.message))
            return replace(made, takes_back=self._takes_back(job, after))
        except EditError as error:
            return Proposal(job, **refusal(error))

    def _takes_back(self, job: Accept, files: Mapping[str, str]) -> bool:
        """Whether these files are what its base is without the parts of a kept change that the order names."""
        if not job.keep:
            return False
        made = parts.taken_out(self.repo, self.track, job.keep, job.order.parts, job.order.base)
        return bool(made) and self.repo.editable(made, self.track) == files

    def think(self, job: Think) -> Thought:
        """Let a scientist, a standup or a metrician think."""
        brief = self.full(job.commit, job.brief)
        try:
            if job.purpose == "standup":
                return Thought(job, notes=self.team.standup(brief) if self.team.standup else "")
            if job.purpose == "metrician":
                return Thought(job, suggestion=self._suggested(job, brief))
            return Thought(job, ideas=new(self.team.scientist(brief), brief) if self.team.scientist else ())
        except (Away, EditError, TrackError) as error:
            return Thought(job, **refusal(error))

    def _suggested(self, job: Think, brief: Brief) -> Suggestion | None:
        """What a metrician proposes, given the diffs of what was kept and the files that judge. Raises Away, EditError."""
        if self.team.metrician is None or job.scrutiny is None:
            return None
        keeps = tuple(replace(keep, patch=self.repo.patch(keep.base, keep.commit)) for keep in job.scrutiny.keeps)
        judges = {FILE, *(self.track.score.command if self.track.score else ())} - set(self.track.private)
        files = self.repo.texts(job.commit, judges.__contains__, MOST_CONTEXT_BYTES, 4 * MOST_CONTEXT_BYTES)
        return self.team.metrician(brief, replace(job.scrutiny, keeps=keeps, files=files))

    # -- changes on top of others --

    def rebase(self, job: Rebase) -> Rebasing:
        """The experiment's change on top of the new frontier; checked again, for the frontier has moved. What git cannot
        merge goes back to its researcher."""
        message = self._message(job.message) if job.message else ""
        if not job.anew and (commit := self.repo.rebase(job.commit, job.base_commit, job.onto, message)):
            return Rebasing(job, "") if self.repo.foul(job.onto, commit, self.track) else self._put(job, commit)
        with suppress(EditError, Away, TrackError):
            made = job.brief and self._proposed(Propose(job.researcher, job.brief.frontier, job.onto, job.brief))
            if made and made.change and not made.foul:
                return Rebasing(job, made.commit, True, made.change.message, made.patch, made.size_delta, made.change.note)
        return Rebasing(job, "", True)

    def _put(self, job: Rebase, commit: str) -> Rebasing:
        """What came of that, with its diff where its lead is no part of it any more."""
        if not job.message:
            return Rebasing(job, commit)
        before, after = self.repo.editable(job.onto, self.track), self.repo.editable(commit, self.track)
        files = {path: after.get(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        return Rebasing(job, commit, message=job.message, patch=self.repo.patch(job.onto, commit),
                        size_delta=size_delta(before, files))

    def combine(self, job: Combine) -> Combined:
        """The changes of several experiments on top of one another, without those that conflict."""
        made = self.repo.combine(job.changes, job.onto)
        fit = [(number, commit) for number, commit in zip(job.experiments, made, strict=True) if commit]
        return Combined(job, tuple(n for n, _ in fit), tuple(c for _, c in fit))


def new(ideas: Iterable[tuple[str, str]], brief: Brief) -> tuple[tuple[str, str], ...]:
    """Those of a scientist's ideas that the queue does not hold in other words."""
    known = [f"{idea.title}\n{idea.text}" for idea in brief.ideas]
    found: list[tuple[str, str]] = []
    for title, text in ideas:
        if not similarity.alike(f"{title}\n{text}", known):
            found.append((title, text))
            known.append(f"{title}\n{text}")
    return tuple(found)


# ---- what a researcher says ------------------------------------------------------------------------------------


def refusal(error: Away | EditError | TrackError) -> dict[str, Any]:
    """What a Proposal or a Thought says where there is none. Where the role of a researcher names what is gone (a TrackError),
    it is away, and the others go on."""
    return {"reason": said(str(error)), "away": not isinstance(error, EditError), "wait": getattr(error, "wait", None)}


def said(message: str) -> str:
    """A researcher's words as they are recorded: bounded, without what steers a terminal, and no line that reads like a
    trailer of Overnight."""
    return TRAILER.sub("> ", plain(message, MOST_MESSAGE_CHARACTERS))


def touched(patches: Iterable[str]) -> dict[str, list[int]]:
    """The lines that patches take away or put something behind, by the path and the numbers before them."""
    found: dict[str, set[int]] = {}
    for text in patches:
        path, number = "", 0
        for line in text.splitlines():
            if line.startswith("--- "):
                path, number = line[4:].removeprefix("a/"), 0
            elif hunk := HUNK.match(line):
                number = int(hunk[1])
            elif number and line[:1] in (" ", "-"):
                if line[0] == "-":
                    found.setdefault(path, set()).add(number)
                number += 1
            elif number and line[:1] == "+":
                found.setdefault(path, set()).add(max(1, number - 1))
    return {path: sorted(lines) for path, lines in found.items()}


# ---- how large code is -----------------------------------------------------------------------------------------


def size_delta(before: Mapping[str, str], after: Mapping[str, str | None]) -> int:
    """By how much a change makes the code larger: `after` holds the files that it touches. Code that only moved out of the
    syntax, into strings, comments or files of another kind, has not become less."""
    sizes = [(code_size(path, before.get(path, "")), code_size(path, text or "")) for path, text in after.items()]
    nodes = sum(new - old for old, new in sizes if old is not None and new is not None)
    hidden = nodes < 0 and packed(text or "" for text in after.values()) > packed(before.get(path, "") for path in after)
    return 0 if hidden else nodes


def packed(texts: Iterable[str]) -> int:
    """Bytes of texts without what they repeat."""
    return len(zlib.compress("\n".join(texts).encode(errors="replace"), 9))


def code_size(path: str, text: str) -> int | None:
    """Nodes of the syntax tree, without docstrings and signs of numbers; words, where it is not Python; None where Python
    does not parse."""
    if not path.endswith(".py"):
        return len(text.split())
    try:
        return sum(map(_weight, ast.walk(syntax.module(text))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _weight(node: ast.AST) -> int:
    """What a node counts: one; nothing with what comes with it, for a string that stands for itself or a sign."""
    said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    sign = isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
    return -1 if said or sign else 1
