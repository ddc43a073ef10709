"""Where a program fixes its own seed: what is found in its source, what the change makes of it, what the state says then."""

import ast
import random

import pytest

from overnight.track import seeding
from overnight.track.seeding import words
from overnight.track.spec import parse

CONTRACT = """\
[track]
name = "seeded"
editable = ["train.py"]

[metric]
name = "loss"
direction = "minimize"
from = "output"
pattern = '^loss: (\\S+)'

[run]
command = ["python", "train.py"]
"""
HEAD = "import random\nimport numpy as np\nfrom numpy.random import default_rng as make\n"


def found(texts, contract=CONTRACT):
    """The places in these files, as `path:line`."""
    return [f"{place.path}:{place.number}" for place in seeding.places(parse(contract), texts, contract)]


def python(text):
    """Whether a seed is found in this Python."""
    return bool(found({"train.py": HEAD + text}))


@pytest.mark.parametrize("text", [
    "torch.manual_seed(42)", "torch.cuda.manual_seed_all(1)", "np.random.seed(0)", "random.seed(1)", "random.seed('hello')",
    "rng = np.random.default_rng(0)", "rng = make(7)", "rng = np.random.default_rng([1, 2])", "tf.random.set_seed(3)",
    "key = jax.random.PRNGKey(0)", "key = jax.random.key(0)", "lightning.seed_everything(1)", "rng = np.random.RandomState(0)",
    "rng = np.random.Generator(np.random.PCG64(3))", "rng = np.random.SeedSequence(entropy=5)", "lots = random.Random(4)",
    "model = Tree(random_state=0)", "fit(data, seed=1)", "fit(data, rng=3)", "loader = Loader(generator=Gen().manual_seed(0))",
    "SEED = 1337", "seed: int = 42", "randomState = 3", "class A:\n    seed: int = 42", "config = {'seed': 42}",
    "config['seed'] = 42", "self.seed = 1", "a, seed = 1, 2", "seeds = [0, 1, 2]", "def fit(data, seed=0): ...",
    "def fit(data, *, random_state: int = 0): ...", "parser.add_argument('--seed', type=int, default=0)",
    "@click.option('--random-seed', default=3)\ndef main(random_seed): ...", "seed: int = typer.Option(42)",
    "seed: int = field(default=42)", "seed = os.getenv('SEED', '1')", "seed = int(os.environ.get('MY_SEED', 1))",
    "os.environ['PYTHONHASHSEED'] = '0'", "s = 5\nrandom.seed(s)", "torch.manual_seed(1337 + rank)",
    "for trial in range(5):\n    rng = np.random.default_rng(trial)", "for seed in (1, 2): fit(seed)",
    "parser.add_argument('--seed', default=0)\na = parser.parse_args()\nrandom.seed(int(os.environ.get('OVERNIGHT_SEED', a.seed)))\nfit(a.seed)",
    "SEED = 3\nrandom.seed(int(os.getenv('OVERNIGHT_SEED') or SEED))\nnp.random.seed(SEED)",
    "if seed is None:\n    seed = 0", "setSeed(4)", "env.reset(seed=0)", "fit({'bagging_seed': 1})",
])
def test_a_fixed_seed_is_found_in_python(text):
    assert python(text)


@pytest.mark.parametrize("text", [
    "random.seed()", "rng = np.random.default_rng()", "model = Tree(random_state=None)", "random.seed(None)", "n_seeds = 5",
    "num_seeds = 3", "use_seed = True", "max_seed = 2**31", "seed_length = 4", "speed = 3", "seedling(3)", "x = get_seed(3)",
    "SEED = int(os.environ['OVERNIGHT_SEED'])\nnp.random.seed(SEED)", "random.seed(int(os.environ.get('OVERNIGHT_SEED', 42)))",
    "try:\n    seed = int(os.environ['OVERNIGHT_SEED'])\nexcept KeyError:\n    seed = 0", "np.random.seed(int(time.time()))",
    "lots = random.Random(int(os.environ.get('OVERNIGHT_SEED', '0')))", "model = Tree(random_state=rng)", "print('seed: 42')",
    "parser.add_argument('--seed', type=int, default=0)\na = parser.parse_args()\nrandom.seed(int(os.environ.get('OVERNIGHT_SEED', a.seed)))",
    "SEED = 3\nrandom.seed(int(os.getenv('OVERNIGHT_SEED') or SEED))", "def main(seed=0):\n    random.seed(int(os.getenv('OVERNIGHT_SEED', seed)))",
    "# random.seed(1)", "seed = secrets.randbits(31)", "offset = 0\nrandom.seed(int(os.environ['OVERNIGHT_SEED']) + offset)",
])
def test_what_fixes_no_seed_is_left_alone(text):
    assert not python(text)


@pytest.mark.parametrize(("path", "text"), [
    ("conf.yaml", "name: a\nseed: 42"), ("conf.yaml", "train: {seed: 7}"), ("conf.toml", "random_state = 3"),
    ("conf.json", '{"seed": 42}'), ("conf.ini", "seed = 1"), (".env", "SEED=4"), ("a.c", "srand(1);"),
    ("a.c", "#define SEED 42"), ("a.c", "static unsigned long long rng_state = 1337;"), ("a.cpp", "std::mt19937 lots(42);"),
    ("a.cpp", "std::mt19937 lots;"), ("a.cu", "curandSetPseudoRandomGeneratorSeed(made, 1234ULL);"), ("a.R", "set.seed(1)"),
    ("a.jl", "Random.seed!(1)"), ("a.jl", "rng = MersenneTwister(3)"), ("a.rs", "let lots = StdRng::seed_from_u64(42);"),
    ("a.rs", "const SEED: u64 = 42;"), ("a.go", "rand.New(rand.NewSource(42))"), ("a.go", "rand.Seed(1)"), ("a.go", "seed := 7"),
    ("A.java", "Random lots = new Random(42);"), ("a.js", "const lots = seedrandom('hello')"), ("a.lua", "math.randomseed(42)"),
    ("a.js", "const seed = process.env.SEED || 42"), ("a.rs", "let seed: u64 = args().nth(1).and_then(|t| t.parse().ok()).unwrap_or(1);"),
    ("run.sh", "python train.py --seed 42"), ("run.sh", "SEED=3 ./train"),
    ("Makefile", "\tpython train.py --seed=3"), ("a.c", "int main() { return rand(); }"), ("a.py", "type seed = int\nseed = 1 1"),
])
def test_a_fixed_seed_is_found_in_other_languages_and_configurations(path, text):
    assert words.find(path, text + "\n")


@pytest.mark.parametrize(("path", "text"), [
    ("a.c", "srand(time(NULL));\nrand();"), ("a.c", "srand(atoi(getenv(\"OVERNIGHT_SEED\")));\nrand();"), ("a.c", "// seed = 4"),
    ("a.c", "if (seed == 42) return;"), ("a.cpp", "std::random_device source;"), ("conf.yaml", "seed: null"),
    ("conf.yaml", "# seed: 42"), ("conf.yaml", "n_seeds: 5"), ("a.rs", "let n_seeds = told.unwrap_or(5);"), ("A.java", "new Random()"), ("run.sh", "python a.py --seed $SEED"),
    ("run.sh", 'python a.py --seed "${OVERNIGHT_SEED:-42}"'), ("a.json", '{"seed": 4, "text": "' + "x" * 2000 + '"}'),
])
def test_what_fixes_no_seed_in_other_languages_is_left_alone(path, text):
    assert not words.find(path, text + "\n")


SEEDS_ELSEWHERE = "import random\ndef set_seed(seed=42):\n    random.seed(seed)\n"


@pytest.mark.parametrize(("call", "said"), [
    ("set_seed(args.seed)", []), ("set_seed(seed=args.seed)", []), ("set_seed()", ["utils.py:2"]), ("set_seed(*args)", ["utils.py:2"]),
    ("set_seed(args.seed)\nset_seed()", ["utils.py:2"]), ("set_seed(7)", ["train.py:5", "utils.py:2"])])
def test_a_default_fixes_no_seed_where_every_call_hands_one_over(call, said):
    options = "import os, argparse\nfrom utils import set_seed\np = argparse.ArgumentParser()\n" \
        "p.add_argument('--seed', type=int, default=int(os.environ.get('OVERNIGHT_SEED', 0))); args = p.parse_args()\n"
    assert found({"train.py": options + call, "utils.py": SEEDS_ELSEWHERE}) == said


# ---- which files ------------------------------------------------------------------------------------------------


def test_what_a_run_imports_names_and_configures_is_looked_at_and_no_more():
    texts = {"train.py": "import lib.model\nfrom lib import data\nload('conf/base.yaml')\nexec(open('more.py').read())\n",
             "lib/model.py": "SEED = 1\n", "lib/data.py": "from . import deep\n", "lib/deep.py": "SEED = 2\n", "more.py": "seed = 3\n",
             "conf/base.yaml": "seed: 4\n", "conf/other.yaml": "seed: 5\n", "else/where.yaml": "seed: 6\n", "other.py": "SEED = 7\n"}
    assert found(texts) == ["conf/base.yaml:1", "conf/other.yaml:1", "lib/deep.py:1", "lib/model.py:1", "more.py:1"]


@pytest.mark.parametrize("command", ['["make", "run"]', '["sh", "-c", "./build && ./train"]'])
def test_where_the_command_is_no_python_program_all_source_is_looked_at(command):
    contract = CONTRACT.replace('["python", "train.py"]', command)
    assert found({"train.py": "", "deep/down.c": "srand(1);\n"}, contract) == ["deep/down.c:1"]


def test_a_program_that_starts_others_has_all_source_looked_at():
    assert found({"train.py": "import subprocess\n", "other.py": "SEED = 7\n"}) == ["other.py:1"]


def test_a_module_is_run_by_its_name():
    contract = CONTRACT.replace('"train.py"]\n', '"-m", "pack.train"]\n', 2).replace('editable = ["-m", "pack.train"]', 'editable = ["x.py"]')
    assert found({"x.py": "", "src/pack/train.py": "SEED = 1\n", "pack/other.py": "SEED = 2\n"}, contract) == ["src/pack/train.py:1"]


def test_the_scorer_s_own_seeds_are_no_fault_but_what_the_candidate_runs_too_is():
    contract = CONTRACT.replace("from = \"output\"\npattern = '^loss: (\\S+)'\n", "") + '[score]\ncommand = ["python", "score.py"]\n'
    texts = {"train.py": "import shared\n", "score.py": "import shared, secret\nSEED = 1\n", "secret.py": "SEED = 2\n",
             "shared.py": "SEED = 3\n"}
    assert found(texts, contract) == ["shared.py:1"]


@pytest.mark.parametrize("path", ["tests/a.py", "test_a.py", "node_modules/x/a.js", "uv.lock", "package-lock.json", "venv/lib/a.py",
                                  ".github/a.yaml", "track.toml", "picture.png", "vendor/a.c"])
def test_tests_locks_and_vendored_files_are_not_read(path):
    assert not seeding.readable(parse(CONTRACT), path)


@pytest.mark.parametrize(("command", "said"), [
    ('["python", "train.py", "--seed", "42"]', ["track.toml:12"]), ('["sh", "-c", "python train.py --seed=42"]', ["track.toml:12"]),
    ('["sh", "-c", "python train.py --seed $OVERNIGHT_SEED"]', []), ('["python", "train.py", "--seed=$OVERNIGHT_SEED"]', []),
])
def test_a_seed_in_the_command_is_one_and_overrides_the_option_s_default(command, said):
    contract = CONTRACT.replace('["python", "train.py"]', command)
    text = "parser.add_argument('--seed', default=0)\n" if not said else ""
    assert found({"train.py": text}, contract) == said


# ---- the change -------------------------------------------------------------------------------------------------


def changed(text, path="train.py"):
    """A file after the change, and what is left to do by hand."""
    texts = {path: text}
    places = seeding.places(parse(CONTRACT), texts) if path == "train.py" else words.find(path, text)
    return seeding.connected(places, texts).get(path), seeding.by_hand(places, texts)


PROGRAM = '''"""What it does: é."""
from __future__ import annotations

import random
SEED, name = 1_337, "é"; random.seed(SEED); lots = random.Random("é" if name else 3)
more = random.Random(0x2A)
def draw(seed: int = 5): return random.Random(seed).random()
print(random.random(), more.random(), draw(), random.Random("word").random())
'''


def output(text, monkeypatch, **env):
    """What a program prints under an environment."""
    said = []
    monkeypatch.delenv("OVERNIGHT_SEED", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    exec(compile(text, "program", "exec"), {"print": lambda *each: said.append(each)})
    return said


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_change_is_the_same_program_by_hand_and_another_under_each_seed(end, monkeypatch):
    before = PROGRAM.replace("\n", end)
    after, left = changed(before)
    assert not left and after.count("import os" + end) == 1 and output(before, monkeypatch) == output(after, monkeypatch)
    one, two = (output(after, monkeypatch, OVERNIGHT_SEED=str(seed)) for seed in (1, 2**31 - 1))
    assert all(a != b for a, b in zip(one[0], two[0], strict=True))


@pytest.mark.parametrize("text", ["import os\nrandom.seed(1)\n", "import sys, os\nrandom.seed(1)\n"])
def test_what_is_imported_already_is_not_imported_again(text):
    assert changed(text)[0] == text.replace("(1)", '(int(os.environ.get("OVERNIGHT_SEED", 1)))')


def test_an_import_that_comes_too_late_is_made_before():
    assert changed("random.seed(1)\nimport os\n")[0].startswith("import os\nrandom.seed(int(os")


@pytest.mark.parametrize("text", ["os = 3\nrandom.seed(1)\n", "from mine import os\nrandom.seed(1)\n", "def f(os):\n    random.seed(1)\n",
                                  "random.seed(1.5)\n", "for seed in range(3): fit(seed)\n", "seeds = [1, 2]\n", "random.seed(b'1')\n",
                                  '"""doc"""; random.seed(1)\n'])
def test_where_no_change_is_safe_it_says_what_to_do_by_hand(text):
    after, left = changed(text)
    assert after is None and len(left) == 1 and "$OVERNIGHT_SEED" in left[0]


@pytest.mark.parametrize(("path", "before", "after"), [
    ("a.c", "srand(1);", 'srand(getenv("OVERNIGHT_SEED") ? atoi(getenv("OVERNIGHT_SEED")) : 1);'),
    ("a.R", "set.seed(1)", 'set.seed(as.integer(Sys.getenv("OVERNIGHT_SEED", "1")))'),
    ("a.jl", "Random.seed!(1)", 'Random.seed!(parse(Int, get(ENV, "OVERNIGHT_SEED", "1")))'),
    ("run.sh", "python a.py --seed 42 --x", 'python a.py --seed "${OVERNIGHT_SEED:-42}" --x'),
    ("conf.yaml", "seed: 42", None), ("a.rs", "let lots = StdRng::seed_from_u64(42);", None),
])
def test_other_languages_are_changed_where_that_is_clear(path, before, after):
    made, left = changed(f"é\n{before}\n", path)
    assert made == (after and f"é\n{after}\n") and bool(left) is (after is None)


def test_the_change_is_shown_as_a_diff_that_git_knows():
    texts = {"train.py": "import os\nrandom.seed(1)"}
    shown = seeding.patch(seeding.places(parse(CONTRACT), texts), texts)
    assert shown.startswith("--- a/train.py\n+++ b/train.py\n") and shown.endswith("\n\\ No newline at end of file\n")


def test_of_a_long_line_the_part_is_shown_that_fixes_the_seed():
    text = f"data = make({'n=1, ' * 40}random_state=3)\n"
    place, = seeding.places(parse(CONTRACT), {"train.py": text})
    assert "random_state=3)" in str(place) and str(place).startswith("train.py:1 …") and len(str(place)) < 90


def test_whatever_a_file_holds_nothing_falls_over_and_what_is_changed_is_python():
    lots, parts = random.Random(0), ["seed", "=", "1", "(", ")", "\n", "random", ".", ",", "'", "[", "]", ":", " ", "é", "def f", "\x00",
                                     "for seed in", "range(3)", "#", "\\", "\r", "import os", ";", "lambda seed=1: 0", "\x0c", "\t"]
    for _ in range(600):
        text = "".join(lots.choices(parts, k=lots.randrange(1, 30)))
        after, _left = changed(text)
        if after is not None:
            ast.parse(after)


def test_a_hundred_thousand_lines_are_looked_at_in_time():
    text = "seed " * 50_000 + "\n" + "aseed=b\n" * 20_000
    assert not words.find("a.c", text)
