"""Small tools for text."""

from textlib.similar import nearest

__all__ = ["nearest"]
