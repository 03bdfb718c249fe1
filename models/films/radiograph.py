"""One decoder for every door: bytes or a path in, luminance and what the file said out, or a refusal."""

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.films.formats import dicom_start, not_an_image, picture_format
from models.films.pictures import decode_picture
from models.films.refusal import Refusal, RefusedError
from models.system.sentence import Sentence

MAX_BYTES: Final = 64 * 2**20
MAX_PIXELS: Final = 50_000_000
MIN_SIDE: Final = 32  # below this no rib can be told from the next


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One decoded radiograph.

    Attributes:
        pixels: `(H, W)` luminance, 0 black to 255 white, air dark and bone bright; made read-only.
        sha256: hexadecimal digest of the file's bytes.
        format: one of "JPEG", "PNG", "TIFF", "BMP", "WEBP", "DICOM".
        facts: what the file said of itself, only keys that it said: modality, view, body_part, age_years, sex.
            Nothing in it identifies a patient.
        notes: what is to be said of the file although it was read (`header_faults`).
    """

    pixels: NDArray[np.uint8]
    sha256: str
    format: str
    facts: Mapping[str, str]
    notes: tuple[Refusal, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 2:
            raise ValueError(
                "Pixels must be an (H, W) array of uint8. "
                f"Received: shape {self.pixels.shape}, dtype {self.pixels.dtype}"
            )
        self.pixels.flags.writeable = False


def read_radiograph(source: Path | bytes) -> Radiograph:
    """Decode one radiograph from a file or from its bytes.

    Args:
        source: a path, or the bytes of a file. The content decides the format; the name is never looked at.

    Raises:
        RefusedError: for anything that is not one readable radiograph; nothing else, whatever the content.
    """
    content = source if isinstance(source, bytes) else read_bytes(source)
    if not content:
        raise RefusedError("empty_file", "The file is empty. Export or copy the image again.")
    if len(content) > MAX_BYTES:
        raise _too_many_bytes()
    pixels, kind, facts, notes = _decode(content)
    _check_scene(pixels)
    return Radiograph(pixels, hashlib.sha256(content).hexdigest(), kind, facts, notes)


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file, at most one more than the limit.

    Raises:
        RefusedError: where there is no such file, or one of too many bytes.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for a writer for ever
            raise RefusedError("not_found", "This is a folder or a device, not a file. Choose an image file.")
        if status.st_size > MAX_BYTES:
            raise _too_many_bytes()
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise RefusedError(
            "not_found", "No readable file is at this place. Check its name and that you may read it."
        ) from error


def _decode(content: bytes) -> tuple[NDArray[np.uint8], str, dict[str, str], tuple[Refusal, ...]]:
    """Pixels, format, facts and notes, by the decoder that the first bytes ask for."""
    start, kind = dicom_start(content), picture_format(content)
    if start is not None:
        from models.films.dicom import decode_dicom  # only when needed: pydicom takes most of a second to import

        decoded = decode_dicom(content, start, max_pixels=MAX_PIXELS)
        return decoded.pixels, "DICOM", decoded.facts, decoded.notes
    if kind is None:
        raise not_an_image(content)
    return decode_picture(content, kind, max_pixels=MAX_PIXELS), kind, {}, ()


def _check_scene(pixels: NDArray[np.uint8]) -> None:
    """Refuse what was decoded but cannot be a radiograph."""
    height, width = pixels.shape
    if min(height, width) < MIN_SIDE:
        raise RefusedError(
            "too_small",
            Sentence(
                "The image has {width} by {height} pixels; each side must have at least {least}. Export the radiograph in full "
                "size.",
                width=width,
                height=height,
                least=MIN_SIDE,
            ),
        )
    if pixels.min() == pixels.max():
        raise RefusedError(
            "not_a_radiograph", "Every pixel of this image has the same shade. Supply a chest radiograph."
        )


def _too_many_bytes() -> RefusedError:
    return RefusedError(
        "too_large",
        Sentence(
            "The file has more than {limit} MB. Export the radiograph as one ordinary image.", limit=MAX_BYTES // 2**20
        ),
    )
