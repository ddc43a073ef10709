"""What a page, a fragment or an answer of the API is made from: one track, as one reader may see it at one moment."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from overnight.lab.state import State
from overnight.night.session import Session
from overnight.views.compare import SideView
from overnight.views.experiment import DetailView, History
from overnight.views.jobs import JobView, NowView
from overnight.views.program import Versions


@dataclass(frozen=True, eq=False)
class Seen:
    """A track as it is shown now. Nothing here may be written to, and `state` is only to be read before the next await.

    name     of the track in addresses: /t/{name}/
    state    what its journal tells; `state.opened` is None while nothing was run, and then there is no history
    session  its folder, repository and logs
    full     whether the reader has the token; else they see the public view: no number of the holdout, no seed
    live     whether a night is at work
    doing    what that night is doing now, and what it may still use; None where that is not known
    now      unix seconds
    seq      number of the journal's last record, and `head` its hash; 0 and zeros where there is none
    names    the names of all tracks that are served, in their order
    book     gives the track's history, and `shelf` one experiment with its details; both remember
    told     gives the versions of the program that the journal tells
    once     gives what is made of the track at this record by a key, made at its first use; the key says all else that it
             depends on
    mark     stands for `head` where a reader may not see that: it changes with it, and tells nothing
    beside   another track that this one is to be compared with; None where none is asked for
    """

    name: str
    state: State
    session: Session
    full: bool
    live: bool
    doing: NowView | None
    now: float
    seq: int
    head: str
    names: tuple[str, ...]
    book: Callable[[], History]
    shelf: Callable[[int, bool], DetailView]
    told: Callable[[], Versions]
    once: Callable[[Hashable, Callable[[], Any]], Any]
    mark: str = ""
    beside: SideView | None = None

    @property
    def places(self) -> tuple[JobView, ...]:
        """The jobs that are under way, the oldest first; empty where that is not known."""
        return self.doing.jobs if self.doing else ()

    @property
    def history(self) -> History:
        """The track with its experiments; without the holdout where the reader may not see it. Raises JournalError before the
        track is opened."""
        return self.book()

    def detail(self, number: int) -> DetailView:
        """One experiment with its runs, diff and end of log; where the reader may not see them seeds are 0, hashes of artifacts
        and the log of the scoring "". Raises NotFound where there is none of that number, JournalError."""
        return self.shelf(number, self.full)
