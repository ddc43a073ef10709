"""A scorer that audits at confirmations alone: cheats that only an audit sees win their races, and are caught before they are kept."""

from attacks import test_prediction
from attacks.suite import Attack, Stopped
from overnight.lab.events import Measured

GROUND = test_prediction.GROUND | {"track.toml": test_prediction.GROUND["track.toml"].replace("[score]", '[score]\naudit = "confirm"'),
                                   "score.py": test_prediction.SCORE.replace("fresh()", "fresh")}
BETTER = test_prediction.BETTER
WINS = ("leaks at a tenth of the rows", "centres each batch", "learns the clouds from the rows that it is asked about")


def seldom(attack):
    """The same attack on this scorer."""
    return Attack(attack.name, "audits", attack.files, "an audit where it is confirmed", verdict="foul", reason=attack.reason)


ATTACKS = [seldom(attack) for attack in test_prediction.ATTACKS if attack.name in WINS]


class TestAudits(Stopped):
    """A night of classifiers that cheat, and are better by the number."""

    def test_each_won_its_race_and_was_caught_by_its_first_run_that_confirms(self, night):
        runs = [e for e in night.session.journal.replay() if isinstance(e, Measured)]
        for told in night.told.values():
            mine = [(run.stage, run.outcome) for run in runs if run.commit == told.commit]
            assert ("race", "ok") in mine and ("confirm", "foul") in mine
            assert all(outcome == ("foul" if stage == "confirm" else "ok") for stage, outcome in mine)

    def test_what_was_kept_was_audited(self, night):
        events = [*night.session.journal.replay()]
        honest = night.session.state.commit if night.session.state else ""
        assert honest and any(isinstance(e, Measured) and (e.commit, e.stage, e.outcome) == (honest, "confirm", "ok") for e in events)
