"""`overnight climb` on a real track: git, a sandbox, and what every screen says of it."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from conftest import CONTRACT, command, commit, git, overnight, repository, sentence, write
from overnight.night import rungs
from overnight.night.session import Session
from overnight.researchers.knobs.turned import another, turned_to

NEEDS = "sandbox"
LADDER = """
[ladder]
gather = 1
[[ladder.rung]]
name = "mid"
size = 2
environment = { SIZE = "2" }
[[ladder.rung]]
name = "large"
size = 4
environment = { SIZE = "4" }
"""
SETTINGS = "A = 1.0\n\n\nB = 1.0\n\n\nC = 1.0\n"
RUN = """\
import os, settings
size, seed = float(os.environ.get("SIZE", "1")), int(os.environ["OVERNIGHT_SEED"])
best = {"A": 2.0, "B": 2.0 if size < 2 else 1.2, "C": 2.0 if size < 4 else 1.0}
if "FAILS" in os.environ:
    raise SystemExit(1)
loss = sum((getattr(settings, name) - value) ** 2 for name, value in best.items())
with open(os.environ["OVERNIGHT_OUT"] + "/x", "w") as out:
    out.write(str(loss + seed % 1009 / 10090))
"""
SCORE = """\
import json, os
print(json.dumps({"loss": float(open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x").read())}))
"""
PROGRAM = "---\nroles:\n  again: {kind: replay, folder: patches}\n---\nReplay.\n"
LITTLE = {"track.toml": CONTRACT + LADDER, "settings.py": SETTINGS, "run.py": RUN, "score.py": SCORE, "program.md": PROGRAM}


def patch(name):
    """A patch that turns one constant from 1 to 2."""
    head, before, after = {"A": ("-1,3 +1,3", "", " \n \n"), "B": ("-2,5 +2,5", " \n \n", " \n \n"), "C": ("-5,3 +5,3", " \n \n", "")}[name]
    return f"Subject: [PATCH] {name} to two\n\n---\ndiff --git a/settings.py b/settings.py\n--- a/settings.py\n+++ b/settings.py\n" \
           f"@@ {head} @@\n{before}-{name} = 1.0\n+{name} = 2.0\n{after}"


@pytest.fixture(scope="module")
def little(tmp_path_factory):
    """A track on which three changes were kept, and what climbing said."""
    folder = repository(tmp_path_factory.mktemp("ladder") / "little",
                        {**LITTLE, **{f"patches/{number}-{name}.patch": patch(name) for number, name in enumerate("ABC")}})
    assert overnight("run", folder).returncode == 0
    done = overnight("climb", folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def words(folder):
    """What is known on each rung, by what was turned."""
    found = json.loads(overnight("status", folder, "--json").stdout)["ladder"]
    return {rung["rung"]: {each["title"][0]: each["word"] for each in rung["carried"]} for rung in found}


def test_what_holds_climbs_and_what_does_not_is_named(little):
    folder, done = little
    assert words(folder) == {"mid": {"A": "holds", "B": "reverses", "C": "holds"}, "large": {"A": "holds", "C": "reverses"}}
    assert "mid (2 times the size): 2 hold, 1 reverses (#" in done.stdout and "what holds is on overnight/little@mid" in done.stdout


def test_a_rung_has_a_branch_of_its_own_with_what_holds_there(little):
    folder, _ = little
    mid, large = (git(folder, "show", f"overnight/little@{name}:settings.py") for name in ("mid", "large"))
    assert ("A = 2.0" in mid, "C = 2.0" in mid, "B = 2.0" in mid) == (True, True, False)
    assert ("A = 2.0" in large, "C = 2.0" in large) == (True, False)
    assert "B = 2.0" in git(folder, "show", "overnight/little:settings.py")


def test_a_constant_that_reverses_is_tried_at_other_values(little):
    folder, done = little
    found = next(each for rung in json.loads(overnight("status", folder, "--json").stdout)["ladder"] if rung["rung"] == "mid"
                 for each in rung["carried"] if each["word"] == "reverses")
    assert found["value"] > 0 and "another value of its constants is kept there" in done.stdout
    assert "B = 1.19" in git(folder, "show", "overnight/little@mid:settings.py")  # a quarter of the way from 1 to 2, by ratios


def test_every_screen_knows_the_rungs(little):
    folder, _ = little
    assert "mid (2 times the size): 2 hold, 1 reverses" in overnight("status", folder).stdout
    shown = overnight("show", "2", folder).stdout
    assert "On the rung mid (2 times the size), B 1.0 -> 2.0: reverses, -" in shown.replace("\n", " ")
    assert "## At larger sizes" in overnight("brief", folder).stdout
    report = overnight("report", folder)
    text = next(line for line in report.stdout.splitlines() if line.endswith("report.md"))
    assert "## On larger rungs" in Path(text).read_text(encoding="utf-8")
    assert json.loads(overnight("brief", folder, "--json").stdout)["climbs"][0]["words"]["reverses"] == [2]


def test_climbing_again_tries_nothing_again_and_the_record_is_whole(little):
    folder, _ = little
    before = Session(folder, rung="mid").read().runs
    done = overnight("climb", folder)
    assert done.stdout.count("was tried already") == 2 and Session(folder, rung="mid").read().runs == before
    assert "chain whole, branch agrees" in overnight("log", folder, "--verify").stdout


def test_a_track_that_begins_anew_has_its_rungs_begin_anew(tmp_path):
    folder = repository(tmp_path / "little", {**LITTLE, "patches/0-A.patch": patch("A")})
    assert overnight("run", folder).returncode == 0 and overnight("climb", folder, "--rung", "mid").returncode == 0
    first = Session(folder, rung="mid").read().opened
    commit(folder, {"notes.txt": "another baseline\n"})
    assert overnight("run", folder, "--restart").returncode == 0
    assert words(folder) == {}
    done = overnight("climb", folder, "--rung", "mid", "--each", "--json")
    (found,) = map(json.loads, done.stdout.splitlines())
    assert (found["rung"], found["counts"], found["carried"][0]["experiment"]) == ("mid", {"holds": 1}, 2)
    assert Session(folder, rung="mid").read().opened.commit != first.commit and words(folder) == {"mid": {"A": "holds"}}


def test_a_night_gives_its_share_to_climbing(tmp_path):
    contract = CONTRACT + LADDER.replace("[ladder]", "[ladder]\nshare = 0.6")
    folder = repository(tmp_path / "little", {**LITTLE, "track.toml": contract, "patches/0-A.patch": patch("A")})
    done = overnight("run", folder, "--for", "60s", "--json")
    assert done.returncode == 0 and [rung["rung"] for rung in json.loads(done.stdout)["ladder"]] == ["mid", "large"]


def test_what_stands_in_the_way_is_one_sentence(tmp_path):
    folder = repository(tmp_path / "little", {**LITTLE, "track.toml": CONTRACT, "patches/0-A.patch": patch("A")})
    assert "names no rung" in sentence(overnight("climb", folder))
    commit(folder, {"track.toml": CONTRACT + LADDER})
    assert "nothing was run here yet" in sentence(overnight("climb", folder))
    assert "no rung 'top'" in sentence(overnight("climb", folder, "--rung", "top"))
    done = overnight("run", folder, "--researcher", "placebo", "--experiments", "1")
    assert done.returncode == 0, done.stderr
    assert "nothing was kept yet" in sentence(overnight("climb", folder))


def test_a_rung_that_does_not_fit_the_machine_says_so_and_loses_nothing(tmp_path):
    contract = CONTRACT + LADDER.replace('SIZE = "4"', 'SIZE = "4", FAILS = "1"')
    folder = repository(tmp_path / "little", {**LITTLE, "track.toml": contract, "patches/0-A.patch": patch("A")})
    assert overnight("run", folder).returncode == 0
    done = overnight("climb", folder)
    assert done.returncode == 2 and "on the rung large: " in done.stderr and "climb again" in done.stderr
    assert words(folder) == {"mid": {"A": "holds"}}


def test_a_rung_that_fails_does_not_hide_what_the_night_found(tmp_path):
    contract = CONTRACT + LADDER.replace("[ladder]", "[ladder]\nshare = 0.6").replace('SIZE = "2"', 'SIZE = "2", FAILS = "1"')
    folder = repository(tmp_path / "little", {**LITTLE, "track.toml": contract, "patches/0-A.patch": patch("A")})
    done = overnight("run", folder, "--for", "60s")
    assert (done.returncode, "1 kept" in done.stdout) == (0, True) and "note: on the rung mid: " in done.stderr


def once(tmp_path, names="A", ladder=LADDER, run=RUN):
    """A track on which these were kept."""
    files = {f"patches/{number}-{name}.patch": patch(name) for number, name in enumerate(names)}
    folder = repository(tmp_path / "little", {**LITTLE, "track.toml": CONTRACT + ladder, "run.py": run, **files})
    assert overnight("run", folder).returncode == 0
    return folder


def test_the_ladder_may_be_edited_and_only_what_it_says_of_a_rung_makes_that_begin_anew(tmp_path):
    folder = once(tmp_path)
    assert overnight("climb", folder).returncode == 0
    begun = {name: Session(folder, rung=name).read().opened.at for name in ("mid", "large")}
    more = LADDER.replace('SIZE = "4"', 'SIZE = "3"') + '[[ladder.rung]]\nname = "top"\nsize = 8\nenvironment = { SIZE = "8" }\n'
    commit(folder, {"track.toml": CONTRACT + more})
    assert overnight("run", folder, "--experiments", "1").returncode == 0  # nothing of the track itself has changed
    done = overnight("climb", folder)
    assert words(folder) == {name: {"A": "holds"} for name in ("mid", "large", "top")}, done.stderr
    now = {name: Session(folder, rung=name).read().opened.at for name in ("mid", "large")}
    assert now["mid"] == begun["mid"] and now["large"] > begun["large"]
    commit(folder, {"track.toml": CONTRACT.replace("0.01", "0.02") + more})
    assert "has changed since this track began" in sentence(overnight("run", folder))


def test_a_track_that_begins_anew_at_the_same_commit_has_its_rungs_begin_anew(tmp_path):
    folder = once(tmp_path)
    for again in (False, True):
        assert not again or overnight("run", folder, "--restart").returncode == 0
        assert overnight("climb", folder, "--rung", "mid").returncode == 0
        assert words(folder) == {"mid": {"A": "holds"}}


def test_what_a_rung_found_is_noted_by_the_next_climb_where_this_one_could_not(tmp_path):
    folder = once(tmp_path)
    session = Session(folder)
    on_mid = rungs.on(session, "mid")
    with on_mid.writing(changed=True):
        pass
    with session.writing():  # a night began while the climb was on its rung
        done = overnight("climb", folder, "--rung", "mid")
        assert "at work on this track" in sentence(done)
    assert overnight("climb", folder, "--rung", "mid").returncode == 0 and words(folder) == {"mid": {"A": "holds"}}
    session = Session(folder)
    session.read()
    with session.writing():
        session.record([replace(session.state.ladder["mid"], carried=())])  # as if it had been killed before it was noted
    assert words(folder) == {"mid": {}}
    assert overnight("climb", folder, "--rung", "mid").returncode == 0 and words(folder) == {"mid": {"A": "holds"}}


def test_what_is_vetoed_below_is_taken_back_on_the_rungs(tmp_path):
    folder = once(tmp_path)
    assert overnight("climb", folder, "--rung", "mid").returncode == 0
    assert "A = 2.0" in git(folder, "show", "overnight/little@mid:settings.py")
    assert overnight("veto", "1", folder).returncode == 0
    done = overnight("climb", folder, "--rung", "mid")
    assert done.returncode == 0 and words(folder) == {"mid": {}}, done.stderr
    assert "A = 1.0" in git(folder, "show", "overnight/little@mid:settings.py")
    assert "taken back: a part of it was taken back on the lowest rung" in overnight("log", folder, "--rung", "mid").stdout


SLOW = RUN.replace("import os, settings", "import os, settings, time").replace(
    "best =", 'time.sleep(2 * ("SIZE" in os.environ and settings.C > 1))\nbest =')


@pytest.mark.parametrize("by", ["Ctrl-C", "stop"])
def test_a_climb_that_is_stopped_does_not_go_on_to_the_next_rung(tmp_path, by):
    folder = once(tmp_path, run=SLOW)
    assert overnight("climb", folder, "--rung", "mid").returncode == 0
    write(folder, {"patches/1-C.patch": patch("C")})
    assert overnight("run", folder).returncode == 0
    climb = subprocess.Popen(command("climb", folder), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert climb.stderr.readline().startswith("climbing to mid")  # where C is to be tried; A waits for the next rung
        time.sleep(0.7)
        if by == "stop":
            assert overnight("stop", folder).returncode == 0
        else:
            climb.send_signal(signal.SIGINT)
        _, said = climb.communicate(timeout=60)
    finally:
        climb.kill()
    assert climb.returncode == 0 and "climbing to large" not in said
    assert words(folder)["mid"]["A"] == "holds" and "large" not in words(folder)


def test_a_rung_is_looked_at_and_merged_by_its_name(little):
    folder, _ = little
    assert overnight("status", folder, "--rung", "mid").stdout.startswith("little@mid: ")
    assert "B 1.0 -> 2.0 (of #2)" in overnight("log", folder, "--rung", "mid").stdout
    assert "chain whole" in overnight("log", folder, "--rung", "large", "--verify").stdout
    assert overnight("show", "1", folder, "--rung", "mid", "--json").returncode == 0
    assert "no rung 'top'" in sentence(overnight("status", folder, "--rung", "top"))
    assert overnight("merge", folder, "--rung", "large").returncode == 0
    assert (folder / "settings.py").read_text(encoding="utf-8").startswith("A = 2.0\n\n\nB = 1.0\n\n\nC = 1.0")


@pytest.mark.parametrize(("old", "new", "found"), [
    (1.0, 4.0, (2.0, 1.41, 0.5)), (8, 32, (16, 11, 4)), (0.0, 0.1, (0.03, 0.009, None)), (0.1, 0.0, (0.05, 0.075, 0.15)),
    (-1.0, 1.0, (0.0, -0.5, -2.0)), (1, 2, (None, None, None)), ("a", "b", (None,) * 3), (True, False, (None,) * 3)])
def test_another_value_for_a_constant(old, new, found):
    assert tuple(another(old, new, nth) for nth in (1, 2, 3)) == found


def test_what_a_rung_wants_of_the_machine_is_shown_and_granted(tmp_path):
    contract = CONTRACT + LADDER.replace('name = "large"', 'name = "large"\ngpus = true')
    folder = repository(tmp_path / "little", {**LITTLE, "track.toml": contract, "patches/0-A.patch": patch("A")})
    assert "GPUs" in json.loads(overnight("trust", folder, "--json").stdout)["missing"][0]
    assert overnight("trust", folder, "--yes").returncode == 0
    assert json.loads(overnight("trust", folder, "--json").stdout)["missing"] == []


def test_constants_are_set_or_it_is_said_that_one_is_gone():
    files = {"a.py": "LR = 1e-3\nWD = 0.1\n"}
    assert turned_to(files, {"a.py:LR": 3e-3}) == {"a.py": "LR = 3e-3\nWD = 0.1\n"}
    assert turned_to(files, {"a.py:LR": 1e-3}) == {} and turned_to(files, {"a.py:GONE": 1}) is None


# ---- rungs in every view ---------------------------------------------------------------------------------------


def test_commands_look_at_a_rung_and_act_on_it_by_its_name(tmp_path):
    folder = once(tmp_path)
    assert "nothing was tried on the rung mid yet" in sentence(overnight("brief", folder, "--rung", "mid"))
    assert overnight("climb", folder, "--rung", "mid").returncode == 0
    places = {overnight("where", folder, *rung).stdout.strip() for rung in ((), ("--rung", "mid"))}
    assert len(places) == 2 and all(Path(place, "journal.db").exists() for place in places)
    assert 'TOKENS' not in overnight("brief", folder, "--rung", "mid").stdout
    assert "A 1.0 -> 2.0 (of #1)" in overnight("brief", folder, "--rung", "mid").stdout
    report = next(row for row in overnight("report", folder, "--rung", "mid").stdout.splitlines() if row.endswith("report.md"))
    assert "little@mid" in Path(report).read_text(encoding="utf-8")
    audit = overnight("audit", folder, "--rung", "mid", "--seeds", "2")
    assert audit.returncode == 0 and "audit of little@mid" in audit.stderr, audit.stderr
    tree = tmp_path / "try"
    git(folder, "worktree", "add", "--detach", tree, "overnight/little@mid")
    write(tree, {"settings.py": (tree / "settings.py").read_text(encoding="utf-8").replace("C = 1.0", "C = 2.0")})
    tried = overnight("try", tree, "--rung", "mid", "-m", "C by hand")
    assert tried.returncode == 0 and "keep" in tried.stdout, tried.stderr  # C helps there, and its verdict is the rung's
    assert "C by hand" not in overnight("log", folder).stdout and "C by hand" in overnight("log", folder, "--rung", "mid").stdout
    done = overnight("veto", tried.stdout[1], folder, "--rung", "mid", "-m", "not here")
    assert done.returncode == 0 and "is taken back" in done.stdout, done.stderr


def test_a_rung_that_is_removed_is_shown_no_more_and_another_value_does_not_outlive_a_veto(tmp_path):
    folder = once(tmp_path, names="B")
    assert overnight("climb", folder).returncode == 0
    assert words(folder)["mid"] == {"B": "reverses"} and "B = 1.19" in git(folder, "show", "overnight/little@mid:settings.py")
    assert overnight("veto", "1", folder).returncode == 0
    done = overnight("climb", folder, "--rung", "mid")
    assert done.returncode == 0 and "B = 1.0" in git(folder, "show", "overnight/little@mid:settings.py"), done.stderr
    commit(folder, {"track.toml": CONTRACT + LADDER.replace('"mid"', '"middle"')})
    overnight("climb", folder, "--rung", "large")
    assert "mid" not in words(folder) and "mid (2 times" not in overnight("status", folder).stdout


def test_while_a_climb_is_at_work_status_says_so_and_a_second_one_is_told(tmp_path):
    slow = RUN.replace("import os, settings", "import os, settings, time").replace("best =", 'time.sleep(2 * ("SIZE" in os.environ))\nbest =')
    folder = once(tmp_path, run=slow)
    climb = subprocess.Popen(command("climb", folder, "--rung", "mid"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert climb.stderr.readline().startswith("climbing to mid")
        assert "a climb is at work on the rung mid: `overnight stop` ends it" in overnight("status", folder).stdout
        assert "a climb is at work here" in overnight("status", folder, "--rung", "mid").stdout
        assert "a climb is at work on the rung mid: wait for it" in sentence(overnight("climb", folder, "--rung", "mid"))
        climb.communicate(timeout=120)
    finally:
        climb.kill()
    assert climb.returncode == 0 and words(folder) == {"mid": {"A": "holds"}}


TIMED = CONTRACT.replace('name = "loss"', 'name = "typical_seconds"').replace('"minimize"', '"minimize"\nunit = "s"\nkind = "timing"') + \
    "[referee]\nmay_starve = 1\n"
CLOCKED = """\
import json, os
print(json.dumps({"typical_seconds": float(open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x").read())}))
"""


def test_a_time_is_judged_on_a_rung_in_pairs_beside_one_another(tmp_path):
    folder = repository(tmp_path / "little", {**LITTLE, "track.toml": TIMED + LADDER, "score.py": CLOCKED,
                                              "run.py": RUN.replace("loss + seed % 1009 / 10090", "(1 + loss) * (1 + seed % 1009 / 10090)"),
                                              "patches/0-A.patch": patch("A")})
    assert overnight("run", folder).returncode == 0
    done = overnight("climb", folder, "--rung", "mid")
    assert done.returncode == 0 and words(folder) == {"mid": {"A": "holds"}}, done.stderr
    on_mid = Session(folder, rung="mid").read()
    assert on_mid.known.kind.name == "timing" and on_mid.chain()[0].ratio < 1
