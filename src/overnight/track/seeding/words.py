"""Where a program of another language, or a configuration, fixes its own seed, as far as its lines tell. Pure.

Covered: a number that is given to a name of a seed, in any of the usual notations, also where nothing else is;
calls that seed a generator; the seeded generators of C++, Java, Go, Julia and Haskell; C that draws and never seeds.
Not covered: numbers that are computed, a value on another line than its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from overnight.patterns import compiled
from overnight.track.seeding.place import VARIABLE, Edit, Place, shown, speaks_of_a_seed

MOST_LINE_CHARACTERS = 2000  # a longer one is data
C = (".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cu", ".cuh")
_COMMENTS = ("//", "/*", "* ", "-- ", "%", ";", "<!--")
_NAMED = (r"""([A-Za-z][\w.-]*)["'\])]*\s*(?::\s*[A-Za-z]\w*\s*)?(?::=|=>|<-|=|:|\|\||\?\?)\s*"""
          r"""[\[("']*(?:0[xX][0-9a-fA-F]+|[0-9][0-9_]*)""")
_INSTEAD = (r"""\b([A-Za-z]\w*)\s*(?::\s*\w+\s*)?:?=[^=].*\b(?:unwrap_or|value_or|orElse|getOrElse|getOrDefault)\(\s*[0-9]""")
_CALLS = (
    r"(?i)[\w.:]*(?:seed|srand)\w*!?\s*\(\s*(?:[\w.&]+\s*,\s*)?[\[\"']?[\w-]*[0-9]",
    r"(?i)\b(?:srand|randomseed|mkStdGen)\s+[0-9]",
    r"(?i)(?:^|[\s\"'])--?[\w-]*seed\s+[0-9]",
    r"#\s*define\s+\w*(?:SEED|RANDOM_STATE)\w*\s+[0-9]",
    r"\b(?:mt19937(?:_64)?|minstd_rand0?|default_random_engine|ranlux\w+|knuth_b)"
    r"\s+\w+\s*(?:[({]\s*[0-9]|\{\s*\}|;)",
    r"\b(?:Random|MersenneTwister|Xoshiro|StableRNG|NewSource|NewPCG|PCG32|SplittableRandom|curand_init)\s*\(\s*[0-9]",
    r"(?i)seedrandom\s*\(\s*[\"']",
)
# What can be replaced: in files of these endings, a pattern whose group is the number, and what takes its place.
_EDITS: Sequence[tuple[tuple[str, ...], str, str]] = (
    (C, r"\bsrand\s*\(\s*([0-9]+)[uU]?\s*\)", f'getenv("{VARIABLE}") ? atoi(getenv("{VARIABLE}")) : {{0}}'),
    ((".r",), r"\bset\.seed\s*\(\s*([0-9]+)L?\s*[,)]", f'as.integer(Sys.getenv("{VARIABLE}", "{{0}}"))'),
    ((".jl",), r"\bseed!\s*\(\s*([0-9]+)\s*\)", f'parse(Int, get(ENV, "{VARIABLE}", "{{0}}"))'),
    ((".sh", ".bash"), r"--[\w-]*seed[= ]([0-9]+)(?:\s|$)", f'"${{{{{VARIABLE}:-{{0}}}}}}"'),
    ((".sh", ".bash"), r"^\s*(?:export\s+)?\w*SEED=([0-9]+)\s*$", f'"${{{{{VARIABLE}:-{{0}}}}}}"'),
)
_DRAWS, _SEEDS = r"\b(?:rand|random|drand48|lrand48)\s*\(\s*\)", r"\b(?:srand|srandom|srand48)\s*\("


def find(path: str, text: str, given: frozenset[str] = frozenset()) -> list[Place]:
    """The places in a file's text; `given` are names whose value comes with the command."""
    lines = text.encode().splitlines(keepends=True)
    begins = [0, *accumulate(map(len, lines))]
    found = []
    for number, raw in enumerate(lines, 1):
        line = raw.decode(errors="replace").rstrip("\r\n")
        if len(line) <= MOST_LINE_CHARACTERS and VARIABLE not in line and _fixes(line, given):
            found.append(Place(path, number, shown(line), _edit(path, line, begins[number - 1])))
    return found or list(_unseeded(path, text))


def in_command(words: Sequence[str]) -> list[str]:
    """What fixes a seed among the words of a command, each as it is written there."""
    found = []
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if VARIABLE in word or VARIABLE in value:
            continue
        if word.startswith("-") and "=" not in word and speaks_of_a_seed(word.lstrip("-")) and value.isdigit():
            found.append(f"{word} {value}")
        elif _fixes(word, frozenset()):
            found.append(word)
    return found


def given_in(words: Sequence[str]) -> frozenset[str]:
    """The names to which a command gives $OVERNIGHT_SEED, as an option or as `name=value`."""
    text, names = " ".join(words), compiled(r"([\w.-]+?)[= ][\"']?\$\{?" + VARIABLE)
    return frozenset(found[1].strip("-").lower().replace("-", "_") for found in names.finditer(text))


def _fixes(line: str, given: frozenset[str]) -> bool:
    bare = line.strip()
    if bare.startswith(_COMMENTS) or (bare.startswith("#") and not bare.startswith(("#define", "#SBATCH"))):
        return False
    names = [found[1].strip("-.") for pattern in (_NAMED, _INSTEAD) for found in compiled(pattern).finditer(line)]
    if any(speaks_of_a_seed(name.rpartition(".")[2]) and name.lower().replace("-", "_") not in given for name in names):
        return True
    return any(compiled(pattern).search(line) for pattern in _CALLS)


def _edit(path: str, line: str, begin: int) -> Edit | None:
    for endings, pattern, new in _EDITS:
        if path.lower().endswith(endings) and (found := compiled(pattern).search(line)):
            start = begin + len(line[:found.start(1)].encode())
            return Edit(start, start + len(found[1]), new.format(found[1]))
    return None


def _unseeded(path: str, text: str) -> Iterator[Place]:
    """The first draw of a C program that never seeds: it draws the same numbers each time."""
    if path.endswith(C) and not compiled(_SEEDS).search(text) and (drawn := compiled(_DRAWS).search(text)):
        number = text.count("\n", 0, drawn.start()) + 1
        what = f"{shown(text.splitlines()[number - 1])} (never seeded)"
        yield Place(path, number, what, hand=f"call srand(atoi(getenv(\"{VARIABLE}\"))) at the beginning, where that is set")
