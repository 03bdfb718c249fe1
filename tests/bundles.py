"""Small bundles for the pages: the vendored backbone under a head of which nothing was learnt, its numbers from a seed."""

import json
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from models.backbones.table import get_backbone
from models.backbones.weights import find_weights
from models.bundle import HEAD_FILE, BackboneRef, BundleSpec, save_bundle
from models.calibration import Calibration
from models.gate import Gate, GateThresholds
from models.head import HeadConfig, build_head
from models.lungs.finder import CHANNELS
from models.prediction import OperatingPoint

CLASSES = ("NORMAL", "BACTERIA", "VIRUS")
TWO = ("NORMAL", "PNEUMONIA")
POINTS = tuple(
    OperatingPoint(name, threshold, (0.9, 0.8, 1.0), (0.9, 0.8, 1.0), promise=promise)
    for name, threshold, promise in (("rule_out", 0.2, 0.9), ("balanced", 0.5, None), ("rule_in", 0.8, 0.9))
)


def write_bundle(
    root: Path,
    *,
    labels: tuple[str, ...] = CLASSES,
    field: str = "film",
    gate: GateThresholds | None = None,
    report: Mapping[str, object] | None = None,
) -> BundleSpec:
    """Save a bundle below `root`, the current one there; two classes have a positive one, the second."""
    spec = untrained_spec(labels, field, gate)
    size = get_backbone(spec.backbone.id).embedding_size
    keras.utils.set_random_seed(0)
    head = build_head(spec.head.input_size(size), len(labels), spec.head)
    told = size + (CHANNELS if field == "lungs" else 0)
    plane = np.zeros(told, np.float32), np.ones(told, np.float32), np.eye(1, told, dtype=np.float32)

    def write(folder: Path) -> None:
        head.save_weights(str(folder / HEAD_FILE))
        if gate:
            Gate(*plane, residual=1.0, thresholds=gate).save(folder)
        if report:
            (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")

    save_bundle(spec, write)
    (root / "CURRENT").write_text(spec.name, encoding="utf-8")
    return spec


def untrained_spec(labels: tuple[str, ...], field: str, gate: GateThresholds | None) -> BundleSpec:
    """What the bundle.json of such a bundle says."""
    backbone, two = get_backbone("efficientnet_lite0"), len(labels) == 2
    weights = find_weights(backbone)
    return BundleSpec(
        name="two" if two else "three",
        labels=labels,
        positive=labels[1] if two else None,
        backbone=BackboneRef(backbone.id, weights.sha256, weights.source, None),
        head=HeadConfig(width=0, dropout=0.0),
        calibration=Calibration("platt", 0.7, (0.0, -0.4), prevalence=0.5, covariance=(0.01, 0.0, 0.04))
        if two
        else Calibration.identity(len(labels)),
        operating_points=POINTS if two else (),
        default_operating_point="balanced" if two else None,
        data={"images": dict.fromkeys(labels, 10), "population": "not stated"},
        metrics={"out_of_fold": {"accuracy": None}, "leave_batch_out": None, "test_split": None},
        training={"seed": 0},
        versions={"keras": "3"},
        created="2026-01-01T00:00:00+00:00",
        gate=gate,
        field=field,
    )
