"""Small tracks whose scorers can be fooled, each with the sentences that `check` finds for it."""

from conftest import repository
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure, sealed
from overnight.night.hostile import Baseline, attack
from overnight.repo import Repo
from overnight.track.load import load

CONTRACT = """\
[track]
name = "fooled"
editable = ["solve.py"]

[metric]
name = "{metric}"
direction = "{direction}"
worthwhile = 0.001
{more}
[run]
command = ["python", "-S", "-E", "solve.py"]
timeout = "10s"
memory = "256MiB"
{oracle}
[score]
command = ["python", "{flags}", "score.py"]
timeout = "10s"
memory = "256MiB"
"""
ORACLE = """
[oracle]
command = ["python", "-S", "-E", "solve.py", "--serve"]
timeout = "10s"
"""
LEAVES = "import json, os\njson.dump({}, open(os.environ['OVERNIGHT_OUT'] + '/answer.json', 'w'))\n"
READS = "import json, os\nfound = json.load(open(os.environ['OVERNIGHT_ARTIFACTS'] + '/answer.json'))\n"
PREDICTS = LEAVES.format("[0.4, 1.8, 3.3, 3.9, 5.4, 5.8]")
TRUTH = "truth = [0.0, 2.0, 3.0, 4.0, 5.0, 6.0]\n"
SAYS = "print(json.dumps({'error': "


def made(folder, solve, score, metric="error", direction="minimize", oracle="", more="", flags="-S"):
    """A track of one script and one scorer."""
    contract = CONTRACT.format(metric=metric, direction=direction, oracle=oracle, more=more, flags=flags)
    return repository(folder / "fooled", {"track.toml": contract, "solve.py": solve, "score.py": score})


def attacked(folder, sandbox, spread=0.0):
    """What an attack on a track finds."""
    repo, track, home = Repo(folder), load(folder), folder.parent / "home"
    runner = Runner(track, repo, sandbox, repo.head(), home)
    run = runner.measure(sealed(Measure(0, 0, repo.head(), 7, "calibrate"), "key"), keep=home / "kept")
    assert run.outcome == "ok", run.reason
    return attack(track, runner, Baseline(run, home / "kept", spread))


COUNT = "let the scorer check how many there are, for zip stops at the shorter side."
FINITE = "let the scorer refuse what is not finite, for NaN passes through max, min and every comparison."
IGNORES = "import json, solve\nprint(json.dumps({'error': sum(solve.ANSWER)}))\n"
TOLERANT = READS + """\
TOLERANCE = 1e-2
if len(found) != 3 or any(not 0 <= x <= 1 + TOLERANCE for x in found):
    raise SystemExit("the answer leaves the unit interval")
print(json.dumps({"error": -sum(found)}))
"""
FOOLED = {
    "the candidate is ignored": (
        "ANSWER = [0.25]\nif __name__ == '__main__':\n    " + LEAVES.format("ANSWER").replace("\n", "\n    "), IGNORES,
        ["a candidate that ends at once with status 0 scores 0.25, no worse than the baseline's 0.25: the scorer does not measure "
         "the candidate, so let it read what the run left or ask an oracle, and fail where there is nothing."]),
    "zip stops at the shorter side, and all is summed": (
        PREDICTS, READS + TRUTH + SAYS + "sum(abs(a - b) for a, b in zip(found, truth))}))\n",
        ["a result with half as many entries scores 0.9, no worse than the baseline's 1.6: " + COUNT,
         "a result with twice as many entries scores 1.6, no worse than the baseline's 1.6: " + COUNT]),
    "zip stops at the shorter side, and a mean is taken": (
        PREDICTS, READS + TRUTH + "gaps = [abs(a - b) for a, b in zip(found, truth)]\n" + SAYS + "sum(gaps) / len(gaps)}))\n",
        ["a result with twice as many entries scores 0.266667, no worse than the baseline's 0.266667: " + COUNT]),
    "NaN in max": (
        PREDICTS, READS + TRUTH + "if len(found) != 6:\n    raise SystemExit(1)\nworst = 0.0\nfor a, b in zip(found, truth):\n"
        "    worst = max(worst, abs(a - b))\n" + SAYS + "worst}))\n",
        ["a result with NaN in place of its numbers scores 0, no worse than the baseline's 0.4: " + FINITE,
         "a result with NaN in place of its numbers but the first scores 0.4, no worse than the baseline's 0.4: " + FINITE]),
    "the candidate's own metric": (
        LEAVES.format("{'steps': 12, 'error': 0.5}"), READS + SAYS + "found['error']}))\n",
        ["a result that claims 0.25 scores 0.25: the score is the candidate's own number, so let the scorer compute it from what "
         "the run made."]),
    "the mean of the candidate's own metrics": (
        LEAVES.format("{'seed': 12, 'one': 0.5, 'two': 0.7}"), READS + SAYS + "(found['one'] + found['two']) / 2}))\n",
        ["a result that claims 0.3 scores 0.3: the score is the candidate's own number, so let the scorer compute it from what "
         "the run made."]),
    "a tolerance that can be bought": (
        LEAVES.format("[1.0, 0.5, 0.25]"), TOLERANT,
        ["a result that is pushed to within the tolerance of 0.01 in score.py scores -1.76575, no worse than the baseline's -1.75: "
         "a tolerance must gain nothing, so check exactly, or let the score pay for the way back (overnight.scoring.optimum does)."]),
    "unpickling": (
        "import os, pickle\nwith open(os.environ['OVERNIGHT_OUT'] + '/x.pkl', 'wb') as out:\n    pickle.dump(2.0, out)\n",
        "import json, os, pickle\nplace = os.environ['OVERNIGHT_ARTIFACTS']\nwith open(f'{place}/x.pkl', 'rb') as file:\n"
        "    x = pickle.load(file)\n" + SAYS + "(x - 3) ** 2}))\n",
        ["score.py, line 4, unpickles what a candidate left (pickle.load), so a candidate can forge its score, and every number is "
         "marked self-reported: let the scorer read data only (overnight.scoring has `numbers`, `array` and `tensors`)."]),
    "an empty file is perfect": (
        "import os\nwith open(os.environ['OVERNIGHT_OUT'] + '/answer', 'w') as out:\n    out.write('0.4\\n1.8\\n3.3\\n')\n",
        "import json, os\nlines = open(os.environ['OVERNIGHT_ARTIFACTS'] + '/answer').read().split()\n" + TRUTH
        + "if len(lines) not in (0, 3):\n    raise SystemExit(1)\n" + SAYS + "sum(abs(float(a) - b) for a, b in zip(lines, truth))}))\n",
        ["a result of empty files scores 0, no worse than the baseline's 0.9: let the scorer fail where an artefact is empty."]),
    "a missing file is passed over": (
        PREDICTS, "import json, os\ntry:\n    found = json.load(open(os.environ['OVERNIGHT_ARTIFACTS'] + '/answer.json'))\n"
        "except FileNotFoundError:\n    found = None\n" + TRUTH + "if found is not None and len(found) != 6:\n    raise SystemExit(1)\n"
        "error = 1.6 if found is None else sum(abs(a - b) for a, b in zip(found, truth))\n" + SAYS + "error + 0.0}))\n",
        ["a candidate that ends at once with status 0 scores 1.6, no worse than the baseline's 1.6: the scorer does not measure "
         "the candidate, so let it read what the run left or ask an oracle, and fail where there is nothing."]),
    "what is no number is passed over": (
        PREDICTS, READS + TRUTH + "if len(found) != 6:\n    raise SystemExit(1)\n" + SAYS
        + "sum(abs(a - b) for a, b in zip(found, truth) if a is not None)}))\n",
        ["a result with null in place of its numbers scores 0, no worse than the baseline's 1.6: let the scorer fail at what is no "
         "number, and pass over nothing."]),
}
