"""One toy for each way in which Overnight grows: CONTRIBUTING.md shows how each is added, tests/test_contributing.py does so."""
