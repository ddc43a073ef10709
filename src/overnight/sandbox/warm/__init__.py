"""Warm starts: Python that has imported what a track names, and is forked for each run into a sandbox of its own."""
