"""The track microgpt: its gradients, that it serves what it trained, its words, and a scorer that believes nothing."""

import ast
import importlib.util
import io
import json
import math
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

TRACK = Path(__file__).parent.parent / "tracks" / "microgpt"
UNIFORM = [1 / 27] * 27


def load(name):
    """A module of the track, fresh, so that a test may turn its settings."""
    spec = importlib.util.spec_from_file_location(f"microgpt_{name}", TRACK / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def gpt(monkeypatch):
    monkeypatch.syspath_prepend(str(TRACK))
    module = load("train")
    module.TRAIN_WORDS, module.WORDS_PER_STEP = 4, 2
    yield module
    del sys.modules["wordlist"]


def as_values(gpt, weights):
    return {name: [[gpt.Value(x) for x in row] for row in matrix] for name, matrix in weights.items()}


def nats(gpt, plain, words):
    """The surprise at all characters of some words, in the maths of serving."""
    total = 0.0
    for word in words:
        context, cache = [0], {}
        for token in gpt.encode(word):
            total -= math.log(gpt.softmax(gpt.next_logits(plain, context, cache))[token])
            context.append(token)
    return total


OPTIONS = {
    "baseline": {},
    "everything": {"N_LAYER": 2, "NORM_OUTPUT": True, "LOOK_BACK": True, "BIGRAM_TABLE": True, "LOGIT_SCALE": 2.0},
    "tied": {"TIED_HEAD": True, "ACTIVATION": "relu_squared", "NORM_INPUT": False},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_gradients_are_those_of_finite_differences(gpt, options):
    vars(gpt).update(options, INIT_STD=0.4, HEAD_STD=0.4)
    plain = gpt.first_weights(1)
    weights = as_values(gpt, plain)
    gpt.backward(gpt.word_losses(weights, "abacus"), 1.0)

    rng, step = random.Random(2), 1e-5
    for name, matrix in plain.items():
        row = 1 if name in ("token", "previous", "position", "head", "bigram") else rng.randrange(len(matrix))
        column = rng.randrange(len(matrix[row]))
        middle = matrix[row][column]
        matrix[row][column] = middle + step
        above = nats(gpt, plain, ["abacus"])
        matrix[row][column] = middle - step
        below = nats(gpt, plain, ["abacus"])
        matrix[row][column] = middle
        assert weights[name][row][column].grad == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-6), name


def test_the_tape_is_empty_after_a_step_back(gpt):
    weights = as_values(gpt, gpt.first_weights(0))
    gpt.backward(gpt.word_losses(weights, "word"), 1.0)
    assert gpt.Value.tape == []


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_serving_is_the_maths_of_training(gpt, options):
    vars(gpt).update(options)
    plain = gpt.train(3)
    learning, serving, context = {}, {}, [0]
    for token in gpt.encode("python"):
        logits = gpt.next_logits(as_values(gpt, plain), context, learning)
        assert [x.data for x in logits] == gpt.next_logits(plain, context, serving)  # to the last bit
        context.append(token)


def test_the_seed_decides_the_weights(gpt, capsys):
    assert gpt.train(5) == gpt.train(5)
    assert gpt.train(5) != gpt.train(6)


@pytest.mark.sandbox
def test_the_hash_seed_of_the_interpreter_decides_nothing():
    short = "import train; train.TRAIN_WORDS = 2; print(train.train(0))"
    printed = set()
    for hash_seed in "12":
        env = {"PYTHONHASHSEED": hash_seed, "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
        ended = subprocess.run([sys.executable, "-c", short], cwd=TRACK, env=env, capture_output=True, check=True)
        printed.add(ended.stdout)
    assert len(printed) == 1


def test_it_has_as_many_lines_as_it_says():
    """Without blank lines, comments and docstrings."""
    text = (TRACK / "train.py").read_text()
    said = [node.body[0] for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node)]
    docs = {line for node in said for line in range(node.lineno, node.end_lineno + 1)}
    code = [line for number, line in enumerate(text.splitlines(), 1) if number not in docs and line.strip() and line.strip()[0] != "#"]
    assert 190 <= len(code) <= 205


def test_training_learns(gpt, capsys):
    gpt.TRAIN_WORDS, gpt.WORDS_PER_STEP, gpt.LEARNING_RATE = 24, 1, 0.02
    words = random.Random(0).sample(gpt.read_words("train"), 24)
    assert nats(gpt, gpt.train(0), words) < 0.95 * nats(gpt, gpt.first_weights(0), words)


def test_the_words_are_the_frozen_ones(gpt):
    wordlist = sys.modules["wordlist"]
    lists = {name: wordlist.read_words(name) for name in wordlist.SHA256}
    for words in lists.values():
        assert words == sorted(set(words))
        assert all(3 <= len(word) <= 12 for word in words)
    assert {name: len(words) for name, words in lists.items()} == {"train": 2242, "validation": 224, "holdout": 210}
    assert len(set().union(*lists.values())) == 2242 + 224 + 210


def test_another_list_of_words_is_refused(gpt, tmp_path, monkeypatch):
    wordlist = sys.modules["wordlist"]
    (tmp_path / "train.txt").write_text("mine\n")
    monkeypatch.setattr(wordlist, "FOLDER", tmp_path)
    with pytest.raises(SystemExit, match="not the frozen list"):
        wordlist.read_words("train")


def test_every_word_lies_where_its_hash_says(gpt):
    split_of = load("make_words").split_of
    for name in ("train", "validation", "holdout"):
        assert {split_of(word) for word in sys.modules["wordlist"].read_words(name)} == {name}


# ---- the scorer ----------------------------------------------------------------------------------------------------


def score(answer, holdout=None):
    """What score.py prints when each question gets `answer(question)`; None ends the oracle."""
    (ours, ask), (theirs, reply) = os.pipe(), os.pipe()
    env = {"OVERNIGHT_ASK": str(ask), "OVERNIGHT_ANSWER": str(theirs), "PATH": os.environ["PATH"],
           "PYTHONDONTWRITEBYTECODE": "1"}
    if holdout:
        env["OVERNIGHT_HOLDOUT"] = str(holdout)
    process = subprocess.Popen([sys.executable, "score.py"], cwd=TRACK, env=env, pass_fds=(ask, theirs),
                               stdout=subprocess.PIPE)
    os.close(ask)
    os.close(theirs)

    def oracle():
        with open(ours, "rb") as questions, open(reply, "wb", buffering=0) as answers:
            for line in questions:
                said = answer(json.loads(line))
                if said is None:
                    return
                try:
                    answers.write(said)
                except BrokenPipeError:
                    return

    thread = threading.Thread(target=oracle)
    thread.start()
    printed = process.communicate(timeout=20)[0]
    thread.join()
    assert process.returncode == 0
    assert printed.count(b"\n") == 1
    return json.loads(printed)


def line(numbers):
    return json.dumps(numbers).encode() + b"\n"


@pytest.fixture
def two_words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("abc\ncab\n")
    return path


@pytest.mark.sandbox
def test_a_uniform_guess_costs_the_logarithm_of_the_vocabulary():
    assert score(lambda question: line(UNIFORM)) == {"val_bpc": pytest.approx(math.log2(27), abs=1e-5)}


@pytest.mark.sandbox
def test_tokens_come_one_by_one_and_ends_are_counted(two_words):
    asked = []

    def oracle(question):
        asked.append(question["token"])
        return line([0.5] + [0.5 / 26] * 26)

    expected = (2 * 1 + 6 * math.log2(52)) / 8
    assert score(oracle, two_words) == {"val_bpc": pytest.approx(expected, abs=1e-5)}
    assert asked == [None, 1, 2, 3, None, 3, 1, 2]


@pytest.mark.sandbox
def test_whole_numbers_are_numbers(two_words):
    right = iter([1, 2, 3, 0, 3, 1, 2, 0])
    answer = score(lambda question: line([int(i == token) for token in [next(right)] for i in range(27)]), two_words)
    assert answer == {"val_bpc": 0.0}


BAD = {
    "silence": (None, "ended"),
    "no JSON": (b"hello\n", "not JSON"),
    "not text": (b"\xff\xfe\n", "not JSON"),
    "deep": (b"[" * 60000 + b"\n", "not JSON"),
    "no list": (b'{"p": 1}\n', "not a list of 27"),
    "too short": (line(UNIFORM[1:]), "not a list of 27"),
    "too long": (line([*UNIFORM, 0.0]), "not a list of 27"),
    "endless": (b"[" + b" " * (1 << 21) + b"\n", "longer than 1048576"),
    "nan": (line([math.nan] * 27), "not finite"),
    "infinite": (line([math.inf] + [0.0] * 26), "not finite"),
    "negative": (line([-0.5, 1.5] + [0.0] * 25), "not a probability"),
    "huge": (b"[1" + b"0" * 4000 + b", 0" * 26 + b"]\n", "not a probability"),
    "boolean": (line([True] + [0] * 26), "not a probability"),
    "text": (line(["1"] + [0] * 26), "not a probability"),
    "sum": (line([2 / 27] * 27), "sum to"),
    "sum, a little": (line([p * (1 + 3e-6) for p in UNIFORM]), "sum to"),
    "impossible": (line([1.0] + [0.0] * 26), "probability 0"),
}


@pytest.mark.sandbox
@pytest.mark.parametrize(("answer", "why"), BAD.values(), ids=BAD)
def test_what_is_no_distribution_is_invalid(answer, why, two_words):
    result = score(lambda question: answer, two_words)
    assert list(result) == ["invalid"]
    assert why in result["invalid"]


def test_a_trained_model_is_served_and_scored(gpt, tmp_path, two_words, monkeypatch):
    weights = gpt.train(0)
    told, answers = [None, 3, 1], io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(json.dumps({"token": t}) + "\n" for t in told)))
    monkeypatch.setattr("sys.stdout", answers)
    gpt.serve(weights)
    last = json.loads(answers.getvalue().splitlines()[-1])
    cache = {}
    for context in ([0], [0, 3], [0, 3, 1]):
        expected = gpt.softmax(gpt.next_logits(weights, context, cache))
    assert last == expected
