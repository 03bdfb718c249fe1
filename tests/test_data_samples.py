"""The sample radiographs: readable through every door, nobody's, not too like any film, and judged as recorded."""

import hashlib
import json
import statistics
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest
from PIL import Image

from models.films.radiograph import read_radiograph
from models.predictor import Predictor

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data_samples"
DATA = ROOT.parent / "shared" / "chest_xray_originals" / "train"
SOURCES = json.loads((SAMPLES / "sources.json").read_text())
FILES = sorted(SOURCES)
USUAL = {"NORMAL": (1.03, 1.44), "PNEUMONIA": (1.17, 1.87)}  # width / height of the films: 5th to 95th percentile
needs_films = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs the training radiographs in ../shared, which are not shipped"
)


@pytest.fixture(scope="module")
def tools() -> Iterator[tuple[ModuleType, ModuleType]]:
    """The modules of the script, which are no package: it is started as a file."""
    sys.path.insert(0, str(SAMPLES))
    import choosing
    import similarity

    yield choosing, similarity
    sys.path.remove(str(SAMPLES))


def test_every_class_has_four_and_every_door_one() -> None:
    pictures = {path.name for path in SAMPLES.iterdir() if path.suffix in {".jpeg", ".png", ".dcm"}}
    assert pictures == set(FILES)
    assert [sum(source["label"] == label for source in SOURCES.values()) for label in ("NORMAL", "PNEUMONIA")] == [4, 4]
    assert {read_radiograph(SAMPLES / name).format for name in FILES} == {"JPEG", "PNG", "DICOM"}
    assert sum((SAMPLES / name).stat().st_size for name in FILES) < 3 * 2**20


@pytest.mark.parametrize("name", FILES)
def test_a_sample_decodes_to_the_picture_that_was_written(name: str) -> None:
    pixels = read_radiograph(SAMPLES / name).pixels
    assert [pixels.shape[1], pixels.shape[0]] == SOURCES[name]["size"]
    means = np.asarray(Image.fromarray(pixels.astype(np.float32)).resize((16, 13), Image.Resampling.BOX))
    # JPEG and rounding move the mean of a part by less than a grey level; an inverted or clipped picture by dozens.
    np.testing.assert_allclose(means, SOURCES[name]["part_means"], atol=1.5)


@pytest.mark.parametrize("name", FILES)
def test_a_sample_has_a_hospitals_size_and_its_classs_proportions(name: str) -> None:
    width, height = SOURCES[name]["size"]
    assert 1500 <= width <= 2000
    narrow, wide = USUAL[SOURCES[name]["label"]]
    assert narrow < width / height < wide


def test_the_classes_have_the_same_sizes_and_proportions_of_their_own() -> None:
    sizes: dict[str, list[list[int]]] = {label: [] for label in USUAL}
    for source in SOURCES.values():
        sizes[source["label"]].append(source["size"])
    assert sorted(width for width, _ in sizes["NORMAL"]) == sorted(width for width, _ in sizes["PNEUMONIA"])
    usual = {label: statistics.mean(width / height for width, height in each) for label, each in sizes.items()}
    assert 1.15 < usual["NORMAL"] < 1.25
    assert 1.35 < usual["PNEUMONIA"] < 1.55


@needs_films
@pytest.mark.parametrize("name", FILES)
def test_a_sample_has_the_median_proportions_of_its_films(name: str) -> None:
    folder, (width, height) = DATA / SOURCES[name]["label"], SOURCES[name]["size"]
    films = [read_radiograph(folder / film).pixels for film in SOURCES[name]["films"]]
    usual = statistics.median(film.shape[1] / film.shape[0] for film in films)
    assert width / height == pytest.approx(usual, rel=0.005)


def test_the_png_has_16_bits() -> None:
    header = (SAMPLES / "normal_4.png").read_bytes()[:26]
    assert header[24:26] == bytes([16, 0])  # IHDR: bit depth 16, greyscale


def test_the_dicom_is_monochrome1_and_names_no_patient() -> None:
    header = pydicom.dcmread(SAMPLES / "pneumonia_4.dcm")
    assert header.PhotometricInterpretation == "MONOCHROME1"
    assert (header.Modality, header.BitsStored, header.WindowWidth) == ("CR", 12, 4096)
    assert (header.file_meta.TransferSyntaxUID, header.LossyImageCompression) == (pydicom.uid.JPEG2000, "01")
    assert str(header.PatientName).startswith("SYNTHETIC")
    assert header.PatientID == "SYNTHETIC"
    assert not any(header[key].value for key in ("PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber"))
    for key in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        assert header[key].value.is_valid
        assert header[key].value.startswith(pydicom.uid.PYDICOM_ROOT_UID)


@pytest.mark.parametrize("name", FILES)
def test_a_sample_is_the_mean_of_a_dozen_patients(name: str, tools: tuple[ModuleType, ModuleType]) -> None:
    choosing, _ = tools
    assert len({choosing.patient_of(film) for film in SOURCES[name]["films"]}) == len(SOURCES[name]["films"]) == 12


def test_the_samples_come_from_different_films() -> None:
    films = [set(SOURCES[name]["films"]) for name in FILES]
    assert max(len(one & other) for one, other in combinations(films, 2)) <= 2


@needs_films
@pytest.mark.parametrize("name", FILES)
def test_no_film_shows_through_its_sample(name: str, tools: tuple[ModuleType, ModuleType]) -> None:
    _, similarity = tools
    sample, folder = read_radiograph(SAMPLES / name).pixels, DATA / SOURCES[name]["label"]
    films = [read_radiograph(folder / film).pixels for film in SOURCES[name]["films"]]
    for side, limit in ((similarity.SIDE, similarity.LIMIT), (similarity.FINE, similarity.FINE_LIMIT)):
        prints = [similarity.fingerprint(film, side) for film in films]
        *_, next_best, best = sorted(
            similarity.similarity(similarity.fingerprint(sample, side), film) for film in prints
        )
        assert best < limit
        assert best - next_best < similarity.LEAD_LIMIT
        *_, other, itself = sorted(similarity.similarity(prints[0], film) for film in prints)  # a film would be found
        assert itself > limit
        assert itself - other > similarity.LEAD_LIMIT


@pytest.mark.parametrize("name", [*FILES, "make_samples.py", "sources.json", "expected.json"])
def test_the_readme_lists_every_file(name: str) -> None:
    assert f"`{name}`" in (SAMPLES / "README.md").read_text()


def test_predictions_are_as_recorded() -> None:
    expected = json.loads((SAMPLES / "expected.json").read_text())
    names = list(expected["samples"])
    assert sorted(names) == FILES
    predictor = Predictor.load(expected["bundle"])
    for name, prediction in zip(names, predictor.predict([read_radiograph(SAMPLES / n) for n in names]), strict=True):
        recorded = expected["samples"][name]
        assert prediction.verdict == recorded["verdict"], name
        assert dict(zip(prediction.labels, prediction.probabilities, strict=True)) == pytest.approx(
            recorded["probabilities"], abs=0.01
        ), name


def test_the_record_belongs_to_the_shipped_bundle() -> None:
    expected = json.loads((SAMPLES / "expected.json").read_text())
    specification = ROOT / "models" / "bundles" / expected["bundle"] / "bundle.json"
    assert hashlib.sha256(specification.read_bytes()).hexdigest() == expected["bundle_json_sha256"]
