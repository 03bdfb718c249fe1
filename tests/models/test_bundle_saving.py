"""A bundle is written whole, or nothing of it is there."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.bundle import BUNDLES_VARIABLE, HEAD_FILE, BundleError, BundleSpec, load_bundle, save_bundle


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundles of the test's own."""
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path / "bundles"))
    return tmp_path / "bundles"


@pytest.fixture
def folder(root: Path, spec: BundleSpec) -> Path:
    return save_bundle(spec, _write)


def _write(folder: Path) -> None:
    (folder / HEAD_FILE).write_bytes(b"numbers of a head")
    (folder / "MODEL_CARD.md").write_text("# two\n")


def test_a_run_that_fails_while_writing_leaves_nothing(root: Path, spec: BundleSpec) -> None:
    def fail(folder: Path) -> None:
        _write(folder)
        raise RuntimeError("no more room")

    with pytest.raises(RuntimeError, match="no more room"):
        save_bundle(spec, fail)
    assert list(root.iterdir()) == []


def test_a_number_that_json_cannot_hold_leaves_nothing(root: Path, spec: BundleSpec) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save_bundle(replace(spec, metrics={"auroc": float("nan")}), _write)
    assert list(root.iterdir()) == []


def test_a_bundle_is_not_overwritten_unasked(folder: Path, spec: BundleSpec) -> None:
    with pytest.raises(BundleError, match=r"'two' is there already\. Choose another --name, or pass --overwrite"):
        save_bundle(spec, _write)
    assert load_bundle("two").spec == spec


def test_the_older_bundle_stays_when_the_newer_one_fails(folder: Path, root: Path, spec: BundleSpec) -> None:
    def fail(folder: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_bundle(replace(spec, created="later"), fail, overwrite=True)
    assert load_bundle("two").spec == spec
    assert list(root.iterdir()) == [folder]


def test_overwriting_replaces_every_file(folder: Path, root: Path, spec: BundleSpec) -> None:
    later = replace(spec, created="later")
    save_bundle(later, lambda folder: (folder / HEAD_FILE).write_bytes(b"new"), overwrite=True)
    assert load_bundle("two").spec == later
    assert sorted(path.name for path in folder.iterdir()) == ["bundle.json", HEAD_FILE]
    assert list(root.iterdir()) == [folder]
