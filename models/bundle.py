"""The bundle: the unit that is saved, verified and loaded.

`models/bundles/NAME/` holds `bundle.json`, `head.weights.h5` and what the run wrote beside them; the first carries the
SHA-256 of every file and of the rest of itself. No pickle, no serialised Keras object: architectures are built from code.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from models.backbones.table import get_backbone
from models.calibration import Calibration
from models.gate import GATE_FILE, GateThresholds
from models.group import GROUP_FILE
from models.head import HeadConfig
from models.lungs.field import FIELDS
from models.prediction import INDETERMINATE, OperatingPoint, check_points
from models.system.files import digest, fsync, put_in_place

SCHEMA_VERSION: Final = 4
_BEFORE_FIELDS: Final = 3
"""The version whose bundles do not state their field: all of them judge whole films."""

BUNDLES_VARIABLE: Final = "PNEUMOLENS_BUNDLES"
"""Environment variable: a folder of bundles that is looked into before the product's own."""

HEAD_FILE: Final = "head.weights.h5"
SPEC_FILE: Final = "bundle.json"
CURRENT_FILE: Final = "CURRENT"
HISTORY_FILE: Final = "history.jsonl"
_SEAL: Final = "content_sha256"
_SHIPPED: Final = Path(__file__).parent / "bundles"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_AGAIN: Final = "Copy the bundle again, or train it again."
T = TypeVar("T")


class BundleError(Exception):
    """A bundle that is missing, damaged, or not of this version. The message says which and what to do."""


@dataclass(frozen=True)
class BackboneRef:
    """Which backbone a bundle stands on.

    Attributes:
        id: a row of the table of backbones.
        weights_sha256: digest of the weight file that the embeddings were made with.
        source: "vendored", "published", "custom" (a file of the user's), "quantised", "fine-tuned" or "from-scratch".
        file: the copy inside the bundle, where the weights are not to be had elsewhere; None otherwise.
    """

    id: str
    weights_sha256: str
    source: str
    file: str | None


@dataclass(frozen=True)
class BundleSpec:
    """What `bundle.json` says.

    Attributes:
        name: the bundle's own name.
        labels: class names in the order of the logits.
        positive: the label that operating points speak of; None for more than two classes.
        operating_points: rule_out, balanced and rule_in, by rising threshold; empty for more than two classes.
        default_operating_point: the name of the one that metrics of plain verdicts are given at.
        gate: when an image is too unlike the training films to be judged; its plane is in `gate.npz`. None: no gate.
        field: what of a film is judged, "lungs" or "film".
        data: fingerprint, counts and population of the training folder.
        metrics: of the run, each with n and an interval.
        training: the configuration of the run.
        versions: of the packages that made it.
        created: date and time, ISO 8601, UTC.
    """

    name: str
    labels: tuple[str, ...]
    positive: str | None
    backbone: BackboneRef
    head: HeadConfig
    calibration: Calibration
    operating_points: tuple[OperatingPoint, ...]
    default_operating_point: str | None
    data: Mapping[str, Any]
    metrics: Mapping[str, Any]
    training: Mapping[str, Any]
    versions: Mapping[str, str]
    created: str
    gate: GateThresholds | None = None
    field: str = "film"

    def __post_init__(self) -> None:
        check_bundle_name(self.name)
        get_backbone(self.backbone.id)
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2 or INDETERMINATE in self.labels:
            raise ValueError(
                f"labels must be two or more different names, none of them {INDETERMINATE!r}. Received: {self.labels}"
            )
        if self.field not in FIELDS:
            raise ValueError(f"field must be one of {', '.join(FIELDS)}. Received: {self.field!r}")
        if self.head.pooling == "lungs" and self.field != "lungs":
            raise ValueError('field must be "lungs" for a head that pools over them. Received: "film"')
        if len(self.calibration.bias) != len(self.labels):
            raise ValueError(f"calibration must have one bias for each of {self.labels}. Received: {self.calibration}")
        self._check_operating_points()

    def _check_operating_points(self) -> None:
        if self.positive is not None and (len(self.labels) != 2 or self.positive not in self.labels):
            raise ValueError(f"positive must be one of two labels, or None. Received: {self.positive!r} {self.labels}")
        if self.positive is not None and self.calibration.prevalence is None:
            raise ValueError("calibration must say the prevalence of the films that it was fitted on. Received: None")
        check_points(self.operating_points, self.default_operating_point, positive=self.positive)

    @property
    def operating_point(self) -> OperatingPoint | None:
        """The one that metrics of plain verdicts are given at; None for more than two classes."""
        return next((point for point in self.operating_points if point.name == self.default_operating_point), None)


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk, every file of it verified."""

    spec: BundleSpec
    folder: Path
    sha256: str

    @property
    def head_file(self) -> Path:
        return self.folder / HEAD_FILE

    @property
    def gate_file(self) -> Path:
        return self.folder / GATE_FILE

    @property
    def group_file(self) -> Path | None:
        """The sample of training films that groups are held against; None where the bundle has none."""
        path = self.folder / GROUP_FILE
        return path if path.is_file() else None

    @property
    def backbone_file(self) -> Path | None:
        return self.folder / self.spec.backbone.file if self.spec.backbone.file else None


def check_bundle_name(name: str) -> str:
    """Return `name` where it can name a folder on any system; a ValueError otherwise."""
    if not _NAME.fullmatch(name) or name in (CURRENT_FILE, HISTORY_FILE):
        raise ValueError(
            "A bundle's name must be 1 to 64 letters, digits, dots, dashes or underscores, start with a letter or digit, "
            f"and not be {CURRENT_FILE} or {HISTORY_FILE}. Received: {name!r}"
        )
    return name


def bundle_roots() -> list[Path]:
    """Where bundles are looked for, in order; new ones are written to the first."""
    own = os.environ.get(BUNDLES_VARIABLE)
    return [Path(own), _SHIPPED] if own else [_SHIPPED]


def list_bundles() -> list[str]:
    """The names of the bundles that are there, unverified."""
    return sorted({path.parent.name for root in bundle_roots() for path in root.glob(f"[!.]*/{SPEC_FILE}")})


def current_bundle() -> str:
    """The name in the file `CURRENT`, the bundle that is taken where none is named."""
    for root in bundle_roots():
        if (root / CURRENT_FILE).is_file():
            return (root / CURRENT_FILE).read_text(encoding="utf-8", errors="replace").strip()
    raise BundleError(
        "No bundle is named as the current one. Name one: " + (", ".join(list_bundles()) or "none is there.")
    )


def load_bundle(name: str | None = None) -> Bundle:
    """Find a bundle by name (None: the current one) and read it; raises BundleError."""
    return read_bundle(find_bundle_folder(name or current_bundle()))


def read_bundle(folder: Path) -> Bundle:
    """Verify every file of a bundle; raises BundleError where anything in it differs from what was saved, or is missing."""
    content = (folder / SPEC_FILE).read_bytes()
    spec, files = _parse(content, folder)
    if spec.name != folder.name:
        called = f"The bundle in the folder {folder.name!r} calls itself {spec.name!r}. Name the folder as it was."
        raise BundleError(called)
    _verify_files(folder, files)
    needed = {HEAD_FILE, *([spec.backbone.file] if spec.backbone.file else []), *([GATE_FILE] if spec.gate else [])}
    if not needed <= set(files):
        raise BundleError(
            f"The bundle {spec.name!r} lists no {', '.join(sorted(needed - set(files)))}. Train it again."
        )
    return Bundle(spec, folder, hashlib.sha256(content).hexdigest())


def save_bundle(spec: BundleSpec, write_files: Callable[[Path], None], *, overwrite: bool = False) -> Path:
    """Write a bundle, whole or not at all, and return its folder.

    `write_files` gets a temporary folder and writes everything but `bundle.json` into it.
    """
    root = bundle_roots()[0]
    root.mkdir(parents=True, exist_ok=True)
    folder = root / spec.name
    refuse_existing(spec.name, overwrite=overwrite)
    temporary = Path(tempfile.mkdtemp(dir=root, prefix=f".{spec.name}-"))
    try:
        write_files(temporary)
        digests = {path.name: digest(path) for path in sorted(temporary.iterdir())}
        content = {"schema_version": SCHEMA_VERSION, **asdict(spec), "files": digests}
        content = json.loads(json.dumps(content, allow_nan=False))  # as it will be read, for the seal
        text = json.dumps({**content, _SEAL: _seal(content)}, indent=2) + "\n"
        (temporary / SPEC_FILE).write_text(text, encoding="utf-8")
        temporary.chmod(0o755)
        for path in (*temporary.iterdir(), temporary):
            fsync(path)
        put_in_place(temporary, folder)
        fsync(root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def refuse_existing(name: str, *, overwrite: bool) -> None:
    """Raise a BundleError where a bundle of this name would be overwritten unasked."""
    if not overwrite and (bundle_roots()[0] / name).exists():
        raise BundleError(f"A bundle named {name!r} is there already. Choose another --name, or pass --overwrite.")


def find_bundle_folder(name: str) -> Path:
    """Where a bundle of this name is, unverified; a BundleError where there is none."""
    try:
        check_bundle_name(name)
    except ValueError as error:
        raise BundleError(str(error)) from error
    for root in bundle_roots():
        if (root / name / SPEC_FILE).is_file():
            return root / name
    raise BundleError(f"There is no bundle named {name!r}. There are: {', '.join(list_bundles()) or 'none'}.")


def _verify_files(folder: Path, files: Mapping[str, str]) -> None:
    """Links count as missing: they could be pointed elsewhere after the check."""
    present = {path.name for path in folder.iterdir() if path.is_file() and not path.is_symlink()} - {SPEC_FILE}
    if missing := sorted(set(files) - present):
        raise BundleError(f"The bundle {folder.name!r} lacks the file {', '.join(missing)}. {_AGAIN}")
    listed = {SPEC_FILE, *files}
    if strange := sorted(p.name for p in folder.iterdir() if p.name not in listed and not p.name.startswith(".")):
        raise BundleError(f"The bundle {folder.name!r} holds files that were not saved with it: {', '.join(strange)}.")
    for name, expected in files.items():
        if digest(folder / name) != expected:
            raise BundleError(
                f"{name} in the bundle {folder.name!r} is not the file that was saved: its SHA-256 differs. {_AGAIN}"
            )


def _seal(content: Mapping[str, Any]) -> str:
    """The digest of all else that `bundle.json` says."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _parse(content: bytes, folder: Path) -> tuple[BundleSpec, dict[str, str]]:
    try:
        raw = json.loads(content)
        seal = raw.pop(_SEAL, None)
        found = _seal(raw)
        if (version := raw.pop("schema_version")) not in (_BEFORE_FIELDS, SCHEMA_VERSION):
            raise ValueError(f"its schema version must be {SCHEMA_VERSION}. Received: {version!r}")
        if seal != found:
            raise ValueError("it is not what was saved, its SHA-256 differs")
        if version == _BEFORE_FIELDS:
            raw["field"] = "film"
        files = dict(raw.pop("files"))
        raw["backbone"] = _strict(BackboneRef, raw["backbone"])
        raw["head"] = _strict(HeadConfig, raw["head"])
        raw["calibration"] = _strict(Calibration, raw["calibration"])
        raw["operating_points"] = [_strict(OperatingPoint, point) for point in raw["operating_points"]]
        raw["gate"] = None if raw["gate"] is None else _strict(GateThresholds, raw["gate"])
        return _strict(BundleSpec, raw), files
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BundleError(f"{SPEC_FILE} of the bundle {folder.name!r} cannot be used: {error}. {_AGAIN}") from error


def _strict(cls: type[T], raw: dict[str, Any]) -> T:
    """Build a dataclass from exactly its own keys: an unknown or a missing one is an error. Lists become tuples."""
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    if set(raw) != known:
        raise ValueError(f"{cls.__name__} must have the keys {sorted(known)}. Received: {sorted(raw)}")
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()})
