"""Suites for those who write a part of their own: they inherit them, and pass."""
