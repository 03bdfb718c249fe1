"""Backbones in OpenVINO's form, converted once for each set of weights and kept in the cache.

Converting needs TensorFlow, for some seconds; it runs in a process of its own, so that whoever asked stays small. Only a process
that has TensorFlow anyway, as one that has trained a backbone, does it itself, and saves the seconds that loading it again takes.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from models.backbones.table import Backbone
from models.backbones.weights import WeightsError, WeightsFile, find_weights
from models.system.files import CACHE_VARIABLE, cache_folder, digest, write_atomically
from models.system.quiet import import_openvino_quietly

CONVERTED_VARIABLE: Final = "PNEUMOLENS_CONVERTED"
"""Environment variable: a folder of backbones that are converted already, which is read and not written to."""

_NETWORK: Final = "backbone.xml"
_FILES: Final = (_NETWORK, "backbone.bin")
_DIGESTS: Final = "digests.json"
_NOTES: Final = "notes.json"
_FORM: Final = 4  # raised when the graph that is converted changes
_ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class ConvertedBackbone:
    """A folder with a converted backbone, its files verified."""

    folder: Path

    @property
    def network(self) -> Path:
        """What OpenVINO reads: pixels `(n, size, size, 1)` → feature map `(n, h, w, d)`, pooled `(n, 2, d)`."""
        return self.folder / _NETWORK

    def recall(self, name: str) -> float | None:
        """A number that was found out about it on a processor like this one."""
        try:
            found = json.loads((self.folder / _NOTES).read_text(encoding="utf-8"))[name]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return float(found) if isinstance(found, int | float) else None

    def remember(self, name: str, value: float) -> None:
        """Keep a number for next time, where the folder can be written to."""
        try:
            write_atomically(self.folder / _NOTES, json.dumps({name: value}))
        except OSError:
            return  # it is found out anew next time


def converted_backbone(backbone: Backbone, weights: WeightsFile, *, apart: bool = True) -> ConvertedBackbone:
    """Find a backbone in OpenVINO's form, or convert it; what is damaged is converted anew.

    `apart`: in a process of its own. Otherwise in this one, which must have loaded TensorFlow, for weights that it made itself.

    Raises:
        WeightsError: where the conversion fails, as with weights of another architecture.
    """
    folder = cache_folder() / "engines" / f"{backbone.id}-{_key(backbone, weights)}"
    if not _is_whole(folder) and not _copy_ready_made(folder):
        if apart:
            _convert_apart(backbone, weights, folder)
        else:
            convert_backbone(backbone, weights.path, folder)
    return ConvertedBackbone(folder)


def convert_backbone(backbone: Backbone, weights: Path, folder: Path) -> None:
    """Write a backbone in OpenVINO's form into `folder`, whole or not at all; loads TensorFlow."""
    import_openvino_quietly()
    import keras

    from models.backbones.feature_extractor import build_feature_extractor, pooled_outputs

    features = build_feature_extractor(backbone, find_weights(backbone, weights=weights)).features
    network = keras.Model(features.input, pooled_outputs(features.output))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as scratch:
        place = Path(scratch) / "backbone"
        place.mkdir()
        network.export(str(place / _NETWORK), format="openvino", verbose=False)
        digests = {name: digest(place / name) for name in _FILES}
        (place / _DIGESTS).write_text(json.dumps(digests), encoding="utf-8")
        _put(place, folder)


def _copy_ready_made(folder: Path) -> bool:
    """Copy a backbone that came converted with the image into the cache; False where none did."""
    place = os.environ.get(CONVERTED_VARIABLE)
    if not place or not _is_whole(ready := Path(place) / folder.name):
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".copying-") as scratch:
        # What was found out on another processor need not hold on this one.
        copied = shutil.copytree(ready, Path(scratch) / "backbone", ignore=shutil.ignore_patterns(_NOTES))
        _put(copied, folder)
    return True


def _put(made: Path, folder: Path) -> None:
    if not _is_whole(folder):  # another process may have been faster
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def _convert_apart(backbone: Backbone, weights: WeightsFile, folder: Path) -> None:
    command = [sys.executable, "-m", "models", "convert", backbone.id, str(weights.path.absolute()), str(folder)]
    command += ["--taps", *backbone.taps]  # the caller's, which need not be those of the table
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["it was ended from outside"]
        raise WeightsError(
            f"The backbone {backbone.id} could not be made ready for OpenVINO in {folder.parent} ({CACHE_VARIABLE} names another "
            f"cache): {reason[0]}"
        )


def _key(backbone: Backbone, weights: WeightsFile) -> str:
    """Everything that decides what the converted network computes."""
    parts = (backbone.id, backbone.input_size, backbone.mean, backbone.deviation, backbone.taps, weights.sha256)
    basis = f"{parts} {version('openvino')} {version('keras')} {_FORM}"
    return hashlib.sha256(basis.encode()).hexdigest()[:16]


def _is_whole(folder: Path) -> bool:
    try:
        digests = json.loads((folder / _DIGESTS).read_text(encoding="utf-8"))
        return bool(digests) and all(digest(folder / name) == digests[name] for name in _FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False
