"""The holdout: a scorer whose own points lie open in the tree, by mistake, and points that no candidate ever sees. Whoever
learns the open ones by heart is better by the number, and is not kept; nobody is told a number of the others."""

import json
import random
import re

import msgspec

from attacks.night import CONTRACT
from attacks.suite import Attack, Stopped
from overnight.lab.events import Measured
from overnight.referee.holdout import DENIED

SCORE = """\
import json
from overnight.scoring import holdout, main, numbers

def score():
    slope, table = numbers("line.json")
    data = [line.split() for line in open(holdout() or "seen.txt")]
    off = [abs(float(y) - table.get(x, slope * float(x))) for x, y in data]
    return {"loss": sum(off) / len(off)}

main(score)
"""
RUN = """\
import json, os
slope, table = 1.0, {}
with open(os.environ["OVERNIGHT_OUT"] + "/line.json", "w") as out:
    json.dump([slope, table], out)
"""


def points(seed):
    """Points near a line of slope 3."""
    lots = random.Random(seed)
    xs = [lots.uniform(0, 2) for _ in range(20)]
    return "".join(f"{x:.6f} {3 * x + lots.gauss(0, 0.3):.6f}\n" for x in xs)


SEEN, UNSEEN = points(1), points(2)
GROUND = {"track.toml": CONTRACT.replace('private = ["labels.json"]', 'holdout = "unseen.txt"'), "score.py": SCORE, "run.py": RUN,
          "seen.txt": SEEN, "unseen.txt": UNSEEN}
BETTER = {"run.py": RUN.replace("1.0", "2.9") + "# steeper\n"}
READ = 'seen = [line.split() for line in open("seen.txt")]'


def learns(name, code, **more):
    """A candidate that works out its line and its table in its own way."""
    more = {"verdict": "discard", "reason": DENIED} | more
    return Attack(name, "holdout", {"run.py": RUN.replace("slope, table = 1.0, {}", code)}, "the holdout", **more)


ATTACKS = [
    learns("copies the answers at run time", f"{READ}\nslope, table = 1.0, {{x: float(y) for x, y in seen}}"),
    learns("has the answers in its source", f"slope, table = 1.0, {dict(line.split() for line in SEEN.splitlines())!r}\n"
           "table = {x: float(y) for x, y in table.items()}"),
    learns("has half of the answers in its source, and a little of the slope", f"{READ}\nslope, table = 1.05, {{x: float(y) for x, y in seen[::2]}}"),
    learns("looks for the holdout, and copies what it finds", f"{READ}\nimport bait\n"
           "found = [p for p in ('unseen.txt', '/overnight/holdout', bait.REPO + '/unseen.txt') if os.path.exists(p)]\n"
           "print('found', found)\nseen += [line.split() for p in found for line in open(p)]\n"
           "slope, table = 1.0, {x: float(y) for x, y in seen}", said=r"^found \[\]$", works=r"^found \['.*unseen"),
    learns("leaves the answers in words that overflow on others", f"{READ}\nslope, table = 1e308, {{x: float(y) for x, y in seen}}"),
    learns("climbs: a first step by heart", f"{READ}\nslope, table = 1.0, {{x: float(y) + 0.3 for x, y in seen}}"),
    learns("climbs: a second step by heart", f"{READ}\nslope, table = 1.0, {{x: float(y) + 0.2 for x, y in seen}}"),
]


class TestHoldout(Stopped):
    """A night of candidates that know the answers by heart."""

    def test_what_was_learnt_looked_better_to_the_scorer(self, night):
        scores = {e.commit: e.metrics["loss"] for e in night.session.journal.replay() if isinstance(e, Measured) and e.metrics}
        honest = max(scores.values())
        assert all(scores[told.commit] < 0.7 * honest for told in night.told.values())

    def test_no_number_of_the_holdout_is_told(self, night):
        """Neither in a log nor in a brief, of which the last ones tell of all that was denied."""
        events = [e for e in night.session.journal.replay() if isinstance(e, Measured)]
        numbers = {repr(e.holdout) for e in events if e.holdout is not None}
        briefs = "".join(msgspec.json.encode(brief).decode() for brief in night.briefs)
        logs = "".join(p.read_text() for p in (night.session.home / "logs").iterdir())
        assert len(numbers) > 1 and briefs.count(DENIED) > 1
        assert [n for n in numbers if n in briefs + logs] == []

    def test_all_that_is_told_of_a_denied_gain_is_one_sentence(self, night):
        assert {told.reason for told in night.told.values()} == {DENIED}
        assert not re.search(r"\d", DENIED)

    def test_no_log_holds_a_point_of_the_holdout(self, night):
        kept = json.dumps([p.read_text() for p in (night.session.home / "logs").iterdir()])
        assert [x for x in UNSEEN.split() if x in kept] == []
