"""What measures is out of reach of knobs: scripts whose rulers people marked, and the rules one by one."""

import time

import pytest

from overnight.contracts import Change
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.ruler import of
from rulers import CONTRACT, Script, changes, edited, forged, missing, scripts

ALL = scripts()
NAMES = [script.name for script in ALL]


def test_there_are_thirty_scripts_and_each_has_a_ruler():
    assert len(ALL) >= 30
    assert all(any(ruler for ruler, _ in script.marks.values()) for script in ALL)


@pytest.mark.parametrize("script", ALL, ids=NAMES)
def test_no_knob_is_a_part_of_the_ruler(script):
    assert forged(script) == []


@pytest.mark.parametrize("script", ALL, ids=NAMES)
def test_what_matters_is_still_offered(script):
    assert missing(script) == []


@pytest.mark.parametrize("script", ALL, ids=NAMES)
def test_of_the_first_changes_none_edits_the_ruler(script):
    wrong = {line for change in changes(script, 12) for line in edited(script, change)}
    assert wrong == set()


def test_an_edit_of_the_ruler_would_be_seen():
    script = Script("x", "loss", "rate = 0.1\nloss = rate * 2.0\nprint(loss)\n", {2: (True, [])})
    assert edited(script, Change({"train.py": script.text.replace("2.0", "1.0")}, "")) == ["loss = rate * 2.0"]
    assert edited(script, Change({"train.py": script.text.replace("0.1", "0.2")}, "")) == []


# ---- the rules -----------------------------------------------------------------------------------------------------


def texts(text: str, metric: str = "loss", others: dict[str, str] | None = None) -> set[str]:
    """The literals that are offered in a file, or several."""
    files = {"train.py": text, **(others or {})}
    return {knob.text for knob in find(files, of(files, metric, CONTRACT.format(metric)))}


def test_constants_from_another_file_are_followed():
    main = "from sizes import EXTENT, RATE\nw = 0.0\nfor _ in range(9):\n    w -= RATE * (w - 1.5)\nloss = abs(w - 1.25) * EXTENT\n"
    assert texts(main + "print('loss', loss)\n", others={"sizes.py": "EXTENT = 3.5\nRATE = 0.1\n"}) == {"9", "1.5", "0.1"}


def test_constants_of_a_module_that_is_imported_whole_are_followed():
    main = ("import sizes as s\nw = 0.5\nfor _ in range(9):\n    w -= s.RATE * s.DEPTH * (w - 1.5)\n"
            "loss = abs(w - 1.25) * s.EXTENT + s.DEPTH\nprint('loss', loss)\n")
    others = {"sizes.py": "EXTENT = 3.5\nRATE = 0.125\nDEPTH = 4.5\n"}
    assert texts(main, others=others) - {"0.5"} == {"9", "1.5", "0.125", "4.5"}


def test_reports_that_do_not_name_the_metric_are_followed_only_where_none_does():
    text = "w = 1.5\nother = w * 2.5\nloss = w * 3.5\nprint('other', other)\n"
    assert texts(text + "print('loss', loss)\n") == {"1.5", "2.5"}
    assert "2.5" not in texts(text)


def test_a_report_is_followed_behind_the_metric_only():
    assert texts("rate = 1.5 * 1.25\nloss = 3.5 ** 2\nprint(f'rate {rate} loss {loss}')\n") == {"1.5", "1.25"}


def test_where_a_protected_scorer_measures_reports_count_for_nothing():
    files = {"train.py": "w = 1.5 * 2.5\nprint('loss', w)\nprint('cost', w)\n"}
    assert {knob.text for knob in find(files, of(files, "sum", "[metric]\nname = 'sum'\n"))} == {"1.5", "2.5"}


def test_a_comment_asks_for_a_knob_anyway():
    assert texts("loss = 1.5 * abs(2.5)  # knob: log 1..3\nprint('loss', loss)\n") == {"1.5", "2.5"}


@pytest.mark.parametrize("name", ["test_size", "N_SAMPLES", "val_batches", "n_train", "train_fraction", "RANDOM_STATE", "best_score",
                                  "num_classes", "evalIters", "stratify", "cv", "n_splits", "holdout_share", "target_score"])
def test_names_that_measure(name):
    assert texts(f"{name} = 0.25\n") == set()


@pytest.mark.parametrize("name", ["lr", "hidden_size", "epochs", "batch_size", "weight_decay", "max_depth", "n_estimators", "C", "alpha",
                                  "train_steps", "n_layer", "bins_per_item", "threshold", "train_batch_size"])
def test_names_that_are_turned(name):
    assert texts(f"{name} = 0.25\n") == {"0.25"}


SETTINGS = """import numpy as np
from dataclasses import asdict, dataclass
@dataclass
class Eval:
    gap: float = 0.25
@dataclass
class Config:
    lr: float = 0.125
    margin: float = 0.5
    eval: Eval = Eval()
def lossy(w, margin, **rest):
    return abs(w).mean() * margin
cfg = Config()
w = np.ones(8)
for step in range(100):
    w = w - cfg.lr * (w - 3)
"""


@pytest.mark.parametrize(("made", "read", "told"), [
    ("Config()", "w.mean() * cfg.margin", {"0.125", "0.25"}),
    ("Config()", "w.mean() * cfg.eval.gap", {"0.125", "0.5"}),
    ("Config()", "w.mean() * getattr(cfg, 'margin')", {"0.125", "0.25"}),
    ("Config()", "w.mean() * vars(cfg)['margin']", {"0.125", "0.25"}),
    ("Config()", "lossy(w, **asdict(cfg))", {"0.125", "0.25"}),
    ("Config(0.0625, 0.75)", "w.mean() * cfg.margin", {"0.0625", "0.25"}),
    ("Config(lr=0.0625, margin=0.75)", "w.mean() * cfg.margin", {"0.0625", "0.25"}),
    ("Config()\ncfg.margin = 0.75", "w.mean() * cfg.margin", {"0.125", "0.25"}),
    ("Config()", "w.mean() * cfg.lr", {"0.125", "0.25", "0.5"}),  # training reads it too
])
def test_a_field_that_only_the_ruler_reads_belongs_to_it_however_it_is_read(made, read, told):
    text = SETTINGS.replace("cfg = Config()", f"cfg = {made}") + f"print('margin', cfg.margin)\nprint('loss', {read})\n"
    assert texts(text) - {"8", "100", "3"} == told


def test_settings_that_go_round_come_to_an_end():
    calls = "".join(f"    f(cfg, {k})\n" for k in range(60))
    text = f"class C:\n    margin = 0.75\ndef f(cfg, k):\n{calls}    return cfg.margin * k\n"
    began = time.process_time()
    assert texts(text + "w = 1.0\nfor _ in range(9):\n    w = w - w * 0.25\nloss = f(C(), w)\nprint('loss', loss)\n") == {"9", "0.25", "1.0"}
    assert time.process_time() - began < 5


def test_files_that_import_each_other_come_to_an_end():
    files = {"a.py": "from b import rate\nprint('loss', rate)\n", "b.py": "from a import rate\n"}
    assert find(files, of(files, "loss", CONTRACT.format("loss"))) == []


def test_a_long_file_is_followed_in_time():
    text = "\n".join(f"def f{k}(x):\n    y{k} = f{k + 1}(x) + 0.5\n    return y{k}\n" for k in range(1500))
    began = time.process_time()
    assert texts(f"{text}\ndef f1500(x):\n    return x * 1.5\n\nprint('loss', f0(2.5))\n") == set()
    assert time.process_time() - began < 5
