"""Finding a backbone's weights: a named file, the vendored one, Keras’ cache, or the publisher."""

import os
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.backbones.table import DEFAULT_BACKBONE, PREFERRED_BACKBONE, Backbone, PublishedWeights, get_backbone
from models.system.download import download
from models.system.files import atomic_path, digest
from models.system.quiet import tensorflow_is_installed

WEIGHTS_VARIABLE: Final = "PNEUMOLENS_WEIGHTS"
"""Environment variable: a weight file, or a folder that holds weight files under their published names."""

_RESTORE: Final = "It comes with the product: take it from there again."


class WeightsError(Exception):
    """The weights cannot be had, or are not what they should be. The message says what to do."""


@dataclass(frozen=True)
class WeightsFile:
    """A weight file that was found and hashed.

    Attributes:
        path: the file.
        sha256: its digest, the one that a bundle carries.
        source: "vendored", "published" (the file that Keras publishes, by its MD5), "custom", or how a run here made it:
            "quantised", "fine-tuned" or "from-scratch".
    """

    path: Path
    sha256: str
    source: str


def choose_backbone(requested: str, *, weights: Path | None = None) -> tuple[Backbone, WeightsFile, str]:
    """Resolve `--backbone`, "auto" included, into a backbone, its weights and a sentence that says why this one."""
    if requested != "auto":
        backbone = get_backbone(requested)
        return backbone, find_weights(backbone, weights=weights), "asked for"
    try:
        backbone = get_backbone(PREFERRED_BACKBONE)
        if not tensorflow_is_installed():
            raise WeightsError(f"{PREFERRED_BACKBONE} would have to be converted by TensorFlow, which is not installed")
        return (
            backbone,
            find_weights(backbone, weights=weights),
            f"auto: the weights of {PREFERRED_BACKBONE} were found",
        )
    except WeightsError as error:
        if weights is not None:
            raise
        backbone = get_backbone(DEFAULT_BACKBONE)
        return backbone, find_weights(backbone), f"auto: {str(error).splitlines()[0]}"


def find_weights(backbone: Backbone, *, weights: Path | None = None, download: bool = True) -> WeightsFile:
    """Find a backbone's ImageNet weights.

    The order: `weights` or the file that `PNEUMOLENS_WEIGHTS` names; the vendored file; Keras' cache; the publisher.

    Raises:
        WeightsError: within seconds where none can be had; it names the file, its digest, its address and the places.
    """
    local = weights or _from_environment(backbone)
    if local is not None:
        return _local_file(backbone, local)
    if backbone.weights is None:
        raise WeightsError(_none_published(backbone))
    if not isinstance(backbone.weights, PublishedWeights):
        vendored = Path(__file__).parent / backbone.weights.file
        return _checked(vendored, backbone.weights.sha256, "sha256", source="vendored", remedy=_RESTORE)
    cached = keras_cache() / backbone.weights.file
    if not cached.is_file():
        if not download:
            raise WeightsError(_how_to_get(backbone, backbone.weights, "they are not on this machine"))
        fetch_weights(backbone, cached.parent)
    return _checked(cached, backbone.weights.md5, "md5", source="published", remedy=f"Delete {cached} and try again.")


def fetch_weights(backbone: Backbone, to: Path, *, progress: Callable[[int, int], None] | None = None) -> Path:
    """Download a backbone's published weights into the folder `to`, check their digest, and return the file's path.

    `progress` is called with the bytes that have come and the bytes expected (0 where the server does not say).
    """
    published = backbone.weights
    if published is None:
        raise WeightsError(_none_published(backbone))
    if not isinstance(published, PublishedWeights):
        raise WeightsError(f"The weights of {backbone.id} come with the product: there is nothing to fetch.")
    target = to / published.file
    if target.is_file() and digest(target, "md5") == published.md5:
        return target
    try:
        with atomic_path(target) as temporary:
            download(published.url, temporary, progress)
            if (found := digest(temporary, "md5")) != published.md5:
                reason = f"what its address sent was cut short or is another file (MD5 {found}); nothing was kept of it"
                raise WeightsError(_how_to_get(backbone, published, reason))
    except (OSError, HTTPException) as error:
        reason = str(getattr(error, "reason", error))
        raise WeightsError(_how_to_get(backbone, published, f"the download failed ({reason})")) from error
    return target


def keras_cache() -> Path:
    """The folder in which Keras keeps downloaded weights."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def load_weights(feature_extractor: Any, file: WeightsFile) -> None:
    """Load a weight file into a Keras model that holds the backbone's layers and no others with weights.

    Raises:
        WeightsError: where the file is not one of weights for this architecture; nothing of it is executed.
    """
    try:
        if file.path.suffix == ".npz":
            _load_arrays(feature_extractor, file.path)
        else:
            load_keras_file(feature_extractor, file.path)
    except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{file.path.name} does not hold weights for this backbone without its classifier. Take the file that "
            f"`python -m training weights` fetches, or one saved from the same architecture. Cause: {error}"
        ) from error


def load_keras_file(model: Any, path: Path) -> None:
    """Load an HDF5 file of weights into a Keras model.

    Raises:
        ValueError, OSError: where it does not fit, or cannot be read. Where it holds nothing for a part of the model,
            which would stay random, Keras alone only warns.
    """
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", UserWarning)
        model.load_weights(str(path))
    if gaps := [str(note.message) for note in notes if note.category is UserWarning]:
        raise ValueError(gaps[0])


def _load_arrays(feature_extractor: Any, path: Path) -> None:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        for layer in feature_extractor.layers:
            for variable in layer.weights:
                variable.assign(arrays[f"{layer.name}/{variable.name}"].astype(np.float32))


def _from_environment(backbone: Backbone) -> Path | None:
    value = os.environ.get(WEIGHTS_VARIABLE)
    if not value or not isinstance(backbone.weights, PublishedWeights):
        return None
    path = Path(value)
    return path / backbone.weights.file if path.is_dir() else path


def _local_file(backbone: Backbone, path: Path) -> WeightsFile:
    if not path.is_file():
        raise WeightsError(f"There is no weight file at {path}. Check --weights and {WEIGHTS_VARIABLE}.")
    published = backbone.weights
    genuine = isinstance(published, PublishedWeights) and digest(path, "md5") == published.md5
    return WeightsFile(path, digest(path), "published" if genuine else "custom")


def _checked(path: Path, expected: str, algorithm: str, *, source: str, remedy: str) -> WeightsFile:
    found = digest(path, algorithm) if path.is_file() else "no file"
    if found != expected:
        raise WeightsError(
            f"{path.name} is damaged or not the published file: its {algorithm.upper()} must be {expected}. "
            f"Received: {found}. {remedy}"
        )
    return WeightsFile(path, digest(path), source)


def _none_published(backbone: Backbone) -> str:
    return (
        f"{backbone.id} has no published weights: train it with --from-scratch, or name a file of weights with --weights "
        "FILE."
    )


def _how_to_get(backbone: Backbone, published: PublishedWeights, reason: str) -> str:
    return (
        f"The ImageNet weights of {backbone.id} are needed, and {reason}.\n"
        f"  file:     {published.file}\n"
        f"  MD5:      {published.md5}\n"
        f"  address:  {published.url}\n"
        f"  place:    {keras_cache()}, or name it with --weights FILE or {WEIGHTS_VARIABLE}=FILE\n"
        f"On a machine with a network, `python -m training weights {backbone.id} --to DIR` fetches and checks it.\n"
        f"Without any network, take --backbone {DEFAULT_BACKBONE}: its weights come with the product."
    )
