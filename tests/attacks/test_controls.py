"""Controls: where the evaluator shares the candidate's process and its output is the metric, the same tricks pay. So the
attacks are real, and what stops them elsewhere is that the harness measures; and such a track says `self-reported`."""

import textwrap

import pytest

from attacks.night import CONTRACT
from conftest import home, repository
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.repo import Repo
from overnight.track.spec import parse

JUDGE = "LABELS = {'answer': 3.25}\n\ndef score(x):\n    return abs(x - LABELS['answer'])\n"
HONEST = "import judge\nprint('loss:', judge.score(1.0))\n"
SELF_REPORTED = CONTRACT[:CONTRACT.index("[score]")].replace('name = "loss"', 'name = "loss"\nfrom = "output"\n'
                                                             "pattern = '^loss:\\s*(\\S+)'") + "[referee]\nstack = 1\n"
CHEATS = {
    "prints a metric": "import os\nprint('loss: 0.0', flush=True)\nos._exit(0)\n",
    "patches the evaluator": "import judge\njudge.score = lambda x: 0.0\nprint('loss:', judge.score(1.0))\n",
    "patches what the evaluator uses": f"import builtins\nbuiltins.abs = lambda x: 0.0\n{HONEST}",
    "reads the labels": "import judge\nprint('loss:', judge.score(judge.LABELS['answer']))\n",
    "reads the labels from the evaluator's frame": """\
        import judge, sys
        def spy(frame, event, argument):
            frame.f_globals.get("LABELS", {})["answer"] = 1.0
        sys.settrace(spy)
        print("loss:", judge.score(1.0))
        """,
    "finds the labels among all objects": """\
        import gc, judge
        found = next(o["LABELS"] for o in gc.get_objects() if isinstance(o, dict) and "LABELS" in o)
        print("loss:", judge.score(found["answer"]))
        """,
    "rewrites the output at exit": """\
        import io, os, sys
        out, sys.stdout = sys.stdout, io.StringIO()
        import judge
        print("loss:", judge.score(1.0))
        out.write("loss: 0.0\\n")
        """,
}


@pytest.fixture(scope="module")
def own_word(tmp_path_factory):
    """A track whose candidate evaluates itself."""
    folder = tmp_path_factory.mktemp("controls")
    (folder / "data").mkdir()
    return repository(folder / "target", {"track.toml": SELF_REPORTED, "judge.py": JUDGE, "run.py": HONEST})


@pytest.mark.parametrize("cheat", CHEATS)
def test_it_pays_where_the_candidate_is_its_own_judge(own_word, bubblewrap, cheat):
    repo, track = Repo(own_word), parse(SELF_REPORTED)
    runner = Runner(track, repo, bubblewrap, repo.head(), home(own_word))
    head = repo.commit(repo.head(), {"run.py": textwrap.dedent(CHEATS[cheat])}, cheat)
    honest, forged = (runner.measure(Measure(1, 1, each, 1, "race")) for each in (repo.head(), head))
    assert (honest.metrics["loss"], forged.metrics["loss"]) == (2.25, 0.0)


def test_such_a_track_is_marked(own_word):
    assert parse(SELF_REPORTED).self_reported
