"""A track's results in Python: what was tried, what was measured and what was found, to be read beside a night at work.

    from overnight.api import Track

    with Track.open("my-project") as track:
        for each in track.experiments():
            print(each.id, each.verdict.verdict, each.verdict.effect)
        table = track.frame()            # a pandas DataFrame; needs the extra `export`

Nothing is written, nothing is locked, and nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, overload

from msgspec.structs import asdict

from overnight.errors import JournalError, NotFound, OvernightError, TrackError
from overnight.export import parquet, tables
from overnight.lab.events import Event
from overnight.lab.state import State
from overnight.night import session as sessions
from overnight.night.session import Session
from overnight.night.snapshot import replayed
from overnight.report import audit
from overnight.views import findings
from overnight.views import track as tracks
from overnight.views.experiment import ExperimentView, RunView, detail, named
from overnight.views.findings import FindingsView
from overnight.views.track import TrackView
from overnight.views.unseen import unseen

if TYPE_CHECKING:
    import pandas

__all__ = ["Track"]


class Track:
    """One track, to be read. What it gives is as the journal stands when it is asked: of a night at work each call tells more.

    Records are frozen; docs/schema.md says what their fields mean. Each method raises a TrackError of one sentence, or another
    OvernightError, where the track cannot be read.
    """

    def __init__(self, session: Session, private: bool = False) -> None:
        self.private, self._session = private, session
        session.only_to_read = True

    @classmethod
    def open(cls, path: str | Path = ".", rung: str = "", private: bool = False) -> Track:
        """The track in a folder, or a rung of its ladder. `private`: with seeds, and with the holdout's numbers. Raises
        TrackError where there is none, or nothing was run on it yet."""
        found = cls(sessions.opened(Path(path), rung), private)
        found.state()
        return found

    def close(self) -> None:
        """Let go of the journal; the next call opens it again."""
        if "journal" in vars(self._session):
            self._session.journal.close()
            del self._session.journal

    def __enter__(self) -> Track:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def state(self) -> State:
        """What the journal tells now, for what is not here: to be read, and never to be changed."""
        with _believing():
            known = self._session.read()  # raises where there is no journal to open
            return replayed(self._session.journal, known)

    def events(self) -> Iterator[Event]:
        """The journal's records that `state` knows, oldest first."""
        return islice(self._session.journal.replay(), self._session.state.records)

    def status(self) -> TrackView:
        """Where the track stands."""
        found = tracks.track(self.state())
        return found if self.private else unseen(found)

    @overload
    def experiments(self, frame: Literal[False] = False) -> tuple[ExperimentView, ...]:
        """As records."""

    @overload
    def experiments(self, frame: Literal[True]) -> pandas.DataFrame:
        """As a DataFrame."""

    def experiments(self, frame: bool = False) -> tuple[ExperimentView, ...] | pandas.DataFrame:
        """Every experiment, in the order of their numbers; with `frame` as a DataFrame."""
        return self.frame() if frame else tuple(tables.listed(self.state(), self.private))

    def frame(self, runs: bool = False) -> pandas.DataFrame:
        """The table of all experiments, or of all `runs`: the columns of `overnight export`, with `id` or `run` among them;
        `attrs` holds track, metric, unit and direction. Raises ExtraMissing without the extra `export`."""
        return parquet.frame(self.table(runs))

    def table(self, runs: bool = False) -> tables.Table:
        """The same as columns and rows that are made one at a time."""
        state = self.state()
        return tables.runs(state, self.events, self.private) if runs else tables.experiments(state, self.private)

    def runs(self, experiment: int | str) -> tuple[RunView, ...]:
        """The runs of one experiment, oldest first; of a `private` track as RunDetailView. `experiment` is its number, or the
        beginning of its commit. Raises NotFound."""
        state = self.state()
        chosen = named(state.experiments.values(), str(experiment))
        if chosen is None:
            raise NotFound(f"there is no experiment {str(experiment)[:60]!r}: experiments() gives all of them.")
        found = detail(state, chosen, list(self.events()), lambda _name: "")
        return found.runs if self.private else tuple(map(_plain, unseen(found).runs))

    def findings(self) -> FindingsView:
        """What was found, and whether it held when it was measured again."""
        state = self.state()
        return findings.findings(state, audit.load(self._session.home / audit.FILE, state), full=self.private)


def _plain(run: RunView) -> RunView:
    known = asdict(run)
    return RunView(**{name: known[name] for name in RunView.__struct_fields__})


@contextmanager
def _believing() -> Iterator[None]:
    """A journal that tells what cannot have been, or a folder that cannot be read, is one sentence."""
    try:
        yield
    except OvernightError:
        raise
    except OSError as error:
        raise TrackError(f"{error.filename or 'the track'} cannot be read ({error.strerror}): make it readable.") from error
    except sessions.IMPOSSIBLE as error:
        raise JournalError("the journal tells what cannot have been, so it is not believed: put it back from a copy, or begin "
                           "anew with `overnight run --restart`.") from error
