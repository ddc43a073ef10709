"""Sizes, bombs, pipes and sockets: what makes a command wait, or takes all memory, disk or time."""

import os
import socket
import zlib

from conftest import write
from hostile.attack import Attack, Attacks
from hostile.suite import Harmless

ATTACKS = attack = Attacks()
PLACES = {  # a pipe in the place of a file -> commands that meet it
    "track.toml": ("run", "trust"), "program.md": ("run", "trust"), "settings.py": ("run", "try"), "score.py": ("run",),
    ".git/HEAD": ("run",), ".git/config": ("run",), ".git/index": ("run", "try"), ".git/packed-refs": ("run",),
    ".git/objects/info/alternates": ("run",), ".git/refs/heads/main": ("run",), ".git/info/attributes": ("run", "try"),
    ".git/info/exclude": ("run", "try"), ".gitattributes": ("run", "try"), ".git/shallow": ("run",),
    ".git/refs/heads/overnight/little": ("run",), ".git/commondir": ("run",), ".git/objects/info/commit-graph": ("run",),
    "notes/x.md": ("run", "try"), ".overnight/journal.db": ("adopt",), ".git/config.worktree": ("run",), "train.py": ("init",)}


class TestSizes(Harmless):
    """Each command ends within its bound."""


def piped(place, reaches):
    """An attack of a pipe, which blocks whoever opens it, in the place of a file."""
    def build(scene):
        if place == "train.py":
            for name in ("track.toml", "run.py"):
                (scene.repo / name).unlink()
        path = scene.repo / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    def control(scene):
        return scene.plainly("cat", place, seconds=1) == "" and not os.path.isfile(scene.repo / place)

    name = place.strip(".").replace("/", "_").replace(".", "_")
    return Attack(f"pipe_at_{name}", f"a command waits for ever for {place}", build, reaches, seconds=12,
                  control=control if place == "track.toml" else None)


ATTACKS += [piped(place, reaches) for place, reaches in PLACES.items()]


@attack("run", "trust", says="socket")
def sockets_among_the_data(scene):
    """A socket among the data lets a candidate reach a process of the host"""
    (scene.repo / "data").mkdir()
    there = os.getcwd()
    os.chdir(scene.repo / "data")  # a name of more than 108 bytes is none of a socket
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("s")
    os.chdir(there)
    write(scene.repo, {".gitignore": "data\n"})
    scene.contract(("[run]\n", '[run]\ndata = ["data"]\n'))


@attack("brief", says="more than")
def tree_that_multiplies(scene):
    """A tree of ten to the tenth files, which takes a few kilobytes"""
    name = scene.git("hash-object", "-w", "--stdin", input="x\n")
    entries = "".join(f"100644 blob {name}\tf{n}\n" for n in range(10))
    for _ in range(10):
        tree = scene.git("mktree", input=entries)
        entries = "".join(f"040000 tree {tree}\td{n}\n" for n in range(10))
    whole = scene.git("ls-tree", "HEAD") + f"\n040000 tree {tree}\tbomb\n"
    commit = scene.git("commit-tree", "-p", "HEAD", "-m", "bomb", scene.git("mktree", input=whole))
    scene.git("update-ref", "refs/heads/main", commit)


@attack("try")
def content_that_swells(scene):
    """A file of the commit takes a thousand times what the commit took"""
    import hashlib
    block, size = bytes(1 << 20), 1 << 24
    packer, digest = zlib.compressobj(1), hashlib.sha1(b"blob %d\0" % size)
    packed = packer.compress(b"blob %d\0" % size)
    for _ in range(size >> 20):
        digest.update(block)
        packed += packer.compress(block)
    name = digest.hexdigest()
    place = scene.repo / ".git/objects" / name[:2] / name[2:]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(packed + packer.flush())
    scene.git("update-index", "--add", "--cacheinfo", f"100644,{name},big.bin")
    scene.git("commit", "-q", "-m", "big")
    with open(scene.repo / "big.bin", "wb") as file:
        file.truncate(size)


@attack("run", "try", "brief", says="overnight:")
def folders_beyond_every_path(scene):
    """Folders so deep that no path leads to them"""
    there = os.getcwd()
    os.chdir(scene.repo)
    for _ in range(420):
        os.mkdir("deeper-and-")
        os.chdir("deeper-and-")
    os.chdir(there)
    scene.contract(('editable = ["settings.py"]', 'editable = ["nothing/*"]'))


@attack("brief")
def pattern_of_the_editable_files(scene):
    """A glob of many stars takes for ever over a long name"""
    write(scene.repo, {"a" * 200: "x", "a/" * 40 + "x": "x"})
    scene.contract(('editable = ["settings.py"]', 'editable = ["settings.py", "' + '*a' * 60 + 'b", "' + '**/' * 40 + 'y"]'))


@attack("run", "check", says="overnight:")
def folder_in_the_place_of_the_contract(scene):
    """The contract is a folder"""
    (scene.repo / "track.toml").unlink()
    write(scene.repo, {"track.toml/x": "x"})


@attack("run", "try", "brief")
def folder_in_the_place_of_a_file(scene):
    """The file that may be edited is a folder in the work tree"""
    (scene.repo / "settings.py").unlink()
    write(scene.repo, {"settings.py/x": "x"})


@attack("run", "log", "show", "report")
def output_without_an_end(scene):
    """A candidate prints without an end"""
    scene.contract(('timeout = "10s"', 'timeout = "2s"'),
                   **{"run.py": "import os\nwhile True:\n    os.write(1, b'x' * 65536)\n"})


@attack("run", "brief")
def five_thousand_branches(scene):
    """Thousands of branches and refs of results that are nobody's"""
    head = scene.git("rev-parse", "HEAD")
    names = "".join(f"create refs/heads/b{n} {head}\ncreate refs/overnight/little/{n} {head}\n" for n in range(2500))
    scene.git("update-ref", "--stdin", input=names)
    scene.git("pack-refs", "--all")


