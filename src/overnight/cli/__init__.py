"""The command `overnight`: wiring only. Each command opens a session, calls one thing, prints what it says."""

from overnight.cli.base import main

__all__ = ["main"]
