"""A backbone in 8-bit integers: a graph of OpenVINO's whose weights and activations NNCF has quantised, as one file.

The file stands wherever one of weights does: a bundle carries it, its digest names the embeddings that it makes, workers of a
cluster are sent it. It is a ZIP archive of OpenVINO's two files, which hold numbers and tensor operations and no code, and of
what it was made from. Only OpenVINO runs it.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from models.backbones.table import Backbone
from models.backbones.weights import WeightsError, WeightsFile
from models.system.files import atomic_path
from models.system.sentence import CodedError

INT8_SUFFIX: Final = ".int8"

_GRAPH, _NUMBERS, _ORIGIN = "backbone.xml", "backbone.bin", "origin.json"
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


class Int8Error(CodedError, WeightsError):
    """A backbone in int8 that cannot be made, read or run; what it is asked for needs another one."""

    codes: ClassVar[Mapping[str, str]] = {
        "no_nncf": "--precision int8 needs NNCF, which is not installed with the product. Install it with: "
        "python -m pip install -r requirements-int8.txt",
        "int8_not_made": "The backbone {backbone} could not be quantised: {reason}. Train without --precision int8.",
        "int8_damaged": "{file} does not hold the backbone {backbone} in int8: {reason}. Copy the bundle again, or train it "
        "again.",
        "int8_engine": "A backbone in int8 runs on OpenVINO alone. Received: the engine keras. Take the engine openvino or auto, "
        "or a bundle that was trained without --precision int8.",
        "int8_export": "A backbone in int8 can be exported as openvino alone. Received: {format}. Take --format openvino, or a "
        "bundle that was trained without --precision int8.",
    }


@dataclass(frozen=True)
class Int8Origin:
    """What a backbone in int8 was made from.

    Attributes:
        weights_sha256, source: of the weights that were quantised, as of `models.backbones.weights.WeightsFile`.
        films: digests of the films that ranges of activations were taken from.
        nncf, openvino: versions.
    """

    weights_sha256: str
    source: str
    films: tuple[str, ...]
    nncf: str
    openvino: str


def is_int8(weights: WeightsFile) -> bool:
    """Whether a file of weights is a backbone in int8."""
    return weights.path.suffix == INT8_SUFFIX


def write_int8(graph: Path, origin: Int8Origin, to: Path) -> None:
    """Put what OpenVINO wrote at `graph`, NAME.xml and NAME.bin, into one file; the same content gives the same bytes."""
    parts = {
        _ORIGIN: json.dumps(asdict(origin)).encode(),
        _GRAPH: graph.read_bytes(),
        _NUMBERS: graph.with_suffix(".bin").read_bytes(),
    }
    with atomic_path(to) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), content, zipfile.ZIP_DEFLATED)


def read_int8(core: Any, backbone: Backbone, weights: WeightsFile) -> Any:
    """The graph, for `openvino.Core.compile_model`: pixels `(n, size, size, 1)` → feature map `(n, h, w, d)`, pooled `(n, 2, d)`.

    Raises:
        Int8Error: "int8_damaged", for a file that holds no such graph of this backbone.
    """
    try:
        with zipfile.ZipFile(weights.path) as archive:
            network = core.read_model(archive.read(_GRAPH), archive.read(_NUMBERS))
        shapes = [str(port.partial_shape) for port in (*network.inputs, *network.outputs)]
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(backbone, weights, str(error).splitlines()[0]) from error
    size, channels = backbone.input_size, backbone.embedding_size
    ends = (f",{size},{size},1]", f",{channels}]", f",2,{channels}]")
    if len(shapes) != len(ends) or not all(shape.endswith(end) for shape, end in zip(shapes, ends, strict=True)):
        raise _damaged(backbone, weights, f"its inputs and outputs are {', '.join(shapes) or 'none'}")
    return network


def read_origin(backbone: Backbone, weights: WeightsFile) -> Int8Origin:
    """What a file was made from; raises Int8Error, "int8_damaged", where it does not say, or any part of it is damaged."""
    try:
        with zipfile.ZipFile(weights.path) as archive:
            if spoilt := archive.testzip():
                raise _damaged(backbone, weights, f"{spoilt} is not what was written")
            return _origin(archive)
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(backbone, weights, str(error)) from error


def calibration_films(file: Path) -> tuple[str, ...]:
    """The digests of the films that a backbone in int8 was calibrated on; none where the file does not say."""
    try:
        with zipfile.ZipFile(file) as archive:
            return _origin(archive).films
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error):
        return ()


def _origin(archive: zipfile.ZipFile) -> Int8Origin:
    found = json.loads(archive.read(_ORIGIN))
    return Int8Origin(**{**found, "films": tuple(found["films"])})


def _damaged(backbone: Backbone, weights: WeightsFile, reason: str) -> Int8Error:
    return Int8Error("int8_damaged", file=weights.path.name, backbone=backbone.id, reason=reason)
