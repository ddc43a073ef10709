"""What a release is made of: its files, its version, and that the script stops before it uploads."""

import io
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
import yaml

import overnight as package
from conftest import ROOT
from scripts import contents

NEEDS = "sandbox"
VERSION = package.__version__
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
UNREACHABLE = re.compile("No matching distribution|Could not find a version|NewConnectionError|Temporary failure|Name or service")


# ---- what must agree --------------------------------------------------------------------------------------------


@pytest.mark.pure
def test_the_citation_names_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (VERSION, "MIT")


@pytest.mark.pure
def test_the_changelog_begins_with_what_is_not_released_or_with_this_version():
    assert re.match(r"## (Unreleased|(\S+) \d{4}-\d\d-\d\d)$", first := re.search(r"^## .*", CHANGELOG, re.MULTILINE)[0])
    assert first == "## Unreleased" or first.startswith(f"## {VERSION} ")


@pytest.mark.parametrize(("schema", "files"), [
    ("vendor.citation-file-format", ["CITATION.cff"]),
    ("vendor.github-issue-config", [".github/ISSUE_TEMPLATE/config.yml"]),
    ("vendor.github-issue-forms", [f".github/ISSUE_TEMPLATE/{name}.yml" for name in ("bug", "verdict", "idea")])])
def test_files_for_others_programs_are_as_those_want_them(schema, files):
    done = subprocess.run([sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.pure
def test_the_issue_forms_are_all_checked():
    assert {path.stem for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")} == {"bug", "verdict", "idea", "config"}


# ---- what is in the distributions -------------------------------------------------------------------------------

REPOSITORY = {"src/overnight/__init__.py", "tracks/x/track.toml", "README.md", *contents.NEEDED}
WHEEL = {name.replace("tracks/", contents.TRACKS).removeprefix("src/") for name in REPOSITORY if name.startswith(("src/", "tracks/"))}


def wheel(folder, names):
    path = folder / "overnight-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in {*names, "overnight-1.dist-info/RECORD"}:
            archive.writestr(name, "")
    return path


def sdist(folder, names):
    path = folder / "overnight-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in {*names, "PKG-INFO"}:
            archive.addfile(tarfile.TarInfo(f"overnight-1/{name}"), io.BytesIO())
    return path


@pytest.mark.pure
def test_distributions_that_have_what_they_should_are_right(tmp_path):
    assert contents.differences(wheel(tmp_path, WHEEL), REPOSITORY) == []
    assert contents.differences(sdist(tmp_path, REPOSITORY), REPOSITORY) == []


@pytest.mark.pure
@pytest.mark.parametrize("lost", ["tracks/x/track.toml", "src/overnight/ideas/glossary.txt"])
def test_a_file_that_is_lost_is_named(tmp_path, lost):
    gone = lost.replace("tracks/", contents.TRACKS).removeprefix("src/")
    assert contents.differences(wheel(tmp_path, WHEEL - {gone}), REPOSITORY) == [f"overnight-1-py3-none-any.whl lacks {lost}."]
    assert contents.differences(sdist(tmp_path, REPOSITORY - {lost}), REPOSITORY) == [f"overnight-1.tar.gz lacks {lost}."]


@pytest.mark.pure
def test_a_needed_file_that_the_repository_itself_lost_is_named(tmp_path):
    gone = "skills/overnight/SKILL.md"
    assert contents.differences(sdist(tmp_path, REPOSITORY - {gone}), REPOSITORY - {gone}) == [f"overnight-1.tar.gz lacks {gone}."]


@pytest.mark.pure
def test_a_file_of_the_builders_machine_is_named(tmp_path):
    assert contents.differences(wheel(tmp_path, WHEEL | {"overnight/notes.txt"}), REPOSITORY) == [
        "overnight-1-py3-none-any.whl has src/overnight/notes.txt, which is not in the repository."]


# ---- the scripts ------------------------------------------------------------------------------------------------


def git(folder, *words):
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@localhost", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def copy(tmp_path):
    """The repository as it is here, as one commit whose changelog has this version."""
    to = tmp_path / "repo"
    for name in contents.tracked():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, to / name)
    dated = re.sub(r"^## .*", f"## {VERSION} 2026-12-01", CHANGELOG, count=1, flags=re.MULTILINE)
    (to / "CHANGELOG.md").write_text(dated)
    git(tmp_path, "init", "-q", "repo")
    git(to, "add", "-A")
    git(to, "commit", "-qm", "as it is")
    return to


def release(folder):
    return subprocess.run([folder / "scripts/release.sh"], env={"PATH": "/usr/bin:/bin", "HOME": str(folder.parent), "PYTHON": sys.executable},
                          capture_output=True, text=True, check=False, timeout=900)


@pytest.mark.parametrize(("file", "change", "sentence"), [
    ("CITATION.cff", lambda text: text.replace(f"version: {VERSION}", "version: 99"), "CITATION.cff names another version"),
    ("CHANGELOG.md", lambda text: text.replace(f"## {VERSION} ", "## Unreleased "), "CHANGELOG.md has no section"),
    ("src/overnight/__init__.py", lambda text: "", "names no version")])
def test_what_does_not_agree_is_not_released(copy, file, change, sentence):
    (copy / file).write_text(change((copy / file).read_text()))
    git(copy, "commit", "-qam", "otherwise")
    done = release(copy)
    assert done.returncode == 1 and sentence in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (copy / "dist").exists()


def test_what_is_not_committed_is_not_released(copy):
    (copy / "README.md").write_text("x")
    assert "the work tree has changes" in release(copy).stderr


@pytest.mark.night
def test_a_small_night_with_what_is_here(tmp_path):
    command = tmp_path / "overnight"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT / "src"} exec {sys.executable} -m overnight.cli "$@"\n')
    command.chmod(0o755)
    words = [ROOT / "scripts/small_night.sh", command, VERSION, tmp_path / "night", tmp_path / "state"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "state").rglob("journal.db"))
    words[2] = "99"
    assert subprocess.run(words, capture_output=True, text=True, check=False).returncode == 1


@pytest.mark.services
def test_a_release_is_built_compared_installed_tried_and_not_uploaded(copy):
    done = release(copy)
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip("needs a package index")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("has what it should.") == 2 and done.stderr.count("installing") == 2
    assert "Nothing was uploaded" in done.stderr
    assert {path.suffix for path in (copy / "dist").glob("overnight-*")} == {".whl", ".gz"}
