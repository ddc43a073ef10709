"""What a night found, with the audit and the explanations that lie beside its journal."""

from __future__ import annotations

from pathlib import Path

from overnight.lab.state import State
from overnight.report import audit, worth
from overnight.views.findings import FindingsView, findings


def read(home: Path, state: State, full: bool = False) -> FindingsView:
    """The findings of a track whose state folder this is; `full`: with the holdout, for its user alone. Raises JournalError
    before it is opened."""
    found = (worth.load(worth.place(home, each.id), each.commit) for each in state.chain())
    return findings(state, audit.load(home / audit.FILE, state), [each for each in found if each], full)
