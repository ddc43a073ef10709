"""The holdout: asked before a keep, answered with one bit, and a monitor for the user alone."""

import json
import math
import random
import re
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import CONTRACT, LITTLE, commit, home, overnight, repository, sentence
from fakes import CONTRACT as FAKE
from fakes import FakeWorld, Idea, Night, lots_of, team
from overnight.contracts import Change
from overnight.errors import TrackError
from overnight.execution.runner import Runner
from overnight.lab.events import Event, Judged, Measured
from overnight.lab.flight import Budget
from overnight.lab.jobs import Measure, Propose, Rebase
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.night import night as wired
from overnight.night.session import Session
from overnight.referee import holdout
from overnight.referee.decision import Evidence, Policy, Ruling
from overnight.referee.holdout import DENIED, UNCHECKED, Asked, OverfittingMonitor, read
from overnight.repo import Repo
from overnight.report import tables
from overnight.track import spec
from overnight.track.load import load
from overnight.views import holdout as overfitting
from overnight.views import public
from overnight.views.experiment import experiment, history, line
from overnight.views.track import track

HELD = FAKE + 'holdout = "unseen.txt"\n'
KEEP = Ruling("keep", "better on fresh seeds", 1.0, (0.5, 1.5), 60.0)
NOISY = Evidence((1.0,) * 4, (1.0,) * 4, 0.01)
LIGHTER = Evidence((1.0,) * 4, (1.0,) * 4, 0.01, worthwhile=0.5, simplifies=True)


def pairs(*held, here=1.0):
    return tuple((here, there) for there in held)


# ---- the rule --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("held", "verdict"), [
    ((1.0, 1.0, 1.0, 1.0), "keep"),
    ((0.5, 0.5, 0.5, 0.5), "keep"),
    ((0.4, 0.4, 0.4, 0.4), "discard"),
    ((0.0, 0.0, 0.0, 0.0), "discard"),
    ((2.0, 2.0, 2.0, -math.inf), "discard"),
])
def test_a_keep_takes_half_of_its_gain_on_the_holdout_and_a_number_on_each_seed(held, verdict):
    assert holdout.checked(KEEP, pairs(*held), NOISY, Policy()).verdict == verdict


def test_one_run_that_diverged_does_not_decide_alone():
    assert holdout.checked(KEEP, pairs(1.0, 1.1, 0.9, 1.0, -1e4), NOISY, Policy()).verdict == "keep"


@pytest.mark.parametrize(("effect", "there", "verdict"), [(-0.1, -0.1, "keep"), (-0.1, -0.35, "discard")])
def test_a_simplification_may_be_a_little_worse_there_too(effect, there, verdict):
    ruling = msgspec.structs.replace(KEEP, effect=effect)
    assert holdout.checked(ruling, pairs(*[there] * 4, here=effect), LIGHTER, Policy()).verdict == verdict


def test_what_could_not_be_checked_is_not_kept_and_says_so():
    assert holdout.checked(KEEP, (), NOISY, Policy()).reason == UNCHECKED


@given(st.lists(st.floats(-1e9, 1e9) | st.just(-math.inf), min_size=1, max_size=8))
def test_the_answer_is_one_bit_and_a_sentence_without_a_number(held):
    ruling = holdout.checked(KEEP, pairs(*held), NOISY, Policy())
    assert ruling in (KEEP, msgspec.structs.replace(KEEP, verdict="discard", reason=DENIED))
    assert not re.search(r"\d", DENIED + UNCHECKED)


@pytest.mark.parametrize("kind", ["deterministic", "success"])
def test_without_noise_or_with_successes_the_plain_mean_counts(kind):
    told = msgspec.structs.replace(NOISY, kind=kind, variance=0.0)
    assert holdout.checked(KEEP, pairs(0.0, 0.0, 0.0, 2.0), told, Policy()).verdict == "keep"


# ---- the monitor -------------------------------------------------------------------------------------------------


def asked(count, share, spread=0.0, kept=True):
    lots = random.Random(7)
    return [Asked(n, kept, tuple((1.0 + e, share + e + lots.gauss(0, spread)) for e in (0.1, -0.1, 0.05, -0.05)))
            for n in range(count)]


def test_the_gauge_is_the_share_of_all_that_was_kept():
    found = read(asked(4, 0.75))
    assert (found.keeps, found.here, found.there, found.share) == pytest.approx((4, 4.0, 3.0, 0.75))


def test_its_interval_narrows_with_the_keeps():
    widths = [read(asked(count, 0.8, 0.2)).interval for count in (3, 30)]
    assert widths[1][1] - widths[1][0] < (widths[0][1] - widths[0][0]) / 2


def test_the_interval_covers_the_truth_as_often_as_it_says():
    lots, covered = random.Random(3), 0
    for _ in range(400):
        night = [Asked(n, True, tuple((1 + lots.gauss(0, 0.3), 0.6 + lots.gauss(0, 0.3)) for _ in range(4))) for n in range(8)]
        low, high = read(night).interval
        covered += low <= 0.6 <= high
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize("kept", [[], asked(2, 0.5), [Asked(n, True, ((1.0, 0.5),)) for n in range(9)],
                                  [Asked(n, True, ((-1.0, -1.0), (-1.0, -1.0))) for n in range(9)]],
                         ids=["none", "two", "one pair each", "simplifications alone"])
def test_few_keeps_tell_no_interval(kept):
    assert read(kept).interval is None


def test_what_was_denied_is_counted_and_not_read():
    monitor = OverfittingMonitor([*asked(3, 1.0), *asked(2, -math.inf, kept=False)])
    assert (monitor.denied, monitor.read().share) == (2, pytest.approx(1.0))


# ---- simulated nights ------------------------------------------------------------------------------------------


def memorising(lots):
    """Some changes are real, some only learn the scorer's answers, some do nothing."""
    return Idea(gain=lots.choice((3.0, 3.0, 0.0)), correlation=0.9, carries=lots.choice((1.0, 1.0, 0.0, -1.0)))


def all_or_nothing(lots):
    """The same, where what is learnt by heart does as much harm elsewhere."""
    idea = memorising(lots)
    return Idea(idea.gain, idea.correlation, carries=idea.carries or -1.0)


def night(scale=1.0, seed=1, experiments=40, ideas=memorising, **more):
    return Night(FakeWorld(seed, ideas, holdout=scale), contract=HELD, **more).go(experiments=experiments)


@pytest.mark.parametrize("seed", range(5))
def test_what_only_learns_the_answers_is_discarded_and_what_is_real_is_kept(seed):
    found = night(seed=seed)
    told = [(found.world.ideas_of[e.commit].carries, e) for e in found.lab.state.experiments.values()]
    assert {e.verdict for carries, e in told if carries <= 0} == {"discard"}
    assert all(carries == 1 for carries, e in told if e.verdict == "keep") and found.lab.state.counts["keep"] > 2
    assert {carries for carries, e in told if e.reason == DENIED} <= {0.0, -1.0}
    assert any(e.reason == DENIED for _, e in told)


def test_without_a_holdout_they_are_kept():
    found = Night(FakeWorld(1, memorising), contract=FAKE).go(experiments=40)
    assert any(found.world.ideas_of[e.commit].carries <= 0 for e in found.lab.state.experiments.values() if e.verdict == "keep")


def readable(found):
    """All that a researcher may ever read of a night, to the last digit."""
    briefs = [msgspec.json.encode(j.brief) for j in found.jobs if isinstance(j, Propose | Rebase)]
    shown = [experiment(found.lab.state, e) for e in found.lab.state.experiments.values()]
    return briefs, shown, [line(e) for e in shown], tables.results_tsv(history(found.lab.state)), msgspec.structs.replace(
        track(found.lab.state), holdout=None)


@pytest.mark.parametrize("scale", [0.8, 3.0, 20.0])
def test_researchers_read_the_same_whatever_the_numbers_on_the_holdout_are(scale):
    assert readable(night(scale, ideas=all_or_nothing)) == readable(night(ideas=all_or_nothing))


def test_the_pairs_are_asked_for_and_run_in_the_same_order_whatever_the_holdout_holds():
    first, other = (msgspec.json.encode(night(scale, ideas=all_or_nothing).jobs) for scale in (1.0, 3.0))
    assert first == other


def test_no_job_and_no_metric_names_a_number_on_the_holdout():
    found = night(math.pi)
    numbers = {repr(r.holdout) for r in found.runs if r.holdout is not None}
    assert len(numbers) > 30
    told = msgspec.json.encode(found.jobs).decode() + repr([(r.metrics, r.paired_metrics, r.reason) for r in found.runs]) + repr(
        [e for e in found.events if isinstance(e, Judged)])
    assert not [n for n in numbers if n in told]


def test_the_holdout_is_asked_only_where_the_referee_would_keep():
    found = night()
    assert all(e.fresh_pairs and e.e_value and e.e_value > 5 for e in found.lab.state.experiments.values() if e.reason == DENIED)
    assert len(found.lab.state.monitor.asked) == found.lab.state.counts["keep"] + sum(
        e.reason == DENIED for e in found.lab.state.experiments.values())


def test_a_replay_knows_the_same_gauge_and_verdicts():
    found, again = night(measure_slots=3), Lab(State(), team("r"))
    for event in found.events:
        again.apply(event)
    assert again.state.monitor == found.lab.state.monitor and len(again.state.monitor.asked) > 5
    assert again.state.known.held == found.lab.state.known.held
    assert {k: e.reason for k, e in again.state.experiments.items()} == {k: e.reason for k, e in found.lab.state.experiments.items()}


def test_a_veto_that_a_kill_left_unwritten_is_given_at_the_next_start():
    events = night().events
    at = next(i for i, e in enumerate(events) if isinstance(e, Judged) and e.reason == DENIED)
    lab = Lab(State(), team("r"))
    for event in events[:at]:
        lab.apply(event)
    given_now = lab.begin(Budget(), 5.0)[0]
    assert msgspec.structs.replace(given_now, at=events[at].at) == events[at]


def test_a_record_of_before_there_were_holdout_numbers_still_replays():
    old = [msgspec.structs.replace(e, holdout=None, paired_holdout=None) if isinstance(e, Measured) else e
           for e in Night(FakeWorld(1, memorising), contract=HELD.replace("holdout", "private").replace(
               '"unseen.txt"', '["unseen.txt"]')).go(experiments=20).events]
    body = msgspec.json.encode(old).replace(b'private = [\\"unseen.txt\\"]', b'holdout = \\"unseen.txt\\"')
    lab = Lab(State(), team("r"))
    for event in msgspec.json.decode(body, type=list[Event]):
        lab.apply(event)
    assert lab.state.track.holdout == "unseen.txt" and lab.state.counts["keep"] > 0 and lab.state.monitor.asked == []


def test_a_time_is_held_against_the_run_beside_it():
    contract = HELD.replace('"minimize"', '"minimize"\nkind = "timing"')
    found = Night(FakeWorld(1, memorising, holdout=1.0, drift=0.5), contract=contract, measure_slots=1).go(experiments=12)
    told = {(found.world.ideas_of[e.commit].carries > 0, e.verdict == "keep") for e in found.lab.state.experiments.values()
            if found.world.ideas_of[e.commit].gain and (e.verdict == "keep" or e.reason == DENIED)}
    assert told == {(True, True), (False, False)}


def test_a_candidate_without_a_number_there_is_denied():
    class Mute(FakeWorld):
        def held(self, commit, job):
            return None if job.stage == "confirm" and commit != "c0" else super().held(commit, job)

    found = Night(Mute(1, lambda lots: Idea(gain=3.0, correlation=0.9), holdout=1.0), contract=HELD).go(experiments=3)
    assert {e.reason for e in found.lab.state.experiments.values()} == {DENIED}
    pairs = found.lab.state.experiments[1].fresh_pairs
    assert pairs > 1 and f"{pairs} of {pairs} runs gave no number" in overfitting.answer(overfitting.holdout(found.lab.state), 1)


def test_climbing_by_chance_is_rare():
    """Changes whose gain is all learnt: on the holdout each is nothing but luck that its runs do not share."""
    class Luck(FakeWorld):
        def held(self, commit, job):
            known = super().held(commit, job)
            own = lots_of("holdout", commit, job.seed).gauss(0, 0.5)
            return None if known is None else known + own

    kept = asked_ = 0
    for seed in range(6):
        found = Night(Luck(seed, lambda lots: Idea(gain=2.0, correlation=0.9, carries=0.0), holdout=1.0), contract=HELD)
        found.go(experiments=40)
        kept, asked_ = kept + found.lab.state.counts["keep"], asked_ + len(found.lab.state.monitor.asked)
    assert asked_ > 100 and kept / asked_ < 0.05


# ---- one run ---------------------------------------------------------------------------------------------------

FITS = CONTRACT + 'private = ["seen.txt"]\nholdout = "unseen.txt"\n'
ASK = FITS + '[oracle]\ncommand = ["python", "-S", "-E", "oracle.py"]\n'
MODEL = "SLOPE = 1.0\nANSWERS = {}\n"
FIT_RUN = """\
import json, os, model
with open(os.environ["OVERNIGHT_OUT"] + "/x", "w") as out:
    json.dump([model.SLOPE, model.ANSWERS], out)
"""
FIT_SCORE = """\
import json, os, random, sys
slope, answers = json.load(open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x"))
data = [line.split() for line in open(os.environ.get("OVERNIGHT_HOLDOUT", "seen.txt"))]
off = [abs(float(y) - answers.get(x, slope * float(x))) for x, y in data]
luck = random.Random(os.environ["OVERNIGHT_SEED"]).gauss(0, 0.02)
loss = sum(off) / len(off) + luck
print("the scorer says", loss, file=sys.stderr)
print(json.dumps({"loss": loss}))
"""


def sample(seed):
    lots = random.Random(seed)
    xs = [lots.uniform(0, 2) for _ in range(20)]
    return "".join(f"{x:.6f} {3 * x + lots.gauss(0, 0.3):.6f}\n" for x in xs)


FIT = LITTLE | {"track.toml": FITS.replace("settings.py", "model.py"), "model.py": MODEL, "run.py": FIT_RUN,
                "score.py": FIT_SCORE, "seen.txt": sample(1), "unseen.txt": sample(2)}


@pytest.fixture
def fit(tmp_path):
    """A line to be fitted, with points for the scorer and points for the holdout."""
    return repository(tmp_path / "fit", FIT)


def measured(folder, sandbox, stage, files=None):
    repo = Repo(folder)
    judge = repo.head()
    head = commit(folder, files) if files else judge
    runner = Runner(load(folder), repo, sandbox, judge, home(folder))
    return runner.measure(Measure(1, 1, head, 7, stage)), runner


@pytest.mark.sandbox
@pytest.mark.parametrize(("stage", "scored"), [("calibrate", True), ("screen", False), ("race", False), ("confirm", True),
                                               ("check", False)])
def test_the_holdout_is_scored_where_a_keep_may_follow_and_when_a_track_begins(fit, bubblewrap, stage, scored):
    run, _ = measured(fit, bubblewrap, stage)
    assert run.outcome == "ok" and (run.holdout is not None) == scored
    assert run.holdout not in run.metrics.values()


@pytest.mark.sandbox
def test_no_tree_holds_the_holdout_and_only_its_own_scoring_sees_it(fit, bubblewrap):
    look = "import json, os\nprint(json.dumps({'loss': 10 * os.path.exists('unseen.txt') + os.path.exists('seen.txt') " \
           "+ 100 * ('OVERNIGHT_HOLDOUT' in os.environ)}))\n"
    commit(fit, {"score.py": look})
    run, runner = measured(fit, bubblewrap, "confirm")
    assert (run.metrics["loss"], run.holdout) == (1, 101)
    assert not list(runner.trees.rglob("unseen.txt"))


@pytest.mark.sandbox
def test_it_is_the_holdout_of_the_contract_and_not_of_the_candidate(fit, bubblewrap):
    run, _ = measured(fit, bubblewrap, "confirm")
    other, _ = measured(fit, bubblewrap, "confirm", {"unseen.txt": "1 1\n"})
    assert run.holdout == other.holdout


@pytest.mark.sandbox
def test_nothing_that_is_said_on_the_holdout_is_kept_in_the_log(fit, bubblewrap):
    run, _ = measured(fit, bubblewrap, "confirm")
    log = run.logs["score"].decode()
    assert f"the scorer says {run.metrics['loss']}" in log and str(run.holdout) not in log and log.count("says") == 1


@pytest.mark.sandbox
def test_an_oracle_cannot_carry_the_questions_of_the_holdout_out(fit, bubblewrap):
    asks = "import json, os\nask, answer = (os.fdopen(int(os.environ[n]), m) for n, m in (('OVERNIGHT_ASK', 'w'), " \
           "('OVERNIGHT_ANSWER', 'r')))\nprint(open(os.environ.get('OVERNIGHT_HOLDOUT', 'seen.txt')).readline(), file=ask, " \
           "flush=True)\nprint(json.dumps({'loss': len(answer.readline())}))\n"
    tells = "import os, sys\nline = input()\nprint(line, file=sys.stderr, flush=True)\nassert 'OVERNIGHT_HOLDOUT' not in " \
            "os.environ\nprint(line, flush=True)\ninput()\n"
    commit(fit, {"track.toml": ASK.replace("settings.py", "model.py"), "score.py": asks, "oracle.py": tells})
    run, _ = measured(fit, bubblewrap, "confirm")
    log = run.logs["score"].decode()
    assert run.holdout == run.metrics["loss"] and FIT["seen.txt"].splitlines()[0] in log
    assert FIT["unseen.txt"].splitlines()[0] not in log


BROKEN = FIT_SCORE + "if 'OVERNIGHT_HOLDOUT' in os.environ: raise SystemExit('no such columns')\n"


@pytest.mark.sandbox
@pytest.mark.parametrize("ends", [BROKEN, BROKEN.replace("raise", "print(1);raise"), FIT_SCORE.replace(
    '{"loss": loss}', '{"loss": loss} if "OVERNIGHT_HOLDOUT" not in os.environ else {"foul": "caught"}')])
def test_a_candidate_that_fails_on_the_holdout_has_no_number_and_no_reason(fit, bubblewrap, ends):
    commit(fit, {"score.py": ends})
    run, _ = measured(fit, bubblewrap, "confirm")
    assert (run.outcome, run.reason, run.holdout) == ("ok", "", None) and run.metrics["loss"]


@pytest.mark.night
def test_a_baseline_that_cannot_be_scored_on_the_holdout_is_a_problem_at_once(fit):
    commit(fit, {"score.py": FIT_SCORE.replace("print(json", "assert 'OVERNIGHT_HOLDOUT' not in os.environ\nprint(json")})
    assert "the baseline fails: on the holdout, the scorer ended with status 1: AssertionError" in sentence(
        overnight("run", fit, "--experiments", 1))


# ---- a real night ----------------------------------------------------------------------------------------------


class Scripted:
    """Proposes what it is told, and remembers every brief."""

    name = "placebo"

    def __init__(self, *texts):
        self.texts, self.briefs = list(texts), []

    def propose(self, brief):
        self.briefs.append(brief)
        return Change({"model.py": self.texts.pop(0)}, "a change") if self.texts else None


def learnt_by_heart():
    answers = dict(line.split() for line in FIT["seen.txt"].splitlines())
    return f"SLOPE = 1.0\nANSWERS = {({x: float(y) for x, y in answers.items()})!r}\n"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A night in the real sandbox with one change that knows the scorer's answers by heart and one that is honest."""
    from overnight.sandbox.bubblewrap import Bubblewrap
    folder = repository(tmp_path_factory.mktemp("holdout") / "fit", FIT)
    box, who, lines = Bubblewrap(), Scripted(learnt_by_heart(), MODEL.replace("1.0", "2.9")), []
    box.probe()
    session = Session(folder)
    with session.writing(), wired.Night(session, box, 2) as night:
        night.lab.organise(team("placebo"))
        night.executor.desk.team.researchers = {"placebo": who}
        night.run(Budget(time.monotonic() + 60), lines.extend)
        events = list(session.journal.replay())
    return folder, night.lab, who, events


@pytest.mark.sandbox
def test_what_knows_the_answers_by_heart_is_discarded_and_the_honest_change_kept(real):
    _, lab, _, _ = real
    assert [(e.verdict, e.reason == DENIED) for e in lab.state.experiments.values()] == [("discard", True), ("keep", False)]
    assert lab.state.experiments[1].effect > 0.1  # by what is shown to researchers it was better


@pytest.mark.night
def test_no_number_of_the_holdout_is_anywhere_but_in_the_journal(real):
    folder, _, who, events = real
    numbers = {repr(e.holdout) for e in events if isinstance(e, Measured) and e.holdout is not None}
    assert len(numbers) > 10
    told = "".join(msgspec.json.encode(b).decode() for b in who.briefs)
    assert DENIED in told
    for verb in ("log", "status"):
        told += overnight(verb, folder).stdout + (overnight(verb, folder, "--json").stdout if verb == "log" else "")
    overnight("report", folder)
    told += (home(folder) / "report/results.tsv").read_text()
    told += "".join(p.read_text() for p in (home(folder) / "logs").iterdir())
    assert [n for n in numbers if n in told] == []


@pytest.mark.night
def test_the_user_is_shown_what_the_researchers_are_not(real):
    folder, lab, _, _ = real
    found = json.loads(overnight("status", folder, "--json").stdout)["holdout"]
    assert (found["keeps"], found["asked"], found["denied"], found["interval"]) == (1, 2, 1, None)
    assert 0.8 < found["share"] < 1.2
    said = overnight("status", folder).stdout
    assert "carries over (too few keeps to tell); 2 asked, 1 denied" in said
    shown = overnight("show", "1", folder).stdout
    assert f"Why: {DENIED}." in shown and "On the holdout the same runs gain " in shown and overfitting.PRIVATE in shown
    assert "a keep would have taken" not in shown
    overnight("report", folder)
    report = (home(folder) / "report/report.md").read_text()
    assert "## Overfitting" in report and "**Better, but not on the holdout**: 1 experiment" in report
    seen = public.experiment(lab.state, lab.state.experiments[1], [], lambda name: "")
    assert DENIED in seen.verdict.reason and not {"holdout", "score_log_tail"} & set(msgspec.structs.asdict(seen))
    assert not any("holdout" in sentence for sentence in seen.evidence)


@pytest.mark.night
def test_an_audit_leaves_the_holdout_alone(real):
    folder, _, _, events = real
    done = overnight("audit", folder, "--seeds", 3)
    assert done.returncode == 0 and "holdout" not in done.stdout
    assert events == list(Session(folder).journal.replay())


# ---- the contract ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ['name = "cpu_seconds"', 'name = "loss"\nfrom = "output"\npattern = "x: (.*)"'])
def test_a_holdout_that_could_not_be_scored_is_a_sentence(metric):
    with pytest.raises(TrackError, match=r"track.toml \(line 2\d\): the holdout says nothing about"):
        spec.parse(FITS.replace('name = "loss"', metric))
