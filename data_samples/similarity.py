"""The guard: how much a picture has in common with a film, whatever their exposure and position."""

import numpy as np
from group_mean import SIDE, detail, reduce
from PIL import Image

LIMIT = 0.75  # no sample may be as similar as this to any film; README.md says what is typical
LEAD_LIMIT = 0.15  # nor may its most similar film stand out from its twelfth by as much as this
FINE = 2 * SIDE  # the films' own resolution
FINE_LIMIT = 0.5  # at that resolution
_MARGIN = 1 / 14  # of the picture, on each side
_SHIFT = 1 / 12  # of the fingerprint, in each direction


def fingerprint(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The conjugate spectrum of a picture's fine structures, of half as many pixels' resolution as `side`.

    Structures are what is left where the local mean is removed and the local deviation set to 1; mean 0, norm 1. They are
    complex64, `(96, 49)` for `SIDE` and `(192, 97)` for `FINE`.
    """
    square = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
    margin = round(_MARGIN * side / 2)
    structures = detail(reduce(np.asarray(square, np.float32) / 255, 2), 4.0)[margin:-margin, margin:-margin]
    structures = structures - structures.mean()
    return np.conj(np.fft.rfft2(structures / np.linalg.norm(structures))).astype(np.complex64)


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """The highest correlation of two fingerprints' pictures over shifts of up to 16 of 224 pixels; 1 for the same picture."""
    correlations = np.fft.irfft2(np.conj(first) * second)
    shift = round(_SHIFT * len(first))
    span = np.r_[-shift : shift + 1]
    return float(correlations[np.ix_(span, span)].max())


def best_and_lead(mine: np.ndarray, others: list[np.ndarray]) -> tuple[float, float]:
    """The highest similarity, and by how much it exceeds the twelfth highest: large where one film alone shows through."""
    values = np.sort([similarity(mine, other) for other in others])
    return float(values[-1]), float(values[-1] - values[-12])


def same_patient(fingerprints: list[np.ndarray], patients: list[str]) -> np.ndarray:
    """The similarity of the first two films of each patient who has two."""
    by_patient: dict[str, list[int]] = {}
    for index, patient in enumerate(patients):
        by_patient.setdefault(patient, []).append(index)
    return np.array([similarity(*(fingerprints[i] for i in own[:2])) for own in by_patient.values() if len(own) > 1])
