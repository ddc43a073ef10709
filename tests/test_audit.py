"""The audit: its arithmetic against scipy, its verdicts on worlds whose truth is known, the command on planted nights."""

import json
import math
import random
import signal
import subprocess
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from conftest import CONTRACT, command, git, home, overnight, repository, sentence
from overnight.audit import run
from overnight.audit.arithmetic import Audit, Keep, Plan, Run, conclude, verdict
from overnight.errors import Fault
from overnight.journal import open as open_journal
from overnight.lab.events import Judged, Measured, Opened, Proposed, Started, Stopped
from overnight.lab.jobs import Measurement, Trouble
from overnight.lab.measurements import Experiment
from overnight.lab.state import State
from overnight.night.session import Session
from overnight.referee.estimates import Estimate, estimate
from overnight.repo import SEAM, Repo
from overnight.report import audit as audited
from overnight.report import files, morning
from overnight.testing.sandbox import processes

# ---- the arithmetic --------------------------------------------------------------------------------------------

NUMBERS = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 4)), min_size=2, max_size=30)


@given(NUMBERS)
def test_an_estimate_is_students_interval_of_the_mean(values):
    found = estimate(values)
    error = stats.sem(values)
    low, high = stats.t.interval(0.95, len(values) - 1, sum(values) / len(values), error) if error else (values[0],) * 2
    assert found.pairs == len(values)
    assert found.interval == (pytest.approx(low, rel=1e-6, abs=1e-6), pytest.approx(high, rel=1e-6, abs=1e-6))


@pytest.mark.parametrize("values", [[], [1.0]])
def test_nothing_is_estimated_from_fewer_than_two_pairs(values):
    assert estimate(values) is None


@pytest.mark.parametrize(("low", "high", "worthwhile", "word"), [
    (0.1, 0.3, 0.0, "holds"), (-0.1, 0.3, 0.0, "in doubt"), (-0.3, -0.1, 0.0, "dead weight"), (-0.1, 0.0, 0.0, "dead weight"),
    (0.0, 0.1, 0.0, "in doubt"), (0.1, 0.3, 0.05, "holds"), (-0.1, 0.05, 0.05, "in doubt"), (-0.1, 0.04, 0.05, "dead weight"),
    (0.01, 0.04, 0.05, "dead weight")])
def test_the_verdict_of_an_interval(low, high, worthwhile, word):
    assert verdict(Estimate((low + high) / 2, (low, high), 20), worthwhile) == word


# ---- verdicts on worlds whose truth is known -------------------------------------------------------------------

SEEDS = tuple(range(20))


def plan(claims=(1.0, 1.0), direction="maximize", worthwhile=0.1, withouts=None, seeds=SEEDS):
    """A frontier on which so much was claimed for each keep; `-1` is the commit without #1."""
    keeps = tuple(Keep((n,), f"change {n}", (f"k{n}",), claim, (claim - 0.1, claim + 0.1),
                       f"-{n}" if withouts is None else withouts[n - 1]) for n, claim in enumerate(claims, 1))
    return Plan("track", "score", "", direction, worthwhile, "base", "front", math.fsum(claims), keeps, (), seeds)


def test_an_audit_of_a_night_has_all_its_runs_audited():
    """Whatever the contract says of the runs of a night."""
    assert all(job.audited for job in run.jobs(plan(), "key"))


def runs(levels, noise=0.05, fails=(), seeds=SEEDS):
    """Runs of commits at these levels, with luck that they share and luck of their own."""
    lots, found = random.Random(2), []
    for seed in seeds:
        shared = lots.gauss(0, 3.0)
        for name, level in levels.items():
            bad = name in fails or (name, seed) in fails
            value = None if bad else level + shared + lots.gauss(0, noise)
            found.append(Run(name, seed, "crash" if bad else "ok", value, "it fell over" if bad else ""))
    return found


def words(audit):
    return " ".join(audited.lines(audit))


def test_keeps_that_add_up_hold_and_so_does_the_claim():
    found = conclude(plan(), runs({"base": 0, "front": 2, "-1": 1, "-2": 1}), 0.0)
    assert [f.verdict for f in found.findings] == ["holds", "holds"]
    assert (found.claim, found.sum) == ("holds", "add up")
    assert "claim holds: +2 lies in" in words(found) and "There is no dead weight." in words(found)


def test_less_is_better_where_the_track_says_so():
    levels = {"base": 0, "front": -2, "-1": -1, "-2": -1}
    found = conclude(plan(direction="minimize"), runs(levels), 0.0)
    assert found.total.effect == pytest.approx(2, abs=0.1) and found.findings[0].own.effect == pytest.approx(1, abs=0.1)


def test_two_keeps_of_which_either_would_do_overlap_and_only_one_may_go():
    found = conclude(plan((1.0, 0.5)), runs({"base": 0, "front": 1.5, "-1": 1.5, "-2": 1.5}), 0.0)
    assert found.sum == "overlap" and [f.verdict for f in found.findings] == ["dead weight", "dead weight"]
    assert "#1 and #2 overlap" in words(found) and "take out one of them and not all" in words(found)
    assert "`git revert --no-edit k2` or `git revert --no-edit k1`" in words(found)


def test_two_keeps_that_need_one_another_are_named_as_such():
    found = conclude(plan((0.5, 1.5)), runs({"base": 0, "front": 2, "-1": 0, "-2": 0}), 0.0)
    assert found.sum == "need one another" and "#1 and #2 need one another" in words(found)
    assert "#1 and #2 show more alone than was claimed" in words(found)


@pytest.mark.parametrize(("base", "first", "second", "sign"), [(0.1, 0.1, 0.2, 1), (0.1, 0.1, 0.1, -1)])
def test_the_rounding_of_sums_is_no_overlap(base, first, second, sign):
    levels = {"base": base, "front": base + first + second, "-1": base + second, "-2": base + first}
    found = conclude(plan(), [Run(c, s, "ok", v) for s in SEEDS for c, v in levels.items()], 0.0)
    assert found.sum == "add up" and sign * found.gap.effect > 0


@pytest.mark.parametrize(("claims", "claim", "said"), [
    ((1.5, 1.0), "too high", "claimed too much"), ((0.5, 1.0), "too low", "claimed too little"), ((1.0, 1.0), "holds", "holds")])
def test_the_claim_is_held_against_the_interval(claims, claim, said):
    found = conclude(plan(claims), runs({"base": 0, "front": 2, "-1": 1, "-2": 1}), 0.0)
    assert found.claim == claim and said in words(found) and "though" not in words(found)


def test_a_claim_that_misses_by_less_than_both_are_uncertain_is_excused():
    found = conclude(plan((1.05, 1.05)), runs({"base": 0, "front": 2, "-1": 1, "-2": 1}), 0.0)
    assert found.claim == "too high" and "though by no more than both are uncertain" in words(found)


def test_a_frontier_that_is_no_better_is_called_so():
    found = conclude(plan(), runs({"base": 0, "front": 0, "-1": 0, "-2": 0}), 0.0)
    assert "better than the baseline is not shown" in words(found)


def test_dead_weight_is_named_with_the_command_that_takes_it_out():
    found = conclude(plan((1.0, 0.2)), runs({"base": 0, "front": 1, "-1": 0, "-2": 1}), 0.0)
    assert [f.verdict for f in found.findings] == ["holds", "dead weight"]
    assert "Dead weight, worth less than 0.1: #2." in words(found) and "`git revert --no-edit k2` takes it out." in words(found)


def test_what_the_intervals_do_not_settle_is_in_doubt():
    found = conclude(plan((1.0, 0.2)), runs({"base": 0, "front": 1, "-1": 0, "-2": 0.95}, noise=0.6), 0.0)
    assert found.findings[1].verdict == "in doubt" and "`--seeds 80`" in words(found)


def test_code_that_never_runs_without_a_keep_needs_it():
    found = conclude(plan(), runs({"base": 0, "front": 2, "-1": 1, "-2": 1}, fails=["-1"]), 0.0)
    assert [f.verdict for f in found.findings] == ["needed", "holds"] and found.sum == "unknown"
    assert "20 of 20 runs without #1 failed: it fell over" in words(found)
    assert "needed: the code does not run without it" in words(found)


def test_a_keep_without_which_runs_fail_is_no_dead_weight():
    levels, some = {"base": 0, "front": 1, "-1": 0, "-2": 1}, [("-2", 0), ("-2", 1)]
    found = conclude(plan(), runs(levels, fails=some), 0.0)
    assert (found.findings[1].verdict, found.findings[1].own.pairs, found.findings[1].failed) == ("in doubt", 18, 2)


def test_a_run_that_fails_on_both_sides_is_held_against_nobody():
    found = conclude(plan(), runs({"base": 0, "front": 1, "-1": 0, "-2": 1}, fails=[("front", 0), ("-2", 0)]), 0.0)
    assert found.findings[1].verdict == "dead weight"


def test_a_frontier_that_does_not_run_leaves_everything_unknown():
    found = conclude(plan(), runs({"base": 0, "front": 1, "-1": 0, "-2": 1}, fails=["front"]), 0.0)
    assert found.total is None and [f.verdict for f in found.findings] == ["not measured"] * 2
    assert "unknown" in words(found) and "20 of 20 runs of the frontier failed" in words(found)


def test_what_cannot_be_taken_out_is_said_and_what_was_undone_weighs_nothing():
    three = plan((1.0, 1.0, 1.0), withouts=("", "front", "-3"))
    found = conclude(three, runs({"base": 0, "front": 2, "-3": 1}), 0.0)
    assert [f.verdict for f in found.findings] == ["cannot be taken out alone", "undone", "holds"]
    assert "unknown: #1 could not be measured alone" in words(found) and "No dead weight was found" in words(found)
    assert conclude(plan((1.0, 1.0), withouts=("front", "-2")), runs({"base": 0, "front": 1, "-2": 0}), 0.0).sum == "add up"


def grouped(levels, claims=(1.0, 1.0, 1.0)):
    """The conclusion where #1 goes only together with #2."""
    made = plan(claims, withouts=("", "-2", "-3"))
    group = Keep((1, 2), "", ("k1", "k2"), 2.0, (1.8, 2.2), "-1-2")
    return conclude(msgspec.structs.replace(made, groups=(group,)), runs(levels), 0.0)


def test_keeps_that_go_only_together_count_once():
    found = grouped({"base": 0, "front": 3, "-2": 2, "-3": 2, "-1-2": 1})
    assert [f.keep.label for f in found.parts] == ["#3", "#1+#2"] and found.sum == "add up"
    assert found.ones.effect == pytest.approx(3, abs=0.1)
    assert "#1+#2 together" in words(found) and "There is no dead weight." in words(found)


def test_keeps_that_are_dead_weight_together_are_named_once():
    found = grouped({"base": 0, "front": 1, "-2": 1, "-3": 0, "-1-2": 1})
    assert "Dead weight, worth less than 0.1: #1+#2." in words(found)
    assert "`git revert --no-edit k2 k1` takes it out." in words(found)


# ---- one number --------------------------------------------------------------------------------------------------


def exactly(levels, claims=(1.0, 1.0), **changes):
    """The conclusion where every seed gives one number."""
    made = msgspec.structs.replace(plan(claims), **changes)
    return conclude(made, [Run(c, s, "ok", v) for s in SEEDS for c, v in levels.items()], 0.0)


EXACT = {"base": 0.0, "front": 2.0, "-1": 1.0, "-2": 1.0}


def test_where_every_seed_gives_one_number_nothing_is_said_to_hold():
    found = exactly(EXACT)
    assert (found.claim, [f.verdict for f in found.findings]) == ("one number", ["one number", "one number"])
    assert "hold" not in words(found) and "was reproduced exactly; that says nothing about luck with the data" in words(found)


def test_where_the_program_fixes_its_seed_nothing_was_shown_about_others():
    found = exactly(EXACT, fixed_seeds=("train.py:3 random.seed(1)",), marks=("one seed only",))
    assert "hold" not in words(found) and "exact" not in words(found)
    assert '("train.py:3 random.seed(1)"). Nothing was shown about any other seed' in words(found)


def test_a_claim_that_was_not_found_again_is_said_to_be_so_whatever_the_seeds():
    assert exactly(EXACT, (1.5, 1.0)).claim == "too high" and exactly(EXACT, (0.5, 1.0)).claim == "too low"


def test_the_rounding_of_a_claim_is_no_other_number():
    assert exactly({"base": 0.1, "front": 0.1 + 0.2 + 0.3, "-1": 0.4, "-2": 0.3}, (0.2, 0.3)).claim == "one number"


def test_one_end_whose_number_varies_makes_it_an_ordinary_audit():
    levels = {"base": 0, "front": 2, "-1": 1, "-2": 1}
    mixed = [*(r for r in runs(levels) if r.commit != "front"), *(Run("front", s, "ok", 2.0) for s in SEEDS)]
    assert conclude(plan(), mixed, 0.0).claim != "one number"


def test_what_is_worth_nothing_on_the_one_seed_is_dead_weight_still():
    assert [f.verdict for f in exactly({**EXACT, "-1": 2.0}).findings] == ["dead weight", "one number"]


def test_an_audit_that_could_take_no_keep_out_alone_does_not_say_that_they_add_up():
    made = plan((1.0, 1.0), withouts=("", "-2"))
    group = Keep((1, 2), "", ("k1", "k2"), 2.0, (1.8, 2.2), "base")
    found = conclude(msgspec.structs.replace(made, groups=(group,)), runs({"base": 0, "front": 2, "-2": 1}), 0.0)
    assert found.sum == "not tested" and "add up" not in words(found).replace("whether they add up was not tested", "")
    assert "No keep could be taken out alone" in words(found)


def test_a_single_keep_has_nothing_to_add_up_with():
    found = conclude(plan((1.0,)), runs({"base": 0, "front": 1, "-1": 0}), 0.0)
    assert found.sum == "not tested" and "add up" not in words(found)


# ---- carrying it out -------------------------------------------------------------------------------------------


class Bench:
    """One place that answers at once; `answers` says what comes of a job."""

    def __init__(self, answers):
        self.answers, self.job, self.jobs = answers, None, []

    def idle(self):
        return [] if self.job else ["measure 1"]

    def start(self, job, _place):
        self.job = job
        self.jobs.append(job)

    def next(self, _timeout):
        job, self.job = self.job, None
        return self.answers(job, len(self.jobs))

    def close(self):
        pass


def good(job, _number):
    return Measurement(job, outcome="ok", metrics={"score": 1e300 if job.commit == "front" else 0.0})


def carry_out(bench, stopped=lambda: False):
    return run.measure(plan(), bench, stopped, lambda done: None)


def test_every_commit_runs_on_every_seed_and_none_is_always_first():
    bench = Bench(good)
    found = carry_out(bench)
    assert {(r.commit, r.seed) for r in found} == {(c, s) for c in ("base", "front", "-1", "-2") for s in SEEDS}
    assert len(found) == 80 and {bench.jobs[i].commit for i in range(0, 80, 4)} == {"base", "front", "-1", "-2"}
    assert conclude(plan(), found, 0.0).total.effect == 1e150  # finite, whatever a scorer says


def test_a_job_during_which_the_machine_failed_is_done_again():
    found = carry_out(Bench(lambda job, n: Trouble(job, "the disk is full.") if n % 3 else good(job, n)))
    assert len(found) == 80 and all(r.outcome == "ok" for r in found)


def test_a_machine_that_fails_again_and_again_ends_the_audit():
    with pytest.raises(Fault, match="3 times in a row: the disk is full"):
        carry_out(Bench(lambda job, n: Trouble(job, "the disk is full.")))


def test_a_commit_that_only_fails_is_left_alone_after_three_runs():
    slow = Bench(lambda job, n: Measurement(job, outcome="timeout", reason="slow") if job.commit == "-1" else good(job, n))
    found = carry_out(slow)
    assert sum(r.commit == "-1" for r in found) == 3 and len(found) == 63


def test_a_frontier_that_only_fails_ends_the_audit_early():
    found = carry_out(Bench(lambda job, n: Measurement(job, outcome="crash") if job.commit == "front" else good(job, n)))
    assert len(found) < 14


def test_nothing_more_is_started_once_it_is_stopped():
    bench = Bench(good)
    carry_out(bench, lambda: len(bench.jobs) >= 5)
    assert len(bench.jobs) == 5


def test_seeds_are_fresh_and_different(monkeypatch):
    lots = iter([7, 7, 8, 9, 9, 10])
    monkeypatch.setattr("secrets.randbits", lambda bits: next(lots))
    assert run.draw(3, [Measured(0.0, 1, 0, "base", 8, "race", outcome="ok")]) == (7, 9, 10)


# ---- taking a change out ---------------------------------------------------------------------------------------

LINES = "".join(f"L{n} = {n}\n" for n in range(8))


def stack(tmp_path, *texts):
    """A repository with these texts of one file in commits on top of one another."""
    repo = Repo(repository(tmp_path / "r", {"a.py": texts[0]}))
    made = [repo.head()]
    for text in texts[1:]:
        made.append(repo.commit(made[-1], {"a.py": text}, "a change"))
    return repo, made


@pytest.mark.git
@pytest.mark.parametrize(("first", "second"), [("L1 = 1", "L0 = 0"), ("L6 = 6", "L7 = 7")])
@pytest.mark.parametrize("shape", [lambda t: t, lambda t: t.rstrip("\n"), lambda t: t.replace("\n", "\r\n"),
                                   lambda t: t.replace("\n", "\n\n")], ids=["plain", "no-end", "crlf", "blank"])
def test_a_change_beside_another_is_taken_out_finely(tmp_path, first, second, shape):
    one = LINES.replace(first, first + "0")
    repo, (base, mine, tip) = stack(tmp_path, *map(shape, (LINES, one, one.replace(second, second + "0"))))
    made = repo.transplant(mine, base, tip, "without", finely=True)
    assert repo._store.blob(f"{made}:a.py") == shape(LINES.replace(second, second + "0")).encode()


@pytest.mark.git
def test_without_finesse_a_change_beside_another_conflicts(tmp_path):
    one = LINES.replace("L3 = 3", "L3 = 30")
    repo, (base, mine, tip) = stack(tmp_path, LINES, one, one.replace("L4 = 4", "L4 = 40"))
    assert repo.transplant(mine, base, tip, "without") == ""


@pytest.mark.git
def test_a_line_that_was_changed_again_conflicts_finely_too(tmp_path):
    repo, (base, mine, tip) = stack(tmp_path, *(LINES.replace("L3 = 3", f"L3 = {n}") for n in (3, 30, 31)))
    assert repo.transplant(mine, base, tip, "without", finely=True) == ""


@pytest.mark.git
def test_a_change_that_was_undone_leaves_the_frontier_as_it_is(tmp_path):
    repo, (base, mine, tip) = stack(tmp_path, LINES, LINES + "X = 1\n", LINES.replace("L0 = 0", "L0 = 9"))
    assert repo.transplant(mine, base, tip, "without") == tip


@pytest.mark.git
def test_a_file_that_holds_the_seam_is_not_merged_finely(tmp_path):
    texts = [t.replace("L7 = 7", SEAM.decode()) for t in (LINES, LINES.replace("L3 = 3", "L3 = 30"))]
    repo, (base, mine, tip) = stack(tmp_path, *texts, texts[1].replace("L4 = 4", "L4 = 40"))
    assert repo.transplant(mine, base, tip, "without", finely=True) == ""


@pytest.mark.git
def test_keeps_that_changed_the_same_lines_go_out_together(tmp_path):
    """#1 and #3 share a line, #3 and #4 another; #2 and #5 stand alone beside them."""
    states = ((0, 0, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0), (2, 1, 1, 0), (2, 1, 2, 0), (2, 1, 2, 1))
    texts = ["".join(f"{name} = {value}\n" for name, value in zip("PQRS", state, strict=True)) for state in states]
    repo, made = stack(tmp_path, *texts)
    kept = [Experiment(n, n - 1, made[n - 1], made[n], "knobs", f"step {n}") for n in range(1, 6)]
    tree = run.Keeps(repo, made[0], kept)
    assert [[e.id for e in group] for group in tree.groups()] == [[1, 3, 4], [2], [5]]
    assert repo.text(tree.without(kept[:1] + kept[2:4]), "a.py") == "P = 0\nQ = 1\nR = 0\nS = 1\n"
    assert tree.without(kept[:1]) == "" and repo.text(tree.without(kept[3:4]), "a.py") == texts[5].replace("R = 2", "R = 1")
    assert tree.without(kept) == made[0]
    assert git(tmp_path / "r", "log", "-1", "--format=%s", tree.without(kept[1:2])) == "Without #2: step 2"


# ---- the command, on planted nights ----------------------------------------------------------------------------

RUN = 'import os, settings\nopen(os.environ["OVERNIGHT_OUT"] + "/x", "w").write(repr(settings.VALUES))\n'
SCORE = """\
import ast, json, os, random
seed = os.environ["OVERNIGHT_SEED"]
text = open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x").read()
values = ast.literal_eval(text)
loss = 2 - 0.5 * (values["A"] > 1) - 0.1 * values["C"] - 0.2 * (values["E"] > 1)
noise = random.Random(seed).gauss(0, 1) + random.Random(seed + text).gauss(0, 0.0005)
print(json.dumps({"loss": loss + noise}))
"""
START = "A = 1\n#\n#\nB = 1\n#\n#\nC = 1\n#\n#\nD = 0\n#\n#\nE = 1\nVALUES = dict(A=A, B=B, C=C, E=E)\n"
STEPS = [  # (title, what is replaced, by what, the claimed effect)
    ("real", "A = 1", "A = 2", 0.5),
    ("nothing but luck", "B = 1", "B = 2", 0.1),
    ("first half", "C = 1", "C = 2", 0.1),
    ("second half", "C = 2", "C = 3", 0.1),
    ("groundwork", "D = 0", "HELP = 2", 0.02),
    ("what stands on it", "E = 1", "E = HELP", 0.2),
]


def planted(folder, steps, run=RUN):
    """A repository with the journal and the branch that a night with these keeps would have left."""
    text = START
    repository(folder, {"track.toml": CONTRACT, "settings.py": text, "run.py": run, "score.py": SCORE})
    repo, base = Repo(folder), git(folder, "rev-parse", "HEAD")
    (home(folder) / "logs").mkdir(parents=True)
    (home(folder) / "logs" / "1.log").write_text("of the night")
    events = [Opened(0.0, "little", base, CONTRACT, "key"), Started(0.0, 1, "bubblewrap", "0"),
              Measured(0.0, 1, 0, base, 77, "calibrate", outcome="ok", metrics={"loss": 1.9}, busy=0.02)]
    at, tip = 0, base
    for number, (title, old, new, effect) in enumerate(steps, 1):
        text = text.replace(old, new)
        commit = repo.commit(tip, {"settings.py": text}, title)
        events += [Proposed(0.0, number, at, tip, commit=commit, researcher="knobs", message=title),
                   Judged(0.0, number, "keep", "better on fresh seeds", effect, (effect - 0.01, effect + 0.01), 6, 3)]
        at, tip = number, commit
    git(folder, "update-ref", "refs/heads/overnight/little", tip)
    journal = open_journal(home(folder) / "journal.db")
    journal.extend([*events, Stopped(1.0, 1.0)])
    journal.close()
    return folder


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """(folder, what `overnight audit --json` printed, what was there before) of a night with every kind of keep."""
    folder = planted(tmp_path_factory.mktemp("audit") / "little", STEPS)
    (folder / "notes.txt").write_text("untracked")
    before = (folder / ".git/index").read_bytes(), git(folder, "for-each-ref"), git(folder, "status", "--porcelain")
    done = overnight("audit", folder, "--seeds", 5, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("audit of little: 8 commits on 5 fresh seeds are 40 runs, about ")
    return folder, msgspec.json.decode(done.stdout, type=Audit), before


@pytest.mark.night
def test_an_audit_tells_the_real_keep_from_the_dead_weight(checked):
    verdicts = {f.keep.title: f.verdict for f in checked[1].findings}
    assert verdicts == {"real": "holds", "nothing but luck": "dead weight", "first half": "cannot be taken out alone",
                        "second half": "holds", "groundwork": "needed", "what stands on it": "holds"}


@pytest.mark.sandbox
def test_an_audit_finds_the_true_effects(checked):
    found = checked[1]
    assert found.total.effect == pytest.approx(0.9, abs=0.01) and found.total.pairs == 5
    own = {f.keep.title: f.own.effect for f in found.findings if f.own}
    (half,) = found.groups
    assert half.keep.label == "#3+#4" and half.own.effect == pytest.approx(0.2, abs=0.01) and half.verdict == "holds"
    assert own == {"real": pytest.approx(0.5, abs=0.01), "nothing but luck": pytest.approx(0, abs=0.01),
                   "second half": pytest.approx(0.1, abs=0.01), "what stands on it": pytest.approx(0.2, abs=0.01)}
    assert found.plan.claimed == pytest.approx(1.02) and found.claim == "too high"


@pytest.mark.sandbox
def test_a_stranger_can_calculate_it_again(checked):
    found = json.loads(msgspec.json.encode(checked[1]))
    of = {c: {r["seed"]: r["value"] for r in found["runs"] if r["commit"] == c} for c in
          (found["plan"]["baseline"], found["plan"]["frontier"])}
    first, now = of.values()
    assert sorted(first) == sorted(now) == sorted(found["plan"]["seeds"]) and 77 not in first
    gains = [first[s] - now[s] for s in first]
    low, high = stats.t.interval(0.95, 4, sum(gains) / 5, stats.sem(gains))
    assert found["total"]["interval"] == [pytest.approx(low), pytest.approx(high)]


@pytest.mark.sandbox
def test_a_code_that_does_not_run_is_tried_no_more_than_need_be(checked):
    (needed,) = (f for f in checked[1].findings if f.verdict == "needed")
    assert needed.failed == needed.runs and 3 <= needed.runs <= 5 and "HELP" in needed.reason


@pytest.mark.night
def test_an_audit_leaves_everything_but_its_own_files_as_it_was(checked):
    folder, _, before = checked
    assert before == ((folder / ".git/index").read_bytes(), git(folder, "for-each-ref"), git(folder, "status", "--porcelain"))
    assert (home(folder) / "logs/1.log").read_text() == "of the night"
    assert overnight("log", folder, "--verify").returncode == 0


@pytest.mark.sandbox
def test_the_words_name_the_dead_weight_and_the_command(checked):
    folder, found, _ = checked
    said = list(audited.lines(found))
    weight = next(f for f in found.findings if f.verdict == "dead weight")
    assert "#2" in said[-1] and f"`git revert --no-edit {weight.keep.commits[0][:10]}` takes it out." in said[-1]
    git(folder, "worktree", "add", "-q", "--detach", folder.parent / "look", "overnight/little")
    git(folder.parent / "look", "revert", "--no-edit", weight.keep.commits[0][:10])
    assert "B = 1" in (folder.parent / "look/settings.py").read_text()


@pytest.mark.night
def test_the_report_shows_the_audit_of_the_present_frontier_and_of_no_other(checked, tmp_path):
    folder, found, _ = checked
    assert overnight("report", folder, "--to", tmp_path).returncode == 0
    text = (tmp_path / "report.md").read_text()
    assert "## Audit" in text and "| #2 `nothing but luck` |" in text and "dead weight" in text
    lab = Session(folder).read()
    assert audited.load(home(folder) / "audit.json", lab) == found
    lab.commit = "0" * 40
    assert audited.load(home(folder) / "audit.json", lab) is None
    assert "## Audit" not in morning.report_md(files.read(lab, folder), "x.png")


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b"\xff"])
def test_a_file_that_is_no_audit_is_passed_over(tmp_path, content):
    if content is not None:
        (tmp_path / "audit.json").write_bytes(content)
    assert audited.load(tmp_path / "audit.json", State()) is None


@pytest.mark.sandbox
def test_words_of_a_candidate_cannot_leave_their_cell(checked, tmp_path):
    hostile = "| `x` <b>\x1b[31m\n| y"
    plan = msgspec.structs.replace(checked[1].plan, groups=(), keeps=(msgspec.structs.replace(checked[1].plan.keeps[0], title=hostile),))
    found = conclude(plan, [Run(r.commit, r.seed, "crash", None, hostile) for r in checked[1].runs], 0.0)
    assert "\x1b" not in "".join(audited.lines(found))
    report = msgspec.structs.replace(files.read(Session(checked[0]).read(), tmp_path), audit=found)
    (row,) = [x for x in morning.report_md(report, "x.png").splitlines() if x.startswith("| #1 ")]
    assert row.count("|") == 5 and "\x1b" not in row


@pytest.mark.night
def test_a_single_keep_is_the_whole_and_marks_stay_beside_the_numbers(tmp_path):
    folder = planted(tmp_path / "little", STEPS[:1])
    done = overnight("audit", folder, "--seeds", 3, "--sandbox", "none")
    assert done.returncode == 0, done.stderr
    assert "2 commits on 3 fresh seeds are 6 runs" in done.stderr and "6 runs (unsandboxed)" in done.stdout
    assert "There is no dead weight." in done.stdout
    found = audited.load(home(folder) / "audit.json", Session(folder).read())
    assert found.findings[0].own == found.total and found.findings[0].verdict == "holds"


@pytest.mark.night
def test_where_nothing_was_kept_there_is_nothing_to_audit(tmp_path):
    assert "nothing was kept yet, so there is nothing to audit" in sentence(overnight("audit", planted(tmp_path / "r", [])))


@pytest.mark.night
def test_where_nothing_was_run_it_says_so(little):
    assert "nothing was run here yet" in sentence(overnight("audit", little))


@pytest.mark.night
def test_a_commit_that_is_gone_is_one_sentence(tmp_path):
    folder = planted(tmp_path / "little", STEPS[:1])
    tip = git(folder, "rev-parse", "overnight/little")
    (folder / ".git/objects" / tip[:2] / tip[2:]).unlink()
    done = overnight("audit", folder, "--seeds", 2)
    assert done.returncode == 2 and not done.stdout and len(done.stderr.splitlines()) == 2
    assert f"overnight: the machine failed 3 times in a row: {tip[:7]} could not be checked out" in done.stderr


@pytest.mark.night
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    folder = planted(tmp_path / "little", STEPS[:1])
    (home(folder) / "audit").write_text("in the way")
    assert "audit cannot be written" in sentence(overnight("audit", folder, "--seeds", 2))


@pytest.mark.night
def test_ctrl_c_ends_an_audit_within_seconds_and_leaves_nothing(tmp_path):
    folder = planted(tmp_path / "little", STEPS[:2], RUN + "import time\ntime.sleep(3)\n")
    before = git(folder, "for-each-ref")
    process = subprocess.Popen(command("audit", folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline().startswith("audit of little")
    assert "is at work on this track" in sentence(overnight("audit", folder))
    process.send_signal(signal.SIGINT)
    since = time.monotonic()
    out, err = process.communicate(timeout=10)
    assert time.monotonic() - since < 3 and process.returncode == 2 and not out
    assert err.strip() == "overnight: stopped by SIGINT; nothing was written, so run it again from the start."
    assert git(folder, "for-each-ref") == before and not (home(folder) / "audit.json").exists()
    assert not processes(str(folder))
