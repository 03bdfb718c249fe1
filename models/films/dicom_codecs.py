"""The pixels of a DICOM object as they are stored: which encodings are read, by what, and what a frame may unfold to."""

import itertools
import os
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments, get_frame
from pydicom.pixels import get_decoder, pixel_array

from models.films.dicom_header import Faults, damaged, unsupported
from models.system.sentence import Sentence

# Transfer syntax → pydicom's decoding plugin ("": not compressed). What is not here is refused by the file
# meta information alone: the deflated syntax, for one, would be inflated without a limit just to read its header.
_DECODERS: Final[dict[str, str]] = {
    uid.ImplicitVRLittleEndian: "",
    uid.ExplicitVRLittleEndian: "",
    uid.ExplicitVRBigEndian: "",
    uid.RLELossless: "pydicom",
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGExtended12Bit: "pillow",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGLSLossless: "gdcm",
    uid.JPEGLSNearLossless: "gdcm",
    uid.JPEG2000Lossless: "pillow",
    uid.JPEG2000: "pillow",
}
_JPEG_SYNTAXES: Final[dict[int, str]] = {  # by the marker of the frame header; all others are baseline
    0xFFC1: uid.JPEGExtended12Bit,
    0xFFC3: uid.JPEGLosslessSV1,
    0xFFF7: uid.JPEGLSLossless,
}
_JPEG_START: Final = b"\xff\xd8\xff"
_J2K_START: Final = b"\xff\x4f\xff\x51"
_JP2_SIGNATURE: Final = b"\0\0\0\x0cjP  "
_STDERR: Final = 2
_STDERR_LOCK: Final = Lock()
_COMPLAINTS: Final = tuple(  # how the messages of the JPEG library inside gdcm begin
    b"Bogus|Corrupt|Empty|Huffman|Improper|Inconsistent|Invalid|Missing|Not a JPEG|Premature|Sorry|Unexp|Unsup".split(
        b"|"
    )
)


def check_transfer_syntax(syntax: str) -> None:
    """Refuse an encoding that is not read here, on the word of the file meta information."""
    if syntax not in _DECODERS:
        raise unsupported(Sentence("The DICOM file is encoded in a way that is not read here"))
    if _DECODERS[syntax] and _DECODERS[syntax] not in get_decoder(syntax).available_plugins:
        raise unsupported(Sentence("A codec for this DICOM file is missing from this installation"))


def coded_syntax(pixels: bytes) -> str:
    """The transfer syntax of encapsulated pixels of which none is stated, or a wrong one, by how their first frame begins."""
    frame = _fragments(pixels)[0]
    if frame.startswith((_JP2_SIGNATURE, b"\xff\x4f")):
        return str(uid.JPEG2000)
    if frame.startswith(_JPEG_START):
        return _JPEG_SYNTAXES.get(_frame_header(frame)[0], uid.JPEGBaseline8Bit)
    return str(uid.RLELossless)


def count_frames(dataset: Dataset) -> int:
    """How many whole frames the pixels hold, whatever the header says of their number."""
    pixels, syntax = dataset.PixelData, dataset.file_meta.TransferSyntaxUID
    if _DECODERS[syntax]:
        fragments = _fragments(pixels)
        if syntax == uid.RLELossless:  # one fragment is one frame (PS3.5, A.4.2)
            return len(fragments)
        return sum(fragment.startswith((_JP2_SIGNATURE, _J2K_START, _JPEG_START)) for fragment in fragments)
    bits = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated)
    if dataset.PhotometricInterpretation == "YBR_FULL_422":  # two of three samples are there
        bits = bits * 2 // 3
    return len(pixels) * 8 // bits


def _fragments(pixels: bytes) -> list[bytes]:
    """The fragments of encapsulated pixels, without the table of offsets before them."""
    fragments = list(generate_fragments(pixels))[1:]
    if not fragments:
        raise ValueError("Encapsulated pixels must hold a fragment or more. Received: none")
    return fragments


def stored_values(dataset: Dataset, faults: Faults) -> NDArray[Any]:
    """The one frame as it is stored: `(H, W)` integers, or `(H, W, 3)` with YBR already turned into RGB.

    Of bits beyond those that are stored, such as an overlay's, nothing is left.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == uid.JPEGExtended12Bit and int(dataset.BitsStored) > 8:
        raise unsupported(Sentence("The DICOM file is a 12-bit lossy JPEG"))
    plugin = _DECODERS[syntax]
    if plugin:
        _check_frame(get_frame(dataset.PixelData, 0, number_of_frames=1), dataset)
    listening: AbstractContextManager[list[bytes]] = _heard_on_stderr() if plugin == "gdcm" else nullcontext([])
    with listening as complaints:
        values: NDArray[Any] = pixel_array(dataset, decoding_plugin=plugin, correct_unused_bits=False)
    if complaints:
        raise damaged()
    return _used_bits(values, dataset, faults)


def _used_bits(values: NDArray[Any], dataset: Dataset, faults: Faults) -> NDArray[Any]:
    """Values of those bits alone that the header calls stored, with their sign (PS3.5, 8.1.1).

    An overlay in the bits above makes a film rougher, and goes. Where the film becomes rougher without them, they are its own:
    the header has it wrong.
    """
    bits, stored = values.dtype.itemsize * 8, int(dataset.BitsStored)
    unsigned = values.view(f"u{values.dtype.itemsize}") if values.dtype.kind in "iu" else None
    if unsigned is None or stored >= bits or not (unsigned >> stored).any():
        return values
    pushed = int(dataset.HighBit) + 1 - stored
    if 0 < pushed <= bits - stored:  # as old writers do
        values = (unsigned >> pushed).view(values.dtype)
    kept = (values << (bits - stored)) >> (bits - stored)
    if _roughness(kept) <= _roughness(values):
        return kept
    faults.add(Sentence("that {stored} bits are stored", stored=stored))
    return values


def _roughness(values: NDArray[Any]) -> float:
    """The mean step from a pixel to the one beside it."""
    return float(np.abs(np.diff(values.astype(np.float32), axis=1)).mean()) if values.shape[1] > 1 else 0.0


@contextmanager
def _heard_on_stderr() -> Iterator[list[bytes]]:
    """Collect what gdcm's JPEG library writes to the terminal while it fills the gaps of a broken stream with nothing.

    It has no other way to report that. The file descriptor belongs to the whole process: a lock keeps two decoders
    from crossing, and what another thread wrote meanwhile is passed on.
    """
    complaints: list[bytes] = []
    with _STDERR_LOCK:
        terminal = os.dup(_STDERR)
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)  # a full pipe loses remarks; it must not stop the codec
        os.dup2(writer, _STDERR)
        os.close(writer)
        try:
            yield complaints
        finally:
            os.dup2(terminal, _STDERR)
            _sort_out(reader, terminal, complaints)
            os.close(reader)
            os.close(terminal)


def _sort_out(reader: int, terminal: int, complaints: list[bytes]) -> None:
    try:
        heard = os.read(reader, 2**16)
    except BlockingIOError:  # nothing was said
        return
    for line in heard.splitlines(keepends=True):
        if line.startswith(_COMPLAINTS):
            complaints.append(line)
        else:
            os.write(terminal, line)


def _check_frame(frame: bytes, dataset: Dataset) -> None:
    """Refuse a compressed frame that would unfold to another size than the header was judged by."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if dataset.file_meta.TransferSyntaxUID == uid.RLELossless:
        if _longest_rle_segment(frame, rows * columns) > rows * columns + 128:  # a run may reach into the padding
            raise damaged()
    elif _coded_size(frame) != (rows, columns):
        raise damaged()


def _coded_size(frame: bytes) -> tuple[int, int]:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream itself declares; an error where it is neither."""
    if frame.startswith((_JP2_SIGNATURE, b"\xff\x4f")):  # JPEG 2000, SIZ segment (ISO/IEC 15444-1, A.5.1)
        start = _codestream_start(frame)
        if frame[start : start + 4] != _J2K_START:
            raise ValueError("A JPEG 2000 stream must begin with the markers SOC and SIZ.")
        right, bottom, left, top = struct.unpack_from(">4L", frame, start + 8)
        return bottom - top, right - left
    position = _frame_header(frame)[1]
    rows, columns = struct.unpack_from(">HH", frame, position + 5)
    return rows, columns


def _frame_header(frame: bytes) -> tuple[int, int]:
    """Marker and place of a JPEG stream's frame header (ISO/IEC 10918-1, B.1.1.3), from segment to segment."""
    position = 2
    while True:
        marker, length = struct.unpack_from(">HH", frame, position)
        if marker == 0xFFF7 or (0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC)):
            return marker, position
        if marker == 0xFFFF:  # a fill byte
            position += 1
        elif 0xFFC0 <= marker <= 0xFFFE and length >= 2:
            position += 2 + length
        else:
            raise ValueError(f"A JPEG stream must be a chain of segments. Received: marker {marker:#06x}")


def _codestream_start(frame: bytes) -> int:
    """Where the code stream begins, after the boxes of a JP2 header that some writers leave in (15444-1, I.4)."""
    if not frame.startswith(_JP2_SIGNATURE):
        return 0
    position = 12
    while frame[position + 4 : position + 8] != b"jp2c":
        (length,) = struct.unpack_from(">L", frame, position)
        if length < 8:  # pydicom would turn on such a box for ever
            raise ValueError(f"A JP2 box must be 8 bytes or more. Received: {length}")
        position += length
    return position + 8


def _longest_rle_segment(frame: bytes, limit: int) -> int:
    """The length to which the longest RLE segment unfolds (PS3.5, annex G); counting stops shortly after `limit`."""
    header = struct.unpack_from("<16L", frame)
    bounds = [*header[1 : 1 + min(header[0], 15)], len(frame)]
    longest = 0
    for position, end in itertools.pairwise(bounds):
        unfolded = 0
        while position < min(end, len(frame)) and unfolded <= limit + 128:
            code = frame[position]
            position += code + 2 if code < 128 else 2 - (code == 128)
            unfolded += code + 1 if code < 128 else (257 - code) % 129
        longest = max(longest, unfolded)
    return longest
