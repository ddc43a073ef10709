"""What `check` says about a track whose runs should report their progress."""

import pytest

from conftest import CONTRACT
from overnight.lab.jobs import Measurement
from overnight.night.check import attempt, problems
from overnight.track.spec import parse

PROGRESS = CONTRACT + "\n[progress]\npattern = '^step (\\d+) loss (\\S+)'\n"


def notes(contract, reports):
    curve = tuple((float(n), 1.0) for n in range(reports))
    metrics = {"loss": 1.0, "cpu_seconds": 1.0, "peak_memory": 1.0}
    def measured(job):
        return Measurement(job, outcome="ok", metrics=metrics, curve=curve)

    return " ".join(problems(parse(contract), attempt("c0", measured)))


@pytest.mark.parametrize(("contract", "reports", "said"), [(PROGRESS, 0, True), (PROGRESS, 5, True), (PROGRESS, 6, False),
                                                           (CONTRACT, 0, False)])
def test_a_pattern_that_matches_next_to_nothing_is_told(contract, reports, said):
    assert (f"[progress] matches {reports} lines" in notes(contract, reports)) is said
