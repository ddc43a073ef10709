"""Compares built distributions with the repository: `python scripts/contents.py dist/*`.

Prints a line for each, and ends with 1 where a file is missing or where one is there that the repository does not have."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TRACKS = "overnight/ready/"  # where the wheel has tracks/
NEEDED = ("tracks/microgpt/track.toml", "skills/overnight/SKILL.md", "src/overnight/researchers/llm/prompts/author.md",
          "src/overnight/ideas/glossary.txt", "src/overnight/track/template.md", "src/overnight/py.typed", "LICENSE")
MADE = ("PKG-INFO",)  # what the builder adds to a source distribution


def tracked(root: Path = ROOT) -> set[str]:
    """The files of the repository, by git."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)
    names = (name for name in done.stdout.decode().split("\0") if name)
    return {name for name in names if (root / name).is_file() and not (root / name).is_symlink()}


def of_wheel(path: Path) -> set[str]:
    """The files in a wheel, named as in the repository; its own records are left out."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    return {f"tracks/{name.removeprefix(TRACKS)}" if name.startswith(TRACKS) else f"src/{name}" for name in names}


def of_sdist(path: Path) -> set[str]:
    """The files in a source distribution, named as in the repository."""
    with tarfile.open(path) as archive:
        names = [member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()]
    return {name for name in names if name not in MADE}


def differences(path: Path, repository: set[str]) -> list[str]:
    """What is wrong with a distribution, a sentence each."""
    wheel = path.suffix == ".whl"
    found = of_wheel(path) if wheel else of_sdist(path)
    wanted = {name for name in repository if not wheel or name.startswith(("src/overnight/", "tracks/"))}
    needed = {name for name in NEEDED if not wheel or name.startswith(("src/", "tracks/"))}
    missing = [f"{path.name} lacks {name}." for name in sorted((wanted | needed) - found)]
    return missing + [f"{path.name} has {name}, which is not in the repository." for name in sorted(found - repository)]


def main(paths: list[str]) -> int:
    """Compare each; 1 where anything is wrong."""
    repository = tracked()
    wrong = {path: differences(Path(path), repository) for path in paths}
    for path, sentences in wrong.items():
        print(*sentences or [f"{Path(path).name} has what it should."], sep="\n")
    return int(not paths or any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
