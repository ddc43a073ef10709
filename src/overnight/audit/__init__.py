"""A night measured again: the arithmetic (pure) and the runs."""
