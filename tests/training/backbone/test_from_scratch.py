"""From scratch: no published weight goes in, nobody who judges was learnt from, and a killed run goes on where it was."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.backbones.feature_extractor import LungMean
from models.bundle import BUNDLES_VARIABLE
from models.films.radiograph import read_radiograph
from models.head import HeadConfig
from models.lungs.box import WHOLE
from models.lungs.search import FoundLungs
from models.prediction import Prediction
from models.predictor import Predictor
from models.system.files import digest
from tests.training.conftest import Workshop
from tests.training.films import write_film, write_published
from training.backbone.scratch_loop import ScratchLoop, optimizer_of
from training.config import HeadTraining, RunConfig, ScratchTraining
from training.data.manifest import read_manifest
from training.embedding.views import Film

SIZE, EPOCHS = 16, 4
SCRATCH = ("--from-scratch", "--backbone", "auto", "--batch-size", 8, "--scratch-epochs", 1, "--warm-up", 0)


@pytest.fixture(scope="module")
def shadows(tmp_path_factory: pytest.TempPathFactory) -> list[Film]:
    """24 films, half of them with an opacity."""
    root = tmp_path_factory.mktemp("shadows")
    for number in range(12):
        for label, opacity in (("CLEAR", 0.0), ("CLOUDY", 2.0)):
            write_film(root / label / f"{number}.png", number + round(1000 * opacity), opacity)
    manifest = read_manifest(root)
    return [Film(root / one.path, one.sha256, manifest.labels.index(one.label)) for one in manifest.entries]


def loop_of(films: list[Film], state: Path, **training: Any) -> ScratchLoop:
    """A loop over a tiny network."""
    keras.utils.set_random_seed(3)
    pixels = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Rescaling(1 / 64, -2)(pixels)
    x = keras.layers.BatchNormalization(momentum=0.5)(keras.layers.Conv2D(4, 3, use_bias=False)(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    scratch = ScratchTraining(**{"epochs": EPOCHS, "batch_size": 4, "warm_up": 1, "patience": EPOCHS, **training})
    config = RunConfig(Path(), "tiny", Path(), scratch=scratch, head_training=HeadTraining(label_smoothing=0.1))
    network = keras.Model(pixels, keras.layers.Dense(2)(x))
    return ScratchLoop(network, films[:18], films[18:], config, state=state)


def test_a_head_that_pools_over_the_lungs_is_shown_them_in_every_step(shadows: list[Film], tmp_path: Path) -> None:
    found = FoundLungs(WHOLE, np.eye(28, dtype=np.float32), None, np.zeros(3, np.float32), None, None)
    films = [film._replace(lungs=found) for film in shadows]
    keras.utils.set_random_seed(3)
    pixels, lungs = keras.Input((SIZE, SIZE, 1)), keras.Input((28, 28))
    x = LungMean()([keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 64, -2)(pixels)), lungs])
    scratch = ScratchTraining(epochs=2, batch_size=4, warm_up=1)
    config = RunConfig(Path(), "tiny", Path(), field="lungs", scratch=scratch, head=HeadConfig(pooling="lungs"))
    network = keras.Model([pixels, lungs], keras.layers.Dense(2)(x))
    loop = ScratchLoop(network, films[:18], films[18:], config, state=tmp_path / "state.npz")
    losses, _ = run(loop)
    assert np.isfinite(losses).all()
    (views, weights), labels = loop._watched[0]
    assert (views.shape, weights.shape, len(labels)) == ((4, SIZE, SIZE, 1), (4, 28, 28), 4)
    assert weights[0] == pytest.approx(found.weights)


def run(loop: ScratchLoop, *, until: int = 99) -> tuple[Any, list[str]]:
    """Run a loop; killed, without any farewell, in the epoch after `until`."""
    said: list[str] = []

    def killed(done: int, total: int) -> None:
        if done > until * total // EPOCHS + 1:
            raise KeyboardInterrupt

    return loop.run(killed, say=said.append), said


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_killed_training_goes_on_and_ends_as_if_nothing_had_been(
    optimizer: str, shadows: list[Film], untraced: None, tmp_path: Path
) -> None:
    whole = loop_of(shadows, tmp_path / "whole.npz", optimizer=optimizer)
    losses, said = run(whole)
    assert len(said) == len(losses[0]) == EPOCHS
    with pytest.raises(KeyboardInterrupt):
        run(loop_of(shadows, tmp_path / "killed.npz", optimizer=optimizer), until=2)
    taken_up = loop_of(shadows, tmp_path / "killed.npz", optimizer=optimizer)
    assert taken_up.done == 2, "at most the epoch that was under way is lost"
    resumed, said = run(taken_up)
    assert len(said) == EPOCHS - 2
    np.testing.assert_allclose(resumed, losses, rtol=1e-3)
    for ours, theirs in zip(taken_up._network.get_weights(), whole._network.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive"])
def test_a_damaged_state_is_no_state(damage: bytes, shadows: list[Film], untraced: None, tmp_path: Path) -> None:
    (tmp_path / "state.npz").write_bytes(damage)
    loop = loop_of(shadows, tmp_path / "state.npz", epochs=2)
    assert loop.done == 0
    assert len(run(loop)[0][1]) == 2


def test_it_stops_where_the_watched_patients_gain_nothing_and_keeps_the_best(
    shadows: list[Film], tmp_path: Path
) -> None:
    loop = loop_of(shadows, tmp_path / "state.npz", epochs=30, patience=2, learning_rate=0.5)
    (_, watched), _ = run(loop)
    assert len(watched) < 30
    assert loop.best_epoch == len(watched) - 2
    again = loop_of(shadows, tmp_path / "state.npz", epochs=30, patience=2, learning_rate=0.5)
    assert again.stopped
    run(again)
    loss = again._network.evaluate(again._watched, verbose=0)
    assert loss == pytest.approx(min(watched), rel=1e-3)


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("cosine", {0: 0.05, 9: 0.5, 20: 0.9045, 50: 0.5, 99: 0.00025}),
        ("step", {0: 0.05, 9: 0.5, 20: 1, 49: 1, 51: 0.1, 74: 0.1, 76: 0.01}),
    ],
)
@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 1e-3), ("sgd", 0.05)])
def test_the_rate_rises_over_the_warm_up_and_then_falls(
    schedule: str, shares: dict[int, float], optimizer: str, rate: float
) -> None:
    training = ScratchTraining(optimizer, rate, schedule=schedule, warm_up=2, epochs=10)
    made = optimizer_of(training, steps=10)
    for step, share in shares.items():
        made.iterations.assign(step)
        warm = 0.5 * (1 + np.cos(np.pi * step / 100)) if schedule == "cosine" and step < 20 else 1
        assert float(made.learning_rate) == pytest.approx(rate * share * warm, rel=0.02, abs=1e-6)
    assert type(made).__name__.lower() == optimizer
    assert optimizer == "adam" or made.momentum == 0.9
    assert made.weight_decay == 1e-4


def test_a_bundle_from_scratch_stands_alone(
    workshop: Workshop, untraced: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = write_published(tmp_path, images=10)
    ran = workshop.quick.train(films, "scratched", *SCRATCH, "--learning-rate", "0.001")
    assert ran.status == 0, ran.err
    bundle, report = workshop.load("scratched"), workshop.report("scratched")
    assert bundle.spec.backbone.id == "resnet18"
    assert bundle.spec.backbone.source == "from-scratch"
    assert bundle.spec.backbone.weights_sha256 == digest(bundle.folder / "backbone.weights.h5")
    assert report["out_of_fold"]["auroc"]["n"] == 4, "a fifth of 20"
    assert report["leave_batch_out"] is None
    assert "trained from scratch" in workshop.card("scratched")
    assert "Judged on a fifth of the patients that no training has seen" in workshop.card("scratched")
    monkeypatch.setenv(BUNDLES_VARIABLE, str(workshop.bundles))
    radiographs = [read_radiograph(path) for path in sorted(films.rglob("*.png"))[:3]]
    outcomes = Predictor.load("scratched").predict(radiographs)
    for outcome in outcomes:
        if isinstance(outcome, Prediction):
            assert 0 <= outcome.probability("PNEUMONIA") <= 1
    again = Predictor.load("scratched").predict(radiographs)
    assert [repr(one) for one in again] == [repr(one) for one in outcomes]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--backbone", "resnet18"), "resnet18 has no published weights: train it with --from-scratch"),
        (("--from-scratch", "--fine-tune", 1), "leave out --fine-tune and --weights"),
        (("--from-scratch", "--warm-up", 12), "warm_up must be from 0 to less than epochs"),
        (("--from-scratch", "--batch-size", 0), "must be positive"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: tuple[Any, ...], rule: str, workshop: Workshop, films: Path
) -> None:
    ran = workshop.train(films, "refused", *options)
    assert ran.status == 2
    assert rule in ran.err
    assert not (workshop.bundles / "refused").exists()


def test_there_is_nothing_to_fetch_for_a_network_without_published_weights(workshop: Workshop) -> None:
    ran = workshop.run("weights", "resnet34")
    assert ran.status == 2
    assert "--from-scratch" in ran.err
