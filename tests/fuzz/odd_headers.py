"""DICOM films whose headers state odd things, written by hand: no library would write them."""

import random
import struct

from pydicom.datadict import tag_for_keyword

from tests.models.films.bad_input import scene

_SIDE = 64
_META = struct.pack("<HH2sH20s", 2, 0x10, b"UI", 20, b"1.2.840.10008.1.2.1\0")
_LONG = (b"OB", b"OW", b"SQ", b"UN")
_FILM: dict[str, tuple[bytes, bytes]] = {
    "SOPClassUID": (b"UI", b"1.2.840.10008.5.1.4.1.1.1\0"),
    "SamplesPerPixel": (b"US", b"\1\0"),
    "PhotometricInterpretation": (b"CS", b"MONOCHROME2 "),
    "Rows": (b"US", struct.pack("<H", _SIDE)),
    "Columns": (b"US", struct.pack("<H", _SIDE)),
    "BitsAllocated": (b"US", b"\x10\0"),
    "BitsStored": (b"US", b"\x0c\0"),
    "HighBit": (b"US", b"\x0b\0"),
    "PixelRepresentation": (b"US", b"\0\0"),
    "PixelData": (b"OW", (scene(_SIDE).astype("<u2") * 16).tobytes()),
}
_OTHERS = (
    "SpecificCharacterSet", "PlanarConfiguration", "NumberOfFrames", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "RescaleSlope", "RescaleIntercept", "PatientAge", "Modality",
    "LUTDescriptor", "LUTData", "RedPaletteColorLookupTableDescriptor", "ExtendedOffsetTable", "OverlayData",
)  # fmt: skip
_TABLES = ("ModalityLUTSequence", "VOILUTSequence")
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_STATEMENTS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")
_TEXTS = (
    b"", b"1,5 ", b"n/a ", b"nan ", b"1e400 ", b"-7", b"0 ", b"12\\13 ", b"\\ ", b" 2", b"4095", b"RGB ", b"MONOCHROME1 ",
    b"SIGMOID ", b"LINEAR EXACT", b"YBR_FULL_422", b"PALETTE COLOR ", b"\xff\xfe", b"inf ", b"1" * 400,
)  # fmt: skip
_NUMBERS = (0, 1, 2, 3, 8, 12, 13, 32, 64, 4096, 32768, 65535)


def odd_header(dice: random.Random) -> bytes:
    """A film whose header states one to five odd things, at its top or in its sequences."""
    stated = dict(_FILM)
    for _ in range(dice.randint(1, 5)):
        what = dice.randrange(10)
        if what == 0:
            stated.pop(dice.choice(list(stated)), None)
        elif what in (1, 2):
            stated[dice.choice(_TABLES)] = b"SQ", _sequence(dice, _item(dice, ("LUTDescriptor", "LUTData")))
        elif what in (3, 4):
            statement = _element(dice.choice(_STATEMENTS), b"SQ", _sequence(dice, _item(dice, (*_OTHERS, *_TABLES))))
            stated[dice.choice(_GROUPS)] = b"SQ", _sequence(dice, statement)
        else:
            stated[dice.choice((*_OTHERS, *_FILM, *_TABLES, *_GROUPS))] = _value(dice)
    names = sorted(stated, key=lambda name: tag_for_keyword(name) or 0)
    if dice.random() < 0.1:
        dice.shuffle(names)
    return bytes(128) + b"DICM" + _META + b"".join(_element(name, *stated[name]) for name in names)


def _item(dice: random.Random, keywords: tuple[str, ...]) -> bytes:
    return b"".join(_element(keyword, *_value(dice)) for keyword in dice.sample(keywords, dice.randint(0, 2)))


def _sequence(dice: random.Random, item: bytes) -> bytes:
    count = dice.choice((0, 1, 1, 1, 1, 2))
    return (struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item) * count


def _value(dice: random.Random) -> tuple[bytes, bytes]:
    """A VR, and something that may be a value of it."""
    what = dice.randrange(4)
    if what == 0:
        return dice.choice((b"DS", b"IS", b"CS", b"LO", b"UN")), dice.choice(_TEXTS)
    if what == 1:
        return dice.choice((b"US", b"SS", b"OW", b"UN")), struct.pack("<H", dice.choice(_NUMBERS))
    if what == 2:
        words = [dice.choice(_NUMBERS) for _ in range(dice.choice((2, 3, 3, 3, 4)))]
        return dice.choice((b"US", b"SS", b"UN")), struct.pack(f"<{len(words)}H", *words)
    length = dice.choice((0, 1, 3, 100, 8192))
    return dice.choice((b"OB", b"OW", b"UN", b"FD", b"FL", b"SQ", b"ZZ")), dice.randbytes(length)


def _element(keyword: str, vr: bytes, value: bytes) -> bytes:
    tag = tag_for_keyword(keyword) or 0
    start = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in _LONG:
        return start + struct.pack("<HL", 0, len(value)) + value
    return start + struct.pack("<H", len(value) & 0xFFFF) + value
