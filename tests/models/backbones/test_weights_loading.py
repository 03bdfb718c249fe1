"""A weight file is loaded whole and gives what its publisher's network gives, or is refused with what to do."""

import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from models.backbones.feature_extractor import FeatureExtractor, build_feature_extractor
from models.backbones.table import get_backbone
from models.backbones.weights import WeightsError, WeightsFile, choose_backbone, find_weights, load_weights


def _not_weights(path: Path) -> Path:
    path.write_bytes(b"" if path.name == "empty.h5" else b"no weights at all")
    return path


@pytest.fixture(scope="module")
def resnet50() -> keras.Model:
    """Keras' own network, its batch normalisation far from the identity that it starts as."""
    network = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(224, 224, 3))
    dice = np.random.default_rng(0)
    for weight in network.weights:
        if "moving" in weight.path or "gamma" in weight.path:
            weight.assign(dice.uniform(0.5, 1.5, weight.shape))
    return network


@pytest.fixture(scope="module")
def files(resnet50: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The network's weights in the form that Keras publishes, and in the form that `save_weights` writes."""
    folder = tmp_path_factory.mktemp("resnet50")
    paths = {name: folder / name for name in ("legacy.h5", "new.weights.h5")}
    resnet50.save_weights(str(paths["new.weights.h5"]))
    whole = folder / "whole.h5"
    resnet50.save(str(whole))
    with h5py.File(whole) as source, h5py.File(paths["legacy.h5"], "w") as legacy:
        weights = source["model_weights"]
        legacy.attrs.update(weights.attrs)
        for name in weights:
            weights.copy(name, legacy)
    whole.unlink()
    return paths


@pytest.fixture(scope="module")
def resnet50_extractor() -> FeatureExtractor:
    return build_feature_extractor(get_backbone("resnet50"), None)


@pytest.fixture(scope="module")
def lite0() -> keras.Model:
    return build_feature_extractor(get_backbone("efficientnet_lite0"), None).weighted_layers


@pytest.mark.parametrize("form", ["legacy.h5", "new.weights.h5"])
def test_resnet50_from_a_local_file_equals_keras(
    form: str, files: dict[str, Path], resnet50: keras.Model, resnet50_extractor: FeatureExtractor
) -> None:
    for weight in resnet50_extractor.features.weights:
        weight.assign(np.zeros(weight.shape))
    backbone, file, _ = choose_backbone("resnet50", weights=files[form])
    assert (backbone.id, file.source) == ("resnet50", "custom")
    load_weights(resnet50_extractor.weighted_layers, file)

    grey = np.random.default_rng(0).uniform(0, 255, (1, 224, 224, 1)).astype(np.float32)
    scaled = keras.applications.resnet50.preprocess_input(np.repeat(grey, 3, axis=-1))
    expected, found = (
        np.asarray(network(pixels)) for network, pixels in ((resnet50, scaled), (resnet50_extractor.features, grey))
    )
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    assert expected.std() > 0


@pytest.mark.parametrize("name", ["legacy.h5", "new.weights.h5", "text.h5", "empty.h5", "picture.png", "truncated.h5"])
def test_a_file_of_something_else_is_refused_with_what_to_do(
    name: str, files: dict[str, Path], lite0: keras.Model, tmp_path: Path
) -> None:
    path = files.get(name) or _not_weights(tmp_path / name)
    if name == "truncated.h5":
        path.write_bytes(files["legacy.h5"].read_bytes()[:1_000_000])
    with pytest.raises(WeightsError, match=f"{path.name} does not hold weights for this backbone.*Take the file"):
        load_weights(lite0, WeightsFile(path, "", "custom"))


@pytest.mark.parametrize("damage", ["other layers", "other shapes", "cut", "empty", "pickled"])
def test_arrays_of_something_else_are_refused(damage: str, lite0: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    shutil.copy(find_weights(get_backbone("efficientnet_lite0")).path, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1_000_000])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        with np.load(path) as arrays:
            changed = dict(arrays)
        if damage == "other layers":
            del changed["stem_conv/kernel"]
        else:
            other = np.array([{}], dtype=object) if damage == "pickled" else np.zeros((3, 3))
            changed["stem_conv/kernel"] = other
        np.savez(path, **changed)
    with pytest.raises(WeightsError, match=r"arrays\.npz does not hold weights for this backbone"):
        load_weights(lite0, WeightsFile(path, "", "custom"))
