"""What results bring and recorded events ask for outside the Lab: logs, the result branch, held commits, trees, notes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from overnight.errors import Fault, TrackError
from overnight.execution.runner import Runner
from overnight.lab import leads
from overnight.lab.events import Event, Judged, Learnt, Measured, Proposed, Rebased, Stacked, Vetoed
from overnight.lab.jobs import Measurement, Result
from overnight.night import anchor
from overnight.night.session import Session

LOGS = "logs"
NOTES = "notes.md"  # what the last standup wrote, for people; the journal has it as well


class Effects:
    """Carries out what follows from events of one track, once they are durable."""

    def __init__(self, session: Session, runner: Runner) -> None:
        self.session, self.runner = session, runner

    def follow(self, event: Event) -> None:
        """Move the branch, hold or release a commit, forget a tree, write the notes, clear an order.

        A branch that cannot be moved now, because it is checked out somewhere, is brought into agreement afterwards.
        """
        track, repo = self.session.label, self.session.repo
        if request := getattr(event, "request", ""):
            self.session.inbox.clear([request])
        if isinstance(event, Proposed | Rebased):
            repo.hold(track, event.experiment, event.commit)
            if lead := leads.beside(self.session.state, self.session.state.experiments[event.experiment]):
                repo.hold(track, f"lead/{event.experiment}", lead)
        elif isinstance(event, Stacked) and event.experiments:
            repo.hold(track, f"stack/{event.experiments[-1]}", event.commits[-1])
        elif isinstance(event, Measured) and event.stage in ("screen", "explore"):
            self.runner.forget(event.commit)
        elif isinstance(event, Judged):
            repo.release(track, event.experiment)
            repo.release(track, f"stack/{event.experiment}")
            repo.release(track, f"lead/{event.experiment}")
            if event.verdict == "keep":
                anchor.keep(self.session.home, self.session.journal)
                with suppress(TrackError):
                    self.session.agree()
            else:
                self.runner.forget(self.session.state.experiments[event.experiment].commit)
        elif isinstance(event, Learnt):
            (self.session.home / NOTES).write_text(event.notes, encoding="utf-8")
        elif isinstance(event, Vetoed):
            self.session.hold_open()
            with suppress(TrackError):
                self.session.agree()


def keep_logs(folder: Path, result: Result) -> None:
    """Write the logs that came with a result into a folder. Raises Fault where they cannot be written."""
    try:
        for name, text in result.files() if isinstance(result, Measurement) else ():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text)
    except OSError as error:
        raise Fault(f"the log {folder / name} cannot be written: {error}.") from error
