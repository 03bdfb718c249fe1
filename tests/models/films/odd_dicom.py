"""One film in the many shapes in which writers of DICOM put it."""

import struct
from collections.abc import Callable

import numpy as np
from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.models.films import dicom_files as dicom
from tests.models.films.bad_input import saved, scene

FILM = scene().astype(np.uint16) * 16
J2K, JPEG_LS = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80"
PADDING = bytes(128)


def film(pixels: np.ndarray = FILM, **changes: object) -> Dataset:
    """A film of 12 bits in 16."""
    return dicom.dataset(pixels, **{"BitsStored": 12, "HighBit": 11, **changes})


def item(**values: object) -> Sequence:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return Sequence([made])


def group(place: str, name: str, **values: object) -> dict[str, Sequence]:
    """One statement in a functional group of an enhanced object."""
    return {place: item(**{name: item(**values)})}


SHARED, FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
RESCALE, WINDOW = "PixelValueTransformationSequence", "FrameVOILUTSequence"


def table(bits: int, *, first: int = 0, count: int = 4096, vr: str = "US", data: bytes | None = None) -> Sequence:
    """A look-up table that keeps the film as it is: entry for entry, scaled to its bits."""
    entries = np.arange(count) * (2**bits - 1) // (count - 1)
    made = Dataset()
    made.add_new("LUTDescriptor", vr, [count if count < 2**16 else 0, first, bits])
    made.add_new("LUTData", "OW", entries.astype("<u2").tobytes() if data is None else data)
    return Sequence([made])


def elements(content: Dataset, *, explicit: bool = True) -> bytes:
    stream = DicomBytesIO()
    dcmwrite(stream, content, implicit_vr=not explicit, little_endian=True, enforce_file_format=False)
    return stream.getvalue()


def named(dataset: Dataset, keyword: str, text: bytes) -> bytes:
    """The file with the text of an element written by hand, whatever it is allowed to be."""
    marker = b"#" * (len(text) + len(text) % 2)
    dataset.add_new(keyword, "LO", marker.decode())
    return dicom.encode(dataset).replace(marker, text.ljust(len(marker)))


def windowed(centre: object, width: object, function: object = None) -> Dataset:
    made = film(WindowCenter=centre, WindowWidth=width)
    if function is not None:
        made.add_new("VOILUTFunction", "LO", function)
    return made


def without_meta(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    content = dicom.encode(dataset, syntax=syntax)
    order = "big" if syntax == ExplicitVRBigEndian else "little"
    return content[content.index((8).to_bytes(2, order) + (0x16).to_bytes(2, order)) :]


def without_statement_of_syntax(content: bytes) -> bytes:
    start = content.index(b"\x02\x00\x10\x00UI")
    return content[:start] + content[start + 8 + int.from_bytes(content[start + 6 : start + 8], "little") :]


def coded(pixels: np.ndarray, syntax: str, **changes: object) -> Dataset:
    """The film compressed with all bits of its words, whatever the header says of them."""
    if syntax == J2K:
        return film(pixels, frame=saved(Image.fromarray(pixels), "JPEG2000", no_jp2=True), **changes)
    return film(pixels, frame=dicom.jpeg_ls(pixels), **changes)


def changed(**changes: object) -> Callable[[], bytes]:
    return lambda: dicom.encode(film(**changes))


def with_private_elements() -> bytes:
    made = film()
    made.add_new(0x00090010, "LO", "SOME VENDOR")
    made.add_new(0x00091001, "UN", b"\x01\x02\x03\x04")
    made.add_new(0x00091002, "SQ", Sequence([Dataset()]))
    made.add_new(0x00290011, "OB", bytes(4097))
    return dicom.encode(made)


def signed() -> np.ndarray:
    return FILM.astype(np.int16) - 2000


def overlaid(pixels: np.ndarray) -> np.ndarray:
    """The film with letters in the bits above those that are stored."""
    laid = pixels.copy()
    laid[20:40, 20:70:3] |= 0x8000
    laid[50:60, 10:90:2] |= 0x2000
    return laid


# What must give the picture of the clean film.
READ: dict[str, Callable[[], bytes]] = {
    "preamble and letters missing": lambda: dicom.encode(film())[132:],
    "preamble missing": lambda: dicom.encode(film())[128:],
    "letters missing": lambda: PADDING + dicom.encode(film())[132:],
    "meta information missing": lambda: PADDING + b"DICM" + without_meta(film()),
    "elements alone, implicit": lambda: without_meta(film(), ImplicitVRLittleEndian),
    "elements alone, explicit": lambda: without_meta(film()),
    "elements alone, big-endian": lambda: without_meta(film(FILM.astype(">u2")), ExplicitVRBigEndian),
    "elements alone, JPEG 2000": lambda: without_meta(coded(FILM, J2K), J2K),
    "elements alone, JPEG-LS": lambda: without_meta(coded(FILM, JPEG_LS), JPEG_LS),
    "syntax not stated, JPEG 2000": lambda: without_statement_of_syntax(dicom.encode(coded(FILM, J2K), syntax=J2K)),
    "syntax stated wrongly, implicit": lambda: (
        dicom.encode(film()).replace(elements(film()), b"") + elements(film(), explicit=False)
    ),
    "meta information implicit, too": lambda: (
        PADDING
        + b"DICM"
        + struct.pack("<HHL", 2, 0x10, 18)
        + ImplicitVRLittleEndian.encode().ljust(18, b"\0")
        + elements(film(), explicit=False)
    ),
    "big-endian, stated as little-endian": lambda: dicom.encode(
        film(FILM.astype(">u2")), syntax=ExplicitVRBigEndian
    ).replace(b"1.2.840.10008.1.2.2\0", b"1.2.840.10008.1.2.1\0"),
    "icon of its own": lambda: dicom.encode(film(IconImageSequence=Sequence([film(FILM[:8, :8])]))),
    "padding that is no number": lambda: named(film(), "PixelPaddingValue", b"none"),
    "uncompressed, stated as JPEG 2000": lambda: dicom.encode(film(), syntax=J2K),
    "compressed, stated as uncompressed": lambda: dicom.encode(coded(FILM, J2K)),
    "zeros after the pixels": lambda: dicom.encode(film()) + bytes(1001),
    "half an element after the pixels": lambda: dicom.encode(film()) + b"\xfc\xff\xfc\xffOB\0\0\xff\xff\0\0",
    "private elements": with_private_elements,
    "a character set that there is not": lambda: named(
        film(PatientName="Muster"), "SpecificCharacterSet", b"ISO_IR 9999"
    ),
    "a code with a blank": lambda: named(film(), "PhotometricInterpretation", b"MONOCHROME2 "),
    "a code in small letters": lambda: named(film(), "PhotometricInterpretation", b"Monochrome2"),
    "empty sequences": changed(ModalityLUTSequence=Sequence([]), VOILUTSequence=Sequence([]), **{SHARED: Sequence([])}),
    "empty groups": changed(**{SHARED: item(), FRAME: Sequence([Dataset()])}),
    "no number of frames": changed(NumberOfFrames=""),
    "zero frames": changed(NumberOfFrames=0),
    "no bits stored": changed(BitsStored=None, HighBit=None),
    "more bits stored than there are": changed(BitsStored=16, HighBit=15),
    "no sign": changed(PixelRepresentation=None),
    "no samples": changed(SamplesPerPixel=None),
    "empty rescale": lambda: named(named_empty(film(), "RescaleSlope"), "RescaleIntercept", b""),
    "rescale of a decimal comma": lambda: named(film(), "RescaleSlope", b"1,5"),
    "rescale with blanks": lambda: named(film(), "RescaleSlope", b" 1.5 "),
    "intercept alone": changed(RescaleIntercept=-1024),
    "inverting rescale": lambda: dicom.encode(film(4095 - FILM, RescaleSlope=-1, RescaleIntercept=4095)),
    "inverting rescale of all frames": lambda: dicom.encode(
        film(4095 - FILM, NumberOfFrames=1, **group(SHARED, RESCALE, RescaleSlope=-1, RescaleIntercept=4095))
    ),
    "inverting rescale of the frame": lambda: dicom.encode(
        film(4095 - FILM, **group(FRAME, RESCALE, RescaleSlope=-1, RescaleIntercept=4095))
    ),
    "the frame's rescale before that of all": lambda: dicom.encode(
        film(
            4095 - FILM,
            **group(FRAME, RESCALE, RescaleSlope=-1, RescaleIntercept=4095),
            **group(SHARED, RESCALE, RescaleSlope=1, RescaleIntercept=0),
        )
    ),
    "signed": lambda: dicom.encode(film(signed())),
    "modality table, signed first value": lambda: dicom.encode(
        film(signed(), ModalityLUTSequence=table(12, first=-2000, vr="SS"))
    ),
    "modality table, signed first value, implicit": lambda: dicom.encode(
        film(signed(), ModalityLUTSequence=table(12, first=63536)), syntax=ImplicitVRLittleEndian
    ),
    "modality table, first value written without its sign": lambda: dicom.encode(
        film(signed(), ModalityLUTSequence=table(12, first=63536))
    ),
    "modality table of bytes": changed(
        ModalityLUTSequence=table(8, data=(np.arange(4096) // 16).astype(np.uint8).tobytes())
    ),
    "table data before its descriptor": lambda: dicom.encode(film()).replace(
        b"\xe0\x7f\x10\x00OW", backward_table() + b"\xe0\x7f\x10\x00OW"
    ),
    "table after the pixels": lambda: dicom.encode(film(4095 - FILM)) + backward_table(falling=True),
    "overlay in unused bits": lambda: dicom.encode(film(overlaid(FILM))),
    "overlay in unused bits, JPEG 2000": lambda: dicom.encode(coded(overlaid(FILM), J2K), syntax=J2K),
    "overlay in unused bits, JPEG-LS": lambda: dicom.encode(coded(overlaid(FILM), JPEG_LS), syntax=JPEG_LS),
    "pushed to the highest bits": lambda: dicom.encode(film(FILM * 16, HighBit=15)),
    "highest bit stated wrongly": changed(HighBit=15),
    **{f"modality table of {bits} bits": changed(ModalityLUTSequence=table(bits)) for bits in (10, 12, 14, 16)},
    **{f"VOI table of {bits} bits": changed(VOILUTSequence=table(bits)) for bits in (10, 12, 14, 16)},
    "VOI table of 65,536 entries": lambda: dicom.encode(
        film(FILM * 16, BitsStored=16, HighBit=15, VOILUTSequence=table(16, count=2**16))
    ),
    "exact window": lambda: dicom.encode(windowed(2047.5, 4095, "LINEAR_EXACT")),
    "window": lambda: dicom.encode(windowed(2048, 4096)),
    "window in small letters": lambda: dicom.encode(windowed(2048, 4096, "linear")),
    "window of the frame": changed(**group(FRAME, WINDOW, WindowCenter=2048, WindowWidth=4096)),
}

# What must give it, too, with a note of what was left aside.
NOTED: dict[str, Callable[[], bytes]] = {
    "empty window": lambda: named(named_empty(film(), "WindowCenter"), "WindowWidth", b""),
    "window without width": changed(WindowCenter=2048),
    "window that is no number": lambda: named(film(WindowCenter=2048), "WindowWidth", b"wide"),
    "window of no width": lambda: dicom.encode(windowed(2048, 0)),
    "window of negative width": lambda: dicom.encode(windowed(2048, -400)),
    "window beside the film": lambda: dicom.encode(windowed(-3000, 400)),
    "window of one value": lambda: dicom.encode(windowed(1, 1)),
    "several windows": lambda: dicom.encode(windowed([2048, 100], [4096, 10])),
    "more centres than widths": lambda: dicom.encode(windowed([2048, 100], 4096)),
    "the second window is one": lambda: dicom.encode(windowed([0, 2048], [0, 4096])),
    "function misspelt": lambda: dicom.encode(windowed(2048, 4096, "LINAER")),
    "function empty": lambda: dicom.encode(windowed(2048, 4096, "")),
    "impossible window of all frames": changed(**group(SHARED, WINDOW, WindowCenter=2048, WindowWidth=0)),
    "slope of zero": changed(RescaleSlope=0, RescaleIntercept=0),
    "slope that is no number": lambda: named(film(), "RescaleSlope", b"n/a"),
    "two slopes": lambda: named(film(), "RescaleSlope", b"1\\1"),
    "modality table too short": changed(ModalityLUTSequence=table(12, data=bytes(100))),
    "modality table without data": changed(ModalityLUTSequence=Sequence([Dataset()])),
    "VOI table too short": changed(VOILUTSequence=table(16, data=b"\1\0" * 2000)),
    "VOI table of one shade": changed(VOILUTSequence=table(16, data=b"\1\0" * 4096)),
    "VOI table broken, window whole": changed(
        VOILUTSequence=Sequence([Dataset()]), WindowCenter=2048, WindowWidth=4096
    ),
    "fewer bits stored than are used": changed(BitsStored=8, HighBit=7),
    "more bits stored than allocated": changed(BitsStored=20),
}


def named_empty(dataset: Dataset, keyword: str) -> Dataset:
    dataset.add_new(keyword, "DS", None)
    return dataset


def backward_table(*, falling: bool = False) -> bytes:
    """The element of a modality table whose data come before their descriptor."""
    entries = np.arange(4096)[:: -1 if falling else 1].astype("<u2").tobytes()
    data = struct.pack("<HH2sHL", 0x28, 0x3006, b"OW", 0, len(entries)) + entries
    content = data + struct.pack("<HH2sH3H", 0x28, 0x3002, b"US", 6, 4096, 0, 12)
    whole = struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content
    return struct.pack("<HH2sHL", 0x28, 0x3000, b"SQ", 0, len(whole)) + whole
