"""The command `overnight`: wiring only. Each command opens a session, calls one thing, prints what it says."""

from overnight.cli import audit, begin, look, night, outside, serving
from overnight.cli.base import main

__all__ = ["audit", "begin", "look", "main", "night", "outside", "serving"]
