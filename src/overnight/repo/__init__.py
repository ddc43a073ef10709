"""git, read through a store of our own: commits, clean trees, the boundary, the result branch. See store.py for what never
runs."""

from overnight.repo.gitdirs import HASH
from overnight.repo.repository import Repo
from overnight.repo.trees import SEAM
from overnight.repo.worktree import MOST_FILES, MOST_TEXT_BYTES

__all__ = ["HASH", "MOST_FILES", "MOST_TEXT_BYTES", "SEAM", "Repo"]
