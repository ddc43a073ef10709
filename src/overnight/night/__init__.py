"""The one place that wires a night: its track's folder, its lab, its workers and what follows from events."""
