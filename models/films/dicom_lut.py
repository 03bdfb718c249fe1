"""From stored values to the shades that a film is to be shown in: Modality LUT, then VOI LUT or window (PS3.3, C.11).

Tables, windows and functions that say nothing, or that cannot be followed, are left aside and noted as faults of the header.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from models.films.dicom_header import DICOM_ERRORS, Faults, items, numbers, statements, text
from models.system.sentence import Sentence

_LEAST_SHARE: Final = 0.01
"""Of the film, within a window: one that holds less shows no film, but a black or a white sheet."""

_WORD: Final = 2  # bytes
_BYTE: Final = 8  # bits


def apply_modality(stored: NDArray[Any], dataset: Dataset, faults: Faults) -> NDArray[Any]:
    """The table, or slope and intercept, that make what a detector measured of stored values; as they are where none is."""
    for source in statements(dataset, "PixelValueTransformationSequence"):
        for item in items(source, "ModalityLUTSequence")[:1]:
            table = _Table.read(item)
            if table is not None and (measured := table.shown(stored)) is not None:
                return measured
            faults.add(Sentence("its modality look-up table"))
        if "RescaleSlope" in source or "RescaleIntercept" in source:
            slope = _one_number(source, "RescaleSlope", 1.0, faults)
            intercept = _one_number(source, "RescaleIntercept", 0.0, faults)
            if slope == 0:
                faults.add(Sentence("a rescale slope of zero"))
                return stored
            return stored if (slope, intercept) == (1, 0) else stored.astype(np.float64) * slope + intercept
    return stored


def apply_voi(values: NDArray[Any], dataset: Dataset, faults: Faults) -> NDArray[Any]:
    """The first table or, failing that, the first window that shows anything of the film; all values where none does."""
    for source in statements(dataset, "FrameVOILUTSequence"):
        for item in items(source, "VOILUTSequence"):
            table = _Table.read(item)
            if table is not None and (shown := table.shown(values)) is not None:
                return shown
            faults.add(Sentence("a VOI look-up table"))
        for centre, width in _windows(source, faults):
            windowed = _through_window(values, centre, width, _function(source, faults))
            if windowed is not None:
                return windowed
            faults.add(Sentence("a window that shows nothing of the film"))
    return values


def _one_number(source: Dataset, keyword: str, default: float, faults: Faults) -> float:
    try:
        found = numbers(source, keyword)
    except DICOM_ERRORS:
        faults.add(Sentence("its rescale slope or intercept"))
        return default
    if len(found) > 1:
        faults.add(Sentence("further rescale slopes or intercepts"))
    return found[0] if found else default


def _windows(source: Dataset, faults: Faults) -> Iterator[tuple[float, float]]:
    """Centre and width of each window; of several the first is the one to begin with (C.11.2.1.2)."""
    if "WindowCenter" not in source and "WindowWidth" not in source:
        return
    try:
        centres, widths = numbers(source, "WindowCenter"), numbers(source, "WindowWidth")
    except DICOM_ERRORS:
        faults.add(Sentence("a window that is no number"))
        return
    if len(centres) != len(widths):
        faults.add(Sentence("{centres} window centres for {widths} widths", centres=len(centres), widths=len(widths)))
    elif len(centres) != 1:
        faults.add(Sentence("further windows") if centres else Sentence("an empty window"))
    yield from zip(centres, widths, strict=False)


def _function(source: Dataset, faults: Faults) -> str:
    """LINEAR, LINEAR_EXACT or SIGMOID; LINEAR is what holds where nothing, or something else, is stated."""
    if "VOILUTFunction" not in source:
        return "LINEAR"
    name = text(source, "VOILUTFunction").replace(" ", "_").replace("-", "_")
    if name not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        faults.add(Sentence("a VOI function that is not known"))
        return "LINEAR"
    return name


def _through_window(values: NDArray[Any], centre: float, width: float, function: str) -> NDArray[Any] | None:
    """Values between the ends of a window, or on its curve; None for a window that shows nothing (C.11.2.1.2, C.11.2.1.3).

    What is between is spread over all shades later, so that no scale is needed here.
    """
    if width < 1 if function == "LINEAR" else width <= 0:
        return None
    middle, reach = (centre - 0.5, (width - 1) / 2) if function == "LINEAR" else (centre, width / 2)
    if np.mean((values > middle - reach) & (values < middle + reach)) < _LEAST_SHARE:
        return None
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values.astype(np.float64) - centre) / width))
    return np.clip(values.astype(np.float64), middle - reach, middle + reach)


class _Table:
    """A look-up table of 8 to 16 bits an entry (C.11.1.1, C.11.2.1.1); what lies beyond an end has the entry at this end."""

    def __init__(self, first: int, entries: NDArray[Any]) -> None:
        self._first, self._entries = first, entries

    @classmethod
    def read(cls, item: Dataset) -> "_Table | None":
        """The table of an item; None where it has none that can be followed."""
        try:
            count, first, bits = (int(word) for word in _words(item, "LUTDescriptor"))
            entries = _words(item, "LUTData", narrow=(count or 2**16) if bits <= _BYTE else 0)
        except (*DICOM_ERRORS, KeyError):
            return None
        count = count or 2**16
        return cls(first, entries[:count]) if len(entries) >= count else None

    def shown(self, values: NDArray[Any]) -> NDArray[Any] | None:
        """The entries for values `(H, W)`; None where all have the same."""
        exact = values.dtype.kind in "iu" and values.dtype.itemsize <= _WORD
        places = values.astype(np.int32) if exact else np.rint(values)
        first = self._first
        if first >= 2**15 and (places.min() < 0 or places.max() < first):  # a negative number, read without its sign
            first -= 2**16
        entries = self._entries[np.clip(places - first, 0, len(self._entries) - 1).astype(np.int32)]
        return entries if entries.min() < entries.max() else None


def _words(item: Dataset, keyword: str, *, narrow: int = 0) -> NDArray[Any]:
    """The 16-bit words of an element, without signs; bytes where it holds but one for each of `narrow` entries."""
    element = item.get_item(keyword)
    if not isinstance(element.value, bytes):  # numbers already
        return np.asarray(element.value, dtype=np.int64) & 0xFFFF
    if len(element.value) < _WORD * narrow:
        return np.frombuffer(element.value, np.uint8)
    order = "<" if not isinstance(element, RawDataElement) or element.is_little_endian else ">"
    return np.frombuffer(element.value[: len(element.value) // _WORD * _WORD], f"{order}u2").astype(np.uint16)
