"""A bundle, loaded: radiographs in, predictions out."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backbones.pooling import pooled_rows
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
from models.group import FEWEST_FILMS, GroupComparison, GroupReference
from models.head import DenseHead, select_pooling
from models.heatmap import attention_within, head_heatmap
from models.lungs.field import field_box, lung_field
from models.lungs.finder import CHANNELS, LungFinder, finder_backbone
from models.lungs.search import REFUSING, FoundLungs, find_lungs
from models.prediction import Prediction, deciding_points, take_verdict
from models.system.files import digest
from models.system.process import one_thread_for_a_product

_ATTENTION_SIDE: Final = 224
"""Places along each side at which heatmap and lungs are held against each other."""


class Predictor:
    """One model in memory for all callers; safe to share between threads.

    Attributes:
        bundle: the verified bundle that it was loaded from.
    """

    def __init__(
        self, bundle: Bundle, *, engine: str = "auto", weights: WeightsFile | None = None, threads: int | None = None
    ) -> None:
        """Raises BundleError or WeightsError where a part is missing, or does not fit.

        Args:
            weights: those of the bundle's backbone; None: they are in the bundle, or found on this machine.
            threads: see `models.engines.load.load_engine`.
        """
        one_thread_for_a_product()
        self.bundle = bundle
        self._head = load_head(bundle)
        self._gate = load_gate(bundle)
        self._group = _load_group(bundle)
        backbone = get_backbone(bundle.spec.backbone.id)
        loaded = load_engine(backbone, weights or backbone_weights(bundle), engine=engine, threads=threads)
        self._shared = _warmed_up(loaded)
        self._lungs = _load_lung_finder(engine, threads) if bundle.spec.field == "lungs" else None

    @classmethod
    def load(cls, name: str | None = None, *, engine: str = "auto") -> "Predictor":
        """Load a bundle by name (None: the current one); raises BundleError where it is missing or damaged."""
        return cls(load_bundle(name), engine=engine)

    @property
    def engine(self) -> Engine:
        """What runs the backbone."""
        return self._shared.engine

    def with_head(self, head: DenseHead) -> "Predictor":
        """The same with another head, such as one of the cross-validation; engines are shared."""
        other = copy(self)
        other._head = head
        return other

    def find_lungs(self, pictures: Sequence[NDArray[np.uint8]]) -> list[FoundLungs | None]:
        """The lungs of pictures `(H, W)`; None for a bundle that judges whole films."""
        return list(find_lungs(*self._lungs, pictures)) if self._lungs else [None] * len(pictures)

    def compare_group(self, predictions: Sequence[Prediction]) -> GroupComparison | None:
        """Whether films as a group differ from the training films; None for too few, or a bundle that cannot say."""
        judged = [one for one in predictions if one.embedding is not None and one.distance is not None]
        if self._group is None or len(judged) < FEWEST_FILMS:
            return None
        probabilities = [
            one.probabilities[-1] if one.positive is None else one.probability(one.positive) for one in judged
        ]
        embeddings = [one.embedding for one in judged if one.embedding is not None]
        return self._group.compare(embeddings, [one.distance or 0.0 for one in judged], probabilities)

    def predict(self, radiographs: Sequence[Radiograph], *, heatmaps: bool = False) -> list[Prediction | Refusal]:
        """Judge radiographs of any sizes, in order; `heatmaps` adds each one's heatmap from the same pass.

        An image that is taken for no chest radiograph, and a film that is turned or inverted or shows no lungs, is refused; of
        a film unlike the training films the probabilities are given and the verdict is withheld.
        """
        outcomes: list[Prediction | Refusal] = []
        for start in range(0, len(radiographs), BATCH_SIZE):
            batch = radiographs[start : start + BATCH_SIZE]
            outcomes += map(_with_notes, batch, self._predict_batch(batch, heatmaps=heatmaps))
        return outcomes

    def _predict_batch(self, batch: Sequence[Radiograph], *, heatmaps: bool) -> Iterator[Prediction | Refusal]:
        found = self.find_lungs([radiograph.pixels for radiograph in batch])
        refusals = [_hindrance(radiograph, lungs) for radiograph, lungs in zip(batch, found, strict=True)]
        films = [
            self._shown(radiograph, lungs)
            for radiograph, lungs, refusal in zip(batch, found, refusals, strict=True)
            if refusal is None
        ]
        features = iter(self._shared.run(films) if films else ())
        for lungs, refusal in zip(found, refusals, strict=True):
            yield refusal or self._judge(next(features), lungs, heatmap=heatmaps)

    def _shown(self, radiograph: Radiograph, lungs: FoundLungs | None) -> NDArray[np.float32]:
        """What the backbone sees of a film, `(size, size, 1)`."""
        size = self.engine.backbone.input_size
        if lungs is None:
            return network_input(radiograph.pixels, size)
        return lung_field(radiograph.pixels, lungs.judged, size)

    def _judge(self, features: Features, lungs: FoundLungs | None, *, heatmap: bool) -> Prediction | Refusal:
        embedding = self._embedding(features, lungs)
        mean = features.pooled[0]
        distance = self._distance(mean if lungs is None else np.concatenate([lungs.embedding, mean]))
        finding = self._gate.finding(distance) if self._gate and distance is not None else None
        if finding and finding.code == "not_a_radiograph":
            return finding
        if lungs is not None:
            finding = lungs.finding or finding
        prediction = self._prediction(self._head.logits(embedding[None])[0], distance, finding)
        prediction = replace(prediction, embedding=mean.copy())  # of its own: a view would keep all poolings
        if lungs is not None:
            prediction = replace(prediction, field=field_box(lungs.judged), notes=(lungs.note,) if lungs.note else ())
        return self._with_heatmap(prediction, features.feature_map, embedding, lungs) if heatmap else prediction

    def _embedding(self, features: Features, lungs: FoundLungs | None) -> NDArray[np.float32]:
        """What the head is given of one film."""
        weights = None if lungs is None else lungs.weights[None]
        rows = pooled_rows(features.pooled[None], features.feature_map[None], weights)
        return select_pooling(rows[0], self.bundle.spec.head.pooling)

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
        self,
        prediction: Prediction,
        feature_map: NDArray[np.float32],
        embedding: NDArray[np.float32],
        lungs: FoundLungs | None,
    ) -> Prediction:
        likeliest = prediction.labels[int(np.argmax(prediction.probabilities))]
        label = prediction.positive or likeliest
        weights = lungs.weights if lungs is not None and self.bundle.spec.head.pooling == "lungs" else None
        heatmap = head_heatmap(self._head, feature_map, embedding, prediction.labels.index(label), lungs=weights)
        attention = None if lungs is None else attention_within(heatmap, lungs.in_field(_ATTENTION_SIDE))
        return replace(prediction, heatmap=heatmap, heatmap_label=label, attention=attention)


def _warmed_up(engine: Engine) -> SharedEngine:
    """An engine's first pass compiles: nobody's film should wait for that."""
    shared, size = SharedEngine(engine), engine.backbone.input_size
    shared.run([np.zeros((size, size, 1), np.float32)])
    return shared


def _load_lung_finder(engine: str, threads: int | None) -> tuple[SharedEngine, LungFinder]:
    backbone = finder_backbone()
    loaded = load_engine(backbone, find_weights(backbone), engine=engine, threads=threads)
    return _warmed_up(loaded), LungFinder.load()


def _load_group(bundle: Bundle) -> GroupReference | None:
    if bundle.group_file is None:
        return None
    try:
        return GroupReference.load(bundle.group_file)
    except ValueError as error:
        raise BundleError(f"A part of {bundle.spec.name!r} cannot be used: {error}") from error


def _with_notes(radiograph: Radiograph, outcome: Prediction | Refusal) -> Prediction | Refusal:
    """What was found on a film after what was noted when it was read."""
    if isinstance(outcome, Refusal) or not radiograph.notes:
        return outcome
    return replace(outcome, notes=radiograph.notes + outcome.notes)


def _hindrance(radiograph: Radiograph, lungs: FoundLungs | None) -> Refusal | None:
    """Why a picture cannot be judged as it is; None where it can."""
    if refusal := pixel_finding(radiograph.pixels):
        return refusal
    finding = lungs.finding if lungs else None
    return finding if finding is not None and finding.code in REFUSING else None


def load_gate(bundle: Bundle) -> Gate | None:
    """Load a bundle's gate; None where it has none."""
    if bundle.spec.gate is None:
        return None
    try:
        gate = Gate.load(bundle.gate_file, bundle.spec.gate)
    except ValueError as error:
        raise BundleError(f"The gate of {bundle.spec.name!r} cannot be used: {error}") from error
    size = get_backbone(bundle.spec.backbone.id).embedding_size + (CHANNELS if bundle.spec.field == "lungs" else 0)
    if len(gate.mean) != size:
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
