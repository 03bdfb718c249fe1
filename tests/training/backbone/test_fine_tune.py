"""The second phase: what may move moves, what may not does not, and what is saved is what was trained."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from models.backbones.feature_extractor import FeatureExtractor, build_feature_extractor
from models.backbones.table import get_backbone
from models.backbones.weightless import weightless
from models.backbones.weights import WeightsFile, find_weights, load_weights
from models.bundle import BUNDLES_VARIABLE
from models.engines.keras_engine import KerasEngine
from models.films.radiograph import read_radiograph
from models.head import HeadConfig, build_head
from models.predictor import Predictor, backbone_weights
from models.system.files import digest
from tests.models.engines.backbones import HUNGRY, save_weights
from tests.training.backbone.three_blocks import THREE_BLOCKS
from tests.training.conftest import Workshop
from tests.training.films import write_published
from training.backbone.fine_tune import block_names, fine_tune, unfreeze
from training.backbone.fine_tuned_head import fine_tune_head
from training.config import AugmentationConfig, HeadTraining, RunConfig
from training.data.learnable import split_patients
from training.data.manifest import read_manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.embed_folder import embed_folder
from training.embedding.embedded_films import EmbeddedFilms
from training.embedding.views import Film
from training.heads.fit import FittedHead

LITE = get_backbone("efficientnet_lite0")
BLOCKS = 2


@dataclass(frozen=True)
class Tuned:
    """What the second phase gave, with all that is needed to check it; the extractor has the weights that were saved."""

    root: Path
    embedded: EmbeddedFilms
    before: FeatureExtractor
    extractor: FeatureExtractor
    fit: NDArray[np.int64]
    held_out: NDArray[np.int64]
    logits: NDArray[np.float32]
    fitted: FittedHead
    weights: WeightsFile
    seen: EmbeddedFilms


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 films of each class."""
    return write_published(tmp_path_factory.mktemp("few"), images=8)


@pytest.fixture(scope="module")
def tuned(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """The last two of three blocks, fine-tuned on the plain films."""
    places = tmp_path_factory.mktemp("places")
    save_weights(THREE_BLOCKS, places / "start.weights.h5")
    start = WeightsFile(places / "start.weights.h5", digest(places / "start.weights.h5"), "custom")
    engine = KerasEngine(THREE_BLOCKS, start)
    training = HeadTraining(learning_rate=0.01, epochs=3)
    config = RunConfig(
        few,
        "tuned",
        places / "cache",
        engine="keras",  # the other one would be made ready for these weights; the command's test does that
        views=0,
        fine_tune=BLOCKS,
        runs=places / "runs",
        head=HeadConfig(width=8, pooling="mean"),
        head_training=training,
    )
    manifest, console = read_manifest(few), Console(quiet=True)
    embedded = embed_folder(config, manifest, engine, EmbeddingCache.of(engine, config.cache), console)
    (split,) = split_patients(config, manifest)
    logits, fitted, running, seen = fine_tune_head(config, manifest, embedded, split, engine, console)
    fit, held_out = split
    before, extractor = (build_feature_extractor(THREE_BLOCKS, one) for one in (start, running.weights))
    return Tuned(few, embedded, before, extractor, fit, held_out, logits, fitted, running.weights, seen)


Numbers = dict[str, list[NDArray[np.float32]]]


def numbers_of(extractor: FeatureExtractor) -> Numbers:
    """The weights of each layer, by its name."""
    return {layer.name: layer.get_weights() for layer in extractor.features.layers}


def moved_layers(before: Numbers, after: Numbers) -> set[str]:
    """The layers of which some number is another one."""
    return {name for name, numbers in before.items() if not all(map(np.array_equal, numbers, after[name]))}


def test_only_the_last_blocks_move_and_no_batch_normalisation(tuned: Tuned) -> None:
    assert block_names(tuned.before.features) == ["conv1_block1", "conv2_block1", "conv3_block1"]
    assert moved_layers(numbers_of(tuned.before), numbers_of(tuned.extractor)) == {
        "conv2_block1_conv",
        "conv3_block1_conv",
    }


def test_held_out_patients_are_others_than_the_learnt_ones(tuned: Tuned) -> None:
    patients = np.array(tuned.embedded.patients)
    assert not set(patients[tuned.fit]) & set(patients[tuned.held_out])
    assert sorted([*tuned.fit, *tuned.held_out]) == list(range(16))
    assert set(tuned.embedded.truth[tuned.held_out]) == {0, 1}


def test_only_held_out_images_have_logits(tuned: Tuned) -> None:
    assert np.isfinite(tuned.logits[tuned.held_out]).all()
    assert np.isnan(tuned.logits[tuned.fit]).all()


def test_the_saved_weights_are_those_that_were_trained(tuned: Tuned) -> None:
    assert tuned.weights.source == "fine-tuned"
    assert tuned.weights.sha256 == digest(tuned.weights.path)
    frozen = tuned.embedded.pooled("mean")
    for index in tuned.held_out:
        path = tuned.root / tuned.embedded.entries[index].path
        pixels = tuned.extractor.resize(read_radiograph(path).pixels[None, :, :, None])
        feature_map = np.asarray(tuned.extractor.features(pixels))
        embedding = feature_map.mean(axis=(1, 2))
        np.testing.assert_allclose(tuned.fitted.head.logits(embedding)[0], tuned.logits[index], atol=1e-3)
        assert np.abs(embedding[0] - frozen[index, 0]).max() > 1e-4, "the backbone did learn"


def test_losses_tell_of_every_epoch(tuned: Tuned) -> None:
    training, validation = tuned.fitted.losses
    assert 1 <= tuned.fitted.epochs <= len(training) == len(validation)


def test_a_batch_that_does_not_fit_into_the_memory_is_halved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_published(tmp_path, images=4)
    films = [(Film(path, digest(path), number % 2), [0]) for number, path in enumerate(sorted(root.rglob("*.png")))]
    extractor, head = build_feature_extractor(HUNGRY, None), build_head(8, 2, HeadConfig(width=0), l2=0.0, seed=0)
    history = fine_tune(
        extractor, head, films[:6], films[6:], blocks=1, pooling="mean", augmentation=AugmentationConfig(), seed=0
    )
    assert np.isfinite(history["val_loss"]).all()
    assert [record.args for record in caplog.records if record.name == "pneumolens"] == [(8,), (4,)]


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "resnet50", "densenet121"])
def test_blocks_are_counted_from_the_end(backbone: str) -> None:
    with weightless():
        features = build_feature_extractor(get_backbone(backbone), None).features
    names = block_names(features)
    assert len(names) == len(set(names)) > 10
    trained = unfreeze(features, 1)
    assert trained
    assert all(name.startswith(f"{names[-1]}_") for name in trained)
    assert not any(isinstance(features.get_layer(name), keras.layers.BatchNormalization) for name in trained)
    everything = unfreeze(features, len(names))
    assert set(trained) < set(everything)
    for blocks in (0, len(names) + 1):
        with pytest.raises(ValueError, match=f"from 1 to {len(names)}.*Received: {blocks}"):
            unfreeze(features, blocks)


def test_a_fine_tuned_bundle_stands_alone(workshop: Workshop, few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = workshop.train(few, "fine_tuned", "--fine-tune", 1, "--views", 0)
    assert ran.status == 0, ran.err
    bundle, report = workshop.load("fine_tuned"), workshop.report("fine_tuned")
    assert bundle.spec.backbone.source == "fine-tuned"
    assert bundle.backbone_file == bundle.folder / "backbone.weights.h5"
    assert bundle.spec.backbone.weights_sha256 == digest(bundle.folder / "backbone.weights.h5")
    own = build_feature_extractor(LITE, find_weights(LITE))
    published, last = numbers_of(own), f"{block_names(own.features)[-1]}_"
    load_weights(own.weighted_layers, backbone_weights(bundle))
    assert moved_layers(published, numbers_of(own)) == {
        layer.name
        for layer in own.features.layers
        if layer.name.startswith(last) and layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
    }
    judged = report["out_of_fold"]["auroc"]
    assert judged["n"] in (2, 4), "a fifth of 16, two of each patient"
    assert np.sum(report["confusion"]) == judged["n"]
    assert report["leave_batch_out"] is None
    assert "Judged on the patients that fine-tuning held out" in workshop.card("fine_tuned")
    monkeypatch.setenv(BUNDLES_VARIABLE, str(workshop.bundles))
    radiographs = [read_radiograph(path) for label in ("NORMAL", "PNEUMONIA") for path in (few / label).iterdir()]
    probability = np.array([one.probability("PNEUMONIA") for one in Predictor.load("fine_tuned").predict(radiographs)])
    assert (probability[8:][:, None] > probability[:8]).mean() > 0.8


def test_too_many_blocks_are_refused_before_anything_is_embedded(
    workshop: Workshop, films: Path, tmp_path: Path
) -> None:
    ran = workshop.train(films, "too_deep", "--fine-tune", 99, "--cache", tmp_path / "cache")
    assert ran.status == 2
    assert "--fine-tune must be from 1 to" in ran.err
    assert not list((tmp_path / "cache").rglob("efficientnet_lite0-*/*.parquet"))
    assert not (workshop.bundles / "too_deep").exists()
