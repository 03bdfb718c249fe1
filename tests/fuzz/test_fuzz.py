"""Damaged files are read or refused, and nothing else: some hundreds here, ten thousand of each format by `make fuzz`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.__main__ import main
from tests.fuzz.reading import MOST_GROWTH_MB, Found, growth_in_child, read_damaged, read_in_child
from tests.fuzz.seeds import FORMATS
from tests.models.films.bad_input import saved
from tests.models.films.unforeseen import fail

INPUTS = 150


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_read_or_refused(
    kind: str, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    found = read_damaged(kind, INPUTS)
    assert found.failures == {}
    assert found.codes[""] > 0  # some damage does no harm
    assert found.codes.total() - found.codes[""] > INPUTS // 3  # the dice do break something
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_an_error_that_nobody_foresaw_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Image.DECODERS, "jpeg", fail)
    found = read_damaged("JPEG", 20)
    assert found.failures
    assert not found.passed


def test_memory_is_measured_in_a_process_of_its_own() -> None:
    held = np.ones(2 * MOST_GROWTH_MB * 1_000_000, np.uint8)  # what this process holds must not be counted
    found = read_in_child("BMP", 30)
    assert held.all()
    assert found.codes.total() == 30
    assert 0 <= found.growth_mb < 100


def test_growing_memory_is_a_failure() -> None:
    assert Found("PNG", growth_mb=MOST_GROWTH_MB - 1).passed
    assert not Found("PNG", growth_mb=MOST_GROWTH_MB + 1).passed


def test_one_input_can_be_read_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["BMP", "--only", "3"]) == 0
    first = capsys.readouterr().out
    assert main(["BMP", "--only", "3"]) == 0
    assert capsys.readouterr().out == first != ""


def test_the_largest_pictures_that_are_read_fit_into_memory(tmp_path: Path) -> None:
    grey = np.zeros((7000, 7000), np.uint8)
    grey[:64, :64] = np.arange(64)
    whole, part = Image.fromarray(grey), Image.fromarray(grey[:4000, :4000])
    pictures = {
        "alpha.png": saved(Image.merge("LA", (whole, whole)), "PNG", compress_level=1),
        "float.tiff": saved(part.convert("F"), "TIFF", compression="tiff_lzw"),
        "lossless.webp": saved(part, "WEBP", lossless=True, method=0),
    }
    for name, content in pictures.items():
        (tmp_path / name).write_bytes(content)
    growth, codes = growth_in_child([tmp_path / name for name in pictures])
    assert codes == ["", "", ""]
    assert growth < MOST_GROWTH_MB
