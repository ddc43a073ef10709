"""Nights with models that fail, as `python -m bench minds` has them, in small: real processes, real sockets, kill -9."""

from bench import minds

NEEDS = "night"


def test_a_night_against_a_server_that_fails_and_is_killed_loses_nothing_and_pays_what_the_server_says(tmp_path):
    found = minds.faults(tmp_path, 20, latency=0.05)
    assert found.whole, found
    assert found.proposed == 20 and found.server.malformed and found.server.limits and found.outcomes["outage"]


def test_a_bound_holds_over_a_kill_of_the_night(tmp_path):
    found = minds.budget(tmp_path, 60_000, latency=0.1)
    assert 60_000 / 3 < found.before[1] < found.journal <= found.tokens <= found.bound, found
    assert "what it used of its budget counts" in found.said and "has no room for another call" in found.said
