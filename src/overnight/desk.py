"""The desk: where a researcher's change becomes a commit, and where commits are put on top of others.

Covered: a researcher's words are bounded, steer no terminal and forge no trailer; code that only hid is not taken for less.
Not covered: what a title claims.
"""

from __future__ import annotations

import ast
import re
import zlib
from collections.abc import Iterable, Mapping

import msgspec

from overnight.contracts import Brief, Change, Researcher
from overnight.errors import EditError
from overnight.jobs import Combine, Combined, Proposal, Propose, Rebase, Rebasing
from overnight.repo import Repo
from overnight.track import Track

LONGEST = 16 << 10  # characters of a message
OURS = re.compile(r"^(?=[ \t]*overnight[-_])", re.MULTILINE | re.IGNORECASE)


class Desk:
    """Carries out the Lab's desk jobs for one track."""

    def __init__(self, track: Track, repo: Repo, researchers: Mapping[str, Researcher]) -> None:
        self.track, self.repo, self.researchers = track, repo, researchers

    def propose(self, job: Propose) -> Proposal:
        """Ask the researcher, commit its change, and check the commit against the boundary."""
        files, change = self._asked(job.researcher, job.commit, job.brief)
        if change is None:
            return Proposal(job, reason="nothing left to try")
        change = msgspec.structs.replace(change, message=said(change.message))
        try:
            commit = self.repo.commit(job.commit, change.files, change.message)
        except EditError as error:
            return Proposal(job, reason=str(error))
        if commit == job.commit:
            return Proposal(job, reason="the change changes nothing")
        foul = self.repo.foul(job.commit, commit, self.track)
        return Proposal(job, change, commit, self.repo.patch(job.commit, commit), foul, grown=grown(files, change.files))

    def _asked(self, researcher: str, commit: str, brief: Brief) -> tuple[dict[str, str], Change | None]:
        files = self.repo.editable(commit, self.track)
        return files, self.researchers[researcher].propose(msgspec.structs.replace(brief, files=files, commit=commit))

    def rebase(self, job: Rebase) -> Rebasing:
        """The experiment's change on top of the new frontier; checked again, for the frontier has moved. What git cannot
        merge goes back to its researcher."""
        commit = self.repo.rebase(job.commit, job.base_commit, job.onto)
        again = not commit
        if again:
            commit = self._again(job)
        if commit and self.repo.foul(job.onto, commit, self.track):
            commit = ""
        return Rebasing(job, commit, again)

    def _again(self, job: Rebase) -> str:
        """The change made anew by its researcher on today's files; "" if it cannot."""
        if job.brief is None or job.researcher not in self.researchers:
            return ""
        _, change = self._asked(job.researcher, job.onto, job.brief)
        try:
            commit = self.repo.commit(job.onto, change.files, change.message) if change else ""
        except EditError:
            return ""
        return "" if commit == job.onto else commit

    def combine(self, job: Combine) -> Combined:
        """The changes of several experiments on top of one another, without those that conflict."""
        made = self.repo.combine(job.changes, job.onto)
        fit = [(number, commit) for number, commit in zip(job.experiments, made, strict=True) if commit]
        return Combined(job, tuple(n for n, _ in fit), tuple(c for _, c in fit))


# ---- what a researcher says ------------------------------------------------------------------------------------


def said(message: str) -> str:
    """A researcher's words as they are recorded: bounded, without what steers a terminal, and no line that reads like a
    trailer of ours."""
    text = "".join(c for c in message[:LONGEST] if c.isprintable() or c in "\n\t")
    return OURS.sub("> ", text)


# ---- how large code is -----------------------------------------------------------------------------------------


def grown(before: Mapping[str, str], after: Mapping[str, str | None]) -> int:
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
        return sum(map(_weight, ast.walk(ast.parse(text))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _weight(node: ast.AST) -> int:
    """What a node counts: one; nothing with what comes with it, for a string that stands for itself or a sign."""
    said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    sign = isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
    return -1 if said or sign else 1
