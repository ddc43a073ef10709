"""Trees of commits: what differs between two, and what the change from one to another makes of a third.

Covered: contents are merged by git alone and by nothing that attributes or a configuration name (merge drivers).
Not covered: a file that one side renamed is one that is gone and a new one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from overnight.errors import EditError, Fault
from overnight.repo.store import Store

SEAM = b"\n\x01 overnight: between two lines \x01\n"  # what keeps changes of neighbouring lines apart
GONE, FILES = "000000", ("100644", "100755")  # modes: of what is not there, of plain files
Entry = tuple[str, str]  # a file in a tree: its mode and the hash of its content


class Change(NamedTuple):
    """One difference between two trees: modes and hashes of both sides, and the path."""

    before: str
    after: str
    old: str
    new: str
    path: str


class Trees:
    """The trees of a repository."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listed = ("", frozenset[str]())  # a commit, and the paths of its files

    def changes(self, base: str, commit: str) -> Iterator[Change]:
        """What differs between two commits or trees."""
        fields = self._store.git("diff-tree", "-r", "-z", "--no-renames", base, commit).split("\0")
        for head, path in zip(fields[::2], fields[1::2], strict=False):
            before, after, old, new, _ = head.lstrip(":").split(" ")
            yield Change(before, after, old, new, path)

    def edited(self, change: Change, path: str) -> str | None:
        """The new text of a changed file, None where it is gone. Raises EditError for what is no text or no plain file."""
        if change.after == GONE:
            return None
        if change.after not in FILES or change.after != (FILES[0] if change.before == GONE else change.before):
            raise EditError(f"{path} has a kind or mode of its own, and only text can be tried: make it a plain file as "
                            "before.")
        try:
            return self._store.blob(change.new).decode()
        except UnicodeDecodeError as error:
            raise EditError(f"{path} is no text in UTF-8, and only text can be tried.") from error

    def names(self, commit: str) -> frozenset[str]:
        """The paths of all files of a commit; of the last one that was asked for they are remembered."""
        if self._listed[0] != commit:
            names = self._store.git("ls-tree", "-r", "--full-tree", "--name-only", "-z", commit).split("\0")
            self._listed = commit, frozenset(name for name in names if name)
        return self._listed[1]

    def texts(self, commit: str, prefix: str, wanted: Callable[[str], bool], each: int, whole: int) -> dict[str, str]:
        """The texts of a commit's plain files below a prefix that are wanted, by their paths behind it: of those of at most so
        many bytes `each`, the first that come to at most a `whole`."""
        chosen = dict[str, str]()
        for entry in self._store.git("ls-tree", "-r", "-l", "-z", "--full-tree", commit).split("\0"):
            facts, _, path = entry.partition("\t")
            mode, _, name, size = facts.split() if facts else ("", "", "", "-")
            if mode in FILES and size.isdigit() and int(size) <= min(each, whole) and path.startswith(prefix) \
                    and wanted(path.removeprefix(prefix)):
                whole -= int(size)
                chosen[path.removeprefix(prefix)] = name
        found = zip(chosen, self._contents(list(chosen.values())), strict=True)
        return {path: text for path, content in found if content is not None and (text := _text(content)) is not None}

    def _contents(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """Contents by their hashes, None for one that is missing. Raises Fault."""
        done = self._store.call(["cat-file", "--batch"], given="".join(f"{name}\n" for name in names).encode())
        left = memoryview(done.stdout)
        for name in names:
            head = bytes(left[:256]).partition(b"\n")[0]
            size = head.rpartition(b" ")[2].decode(errors="replace")
            if not head.startswith(name.encode()):
                raise Fault(f"git cat-file failed: {self._store.said(done)}")
            left = left[len(head) + 1:]
            yield bytes(left[:int(size)]) if size.isdigit() else None
            left = left[int(size) + 1:] if size.isdigit() else left

    def entries(self, commit: str, paths: Iterable[str]) -> dict[str, Entry]:
        """What a commit holds at these paths."""
        lines = self._store.git("ls-tree", "-z", "--full-tree", commit, "--", *paths).split("\0")
        fields = (line.partition("\t") for line in lines if line)
        return {path: (fact.split()[0], fact.split()[2]) for fact, _, path in fields}

    def entry(self, there: Entry | None, path: str, content: bytes) -> Entry:
        """A file with new content, in the mode that it has. Raises EditError where there is a folder."""
        if there is not None and there[0] == "040000":
            raise EditError(f"{path!r} is a folder.")
        return there[0] if there else FILES[0], self._store.git("hash-object", "-w", "--stdin", given=content)

    def merged(self, old: str, new: str, onto: str, finely: bool, scratch: Path | None) -> dict[str, Entry | None] | None:
        """What the change from one commit to another makes of a third, file by file: path -> its entry, None where it is gone.
        None on a conflict. `finely`: changes of neighbouring lines do not conflict."""
        theirs = {change.path: change for change in self.changes(old, onto)}
        entries: dict[str, Entry | None] = {}
        for change in self.changes(old, new):
            other = theirs.get(change.path)
            if other is None and change.before == GONE and any(_in_the_way(change, each) for each in theirs.values()):
                return None
            if other is None or (other.after, other.new) == (change.after, change.new):
                entries[change.path] = None if change.after == GONE else (change.after, change.new)
                continue
            if not {change.before, change.after, other.after} <= {*FILES}:
                return None
            mode = change.after if other.after == change.before else other.after
            content = self._merge_file(change, other, finely, scratch)
            if content is False:
                return None
            entries[change.path] = self.entry((mode, ""), change.path, content)
        return entries

    def _merge_file(self, mine: Change, theirs: Change, finely: bool, scratch: Path | None) -> bytes | Literal[False]:
        """The merged content; False on a conflict."""
        before, ours, others = (self._store.blob(name) for name in (mine.old, mine.new, theirs.new))
        versions = [ours, before, others]
        if not finely or any(SEAM in version for version in versions):
            return self._merge_texts(versions, scratch)
        merged = self._merge_texts([version.replace(b"\n", SEAM) for version in versions], scratch)
        return merged and merged.replace(SEAM, b"\n")

    def _merge_texts(self, versions: Sequence[bytes], scratch: Path | None) -> bytes | Literal[False]:
        with tempfile.TemporaryDirectory(prefix="overnight-", dir=scratch) as folder:
            names = [Path(folder, n) for n in ("mine", "before", "theirs")]
            for name, content in zip(names, versions, strict=True):
                name.write_bytes(content)
            done = self._store.call(["merge-file", "-p", "-q", *map(str, names)])
        return done.stdout if done.returncode == 0 else False


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _in_the_way(change: Change, other: Change) -> bool:
    """Whether one names a folder where the other names a file."""
    return other.after != GONE and (other.path.startswith(f"{change.path}/") or change.path.startswith(f"{other.path}/"))
