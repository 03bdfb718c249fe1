"""ZIP archives that strangers made: unpacked whole into a folder of their own, or refused with nothing left behind."""

import errno
import io
import os
import shutil
import stat
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from models.system.sentence import CodedError

# The whole vocabulary: a stable code, and what is said under it. `{place}` counts the archive's entries from 1: a name may be
# a patient's, and sentences come into logs.
ARCHIVE_CODES: Final = {
    "not_a_zip": "This is not a ZIP archive. Pack files and folders as ZIP.",
    "damaged_archive": "The archive is cut short or broken. Pack it anew.",
    "empty_archive": "The archive holds no file. Pack the films themselves into it.",
    "encrypted": "Entry {place} of the archive is encrypted. Pack it anew without a password.",
    "unsafe_path": "Entry {place} of the archive points out of it. Pack a folder with all that lies in it.",
    "not_a_file": "Entry {place} of the archive is a link or a device. Pack the files that links lead to.",
    "odd_name": "Entry {place} of the archive has a name that no file should have, or one too long. Rename it and pack it anew.",
    "duplicate_names": "Entry {place} of the archive has the name of another, or differs from it in case alone. Rename one.",
    "nested_archive": "Entry {place} of the archive is an archive itself. Unpack it first, and pack the files in one archive.",
    "unsupported_compression": "Entry {place} of the archive is compressed in a way that is not read. Pack it as plain ZIP.",
    "too_many_members": "The archive has more than {most} entries. Pack it in parts.",
    "too_large": "The archive holds more than {most} MB. Pack it in parts.",
    "archive_bomb": "The archive would grow as no archive of films does, or its entries lie over each other. Pack it anew.",
    "no_room": "What the archive holds does not fit on the disk of the server. Make room there, or pack it in parts.",
}

_CHUNK: Final = 1 << 20
_LONGEST_NAME, _DEEPEST = 240, 16  # bytes of one part of a path, and parts: no file system of ours takes much more
_ENTRY_BYTES: Final = 256  # of the archive's own list, one entry with another
_HEADER: Final = 30  # bytes before an entry's name
_BOMB_FROM: Final = 64 * 2**20  # a few blank films may be packed as tightly as a bomb
_ARCHIVE_STARTS: Final = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"7z\xbc\xaf\x27\x1c", b"\xfd7zXZ\0",
                          b"Rar!", b"\x28\xb5\x2f\xfd")  # fmt: skip
_TAR_MARK: Final = slice(257, 262)
_RESERVED: Final = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
_ODD_CHARACTERS: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's categories: control, direction, half pairs, lines
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, RuntimeError)
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ArchiveError(CodedError):
    """Raised where an archive is refused, whole."""

    codes = ARCHIVE_CODES


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold.

    Attributes:
        members: entries, folders among them.
        total_bytes: of all files, unpacked.
        ratio: how many times larger all files may be than what they are packed into.
    """

    members: int = 20_000
    total_bytes: int = 16 * 2**30
    ratio: int = 100


def unpack(
    archive: Path | IO[bytes],
    folder: Path,
    *,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Unpack a ZIP archive to `folder`, which must not exist: all of it, or nothing; returns the files, in their order.

    Whatever is wrong with one entry refuses the archive before anything is written, as far as its list tells. Nothing is ever
    written but below a hidden folder beside `folder`, which takes its name at the end, and is removed where that is not
    reached (a killed process leaves it: `.NAME-unpacking-…`). Folders are for their owner alone (0700), and so are files (0600).

    Args:
        archive: a path, or a file that can be sought in.
        progress: called with the bytes that were unpacked and those there are; what it raises stops the unpacking.

    Raises:
        ArchiveError: where it is refused.
        FileExistsError: where there is such a folder.
        OSError: where the disk cannot be written.
    """
    if folder.exists():
        raise FileExistsError(f"An archive is unpacked to a new folder. Received: {folder}")
    if isinstance(archive, Path):
        with archive.open("rb") as file:
            return unpack(file, folder, limits=limits, progress=progress)
    limits = limits or Limits()
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-unpacking-"))
    try:
        paths = _unpack(_Source(archive, limits), temporary, limits, progress)
        temporary.rename(folder)
    except OSError as error:
        if error.errno in _FULL:
            raise ArchiveError("no_room") from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [folder / path for path in paths]


class _Source:
    """An archive's bytes; a list of entries longer than the limits allow is not read into memory."""

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self.size = file.seek(0, io.SEEK_END)
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """`ZipFile` reads the list at once; no other of its reads is large."""
        if size > max(self._limits.members * _ENTRY_BYTES, 2 * _CHUNK):
            raise ArchiveError("too_many_members", most=self._limits.members)
        return self._file.read(size)


def _unpack(
    source: _Source, folder: Path, limits: Limits, progress: Callable[[int, int], None] | None
) -> list[PurePosixPath]:
    with _open(source) as opened:
        members = opened.infolist()
        paths = _checked(members, limits, source.size)
        total, done = sum(member.file_size for member in members), 0
        if total > shutil.disk_usage(folder).free:
            raise ArchiveError("no_room")
        for place, (member, path) in enumerate(zip(members, paths, strict=True), start=1):
            if member.is_dir():
                _make_folder(folder / path)
                continue
            _make_folder((folder / path).parent)
            _write(opened, member, folder / path, place)
            done += member.file_size
            if progress:
                progress(done, total)
    return [path for member, path in zip(members, paths, strict=True) if not member.is_dir()]


def _make_folder(folder: Path) -> None:
    """With parents, each of them for its owner alone: `mkdir` gives its mode to the last one only."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700)


@contextmanager
def _damage_told() -> Iterator[None]:
    """What `zipfile` raises for what it cannot read is told in our words."""
    try:
        yield
    except _DAMAGE as error:
        raise ArchiveError("damaged_archive") from error


def _open(source: _Source) -> zipfile.ZipFile:
    source.seek(0)
    if source.read(4) not in _ARCHIVE_STARTS[:2]:
        raise ArchiveError("not_a_zip")
    with _damage_told():
        return zipfile.ZipFile(source)


def _checked(members: Sequence[zipfile.ZipInfo], limits: Limits, size: int) -> list[PurePosixPath]:
    """The path of each entry; an ArchiveError where one of them, or all together, must not be unpacked."""
    if len(members) > limits.members:
        raise ArchiveError("too_many_members", most=limits.members)
    if all(member.is_dir() for member in members):
        raise ArchiveError("empty_archive")
    paths = []
    for place, member in enumerate(members, start=1):
        _check_kind(member, place)
        paths.append(_checked_path(member, place))
    _check_sizes(members, limits, size)
    _check_different(members, paths)
    return paths


def _check_kind(member: zipfile.ZipInfo, place: int) -> None:
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveError("not_a_file", place=place)
    if member.flag_bits & 0x2041:  # encrypted, by a strong method, or with the list itself masked
        raise ArchiveError("encrypted", place=place)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA may ask for gigabytes
        raise ArchiveError("unsupported_compression", place=place)


def _checked_path(member: zipfile.ZipInfo, place: int) -> PurePosixPath:
    name = _name(member)
    if name.startswith("/") or "\\" in name or ".." in name.split("/") or name[1:2] == ":":
        raise ArchiveError("unsafe_path", place=place)
    parts = name.removesuffix("/").split("/")
    if len(parts) > _DEEPEST or any(_is_odd(part) for part in parts):
        raise ArchiveError("odd_name", place=place)
    return PurePosixPath(*parts)


def _name(member: zipfile.ZipInfo) -> str:
    """As it stands in the archive. Some programs write UTF-8 and do not say so."""
    name = member.orig_filename
    if member.flag_bits & 0x800:
        return name
    try:
        return name.encode("cp437").decode()
    except UnicodeError:
        return name


def _is_odd(part: str) -> bool:
    """Whether a part of a path is none, hides something, or cannot be had on some system."""
    return (
        part in ("", ".")
        or any(unicodedata.category(character) in _ODD_CHARACTERS for character in part)
        or len(part.encode("utf-8", "surrogatepass")) > _LONGEST_NAME
        or part.endswith((" ", "."))
        or any(character in ':*?"<>|' for character in part)
        or part.partition(".")[0].strip().lower() in _RESERVED
    )


def _check_sizes(members: Sequence[zipfile.ZipInfo], limits: Limits, size: int) -> None:
    total = sum(member.file_size for member in members)
    if total > _BOMB_FROM and total > limits.ratio * size:
        raise ArchiveError("archive_bomb")
    if total > limits.total_bytes:
        raise ArchiveError("too_large", most=limits.total_bytes // 2**20)
    end = 0
    for member in sorted(members, key=lambda one: one.header_offset):
        if member.header_offset < end:
            raise ArchiveError("archive_bomb")
        end = member.header_offset + _HEADER + member.compress_size
    if end > size:
        raise ArchiveError("damaged_archive")


def _check_different(members: Sequence[zipfile.ZipInfo], paths: Sequence[PurePosixPath]) -> None:
    """No two entries, nor file and folder, of one name, whatever a file system takes for the same."""
    listed: set[str] = set()
    taken: dict[str, tuple[PurePosixPath, bool]] = {}
    for place, (member, path) in enumerate(zip(members, paths, strict=True), start=1):
        ways = [(path, member.is_dir()), *((above, True) for above in [*path.parents][:-1])]
        if _folded(path) in listed or any(taken.setdefault(_folded(way), (way, folder)) != (way, folder)
                                          for way, folder in ways):  # fmt: skip
            raise ArchiveError("duplicate_names", place=place)
        listed.add(_folded(path))


def _folded(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, place: int) -> None:
    """Unpack one file. Where it has other bytes than it states it is damaged: `zipfile` reads no more, and checks the sum."""
    with _damage_told():
        with opened.open(member) as packed:
            start = packed.read(_CHUNK)
            if start.startswith(_ARCHIVE_STARTS) or start[_TAR_MARK] == b"ustar":
                raise ArchiveError("nested_archive", place=place)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                written = file.write(start)
                while piece := packed.read(_CHUNK):
                    written += file.write(piece)
        if written != member.file_size:
            raise ArchiveError("damaged_archive")
