"""What the name of a number tells: whether more or less of it is better, what it can be, and whether it is a result. Pure.

Covered: names in any usual spelling (`val_loss`, `valLoss`, `top-1 (%)`, `tokens/s`); the last word that is known decides, so
that `f1_loss` is a loss.
Not covered: a name that says nothing, which is never guessed; a program that prints the negative of what it says.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from overnight.contracts import Direction

Sort = Literal["result", "timing", "rate", "bookkeeping"]
Range = tuple[float, float]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LESS = _set(
    "loss losses error errors err perplexity ppl bpb bpc bpd nll rmse mse mae mape smape rmsle msle wer cer eer fid kid "
    "lpips brier crossentropy ce cost costs regret makespan tardiness distance distortion deviation divergence kl "
    "violations violation conflicts collisions mistakes misses miss failures failure fail failed drawdown overhead waste "
    "gap residual penalty fpr fnr unsolved discrepancy latency time seconds secs sec ms msec us usec ns nsec microseconds "
    "milliseconds nanoseconds minutes duration elapsed runtime delay lag jitter p50 p90 p95 p99 p999 memory vram rss")
_MORE = _set(
    "accuracy acc score scores f1 fscore auc auroc roc auprc prauc ap map mrr ndcg hits hit recall precision sensitivity "
    "specificity r2 iou miou dice jaccard kappa mcc correlation pearson spearman reward rewards return returns win wins "
    "won success successes solved passed correct psnr ssim bleu rouge meteor elo sharpe sortino profit pnl revenue "
    "speedup speed throughput bandwidth fps qps rps tps iops flops gflops tflops mflops mops gbps mbps mfu logprob "
    "likelihood elbo coverage fitness improvement gain uplift efficiency utilization utilisation purity silhouette nmi "
    "ari tpr tnr similarity quality yield exactmatch em")
_TIME = _set(
    "latency time seconds secs sec ms msec us usec ns nsec microseconds milliseconds nanoseconds minutes duration elapsed "
    "runtime delay lag jitter p50 p90 p95 p99 p999")
_RATE = _set(
    "throughput bandwidth fps qps rps tps iops flops gflops tflops mflops mops gbps mbps mfu speed")
_KEPT = _set(  # what a program writes down beside its results
    "num n no nr count epoch epochs step steps iter iters iteration iterations batch batches lr wd seed vocab layers "
    "layer depth heads dim width hidden embd embedding params param parameters memory vram rss heap norm momentum "
    "temperature threshold version port pid device gpu gpus cpu cpus threads workers rank samples examples rows columns "
    "classes features tokens trials fold folds episode episodes generation generations round rounds run runs warmup eta "
    "max min total size date year month day hour checkpoint progress remaining budget id index line")
_WHOLE = _set("total training train startup setup eval evaluation compile compilation loading load")  # before a time
_SHARE = _set(
    "accuracy acc f1 fscore auc auroc roc auprc prauc ap map mrr ndcg hits hit recall precision sensitivity specificity "
    "iou miou dice jaccard ssim success win coverage purity nmi tpr tnr fpr fnr em exactmatch")
_COUNTED = _set("hits hit success win em exactmatch coverage")  # shares of something, or how many of it
_CODES = _set("code codes status exit returncode exitcode rc errno")  # with which a program or a request ended
_SIGNED = _set("correlation pearson spearman kappa mcc")
_FLOORED = _set(
    "mse rmse mae rmsle msle mape smape cost makespan distance fid kid lpips wer cer error errors bpb bpc bpd loss losses "
    "crossentropy ce")
_PER = _set("s sec second seconds ms minute min hour")
TIMES = _set("s ms us µs μs ns sec secs second seconds min minutes ns/op ms/op us/op ns/iter nsec usec msec")  # units
_STAGES = (_set("val valid validation dev eval evaluation holdout heldout cv"), _set("test testing"), _set(""),
           _set("train training"))
_FLIPS = _set("neg negative minus")
_JOINED = (
    ("cross entropy", "crossentropy"), ("log prob", "logprob"), ("log probability", "logprob"), ("log likelihood", "logprob"),
    ("exact match", "exactmatch"), ("r 2", "r2"), ("f 1", "f1"), ("f score", "fscore"), ("auc roc", "auc"), ("roc auc", "auc"),
    ("pr auc", "auc"), ("brier score", "brier"), ("fid score", "fid"), ("top 1", "accuracy"), ("top 5", "accuracy"),
    ("bits char", "bpc"), ("bits per char", "bpc"), ("bits per character", "bpc"), ("bits per byte", "bpb"),
    ("davies bouldin score", "error"), ("false positive", "fpr"), ("false negative", "fnr"), ("true positive", "tpr"),
    ("learning rate", "lr"), ("weight decay", "wd"), ("inception score", "score"),
    *((f"{what} size", "cost") for what in ("compressed", "binary", "bundle", "file", "output")))


def words(name: str) -> list[str]:
    """The words of a name, in small letters, what stands together drawn together: `valLogProb/s` is val, logprob, per, s."""
    return list(_words(name))


@lru_cache(maxsize=1024)
def _words(name: str) -> tuple[str, ...]:
    text = name.replace("mAP", "map").replace("IoU", "iou").replace("R^2", "r2").replace("R²", "r2")
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    text = re.sub(r"@\d+", " ", re.sub(r"/(?=(?:s|secs?|seconds?|ms|min|h|op|it|iter|step|token|call)\b)", " per ", text))
    plain = " ".join(re.findall(r"[a-z]+\d*|\d+", text.lower()))
    for several, one in _JOINED:
        plain = re.sub(rf"\b{several}\b", one, plain)
    return tuple(_root(word) for word in plain.split())


def _root(word: str) -> str:
    """A word without the number behind it, where it is known so (`recall10`, `map50`)."""
    bare = word.rstrip("0123456789")
    return bare if word not in _LESS | _MORE and len(bare) > 1 and bare in _LESS | _MORE else word


def _rate(parts: list[str]) -> bool:
    return any(one == "per" and other in _PER for one, other in pairwise(parts)) and parts[0] not in _TIME


def direction(name: str, unit: str = "") -> Direction | None:
    """Which way a number of that name improves; None where the name does not tell."""
    parts = words(name)
    if not parts or parts[-1] in _CODES:
        return None
    if _rate(parts) or "/s" in unit:
        return "maximize"
    if parts[-1] == "in" and unit in TIMES:
        return "minimize"  # `finished in 3.2s`
    known: Direction | None = None
    head = parts[:parts.index("per")] if "per" in parts[1:] else parts
    for word in head:
        known = "minimize" if word in _LESS else "maximize" if word in _MORE else known
    if known is None and unit in TIMES:
        known = "minimize"
    if known and _FLIPS & set(head):
        return "minimize" if known == "maximize" else "maximize"
    return known


def sort(name: str, unit: str = "") -> Sort:
    """What a number of that name is: a result, a time, a rate, or bookkeeping."""
    parts = words(name)
    while len(parts) > 1 and parts[-1] in ("epoch", "step") and (_LESS | _MORE) & set(parts):
        parts.pop()  # as some trainers name what they average over
    if _rate(parts) or _RATE & set(parts) or "/s" in unit:
        return "rate"
    if parts in (["user"], ["system"], ["passed", "in"], ["range", "min", "max"]):
        return "bookkeeping"  # of hyperfine, of pytest
    if parts[-1:] == ["in"] and unit in TIMES:
        return "timing"
    if _timed(parts, unit):
        return "bookkeeping" if _WHOLE & set(parts) or parts[0] in ("epoch", "eta", "start") else "timing"
    if parts and parts[-1] in _MORE | _LESS - {"memory", "vram", "rss"} and parts[0] not in ("num", "n"):
        return "result"
    return "bookkeeping" if not parts or _KEPT & set(parts) or parts[-1] in _CODES or parts == ["rate"] else "result"


def timed(name: str, unit: str = "") -> bool:
    """Whether a number of that name is a time, be it of the whole program."""
    parts = words(name)
    return sort(name, unit) in ("timing", "bookkeeping") and _timed(parts, unit) and not _rate(parts)


def _timed(parts: list[str], unit: str) -> bool:
    return (bool(_TIME & set(parts)) or unit in TIMES) and not (_LESS | _MORE) - _TIME & set(parts)


def stage(name: str) -> int:
    """On what a number was measured, the best first: 0 validation, 1 a test, 2 nothing is said, 3 training."""
    parts = set(words(name))
    return next((place for place, said in enumerate(_STAGES) if parts & said), 2)


def possible(name: str, values: list[float], unit: str = "") -> Range | None:
    """The least and the most that a number of that name can be; None where that is not known, or what was seen is outside.
    Whole numbers without a percent sign may be counts, which have no most."""
    parts = words(name)
    percent = unit == "%" or "%" in name or {"pct", "percent"} & set(parts)
    head = next((word for word in reversed(parts) if word in (_LESS | _MORE) - {"score", "scores"}), "")
    found: Range | None = None
    if not values:
        return None
    broken = any(value % 1 for value in values)
    if head in _SHARE:
        hundred = percent or (broken and max(values) > 1 and head not in _COUNTED)
        small = max(values) <= 1 and (broken or head not in _COUNTED)
        found = (0.0, 100.0) if hundred else (0.0, 1.0) if small else None
    elif head in _SIGNED:
        found = (-1.0, 1.0)
    elif head in ("perplexity", "ppl"):
        found = (1.0, math.inf)
    elif head in _FLOORED or sort(name, unit) == "timing":
        found = (0.0, math.inf)
    if found is None or _FLIPS & set(parts) or not all(found[0] <= value <= found[1] for value in values):
        return None
    return found
