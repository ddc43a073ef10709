"""What each part of a keep is worth: how changes are divided, the arithmetic, and the command on real tracks."""

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from conftest import CONTRACT, commit, git, home, overnight, repository, sentence, write
from overnight.audit import worth
from overnight.audit.arithmetic import Run
from overnight.audit.worth import Division, Explanation, KeptPart, conclude
from overnight.contracts import Change, Team
from overnight.execution.desk import Desk
from overnight.lab.jobs import Accept, Try
from overnight.night.session import Session
from overnight.referee.estimates import Estimate
from overnight.repo import Repo, parts
from overnight.repo.parts import Parts
from overnight.report import worth as worded
from overnight.researchers.knobs.titles import turned
from overnight.track.spec import parse

# ---- dividing a change -----------------------------------------------------------------------------------------


def divided(before, after, path="a.py"):
    return [(p.line, p.old, p.new) for p in Parts({path: before}, {path: after}).parts]


def test_lines_that_changed_side_by_side_are_parts_of_their_own():
    assert divided("A = 1\nB = 2\n#\nC = 3\n", "A = 5\nB = 6\n#\nC = 7\n") == [
        (1, "A = 1\n", "A = 5\n"), (2, "B = 2\n", "B = 6\n"), (4, "C = 3\n", "C = 7\n")]


def test_what_came_or_went_is_one_part():
    assert divided("A = 1\nB = 1\n", "A = 1\nC = 1\nD = 1\nB = 1\n") == [(2, "", "C = 1\nD = 1\n")]
    assert divided("A = 1\nC = 1\nD = 1\nB = 1\n", "A = 1\nB = 1\n") == [(2, "C = 1\nD = 1\n", "")]
    assert divided("f(1)\nx\n", "g(1)\nh(2)\ny\n") == [(1, "f(1)\nx\n", "g(1)\nh(2)\ny\n")]
    assert divided("A = 1\nB = 1\n", "C = 1\nA = 2\nB = 2\n") == [(1, "", "C = 1\n"), (2, "A = 1\n", "A = 2\n"), (3, "B = 1\n", "B = 2\n")]


def test_each_constant_of_a_line_in_which_only_constants_differ_is_a_part():
    assert divided("f(0.1, 1e-3, 'a')\n", "f(0.2, 1e-4, 'a')\n") == [(1, "0.1", "0.2"), (1, "1e-3", "1e-4")]
    assert divided("f(0.1, True)\n", "g(0.2, False)\n") == [(1, "f(0.1, True)\n", "g(0.2, False)\n")]


def test_python_lines_that_only_parse_together_are_one_part():
    before, after = "X = 1\nA = (1,\n  2)\nB = 1\n", "X = 2\nA = [1,\n  3]\nB = 2\n"
    assert [line for line, *_ in divided(before, after)] == [1, 2, 4]
    assert [line for line, *_ in divided(before, after, "a.txt")] == [1, 2, 3, 4]


def test_a_file_that_came_or_went_is_a_part():
    found = Parts({"gone.py": "1\n", "same.py": ""}, {"new.py": "2\n", "same.py": ""})
    assert [(p.path, p.old, p.new) for p in found.parts] == [("gone.py", "1\n", None), ("new.py", None, "2\n")]
    assert found.without([0]) == {"gone.py": "1\n"} and found.without([1]) == {"new.py": None}
    assert [p.title for p in found.parts] == ["the whole file, which is gone", "the whole file, which is new"]


TEXTS = st.lists(st.sampled_from(["A = 1\n", "A = 2\n", "f(1, 2)\n", "f(3, 4)\n", "(\n", ")\n", "\n", "x"]), max_size=12).map("".join)


@given(TEXTS, TEXTS)
def test_without_all_parts_a_file_is_as_it_was_and_without_none_as_it_is(before, after):
    found = Parts({"a.py": before}, {"a.py": after})
    whole = found.without(range(len(found.parts)))
    assert whole.get("a.py", after) == before and found.without([]) == {}
    for part in found.parts:
        assert before[part.was:].startswith(part.old) and after[part.now:].startswith(part.new)


def test_a_part_is_titled_by_its_knobs_or_by_its_text():
    before, after = {"a.py": "LR = 0.1\nf()\n"}, {"a.py": "LR = 0.2\ng()\n"}
    assert [t.title for t in turned(before, after)] == ["LR 0.1 -> 0.2"]
    assert [p.title for p in Parts(before, after).parts] == ["LR = 0.1 -> LR = 0.2", "f() -> g()"]
    assert Parts({"a": "1\n"}, {"a": "1\n2\n3\n"}).parts[0].title == "+ 2 (and 1 more)"
    assert turned({"a.py": "X = 1  # knob: 3..2\n"}, {"a.py": "X = 2\n"}) == []


# ---- the arithmetic --------------------------------------------------------------------------------------------

SEEDS = tuple(range(12))


def division(count=2, direction="minimize", worthwhile=0.1, exact=False):
    some = tuple(KeptPart(f"part {n}", "a.py", n + 1, f"-{n}") for n in range(count))
    return Division("track", 1, "a keep", "keep", "loss", "", direction, worthwhile, some, SEEDS, exact)


def runs(levels, fails=()):
    """Runs of commits at these levels, with luck that they share, and a little that alternates."""
    return [Run(name, s, "crash" if (name, s) in fails else "ok",
                None if (name, s) in fails else level + s + 0.01 * (-1) ** (s + len(name)), "it fell over" * ((name, s) in fails))
            for s in SEEDS for name, level in levels.items()]


@pytest.mark.parametrize(("low", "high", "worthwhile", "word"), [
    (0.1, 0.3, 0.05, "worth it"), (0.01, 0.04, 0.05, "worth little"), (0.01, 0.04, 0.0, "worth it"), (-0.3, -0.1, 0.05, "harmful"),
    (-0.02, 0.04, 0.05, "worth nothing"), (-0.02, 0.05, 0.05, "in doubt"), (-0.02, 0.04, 0.0, "in doubt"), (0.0, 0.0, 0.0, "worth nothing"),
    (-0.1, 0.0, 0.0, "worth nothing"), (0.0, 0.2, 0.1, "in doubt")])
def test_the_word_for_an_interval(low, high, worthwhile, word):
    assert worth.word(Estimate((low + high) / 2, (low, high), 9), worthwhile) == word


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1), ("maximize", -1)])
def test_what_is_lost_without_a_part_is_what_it_is_worth(direction, sign):
    found = conclude(division(direction=direction), runs({"keep": 0, "-0": sign * 0.5, "-1": 0}), 0.0)
    assert [(each.verdict, round(each.worth.effect, 6)) for each in found.parts] == [("worth it", 0.5), ("worth nothing", 0)]
    assert found.to_take_out == (1,)


def test_a_part_without_which_nothing_runs_has_no_number():
    found = conclude(division(), runs({"keep": 0, "-0": 0, "-1": 0}, {("-1", s) for s in SEEDS}), 0.0)
    assert (found.parts[1].verdict, found.parts[1].worth, found.parts[1].reason) == ("needed", None, "it fell over")
    said = "\n".join(worded.lines(found))
    assert "cannot be left out: nothing runs without it" in said and "12 of 12 runs without part 1 failed: it fell over" in said


def test_a_part_without_which_some_runs_fail_is_not_worth_nothing():
    found = conclude(division(), runs({"keep": 0, "-0": 0, "-1": 0}, {("-1", 3)}), 0.0)
    assert found.parts[1].verdict == "in doubt" and found.to_take_out == (0,)
    assert "because some runs without it failed" in "\n".join(worded.lines(found))


def test_a_run_that_fails_with_and_without_a_part_is_held_against_nobody():
    found = conclude(division(), runs({"keep": 0, "-0": 0, "-1": 0}, {("keep", 3), ("-0", 3), ("-1", 3)}), 0.0)
    assert [each.verdict for each in found.parts] == ["worth nothing"] * 2 and found.parts[0].worth.pairs == 11


def test_a_keep_that_does_not_run_leaves_everything_unknown():
    found = conclude(division(), runs({"keep": 0, "-0": 0, "-1": 0}, {("keep", s) for s in SEEDS}), 0.0)
    assert [each.verdict for each in found.parts] == ["not measured"] * 2 and not found.to_take_out
    assert "Nothing is known of part 0 and part 1" in "\n".join(worded.lines(found))


def test_where_there_is_no_noise_one_run_tells():
    found = conclude(division(exact=True), [Run("keep", 1, "ok", 1.0), Run("-0", 1, "ok", 1.5), Run("-1", 1, "ok", 1.0)], 0.0)
    assert [(each.verdict, each.worth.interval) for each in found.parts] == [("worth it", (0.5, 0.5)), ("worth nothing", (0, 0))]


@pytest.mark.parametrize(("effect", "spread", "worthwhile"), [(0.02, 0.3, 0.1), (0.2, 1.0, 0.1), (-0.05, 0.5, 0.1), (0.5, 0.4, 0.0)])
def test_so_many_seeds_would_just_tell(effect, spread, worthwhile):
    def radius(pairs):
        return stats.t.ppf(0.975, pairs - 1) * spread / math.sqrt(pairs)

    count = worth.wanted(Estimate(effect, (effect - radius(5), effect + radius(5)), 5), worthwhile)
    gap = max(effect, worthwhile - effect)
    assert radius(count) < gap and (count == 2 or radius(count - 1) >= gap)


def test_what_no_number_of_seeds_would_tell_is_said():
    assert worth.wanted(Estimate(0.0, (-1.0, 1.0), 5), 0.0) is None
    found = conclude(division(worthwhile=0.0), runs({"keep": 0, "-0": 0, "-1": 0.003}), 0.0)
    said = "\n".join(worded.lines(found))
    assert "worth nothing" in said  # the same numbers
    doubt = worth.Worth(division().parts[0], "in doubt", Estimate(0.0, (-1.0, 1.0), 5))
    assert "nor in any number that is within reach" in worded._on_doubt(doubt, 36)
    assert "about 1,200 would (`--runs 1200`)" in worded._on_doubt(msgspec.structs.replace(doubt, wanted=1200), 36)


# ---- whether a change takes parts back -------------------------------------------------------------------------

BEFORE = "RATE = 1.0\nDECAY = 1.0\nWIDTH = 1.0\n"


def kept(tmp_path, then="#\n#\n#\nLATER = 1\n"):
    """A repository with a keep of three constants and one after it: the repository, the track, and the three commits."""
    repo = Repo(repository(tmp_path / "r", {"settings.py": BEFORE + "#\n#\n#\nLATER = 0\n", "track.toml": CONTRACT}))
    base = git(repo.folder, "rev-parse", "HEAD")
    one = repo.commit(base, {"settings.py": BEFORE.replace("1.0", "2.0") + "#\n#\n#\nLATER = 0\n"}, "three")
    return repo, parse(CONTRACT), base, one, repo.commit(one, {"settings.py": BEFORE.replace("1.0", "2.0") + then}, "later")


@pytest.mark.git
def test_parts_are_taken_out_of_what_stands_on_their_keep(tmp_path):
    repo, track, base, one, two = kept(tmp_path)
    made = parts.taken_out(repo, track, (base, one), [1], two, "without")
    assert repo.text(made, "settings.py") == "RATE = 2.0\nDECAY = 1.0\nWIDTH = 2.0\n#\n#\n#\nLATER = 1\n"
    assert parts.taken_out(repo, track, (base, one), [], two) == "" == parts.taken_out(repo, track, (base, one), [3], two)


@pytest.mark.git
def test_parts_that_were_changed_again_cannot_be_taken_out(tmp_path):
    repo, track, base, one, two = kept(tmp_path)
    three = repo.commit(two, {"settings.py": repo.text(two, "settings.py").replace("DECAY = 2.0", "DECAY = 3.0")}, "again")
    assert parts.taken_out(repo, track, (base, one), [1], three) == "" != parts.taken_out(repo, track, (base, one), [0], three)


@pytest.mark.git
@pytest.mark.parametrize(("text", "keep", "numbers", "is_one"), [
    ("DECAY = 1.0", True, (1,), True), ("DECAY = 0.5", True, (1,), False), ("DECAY = 1.0", True, (0,), False),
    ("DECAY = 1.0", True, (9,), False), ("DECAY = 1.0", True, (), False), ("DECAY = 1.0", False, (1,), False)])
def test_only_what_is_the_frontier_without_parts_of_a_keep_takes_them_back(tmp_path, text, keep, numbers, is_one):
    """An order may say anything: the desk makes the change again, and looks whether it is the same."""
    repo, track, base, one, two = kept(tmp_path)
    mine = repo.commit(two, {"settings.py": repo.text(two, "settings.py").replace("DECAY = 2.0", text)}, "mine")
    order = Try("1-a", two, mine, "mine", takes_back=1, parts=numbers)
    found = Desk(track, repo, Team({})).accept(Accept(order, (base, one) if keep else None))
    assert isinstance(found.change, Change) and found.takes_back is is_one


# ---- the command, on tracks with a keep of three constants -----------------------------------------------------

RUN = 'import os, settings\nopen(os.environ["OVERNIGHT_OUT"] + "/x", "w").write(repr(settings.VALUES))\n'
SCORE = """\
import ast, json, os, random
seed = os.environ["OVERNIGHT_SEED"]
text = open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x").read()
values = ast.literal_eval(text)
loss = 2 - 0.5 * (values["RATE"] > 1) - 0.1 * (values["WIDTH"] > 1)
noise = random.Random(seed).gauss(0, 0.006) + random.Random(seed + text).gauss(0, 0.003)
print(json.dumps({"loss": loss + noise * NOISE}))
"""
START = "RATE = 1.0\nDECAY = 1.0\nWIDTH = 1.0\nVALUES = dict(RATE=RATE, DECAY=DECAY, WIDTH=WIDTH)\n"
THEN = START.replace("1.0", "2.0")
NONE = ("--sandbox", "none")


def track(folder, noise=1, start=START, then=THEN, options=NONE, score=SCORE, contract=CONTRACT):
    """A track on which a change by hand was kept."""
    repository(folder, {"track.toml": contract, "settings.py": start, "run.py": RUN, "score.py": score.replace("NOISE", str(noise))})
    write(folder, {"settings.py": then})
    done = overnight("try", folder, "-m", "several at once", *options)
    assert done.returncode == 0, done.stderr
    git(folder, "checkout", "-q", "settings.py")
    return folder


def records(folder):
    session = Session(folder)
    found = [*session.journal.replay()]
    session.journal.close()
    return found


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    """(folder, what `explain --json` said, what was there before) of a noisy track, in the real sandbox."""
    folder = track(tmp_path_factory.mktemp("explain") / "little", options=())
    (folder / "settings.py").write_text(START + "# being edited\n")
    before = records(folder), git(folder, "for-each-ref"), git(folder, "status", "--porcelain")
    done = overnight("explain", "1", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("parts of #1: 4 commits on 15 fresh seeds are 60 runs, about ")
    return folder, msgspec.json.decode(done.stdout, type=Explanation), before


@pytest.mark.night
def test_a_keep_of_three_constants_is_explained(explained):
    found = explained[1]
    assert [(e.part.title, f"{e.part.path}:{e.part.line}", e.verdict) for e in found.parts] == [
        ("RATE 1.0 -> 2.0", "settings.py:1", "worth it"), ("DECAY 1.0 -> 2.0", "settings.py:2", "worth nothing"),
        ("WIDTH 1.0 -> 2.0", "settings.py:3", "worth it")]
    assert [e.worth.effect for e in found.parts] == [pytest.approx(x, abs=0.006) for x in (0.5, 0, 0.1)]
    assert all(e.worth.pairs == 15 for e in found.parts) and len(found.runs) == 60
    assert not {run.seed for run in found.runs} & {e.seed for e in explained[2][0] if hasattr(e, "seed")}


@pytest.mark.night
def test_an_explanation_leaves_everything_as_it_was(explained):
    folder, _, before = explained
    assert before == (records(folder), git(folder, "for-each-ref"), git(folder, "status", "--porcelain"))
    assert not [ref for ref in before[1].splitlines() if "refs/overnight" in ref]


@pytest.mark.night
def test_what_is_worth_nothing_is_tried_without_and_kept_as_a_simplification(tmp_path):
    folder = track(tmp_path / "little", 0.25)  # so that chance refuses no simplification here
    (tip,) = {git(folder, "rev-parse", "overnight/little")}
    told = overnight("explain", "1", folder, *NONE)
    assert "Worth no more than 0.01: DECAY 1.0 -> 2.0." in told.stdout
    assert "`overnight explain 1 --propose` tries the frontier without it" in told.stdout and "note:" not in told.stderr
    done = overnight("explain", "1", folder, "--propose", *NONE)
    assert done.returncode == 0 and "parts of #1" not in done.stderr, done.stderr  # nothing is measured a second time
    assert "#2 keep" in done.stdout.splitlines()[-1] and "(simplification: not worse by as much as is worthwhile)" in done.stdout
    assert git(folder, "show", "overnight/little:settings.py") == THEN.replace("DECAY = 2.0", "DECAY = 1.0").strip()
    assert git(folder, "rev-parse", "overnight/little~1") == tip  # what was kept stays as it is
    shown = overnight("show", "2", folder).stdout
    assert "Without DECAY 1.0 -> 2.0 of #1" in shown and "It takes parts of #1 back" in shown and "by person" in shown
    assert overnight("log", folder, "--verify").returncode == 0
    assert "took them back already" in sentence_at_end(overnight("explain", "1", folder, "--propose", *NONE))
    assert "#2 changes one thing" in sentence(overnight("explain", "2", folder, *NONE))


def sentence_at_end(done):
    assert done.returncode == 2
    return done.stderr.splitlines()[-1]


@pytest.mark.night
def test_without_noise_each_commit_runs_once_and_a_part_that_cannot_be_left_out_says_so(tmp_path):
    start = "RATE = 1.0\n#\nDECAY = 1.0\n#\nWIDTH = 1.0\nVALUES = dict(RATE=RATE, DECAY=DECAY, WIDTH=WIDTH)\n"
    then = "BASE = 2.0\n" + start.replace("RATE = 1.0", "RATE = 2.0").replace("DECAY = 1.0", "DECAY = 3.0").replace("WIDTH = 1.0", "WIDTH = BASE")
    folder = track(tmp_path / "little", 0, start, then)
    done = overnight("explain", "1", folder, "--runs", "5", "--json", *NONE)
    assert done.returncode == 0 and "5 commits on 1 fresh seed are 5 runs" in done.stderr, done.stderr
    found = msgspec.json.decode(done.stdout, type=Explanation)
    assert {e.part.title: e.verdict for e in found.parts} == {
        "+ BASE = 2.0": "needed", "RATE 1.0 -> 2.0": "worth it", "DECAY 1.0 -> 3.0": "worth nothing", "WIDTH = 1.0 -> WIDTH = BASE": "worth it"}
    assert "BASE" in found.parts[0].reason
    write(folder, {"settings.py": then.replace("DECAY = 3.0", "DECAY = 1.0")})
    assert overnight("try", folder, *NONE).returncode == 10  # any change has to be better
    done = json.loads(overnight("explain", "1", folder, "--propose", "--json", *NONE).stdout)
    assert (done["proposed"], done["came"]) == (3, "keep")


@pytest.mark.night
def test_a_constant_that_does_nothing_goes_whatever_the_noise_and_the_referee_is_quoted_on_that(tmp_path):
    score = SCORE.replace("Random(seed + text)", "Random(seed + str(loss))")
    folder = track(tmp_path / "little", score=score, contract=CONTRACT.replace("worthwhile = 0.01", "worthwhile = 0.0001"))
    done = overnight("explain", "1", folder, "--runs", "12", "--propose", *NONE)
    assert done.returncode == 0 and "cannot be shown. Without it there have to be the same numbers" in done.stderr, done.stderr
    assert "Worth no more than 0.0001: DECAY 1.0 -> 2.0." in done.stdout
    assert "#2 keep" in done.stdout and "(simplification: the same numbers on 6 seeds)" in done.stdout


@pytest.mark.night
def test_a_budget_that_is_too_small_says_what_it_takes(explained):
    said = sentence(overnight("explain", "1", explained[0], "--runs", "7", *NONE))
    assert "#1 has 3 parts, so that 8 runs are the least" in said and "`--runs 8`" in said


@pytest.mark.night
@pytest.mark.parametrize(("name", "said"), [("9", "there is no experiment 9"), ("#1x", "there is no experiment #1x")])
def test_an_unknown_experiment_is_one_sentence(explained, name, said):
    assert said in sentence(overnight("explain", name, explained[0], *NONE))


@pytest.mark.night
def test_what_was_not_kept_or_never_run_has_no_parts(tmp_path, little):
    assert "nothing was run here yet" in sentence(overnight("explain", "1", little, *NONE))
    folder = track(tmp_path / "little", 0)
    assert overnight("veto", "1", folder).returncode == 0
    assert "#1 is not among what is kept (nothing yet)" in sentence(overnight("explain", "1", folder, *NONE))


@pytest.mark.night
def test_a_contract_that_changed_is_refused_before_anything_is_measured(tmp_path):
    folder = track(tmp_path / "little", 0)
    commit(folder, {"track.toml": CONTRACT.replace("0.01", "0.02")})
    assert "track.toml has changed since this track began" in sentence(overnight("explain", "1", folder, "--propose", *NONE))
    assert not (home(folder) / "explain").exists()
