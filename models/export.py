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
from models.backbones.weights import WeightsFile, find_weights
from models.bundle import Bundle
from models.engines.int8 import Int8Error, is_int8, read_int8
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
        Int8Error: "int8_export", for a backbone in int8 and another format than openvino.
    """
    if format_name not in SUFFIXES:
        raise ValueError(f"The format must be one of {', '.join(SUFFIXES)}. Received: {format_name!r}")
    if to.suffix != SUFFIXES[format_name]:
        raise ValueError(f"A path for {format_name} must end in {SUFFIXES[format_name]!r}. Received: {to}")
    if format_name == "savedmodel" and to.exists():
        raise ValueError(f"A SavedModel is a new folder, and {to} is there already. Choose another --to.")
    weights = backbone_weights(bundle)
    if is_int8(weights):
        if format_name != "openvino":
            raise Int8Error("int8_export", format=format_name)
        _export_int8(bundle, weights, to)
        return to
    network = _whole_network(bundle, weights)
    if format_name == "savedmodel":
        _export_folder(network, to)
    elif format_name == "openvino":
        _export_openvino(network, to)
    else:
        with atomic_path(to) as temporary:
            _WRITERS[format_name](network, str(temporary))
    return to


def _whole_network(bundle: Bundle, weights: WeightsFile) -> Any:
    from models.backbones.feature_extractor import build_feature_extractor
    from models.network import build_export, build_lung_export

    config, calibration = bundle.spec.head, bundle.spec.calibration
    extractor = build_feature_extractor(get_backbone(bundle.spec.backbone.id), weights)
    head = load_head(bundle).to_keras(config)
    if (finding := _finding(bundle)) is None:
        return build_export(extractor, head, calibration, pooling=config.pooling)
    return build_lung_export(extractor, head, calibration, *finding, pooling=config.pooling)


def _finding(bundle: Bundle) -> tuple[Any, LungFinder] | None:
    """The lung finder with its backbone, as Keras has it; None for a bundle that judges whole films."""
    from models.backbones.feature_extractor import build_feature_extractor

    if bundle.spec.field == "film":
        return None
    backbone = finder_backbone()
    return build_feature_extractor(backbone, find_weights(backbone)), LungFinder.load()


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
        _put_both(Path(scratch, to.name), to)


def _put_both(made: Path, to: Path) -> None:
    for suffix in (".bin", ".xml"):
        shutil.move(made.with_suffix(suffix), to.with_suffix(suffix))


def _export_int8(bundle: Bundle, weights: WeightsFile, to: Path) -> None:
    """OpenVINO's graph of the backbone between what Keras exports of the network before and behind it."""
    from models.network import build_around

    import_openvino_quietly()
    import openvino

    core, backbone = openvino.Core(), get_backbone(bundle.spec.backbone.id)
    graph, config = read_int8(core, backbone, weights), bundle.spec.head
    shape = tuple(side.get_length() for side in list(graph.output(0).partial_shape)[1:])
    head, calibration = load_head(bundle).to_keras(config), bundle.spec.calibration
    around = build_around(shape, backbone.input_size, head, calibration, _finding(bundle), pooling=config.pooling)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent) as scratch:
        places = [f"{scratch}/{name}.xml" for name in ("before", "behind")]
        for network, place in zip(around, places, strict=True):
            _exporter("openvino")(network, place)
        before, behind = map(core.read_model, places)
        openvino.save_model(_joined(before, graph, behind), f"{scratch}/{to.name}", compress_to_fp16=False)
        _put_both(Path(scratch, to.name), to)


def _joined(before: Any, graph: Any, behind: Any) -> Any:
    """One network of OpenVINO's: what `before` gives goes into the graph and past it, and with its map into `behind`."""
    import openvino

    joints = [(before, "Identity:0", graph.inputs[0]), (graph, "Identity:0", behind.input("feature_map"))]
    if len(behind.inputs) > 1:
        joints.append((before, "Identity_1:0", behind.input("lungs")))
    for part, output, parameter in joints:  # outputs by name: TensorFlow leaves others of its own behind
        for target in parameter.get_target_inputs():
            target.replace_source_output(part.output(output).get_node().input_value(0))
    return openvino.Model(behind.get_results(), before.get_parameters(), "pneumolens")
