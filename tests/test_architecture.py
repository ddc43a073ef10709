"""The house: imports point one way, the pure part is pure, and nothing public is without a word of explanation."""

import ast
import functools
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import overnight

ROOT = Path(overnight.__file__).parent
FILES = {".".join(("overnight", *p.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): p
         for p in sorted(ROOT.rglob("*.py"))}

# Lower floors first. A part may import those of lower floors and itself; `repo` is there for its fellow adapters.
FLOORS = [
    {"contracts", "errors", "scoring", "untrusted"},
    {"files", "patterns", "syntax"},
    {"track"},
    {"referee", "repo"},
    {"lab"},
    {"audit.arithmetic"},
    {"audit.worth"},
    {"brief", "views", "ideas", "journal", "workers", "loop"},
    {"sandbox"},
    {"execution", "report"},
    {"researchers"},
    {"audit.run"},
    {"night", "testing"},
    {"export"},
    {"api"},
    {"mcp", "web"},
    {"cli"},
    {"__main__"},
]
PURE = ["contracts", "errors", "untrusted", "patterns", "syntax", "track.spec", "track.frontmatter", "track.roles", "referee", "lab", "brief", "views",
        "audit.arithmetic", "audit.worth", "track.units", "track.scorer", "track.seeding", "track.contact", "track.junk", "ideas.similarity", "ideas.found",
        "ideas.notes", "execution.metrics", "execution.failing",
        "researchers.llm.edits"]
OUTSIDE = {"os", "subprocess", "time", "random", "secrets", "socket", "sqlite3", "shutil", "tempfile",
           "io", "threading", "asyncio", "signal", "numpy", "datetime", "fcntl", "uuid", "urllib", "http", "logging"}
PURE = [name for name in (module.removeprefix("overnight.") for module in FILES)
        if any(name == pure or name.startswith(f"{pure}.") for pure in PURE)]
MAY_NAME_PATHS = {"contracts"}  # the types of its fields


def part(module):
    """The part of the house that a module belongs to: a file or a folder of FLOORS; "audit" has files on two floors."""
    names = module.split(".")[1:]
    return next((name for name in (".".join(names[:2]), *names[:1]) if floor(name) is not None), names[0] if names else "")


def floor(name):
    """How high a part stands."""
    return next((i for i, names in enumerate(FLOORS) if name in names), None)


@functools.cache
def tree(module):
    """The syntax tree of a file."""
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def imports(module):
    """Every module that a file imports, at whatever place in it."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            found |= {f"{node.module}.{n.name}" if f"{node.module}.{n.name}" in FILES else node.module
                      for n in node.names}
    return found


def public(owner):
    """The functions and classes that a module or class offers; a test's name is its own explanation."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [node for node in owner.body if isinstance(node, kinds) and not node.name.startswith(("_", "test_"))]


@functools.cache
def graph():
    """What of ours each file imports."""
    return {module: {name for name in imports(module) if name in FILES} for module in FILES}


def test_the_import_graph_has_no_cycle():
    left = {module: set(names) for module, names in graph().items()}
    while free := [module for module, names in left.items() if not names]:
        for module in free:
            del left[module]
        for names in left.values():
            names.difference_update(free)
    assert not left


def test_every_part_has_its_floor():
    assert not {part(module) for module in FILES if part(module) not in ("", "audit") and floor(part(module)) is None}, "say on which of the FLOORS"


def upwards(module):
    """What a module imports that does not lie below it."""
    mine = floor(part(module))
    others = [name for name in graph()[module] - {"overnight"} if part(name) != part(module)]
    return [f"{module} imports {name}" for name in others if None not in (mine, floor(part(name))) and floor(part(name)) >= mine]


def test_imports_point_downwards():
    assert not [line for module in FILES if part(module) for line in upwards(module)]


def test_the_ground_floor_imports_nothing_of_ours():
    assert not {name for name in ("contracts", "errors", "untrusted") if graph()[f"overnight.{name}"]}


def test_the_pure_part_touches_no_outside():
    found = {name: {module.partition(".")[0] for module in imports(f"overnight.{name}")} for name in PURE}
    assert not {name: all_ & OUTSIDE for name, all_ in found.items() if all_ & OUTSIDE}
    assert {name for name, all_ in found.items() if "pathlib" in all_} <= MAY_NAME_PATHS


def called(tree):
    """The names of the functions that are called by their bare name."""
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def test_the_pure_part_opens_and_prints_nothing():
    found = {name: called(tree(f"overnight.{name}")) & {"open", "print", "input", "exec", "eval", "__import__"} for name in PURE}
    assert not {name: calls for name, calls in found.items() if calls}


@pytest.mark.sandbox
def test_importing_the_package_does_nothing():
    code = ("import sys; before = set(sys.modules); import overnight; "
            "new = {m for m in set(sys.modules) - before if m.startswith('overnight')}; print(sorted(new))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['overnight']"


def at_work(module):
    """The statements at the top of a file that do more than define, but for the guard of a script."""
    return [f"{module}, line {node.lineno}" for node in tree(module).body
            if isinstance(node, ast.For | ast.While | ast.With) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))]


def test_a_module_only_defines_when_it_is_imported():
    assert not [line for module in FILES for line in at_work(module)]


def undocumented(module):
    """What is public in a file and has no docstring; an empty file needs none."""
    top = tree(module)
    owners = [top, *(node for node in public(top) if isinstance(node, ast.ClassDef))]
    found = [node.name for owner in owners for node in public(owner) if not ast.get_docstring(node)]
    return found if ast.get_docstring(top) or not top.body else ["the module", *found]


def test_everything_public_has_a_docstring():
    assert not {module: names for module in FILES if (names := undocumented(module))}


def test_every_error_is_drawn_in_the_tree():
    from overnight import errors
    ours = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    assert all(name in errors.__doc__ for name in ours)
    assert all(issubclass(getattr(errors, name), errors.OvernightError) for name in ours)
