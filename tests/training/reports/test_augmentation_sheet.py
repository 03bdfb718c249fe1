"""The contact sheet of a run: drawn where it is missing or shows something else, and left alone otherwise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.films import write_published
from training.config import AugmentationConfig, RunConfig
from training.data.manifest import read_manifest
from training.plots import judged_plots
from training.reports.augmentation_sheet import write_contact_sheet


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    monkeypatch.setattr(judged_plots, "SHEET_DOTS_PER_INCH", 60)
    config = RunConfig(
        write_published(tmp_path / "data", images=4), "sheets", tmp_path / "cache", runs=tmp_path / "runs"
    )
    config.run_folder.mkdir(parents=True)
    return config


def draw(config: RunConfig, *, size: int = 64) -> tuple[Path, int]:
    """The sheet, and when it was written."""
    write_contact_sheet(config, read_manifest(config.data), None, size=size)
    path = config.run_folder / "augmentation.png"
    return path, path.stat().st_mtime_ns


def test_the_same_films_and_views_are_drawn_once(config: RunConfig) -> None:
    path, drawn = draw(config)
    with Image.open(path) as sheet:
        assert np.asarray(sheet.convert("L")).std() > 10
    assert draw(config) == (path, drawn)


def test_other_views_are_drawn_anew(config: RunConfig) -> None:
    _, before = draw(config)
    for other in (
        replace(config, seed=config.seed + 1),
        replace(config, views=config.views + 3),
        replace(config, augmentation=AugmentationConfig(rotation=30)),
        config,
    ):
        _, after = draw(other)
        assert after > before
        before = after
    assert draw(config, size=96)[1] > before


def test_other_films_are_drawn_anew(config: RunConfig) -> None:
    _, before = draw(config)
    first = min(config.data.glob("NORMAL/*"))
    first.unlink()
    assert draw(config)[1] > before


def test_a_damaged_sheet_is_drawn_anew(config: RunConfig) -> None:
    path, _ = draw(config)
    path.write_bytes(b"no picture")
    draw(config)
    with Image.open(path) as sheet:
        sheet.verify()
