"""What `check` says about a track whose runs should report their progress."""

import pytest
from msgspec import UNSET

from conftest import CONTRACT
from overnight.lab.jobs import Measurement
from overnight.night.check import attempt, broken, good, problems
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


@pytest.mark.parametrize(("starved", "kind", "said"), [((0.4, 0.3, 0.2), "timing", True), ((0.4, 0.3, 0.05), "timing", False),
                                                       ((0.4, 0.3, 0.2), "noisy", False), ((UNSET,) * 3, "timing", False)])
def test_a_machine_that_is_too_busy_for_a_time_is_told(starved, kind, said):
    shares = iter(starved)
    runs = attempt("c0", lambda job: Measurement(job, outcome="ok", metrics={"loss": 1.0}, starved=next(shares)))
    contract = CONTRACT.replace("[metric]", f'[metric]\nkind = "{kind}"')
    assert ("for 20 % of its time or more each run waited for a core" in " ".join(problems(parse(contract), runs))) is said


@pytest.mark.parametrize(("fails", "made", "whole"), [((), 3, True), ((0,), 4, True), ((1,), 5, True), ((2,), 4, True),
                                                     ((0, 2), 6, True), ((0, 1, 2), 3, False), ((1, 2, 4), 5, False)])
def test_another_seed_takes_the_place_of_one_on_which_the_baseline_fails(fails, made, whole):
    def measured(job):
        failed = job.run in fails
        return Measurement(job, outcome="crash" if failed else "ok", reason="an odd seed" * failed, metrics={} if failed else {"loss": 1.0})

    runs = attempt("c0", measured)
    said = next(iter(problems(parse(CONTRACT), runs)))
    assert (len(runs), not broken(runs)) == (made, whole)
    if whole:
        first, again, other = (run.job.seed for run in good(runs))
        assert first == again != other
        assert said.startswith(f"the baseline failed in {len(fails)} of {made} runs (an odd seed)") == bool(fails)
    else:
        assert said == ("the baseline fails: an odd seed." if made == 3 else "the baseline fails on 3 of 5 seeds: an odd seed.")
