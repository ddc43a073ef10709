"""Turns the numbers and choices that are written in the code; needs no key."""

from overnight.researchers.knobs.propose import Knobs

__all__ = ["Knobs"]
