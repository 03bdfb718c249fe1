"""`train --precision int8`: heads learn from what the quantised backbone gives, and the bundle carries it."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from models.films.radiograph import read_radiograph
from models.predictor import Predictor
from tests.training.conftest import Trained, Workshop

pytestmark = pytest.mark.skipif(not find_spec("nncf"), reason="NNCF is not installed (requirements-int8.txt)")


@pytest.fixture(scope="module")
def in_int8(workshop: Workshop, films: Path) -> Trained:
    ran = workshop.train(films, "small", "--precision", "int8")
    assert ran.status == 0, ran.err
    return Trained("small", films, ran)


def test_the_bundle_carries_its_backbone_and_says_so(workshop: Workshop, in_int8: Trained) -> None:
    bundle, report, card = workshop.load("small"), workshop.report("small"), workshop.card("small")
    assert bundle.spec.backbone.source == "quantised"
    assert bundle.backbone_file == bundle.folder / "backbone.int8"
    assert bundle.spec.training["precision"] == report["backbone"]["precision"] == "int8"
    made = report["backbone"]["int8"]
    assert (made["source"], made["films"]) == ("vendored", 48)
    assert f"quantised by NNCF {made['nncf']} from vendored weights of SHA-256 `{made['weights_sha256']}`" in card
    assert report["out_of_fold"]["auroc"]["value"] > 0.7


def test_another_head_embeds_nothing_and_each_load_judges_alike(workshop: Workshop, in_int8: Trained) -> None:
    before = workshop.shards()
    again = workshop.train(in_int8.data, "small-again", "--precision", "int8", "--width", 0)
    assert again.status == 0, again.err
    assert workshop.shards() == before
    first, second = workshop.load("small"), workshop.load("small-again")
    assert first.spec.backbone == second.spec.backbone
    predictor = Predictor(first)
    assert predictor.engine.precision == "int8"
    film = read_radiograph(next((in_int8.data / "PNEUMONIA").iterdir()))
    [one], [other] = predictor.predict([film]), Predictor(workshop.load("small")).predict([film])
    assert one.probabilities == other.probabilities
    assert one.verdict == other.verdict == "PNEUMONIA"


def test_the_backbone_of_one_bundle_serves_another(workshop: Workshop, in_int8: Trained) -> None:
    weights = workshop.load("small").backbone_file
    ran = workshop.train(in_int8.data, "small-lent", "--precision", "int8", "--weights", weights, "--width", 0)
    assert ran.status == 0, ran.err
    assert (
        workshop.load("small-lent").spec.backbone.weights_sha256 == workshop.load("small").spec.backbone.weights_sha256
    )
    assert workshop.report("small-lent")["backbone"]["int8"] == workshop.report("small")["backbone"]["int8"]


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--engine", "keras"), 2, "error [int8_engine]: A backbone in int8 runs on OpenVINO alone."),
        (("--require-gpu",), 1, "--precision int8 is for the processor. Leave out --require-gpu"),
        (("--fine-tune", 1), 2, "--precision int8 is for a frozen backbone: leave out --fine-tune and --from-scratch."),
    ],
)
def test_what_it_does_not_go_with_is_refused_before_a_film_is_read(
    options: tuple[object, ...], status: int, said: str, workshop: Workshop, films: Path
) -> None:
    ran = workshop.train(films, "never", "--precision", "int8", *options)
    assert (ran.status, "Reading images" in ran.out) == (status, False)
    assert said in ran.err
    assert not (workshop.bundles / "never").exists()
