"""The ready track nanogpt: how its text is fetched, split and frozen, its budget, and, where PyTorch is, its model and scorer.

PyTorch is that of this environment or of the one that $OVERNIGHT_TORCH names; tests that need it are skipped without.
"""

import hashlib
import importlib
import importlib.util
import io
import itertools
import json
import os
import random
import subprocess
import sys
import tarfile
from contextlib import closing

import numpy
import pytest

from bench.runs import home_with
from conftest import ROOT, commit, home, repository
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure, sealed
from overnight.repo import Repo
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.space import Space
from overnight.track.load import load

TRACK = ROOT / "tracks" / "nanogpt"
TORCH = home_with("torch", "OVERNIGHT_TORCH")
torch_is_here = pytest.mark.skipif(TORCH is None, reason="PyTorch is not here: set $OVERNIGHT_TORCH to an environment with it")
PIECES = 300  # of the tokeniser of the made-up text


@pytest.fixture
def track(monkeypatch):
    """Imports a module of the track, anew for each test."""
    monkeypatch.syspath_prepend(str(TRACK))
    yield importlib.import_module
    for name in ("bpe", "budget", "fetch"):
        sys.modules.pop(name, None)


@pytest.fixture
def fetch(track):
    return track("fetch")


# ---- the archive -------------------------------------------------------------------------------------------------


def made_up(count=240, seed=1):
    """Documents of words that nobody wrote, by their paths."""
    lots = random.Random(seed)
    words = ["".join(lots.choices("etaoinshrdlu", k=lots.randint(2, 8))) for _ in range(400)]
    return {f"topics/{number:03}.txt": "\n\n".join(" ".join(lots.choices(words, k=40)) for _ in range(8)) for number in range(count)}


def archive(texts, top="Django-5.2/docs/"):
    """A source archive with these documents, and what is none of them."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as files:
        for name, text in {**{top + path: text for path, text in texts.items()}, "Django-5.2/django/x.txt": "code",
                           "Django-5.2/docs/_theme/LICENSE.txt": "a theme's", "Django-5.2/setup.py": "raise SystemExit"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            files.addfile(member, io.BytesIO(text.encode()))
    return raw.getvalue()


def test_the_documents_of_an_archive_are_those_below_docs(fetch):
    assert fetch.documents(archive({"b.txt": "two", "a/c.txt": "one"})) == {"a/c.txt": "one", "b.txt": "two"}


@pytest.mark.parametrize(("raw", "says"), [(b"no archive", "cannot be read"), (archive({}), "holds no documents")])
def test_what_is_no_source_archive_is_refused_in_a_sentence(fetch, raw, says):
    with pytest.raises(fetch.Failed, match=says):
        fetch.documents(raw)


def test_another_archive_than_the_published_one_is_refused(fetch):
    raw = archive(made_up(3))
    assert fetch.checked(raw, hashlib.sha256(raw).hexdigest()) == raw
    with pytest.raises(fetch.Failed, match=f"its sha256 is {hashlib.sha256(raw).hexdigest()}, not 1a47f7a7"):
        fetch.checked(raw)


def test_a_file_that_is_not_there_is_one_sentence(fetch):
    with pytest.raises(fetch.Failed, match=r"nowhere\.tar\.gz cannot be read: No such file"):
        fetch.main(["nowhere.tar.gz"])


@pytest.mark.sandbox
def test_the_archive_is_found_in_the_index_that_pip_is_set_up_with(fetch, tmp_path, monkeypatch):
    page = tmp_path / "simple" / "django" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="../../files/Django-5.2.1.tar.gz#sha256=0">no</a> <a href="../../files/Django-5.2.tar.gz#sha256=1">x</a>')
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "Django-5.2.tar.gz").write_bytes(b"the archive")
    _only(monkeypatch, PIP_INDEX_URL=(tmp_path / "simple").as_uri())
    assert fetch.download() == b"the archive"


@pytest.mark.sandbox
def test_without_an_index_it_says_where_a_file_from_elsewhere_goes(fetch, tmp_path, monkeypatch):
    _only(monkeypatch, PIP_INDEX_URL=(tmp_path / "nothing").as_uri())
    with pytest.raises(fetch.Failed, match=r"bring the file here by other means .* and run `python fetch.py Django-5.2.tar.gz`\.$"):
        fetch.download()


def _only(monkeypatch, **settings):
    """pip with these settings and no others."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {**settings, "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)


def test_a_missing_or_another_torch_is_a_sentence_with_the_command(fetch):
    assert fetch.about_torch("2.13.0+cpu") == ""
    assert "has PyTorch 2.4.1" in fetch.about_torch("2.4.1") and "pip install torch==2.13.0" in fetch.about_torch("2.4.1")
    if importlib.util.find_spec("torch") is None:
        assert "PyTorch is missing" in fetch.about_torch() and "pip install torch==2.13.0 numpy" in fetch.about_torch()


# ---- the split ---------------------------------------------------------------------------------------------------


def test_each_document_is_in_one_text_alone(fetch):
    texts = made_up()
    parts = fetch.split(texts)
    for path, text in texts.items():
        assert [text in part for part in parts.values()].count(True) == 1, path
    assert 0.03 < len(parts["validation"]) / sum(map(len, parts.values())) < 0.12


def test_the_notes_on_one_series_of_releases_stay_together(fetch):
    assert len({fetch.family(f"releases/4.2{patch}.txt") for patch in ("", ".1", ".11")}) == 1
    assert fetch.family("releases/4.1.txt") != fetch.family("releases/4.2.txt")
    assert fetch.family("releases/security.txt") == "releases/security.txt"


def test_what_stands_in_the_training_text_is_left_out_of_the_private_ones(fetch):
    shared, texts = "A paragraph that many documents repeat, word for word, at length.", made_up()
    parts = fetch.split({path: f"{text}\n\n{shared}\n\nShort." for path, text in texts.items()})
    assert [shared in part for part in parts.values()] == [True, False, False]
    assert all("Short." in part for part in parts.values())


# ---- the tokeniser -----------------------------------------------------------------------------------------------


def test_pieces_are_those_that_stand_together_most_often(track):
    assert track("bpe").learn("low low low lower newest newest", 259)[256:] == [b"lo", b"low", b" low"]


def test_of_pairs_that_are_as_frequent_the_first_by_its_bytes_is_taken(track):
    assert track("bpe").learn("ba ab", 257)[256] == b" a"


def test_a_text_with_too_few_words_is_an_error(track):
    with pytest.raises(ValueError, match="gives 258 pieces, not 300"):
        track("bpe").learn("aa aa", 300)


@pytest.mark.sandbox
def test_the_same_text_has_the_same_pieces_in_every_process():
    ask = f"import sys; sys.path.insert(0, {str(TRACK)!r}); import bpe; print(bpe.learn('ab ab ba ba cd dc ' * 9, 262)[256:])"
    said = {subprocess.run([sys.executable, "-c", ask], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
            for seed in ("1", "2", "3")}
    assert len(said) == 1


@pytest.mark.parametrize("text", ["", "plain words", "  spaces \n\n and\ttabs ", "naïve 数字 1234567 ===--=== \U0001f600"])
def test_every_text_can_be_written_and_read_back(track, text):
    bpe = track("bpe")
    pieces = bpe.learn("\n\n".join(made_up(6).values()), PIECES)
    assert len(pieces) == len(set(pieces)) == PIECES
    assert bpe.decode(bpe.Encoder(pieces).encode(text), pieces) == text.encode()


def test_the_tokeniser_learns_from_the_training_text_alone(fetch):
    texts = {"train": "abab abab abcd", "validation": "zzzz zzzz zzzz zzzz zzzz", "holdout": ""}
    files = dict(fetch.made(texts, 260))
    assert not any(b"zz" in bytes.fromhex(piece) for piece in json.loads(files["pieces.json"]))
    assert len(numpy.frombuffer(files["validation.bin"], "<u2")) >= 20


# ---- the budget --------------------------------------------------------------------------------------------------


@pytest.fixture
def budget(track, monkeypatch):
    """The budget of 2,048 tokens, of a text of 40,000 that are their own places."""
    monkeypatch.setenv("NANOGPT_TOKENS", "2048")
    module = track("budget")
    module.tokens = lambda name: numpy.arange(40_000, dtype="<u2")
    return module


@pytest.mark.parametrize("rows", [1, 4, 16])
def test_a_larger_batch_buys_no_more_tokens(budget, rows):
    batches = list(budget.batches(rows, 3))
    assert len(batches) == budget.steps(rows) == 2048 // (64 * rows)
    assert sum(batch[:, 1:].size for batch in batches) == 2048


def test_no_token_is_learnt_from_twice_and_the_seed_draws_which(budget):
    seen = numpy.concatenate([batch[:, 1:] for batch in budget.batches(4, 3)]).ravel()
    assert len(set(seen.tolist())) == 2048
    again, other = (numpy.concatenate([batch[:, 1:] for batch in budget.batches(4, seed)]).ravel() for seed in (3, 4))
    assert (again == seen).all() and set(other.tolist()) != set(seen.tolist())


def test_a_window_is_followed_by_its_next_token(budget):
    assert all((numpy.diff(batch, axis=1) == 1).all() for batch in budget.batches(4, 9))


@pytest.mark.parametrize("said", ["0", "-5", "many", "1.5"])
def test_a_rung_that_is_no_number_is_one_sentence(track, monkeypatch, said):
    monkeypatch.setenv("NANOGPT_WIDTH", said)
    with pytest.raises(SystemExit, match=r"\$NANOGPT_WIDTH is '.*': set it to a whole number above 0, or not at all \(64\)\."):
        track("budget")


def test_a_text_that_is_not_the_frozen_one_says_what_to_run(track):
    with pytest.raises(SystemExit, match=r"text/train.bin is not there yet, or not the frozen one: run `python fetch.py`"):
        track("budget").tokens("train")


def test_nothing_of_the_text_is_in_the_repository():
    for place in (TRACK / "text").iterdir():
        assert place.stat().st_size < 200 and b"Not fetched yet" in place.read_bytes(), place


# ---- what can be turned ------------------------------------------------------------------------------------------


def test_a_dozen_knobs_are_offered_and_they_are_those_that_are_meant():
    knobs = find({"train.py": (TRACK / "train.py").read_text()})
    assert {knob.id.removeprefix("train.py:") for knob in knobs} == {
        "BATCH", "EMBED_LR", "HEAD_LR", "MATRIX_LR", "SCALAR_LR", "MATRIX_WD", "VE_WD", "BETA1", "BETA2", "MOMENTUM", "WARMDOWN", "FINAL_LR"}
    space = Space(knobs)
    decays = space.values[space.column["train.py:VE_WD"]]
    assert {0.0, 0.001, 0.003, 0.01, 0.03} <= set(decays)


@pytest.mark.sandbox
def test_without_torch_the_program_says_what_to_install(tmp_path):
    for name in ("train.py", "budget.py"):
        (tmp_path / name).write_bytes((TRACK / name).read_bytes())
    (tmp_path / "torch.py").write_text("raise ImportError('no torch')\n")
    done = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == ("PyTorch is missing in the environment of this track: run `.venv/bin/pip install torch==2.13.0 numpy` in its "
                           "folder (README.md).\n")


# ---- with PyTorch ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The track with a made-up text, few pieces, few tokens and few windows."""
    sys.path.insert(0, str(TRACK))
    try:
        fetch = importlib.import_module("fetch")
        text = dict(fetch.made(fetch.split(made_up()), PIECES))
    finally:
        sys.path.remove(str(TRACK))
        for name in ("bpe", "budget", "fetch"):
            sys.modules.pop(name, None)
    budget = (TRACK / "budget.py").read_text().replace("204_800", "8_192").replace("VOCABULARY = 1024", f"VOCABULARY = {PIECES}")
    for name, content in text.items():
        old = next(line for line in budget.splitlines() if line.startswith(f'    "{name}": '))
        budget = budget.replace(old, f'    "{name}": "{hashlib.sha256(content).hexdigest()}",')
    score = (TRACK / "score.py").read_text().replace("WINDOWS = 512", "WINDOWS = 32")
    contract = (TRACK / "track.toml").read_text().replace('python = ".venv"', f'python = "{TORCH}"')
    return {"train.py": (TRACK / "train.py").read_text(), "program.md": "p", "budget.py": budget, "score.py": score,
            "track.toml": contract, **{f"text/{name}": content for name, content in text.items()}}


@pytest.fixture(scope="module")
def measured(files, tmp_path_factory, bubblewrap):
    """Measures the track, as it is or with train.py changed, audited."""
    numbers = itertools.count()

    def measure(seed=7, old="", new=""):
        folder = repository(tmp_path_factory.mktemp("nanogpt") / "track", files)
        repo, text = Repo(folder), files["train.py"]
        judge = head = repo.head()
        if old:
            assert old in text
            head = commit(folder, {"train.py": text.replace(old, new)})
        with closing(Runner(load(folder), repo, bubblewrap, judge, home(folder))) as runner:
            return runner.measure(sealed(Measure(next(numbers), 1, head, seed, "confirm"), "secret"))
    return measure


@torch_is_here
@pytest.mark.sandbox
def test_the_same_seed_gives_the_same_number_and_another_one_another(measured):
    one, again, other = measured(7), measured(7), measured(8)
    assert one.outcome == "ok", one.reason
    assert one.metrics["bits_per_byte"] == again.metrics["bits_per_byte"] != other.metrics["bits_per_byte"]


@torch_is_here
@pytest.mark.sandbox
@pytest.mark.parametrize(("old", "new"), [
    ("is_causal=True)", "is_causal=False)"),
    ("x = first = norm(self.embed(tokens))", "x = first = norm(self.embed(tokens) + self.embed(tokens.roll(-1, 1)))"),
    ("x = first = norm(self.embed(tokens))", "x = first = norm(self.embed(tokens) + self.embed(tokens).mean(0))"),
], ids=["attends to what is to come", "sees the next token", "sees other rows"])
def test_who_looks_ahead_or_aside_is_a_foul(measured, old, new):
    run = measured(7, old, new)
    assert run.outcome == "foul" and "only later tokens and other windows change" in run.reason


@torch_is_here
@pytest.mark.sandbox
def test_the_private_text_is_not_where_a_candidate_runs(measured):
    run = measured(7, "import hashlib\n", "import hashlib\nprint(open('text/validation.bin', 'rb').read()[:9])\n")
    assert run.outcome == "crash" and "text/validation.bin" in run.reason


INITIAL = """\
import train
def weights(**turned):
    vars(train).update(turned)
    model = train.Model()
    train.begin(model, 5)
    return dict(model.named_parameters())
plain, wider, deeper = weights(), weights(WIDER=6), weights(WIDER=4, LAYERS=4)
changed = {name for name in plain if plain[name].shape != wider[name].shape}
assert changed == {f"blocks.{at}.perceptron.{name}.weight" for at in range(2) for name in ("wide", "out")}, changed
assert all((plain[name] == wider[name]).all() for name in plain.keys() - changed)
same = [name for name in plain if name in deeper and plain[name].shape == deeper[name].shape]
assert "blocks.1.attention.query.weight" in same and all((plain[name] == deeper[name]).all() for name in same)
assert (plain["blocks.0.attention.query.weight"] != plain["blocks.1.attention.query.weight"]).any()
"""
ORTHOGONAL = """\
import torch, train
for high, wide in ((8, 8), (32, 8), (8, 32)):
    made = train.orthogonal(torch.randn(3, high, wide, generator=torch.Generator().manual_seed(1)))
    sizes = torch.linalg.svdvals(made)
    assert made.shape == (3, high, wide) and sizes.min() > 0.3 and sizes.max() < 1.3, sizes
"""
ADAMW = """\
import torch, train
theirs = torch.nn.Parameter(torch.linspace(-1, 1, 6)); ours = torch.nn.Parameter(theirs.detach().clone())
other = torch.optim.AdamW([theirs], lr=0.1, betas=(0.8, 0.95), eps=train.ADAM_EPS, weight_decay=0.3)
own = train.AdamW([ours], 0.1, (0.8, 0.95), 0.3)
for step in range(5):
    theirs.grad = torch.sin(torch.arange(6.0) + step); ours.grad = theirs.grad.clone()
    other.step()
    with torch.no_grad():
        own.step(1.0)
assert torch.allclose(theirs, ours, atol=1e-6), (theirs, ours)
"""


@torch_is_here
@pytest.mark.sandbox
@pytest.mark.parametrize("script", [INITIAL, ORTHOGONAL, ADAMW], ids=["initialisation by name", "orthogonal", "AdamW is PyTorch's"])
def test_the_parts_of_the_program(files, tmp_path, script):
    for name in ("train.py", "budget.py"):
        (tmp_path / name).write_text(files[name])
    done = subprocess.run([TORCH / "bin/python", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
