"""Typed read models of a track: what every report, page and command shows."""
