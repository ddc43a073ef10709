"""What leaves a container is data: an archive, whatever is in it, yields plain files below one folder."""

import io
import tarfile

import pytest

from overnight.contracts import Command, Limits
from overnight.sandbox.containers import init
from overnight.sandbox.containers.rootfs import Rootfs


def archive(*members):
    """An archive of (name, type, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as made:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(content)
            member.linkname, member.mode = "/etc/passwd", 0o6777
            made.addfile(member, io.BytesIO(content))
    return io.BytesIO(out.getvalue())


def kept(folder):
    """Everything below a folder that is no folder."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
                                  tarfile.DIRTYPE])
def test_only_regular_files_are_unpacked(tmp_path, kind):
    init._unpack(archive(("./odd", kind, b""), ("./plain", tarfile.REGTYPE, b"kept")), tmp_path, 99)
    assert kept(tmp_path) == {"plain"} and (tmp_path / "plain").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("name", ["../up", "./a//b", "./a/../../up", "./.hidden", "./a/.git/config", "./new\nline", "./" + "n" * 200,
                                  "./" + "d/" * 40 + "deep", "./\udcff\udcfe", ".", ""])
def test_odd_names_are_not_unpacked(tmp_path, name):
    folder = tmp_path / "kept"
    folder.mkdir()
    init._unpack(archive((name, tarfile.REGTYPE, b"x"), ("./plain", tarfile.REGTYPE, b"kept")), folder, 99)
    assert kept(folder) == {"plain"} and {p.name for p in tmp_path.iterdir()} == {"kept"}


def test_no_more_bytes_are_unpacked_than_may_be(tmp_path):
    members = [(f"./{n}", tarfile.REGTYPE, bytes(40)) for n in range(4)]
    assert not init._unpack(archive(*members), tmp_path, 99)
    assert kept(tmp_path) == {"0", "1"}


def test_a_room_leaves_nothing(tmp_path):
    rootfs = Rootfs(Command(("/bin/true",), tmp_path, Limits()), None)
    rootfs.close()
    assert not rootfs.folder.exists()
