"""What a set of edits of tracks/microgpt/train.py measures with a seed: trained and scored in one process.

    pypy3 bench/planted/measure.py        answers {"text": "...", "seed": 7} with a number, a JSON line each

The number is the one of the sandboxed run and score.py, to the last digit (the bench compares), for IEEE
arithmetic is the same under PyPy; only Python 3.12 and newer, whose `sum` rounds otherwise, give another. Where the
text still has train.py's own automatic gradients, the quicker ones of engine.py stand in for them. This side runs on
Python 3.9, which is what PyPy often is; `Meter` is the other side, for those who ask.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TRACK = HERE.parent.parent / "tracks" / "microgpt"
EDITS = HERE / "edits.json"
NURSERY = "16M"  # of PyPy's garbage collector: what one word leaves behind fits in, and a run takes half the time
LOADED = 8  # texts

# ---- edits -----------------------------------------------------------------------------------------------------


def planted() -> dict[str, Any]:
    """Edits and records as they are written down."""
    return json.loads(EDITS.read_text(encoding="utf-8"))


def baseline() -> str:
    """The text of train.py as it comes."""
    return (TRACK / "train.py").read_text(encoding="utf-8")


def apply(text: str, edit: dict[str, Any]) -> str | None:
    """The text with one edit made; None where what it replaces is not there exactly once."""
    return text.replace(edit["search"], edit["replace"]) if text.count(edit["search"]) == 1 else None


def apply_all(text: str, edits: Sequence[dict[str, Any]]) -> str | None:
    """The text with edits made one after the other; None where one does not apply."""
    for edit in edits:
        changed = apply(text, edit)
        if changed is None:
            return None
        text = changed
    return text


def identity(text: str) -> str:
    """The same for texts that are the same program but for comments and spaces."""
    return hashlib.sha256(ast.dump(ast.parse(text)).encode()).hexdigest()[:20]


# ---- measuring -------------------------------------------------------------------------------------------------


def _definitions(text: str) -> dict[str, str]:
    """The functions and classes of a text, by name, as they are written."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name: ast.dump(node) for node in ast.parse(text).body if isinstance(node, kinds)}


def load(text: str) -> dict[str, Any]:
    """The text as a module, silent and with quicker gradients where it has train.py's own."""
    import engine

    if str(TRACK) not in sys.path:
        sys.path.insert(0, str(TRACK))
    module: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(text, "train.py", "exec"), module)
    module["print"] = lambda *values, **options: None
    mine, known = _definitions(text), _definitions(baseline())
    if all(mine.get(name) == known[name] for name in engine.CORE):
        module.update(engine.CORE)
        module.update({name: what for name, what in engine.MORE.items() if mine.get(name) == known[name]})
    return module


def val_bpc(module: dict[str, Any], seed: int) -> float:
    """Train, and score as score.py does: what leaves as JSON comes back the same, so no JSON is needed."""
    weights, bits = module["train"](seed), []
    for word in module["read_words"]("validation"):
        context, cache = [module["END"]], {}
        for token in module["encode"](word):
            answer = module["softmax"](module["next_logits"](weights, context, cache))
            bits.append(-math.log2(answer[token] / math.fsum(answer)))
            context.append(token)
    return round(math.fsum(bits) / len(bits), 6)


def serve() -> None:
    """Answer questions, a line each. The last few texts stay loaded, for a compiler that learns while it runs."""
    modules: dict[str, dict[str, Any]] = {}
    for line in sys.stdin:
        question = json.loads(line)
        text = question["text"]
        modules[text] = module = modules.pop(text, None) or load(text)
        if len(modules) > LOADED:
            del modules[next(iter(modules))]
        print(json.dumps(val_bpc(module, question["seed"])), flush=True)


# ---- asking ----------------------------------------------------------------------------------------------------


class Meter:
    """Asks a `serve` of its own, and never the same twice: answers are kept in a file, if one is named."""

    def __init__(self, python: str = "pypy3", memo: Path | None = None) -> None:
        found = shutil.which(python)
        if found is None:
            print(f"{python} is not installed: going on with {sys.executable}, ten times slower", file=sys.stderr)
        self.asked, self._known, self._identities = 0, {}, {}
        self._memo = memo.open("a+", encoding="ascii") if memo else None
        if self._memo:
            self._memo.seek(0)
            self._known = {(name, seed): number for name, seed, number in map(json.loads, self._memo)}
        self._server = subprocess.Popen([found or sys.executable, str(HERE / "measure.py")], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=os.environ | {"PYPY_GC_NURSERY": NURSERY})

    def __call__(self, text: str, seed: int) -> float:
        """val_bpc of a text with a seed."""
        name = self._identities.get(text) or self._identities.setdefault(text, identity(text))
        if (name, seed) not in self._known:
            self._known[name, seed] = self._ask({"text": text, "seed": seed})
            if self._memo:
                self._memo.write(json.dumps([name, seed, self._known[name, seed]]) + "\n")
                self._memo.flush()
        return self._known[name, seed]

    def _ask(self, question: dict[str, Any]) -> float:
        assert self._server.stdin is not None and self._server.stdout is not None
        self.asked += 1
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        if not answer:
            raise RuntimeError("the measuring process ended; what went wrong stands above")
        return float(json.loads(answer))


if __name__ == "__main__":
    serve()
