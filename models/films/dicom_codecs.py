"""The pixels of a DICOM object as they are stored: which encodings are read, by what, and what a frame may unfold to."""

import itertools
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final

from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.errors import BytesLengthException
from pydicom.pixels import get_decoder, pixel_array

from models.films.pictures import CODEC_ERRORS
from models.films.refusal import RefusedError

DICOM_ERRORS: Final = (*CODEC_ERRORS, BytesLengthException)  # what broken content makes pydicom and its codecs raise

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
        raise unsupported("The DICOM file is encoded in a way that is not read here")
    if _DECODERS[syntax] and _DECODERS[syntax] not in get_decoder(syntax).available_plugins:
        raise unsupported("A codec for this DICOM file is missing from this installation")


def stored_values(dataset: Dataset) -> NDArray[Any]:
    """The one frame as it is stored: `(H, W)` integers, or `(H, W, 3)` with YBR already turned into RGB."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == uid.JPEGExtended12Bit and int(dataset.BitsStored) > 8:
        raise unsupported("The DICOM file is a 12-bit lossy JPEG")
    plugin = _DECODERS[syntax]
    if plugin:
        _check_frame(get_frame(dataset.PixelData, 0, number_of_frames=1), dataset)
    if plugin != "gdcm":
        values: NDArray[Any] = pixel_array(dataset, decoding_plugin=plugin)
        return values
    with _heard_on_stderr() as complaints:
        values = pixel_array(dataset, decoding_plugin=plugin)
    if complaints:
        raise damaged()
    return values


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
        if frame[start : start + 4] != b"\xff\x4f\xff\x51":
            raise ValueError("A JPEG 2000 stream must begin with the markers SOC and SIZ.")
        right, bottom, left, top = struct.unpack_from(">4L", frame, start + 8)
        return bottom - top, right - left
    position = 2
    while True:  # JPEG (ISO/IEC 10918-1, B.1.1.3): from segment to segment up to the frame header
        marker, length = struct.unpack_from(">HH", frame, position)
        if marker == 0xFFF7 or (0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC)):
            rows, columns = struct.unpack_from(">HH", frame, position + 5)
            return rows, columns
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


def damaged() -> RefusedError:
    return RefusedError("damaged", "This DICOM file is cut short or broken. Export the radiograph again.")


def unsupported(what: str) -> RefusedError:
    return RefusedError(
        "unsupported_encoding", f"{what}. Export the radiograph uncompressed or as JPEG 2000, in greyscale."
    )
