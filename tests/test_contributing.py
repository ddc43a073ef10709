"""CONTRIBUTING.md, done: each toy is put into a copy of the sources as the page says, and passes its suite and its night there."""

import ast
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import overnight

NEEDS = "sandbox"
ROOT, HERE = Path(overnight.__file__).parent.parent.parent, Path(__file__).parent
PAGE = (HERE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
MOST = 2  # files of src that an addition may touch besides its own


@dataclass
class Addition:
    """What a section of the page says: the new file, the toy that it is, hunks as (file, before, after), the test's beginning."""

    new: str
    toy: Path
    hunks: list[tuple[str, str, str]]
    example: str

    @property
    def proof(self):
        return self.toy.with_name(f"{self.toy.stem}_proof.py")


def hunks(diff):
    """The parts of a diff block: each a file, the lines that are there, and those that are to be there."""
    for part in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        file, _, body = part.partition("\n")
        for hunk in body.split("@@\n"):
            lines = hunk.splitlines(keepends=True)
            assert all(line[0] in " -+" for line in lines), f"this is no diff: {hunk}"
            yield file, *("".join(line[1:] for line in lines if line[0] in kinds) for kinds in (" -", " +"))


def additions():
    """Each section by its heading."""
    for section in re.split(r"^### ", PAGE.partition("## Before you")[0], flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        new, toy = re.search(r"New file:\s+`(\S+?)`;\s+toy:\s+\[(\S+?)\]", section).groups()
        diff = "".join(re.findall(r"```diff\n(.*?)```", section, re.DOTALL))
        example = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
        yield title, Addition(new, HERE.parent / toy, list(hunks(diff.replace("\n\n", "\n \n"))), example)


ADDITIONS = dict(additions())


def put(folder, addition):
    """Do what the page says with a copy of the sources."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    assert not (folder / addition.new).exists()
    shutil.copy(addition.toy, folder / addition.new)
    for file, before, after in addition.hunks:
        text = (folder / file).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{file} has this {text.count(before)} times, so that CONTRIBUTING.md is out of date:\n{before}"
        (folder / file).write_text(text.replace(before, after), encoding="utf-8")


def different(folder):
    """The files of a copy that are not as they are here."""
    sources = {path.relative_to(folder) for path in (folder / "src").rglob("*") if path.is_file()}
    return {str(path) for path in sources if not (ROOT / path).exists() or (ROOT / path).read_bytes() != (folder / path).read_bytes()}


def proven(folder, *tests):
    """Run tests with the sources of a folder."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder / "src"), str(HERE)]), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, tests)]
    return subprocess.run(argv, cwd=HERE.parent, env=env, capture_output=True, text=True)


@pytest.mark.parametrize("title", ADDITIONS)
def test_a_toy_is_added_as_the_page_says_and_the_house_stands(title, tmp_path):
    addition = ADDITIONS[title]
    put(tmp_path, addition)
    assert len(different(tmp_path) - {addition.new}) == len({file for file, _, _ in addition.hunks}) <= MOST
    done = proven(tmp_path, addition.proof, HERE / "test_architecture.py", "-m", "pure")
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_its_lines_a_toy_is_unknown(tmp_path):
    addition = ADDITIONS["A kind of metric"]
    addition = Addition(addition.new, addition.toy, [], addition.example)
    put(tmp_path, addition)
    assert "KeyError: 'signs'" in proven(tmp_path, addition.proof).stdout


@pytest.mark.pure
def test_the_page_has_a_section_for_each_thing_that_can_be_added():
    assert set(ADDITIONS) == {"A researcher", "A kind of metric", "A journal", "Workers", "A scorer", "An event"}
    assert {each.toy.name for each in ADDITIONS.values()} | {each.proof.name for each in ADDITIONS.values()} | {"__init__.py"} == {
        path.name for path in (HERE / "toys").glob("*.py")}


@pytest.mark.pure
@pytest.mark.parametrize("title", ADDITIONS)
def test_the_example_of_a_section_is_the_text_of_the_test(title):
    assert ADDITIONS[title].example in ADDITIONS[title].proof.read_text(encoding="utf-8")


@pytest.mark.pure
def test_every_file_that_the_page_links_to_is_there():
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    assert not [path for path in re.findall(r"\]\(([^)#:]+)\)", prose) if not (HERE.parent / path).exists()]


@pytest.mark.pure
def test_the_suites_that_are_shipped_need_no_pytest():
    for path in (ROOT / "src/overnight/testing").glob("*.py"):
        names = {name.name.partition(".")[0] for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import)
                 for name in node.names}
        names |= {node.module.partition(".")[0] for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        assert not names & {"pytest", "hypothesis", "_pytest"}, path
