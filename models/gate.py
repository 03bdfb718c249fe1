"""Whether an image is one that the bundle can speak of: how far its embedding lies outside the training films.

The embeddings of the training films lie close to a plane of a few dozen directions. What an image has off that plane,
measured against what training films have off it, is its distance: about 1 for a film like them, whatever its class, some
times as much for a film of other people or another device, and ten times and more for anything that is no chest film.
(Residual of principal components, as in Wang et al. 2022, "ViM", doi:10.1109/CVPR52688.2022.00487.)
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.films.refusal import Refusal
from models.system.sentence import Sentence

GATE_FILE: Final = "gate.npz"

_FEWEST_LEVELS: Final = 32


@dataclass(frozen=True)
class GateThresholds:
    """The two levels, as distances.

    Attributes:
        unlike: above it, the verdict is withheld: `unlike_training_data`.
        not_a_radiograph: above it, the image is refused: `not_a_radiograph`.
        false_alarms: share of new patients' films above `unlike`, `(value, low, high)`, 95 % interval, out of fold.
    """

    unlike: float
    not_a_radiograph: float
    false_alarms: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not 0 < self.unlike < self.not_a_radiograph:
            raise ValueError(f"Thresholds must be 0 < unlike < not_a_radiograph. Received: {self}")


@dataclass(frozen=True, eq=False)
class Gate:
    """The plane of the training films.

    Attributes:
        mean, deviation: `(d,)`, of the training embeddings.
        components: `(k, d)`, orthonormal directions of the standardised embeddings.
        residual: mean squared distance of training films from the plane.
        thresholds: the two levels.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    components: NDArray[np.float32]
    residual: float
    thresholds: GateThresholds

    def distances(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """How far each embedding of `(n, d)` lies outside: `(n,)`, 0 or more, 1 for a typical training film."""
        return plane_distances(embeddings, self.mean, self.deviation, self.components) / self.residual

    def finding(self, distance: float) -> Refusal | None:
        """What a distance means; None for an image like the training films."""
        if distance > self.thresholds.not_a_radiograph:
            return Refusal(
                "not_a_radiograph",
                Sentence(
                    "This does not look like a chest radiograph: it lies {distance:.0f} times as far from the training films as "
                    "they lie from each other. Check that it is one frontal chest film, upright and not a photograph of a "
                    "screen.",
                    distance=distance,
                ),
            )
        if distance > self.thresholds.unlike:
            return Refusal(
                "unlike_training_data",
                Sentence(
                    "This film is unlike those that the model was trained on ({distance:.1f} times the usual distance, limit "
                    "{limit:.1f}), so no verdict is given. For films of another hospital, age group or view, train on a folder "
                    "of them: python -m training train FOLDER --name NAME.",
                    distance=distance,
                    limit=self.thresholds.unlike,
                ),
            )
        return None

    def save(self, folder: Path) -> None:
        """Write the plane as `gate.npz`; the thresholds are in `bundle.json`."""
        np.savez(
            folder / GATE_FILE,
            mean=self.mean,
            deviation=self.deviation,
            components=self.components.astype(np.float16),
            residual=np.float64(self.residual),
        )

    @classmethod
    def load(cls, path: Path, thresholds: GateThresholds) -> "Gate":
        """Read what `save` wrote; a ValueError where it holds something else."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                mean, deviation, components = (arrays[name] for name in ("mean", "deviation", "components"))
                residual = float(arrays["residual"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path.name} holds no gate: {error}") from error
        if components.ndim != 2 or not components.shape[1:] == mean.shape == deviation.shape or not residual > 0:
            raise ValueError(
                f"{path.name} must hold mean and deviation (d,), components (k, d) and a positive residual."
            )
        return cls(mean, deviation, components.astype(np.float32), residual, thresholds)


def pixel_finding(pixels: NDArray[np.uint8]) -> Refusal | None:
    """What the pixels `(H, W)` alone tell: a blank page, a drawing or a page of text has few grey levels, a film many."""
    levels = int(np.count_nonzero(np.bincount(pixels.ravel(), minlength=256)))
    if levels >= _FEWEST_LEVELS:
        return None
    return Refusal(
        "not_a_radiograph",
        Sentence(
            "This does not look like a chest radiograph: it has {levels} grey levels, and a film {fewest} or more. Check that it "
            "is a film and not a drawing, a page of text or a blank picture.",
            levels=levels,
            fewest=_FEWEST_LEVELS,
        ),
    )


def plane_distances(
    embeddings: NDArray[np.float32],
    mean: NDArray[np.float32],
    deviation: NDArray[np.float32],
    components: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Squared distances `(n,)` of standardised embeddings from the plane that `components` `(k, d)` span."""
    standardised = ((embeddings - mean) / deviation).astype(np.float64)
    within = standardised @ components.astype(np.float64).T
    return np.maximum(np.square(standardised).sum(axis=1) - np.square(within).sum(axis=1), 0)
