"""Whether a bundle can judge, before anybody relies on it."""

import numpy as np

from models.backbones.table import get_backbone
from models.bundle import Bundle, BundleError, load_bundle
from models.predictor import Predictor, load_head

_PROBES = 16


def prove_bundle(bundle: Bundle, *, engine: str = "auto") -> Predictor:
    """Load a verified bundle, let every network of it run once, and see that probabilities come out of its head.

    Raises:
        BundleError, WeightsError: where a part is missing, does not fit, or gives no probabilities, or where other files took
            the place of those that were verified.
    """
    predictor = Predictor(bundle, engine=engine)
    spec = bundle.spec
    size = spec.head.input_size(get_backbone(spec.backbone.id).embedding_size)
    probes = np.random.default_rng(0).normal(size=(_PROBES, size)).astype(np.float32)
    probabilities = spec.calibration.probabilities(load_head(bundle).logits(probes))
    if probabilities.shape != (_PROBES, len(spec.labels)) or not np.allclose(probabilities.sum(axis=1), 1.0):
        raise BundleError(f"The head of {spec.name!r} gives no probabilities. Train the bundle again.")
    if load_bundle(spec.name).sha256 != bundle.sha256:
        raise BundleError(f"The files of {spec.name!r} were replaced while they were read. Try again.")
    return predictor
