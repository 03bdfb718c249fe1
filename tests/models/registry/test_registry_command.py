"""`python -m models list`, `promote`, `rollback`, `history` and `diff`: what a person types, and what comes back."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.__main__ import main
from models.bundle import HEAD_FILE, HISTORY_FILE, current_bundle, load_bundle, save_bundle
from tests.models.registry.conftest import retrain


def _lines(text: str, name: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"│ {name} ")]


def test_bundles_are_listed_with_what_tells_them_apart(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "three" / HEAD_FILE).write_bytes(b"another head")
    (root / "odd name").mkdir()
    (root / "odd name" / "bundle.json").write_bytes(b"\xff")
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    (two,) = _lines(out, "two")
    for said in (
        "current",
        load_bundle("two").sha256[:12],
        "NORMAL, PNEUMONIA",
        "efficientnet_lite0",
        "0.990 (0.980 to 1.000)",
    ):
        assert said in two
    (shipped,) = _lines(out, "default")
    assert "lungs" in shipped
    assert "current" not in shipped
    assert "damaged" in _lines(out, "three")[0]
    assert f"damaged: {HEAD_FILE} in the bundle 'three' is not the file that was saved" in out
    assert "damaged: A bundle's name must be" in out


@pytest.mark.parametrize("content", [b"", b"absent", b"\xff\xfe", b"\x1b[2J", b"x" * 5000, b"../two"])
def test_a_current_that_names_nothing_ends_no_command(
    content: bytes, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "CURRENT").write_bytes(content)
    assert main(["list"]) == 0
    assert not [line for line in capsys.readouterr().out.splitlines()[3:] if "current" in line]
    assert main(["history"]) == 0
    assert main(["promote", "three", "--reason", "it is there"]) == 0
    assert current_bundle() == "three"


def test_promoted_shown_and_rolled_back(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "three", "--reason", "better [bold]on ours", "--by", "Ada"]) == 0
    assert "three (" in capsys.readouterr().out
    assert main(["promote", "three", "--reason", "again"]) == 0
    assert "already" in capsys.readouterr().out
    assert main(["rollback"]) == 0
    out = capsys.readouterr().out
    assert "two (" in out
    assert "An app that is running takes it within seconds" in out
    assert main(["history"]) == 0
    out = capsys.readouterr().out
    (three,) = _lines(out, "three")
    assert "Ada" in three
    assert "better [bold]on ours" in three
    first, last = _lines(out, "two")
    assert "not recorded" in first
    assert "rolled back" in last
    assert "now" in last


def test_a_damaged_bundle_is_not_promoted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "three" / HEAD_FILE).write_bytes(b"another head")
    assert main(["promote", "three", "--reason", "a test"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {HEAD_FILE} in the bundle 'three'")
    assert current_bundle() == "two"
    assert not (root / HISTORY_FILE).exists()


def test_a_bundle_whose_head_gives_no_probabilities_is_not_promoted(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every digest is right: it was saved like that."""
    import h5py

    spec, saved = load_bundle("three").spec, (root / "three" / HEAD_FILE).read_bytes()

    def write(folder: Path) -> None:
        (folder / HEAD_FILE).write_bytes(saved)
        with h5py.File(folder / HEAD_FILE, "r+") as file:
            file.visititems(lambda _, item: item.write_direct(np.full(item.shape, np.nan, item.dtype))
                            if isinstance(item, h5py.Dataset) else None)  # fmt: skip

    save_bundle(spec, write, overwrite=True)
    assert main(["promote", "three", "--reason", "a test"]) == 2
    assert "head" in capsys.readouterr().err
    assert current_bundle() == "two"


def test_nothing_to_go_back_to_is_a_sentence(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollback"]) == 2
    assert "No bundle is on record that served before" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_a_sentence(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / HISTORY_FILE).mkdir()  # which not even root can write to
    assert main(["promote", "three", "--reason", "a test"]) == 2
    assert f"error: Nothing was changed: {root} cannot be written" in capsys.readouterr().err
    assert current_bundle() == "two"
    assert main(["history"]) == 2
    assert "history.jsonl" in capsys.readouterr().err


def test_what_differs_is_shown_with_metrics_side_by_side(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "two", "default"]) == 0
    out = capsys.readouterr().out
    for key in ("data.fingerprint", "data.images.NORMAL", "field", "head.pooling", "operating_points.rule_out.threshold",
                "calibration.slope", "training.views", "head.weights_sha256"):  # fmt: skip
        assert (key in out) == (key != "training.views"), key  # both took two views
    assert "backbone.id" not in out
    (auroc,) = _lines(out, "auroc")
    assert "0.990 (0.980 to 1.000)" in auroc
    shipped = load_bundle("default").spec.metrics["out_of_fold"]["auroc"]
    assert f"{shipped['value']:.3f} ({shipped['low']:.3f} to {shipped['high']:.3f})" in auroc
    assert "Trained on different films" in out


def test_a_comparison_for_programs_has_all_digits(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "default", "two", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    spec = load_bundle("default").spec
    assert said["bundles"][0]["sha256"] == load_bundle("default").sha256
    assert said["differences"]["calibration.slope"] == [spec.calibration.slope, 0.7]
    assert said["metrics"]["auroc"][0] == spec.metrics["out_of_fold"]["auroc"]
    assert said["same_films"] is False


def test_a_bundle_does_not_differ_from_itself(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "default", "default"]) == 0
    out = capsys.readouterr().out
    assert "They state the same" in out
    assert "Trained on different films" not in out


def test_a_bundle_whose_files_were_replaced_in_place_shows_in_the_history(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["promote", "three", "--reason", "a test"])
    retrain(root / "three")
    assert main(["history"]) == 0
    out = capsys.readouterr().out
    assert len(_lines(out, "three")) == 2
    assert "its files were replaced" in out
