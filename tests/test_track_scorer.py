"""What a scorer's text tells: whether it runs what a candidate left, and what it tolerates."""

import pytest

from conftest import CONTRACT
from overnight.track.scorer import forgeable, parsed, tolerances
from overnight.track.spec import parse

TRACK = parse(CONTRACT)
D = "import os\nd = os.environ['OVERNIGHT_ARTIFACTS']\n"
RUNS = {
    "import pickle\npickle.load(open(d + '/x', 'rb'))": "unpickles what a candidate left (pickle.load)",
    "import pickle as p\nwith open(f'{d}/x', 'rb') as f:\n    p.loads(f.read())": "unpickles what a candidate left (pickle.loads)",
    "from joblib import load\nfrom pathlib import Path\nload(Path(d) / 'model')": "unpickles what a candidate left (joblib.load)",
    "import torch\ntorch.load(d + '/x.pt')": "unpickles what a candidate left (torch.load)",
    "import torch\ntorch.load(d + '/x.pt', weights_only=False)": "unpickles what a candidate left (torch.load)",
    "import numpy as np\nnp.load(d + '/x.npy', allow_pickle=True)": "unpickles what a candidate left (numpy.load)",
    "import yaml\nyaml.load(open(d + '/x'), yaml.Loader)": "unpickles what a candidate left (yaml.load)",
    "import sys\nsys.path.insert(0, d)\nimport solution": "imports what a candidate left (sys.path.insert)",
    "import importlib.util as u\nu.spec_from_file_location('x', d + '/x.py')": "imports what a candidate left (importlib.util.spec_from_file_location)",
    "import runpy\nrunpy.run_path(os.path.join(d, 'x.py'))": "executes what a candidate left (runpy.run_path)",
    "exec(open(d + '/x.py').read())": "executes what a candidate left (exec)",
    "import subprocess, sys\nsubprocess.run([sys.executable, '-I', d + '/x.py'])": "executes what a candidate left (subprocess.run)",
    "from subprocess import check_output as c\nc([d + '/x'])": "executes what a candidate left (subprocess.check_output)",
    "import subprocess\nsubprocess.run(f'cd {d} && ./x', shell=True)": "executes what a candidate left (subprocess.run)",
    "def look(path):\n    return eval(open(path).read())\nlook(d + '/x')": "executes what a candidate left (eval)",
    "def text(name):\n    return open(d + name).read()\nfor line in text('/x').split():\n    eval(line)": "executes what a candidate left (eval)",
    "class S:\n    def __init__(self):\n        self.place = d\n    def go(self):\n        import pickle\n        pickle.load(open(self.place))":
        "unpickles what a candidate left (pickle.load)",
    "from overnight.scoring import Oracle\neval(Oracle.given().ask(1))": "executes what a candidate left (eval)",
    "from overnight.scoring import artifact\nimport marshal\nmarshal.loads(artifact('x'))": "unpickles what a candidate left (marshal.loads)",
}
READS = [
    "import json\njson.load(open(d + '/x.json'))",
    "import pickle\npickle.load(open('labels.pkl', 'rb'))\nopen(d + '/x').read()",
    "import torch\ntorch.load(d + '/x.pt', weights_only=True)",
    "import numpy as np\nnp.load(d + '/x.npy')\nnp.load('own.npy', allow_pickle=True)",
    "import yaml\nyaml.load(open(d + '/x'), Loader=yaml.SafeLoader)\nyaml.safe_load(open(d + '/x'))",
    "import subprocess, sys\nsubprocess.run(['ffprobe', d + '/x.mp4'])\nsubprocess.run([sys.executable, 'judge.py', d])",
    "eval('1 + 1')\nimport re\nre.compile('x').match(open(d + '/x').read())",
    "import importlib\nimportlib.import_module('own')",
    "from overnight.scoring import numbers\nnumbers('x.json')",
]


def trees(files):
    """The scorer's files as they are read."""
    return parsed(TRACK, {"score.py": "", **files}.get)


@pytest.mark.parametrize("text", RUNS)
def test_what_runs_what_a_candidate_left_is_found(text):
    path, line, does = forgeable(trees({"score.py": D + text})).split(", ")
    assert (path, does) == ("score.py", RUNS[text]) and int(line.removeprefix("line ")) > 2


@pytest.mark.parametrize("text", READS)
def test_what_only_reads_it_is_not(text):
    assert forgeable(trees({"score.py": D + text})) == ""


def test_the_modules_that_it_imports_are_read_too():
    files = {"score.py": "from tools.reading import look\nimport own\n" + D + "look(d)", "own.py": "", "own2.py": D + "exec(d)",
             "tools/reading.py": "import pickle\ndef look(place):\n    return pickle.load(open(place))\n"}
    assert set(trees(files)) == {"score.py", "own.py", "tools/reading.py"}
    assert forgeable(trees(files)) == "tools/reading.py, line 3, unpickles what a candidate left (pickle.load)"


def test_what_is_no_python_says_nothing():
    assert forgeable(trees({"score.py": "((("})) == "" and tolerances(trees({"score.py": "((("})) == []


@pytest.mark.parametrize(("text", "sizes"), [
    ("EPS = 1e-6\nif x > 1 + EPS: pass", [1e-6]), ("ok = abs(a - b) < 1e-3", [1e-3]), ("isclose(a, b, rel_tol=1e-4)", [1e-4]),
    ("TOLERANCE = 0.01\nfits(x, TOLERANCE)", [0.01]), ("rate = 0.01\ny = rate * x", []), ("if p < 0.5 and n > 1: pass", []),
    ("a < 1e-9 or b < 1e-3", [1e-3, 1e-9])])
def test_tolerances(text, sizes):
    assert tolerances(trees({"score.py": text})) == [(size, "score.py") for size in sizes]
