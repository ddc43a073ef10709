"""Ideas from elsewhere, and whether two are the same."""
