"""What is built of a candidate before it runs, and the compile caches of its runs. Each lies below the state folder under a
hash of all that it is made of, so that equal inputs are built once.

Covered: a build sees the files that are hashed and no others, so that no candidate can leave anything for another whose
files differ; what comes out of it is data that is read without following anything. Caches come from a run of the contract's own
commit, are mounted read-only, and what a run adds to them is thrown away.
Not covered: a build that uses the time, a compiler below /opt that is replaced, and work that a candidate moves from its run,
whose time is counted, into its build.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shlex
import shutil
import tarfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from overnight.contracts import Command
from overnight.execution.metrics import Invalid
from overnight.track.spec import Build, covers, lies_in

ARCHIVE, BUILT = "built.tar", "-built"
# In $OVERNIGHT_OUT: where a run that fills the caches leaves them. A run works with the folder of this name behind a dot, which
# nothing takes out of a sandbox.
CACHE = "cache-of-overnight"
ROOM = 1 << 30  # bytes that they may take there, besides what the contract allows a run
MOST_BUILDS, MOST_FILES, MOST_DEPTH = 16, 100_000, 64
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # this machine's faults
WHERE = ("/usr/bin", "/usr/local/bin", "/usr/lib", "/usr/local/lib", "/usr/include")  # folders that change with a compiler
FIRST, SPAN = 1_000_000_000, 1 << 28  # seconds since 1970 of the oldest file of a tree, and from it to the newest
_CACHES = {"TORCHINDUCTOR_CACHE_DIR": "torchinductor", "TRITON_CACHE_DIR": "triton", "NUMBA_CACHE_DIR": "numba",
           "CCACHE_DIR": "ccache", "JAX_COMPILATION_CACHE_DIR": "jax", "CUDA_CACHE_PATH": "cuda"}
_PLAINLY = "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS=0"  # else torch compiles its headers in every run, at a place of its own
_COPY = ('overnight_cache="$OVERNIGHT_OUT/.{cache}" && mkdir "$overnight_cache" && '
         '{{ [ -z "$1" ] || cp -R "$1/." "$overnight_cache"; }}')
_WARM = _COPY + " && export {names} && shift && "
_TO_FILL = 'mkdir "$OVERNIGHT_OUT/{cache}" && ln -s {cache} "$OVERNIGHT_OUT/.{cache}"'  # what it writes there is taken out
_RUN, _FILL = 'exec "$@"', '{{ "$@"; code=$?; mv "$overnight_cache" "$OVERNIGHT_OUT/{cache}"; exit $code; }}'


class Builds:
    """The builds and the caches of one track. `home` is where they lie, `prefix` the track's folder in its trees, `environment`
    what of the machine they depend on."""

    def __init__(self, spec: Build, home: Path, prefix: str, environment: Iterable[str]) -> None:
        self.spec, self._prefix = spec, prefix
        self.home = home / "builds"
        self.home.mkdir(exist_ok=True)
        self._environment = "\0".join(environment)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._warm: Path | None = None

    # -- the command --

    def built(self, tree: Path, build: Callable[[Path, Path], None]) -> Path:
        """A tree with what is built of it, made once. `build` runs the command: given a tree, and the folder for its artefacts.
        Raises Invalid where it fails, OSError."""
        place = tree.with_name(f"{tree.name}{BUILT}")
        if not place.exists():
            files = {path: what for path, what in _files(tree) if self._counts(path)}
            outputs = self.home / self._key(files)
            with self._locks[outputs.name]:
                if not outputs.exists():
                    self._make(tree, files, outputs, build)
            os.utime(outputs)
            making = tree.with_name(f"making-{os.urandom(6).hex()}")
            try:
                shutil.copytree(tree, making, symlinks=True, copy_function=_linked)
                _lay(outputs, making / self._prefix)
                with suppress(OSError):  # another worker was quicker
                    making.rename(place)
            finally:
                shutil.rmtree(making, ignore_errors=True)
        return place

    def command(self, command: Command) -> Command:
        """A build's command, as one that leaves what it made as an archive."""
        made = " ".join(re.sub(r"[^*?]+", lambda found: shlex.quote(found[0]), path) for path in self.spec.outputs)
        script = f'"$@" && tar -cf "$OVERNIGHT_OUT/{ARCHIVE}" -- {made}'
        return replace(command, argv=("/bin/sh", "-c", script, "build", *command.argv))

    def _counts(self, path: str) -> bool:
        """Whether a file of a tree is an input."""
        own = path.removeprefix(self._prefix)
        return not self.spec.inputs or (path.startswith(self._prefix)
                                        and any(covers(each, own) or lies_in(each, own) for each in self.spec.inputs))

    def _key(self, files: dict[str, os.DirEntry[str]], *more: str) -> str:
        """A hash of the contents, kinds and places of files, of the command and of the environment."""
        whole = hashlib.sha256("\0".join((self._environment, *self.spec.command, "", *self.spec.outputs, "", *more)).encode())
        for path, entry in sorted(files.items()):
            link = entry.is_symlink()
            mode = "link" if link else "x" if entry.stat().st_mode & 0o100 else "file"
            content = hashlib.sha256(os.fsencode(Path(entry).readlink())).hexdigest() if link else _hash(Path(entry))
            whole.update(os.fsencode(f"{path}\0{mode} {content}\n"))
        return whole.hexdigest()

    def _make(self, tree: Path, files: dict[str, os.DirEntry[str]], outputs: Path, build: Callable[[Path, Path], None]) -> None:
        """Build, and put what is named in `outputs` of the contract into a folder. Raises Invalid, OSError."""
        making = self.home / f"making-{os.urandom(6).hex()}"
        making.mkdir()
        try:
            if self.spec.inputs:
                for path, entry in files.items():
                    (making / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(entry, making / "tree" / path, follow_symlinks=False)
                (making / "tree" / self._prefix).mkdir(parents=True, exist_ok=True)
                tree = making / "tree"
            build(tree, making / "out")
            try:
                _unpack(making / "out" / ARCHIVE, making / "made")
            except (tarfile.TarError, ValueError, EOFError, OSError) as error:
                if isinstance(error, OSError) and error.errno in DISK:
                    raise
                raise Invalid("crash", f"what the build left cannot be used ({ascii(str(error))[1:100]})") from error
            (making / "made").rename(outputs)
            self._prune()
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _prune(self) -> None:
        """Remove the builds that were not used for longest; they can be made again."""
        for old in sorted(self.home.glob("?" * 64), key=lambda path: path.stat().st_mtime)[:-MOST_BUILDS]:
            shutil.rmtree(old, ignore_errors=True)

    # -- the caches --

    def warmed(self, command: Command, own: Path, fill: bool) -> Command:
        """A run's command with a copy of the compile caches, where they are filled. `own` is the tree of the contract's commit;
        `fill`: this run is of that commit, and fills them where they are not."""
        if self._warm is None:
            self._warm = self.home / f"cache-{self._key(dict(_files(own)), *command.argv)}"
        there = self._warm if self._warm.exists() else None
        fill &= there is None
        command = replace(command, mounts=(*command.mounts, *filter(None, [there])),
                          limits=replace(command.limits, disk=command.limits.disk + ROOM))
        if command.warm is not None:
            env = {name: f"$OVERNIGHT_OUT/.{CACHE}/{folder}" for name, folder in _CACHES.items()} | dict([_PLAINLY.split("=")])
            script = (_TO_FILL if fill else _COPY).format(cache=CACHE)
            return replace(command, env=command.env | env, before=("/bin/sh", "-c", script, "cached", str(there or "")))
        names = " ".join(f'{name}="$overnight_cache/{folder}"' for name, folder in _CACHES.items())
        script = (_WARM + (_FILL if fill else _RUN)).format(cache=CACHE, names=f"{names} {_PLAINLY}")
        return replace(command, argv=("/bin/sh", "-c", script, "cached", str(there or ""), *command.argv))

    def cooled(self, harvest: Path, keep: bool) -> None:
        """Take the caches out of what a run left; `keep`: it was a good run that was to fill them."""
        if keep and self._warm is not None and not self._warm.exists():
            with suppress(OSError):  # another worker was quicker
                (harvest / CACHE).rename(self._warm)
        shutil.rmtree(harvest / CACHE, ignore_errors=True)


def environment(python: str, mounted: Sequence[Path], *more: str) -> Iterator[str]:
    """What of this machine a build depends on besides its files: the interpreter, what is mounted, compilers, the processor."""
    yield from (python, os.uname().machine, *more)
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        yield next((each for each in lines if each.startswith(("flags", "Features"))), "")
    packages = (path for mount in mounted for path in mount.glob("lib/python*/site-packages"))
    for path in (*map(Path, WHERE), Path(python).resolve(), *mounted, *packages):
        with suppress(OSError):
            yield f"{path} {path.stat().st_mtime_ns}"


def date(tree: Path) -> None:
    """Give each file of a tree a time that follows from its content: caches that go by the times of source files are right in
    another tree, and in no tree of another content."""
    for _, entry in _files(tree):
        if not entry.is_symlink():
            number = int(_hash(Path(entry))[:16], 16)
            when = FIRST * 10**9 + number % (SPAN * 10**9)
            os.utime(entry, ns=(when, when))


# ---- files -----------------------------------------------------------------------------------------------------


def _files(tree: Path, above: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files and links below a folder, with their paths in it."""
    with os.scandir(tree) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry), f"{above}{entry.name}/")
        else:
            yield f"{above}{entry.name}", entry


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _linked(source: str, target: str) -> None:
    """The same file at another place, which nothing writes to: the sandbox works in a copy."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _lay(outputs: Path, tree: Path) -> None:
    """Put files over those of a tree, through no link of it, as if they were written now."""
    now = time.time()
    tree.mkdir(exist_ok=True)
    with os.scandir(outputs) as entries:
        found = list(entries)
    for entry in found:
        place, folder = tree / entry.name, entry.is_dir(follow_symlinks=False)
        if place.is_dir() and not place.is_symlink():
            if not folder:
                shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        if folder:
            _lay(Path(entry), place)
        elif entry.is_symlink():
            place.symlink_to(Path(entry).readlink())
        else:
            _linked(entry.path, str(place))
            os.utime(place, (now, now))


def _unpack(archive: Path, to: Path) -> None:
    """Write the files of an archive that strangers made into a new folder; its links are put there last, and nothing is written
    through one. Raises ValueError, TarError, OSError for an archive that is odd."""
    to.mkdir()
    links: dict[Path, str] = {}
    left = archive.stat().st_size  # holes of files could be larger than any disk
    with tarfile.open(archive, "r:") as tar:
        for number, member in enumerate(tar):
            place = _below(to, member.name)
            left -= member.size
            if number > MOST_FILES or left < 0:
                raise ValueError("it holds too much")
            place.parent.mkdir(parents=True, exist_ok=True)
            if member.isdir():
                place.mkdir(exist_ok=True)
            elif member.issym():
                links[place] = member.linkname
            elif member.islnk():
                os.link(_below(to, member.linkname), place)
            elif member.isreg() and (file := tar.extractfile(member)) is not None:
                with file, place.open("xb") as out:
                    shutil.copyfileobj(file, out)
                place.chmod(0o755 if member.mode & 0o100 else 0o644)
    for place, target in links.items():
        if links.keys() & set(place.parents):
            raise ValueError("a file lies behind a link")
        place.symlink_to(target)


def _below(folder: Path, name: str) -> Path:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or len(parts) > MOST_DEPTH:
        raise ValueError("a file lies outside, or too deep")
    return folder.joinpath(*parts)
