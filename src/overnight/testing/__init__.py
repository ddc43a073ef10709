"""Suites for parts of your own: their tests inherit them, and pass."""
