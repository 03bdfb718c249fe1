"""Damage by dice: the same number gives the same input, so that what was found can be made again."""

import random
import struct
import zlib
from collections.abc import Sequence

from tests.fuzz.odd_headers import odd_header

_ODD_BYTES = (
    b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\0\0\0\x80", b"\1", b"\0\x40", b"\xfe\xff",
    b"1,5 ", b"1e999", b"nan ", b"-1", b"\\", b"SQ", b"OB\0\0\xff\xff\xff\xff", b"UN\0\0", b"\xfe\xff\x00\xe0", b"\xff\xd8\xff",
    b"\xff\x4f\xff\x51", b"\xff\xda", b"IDAT", b"iCCP", b"acTL", b"VP8 ", b"ANIM",
)  # fmt: skip


def damaged(kind: str, number: int, seeds: Sequence[bytes]) -> bytes:
    """The damaged file of this number: one of the seeds, hit once to four times; or a DICOM header of odd statements."""
    dice = random.Random(f"{kind} {number}")  # noqa: S311 - dice for damage, not for secrets
    if kind == "DICOM" and number % 2:
        return odd_header(dice)
    broken = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 2, 4))):
        if broken:
            _hit(broken, dice, dice.choice(seeds))
    return _with_true_checksums(bytes(broken)) if kind == "PNG" and dice.random() < 0.7 else bytes(broken)


def _hit(broken: bytearray, dice: random.Random, other: bytes) -> None:
    """Cut, flip bits, remove, repeat, overwrite or exchange; more often near the start, where the headers are."""
    near = min(len(broken), dice.choice((64, 200, 800, len(broken))))
    place, length = dice.randrange(near), dice.choice((1, 2, 4, 64))
    match dice.randrange(7):
        case 0:
            del broken[dice.randrange(len(broken)) :]
        case 1:
            for _ in range(length):
                broken[dice.randrange(near)] ^= 1 << dice.randrange(8)
        case 2:
            del broken[place : place + length]
        case 3:
            source = dice.randrange(len(broken))
            broken[place:place] = broken[source : source + length]
        case 4:
            odd = dice.choice(_ODD_BYTES)
            broken[place : place + len(odd)] = odd
        case 5:
            broken[place] = dice.randrange(256)
        case _:
            broken[place : place + 4 * length] = other[place : place + 4 * length]


def _with_true_checksums(content: bytes) -> bytes:
    """A PNG file of which no chunk is refused for its checksum alone."""
    repaired, position = content[:8], 8
    while position + 12 <= len(content):
        (length,) = struct.unpack_from(">L", content, position)
        chunk = content[position + 4 : position + 8 + length]
        if position + 12 + length > len(content):
            break
        repaired += struct.pack(">L", length) + chunk + struct.pack(">L", zlib.crc32(chunk))
        position += 12 + length
    return repaired + content[position:]
