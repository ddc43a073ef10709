"""Overnight in a browser and over HTTP: pages, an API, and what is new as it comes. `overnight serve` starts it."""
