"""One run and one proposal: what carries out the jobs of a lab."""
