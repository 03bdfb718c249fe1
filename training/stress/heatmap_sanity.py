"""The sanity check of heatmaps: one that stays as it is when the network forgets everything explains nothing of it.

Adebayo et al. 2018, "Sanity checks for saliency maps" (arXiv:1810.03292): randomise what was learnt, and the map must change.
"""

from collections.abc import Sequence
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from models.backbones.feature_extractor import build_feature_extractor, pooled_outputs
from models.backbones.pooling import pooled_rows
from models.bundle import BundleSpec
from models.engines.engine import Engine
from models.head import DenseHead, build_head, select_pooling
from models.heatmap import head_heatmap
from training.stress.films import Sample
from training.stress.robustness import Finding, sanity_finding

Maps = NDArray[np.float32]

_SIGMA: Final = 1.5  # places; the window of Wang et al.
_STABILISERS: Final = (0.01**2, 0.03**2)  # for maps in [0, 1]
_RANDOM_HEADS: Final = 5


def check_heatmaps(
    spec: BundleSpec, engine: Engine, heads: Sequence[DenseHead], sample: Sample, *, seed: int
) -> list[Finding]:
    """Compare heatmaps with those of a head, then of a backbone, that was drawn at random.

    Of a head that pools over the lungs it is the maps before they are held to the lungs, which would make all of them alike.

    Args:
        heads: the one that judges each film.
        sample: the films.
        seed: of what is drawn.
    """
    label = spec.labels.index(spec.positive) if spec.positive else len(spec.labels) - 1
    pixels, lungs = np.stack(sample.films)[..., None].astype(np.float32), sample.weights()
    seen = engine.run(pixels)
    embeddings = select_pooling(pooled_rows(seen.pooled, seen.feature_map, lungs), spec.head.pooling)
    heatmaps = _heatmaps(heads, seen.feature_map, embeddings, label)

    mean, deviation = embeddings.mean(axis=0), np.maximum(embeddings.std(axis=0), 1e-3)
    random_heads = []
    for number in range(_RANDOM_HEADS):
        drawn = DenseHead.of(build_head(embeddings.shape[1], len(spec.labels), spec.head, seed=seed + number))
        forgetful = [drawn.without_standardisation(mean, deviation)] * len(pixels)
        random_heads.append(_heatmaps(forgetful, seen.feature_map, embeddings, label))

    keras.utils.set_random_seed(seed)
    features = build_feature_extractor(engine.backbone, None).features
    maps, pooled = keras.Model(features.input, pooled_outputs(features.output)).predict_on_batch(pixels)
    embeddings = select_pooling(pooled_rows(pooled, maps, lungs), spec.head.pooling)
    random_backbone = _heatmaps(heads, maps, embeddings, label)
    return [
        compare_heatmaps("head", heatmaps, random_heads, sample.patients),
        compare_heatmaps("backbone", heatmaps, [random_backbone], sample.patients),
    ]


def compare_heatmaps(what: str, heatmaps: Maps, random: Sequence[Maps], patients: Sequence[str]) -> Finding:
    """Hold heatmaps `(n, h, w)` in [0, 1] against one or more sets of those made with a random `what`."""
    correlations = np.mean([rank_correlations(heatmaps, others) for others in random], axis=0)
    similarities = np.mean([structural_similarities(heatmaps, others) for others in random], axis=0)
    return sanity_finding(what, correlations, similarities, patients)


def _heatmaps(heads: Sequence[DenseHead], maps: Maps, embeddings: NDArray[np.float32], label: int) -> Maps:
    """The product's own heatmaps, `(n, h, w)`, of feature maps `(n, h, w, d)`."""
    return np.stack([head_heatmap(*one, label) for one in zip(heads, maps, embeddings, strict=True)])


def rank_correlations(maps: Maps, others: Maps) -> NDArray[np.float64]:
    """Spearman's correlation of each heatmap of `(n, h, w)` with the other one of it: `(n,)`, NaN where one is even."""
    a, b = (_centred_ranks(one) for one in (maps, others))
    spread = np.sqrt(np.square(a).sum(axis=1) * np.square(b).sum(axis=1))
    return np.divide((a * b).sum(axis=1), spread, out=np.full(len(a), np.nan), where=spread > 0)


def structural_similarities(maps: Maps, others: Maps) -> NDArray[np.float64]:
    """SSIM of heatmaps `(n, h, w)` in [0, 1], with a Gaussian window (Wang et al. 2004, doi:10.1109/TIP.2003.819861): `(n,)`."""
    a, b = maps.astype(np.float64), others.astype(np.float64)
    mean_a, mean_b = _windowed(a), _windowed(b)
    variances = _windowed(a * a) - mean_a**2 + _windowed(b * b) - mean_b**2
    covariance = _windowed(a * b) - mean_a * mean_b
    light, contrast = _STABILISERS
    similarity = (2 * mean_a * mean_b + light) * (2 * covariance + contrast)
    similarity /= (mean_a**2 + mean_b**2 + light) * (variances + contrast)
    return np.asarray(similarity.mean(axis=(1, 2)), dtype=np.float64)


def _centred_ranks(maps: Maps) -> NDArray[np.float64]:
    ranks = rankdata(maps.reshape(len(maps), -1), axis=1)
    return np.asarray(ranks - ranks.mean(axis=1, keepdims=True), dtype=np.float64)


def _windowed(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(gaussian_filter(maps, (0, _SIGMA, _SIGMA)), dtype=np.float64)
