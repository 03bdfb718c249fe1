"""Archives that nobody should unpack, each with the code it must be refused with; made here, byte by byte where need be."""

import io
import stat
import struct
import zipfile

FILM = bytes(range(256)) * 8

# Offsets in an entry of the list at an archive's end (APPNOTE.TXT, 4.3.12), and their formats.
FLAGS, METHOD, SIZE, OFFSET = (8, "<H"), (10, "<H"), (24, "<I"), (42, "<I")
_LISTED = b"PK\x01\x02"


def packed(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, kind: int = 0) -> bytes:
    """An archive of files; `kind` is what each of them claims to be, one of `stat.S_IF…`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method, compresslevel=1) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            entry.external_attr = (kind | 0o777) << 16
            archive.writestr(entry, content)
    return stream.getvalue()


def listed_as(archive: bytes, field: tuple[int, str], value: int) -> bytes:
    """The archive with a field of each entry of its list set."""
    changed, place = bytearray(archive), archive.find(_LISTED)
    while place >= 0:
        struct.pack_into(field[1], changed, place + field[0], value)
        place = archive.find(_LISTED, place + 4)
    return bytes(changed)


def with_names(archive: bytes, name: bytes, other: bytes) -> bytes:
    """The archive with a name, of equal length, exchanged: what `zipfile` would not write."""
    return archive.replace(name, other)


def longest_list(entries: int) -> bytes:
    """A list of very many entries, each of which states the same file."""
    one = packed(("a", b""))
    start, end = one.find(_LISTED), one.find(b"PK\x05\x06")
    entry = one[start:end]
    closing = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, entries * len(entry), start, 0)
    return one[:start] + entry * entries + closing


def overlapping(entries: int, content: bytes) -> bytes:
    """Entries that all unpack the same bytes (Fifield 2019, "A better zip bomb")."""
    archive = packed(*((f"{number:04}.png", content if number == 0 else b"") for number in range(entries)))
    first = archive.find(_LISTED)
    sizes = archive[first + 16 : first + 28]
    changed, place = bytearray(archive), first
    while place >= 0:
        changed[place + 16 : place + 28] = sizes
        struct.pack_into("<I", changed, place + OFFSET[0], 0)
        place = archive.find(_LISTED, place + 4)
    return bytes(changed)


def malicious() -> dict[str, tuple[str, bytes]]:
    """What each archive does: the code it is refused with, and its bytes."""
    film, zeros = packed(("film.png", FILM)), bytes(100 * 2**20)
    bomb = packed(("film.png", zeros))
    return {
        "climbs out": ("unsafe_path", packed(("../outside.png", FILM))),
        "climbs out further on": ("unsafe_path", packed(("a/b/../../../outside.png", FILM))),
        "climbs out as Windows does": ("unsafe_path", packed(("a\\..\\..\\outside.png", FILM))),
        "begins at the root": ("unsafe_path", packed(("/tmp/outside.png", FILM))),  # noqa: S108
        "names a drive": ("unsafe_path", packed(("C:outside.png", FILM))),
        "links": ("not_a_file", packed(("film.png", b"/etc/passwd"), kind=stat.S_IFLNK)),
        "writes through a link": ("not_a_file", _through_a_link()),
        "a device": ("not_a_file", packed(("null", b""), kind=stat.S_IFCHR)),
        "a pipe": ("not_a_file", packed(("pipe", b""), kind=stat.S_IFIFO)),
        "encrypted": ("encrypted", listed_as(film, FLAGS, 1)),
        "an archive in it": ("nested_archive", packed(("film.png", film))),
        "blank beyond measure": ("archive_bomb", bomb),
        "entries over each other": ("archive_bomb", overlapping(500, zeros[: 2**20])),
        "states less than it holds": ("damaged_archive", listed_as(bomb, SIZE, 512)),
        "states terabytes": (
            "archive_bomb",
            listed_as(packed(*((f"{n}", FILM) for n in range(300))), SIZE, 0xFFFFFFF0),
        ),
        "a list without end": ("too_many_members", longest_list(200_000)),
        "the same name twice": (
            "duplicate_names",
            with_names(packed(("1.png", FILM), ("2.png", FILM)), b"2.png", b"1.png"),
        ),
        "the same but for case": ("duplicate_names", packed(("a/Film.png", FILM), ("A/film.PNG", FILM))),
        "a file where a folder is": ("duplicate_names", packed(("film", FILM), ("film/1.png", FILM))),
        "a line break in its name": ("odd_name", packed(("film\n.png", FILM))),
        "a name that turns round": ("odd_name", packed(("film\u202egnp.exe", FILM))),
        "a name cut by a zero": ("odd_name", with_names(packed(("filmX.png", FILM)), b"filmX", b"film\0")),
        "a device of Windows": ("odd_name", packed(("NUL.png", FILM))),
        "asks for a strange method": ("unsupported_compression", packed(("film.png", FILM), method=zipfile.ZIP_LZMA)),
    }


def _through_a_link() -> bytes:
    """A link to a folder outside, and a file below it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        link = zipfile.ZipInfo("a")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "../..")
        archive.writestr("a/outside.png", FILM)
    return stream.getvalue()


def broken() -> dict[str, tuple[str, bytes]]:
    """What is no archive, or not a whole one."""
    film = packed(("film.png", FILM))
    return {
        "no archive": ("not_a_zip", FILM),
        "nothing": ("not_a_zip", b""),
        "cut short": ("damaged_archive", film[:-30]),
        "other bytes than it was made of": ("damaged_archive", film[:60] + b"XXXX" + film[64:]),
        "folders alone": ("empty_archive", packed(("films/", b""))),
    }
