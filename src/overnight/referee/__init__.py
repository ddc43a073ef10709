"""From paired evidence to a verdict: pure statistics, no clock, no files, no chance."""
