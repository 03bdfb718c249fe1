"""The whole network for other programs: raw pixels in, calibrated probabilities out.

Every format takes uint8 images `(n, H, W, 1)` of any height and width, 0 black to 255 white, and gives float32 `(n, classes)`.
For a bundle of the lung field, film, lungs, cut and contrast are in the graph too. An export cannot refuse: where no lungs are
found it judges the whole film, and a turned or inverted film as it is; findings of the film and the gate stay in the product.
"""

import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.backbones.table import get_backbone
from models.backbones.weights import find_weights
from models.bundle import Bundle
from models.lungs.finder import LungFinder, finder_backbone
from models.predictor import backbone_weights, load_head
from models.system.files import atomic_path
from models.system.quiet import import_openvino_quietly, quiet_logger

SUFFIXES: Final = {
    "keras": ".keras",
    "h5": ".h5",
    "onnx": ".onnx",
    "openvino": ".xml",
    "litert": ".tflite",
    "savedmodel": "",
}
"""The formats, and the suffix that a file of each must have; a SavedModel is a folder."""


def export_bundle(bundle: Bundle, format_name: str, to: Path) -> Path:
    """Write a bundle's network in a format of `SUFFIXES` and return its path; whole or not there.

    The Keras formats need `models.lungs.graph` (for whole films, `models.films.resize` suffices) to be imported where they are
    loaded: it knows their layers.

    Raises:
        ValueError: for an unknown format, or a path whose suffix is not the format's.
    """
    if format_name not in SUFFIXES:
        raise ValueError(f"The format must be one of {', '.join(SUFFIXES)}. Received: {format_name!r}")
    if to.suffix != SUFFIXES[format_name]:
        raise ValueError(f"A path for {format_name} must end in {SUFFIXES[format_name]!r}. Received: {to}")
    if format_name == "savedmodel" and to.exists():
        raise ValueError(f"A SavedModel is a new folder, and {to} is there already. Choose another --to.")
    network = _whole_network(bundle)
    if format_name == "savedmodel":
        _export_folder(network, to)
    elif format_name == "openvino":
        _export_openvino(network, to)
    else:
        with atomic_path(to) as temporary:
            _WRITERS[format_name](network, str(temporary))
    return to


def _whole_network(bundle: Bundle) -> Any:
    from models.backbones.feature_extractor import build_feature_extractor
    from models.network import build_export, build_lung_export

    config, calibration = bundle.spec.head, bundle.spec.calibration
    extractor = build_feature_extractor(get_backbone(bundle.spec.backbone.id), backbone_weights(bundle))
    head = load_head(bundle).to_keras(config)
    if bundle.spec.field == "film":
        return build_export(extractor, head, calibration, pooling=config.pooling)
    backbone = finder_backbone()
    finding = build_feature_extractor(backbone, find_weights(backbone))
    return build_lung_export(extractor, head, calibration, finding, LungFinder.load(), pooling=config.pooling)


def _exporter(format_name: str) -> Callable[[Any, str], None]:
    return lambda network, path: network.export(path, format=format_name, verbose=False)


def _save_h5(network: Any, path: str) -> None:
    with quiet_logger("absl"):  # where Keras advises its own format; the user asked for this one
        network.save(path)


def _export_onnx(network: Any, path: str) -> None:
    network(np.zeros((1, 1, 1, 1), np.uint8))  # Keras exports to ONNX only what was called once
    with quiet_logger("tf2onnx"), warnings.catch_warnings():
        # Keras looks whether NumPy still has names that tf2onnx uses, and NumPy warns of the question.
        warnings.filterwarnings("ignore", message=r"In the future `np\.", category=FutureWarning)
        _exporter("onnx")(network, path)


_WRITERS: Final[dict[str, Callable[[Any, str], None]]] = {
    "keras": lambda network, path: network.save(path),
    "h5": _save_h5,
    "onnx": _export_onnx,
    "litert": _exporter("litert"),
}


def _export_folder(network: Any, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent) as scratch:
        _exporter("tf_saved_model")(network, f"{scratch}/model")
        Path(scratch, "model").rename(to)


def _export_openvino(network: Any, to: Path) -> None:
    """Two files, NAME.xml and NAME.bin: the weights are put in place before the description that needs them."""
    import_openvino_quietly()
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent) as scratch:
        _exporter("openvino")(network, f"{scratch}/{to.name}")
        for suffix in (".bin", ".xml"):
            shutil.move(Path(scratch, to.name).with_suffix(suffix), to.with_suffix(suffix))
