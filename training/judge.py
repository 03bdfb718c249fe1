"""What a head says of images: through the same network, calibration and thresholds that the bundle carries."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from models.calibration import Calibration
from models.network import FeatureExtractor
from training.cache import EmbeddingCache
from training.config import AugmentationConfig
from training.embed import embed
from training.head import head_logits
from training.manifest import Entry
from training.material import class_indices
from training.validation import Judged


def judge(
    extractor: FeatureExtractor,
    head: Any,
    calibration: Calibration,
    root: Path,
    entries: Sequence[Entry],
    cache: EmbeddingCache,
    *,
    labels: tuple[str, ...],
    positive: str | None,
    progress: Callable[[int, int], None] | None = None,
) -> Judged:
    """Judge plain films that the head was not fitted on; embeddings that the cache has are not computed again."""
    plain = embed(
        extractor, root, entries, cache, views=0, augmentation=AugmentationConfig(), seed=0, progress=progress
    )
    logits = head_logits(head, plain[:, 0])
    truth = class_indices(entries, labels)
    return Judged(truth, calibration.probabilities(logits), [entry.patient for entry in entries], labels, positive)
