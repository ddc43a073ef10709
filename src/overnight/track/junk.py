"""Files that programs and editors write beside the work: a change of them is no part of an idea. Pure."""

from __future__ import annotations

NAMES = {".gitignore", ".editorconfig", ".DS_Store", "Thumbs.db", ".coverage", "nohup.out"}
SUFFIXES = (".log", ".pyc", ".pyo", ".tmp", ".swp", ".swo", ".orig", ".rej", ".bak", ".pid", ".prof")
FOLDERS = {"__pycache__", ".cache", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis", ".ipynb_checkpoints", ".idea",
           ".vscode", ".claude", ".codex", ".gemini", ".opencode", "node_modules", "wandb"}


def is_junk(path: str) -> bool:
    """Whether a file, by its path, is what a program leaves behind: a log, a cache, an ignore list, an agent's own notes."""
    *folders, name = path.split("/")
    named = name in NAMES or name.endswith(SUFFIXES) or name.startswith(".aider")
    return named or not FOLDERS.isdisjoint(folders)
