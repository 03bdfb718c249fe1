"""DICOM objects to luminance, by pydicom (DICOM PS3.3, PS3.5; section numbers in the comments)."""

import re
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut

from models.films.dicom_codecs import count_frames, stored_values
from models.films.dicom_file import read_dataset
from models.films.dicom_header import DICOM_ERRORS, Faults, damaged, numbers, text, unsupported, whole_number
from models.films.dicom_lut import apply_modality, apply_voi
from models.films.pictures import quiet_codecs, rgb_luminance, stretch, too_many_pixels
from models.films.refusal import Refusal, RefusedError
from models.system.sentence import Sentence

_MONOCHROME: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOURS: Final = ("PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_SAMPLES_OF_COLOUR: Final = 3
_YEARS_PER: Final = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


class Decoded(NamedTuple):
    """`(H, W)` luminance, the facts that the file states, and notes on its header (see `Radiograph`)."""

    pixels: NDArray[np.uint8]
    facts: dict[str, str]
    notes: tuple[Refusal, ...]


def decode_dicom(content: bytes, start: int, *, max_pixels: int) -> Decoded:
    """Decode a DICOM file with one greyscale or colour frame.

    Greyscale goes through the modality LUT and the VOI LUT or window, is stretched to 8 bits (padding left out and
    black) and inverted where MONOCHROME1 says that the least value is white.

    Args:
        content: the file's bytes.
        start: where in them the elements begin (`models.films.formats.dicom_start`).
        max_pixels: the largest rows times columns times samples; more is refused on the header's word.

    Raises:
        RefusedError: no_pixels, multi_frame, too_large, unsupported_encoding or damaged.
    """
    quiet_codecs()
    faults = Faults()
    try:
        with np.errstate(all="ignore"):
            dataset = read_dataset(content, start)
            _settle_header(dataset, max_pixels, faults)
            if count_frames(dataset) > 1:
                raise _several_frames()
            return Decoded(_luminance(dataset, faults), _facts(dataset), faults.notes())
    except DICOM_ERRORS as error:
        raise damaged() from error


def _settle_header(dataset: Dataset, max_pixels: int, faults: Faults) -> None:
    """Refuse by what the header says, before a pixel is decoded; what it leaves out is filled in, for pydicom asks for it."""
    if "PixelData" not in dataset:
        if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
            raise unsupported(Sentence("The DICOM file holds computed values, not the pixels of a detector"))
        raise RefusedError("no_pixels", "This DICOM file holds no image. Choose the object with the radiograph itself.")
    if whole_number(dataset, "NumberOfFrames", 1) > 1:
        raise _several_frames()
    dataset.NumberOfFrames = 1
    dataset.PhotometricInterpretation = kind = text(dataset, "PhotometricInterpretation")
    if not kind:
        raise damaged()
    if kind not in _MONOCHROME + _COLOURS:
        raise unsupported(Sentence("The DICOM file is in a colour space that is not read here"))
    _settle_size(dataset, max_pixels)
    _settle_depth(dataset, faults)
    if kind == "PALETTE COLOR" and not dataset.original_encoding[1]:
        raise unsupported(
            Sentence("The DICOM file has a big-endian colour table")
        )  # pydicom would read it in the wrong order
    if "SegmentedRedPaletteColorLookupTableData" in dataset:  # a few bytes of it can unfold to gigabytes
        raise unsupported(Sentence("The DICOM file has a segmented colour table"))


def _settle_size(dataset: Dataset, max_pixels: int) -> None:
    expected = _SAMPLES_OF_COLOUR if dataset.PhotometricInterpretation in _COLOURS[1:] else 1
    rows, columns = whole_number(dataset, "Rows"), whole_number(dataset, "Columns")
    samples = whole_number(dataset, "SamplesPerPixel", expected)
    if rows < 1 or columns < 1 or samples < 1:
        raise damaged()
    if rows * columns * samples > max_pixels:
        raise too_many_pixels(columns, rows, max_pixels)
    if samples != expected:
        raise unsupported(
            Sentence("The DICOM file has {samples} samples to a pixel, which its colour space has not", samples=samples)
        )
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = rows, columns, samples
    if samples > 1:
        dataset.PlanarConfiguration = whole_number(dataset, "PlanarConfiguration", 0)


def _settle_depth(dataset: Dataset, faults: Faults) -> None:
    allocated = whole_number(dataset, "BitsAllocated")
    stored = whole_number(dataset, "BitsStored", allocated)
    if not 1 <= stored <= allocated:
        faults.add(Sentence("that {stored} bits are stored", stored=stored))
        stored = allocated
    dataset.BitsAllocated, dataset.BitsStored = allocated, stored
    dataset.HighBit = whole_number(dataset, "HighBit", stored - 1)
    dataset.PixelRepresentation = int(whole_number(dataset, "PixelRepresentation", 0) == 1)


def _luminance(dataset: Dataset, faults: Faults) -> NDArray[np.uint8]:
    stored = stored_values(dataset, faults)
    kind = dataset.PhotometricInterpretation
    size = (dataset.Rows, dataset.Columns)
    if stored.shape != (size if dataset.SamplesPerPixel == 1 else (*size, _SAMPLES_OF_COLOUR)):
        raise damaged()
    if kind == "PALETTE COLOR":
        rgb = apply_color_lut(stored, dataset)
        return rgb_luminance(_eight_bits(rgb[..., :3], rgb.dtype.itemsize * 8))
    if kind in _COLOURS:
        return rgb_luminance(_eight_bits(stored, int(dataset.BitsStored)))
    padding = _padding(dataset, stored)
    grey = stretch(apply_voi(apply_modality(stored, dataset, faults), dataset, faults), outside=padding)
    if kind == "MONOCHROME1":
        np.subtract(255, grey, out=grey)
    if padding is not None:
        grey[padding] = 0
    return grey


def _padding(dataset: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where the detector saw nothing: stored values equal to the padding value or in its range (C.7.5.1.1.2)."""
    try:
        value, limit = numbers(dataset, "PixelPaddingValue"), numbers(dataset, "PixelPaddingRangeLimit")
        # Cast as the pixels are: writers state the value unsigned for signed pixels
        ends = np.array([int(one) for one in (value + limit if value else [])], np.int64).astype(stored.dtype)
    except DICOM_ERRORS:  # a film with a rim is still a film
        return None
    if not ends.size:
        return None
    first, last = ends.min(), ends.max()
    mask: NDArray[np.bool_] = (stored >= first) & (stored <= last)
    return mask


def _eight_bits(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    if bits <= 8:
        return values.astype(np.uint8)
    return np.rint(np.clip(values * (255 / (2**bits - 1)), 0, 255)).astype(np.uint8)


def _facts(dataset: Dataset) -> dict[str, str]:
    """The few statements that bear on the judgement of the picture and tell nothing of who the patient is."""
    facts = {
        "modality": _code(dataset, "Modality"),
        "view": _code(dataset, "ViewPosition"),
        "body_part": _code(dataset, "BodyPartExamined"),
        "age_years": _age_years(_code(dataset, "PatientAge")),
        "sex": _code(dataset, "PatientSex"),
    }
    return {name: value for name, value in facts.items() if value}


def _code(dataset: Dataset, keyword: str) -> str:
    """A DICOM code string, or "" where there is none or where something else was written in its place."""
    value = text(dataset, keyword)
    return value if re.fullmatch(r"[A-Z0-9_ ]{1,16}", value) else ""


def _several_frames() -> RefusedError:
    return RefusedError(
        "multi_frame", "The DICOM file holds several frames. Export the one radiograph as a file of its own."
    )


def _age_years(age: str) -> str:
    """A DICOM age such as 005Y, 018M, 003W or 010D in years, to two decimals."""
    match = re.fullmatch(r"(\d{1,3})([DWMY])", age)
    return f"{round(int(match[1]) * _YEARS_PER[match[2]], 2):g}" if match else ""
