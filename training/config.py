"""One run, described: what was asked for, and nothing that was found."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any, Final

from models.bundle import check_bundle_name
from models.cluster.connection import Cluster
from models.head import HeadConfig
from training.metrics.bootstrap import NOT_STATED

SCRATCH_RATES: Final = {"adam": 1e-3, "sgd": 0.05}
SCRATCH_SCHEDULES: Final = ("cosine", "step")

PRECISIONS: Final = ("float", "int8")
"""How the frozen backbone's products are rounded: as its engine does by itself, or to 8-bit integers."""

# Raised when the same amounts and draws give other pixels, so that embeddings of older views are not taken for theirs.
_VIEWS_VERSION: Final = 3


@dataclass(frozen=True)
class AugmentationConfig:
    """How far a view may differ from the plain film; each amount is drawn evenly from −value to +value.

    Attributes:
        rotation: degrees.
        shift: share of the side, along each axis.
        zoom: share; both axes together, and by half of it each axis by itself.
        shear: degrees.
        brightness: grey levels of 255.
        contrast: natural logarithm of the factor about the film's mean.
        gamma: natural logarithm of the exponent.
        noise: largest standard deviation of the pixel noise, in grey levels; each view draws its own.
        degradation: share of the views that then lose detail or gain grain, as by a smaller or repacked file, a softer screen or
            less dose. Without it a head takes lost detail for pneumonia.
        flip: mirror half of the views. Off: a mirrored chest is situs inversus.
        exchange: share of the views in which the lungs lie on the surroundings of another film, of either class alike; only
            where lungs are looked for.
        reduction: share of the views that are reduced to what a small copy of the film shows; likewise.
    """

    rotation: float = 10.0
    shift: float = 0.06
    zoom: float = 0.12
    shear: float = 5.0
    brightness: float = 25.0
    contrast: float = 0.25
    gamma: float = 0.35
    noise: float = 8.0
    degradation: float = 0.6
    flip: bool = False
    exchange: float = 0.0
    reduction: float = 0.0

    def fingerprint(self, seed: int, view: int) -> str:
        """Names a view in the cache of embeddings; view 0 is the plain film whatever the configuration."""
        if view == 0:
            return "plain"
        amounts = {
            name: value for name, value in asdict(self).items() if value or name not in ("exchange", "reduction")
        }
        text = json.dumps({**amounts, "seed": seed, "view": view, "version": _VIEWS_VERSION}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


NO_VIEWS: Final = AugmentationConfig()
"""What a plain film is made with: no view of it is drawn."""

LUNG_VIEWS: Final = AugmentationConfig(
    rotation=5.0, shift=0.03, zoom=0.08, shear=3.0, brightness=15.0, contrast=0.2, gamma=0.25, noise=5.0, degradation=0.4,
    exchange=0.67, reduction=0.67,
)  # fmt: skip
"""Of a film cut to its lungs: the cut has put them in their place, so they stray less; small copies and other films' surroundings
matter more."""


@dataclass(frozen=True)
class HeadTraining:
    """How the head is fitted.

    Attributes:
        learning_rate: of Adam; falls to 0 along a half cosine over `epochs`.
        l2: weight decay on every kernel.
        label_smoothing: share of each label given to all classes alike.
        batch_size: views in a step; of a small folder fewer, so that there are steps enough.
        epochs: passes over the embeddings; of a large folder fewer, see `training.heads.shuffle.passes`.
        class_weights: weigh classes by the inverse of their frequency, so that prevalence is not learnt as a symptom.
    """

    learning_rate: float = 1e-3
    l2: float = 0.05
    label_smoothing: float = 0.05
    batch_size: int = 512
    epochs: int = 16
    class_weights: bool = True

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or self.l2 < 0 or not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"learning_rate must be positive, l2 0 or more, label_smoothing in [0, 1). Received: {self}"
            )
        if min(self.batch_size, self.epochs) < 1:
            raise ValueError(f"batch_size and epochs must be 1 or more. Received: {self}")


@dataclass(frozen=True)
class ScratchTraining:
    """How a backbone is trained from a random start, together with its head.

    Attributes:
        optimizer: "adam", or "sgd": the recipe of He et al. 2015, with momentum 0.9.
        learning_rate: the largest; `SCRATCH_RATES` has the usual one of each optimiser.
        weight_decay: of every weight, apart from the loss.
        schedule: "cosine" to 0, or "step": divided by 10 after half and three quarters of the epochs.
        warm_up: epochs in which the rate rises from 0.
        epochs: at most.
        patience: epochs without a better loss on the patients watched after which training stops.
        batch_size: films in a step.
    """

    optimizer: str = "adam"
    learning_rate: float = SCRATCH_RATES["adam"]
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    warm_up: float = 1.0
    epochs: int = 12
    patience: int = 4
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.optimizer not in SCRATCH_RATES or self.schedule not in SCRATCH_SCHEDULES:
            raise ValueError(
                f"--recipe must be one of {', '.join(SCRATCH_RATES)}, --schedule one of {', '.join(SCRATCH_SCHEDULES)}. "
                f"Received: {self.optimizer!r}, {self.schedule!r}"
            )
        if min(self.epochs, self.patience, self.batch_size) < 1 or self.learning_rate <= 0:
            raise ValueError(f"epochs, patience, batch_size and learning_rate must be positive. Received: {self}")
        if not 0 <= self.warm_up < self.epochs or self.weight_decay < 0:
            raise ValueError(f"warm_up must be from 0 to less than epochs, weight_decay 0 or more. Received: {self}")


@dataclass(frozen=True)
class RunConfig:
    """The configuration of `python -m training train`.

    Attributes:
        data: folder of radiographs, `CLASS/*` or `{train,val,test}/CLASS/*`.
        name: of the bundle.
        backbone: a row of the table of backbones, or "auto".
        engine: one of `models.engines.load.ENGINES`.
        devices: one of `models.devices.device.DEVICES`; not with `scratch`, whose statistics are of whole batches.
        weights: a local weight file for the backbone.
        precision: one of `PRECISIONS`; "int8" is for openvino and a frozen backbone.
        field: one of `models.lungs.field.FIELDS`: what of a film is judged.
        views: augmented views of each image besides the plain one.
        positive: the label that operating points speak of; None: PNEUMONIA where there is one, else the last label.
        folds: of the patient-grouped cross-validation.
        seed: of folds, views and fitting; the same seed gives the same bundle on the same machine.
        search: try heads first, and take the best instead of `head` and `head_training`; not with `fine_tune` or `scratch`.
        fine_tune: last blocks of the backbone that a second phase unfreezes; 0: none.
        scratch: train the backbone from a random start, without published weights; None: it is frozen.
        lock: share of the patients that are never learnt from, for comparing bundles on; 0 for none.
        overwrite: replace a bundle of this name.
        regroup: where films or patients would stand on both sides of a split, merge and take out; off: refuse the folder.
        patient_regex, patients_csv: where patients come from, see `training.data.manifest.read_manifest`.
        runs: folder for what a person may want to look at but no bundle may hold, such as the contact sheet.
        cache: folder of embeddings.
        cluster: whose machines look for lungs and embed; None: this machine does.
        tensorboard: folder for TensorBoard's logs; None: none.
        notes: a Markdown file that goes into the card under "What was tried".
        population: whom the images show, in words, for the card and the page.
        view: how the images were taken, in words.
        label_source: who or what said which class an image belongs to, in words.
    """

    data: Path
    name: str
    cache: Path
    backbone: str = "auto"
    engine: str = "auto"
    devices: str = "one"
    weights: Path | None = None
    precision: str = "float"
    field: str = "film"
    views: int = 2
    positive: str | None = None
    folds: int = 5
    seed: int = 2015
    search: bool = False
    fine_tune: int = 0
    scratch: ScratchTraining | None = None
    lock: float = 0.0
    overwrite: bool = False
    regroup: bool = False
    patient_regex: str | None = None
    patients_csv: Path | None = None
    runs: Path = Path("runs")
    cluster: Cluster | None = None
    tensorboard: Path | None = None
    notes: Path | None = None
    population: str = NOT_STATED
    view: str = NOT_STATED
    label_source: str = NOT_STATED
    augmentation: AugmentationConfig = dataclass_field(default_factory=AugmentationConfig)
    head: HeadConfig = dataclass_field(default_factory=HeadConfig)
    head_training: HeadTraining = dataclass_field(default_factory=HeadTraining)

    def __post_init__(self) -> None:
        check_bundle_name(self.name)
        if self.views < 0 or self.fine_tune < 0:
            raise ValueError(f"--views and --fine-tune must be 0 or more. Received: {self.views}, {self.fine_tune}")
        if self.one_split:
            self._check_learning_backbone()
        if self.head.pooling == "lungs" and self.field != "lungs":
            raise ValueError("--pooling lungs needs the lungs: with --field film take mean, max or both.")
        if self.scratch and (self.fine_tune or self.weights):
            raise ValueError("--from-scratch starts from no weights: leave out --fine-tune and --weights.")
        if self.scratch and self.devices != "one":
            raise ValueError("--devices all is for embeddings and --fine-tune: leave it out with --from-scratch.")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"--seed must be from 0 to {2**31 - 1:,}. Received: {self.seed}")
        if not 0 <= self.lock < 1:
            raise ValueError(f"--lock must be a share of the patients, 0 or more and below 1. Received: {self.lock}")
        if self.folds < 2:
            raise ValueError(f"--folds must be 2 or more. Received: {self.folds}")

    def _check_learning_backbone(self) -> None:
        if self.search:
            raise ValueError(
                "A search among heads is for a frozen backbone: fine_tune must be 0, scratch None. Received: both."
            )
        for option, given in (("--cluster", self.cluster), ("--precision int8", self.precision == "int8")):
            if given:
                raise ValueError(f"{option} is for a frozen backbone: leave out --fine-tune and --from-scratch.")

    @property
    def one_split(self) -> bool:
        """Whether the backbone learns too, so that one held-out fifth of the patients is all that can judge it."""
        return bool(self.fine_tune or self.scratch)

    @property
    def run_folder(self) -> Path:
        return self.runs / self.name

    def with_head(self, head: HeadConfig, chosen: HeadTraining) -> "RunConfig":
        """The same run with the head that a search has chosen; for as many passes as this one says."""
        return replace(self, head=head, head_training=replace(chosen, epochs=self.head_training.epochs))

    def as_json(self) -> dict[str, Any]:
        """What shaped the numbers, without the paths of this machine."""
        paths = (
            "data",
            "cache",
            "weights",
            "precision",
            "patients_csv",
            "runs",
            "tensorboard",
            "notes",
            "overwrite",
            "engine",
            "devices",
            "cluster",
        )
        return {name: value for name, value in asdict(self).items() if name not in paths}
