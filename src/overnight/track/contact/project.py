"""How a repository that is met for the first time may be run, and what of it may be edited, as its texts tell. Pure.

Covered: Python scripts, packages, src layouts, pytest-benchmark; Makefiles, Cargo, Go modules, npm's scripts, plain C and
C++, shell scripts.
Not covered: whether a command works, which only running it tells; notebooks.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from overnight import syntax
from overnight.track import seeding
from overnight.track.scorer import imports
from overnight.track.spec import Head, Metric, RunSpec, Track

ENTRIES = ("train", "main", "run", "bench", "benchmark", "solve", "experiment", "pretrain", "finetune", "__main__", "app",
           "demo", "evaluate", "eval")
TARGETS = ("bench", "benchmark", "run", "train", "eval", "evaluate", "solve", "perf", "start")
MOST_PROPOSED, MOST_EDITED = 4, 40
MOST_SETTINGS_BYTES = 16 << 10  # of a configuration: what is longer is data
_PRINTS = re.compile(r"\bprint\s*\(|\blogging\b|\blogger\b|\becho\s*\(|\.write\s*\(|\bloguru\b|\bdump\s*\(|\bsubprocess\b")
_MAIN = re.compile(r"(?m)^if __name__ *== *[\"']__main__[\"']")
_ASIDE = re.compile(r"(?i)(?:.*/)?(?:tests?|testing|docs?|examples?|notebooks?|node_modules|vendor|third_party|target|\.[^/]+)"
                    r"/.*|(?:.*/)?(?:test_[^/]*|[^/]*_test\.\w+|conftest\.py|setup\.py|noxfile\.py|tasks\.py)")
_TIMED = re.compile(r"(?i)(?:.*/)?(?:bench(?:mark)?s?|perf|performance)/[^/]+\.py|(?:.*/)?\w*(?:bench|perf|speed)\w*\.py")
_FIXTURE = re.compile(r"(?m)^[ \t]*(?:async )?def test_\w*\([^)]*\bbenchmark\b")  # of pytest-benchmark
TIMES = "benchmark.json"  # that pytest-benchmark writes
SHOWN = f"grep -Ev '^ +[0-9.e-]+,?$' {TIMES}"  # without the time of each round, which come to megabytes
_JUDGES = frozenset((
    "bench", "benchmark", "benchmarks", "benchmarking", "benches", "eval", "evals", "evaluate", "evaluation", "evaluator",
    "evaluators", "score", "scorer", "scoring", "judge", "grade", "grader", "metric", "metrics", "test", "tests", "testing",
    "verify", "verifier", "validate", "validator", "checker", "reference", "setup", "prepare", "data", "dataset", "datasets",
    "dataloader", "dataloaders", "download", "plot", "plots", "plotting", "visualize", "visualization", "results", "output",
    "outputs", "logs", "env", "envs", "environment", "environments", "gridworld", "simulator", "problem", "problems",
    "instances", "makefile", "cargo", "justfile", "build", "gulpfile"))

Texts = Mapping[str, str]  # path -> text


def readable(path: str) -> bool:
    """Whether a file may say how the project is run, or be a part of it, by its name."""
    known = path in ("package.json", "go.mod", "Cargo.toml", "program.md") or _TIMED.fullmatch(path)
    return bool(known) or seeding.readable(project(("",)), path)


def project(command: Sequence[str], editable: Sequence[str] = ()) -> Track:
    """A contract that says no more than what is run, and what may be edited."""
    return Track(Head("first-contact", tuple(editable)), Metric("wall_seconds", "minimize"), RunSpec(tuple(command)))


# ---- how it is run ---------------------------------------------------------------------------------------------


def proposals(texts: Texts) -> list[tuple[str, ...]]:
    """Commands that may be how the project is run, the likeliest first."""
    ways = (*_python(texts), *_make(texts), *_pytest(texts), *_others(texts))
    return list(dict.fromkeys(ways))[:MOST_PROPOSED]


def _python(texts: Texts) -> Iterator[tuple[str, ...]]:
    found = []
    for path, text in texts.items():
        stem = posixpath.basename(path).removesuffix(".py")
        main = bool(_MAIN.search(text))
        if not path.endswith(".py") or not _plain(path) or _ASIDE.fullmatch(path) or not (main or _PRINTS.search(text)):
            continue
        likely = [ENTRIES.index(word) for word in stem.split("_") if word in ENTRIES]
        if stem == "__init__" or (not likely and judges(path)):
            continue
        known = ENTRIES.index(stem) if stem in ENTRIES else len(ENTRIES) + min(likely, default=len(ENTRIES))
        if known < len(ENTRIES) or main or ("/" not in path and _PRINTS.search(text)):
            found.append((min(path.count("/"), 1), known, not main, path.count("/"), path))
    for *_, path in sorted(found):
        yield of_python(path, texts)


def of_python(path: str, texts: Texts) -> tuple[str, ...]:
    """The command that runs a Python file: as a script, or as a module of the package that it lies in."""
    folder = posixpath.dirname(path)
    base = folder
    while base and f"{base}/__init__.py" in texts:
        base = posixpath.dirname(base)
    if base != folder:
        module = posixpath.relpath(path, base or ".").removesuffix(".py").replace("/", ".").removesuffix(".__main__")
        return ("python", "-m", module) if not base else ("env", f"PYTHONPATH={base}", "python3", "-m", module)
    beyond = _beyond(path, texts)
    return ("env", f"PYTHONPATH={beyond}", "python3", path) if beyond else ("python", path)


def reaching(command: tuple[str, ...], texts: Texts) -> tuple[str, ...]:
    """A command that runs a script, with the folder of the project from which that imports as if it was installed; () where it
    runs none or needs none."""
    script = posixpath.normpath(command[1]) if len(command) > 1 and re.fullmatch(r"(.*/)?python[\d.]*", command[0]) else ""
    beyond = _beyond(script, texts)
    program = "python3" if command[0] == "python" else command[0]
    return ("env", f"PYTHONPATH={beyond}", program, *command[1:]) if beyond else ()


def _beyond(path: str, texts: Texts) -> str:
    """The folder besides a script's own from which it imports, as one does that was installed; "" where it needs none."""
    try:
        names = {name.partition(".")[0] for name in imports(syntax.module(texts.get(path, ""))).values()}
    except (SyntaxError, ValueError, RecursionError):
        return ""
    folder = posixpath.dirname(path)
    for base in ("src", "."):
        for name in names:
            stem = posixpath.normpath(posixpath.join(base, name))
            own = posixpath.normpath(posixpath.join(folder, name))
            if own != stem and not _importable(own, texts) and _importable(stem, texts):
                return base
    return ""


def _importable(stem: str, texts: Texts) -> bool:
    return f"{stem}.py" in texts or any(path.startswith(f"{stem}/") and path.endswith(".py") for path in texts)


def _pytest(texts: Texts) -> Iterator[tuple[str, ...]]:
    """The tests of pytest-benchmark, followed by what it writes: its table has other units in each run."""
    if found := [path for path in sorted(texts) if _TIMED.fullmatch(path) and _plain(path) and _FIXTURE.search(texts[path])]:
        yield ("sh", "-c", f"python3 -m pytest -q --benchmark-only --benchmark-json={TIMES} {shlex.join(found)} && {SHOWN}")


def _make(texts: Texts) -> Iterator[tuple[str, ...]]:
    targets = set(re.findall(r"(?m)^([\w-]+)\s*:(?!=)", _makefile(texts)))
    yield from (("make", "-s", target) for target in TARGETS if target in targets)


def _makefile(texts: Texts) -> str:
    return texts.get("Makefile", texts.get("makefile", texts.get("GNUmakefile", "")))


def _others(texts: Texts) -> Iterator[tuple[str, ...]]:
    if "Cargo.toml" in texts:
        yield ("cargo", "run", "--release", "--quiet", "--offline")
    if "go.mod" in texts:
        root = [text for path, text in texts.items() if path.endswith(".go") and "/" not in path]
        if any(re.search(r"(?m)^package main\b", text) for text in root):
            yield ("go", "run", ".")
        if any("func Benchmark" in text for path, text in texts.items() if path.endswith("_test.go")):
            yield ("go", "test", "-run", "^$", "-bench", ".", "./...")
    if "package.json" in texts:
        yield from _npm(texts)
    yield from _c(texts)
    known = (*ENTRIES, *TARGETS)
    scripts = [path for path in sorted(texts) if path.endswith((".sh", ".bash")) and path.partition(".")[0] in known]
    yield from (("bash" if "bash" in texts[path][:30] or path.endswith(".bash") else "sh", path) for path in scripts)
    for ending, program in ((".js", "node"), (".mjs", "node"), (".rb", "ruby"), (".jl", "julia"), (".R", "Rscript")):
        names = [f"{name}{ending}" for name in (*ENTRIES, "index") if f"{name}{ending}" in texts]
        yield from ((program, name) for name in names)


def _npm(texts: Texts) -> Iterator[tuple[str, ...]]:
    try:
        scripts = json.loads(texts["package.json"]).get("scripts", {})
        told = [str(scripts[name]) for name in TARGETS if name in scripts]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return
    for line in told:
        simple = re.fullmatch(r"node [\w./ =-]+", line)
        yield tuple(line.split()) if simple else ("sh", "-c", line)


def _c(texts: Texts) -> Iterator[tuple[str, ...]]:
    """What compiles the one program that there is, and runs it."""
    for endings, compiler in (((".c",), "cc"), ((".cpp", ".cc", ".cxx"), "c++")):
        sources = [path for path in sorted(texts) if path.endswith(endings) and not _ASIDE.fullmatch(path)]
        mains = [path for path in sources if re.search(r"\bmain\s*\(", texts[path])]
        if len(mains) == 1 and "Makefile" not in texts:
            headers = {posixpath.dirname(path) for path in texts if path.endswith((".h", ".hpp"))} - {""}
            folders = "".join(f" -I{shlex.quote(folder)}" for folder in sorted(headers))
            yield ("sh", "-c", f"{compiler} -O2{folders} -o ./program {shlex.join(sources)} -lm && ./program")


COMPILERS = ("make", "cmake", "ninja", "cc", "gcc", "clang", "c++", "g++", "clang++", "nvcc", "rustc", "cargo", "go", "zig")


class Made(NamedTuple):
    """A command in two: what compiles, the files that it makes, and what then runs."""

    build: tuple[str, ...]
    outputs: tuple[str, ...]
    run: tuple[str, ...]


def made(command: Sequence[str], texts: Texts) -> Made | None:
    """The step that compiles apart from the run, as far as a command shows both; None where it does not."""
    words = [*command]
    if words[:2] == ["cargo", "run"]:
        return _cargo(words[2:], texts)
    if words[:2] == ["go", "run"] and len(words) == 3:
        return Made(("go", "build", "-o", "program", words[2]), ("program",), ("./program",))
    if words[:2] == ["make", "-s"] and len(words) == 3:
        return _target(words[2], texts)
    if words[:2] != ["sh", "-c"] or len(words) != 3 or re.search(r"[|;<>`$()'\"\\\n]|(?<!&)&(?!&)", words[2]):
        return None
    *steps, last = (step.split() for step in words[2].split("&&"))
    if not steps or not last or not all(step and step[0] in COMPILERS for step in steps):
        return None
    build = tuple(steps[0]) if len(steps) == 1 else ("sh", "-c", words[2].rpartition("&&")[0].strip())
    return _made(build, last, texts)


def _made(build: tuple[str, ...], run: Sequence[str], texts: Texts) -> Made | None:
    """A build, and a program of the repository's that is none of its texts."""
    program = posixpath.normpath(run[0])
    if "/" not in run[0] or program.startswith((".", "/")) or not _plain(program) or program in texts:
        return None
    return Made(build, (program,), (f"./{program}", *run[1:]))


def _target(target: str, texts: Texts) -> Made | None:
    """A target of a Makefile that does nothing but run what it depends on."""
    pattern = rf"(?m)^{re.escape(target)}[ \t]*:[ \t]*([\w ./-]+)\n\t@?([\w./][\w ./=,-]*)\n(?!\t)"
    rule = re.search(pattern, f"{_makefile(texts)}\n")
    return _made(("make", "-s", *rule[1].split()), rule[2].split(), texts) if rule else None


def _cargo(words: Sequence[str], texts: Texts) -> Made | None:
    """A package with one program."""
    options, given = (words[:words.index("--")], words[words.index("--") + 1:]) if "--" in words else (words, [])
    try:
        told = tomllib.loads(texts["Cargo.toml"])
        names = [each["name"] for each in told.get("bin", [])] or [told["package"]["name"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    if len(names) != 1 or not _plain(str(names[0])) or not all(each.startswith("-") for each in options):
        return None
    program = f"target/{'release' if '--release' in options else 'debug'}/{names[0]}"
    return Made(("cargo", "build", *options), (program,), (program, *given))


def timed(command: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The command of tests that print pytest-benchmark's table, followed by its file, whose unit is always the same."""
    plain = shlex.join("python3" if word == "python" else word for word in command)
    words = command[-1] if command[0] in ("sh", "bash") else plain
    yield ("sh", "-c", f"PYTEST_ADDOPTS=--benchmark-json={TIMES} {words} && {SHOWN}")


def written(command: Sequence[str], texts: Texts) -> Iterator[tuple[str, ...]]:
    """The command, followed by the JSON file that its programs write, for those that print nothing."""
    inside = seeding.run_through(project(command), texts)
    words = ["python3" if word == "python" else word for word in command]
    told = "\n".join(texts[path] for path in sorted(inside) if "json" in texts[path])
    names = re.findall(r"[\"']([\w./-]+\.jsonl?)[\"']", told)
    for name in dict.fromkeys(names):
        if not name.startswith("/") and ".." not in name and name not in texts:
            yield ("sh", "-c", f"{shlex.join(words)} && cat {shlex.quote(name)}")


# ---- what may be edited ----------------------------------------------------------------------------------------


def split(command: Sequence[str], texts: Texts) -> tuple[list[str], list[str]]:
    """The files of a run that may be edited, and those that measure, test or prepare data, which may not."""
    inside = sorted(path for path in seeding.run_through(project(command), texts) if not _ASIDE.fullmatch(path) and _plain(path)
                    and not (path.lower().endswith(seeding.CONFIGURATION) and len(texts[path]) > MOST_SETTINGS_BYTES))
    named = [path for path in seeding.named(command, texts) if _plain(path)]
    editable = [path for path in inside if not judges(path) and not (path.endswith("__init__.py") and not texts[path].strip())]
    if not editable:
        editable = named[:1] or inside[:1]
    kept = [path for path in inside if path not in editable and not path.endswith("__init__.py")]
    return sorted(editable, key=lambda path: (path not in named, path.count("/"), path))[:MOST_EDITED], kept


def judges(path: str) -> bool:
    """Whether the name of a file says that it measures, tests or prepares data."""
    *folders, name = path.split("/")
    parts: Iterable[str] = (word for part in (*folders, name.partition(".")[0])
                            for word in re.sub(r"(?<=[a-z])(?=[A-Z])", "_", part).lower().replace("-", "_").split("_"))
    return bool(_JUDGES & set(parts))


def _plain(path: str) -> bool:
    """Whether a path can stand in a contract as it is."""
    return re.fullmatch(r"[\w ./+@-]+", path) is not None
