"""Quantising a backbone to int8, once for its weights and the films that it is calibrated on, and kept in the cache.

Calibration takes the ranges of activations from films, and nothing of their labels. NNCF takes some seconds for that, and some
hundred megabytes; it runs in a process of its own, `python -m models.engines.quantise`, so that whoever asked stays small.
"""

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile
from models.engines.converted import converted_backbone
from models.engines.int8 import INT8_SUFFIX, Int8Error, Int8Origin, read_origin, write_int8
from models.system.files import cache_folder, digest
from models.system.quiet import import_openvino_quietly

_SOURCE: Final = "quantised"
_FORM: Final = 1  # raised when quantising gives another graph
_ROOT: Final = Path(__file__).parents[2]


def require_nncf() -> None:
    """Raise Int8Error, "no_nncf", where it is not installed; it is not loaded."""
    if find_spec("nncf") is None:
        raise Int8Error("no_nncf")


def kept_int8(backbone: Backbone, weights: WeightsFile, field: str, films: Collection[str]) -> WeightsFile | None:
    """A backbone that was quantised before, on none but these films (digests); None where there is none.

    So a folder that grows keeps its backbone, and with that its embeddings.

    Args:
        field: names what the backbone is shown of a film, as of `training.embedding.cache.EmbeddingCache`.
    """
    for path in sorted(_folder(backbone, weights, field).glob(f"*{INT8_SUFFIX}")):
        found = WeightsFile(path, digest(path), _SOURCE)
        try:
            if set(read_origin(backbone, found).films) <= set(films):
                return found
        except Int8Error:
            path.unlink(missing_ok=True)
    return None


def quantise_backbone(
    backbone: Backbone, weights: WeightsFile, field: str, films: Mapping[str, NDArray[np.float32]]
) -> WeightsFile:
    """Quantise a backbone, and keep it.

    Args:
        backbone, weights, field: as of `kept_int8`.
        films: what it is shown of each film, `(size, size, 1)` in 0–255, by the films' digests.

    Raises:
        Int8Error: "no_nncf"; "int8_not_made", with the reason.
    """
    require_nncf()
    network = converted_backbone(backbone, weights).network
    name = hashlib.sha256(" ".join(films).encode()).hexdigest()[:16]
    path = _folder(backbone, weights, field) / f"{name}{INT8_SUFFIX}"
    origin = Int8Origin(weights.sha256, weights.source, tuple(films), version("nncf"), version("openvino"))
    with tempfile.TemporaryDirectory(prefix="pneumolens-") as scratch:
        shown, graph = Path(scratch) / "films.npy", Path(scratch) / "backbone.xml"
        np.save(shown, np.stack(list(films.values())))
        command = [sys.executable, "-m", "models.engines.quantise", str(network), str(shown), str(graph)]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["it was ended from outside"])[-1]
            raise Int8Error("int8_not_made", backbone=backbone.id, reason=reason)
        write_int8(graph, origin, path)
    return WeightsFile(path, digest(path), _SOURCE)


def _folder(backbone: Backbone, weights: WeightsFile, field: str) -> Path:
    converted = converted_backbone(backbone, weights).folder.name
    return cache_folder() / "engines" / f"{converted}-{hashlib.sha256(f'{field} {_FORM}'.encode()).hexdigest()[:8]}"


def main(network: str, films: str, to: str) -> None:
    """Quantise OpenVINO's `network` on the films `(n, size, size, 1)` in a file of NumPy's, and write it; loads NNCF.

    Weights take half of the 8-bit range: then a sum of two products fits into 16 bits, which processors without VNNI would cut
    off, and the numbers are the same on all of them.
    """
    import_openvino_quietly()
    import nncf
    import openvino

    shown = np.load(films, allow_pickle=False)
    quantised = nncf.quantize(
        openvino.Core().read_model(network),
        nncf.Dataset([film[None] for film in shown]),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(shown),
        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
    )
    openvino.save_model(quantised, to, compress_to_fp16=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
