"""What of a PNG file is the picture, and what is only said about it (PNG, third edition, 4.8)."""

import zlib
from collections.abc import Iterator
from typing import Final

_SIGNATURE: Final = 8  # bytes
_FRAME: Final = 12  # bytes of a chunk besides its data: length, name, checksum
_PICTURE: Final = (b"PLTE", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"eXIf")  # besides those that every reader must know

# Texts that may say how the picture is to be turned, as Pillow reads them; it takes a mebibyte of each.
_EXIF: Final = b"Raw profile type exif\0"
_PLAIN_XMP: Final = b"XML:com.adobe.xmp\0\0"
_MAX_TEXT: Final = 2**20


def without_remarks(content: bytes) -> bytes:
    """A PNG file without colour profiles, texts and other remarks, which may be larger than the picture or broken.

    What cannot be taken apart into chunks stays as it is, for the decoder to judge.
    """
    return content[:_SIGNATURE] + b"".join(
        chunk for chunk in _chunks(content) if _is_needed(chunk[4:8]) or _says_how_to_turn(chunk)
    )


def _chunks(content: bytes) -> Iterator[bytes]:
    """The chunks of the file, whole; the last one is whatever is left, or nothing."""
    position = _SIGNATURE
    while position < len(content):
        length = int.from_bytes(content[position : position + 4])
        yield content[position : position + length + _FRAME]
        position += length + _FRAME


def _is_needed(name: bytes) -> bool:
    """Whether the picture could be another one without the chunk: small first letters are for what readers may skip."""
    return not name[:1].islower() or name in _PICTURE


def _says_how_to_turn(chunk: bytes) -> bool:
    name, text = chunk[4:8], chunk[8:-4]
    if len(text) >= _MAX_TEXT:
        return False
    if name == b"zTXt" and text.startswith(_EXIF):
        try:
            return len(zlib.decompressobj().decompress(text[len(_EXIF) + 1 :], _MAX_TEXT)) < _MAX_TEXT
        except zlib.error:
            return False
    return (name == b"tEXt" and text.startswith(_EXIF)) or (name == b"iTXt" and text.startswith(_PLAIN_XMP))
