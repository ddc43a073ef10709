"""Overnight: autonomous research that can be believed."""

__version__ = "0.2.0"
