"""A loaded bundle judges the same film alike, however it comes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.backbones.table import get_backbone
from models.backbones.weights import WeightsError, find_weights
from models.bundle import BUNDLES_VARIABLE, HEAD_FILE, BundleError, BundleSpec, load_bundle, save_bundle
from models.engines.batching import BATCH_SIZE
from models.films.radiograph import Radiograph
from models.head import HeadConfig
from models.network import build_network
from models.prediction import Prediction
from models.predictor import Predictor

Films = list[Radiograph]


def _probabilities(predictions: list[Prediction]) -> np.ndarray:
    return np.array([prediction.probabilities for prediction in predictions])


def test_probabilities_are_the_calibrated_head_of_the_backbone(
    predictor: Predictor, predictor_of_three: Predictor, extractor: Any, bundles: Any, films: Films
) -> None:
    """Computed here once more from the parts: resize, backbone, head, and the formulas of the two calibrations."""
    pixels = np.concatenate([extractor.resize(film.pixels[None, :, :, None]) for film in films])
    embedding = build_network(extractor, bundles.heads["two"])(pixels)["embedding"]

    logits = bundles.heads["two"](embedding).numpy()
    pneumonia = 1 / (1 + np.exp(-(0.7 * (logits[:, 1] - logits[:, 0]) - 0.4)))
    predictions = predictor.predict(films)
    assert _probabilities(predictions)[:, 1] == pytest.approx(pneumonia, abs=1e-5)
    assert pneumonia.std() > 0.05  # the head does tell these films apart

    logits = bundles.heads["three"](embedding).numpy()
    expected = np.exp(logits / 2) / np.exp(logits / 2).sum(axis=1, keepdims=True)
    assert _probabilities(predictor_of_three.predict(films)) == pytest.approx(expected, abs=1e-5)


def test_verdicts_and_names_come_from_the_bundle(
    predictor: Predictor, predictor_of_three: Predictor, bundles: Any, films: Films
) -> None:
    points = bundles.two.spec.operating_points
    for prediction in predictor.predict(films):
        probability = prediction.probability("PNEUMONIA")
        decided = "PNEUMONIA" if probability >= 0.7 else "NORMAL"
        assert prediction.verdict == ("indeterminate" if 0.5 <= probability < 0.7 else decided)
        assert (prediction.bundle, prediction.positive, prediction.operating_points) == ("two", "PNEUMONIA", points)
        assert prediction.prevalence == 0.5
        low, high = prediction.interval or (1, 0)
        assert low < probability < high
    for prediction in predictor_of_three.predict(films):
        assert prediction.verdict == prediction.labels[int(np.argmax(prediction.probabilities))]
        assert (prediction.bundle, prediction.positive, prediction.operating_points) == ("three", None, ())


def test_a_film_exactly_at_the_threshold_is_positive(predictor: Predictor, bundles: Any, films: Films) -> None:
    """The operating points are moved onto the highest probability of the films, and only that film reaches them."""
    probabilities = [predictor.predict([film])[0].probability("PNEUMONIA") for film in films]
    points = tuple(replace(point, threshold=max(probabilities)) for point in bundles.two.spec.operating_points)
    moved = Predictor(replace(bundles.two, spec=replace(bundles.two.spec, operating_points=points)))
    verdicts = [moved.predict([film])[0].verdict for film in films]
    assert verdicts == ["PNEUMONIA" if value == max(probabilities) else "NORMAL" for value in probabilities]
    assert verdicts.count("PNEUMONIA") == 1


def test_a_batch_equals_one_by_one_and_keeps_the_order(predictor: Predictor, films: Films) -> None:
    many = [films[index % len(films)] for index in range(BATCH_SIZE + 3)]
    together = _probabilities(predictor.predict(many))
    alone = _probabilities([predictor.predict([film])[0] for film in films])
    assert len(together) == BATCH_SIZE + 3
    for index, probabilities in enumerate(together):
        assert probabilities == pytest.approx(alone[index % len(films)], abs=1e-5)


def test_nothing_in_nothing_out(predictor: Predictor) -> None:
    assert predictor.predict([]) == []


def test_threads_that_share_a_predictor_get_their_own_answers(predictor: Predictor, films: Films) -> None:
    alone = _probabilities([predictor.predict([film])[0] for film in films])
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda index: predictor.predict([films[index % 5]])[0], range(20)))
    for index, probabilities in enumerate(_probabilities(answers)):
        assert probabilities == pytest.approx(alone[index % 5], abs=1e-5)


def test_a_bundle_loaded_by_name_gives_the_same_answers(
    predictor: Predictor, bundles: Any, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUNDLES_VARIABLE, str(bundles.root))
    again = Predictor.load("two")
    assert np.array_equal(_probabilities(again.predict(films)), _probabilities(predictor.predict(films)))


def test_films_stay_as_they_were(predictor: Predictor, make_film: Callable[..., Radiograph]) -> None:
    film = make_film(9)
    before = film.pixels.copy()
    predictor.predict([film], heatmaps=True)
    assert np.array_equal(film.pixels, before)


def _save(spec: BundleSpec, head: Any, *others: tuple[str, Path]) -> None:
    def write(folder: Path) -> None:
        head.save_weights(str(folder / HEAD_FILE))
        for name, source in others:
            (folder / name).write_bytes(source.read_bytes())

    save_bundle(spec, write)


def test_a_bundle_can_carry_its_backbone(
    bundles: Any, predictor: Predictor, films: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path))
    backbone = replace(bundles.two.spec.backbone, source="custom", file="backbone.npz")
    file = find_weights(get_backbone(backbone.id)).path
    _save(replace(bundles.two.spec, name="own", backbone=backbone), bundles.heads["two"], ("backbone.npz", file))
    predictions = Predictor.load("own").predict(films[:1])
    assert _probabilities(predictions) == pytest.approx(_probabilities(predictor.predict(films[:1])), abs=1e-6)


def test_other_backbone_weights_than_the_bundle_was_made_with_are_refused(
    bundles: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path))
    backbone = replace(bundles.two.spec.backbone, weights_sha256="0" * 64)
    _save(replace(bundles.two.spec, name="other", backbone=backbone), bundles.heads["two"])
    with pytest.raises(WeightsError, match=r"'other' was made with other weights of efficientnet_lite0.*PNEUMOLENS_W"):
        Predictor.load("other")


def test_a_head_of_another_architecture_is_refused(
    bundles: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path))
    for name, head in (("wide", HeadConfig(width=9)), ("none", HeadConfig(width=0))):
        _save(replace(bundles.two.spec, name=name, head=head), bundles.heads["two"])
        assert load_bundle(name).spec.head == head
        with pytest.raises(BundleError, match=f"head of '{name}' does not fit"):
            Predictor.load(name)
