"""The house: imports point one way, the pure part is pure, and nothing public is without a word of explanation."""

import ast
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
    {"contracts", "errors", "scoring", "words"},
    {"curves", "fit", "lessons", "frontmatter", "glossary"},
    {"track", "events", "likeness"},
    {"jobs", "metrics", "roles"},
    {"student", "program"},
    {"referee", "guards", "drift"},
    {"holdout", "noise", "worth", "shares", "stacks", "tally", "ideas"},
    {"roster"},
    {"runs"},
    {"state"},
    {"proposing"},
    {"lab", "audit", "brief"},
    {"repo", "oracle", "mounts"},
    {"importing", "inbox", "runner", "desk", "journal", "sandbox", "researchers", "workers"},
    {"loop", "session", "trial", "auditor", "scaffold", "testing"},
    {"handin"},
    {"report"},
    {"web", "mcp"},
    {"cli", "__main__"},
]
PURE = ["contracts", "errors", "words", "curves", "fit", "lessons", "glossary", "likeness", "events", "frontmatter", "jobs",
        "metrics", "roles", "student", "referee", "guards", "drift", "noise", "worth", "shares", "stacks", "tally", "ideas", "roster",
        "holdout", "runs", "state", "proposing", "lab", "audit", "brief", "importing.found", "importing.notes",
        "researchers.llm.edits"]
OUTSIDE = {"os", "subprocess", "time", "random", "secrets", "socket", "sqlite3", "sqlalchemy", "shutil", "tempfile",
           "io", "threading", "asyncio", "signal", "numpy", "datetime", "fcntl", "uuid", "urllib", "http", "logging"}
MAY_NAME_PATHS = {"contracts"}  # the types of its fields


def part(module):
    """The part of the house that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


def floor(name):
    """How high a part stands."""
    return next((i for i, names in enumerate(FLOORS) if name in names), None)


def imports(module):
    """Every module that a file imports, at whatever place in it."""
    found = set()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
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


GRAPH = {module: {name for name in imports(module) if name in FILES} for module in FILES}


def test_the_import_graph_has_no_cycle():
    left = {module: set(names) for module, names in GRAPH.items()}
    while free := [module for module, names in left.items() if not names]:
        for module in free:
            del left[module]
        for names in left.values():
            names.difference_update(free)
    assert not left


@pytest.mark.parametrize("module", [m for m in FILES if part(m)])
def test_every_part_has_its_floor(module):
    assert floor(part(module)) is not None, f"say on which of the FLOORS {module} stands"


@pytest.mark.parametrize("module", [m for m in FILES if part(m)])
def test_imports_point_downwards(module):
    for name in GRAPH[module] - {"overnight"}:
        mine, theirs = floor(part(module)), floor(part(name))
        assert part(name) == part(module) or None in (mine, theirs) or theirs < mine, f"{module} imports {name}"


@pytest.mark.parametrize("name", ["contracts", "errors", "words"])
def test_the_ground_floor_imports_nothing_of_ours(name):
    assert not GRAPH[f"overnight.{name}"]


@pytest.mark.parametrize("name", PURE)
def test_the_pure_part_touches_no_outside(name):
    found = {module.partition(".")[0] for module in imports(f"overnight.{name}")}
    assert not found & OUTSIDE
    assert "pathlib" not in found or name in MAY_NAME_PATHS


@pytest.mark.parametrize("name", PURE)
def test_the_pure_part_opens_and_prints_nothing(name):
    tree = ast.parse(FILES[f"overnight.{name}"].read_text(encoding="utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"open", "print", "input", "exec", "eval", "__import__"}


def test_importing_the_package_does_nothing():
    code = ("import sys; before = set(sys.modules); import overnight; "
            "new = {m for m in set(sys.modules) - before if m.startswith('overnight')}; print(sorted(new))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['overnight']"


@pytest.mark.parametrize("module", FILES)
def test_a_module_only_defines_when_it_is_imported(module):
    """No call statement and no loop at the top of a file, but for the guard of a script."""
    for node in ast.parse(FILES[module].read_text(encoding="utf-8")).body:
        call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        assert not call and not isinstance(node, ast.For | ast.While | ast.With), f"{module}, line {node.lineno}"


@pytest.mark.parametrize("module", FILES)
def test_everything_public_has_a_docstring(module):
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or FILES[module].stat().st_size == 0, module
    for node in [*public(tree), *(n for c in public(tree) if isinstance(c, ast.ClassDef) for n in public(c))]:
        assert ast.get_docstring(node), f"{module}.{node.name} has no docstring"


def test_every_error_is_drawn_in_the_tree():
    from overnight import errors
    ours = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    assert all(name in errors.__doc__ for name in ours)
    assert all(issubclass(getattr(errors, name), errors.OvernightError) for name in ours)
