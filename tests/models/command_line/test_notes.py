"""What `python -m models predict` says of films that it judges all the same."""

from pathlib import Path

import pytest
from PIL import Image, ImageOps

from models.__main__ import main
from models.bundle import BUNDLES_VARIABLE
from tests.bundles import TWO, write_bundle
from tests.models.films import dicom_files as dicom
from tests.models.films.odd_dicom import film

WIDE = film(WindowCenter=2048, WindowWidth=4096)
EMPTY = film(WindowCenter=2048)
SAMPLES = Path(__file__).parents[3] / "data_samples"


def test_a_mirrored_film_is_judged_and_said_to_be_mirrored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # so that no path is broken
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path / "bundles"))
    write_bundle(tmp_path / "bundles", labels=TWO, field="lungs")
    upright = Image.open(min(SAMPLES.glob("normal_*.jpeg"))).convert("L")
    upright.save(tmp_path / "plain.png")
    ImageOps.mirror(upright).save(tmp_path / "mirrored.png")
    assert main(["predict", str(tmp_path / "plain.png"), str(tmp_path / "mirrored.png")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "refused" not in said
    assert said.count("The heart seems to lie on the right") == 1
    assert "mirrored.png: The heart seems to lie on the right" in said


def test_a_film_with_an_empty_window_is_judged_without_it_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path / "bundles"))
    write_bundle(tmp_path / "bundles", labels=TWO)
    for name, made in {"wide": WIDE, "empty": EMPTY}.items():
        (tmp_path / f"{name}.dcm").write_bytes(dicom.encode(made))
    assert main(["predict", str(tmp_path / "wide.dcm"), str(tmp_path / "empty.dcm")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("states what cannot be followed") == 1
    assert "empty.dcm: The DICOM file states" in said
