"""The desk: where a researcher's change becomes a commit, and where a commit is put on top of a newer one."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from overnight.contracts import Researcher
from overnight.errors import EditError
from overnight.jobs import Proposal, Propose, Rebase, Rebasing
from overnight.repo import Repo
from overnight.track import Track


class Desk:
    """Carries out the Lab's desk jobs for one track."""

    def __init__(self, track: Track, repo: Repo, researchers: Mapping[str, Researcher]) -> None:
        self.track, self.repo, self.researchers = track, repo, researchers

    def propose(self, job: Propose) -> Proposal:
        """Ask the researcher, commit its change, and check the commit against the boundary."""
        brief = msgspec.structs.replace(job.brief, files=self.repo.editable(job.commit, self.track))
        change = self.researchers[job.researcher].propose(brief)
        if change is None:
            return Proposal(job, reason="nothing left to try")
        try:
            commit = self.repo.commit(job.commit, change.files, change.message)
        except EditError as error:
            return Proposal(job, reason=str(error))
        if commit == job.commit:
            return Proposal(job, reason="the change changes nothing")
        foul = self.repo.foul(job.commit, commit, self.track)
        return Proposal(job, change, commit, self.repo.patch(job.commit, commit), foul)

    def rebase(self, job: Rebase) -> Rebasing:
        """The experiment's change on top of the new frontier; checked again, for the frontier has moved."""
        commit = self.repo.rebase(job.commit, job.base_commit, job.onto)
        if commit and self.repo.foul(job.onto, commit, self.track):
            commit = ""
        return Rebasing(job, commit)
