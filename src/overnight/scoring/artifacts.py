"""What the run left behind, read as data and as nothing else.

Save tensors with `safetensors.torch.save_file(tensors, path)` and arrays with `numpy.save(path, array)`; read them here
with `tensors` and `array`. Never use `pickle`, `torch.load` or `numpy.load` in a scorer: they run what the candidate
wrote, or trust the sizes that it claims.

Covered: links, devices, folders, names that lead elsewhere, more bytes than declared, headers that lie about types,
shapes, sizes or places, numbers that are not finite.
Not covered: what the numbers mean.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overnight.scoring.answer import Broken, parse
from overnight.scoring.oracle import all_finite

if TYPE_CHECKING:
    import numpy

MOST_BYTES = 256 << 20  # of an artefact, unless the scorer says otherwise
HEADER = 4 << 20  # bytes of a header
DIMENSIONS = 16
_NPY = re.compile(rb"\{'descr': '([<|])([a-z]\d)', 'fortran_order': (True|False), "
                  rb"'shape': \(((?:\d{1,15}, ?)*(?:\d{1,15})?)\), \} *\n?")
_KINDS = {"BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "F16": "<f2", "BF16": "<u2", "U32": "<u4",
          "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8"}


def artifact(name: str, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file that the run left in $OVERNIGHT_OUT, at most so many. Raises Broken."""
    fd = _opened(name)
    try:
        what = os.fstat(fd)
        if not stat.S_ISREG(what.st_mode):
            raise Broken(f"the artefact {name!r} is not a regular file.")
        if what.st_size > most:
            raise Broken(f"the artefact {name!r} is larger than {most} bytes.")
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(fd)


def numbers(name: str, most: int = 1 << 20) -> Any:
    """The value of a file of strict JSON: no key twice, no NaN, no infinity. Raises Broken."""
    return parse(artifact(name, most), f"the artefact {name!r}")


def array(name: str, shape: tuple[int | None, ...] | None = None, dtype: str = "float32", most: int = MOST_BYTES,
          finite: bool = True) -> numpy.ndarray[Any, Any]:
    """The array of a `.npy` file of that dtype and shape (None: any, of one side or of all). Raises Broken, also where a
    number is not finite, unless `finite` is False."""
    import numpy
    data, what, kind = artifact(name, most), f"the artefact {name!r}", numpy.dtype(dtype)
    header, body = _npy_header(data, what)
    found = _NPY.fullmatch(header)
    if found is None:
        raise Broken(f"{what} is not a .npy file of plain numbers.")
    if found[2].decode() != f"{kind.kind}{kind.itemsize}" or (found[1] == b"|") != (kind.itemsize == 1):
        raise Broken(f"{what} holds {(found[1] + found[2]).decode()}, not {dtype}.")
    sizes = tuple(map(int, re.findall(rb"\d+", found[4])))
    _fits(sizes, shape, what)
    if math.prod(sizes) * kind.itemsize != len(body):
        raise Broken(f"{what} holds {len(body)} bytes, which is not what its shape {sizes} takes.")
    flat = _checked(body, f"{found[1].decode()}{found[2].decode()}", what, finite)
    return flat.reshape(sizes, order="F" if found[3] == b"True" else "C")


def tensors(name: str, most: int = MOST_BYTES, finite: bool = True) -> dict[str, numpy.ndarray[Any, Any]]:
    """The tensors of a `.safetensors` file by name; bfloat16 becomes float32. Raises Broken, also where a number is not
    finite, unless `finite` is False."""
    data, what = memoryview(artifact(name, most)), f"the artefact {name!r}"
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(HEADER, len(data) - 8):
        raise Broken(f"{what} is not a .safetensors file: its header is longer than it may be.")
    header, body = parse(bytes(data[8:8 + size]), f"the header of {what}"), data[8 + size:]
    if not isinstance(header, dict):
        raise Broken(f"{what} is not a .safetensors file: its header is no object.")
    header.pop("__metadata__", None)
    places = sorted((*_place(entry, what), key) for key, entry in header.items())
    ends = [0, *(end for _, end, _ in places)]
    if any(begin != before for (begin, _, _), before in zip(places, ends, strict=False)) or ends[-1] != len(body):
        raise Broken(f"{what} has tensors that overlap, leave gaps or lie outside it.")
    return {key: _tensor(header[key], body[begin:end], what, finite) for begin, end, key in places}


# ---- files -----------------------------------------------------------------------------------------------------


def _opened(name: str) -> int:
    """A descriptor of an artefact, reached without following a link. Raises Broken."""
    parts = name.split("/")
    if not name.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise Broken(f"{name[:80]!r} is no name of an artefact.")
    at = os.open(os.environ["OVERNIGHT_ARTIFACTS"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for number, part in enumerate(parts, 1):
        kind = os.O_NONBLOCK if number == len(parts) else os.O_DIRECTORY
        try:
            below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=at)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EACCES):
                raise Broken(f"the artefact {name[:80]!r} cannot be read: {os.strerror(error.errno)}.") from None
            raise
        finally:
            os.close(at)
        at = below
    return at


# ---- formats ---------------------------------------------------------------------------------------------------


def _npy_header(data: bytes, what: str) -> tuple[bytes, memoryview]:
    """The header of a `.npy` file, and the bytes behind it."""
    wide = 2 if data[6:8] == b"\x01\x00" else 4
    size = int.from_bytes(data[8:8 + wide], "little")
    begin = 8 + wide
    if data[:6] != b"\x93NUMPY" or data[6:8] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00") or size > len(data) - begin:
        raise Broken(f"{what} is not a .npy file.")
    return data[begin:begin + min(size, HEADER)], memoryview(data)[begin + size:]


def _fits(sizes: tuple[int, ...], shape: tuple[int | None, ...] | None, what: str) -> None:
    """Raise Broken unless a shape is the one that is wanted."""
    wanted = sizes if shape is None else shape
    same = len(wanted) == len(sizes) and all(w in (None, s) for w, s in zip(wanted, sizes, strict=True))
    if not same or len(sizes) > DIMENSIONS or _huge(sizes):
        raise Broken(f"{what} has the shape {sizes[:DIMENSIONS]}, not {shape}.")


def _place(entry: object, what: str) -> tuple[int, int]:
    """Where a tensor begins and ends. Raises Broken unless that is what its type and shape take."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"} or entry["dtype"] not in list(_KINDS):
        raise Broken(f"{what} has a tensor without a known dtype, shape and place.")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not (_counts(shape) and len(shape) <= DIMENSIONS and not _huge(shape) and _counts(offsets) and len(offsets) == 2):
        raise Broken(f"{what} has a tensor whose shape or place is no list of whole numbers.")
    if offsets[1] - offsets[0] != math.prod(shape) * int(_KINDS[entry["dtype"]][2]):
        raise Broken(f"{what} has a tensor whose place is not as large as its shape.")
    return offsets[0], offsets[1]


def _huge(sizes: Sequence[int]) -> bool:
    """Whether an array has more places than there are addresses, or would have were none of its sides 0."""
    return math.prod(max(size, 1) for size in sizes) >= 1 << 48


def _counts(value: object) -> bool:
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 1 << 48 for each in value)


def _tensor(entry: dict[str, Any], data: memoryview, what: str, finite: bool) -> numpy.ndarray[Any, Any]:
    import numpy
    if entry["dtype"] != "BF16":
        return _checked(data, _KINDS[entry["dtype"]], what, finite).reshape(entry["shape"])
    halves = numpy.frombuffer(data, "<u2").astype("<u4") << 16
    return _checked(memoryview(halves.tobytes()), "<f4", what, finite).reshape(entry["shape"])


def _checked(data: memoryview, kind: str, what: str, finite: bool) -> numpy.ndarray[Any, Any]:
    """Raw bytes as a flat array of a dtype, without a copy."""
    import numpy
    if kind == "|b1" and data.nbytes and numpy.frombuffer(data, "u1").max() > 1:
        raise Broken(f"{what} holds a truth value that is neither true nor false.")
    flat = numpy.frombuffer(data, kind)
    if finite:
        all_finite(flat, what)
    return flat


# ---- what the harness tells a scorer ---------------------------------------------------------------------------


def seed() -> int:
    """The scorer's own seed: the same for both sides of a pair, and none that a candidate is told. It is
    short enough to be found by trying: what a candidate must not foresee is drawn from `rng`."""
    return int(os.environ["OVERNIGHT_SEED"])


def holdout() -> Path | None:
    """The private file, where this is a scoring on it."""
    path = os.environ.get("OVERNIGHT_HOLDOUT")
    return Path(path) if path else None
