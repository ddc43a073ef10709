"""Nights of format 1, as they were written, and the state that each replays to."""
