"""`python -m training lungs`: from films and drawings to a finder that finds."""

from pathlib import Path

import numpy as np
import pytest

from models.backbones.weights import find_weights
from models.engines.load import load_engine
from models.films.network_input import network_input
from models.lungs.finder import LungFinder, finder_backbone
from tests.training.conftest import Workshop
from tests.training.films import film
from tests.training.lungs.drawn import drawn_lungs, write_drawn
from training.lungs.score import agreement, quantile_estimate


@pytest.fixture(scope="module")
def fitted(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the command said, and the finder that it wrote."""
    root = tmp_path_factory.mktemp("lungs")
    films, masks = write_drawn(root, films=24)
    ran = workshop.run("lungs", films, masks, "--to", root / "finder.npz", "--most", 16)
    assert ran.status == 0, ran.err
    return ran.out, root / "finder.npz"


def test_it_says_how_good_it_is_on_patients_not_fitted_on(fitted: tuple[str, Path]) -> None:
    said, _ = fitted
    assert "of other patients to judge by" in said
    assert "Dice of the outline" in said
    assert "overlap of the box" in said


def test_its_finder_finds_the_lungs_of_a_new_film(fitted: tuple[str, Path]) -> None:
    backbone, finder = finder_backbone(), LungFinder.load(fitted[1])
    engine = load_engine(backbone, find_weights(backbone), engine="openvino")
    seeds = range(100, 108)
    seen = engine.run(np.stack([network_input(film(seed), backbone.input_size) for seed in seeds]))
    pairs = [
        agreement(found, drawn_lungs(seed)) for found, seed in zip(finder.maps(seen.feature_map), seeds, strict=True)
    ]
    assert np.median([dice for dice, _ in pairs]) > 0.85
    assert np.median([box for _, box in pairs]) > 0.8
    turned = engine.run(np.stack([network_input(np.rot90(film(seed)).copy(), backbone.input_size) for seed in seeds]))
    assert (finder.uprightness(seen.pooled[:, 0]) > finder.uprightness(turned.pooled[:, 0])).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("nowhere", "masks"), "must be in folders"),
        (("films", "masks", "--most", "1"), "--most must be at least 2"),
    ],
)
def test_what_cannot_be_fitted_is_said_before_anything_is_written(
    workshop: Workshop, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    write_drawn(tmp_path, films=4)
    places = [
        tmp_path / option if not option.lstrip("-")[:1].isdigit() and option[:1] != "-" else option
        for option in options
    ]
    ran = workshop.run("lungs", *places, "--to", tmp_path / "finder.npz")
    assert ran.status == 2
    assert message in ran.err
    assert not (tmp_path / "finder.npz").exists()


def test_an_interval_holds_its_quantile() -> None:
    values = np.random.default_rng(0).uniform(0, 1, 400)
    estimate = quantile_estimate(values, 0.05, [str(number // 2) for number in range(400)], draws=200)
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate.value == pytest.approx(0.05, abs=0.02)
    assert estimate.patients == 200
