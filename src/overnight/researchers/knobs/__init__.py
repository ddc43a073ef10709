"""Turns the numbers and choices that are written in the code; needs no key."""
