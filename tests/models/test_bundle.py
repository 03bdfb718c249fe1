"""Anything in a bundle that differs from what was saved is refused with a reason."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.bundle import (
    BUNDLES_VARIABLE,
    HEAD_FILE,
    SCHEMA_VERSION,
    BundleError,
    BundleSpec,
    bundle_roots,
    check_bundle_name,
    current_bundle,
    list_bundles,
    load_bundle,
    save_bundle,
)
from models.calibration import Calibration
from models.prediction import OperatingPoint

HEAD = b"numbers of a head"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundles of the test's own."""
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path / "bundles"))
    return tmp_path / "bundles"


@pytest.fixture
def folder(root: Path, spec: BundleSpec) -> Path:
    """A saved bundle, whose head is a few bytes: nothing here loads it."""
    return save_bundle(spec, _write)


def _write(folder: Path) -> None:
    (folder / HEAD_FILE).write_bytes(HEAD)
    (folder / "MODEL_CARD.md").write_text("# two\n")


def _edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change `bundle.json` as someone would who knows how its own digest is made."""
    path = folder / "bundle.json"
    content = json.loads(path.read_text())
    change(content)
    del content["content_sha256"]
    sealed = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({**content, "content_sha256": sealed}))


def _refused(match: str) -> None:
    with pytest.raises(BundleError, match=match):
        load_bundle("two")


def test_what_was_saved_is_loaded(folder: Path, root: Path, spec: BundleSpec) -> None:
    bundle = load_bundle("two")
    assert (bundle.spec, bundle.folder) == (spec, root / "two")
    assert bundle.head_file.read_bytes() == HEAD
    assert bundle.backbone_file is None
    assert bundle.sha256 == hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()
    assert [path.name for path in root.iterdir()] == ["two"]


def test_numbers_as_keys_are_loaded_as_json_has_them(root: Path, spec: BundleSpec) -> None:
    save_bundle(replace(spec, data={"ages": {10: 1, 9: 2}}), _write)
    assert load_bundle("two").spec.data == {"ages": {"10": 1, "9": 2}}


# --- What differs is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [HEAD_FILE, "MODEL_CARD.md"])
@pytest.mark.parametrize("position", [0, -1])
def test_a_changed_byte(name: str, position: int, folder: Path) -> None:
    content = bytearray((folder / name).read_bytes())
    content[position] ^= 1
    (folder / name).write_bytes(content)
    _refused(f"{name} in the bundle 'two' is not the file that was saved: its SHA-256 differs")


@pytest.mark.parametrize("name", [HEAD_FILE, "MODEL_CARD.md"])
def test_a_missing_file(name: str, folder: Path) -> None:
    (folder / name).unlink()
    _refused(f"'two' lacks the file {name}")


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_something_that_was_not_saved_with_it(kind: str, folder: Path) -> None:
    strange = folder / "strange.bin"
    {"file": strange.touch, "folder": strange.mkdir, "link": lambda: strange.symlink_to(folder / HEAD_FILE)}[kind]()
    _refused("holds files that were not saved with it: strange.bin")


@pytest.mark.parametrize("kind", ["link to the same bytes", "link to nothing", "folder", "pipe"])
def test_something_else_in_place_of_a_file(kind: str, folder: Path, tmp_path: Path) -> None:
    head = folder / HEAD_FILE
    head.rename(tmp_path / "elsewhere")
    {
        "link to the same bytes": lambda: head.symlink_to(tmp_path / "elsewhere"),
        "link to nothing": lambda: head.symlink_to(tmp_path / "nothing"),
        "folder": head.mkdir,
        "pipe": lambda: os.mkfifo(head),
    }[kind]()
    _refused(f"'two' lacks the file {HEAD_FILE}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"threshold": 0.6', '"threshold": 0.2'),
        ('"NORMAL",\n    "PNEUMONIA"', '"PNEUMONIA",\n    "NORMAL"'),
        ('"slope": 0.7', '"slope": 0.8'),
        ('"seed": 0', '"seed": 1'),
        ('"auroc": [', '"auroc": [ 1.0, '),
        ('"content_sha256": "', '"content_sha256": "0'),
    ],
)
def test_an_edited_description(old: str, new: str, folder: Path) -> None:
    path = folder / "bundle.json"
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))
    _refused("not what was saved, its SHA-256 differs")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw.update(colour="red"), "BundleSpec must have the keys"),
        (lambda raw: raw.pop("labels"), "'labels'"),
        (lambda raw: raw.pop("created"), "BundleSpec must have the keys"),
        (lambda raw: raw["backbone"].update(layers=3), "BackboneRef must have the keys"),
        (lambda raw: raw["backbone"].pop("source"), "BackboneRef must have the keys"),
        (lambda raw: raw["backbone"].update(id="vgg"), "backbone must be one of"),
        (lambda raw: raw["head"].update(activation="relu"), "HeadConfig must have the keys"),
        (lambda raw: raw["head"].update(width=-1), "width must be 0 or more"),
        (lambda raw: raw["calibration"].pop("bias"), "'bias'"),
        (lambda raw: raw["calibration"].update(slope=float("nan")), "slope must be a positive number"),
        (lambda raw: raw["calibration"].update(bias=[0.0]), "bias must hold"),
        (lambda raw: raw["operating_points"][0].update(threshold=1), "threshold must be in"),
        (lambda raw: raw["operating_points"][0].pop("name"), "OperatingPoint must have the keys"),
        (lambda raw: raw.update(labels=["NORMAL", "NORMAL"]), "labels must be two or more different"),
        (lambda raw: raw.update(positive="VIRUS"), "positive must be one of"),
        (lambda raw: raw.update(positive=None), "operating points need a positive label"),
        (lambda raw: raw.update(default_operating_point="best"), "default_operating_point must be one of"),
        (lambda raw: raw.update(schema_version=1), f"schema version must be {SCHEMA_VERSION}. Received: 1"),
        (lambda raw: raw.pop("schema_version"), "'schema_version'"),
        (lambda raw: raw.update(files=7), "cannot be used"),
        (lambda raw: raw.update(labels=7), "cannot be used"),
        (lambda raw: raw.update(name="../two"), "name must be 1 to 64"),
        (lambda raw: raw.update(name="three"), "'two' calls itself 'three'"),
        (lambda raw: raw["files"].update({"../two/MODEL_CARD.md": "0"}), "lacks the file"),
        (lambda raw: raw["files"].update({"..": "0"}), r"lacks the file \.\."),
        (lambda raw: raw["files"].update({"bundle.json": "0"}), "lacks the file bundle.json"),
        (lambda raw: raw["backbone"].update(file="../../etc/passwd"), "lists no ../../etc/passwd"),
        (lambda raw: raw["backbone"].update(file="backbone.npz"), "lists no backbone.npz"),
    ],
)
def test_a_description_that_is_wrong_though_its_digest_is_right(
    change: Callable[[dict[str, Any]], None], reason: str, folder: Path
) -> None:
    _edit(folder, change)
    _refused(reason)


def test_a_bundle_that_lists_no_head(folder: Path) -> None:
    (folder / HEAD_FILE).unlink()
    _edit(folder, lambda raw: raw["files"].pop(HEAD_FILE))
    _refused(f"lists no {HEAD_FILE}")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"null", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_a_description_that_is_no_description(content: bytes, folder: Path) -> None:
    (folder / "bundle.json").write_bytes(content)
    _refused(r"bundle\.json of the bundle 'two' cannot be used")


@pytest.mark.parametrize("share", [0.2, 0.9, 0.999])
def test_a_description_that_was_cut_short(share: float, folder: Path) -> None:
    content = (folder / "bundle.json").read_bytes()
    (folder / "bundle.json").write_bytes(content[: int(len(content) * share)])
    _refused("cannot be used")


def test_a_renamed_folder(folder: Path) -> None:
    folder.rename(folder.with_name("renamed"))
    with pytest.raises(BundleError, match=r"'renamed' calls itself 'two'\. Name the folder as it was"):
        load_bundle("renamed")


@pytest.mark.parametrize(
    "name",
    ["../two", "two/../two", "/etc", "..", ".", ".two", "two/", "two\0", "CURRENT", "x" * 65, "a b", "Ä", "-two"],
)
def test_names_that_lead_elsewhere(name: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=r"A bundle's name must be .*Received:"):
        check_bundle_name(name)
    with pytest.raises(BundleError, match="A bundle's name must be"):
        load_bundle(name)


@pytest.mark.parametrize("name", ["two", "2", "a.b-c_d", "x" * 64, "current"])
def test_names_that_can_name_a_folder_anywhere(name: str) -> None:
    assert check_bundle_name(name) == name


def test_a_bundle_that_is_not_there_is_named_with_those_that_are(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle named 'absent'. There are: .*two"):
        load_bundle("absent")


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ("NORMAL",)},
        {"labels": ("A", "B", "PNEUMONIA")},
        {"positive": "VIRUS"},
        {"positive": None},
        {"default_operating_point": None},
        {"operating_points": ()},
        {"operating_points": (OperatingPoint("balanced", 0.5, (1, 1, 1), (1, 1, 1)),) * 2},
        {"calibration": Calibration("platt", 0.7, (0.0, -0.4))},
        {"labels": ("indeterminate", "PNEUMONIA")},
        {"name": "a/b"},
    ],
)
def test_an_impossible_bundle_cannot_be_described(changes: dict[str, Any], spec: BundleSpec) -> None:
    with pytest.raises(ValueError, match="Received"):
        replace(spec, **changes)


def test_points_out_of_order_are_an_error(spec: BundleSpec) -> None:
    first, *others = spec.operating_points
    with pytest.raises(ValueError, match="must be rule_out, balanced, rule_in, by rising threshold"):
        replace(spec, operating_points=(replace(first, threshold=0.9), *others))


def test_three_labels_can_have_no_operating_point(spec: BundleSpec) -> None:
    calibration = replace(spec.calibration, bias=(0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="positive must be one of two labels, or None"):
        replace(spec, labels=("NORMAL", "PNEUMONIA", "OTHER"), calibration=calibration)


# --- Where bundles are ------------------------------------------------------------------------------------------------


def test_ones_own_bundles_come_before_the_shipped_ones(
    folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bundle_roots()[0] == root
    own, shipped = bundle_roots()
    assert "two" in list_bundles()
    monkeypatch.delenv(BUNDLES_VARIABLE)
    assert bundle_roots() == [shipped] != [own]
    assert "two" not in list_bundles()


def test_the_current_bundle_is_taken_where_none_is_named(folder: Path, root: Path, spec: BundleSpec) -> None:
    (root / "CURRENT").write_text("two\n")
    assert current_bundle() == "two"
    assert load_bundle().spec == spec


@pytest.mark.parametrize("content", ["", "absent", "../two"])
def test_a_current_name_that_leads_nowhere(content: str, folder: Path, root: Path) -> None:
    (root / "CURRENT").write_text(content)
    with pytest.raises(BundleError):
        load_bundle()


def test_hidden_folders_are_no_bundles(folder: Path, root: Path) -> None:
    shutil.copytree(folder, root / ".two-interrupted")
    assert ".two-interrupted" not in list_bundles()
