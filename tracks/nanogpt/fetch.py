"""Fetch the text of this track, once: the documentation in the source archive of one release of Django, by name and hash.

    python fetch.py                       from the package index that pip is set up with
    python fetch.py Django-5.2.tar.gz     from a file that you have

Nothing of the archive is built or executed: it is checked, read and thrown away. Into text/ go the tokens to learn from,
those of the private validation and holdout texts, and the pieces of the tokeniser. Their hashes stand in budget.py; where
they are others it says so.
The archive's documentation and code have the same licence (BSD, three clauses: its file LICENSE).
"""

import hashlib
import io
import json
import re
import ssl
import subprocess
import sys
import tarfile
import urllib.request
from array import array
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import budget
from bpe import Encoder, learn

PROJECT, ARCHIVE = "django", "Django-5.2.tar.gz"
SHA256 = "1a47f7a7a3d43ce64570d350e008d2949abe8c7e21737b351b6a1611277c6d89"
DOCUMENT = re.compile(r"[^/]+/docs/(?!_)(.+\.txt)")
PRIVATE_PERCENT = 6  # of the families of documents go to validation, and as many to holdout
LEAST = 40  # characters of a paragraph that is taken out of the private texts where a text before holds it too
FOLDER = Path(__file__).parent / "text"
TORCH = "2.13.0"  # that README.md's figures were measured with
WITHIN = 120.0  # seconds for each answer of the index


class Failed(Exception):
    """The text cannot be had; its words say what to do."""


# ---- the archive -------------------------------------------------------------------------------------------------


def indices() -> list[str]:
    """The package indices that pip would ask, in its order: as it is set up, or its own default."""
    told = _pip("config", "list")
    found = [url for key in ("index-url", "extra-index-url")
             for line in re.findall(rf"\.{key}='(.*)'", told)[-1:] for url in line.split()]
    if ".index-url=" not in told:
        found = re.findall(r"\(default (\S+?)\)", _pip("download", "--help"))[:1] + found
    return found


def _pip(*words: str) -> str:
    """What pip says; nothing where there is no pip."""
    said = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False,
                          env=budget.environment(COLUMNS="500"))
    return said.stdout


class Links(HTMLParser):
    """The addresses on a page of an index."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found += [value for key, value in attrs if tag == "a" and key == "href" and value]


def download() -> bytes:
    """The archive from the first index that has it. Raises Failed."""
    for index in indices():
        page = f"{index.rstrip('/')}/{PROJECT}/"
        try:
            links = Links(_read(page).decode()).found
            if link := next((each for each in links if urlsplit(each).path.endswith(f"/{ARCHIVE}")), None):
                return _read(urljoin(page, link))
        except (OSError, ValueError):  # no connection, no such page, an address that urllib does not take
            continue
    raise Failed(f"{ARCHIVE} cannot be fetched from the package index that pip is set up with: bring the file here by other "
                 f"means (its sha256 is {SHA256}) and run `python fetch.py {ARCHIVE}`.")


def _read(url: str) -> bytes:
    if url.startswith("file:") and url.endswith("/"):
        url += "index.html"  # as pip reads an index that is a folder
    cert = re.findall(r"\.cert='(.*)'", _pip("config", "list"))[-1:]
    trusted = ssl.create_default_context(cafile=cert[0] if cert else None)
    with urllib.request.urlopen(url, timeout=WITHIN, context=trusted) as answer:
        return answer.read()


def checked(archive: bytes, sha256: str = SHA256) -> bytes:
    """The archive, if it is the one that is meant. Raises Failed."""
    if (found := hashlib.sha256(archive).hexdigest()) != sha256:
        raise Failed(f"this is another file than the {ARCHIVE} that was published: its sha256 is {found}, not {sha256}; "
                     "get it anew.")
    return archive


# ---- the texts ---------------------------------------------------------------------------------------------------


def documents(archive: bytes) -> dict[str, str]:
    """The documents of a source archive by their paths below docs/, in order. Raises Failed."""
    found = dict[str, str]()
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            for member in files:
                if (path := DOCUMENT.fullmatch(member.name)) and (file := files.extractfile(member)):
                    found[path[1]] = file.read().decode()
    except tarfile.TarError as error:
        raise Failed(f"the archive cannot be read ({error}): get it anew.") from error
    if not found:
        raise Failed("the archive holds no documents below docs/: it is not a source archive of Django.")
    return dict(sorted(found.items()))


def family(path: str) -> str:
    """What is split as one: a document, or all notes on the releases of one series, which repeat one another."""
    series = re.fullmatch(r"(releases/\d+\.\d+)(?:\.\d+)*\.txt", path)
    return series[1] if series else path


def split(texts: Mapping[str, str]) -> dict[str, str]:
    """The train, validation and holdout texts. The hash of its family decides where a document goes; a paragraph that stands in
    a text before, in the order of these three, is left out."""
    parts: dict[str, list[str]] = {"train": [], "validation": [], "holdout": []}
    for path, text in texts.items():
        percent = int(hashlib.sha256(family(path).encode()).hexdigest(), 16) % 100
        name = "validation" if percent < PRIVATE_PERCENT else "holdout" if percent < 2 * PRIVATE_PERCENT else "train"
        parts[name].append(text)
    known, found = set[str](), dict[str, str]()
    for name, each in parts.items():
        found[name] = "\n\n\n".join(_unseen(text, known) if name != "train" else text for text in each)
        known |= {_plain(paragraph) for paragraph in _paragraphs(found[name])}
    return found


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n[ \t]*\n", text)


def _plain(paragraph: str) -> str:
    return " ".join(paragraph.split())


def _unseen(text: str, known: set[str]) -> str:
    """A text without the paragraphs that are known."""
    return "\n\n".join(each for each in _paragraphs(text) if len(_plain(each)) < LEAST or _plain(each) not in known)


# ---- the tokens --------------------------------------------------------------------------------------------------


def made(texts: Mapping[str, str], vocabulary: int = budget.VOCABULARY) -> Iterator[tuple[str, bytes]]:
    """The files of text/ by their names. The tokeniser learns from the training text alone."""
    pieces = learn(texts["train"], vocabulary)
    yield budget.PIECES, json.dumps([piece.hex() for piece in pieces]).encode()
    encoder = Encoder(pieces)
    for name, text in texts.items():
        tokens = array("H", encoder.encode(text))
        if sys.byteorder == "big":
            tokens.byteswap()
        yield f"{name}.bin", tokens.tobytes()


def main(words: list[str]) -> None:
    """Fetch, check, split, encode, write. Raises Failed."""
    try:
        archive = Path(words[0]).read_bytes() if words else download()
    except OSError as error:
        raise Failed(f"{words[0]} cannot be read: {error.strerror}.") from error
    files = dict(made(split(documents(checked(archive)))))
    FOLDER.mkdir(exist_ok=True)
    for name, content in files.items():
        if (found := hashlib.sha256(content).hexdigest()) != budget.SHA256[name]:
            raise Failed(f"text/{name} is not the frozen one: its sha256 is {found}, in budget.py "
                         f"stands {budget.SHA256[name]}; fetch.py or bpe.py are not those that made it.")
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)
        print(f"text/{name}: {len(content):,} bytes")
    print("now commit it: git add text && git commit -m 'The text'")
    if about := about_torch():
        print(f"note: {about}", file=sys.stderr)


def about_torch(version: str | None = None) -> str:
    """What is to be done about the PyTorch of this environment; nothing where it is the one that was measured with."""
    try:
        version = version or metadata.version("torch")
    except metadata.PackageNotFoundError:
        return f"PyTorch is missing in this environment: run `{sys.executable} -m pip install torch=={TORCH} numpy`."
    if version.split("+")[0] == TORCH:
        return ""
    return (f"this environment has PyTorch {version}, and the figures of README.md are of {TORCH}, which "
            f"`{sys.executable} -m pip install torch=={TORCH}` brings: numbers of two versions differ a little.")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Failed as failed:
        raise SystemExit(str(failed)) from None
