"""A bundle, loaded: radiographs in, predictions out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.backbones.table import get_backbone
from models.backbones.weights import WEIGHTS_VARIABLE, WeightsError, WeightsFile, find_weights
from models.bundle import Bundle, BundleError, load_bundle
from models.engines.batching import BATCH_SIZE, SharedEngine
from models.engines.engine import Engine, Features
from models.engines.load import load_engine
from models.films.network_input import network_input
from models.films.radiograph import Radiograph
from models.films.refusal import Refusal
from models.gate import Gate, pixel_finding
from models.head import DenseHead, select_pooling
from models.heatmap import head_heatmap
from models.prediction import Prediction, deciding_points, take_verdict
from models.system.files import digest
from models.system.process import one_thread_for_a_product


class Predictor:
    """One model in memory for all callers; safe to share between threads.

    Attributes:
        bundle: the verified bundle that it was loaded from.
    """

    def __init__(self, bundle: Bundle, *, engine: str = "auto") -> None:
        """Raises BundleError or WeightsError where a part is missing, or does not fit."""
        one_thread_for_a_product()
        self.bundle = bundle
        self._head = load_head(bundle)
        self._gate = load_gate(bundle)
        backbone = get_backbone(bundle.spec.backbone.id)
        self._shared = SharedEngine(load_engine(backbone, backbone_weights(bundle), engine=engine))
        # An engine's first pass compiles: nobody's film should wait for that.
        self._shared.run([np.zeros((backbone.input_size, backbone.input_size, 1), np.float32)])

    @classmethod
    def load(cls, name: str | None = None, *, engine: str = "auto") -> "Predictor":
        """Load a bundle by name (None: the current one); raises BundleError where it is missing or damaged."""
        return cls(load_bundle(name), engine=engine)

    @property
    def engine(self) -> Engine:
        """What runs the backbone."""
        return self._shared.engine

    def predict(self, radiographs: Sequence[Radiograph], *, heatmaps: bool = False) -> list[Prediction | Refusal]:
        """Judge radiographs of any sizes, in order; `heatmaps` adds each one's heatmap from the same pass.

        An image that the gate takes for no chest radiograph is refused; of a film unlike the training films the
        probabilities are given and the verdict is withheld.
        """
        outcomes: list[Prediction | Refusal] = []
        for start in range(0, len(radiographs), BATCH_SIZE):
            batch = radiographs[start : start + BATCH_SIZE]
            films = [network_input(radiograph.pixels, self.engine.backbone.input_size) for radiograph in batch]
            for radiograph, features in zip(batch, self._shared.run(films), strict=True):
                outcomes.append(pixel_finding(radiograph.pixels) or self._judge(features, heatmap=heatmaps))
        return outcomes

    def _judge(self, features: Features, *, heatmap: bool) -> Prediction | Refusal:
        mean = features.pooled[0]
        embedding = select_pooling(features.pooled, self.bundle.spec.head.pooling)
        distance = self._distance(mean)
        finding = self._gate.finding(distance) if self._gate and distance is not None else None
        if finding and finding.code == "not_a_radiograph":
            return finding
        prediction = self._prediction(self._head.logits(embedding[None])[0], distance, finding)
        prediction = replace(prediction, embedding=mean)
        return self._with_heatmap(prediction, features.feature_map, embedding) if heatmap else prediction

    def _distance(self, embedding: NDArray[np.float32]) -> float | None:
        return float(self._gate.distances(embedding[None])[0]) if self._gate else None

    def _prediction(self, logits: NDArray[np.float32], distance: float | None, finding: Refusal | None) -> Prediction:
        spec = self.bundle.spec
        positive = spec.labels.index(spec.positive) if spec.positive else None
        probabilities = spec.calibration.probabilities(logits[None])[0]
        points = deciding_points(spec.operating_points)
        verdict = take_verdict(spec.labels, probabilities, positive=spec.positive, points=points)
        return Prediction(
            labels=spec.labels,
            probabilities=tuple(float(value) for value in probabilities),
            verdict=None if finding else verdict,
            bundle=spec.name,
            positive=spec.positive,
            operating_points=spec.operating_points,
            prevalence=None if positive is None else spec.calibration.prevalence_of(positive),
            interval=None if positive is None else spec.calibration.interval(logits, positive),
            distance=distance,
            finding=finding,
        )

    def _with_heatmap(
        self, prediction: Prediction, feature_map: NDArray[np.float32], embedding: NDArray[np.float32]
    ) -> Prediction:
        likeliest = prediction.labels[int(np.argmax(prediction.probabilities))]
        label = prediction.positive or likeliest
        heatmap = head_heatmap(self._head, feature_map, embedding, prediction.labels.index(label))
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


def load_head(bundle: Bundle) -> DenseHead:
    """Read the numbers of a bundle's head, for the architecture that `bundle.json` states."""
    spec = bundle.spec
    size = spec.head.input_size(get_backbone(spec.backbone.id).embedding_size)
    try:
        return DenseHead.load(bundle.head_file, embedding_size=size, classes=len(spec.labels), width=spec.head.width)
    except (ValueError, KeyError, OSError) as error:
        raise BundleError(f"The head of {spec.name!r} does not fit the architecture in bundle.json: {error}") from error


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
