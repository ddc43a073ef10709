"""`overnight check` says what a run costs, and what would make it cheaper: a track with slow imports and a scorer that audits."""

import re

import pytest

from conftest import overnight, repository, trusted

NEEDS = "night"
CONTRACT = """\
[track]
name = "costly"
editable = ["solve.py"]

[metric]
name = "error"
direction = "minimize"
worthwhile = 0.1

[run]
command = ["python", "solve.py"]
timeout = "20s"
memory = "256MiB"

[oracle]
command = ["python", "solve.py", "--serve"]
timeout = "20s"

[score]
command = ["python", "score.py"]
timeout = "20s"
memory = "256MiB"
audit = "confirm"
"""
SLOW = "import time\ntime.sleep(0.6)\n"  # a package that takes as long to import as a large one
SOLVE = """\
import sys
sys.path.append("site")
import slow, parts
if "--serve" in sys.argv:
    for line in sys.stdin:
        print(2 * int(line), flush=True)
"""
SCORE = """\
from overnight.scoring import Foul, Oracle, audited, fresh, main

def score():
    told = Oracle.given().ask(2)
    if audited() and fresh(audit=True).ask(2) != told:
        raise Foul("it answers otherwise when it is asked again")
    return {{"error": abs(told - 4){more}}}

main(score)
"""


@pytest.fixture
def checked(tmp_path):
    """What `check` says of such a track; `more`: what else its scorer adds to the number."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "slow.py").write_text(SLOW)

    def check(more=""):
        files = {"solve.py": SOLVE.replace('"site"', repr(str(site))), "parts.py": "", "score.py": SCORE.format(more=more),
                 "track.toml": CONTRACT.replace("[oracle]", f'data = ["{site}"]\n\n[oracle]', 1)}
        return overnight("check", trusted(repository(tmp_path / "costly", files)))
    return check


def test_check_says_what_imports_and_audits_cost(checked):
    done = checked()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"imports take [\d.]+ s of the [\d.]+ s that a run itself takes \(slow [\d.]+ s\): `preload = \[\"slow\"\]` in \[run\]",
                     done.stdout), done.stdout
    plain, audited = map(float, re.search(r"scoring takes ([\d.]+) s, and ([\d.]+) s with an audit", done.stdout).groups())
    assert audited > plain + 0.5 and "without an audit the scorer" not in done.stdout


def test_check_says_that_an_audit_changes_the_number(checked):
    assert "note: without an audit the scorer gives 0, with one it gives 1:" in checked(" + audited()").stdout
