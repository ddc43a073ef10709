"""Further metrics: suggestions, the user's grant, and kept commits that a further metric disowns, in real nights."""

import json
from pathlib import Path

import msgspec
import pytest

from conftest import CONTRACT, commit, git, overnight, repository, sentence
from overnight.night.session import Session
from overnight.testing.server import Server
from overnight.views.answers import Done
from overnight.views.further import MetricsView, SuggestionView

NEEDS = "sandbox"
SETTINGS = "X = 1.0\n\n\nTRICK = 0.0\n"
RUN = """\
import os, settings
with open(os.environ["OVERNIGHT_OUT"] + "/x", "w") as out:
    out.write(f"{settings.X} {settings.TRICK}")
"""
# What is scored can be tricked: each trick looks like a gain of .5 and costs .3 on what is not scored.
SCORE = """\
import json, os
x, trick = map(float, open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x").read().split())
luck = int(os.environ["OVERNIGHT_SEED"]) % 7 / 100
print(json.dumps({"loss": (x - 3) ** 2 - 0.5 * trick + luck, "effort": 1 + trick}))
"""
UNSEEN = SCORE.replace('"effort": 1 + trick', '"effort": 1 + trick, "unseen": (x - 3) ** 2 + 0.3 * trick + luck')
WATCH = '\n[[watch]]\nmetric = "unseen"\ndirection = "minimize"\nworthwhile = 0.05\n'
PROGRAM = "---\nroles:\n  again: {kind: replay, folder: patches}\n---\nReplay.\n"
BASE = {"track.toml": CONTRACT, "settings.py": SETTINGS, "run.py": RUN, "score.py": SCORE, "program.md": PROGRAM}
HONEST = ("-1,3 +1,3", "-X = 1.0\n+X = 2.0\n \n \n")
TRICK = ("-2,3 +2,3", " \n \n-TRICK = 0.0\n+TRICK = 1.0\n")


def patch(name, change):
    head, body = change
    return (f"Subject: [PATCH] {name}\n\n---\ndiff --git a/settings.py b/settings.py\n--- a/settings.py\n+++ b/settings.py\n"
            f"@@ {head} @@\n{body}")


def night(folder, *changes):
    """A track of which a night kept these changes, one after the other: side by side, either may be kept first."""
    made = repository(folder, {**BASE, "patches/README": "One by one.\n"})
    for number, (name, change) in enumerate(changes):
        commit(made, {f"patches/{number}-{name}.patch": patch(name, change)}, f"to try: {name}")
        done = overnight("run", made)
        assert done.returncode == 0, done.stderr
    assert [keep.title for keep in Session(made).read().chain()] == [name for name, _ in changes]
    return made


@pytest.fixture(scope="module")
def tricked(tmp_path_factory):
    """A night that kept an honest change and one that tricks the scorer, a granted metric, and what it said of them."""
    folder = night(tmp_path_factory.mktemp("metrics") / "little", ("honest", HONEST), ("trick", TRICK))
    before = git(folder, "rev-parse", "overnight/little")
    commit(folder, {"track.toml": CONTRACT + WATCH, "score.py": UNSEEN}, "a further metric")
    done = overnight("metric", "score", folder, "--seeds", "4")
    assert done.returncode == 0, done.stderr
    assert git(folder, "rev-parse", "overnight/little") == before  # nothing that was kept moved
    return folder, done


def found(folder):
    said = json.loads(overnight("metric", "list", folder, "--json").stdout)
    assert msgspec.convert(said, MetricsView)
    return said


def test_a_keep_that_tricks_the_scorer_is_disowned_and_the_honest_one_is_not(tricked):
    folder, done = tricked
    (own, unseen) = found(folder)["further"]["found"]
    assert [keep["disowned"] != "" for keep in unseen["keeps"]] == [False, True]
    assert unseen["keeps"][0]["effect"] == pytest.approx(3.0) and unseen["keeps"][1]["effect"] == pytest.approx(-0.3)
    assert [keep["disowned"] for keep in own["keeps"]] == ["", ""] and own["keeps"][1]["effect"] == pytest.approx(0.5)
    assert "#2 is disowned: unseen is worse by 0.3" in done.stdout and "#1 is disowned" not in done.stdout
    assert "3 commits on 4 fresh seeds are 12 runs" in done.stderr


def test_every_screen_names_the_disowned_keep(tricked):
    folder, _ = tricked
    assert "#2 is disowned: unseen is worse" in overnight("status", folder).stdout
    shown = " ".join(overnight("show", "2", folder).stdout.split())
    assert "By the further metric unseen is better by -0.3" in shown and "the keep is disowned" in shown
    assert "disowned" not in overnight("show", "1", folder).stdout
    brief = overnight("brief", folder).stdout
    assert "## What further metrics say" in brief and "#2 is disowned" in brief
    assert json.loads(overnight("brief", folder, "--json").stdout)["further"][0]["disowned"].keys() == {"2"}
    report = Path(next(row for row in overnight("report", folder).stdout.splitlines() if row.endswith("report.md")))
    assert "## Further metrics" in report.read_text(encoding="utf-8") and "**disowned**" in report.read_text(encoding="utf-8")
    assert overnight("status", folder, "--all").returncode == 0


def test_what_was_measured_is_not_measured_again_and_the_night_goes_on_with_the_old_scorer(tricked):
    folder, _ = tricked
    again = overnight("metric", "score", folder, "--json")
    assert again.returncode == 0 and "fresh seeds are" not in again.stderr
    assert msgspec.json.decode(again.stdout, type=MetricsView).further.disowned == (2,)
    done = overnight("run", folder)
    assert done.returncode == 0 and "fresh seeds are" not in done.stderr, done.stderr
    assert "unseen" not in Session(folder).read().known.means(Session(folder).read().commit)
    assert "chain whole, branch agrees" in overnight("log", folder, "--verify").stdout


def test_after_a_veto_nothing_is_disowned_any_more(tmp_path):
    folder = night(tmp_path / "little", ("honest", HONEST), ("trick", TRICK))
    commit(folder, {"track.toml": CONTRACT + WATCH, "score.py": UNSEEN}, "a further metric")
    measured = overnight("run", folder)  # measures by itself before it goes on
    assert "#2 is disowned" in measured.stderr and measured.returncode == 0
    assert overnight("veto", "2", folder).returncode == 0
    assert "disowned" not in overnight("status", folder).stdout


def test_where_nothing_is_disowned_that_is_said(tmp_path):
    folder = night(tmp_path / "little", ("honest", HONEST))
    commit(folder, {"track.toml": CONTRACT + WATCH, "score.py": UNSEEN}, "a further metric")
    done = overnight("metric", "score", folder, "--seeds", "4")
    assert "no keep is disowned" in done.stdout and "unseen: 4" in done.stdout
    assert found(folder)["further"]["disowned"] == []


def test_a_rule_suggests_what_moved_and_only_the_users_grant_and_commit_let_it_in(tmp_path):
    folder = night(tmp_path / "little", ("honest", HONEST), ("trick", TRICK))
    (suggested,) = found(folder)["suggestions"]
    assert suggested["by"] == "rules" and suggested["suggested"]["metric"] == "effort" and not suggested["granted"]
    assert "1 further metric suggested" in overnight("status", folder).stdout and git(folder, "status", "--porcelain") == ""
    assert "no further metric is named" in sentence(overnight("metric", "score", folder))
    assert msgspec.json.decode(overnight("metric", "show", "1", folder, "--json").stdout, type=SuggestionView).by == "rules"
    granted = overnight("metric", "grant", "1", folder)
    assert granted.returncode == 0 and '+metric = "effort"' in granted.stdout and "track.toml is changed" in granted.stdout
    assert git(folder, "status", "--porcelain") == "M track.toml" and found(folder)["suggestions"][0]["granted"]
    assert "track.toml is not committed" in sentence(overnight("metric", "score", folder))
    commit(folder, {}, "granted")
    assert "#2 is disowned: effort is worse by 1" in overnight("metric", "score", folder, "--seeds", "2").stdout
    assert "nothing new is suggested" in overnight("metric", "suggest", folder).stdout
    assert "there is no suggestion 7" in sentence(overnight("metric", "show", "7", folder))


def test_a_guard_that_was_not_in_force_names_the_keep_that_breaks_it(tmp_path):
    folder = night(tmp_path / "little", ("honest", HONEST), ("trick", TRICK))
    commit(folder, {"track.toml": CONTRACT + '\n[[guard]]\nmetric = "effort"\nat_most = "1.5x"\n'}, "a guard")
    assert "#2 is disowned: it breaks the guard on effort: 2 where 1.5x is the bound" in overnight("metric", "score", folder).stdout
    assert "begin anew with `overnight run --restart`" in sentence(overnight("run", folder))


METRIC = """METRIC: What is not scored
The trick pays only where the scorer looks.

```toml
[[watch]]
metric = "unseen"
direction = "minimize"
worthwhile = 0.05
```

FILE: score.py
<<<<<<< SEARCH
luck = int(os.environ["OVERNIGHT_SEED"]) % 7 / 100
=======
luck = int(os.environ["OVERNIGHT_SEED"]) % 7 / 100
unseen = (x - 3) ** 2 + 0.3 * trick + luck
>>>>>>> REPLACE
<<<<<<< SEARCH
print(json.dumps({"loss": (x - 3) ** 2 - 0.5 * trick + luck, "effort": 1 + trick}))
=======
print(json.dumps({"loss": (x - 3) ** 2 - 0.5 * trick + luck, "effort": 1 + trick, "unseen": unseen}))
>>>>>>> REPLACE
"""


def test_a_metrician_reads_the_exploit_and_its_metric_disowns_it_once_granted(tmp_path):
    heard = []

    def model(messages):
        heard.append(messages[1]["content"])
        return METRIC

    team = PROGRAM.replace("---\nReplay", "  watcher: {kind: metrician, every: 1}\n---\nReplay")
    folder = repository(tmp_path / "little", {**BASE, "program.md": team, "patches/0-trick.patch": patch("trick", TRICK)})
    with Server(model) as server:
        done = overnight("run", folder, "--model", f"server:r@{server.url}", "--price", "1,4")
    assert done.returncode == 0, done.stderr
    assert "+TRICK = 1.0" in heard[0] and "the scorer's other number effort went from 1 to 2" in heard[0]
    assert git(folder, "status", "--porcelain") == "" and "unseen" not in overnight("brief", folder).stdout
    ours = next(each for each in found(folder)["suggestions"] if each["by"] == "watcher")
    granted = overnight("metric", "grant", str(ours["suggestion"]), folder, "--json")
    assert "score.py and track.toml are changed" in msgspec.json.decode(granted.stdout, type=Done).said[-1], granted.stderr
    commit(folder, {}, "granted")
    assert "#1 is disowned: unseen is worse by 0.3" in overnight("metric", "score", folder, "--seeds", "2").stdout
