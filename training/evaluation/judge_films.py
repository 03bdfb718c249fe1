"""What a head says of images: through the same network, calibration and thresholds that the bundle carries."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.engines.engine import Engine
from models.gate import Gate
from models.head import DenseHead, select_pooling
from training.config import AugmentationConfig
from training.data.learnable import class_indices
from training.data.manifest import Entry
from training.embedding.cache import EmbeddingCache
from training.embedding.embed import embed
from training.embedding.folder_lungs import FolderLungs
from training.metrics.judged import Judged


def judge(
    engine: Engine,
    head: DenseHead,
    calibration: Calibration,
    root: Path,
    entries: Sequence[Entry],
    cache: EmbeddingCache,
    *,
    pooling: str,
    labels: tuple[str, ...],
    positive: str | None,
    gate: Gate | None = None,
    lungs: FolderLungs | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Judged:
    """Judge plain films that the head was not fitted on; embeddings that the cache has are not computed again.

    With a gate its findings are noted; the probabilities are those that the head gives all the same.
    """
    pooled = embed(
        engine, root, entries, cache, views=0, augmentation=AugmentationConfig(), seed=0, lungs=lungs, progress=progress
    )
    logits = head.logits(select_pooling(pooled[:, 0], pooling))
    return Judged(
        class_indices(entries, labels),
        calibration.probabilities(logits),
        [entry.patient for entry in entries],
        labels,
        positive,
        Calibration.identity(len(labels)).probabilities(logits),
        _codes(gate, select_pooling(pooled[:, 0], "mean"), entries, lungs),
    )


def _codes(
    gate: Gate | None, means: NDArray[np.float32], entries: Sequence[Entry], lungs: FolderLungs | None
) -> NDArray[np.str_] | None:
    """The code of what is found on each film before it is judged, "" for nothing; None where nothing is looked for."""
    if lungs is not None:
        means = np.concatenate([lungs.whole(entries), means], axis=1)
    codes = gate_codes(gate, means) if gate else None
    if lungs is None:
        return codes
    findings = [lungs.found[entry.sha256].finding for entry in entries]
    own = np.array([finding.code if finding else "" for finding in findings], dtype=np.str_)
    return own if codes is None else np.where(own == "", codes, own)


def gate_codes(gate: Gate, embeddings: NDArray[np.float32]) -> NDArray[np.str_]:
    """The code of the gate's finding on each embedding of `(n, d)`, "" for none."""
    findings = [gate.finding(float(distance)) for distance in gate.distances(embeddings)]
    return np.array([finding.code if finding else "" for finding in findings], dtype=np.str_)
