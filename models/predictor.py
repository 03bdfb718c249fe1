"""A bundle, loaded: radiographs in, predictions out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.backbones import get_backbone
from models.backbones.weights import WEIGHTS_VARIABLE, WeightsError, WeightsFile, find_weights, load_keras_file
from models.bundle import Bundle, BundleError, load_bundle
from models.files import digest
from models.gate import Gate
from models.head import HeadGradient, build_head
from models.heatmap import closed_form_heatmap
from models.prediction import Prediction, take_verdict
from models.radiograph import Radiograph
from models.refusal import Refusal

BATCH_SIZE: Final = 16


class Predictor:
    """One model in memory for all callers; safe to share between threads.

    Attributes:
        bundle: the verified bundle that it was loaded from.
    """

    def __init__(self, bundle: Bundle) -> None:
        from models.network import build_feature_extractor, build_network

        self.bundle = bundle
        backbone = get_backbone(bundle.spec.backbone.id)
        extractor = build_feature_extractor(backbone, backbone_weights(bundle))
        head = load_head(bundle)
        self._resize = extractor.resize
        self._network = build_network(extractor, head)
        self._gradient = HeadGradient.of(head)
        self._gate = load_gate(bundle)
        self._lock = Lock()

    @classmethod
    def load(cls, name: str | None = None) -> "Predictor":
        """Load a bundle by name (None: the current one); raises BundleError where it is missing or damaged."""
        return cls(load_bundle(name))

    def predict(self, radiographs: Sequence[Radiograph], *, heatmaps: bool = False) -> list[Prediction | Refusal]:
        """Judge radiographs of any sizes, in order; `heatmaps` adds each one's heatmap from the same pass.

        An image that the gate takes for no chest radiograph is refused; of a film unlike the training films the
        probabilities are given and the verdict is withheld.
        """
        outcomes: list[Prediction | Refusal] = []
        for start in range(0, len(radiographs), BATCH_SIZE):
            outputs = self._run([radiograph.pixels for radiograph in radiographs[start : start + BATCH_SIZE]])
            probabilities = self.bundle.spec.calibration.probabilities(outputs["logits"])
            for row, values in enumerate(probabilities):
                distance = self._distance(outputs["embedding"][row])
                finding = self._gate.finding(distance) if self._gate and distance is not None else None
                if finding and finding.code == "not_a_radiograph":
                    outcomes.append(finding)
                    continue
                prediction = self._prediction(values, distance, finding)
                outcomes.append(self._with_heatmap(prediction, outputs, row) if heatmaps else prediction)
        return outcomes

    def _run(self, films: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
        with self._lock:
            pixels = [self._resize.predict_on_batch(film[None, :, :, None]) for film in films]
            outputs: dict[str, NDArray[np.float32]] = self._network.predict_on_batch(np.concatenate(pixels))
        return outputs

    def _distance(self, embedding: NDArray[np.float32]) -> float | None:
        return float(self._gate.distances(embedding[None])[0]) if self._gate else None

    def _prediction(
        self, probabilities: NDArray[np.float64], distance: float | None, finding: Refusal | None
    ) -> Prediction:
        spec = self.bundle.spec
        verdict = take_verdict(spec.labels, probabilities, positive=spec.positive, operating_point=spec.operating_point)
        return Prediction(
            labels=spec.labels,
            probabilities=tuple(float(value) for value in probabilities),
            verdict=None if finding else verdict,
            bundle=spec.name,
            positive=spec.positive,
            operating_point=spec.operating_point,
            distance=distance,
            finding=finding,
        )

    def _with_heatmap(self, prediction: Prediction, outputs: dict[str, NDArray[np.float32]], row: int) -> Prediction:
        likeliest = prediction.labels[int(np.argmax(prediction.probabilities))]
        label = prediction.positive or likeliest
        gradient = self._gradient(outputs["embedding"][row], prediction.labels.index(label))
        heatmap = closed_form_heatmap(outputs["feature_map"][row], gradient)
        return replace(prediction, heatmap=heatmap, heatmap_label=label)


def load_gate(bundle: Bundle) -> Gate | None:
    """Load a bundle's gate; None where it has none."""
    if bundle.spec.gate is None:
        return None
    try:
        gate = Gate.load(bundle.gate_file, bundle.spec.gate)
    except ValueError as error:
        raise BundleError(f"The gate of {bundle.spec.name!r} cannot be used: {error}") from error
    if len(gate.mean) != (size := get_backbone(bundle.spec.backbone.id).embedding_size):
        raise BundleError(f"The gate of {bundle.spec.name!r} must be for {size} numbers. Received: {len(gate.mean)}")
    return gate


def load_head(bundle: Bundle) -> Any:
    """Build a bundle's head from code and load its verified weights."""
    spec = bundle.spec
    head = build_head(get_backbone(spec.backbone.id).embedding_size, len(spec.labels), spec.head)
    try:
        load_keras_file(head, bundle.head_file)
    except (ValueError, OSError) as error:
        raise BundleError(f"The head of {spec.name!r} does not fit the architecture in bundle.json: {error}") from error
    return head


def backbone_weights(bundle: Bundle) -> WeightsFile:
    """Find the very weights that a bundle's embeddings were made with: in the bundle, or on this machine."""
    ref = bundle.spec.backbone
    file = _weights_in(bundle) or find_weights(get_backbone(ref.id))
    if file.sha256 != ref.weights_sha256:
        raise WeightsError(
            f"The bundle {bundle.spec.name!r} was made with other weights of {ref.id}: their SHA-256 must be "
            f"{ref.weights_sha256}. Received: {file.sha256} from {file.path}. Name the right file with {WEIGHTS_VARIABLE}."
        )
    return file


def _weights_in(bundle: Bundle) -> WeightsFile | None:
    path: Path | None = bundle.backbone_file
    return WeightsFile(path, digest(path), bundle.spec.backbone.source) if path else None
