"""Where a repository fixes its own seed, and the change that connects it to $OVERNIGHT_SEED. Pure: nothing is executed.

Covered: what the track's commands name, the Python modules that they import, the configuration that those name, and whatever
may be edited; all source where a command is no Python program, or starts others; a seed among the words of a command.
Not covered: the scorer's own files, private ones and tests, whose fixed seeds are no fault; data that was drawn once and
saved; what an installed package or a service fixes.
"""

from __future__ import annotations

import ast
import difflib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from overnight import syntax
from overnight.track import scorer
from overnight.track.scorer import imports
from overnight.track.seeding import python, words
from overnight.track.seeding.place import VARIABLE, Place, shown
from overnight.track.spec import FILE, Track, covers
from overnight.untrusted import quoted

MOST_FILES, MOST_FILE_BYTES, MOST_BYTES = 2000, 256 << 10, 8 << 20  # that are looked at: files, bytes of one, of all
MOST_RECORDED = 12  # places that are recorded of a track
MOST_SHOWN, MOST_QUOTED = 3, 160  # of them in a sentence, and characters of each
CONFIGURATION = (".yaml", ".yml", ".toml", ".json", ".ini", ".cfg", ".conf", ".env", ".properties", ".gin", ".jsonnet")
SOURCE = (*words.C, ".py", ".ipynb", ".r", ".jl", ".rs", ".go", ".java", ".kt", ".scala", ".js", ".ts", ".mjs", ".lua", ".rb",
          ".pl", ".php", ".m", ".hs", ".swift", ".cs", ".f90", ".sh", ".bash", ".mk", "makefile", "justfile")
_PASSED_OVER = re.compile(
    r"(?:.*/)?(?:tests?|testing|docs?|node_modules|vendor|vendored|third_party|site-packages|venv|env|dist|build|target|"
    r"__pycache__|\.[^/]+)/.*|(?:.*/)?(?:test_[^/]*|[^/]*_test\.\w+|conftest\.py|[^/]*\.lock|[^/]*-lock\.\w+|[^/]*\.min\.js|"
    r"pyproject\.toml|package\.json|track\.toml)", re.IGNORECASE)
_STARTS = re.compile(r"\b(?:subprocess|importlib|runpy|multiprocessing\.spawn)\b|\bos\.(?:system|exec|popen|posix_spawn)")
Texts = Mapping[str, str]


def readable(track: Track, path: str) -> bool:
    """Whether a file may be one that fixes a seed, by its name."""
    named = {posixpath.normpath(word) for step in (track.run, track.oracle) if step for word in step.command}
    if path in named or any(covers(glob, path) for glob in track.track.editable):
        return True
    return path.lower().endswith((*SOURCE, *CONFIGURATION)) and not _PASSED_OVER.fullmatch(path)


def places(track: Track, texts: Texts, contract: str = "") -> list[Place]:
    """Where what the candidate runs fixes a seed, of the files with these texts; `contract` is the text of track.toml."""
    commands = [step.command for step in (track.run, track.oracle) if step]
    given = frozenset[str]().union(*map(words.given_in, commands))
    hand = f'pass ${VARIABLE} there, as in ["sh", "-c", "exec PROGRAM --seed ${VARIABLE}"]'
    found = [Place(FILE, _line(contract, word), shown(word), hand=hand) for command in commands
             for word in words.in_command(command)]
    inside = sorted(run_through(track, texts))
    handed = python.handed(texts[path] for path in inside if path.endswith(".py"))
    for path in inside:
        found += _of(path, texts[path], given, handed)
    return found


def _of(path: str, text: str, given: frozenset[str], handed: python.Handed) -> list[Place]:
    if path.endswith(".py"):
        try:
            return python.find(path, text, given, handed)
        except (SyntaxError, ValueError, RecursionError):
            pass  # of a newer Python, or none: its lines tell
    return words.find(path, text, given)


def _line(contract: str, word: str) -> int:
    """The line of the contract in which a word of a command stands."""
    parts = word.split()
    return next((n for n, line in enumerate(contract.splitlines(), 1) if all(part in line for part in parts)), 1)


# ---- what a candidate runs ---------------------------------------------------------------------------------------


def run_through(track: Track, texts: Texts) -> set[str]:
    """The files that a run goes through, as far as their texts tell."""
    begun = [path for step in (track.run, track.oracle) if step for path in named(step.command, texts)]
    edited = {path for path in texts if any(covers(glob, path) for glob in track.track.editable)}
    reached = _reached([*begun, *edited], texts)
    judges = set(track.private)
    if track.score:
        judges |= {*named(track.score.command, texts), *scorer.parsed(track, texts.get)} - reached
    sources = {path for path in texts if path.lower().endswith(SOURCE)}
    told = " ".join([" ".join(track.run.command), *(texts[path] for path in sorted(reached))])
    if not any(path.endswith(".py") for path in begun) or _STARTS.search(told):
        reached |= sources
        told = " ".join([told, *(texts[path] for path in sorted(sources))])
    spoken = set(re.findall(r"[\w-]+", told))
    configured = {path for path in texts if path.lower().endswith(CONFIGURATION) and _spoken_of(path, spoken)}
    return (reached | configured) - judges | edited


def _spoken_of(path: str, spoken: set[str]) -> bool:
    """Whether a program names a configuration, or a folder that it lies in."""
    *folders, name = path.split("/")
    return name.startswith(".env") or any(part in spoken for part in (*folders, name.partition(".")[0]))


def named(command: Sequence[str], texts: Texts) -> list[str]:
    """The files that a command names: as words, inside of words for a shell, and as `-m module`."""
    parts = [part for word in command for part in re.findall(r"[\w./@+-]+", word)]
    modules = [after.replace(".", "/") for before, after in pairwise(parts) if before == "-m"]
    of_modules = (f"{base}{module}{end}" for module in modules for base in ("", "src/") for end in (".py", "/__main__.py"))
    return [path for path in dict.fromkeys(map(posixpath.normpath, [*parts, *of_modules])) if path in texts]


def _reached(waiting: list[str], texts: Texts) -> set[str]:
    """These files, the modules that they import, and the files that they name."""
    bases = {"", "src", *(posixpath.dirname(path) for path in waiting)}
    names = {path.rpartition("/")[2]: path for path in texts}
    reached = set[str]()
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        if path.endswith(".py"):
            waiting += _imported(path, texts, bases)
        quoted = re.findall(r"[\"'/ =]([\w.-]+\.\w{1,6})\b", texts[path])
        waiting += [names[name] for name in quoted if name in names]
    return reached


def _imported(path: str, texts: Texts, bases: set[str]) -> Iterator[str]:
    """The files of the repository that a module imports."""
    try:
        tree = syntax.module(texts[path])
    except (SyntaxError, ValueError, RecursionError):
        return
    packages = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    for name in (*imports(tree).values(), *packages, *_starred(tree)):
        parts = name.split(".")
        for base in (*bases, posixpath.dirname(path)):
            for count in range(1, len(parts) + 1):
                stem = posixpath.normpath(posixpath.join(base, *parts[:count]))
                yield from (each for each in (f"{stem}.py", f"{stem}/__init__.py") if each in texts)


def _starred(tree: ast.Module) -> Iterator[str]:
    yield from (node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))


# ---- the change --------------------------------------------------------------------------------------------------


def connected(found: Iterable[Place], texts: Texts) -> dict[str, str]:
    """The new text of each file in which a seed is connected to $OVERNIGHT_SEED; without that it means what it meant."""
    edits: dict[str, list[Place]] = {}
    for place in found:
        if place.edit:
            edits.setdefault(place.path, []).append(place)
    made = {path: _edited(path, texts[path], here) for path, here in edits.items()}
    return {path: text for path, text in made.items() if text is not None}


def _edited(path: str, text: str, found: Sequence[Place]) -> str | None:
    edits = {place.edit for place in found if place.edit}
    try:
        if path.endswith(".py") and (first := python.importing(text, min(place.number for place in found))):
            edits.add(first)
        new = text.encode()
        for edit in sorted(edits, reverse=True):
            new = new[:edit.start] + edit.new.encode() + new[edit.end:]
        if path.endswith(".py"):
            syntax.module(new.decode())
    except (SyntaxError, ValueError, RecursionError):
        return None
    return new.decode()


def patch(found: Iterable[Place], texts: Texts) -> str:
    """The same as a unified diff; "" where nothing can be connected so."""
    lines = [line for path, new in sorted(connected(found, texts).items()) for line in difflib.unified_diff(
        texts[path].splitlines(keepends=True), new.splitlines(keepends=True), f"a/{path}", f"b/{path}")]
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def by_hand(found: Iterable[Place], texts: Texts) -> list[str]:
    """What is left to do by hand, a sentence for each place."""
    found = list(found)
    done = connected(found, texts)
    return [f"{place}: {place.hand}." for place in found if not place.edit or place.path not in done]


def recorded(found: Sequence[Place]) -> tuple[str, ...]:
    """The places as a journal has them."""
    return tuple(dict.fromkeys(map(str, found)))[:MOST_RECORDED]


def warned(told: Sequence[str]) -> str:
    """That a program fixes its own seed, and what to do, before it was seen what its numbers do."""
    return (f"the program fixes its own seed ({listed(told)}); where every seed then gives the same number, a change that is "
            f"merely lucky is kept: `overnight init --seed` connects it to ${VARIABLE}")


def listed(told: Sequence[str]) -> str:
    """Recorded places in a sentence: the first few, and how many there are besides."""
    more = len(told) - MOST_SHOWN
    return ", ".join(quoted(place, MOST_QUOTED) for place in told[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")

