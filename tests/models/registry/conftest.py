"""A folder of bundles that may be promoted, spoilt and counted."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from models.bundle import BUNDLES_VARIABLE, SPEC_FILE


@pytest.fixture
def root(bundles: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`two`, the current one, and `three`; copies that a test may change."""
    for bundle in (bundles.two, bundles.three):
        shutil.copytree(bundle.folder, tmp_path / bundle.spec.name)
    (tmp_path / "CURRENT").write_text("two\n")
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path))
    return tmp_path


def retrain(folder: Path) -> None:
    """Give a bundle other bytes that say the same, as a run with --overwrite gives it others."""
    file = folder / SPEC_FILE
    file.write_bytes(file.read_bytes() + b"\n")
