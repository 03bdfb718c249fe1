"""DICOM objects to luminance, by pydicom (DICOM PS3.3, PS3.5; section numbers in the comments)."""

import re
from io import BytesIO
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import data_element_generator
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

from models.films.dicom_codecs import DICOM_ERRORS, check_transfer_syntax, damaged, stored_values, unsupported
from models.films.pictures import quiet_codecs, rgb_luminance, stretch, too_many_pixels
from models.films.refusal import RefusedError

_DATASET_START: Final = 132  # after the preamble and the letters DICM

_MAX_ELEMENTS: Final = 10_000  # a radiograph has a few hundred; parsing millions of empty ones would take minutes
_MONOCHROME: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOURS: Final = ("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_YEARS_PER: Final = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


def decode_dicom(content: bytes, *, max_pixels: int) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """Decode a DICOM file with one greyscale or colour frame.

    Greyscale goes through the modality LUT and the VOI LUT or window, is stretched to 8 bits (padding left out and
    black) and inverted where MONOCHROME1 says that the least value is white.

    Args:
        content: the file's bytes, with the letters DICM at byte 128.
        max_pixels: the largest rows times columns times samples; more is refused on the header's word.

    Returns:
        `(H, W)` luminance, and the facts that the file states (see `Radiograph`).

    Raises:
        RefusedError: no_pixels, multi_frame, too_large, unsupported_encoding or damaged.
    """
    quiet_codecs()
    try:
        with np.errstate(all="ignore"):
            dataset = _read_dataset(content)
            _check_header(dataset, max_pixels)
            return _luminance(dataset), _facts(dataset)
    except DICOM_ERRORS as error:
        raise damaged() from error


def _read_dataset(content: bytes) -> Dataset:
    """Parse the file, strictly: what ends early is an error, not a dataset with less in it."""
    stream = BytesIO(content)
    stream.seek(_DATASET_START)
    elements = data_element_generator(stream, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    meta = FileMetaDataset({element.tag: element for element in elements})
    start = stream.tell()
    # Some writers state the wrong kind of encoding, some none: the first element tells (PS3.5, 7.1)
    explicit = content[start + 4 : start + 6].isalpha() and content[start + 4 : start + 6].isupper()
    meta.TransferSyntaxUID = syntax = _transfer_syntax(meta, explicit=explicit)
    little_endian = syntax != uid.ExplicitVRBigEndian
    elements = list(islice(data_element_generator(stream, not explicit, little_endian), _MAX_ELEMENTS + 1))
    if not 0 < len(elements) <= _MAX_ELEMENTS or any(map(_is_cut_short, elements)):
        raise damaged()
    dataset = Dataset({element.tag: element for element in elements})
    dataset.file_meta = meta
    dataset.set_original_encoding(not explicit, little_endian)
    return dataset


def _transfer_syntax(meta: FileMetaDataset, *, explicit: bool) -> str:
    syntax = meta.get("TransferSyntaxUID")
    if not syntax:
        return uid.ExplicitVRLittleEndian if explicit else uid.ImplicitVRLittleEndian
    check_transfer_syntax(syntax)
    return str(syntax)


def _is_cut_short(element: Any) -> bool:
    return (
        isinstance(element, RawDataElement)
        and element.length != 0xFFFFFFFF
        and len(element.value or b"") < element.length
    )


def _check_header(dataset: Dataset, max_pixels: int) -> None:
    """Refuse by what the header says, before a pixel is decoded."""
    if "PixelData" not in dataset:
        if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
            raise unsupported("The DICOM file holds computed values, not the pixels of a detector")
        raise RefusedError("no_pixels", "This DICOM file holds no image. Choose the object with the radiograph itself.")
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise RefusedError(
            "multi_frame", "The DICOM file holds several frames. Export the one radiograph as a file of its own."
        )
    rows, columns, samples = int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel", 1))
    if rows < 1 or columns < 1 or samples < 1:
        raise damaged()
    if rows * columns * samples > max_pixels:
        raise too_many_pixels(columns, rows, max_pixels)
    if dataset.PhotometricInterpretation not in _MONOCHROME + _COLOURS:
        raise unsupported("The DICOM file is in a colour space that is not read here")
    if dataset.PhotometricInterpretation == "PALETTE COLOR" and not dataset.original_encoding[1]:
        raise unsupported("The DICOM file has a big-endian colour table")  # pydicom would read it in the wrong order
    if "SegmentedRedPaletteColorLookupTableData" in dataset:  # a few bytes of it can unfold to gigabytes
        raise unsupported("The DICOM file has a segmented colour table")


def _luminance(dataset: Dataset) -> NDArray[np.uint8]:
    stored = stored_values(dataset)
    kind = dataset.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        rgb = apply_color_lut(stored, dataset)
        return rgb_luminance(_eight_bits(rgb[..., :3], rgb.dtype.itemsize * 8))
    if kind in _COLOURS:
        return rgb_luminance(_eight_bits(stored, int(dataset.BitsStored)))
    padding = _padding(dataset, stored)
    grey = stretch(_apply_voi(apply_modality_lut(stored, dataset), dataset), outside=padding)
    if kind == "MONOCHROME1":
        np.subtract(255, grey, out=grey)
    if padding is not None:
        grey[padding] = 0
    return grey


def _apply_voi(values: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """The VOI LUT or, failing that, the first window; a window narrower than one value says nothing (C.11.2.1.2)."""
    if not dataset.get("VOILUTSequence"):
        widths = np.atleast_1d(np.asarray(dataset.get("WindowWidth") or 0, dtype=np.float64))
        if widths[0] < 1:
            return values
    result: NDArray[Any] = apply_voi_lut(values, dataset)
    return result


def _padding(dataset: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where the detector saw nothing: stored values equal to the padding value or in its range (C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    limit = dataset.get("PixelPaddingRangeLimit", value)
    # Cast as the pixels are: writers state the value unsigned for signed pixels
    first, last = sorted(np.array([int(value), int(limit)]).astype(stored.dtype).tolist())
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
    try:
        value = str(dataset.get(keyword) or "").strip().upper()
    except DICOM_ERRORS:
        return ""
    return value if re.fullmatch(r"[A-Z0-9_ ]{1,16}", value) else ""


def _age_years(age: str) -> str:
    """A DICOM age such as 005Y, 018M, 003W or 010D in years, to two decimals."""
    match = re.fullmatch(r"(\d{1,3})([DWMY])", age)
    return f"{round(int(match[1]) * _YEARS_PER[match[2]], 2):g}" if match else ""
