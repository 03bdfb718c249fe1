"""Which films are taken to be of one patient."""

from pathlib import Path

import numpy as np
import pytest

from models.films.patient_key import patient_key, patient_pattern
from tests.models.films.dicom_files import dataset, encode

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def film(**stated: str) -> bytes:
    return encode(dataset(PIXELS, **stated))


FIRST, SECOND = {"StudyInstanceUID": "1.2.826.0.1"}, {"StudyInstanceUID": "1.2.826.0.2"}

SAME = {
    "one study": (("a.dcm", film(**FIRST)), ("b.dcm", film(**FIRST, PatientID="other"))),
    "one study, padded": (("a.dcm", film(StudyInstanceUID="1.2.3")), ("b.dcm", film(StudyInstanceUID="1.2.3"))),
    "one patient, no study": (("a.dcm", film(PatientID="4711")), ("b.dcm", film(PatientID="4711 "))),
    "published names": (("person7_virus_1.jpeg", b"x"), ("person7_bacteria_2.jpeg", b"y")),
    "without preamble": (("a.dcm", film(**FIRST)), ("b.dcm", film(**FIRST)[132:])),
}


@pytest.mark.parametrize("what", SAME)
def test_films_of_one_patient_have_one_key_that_says_nothing(what: str) -> None:
    keys = {patient_key(name, content) for name, content in SAME[what]}
    assert len(keys) == 1
    (key,) = keys
    assert key is not None
    assert not any(word in key for word in ("1.2", "4711", "person"))


OTHERS = {
    "two studies of one patient": (("a.dcm", film(**FIRST, PatientID="7")), ("b.dcm", film(**SECOND, PatientID="7"))),
    "two patients": (("a.dcm", film(PatientID="4711")), ("b.dcm", film(PatientID="4712"))),
    "two published names": (("person7_virus_1.jpeg", b"x"), ("person8_virus_1.jpeg", b"y")),
    "a study and a patient of its number": (("a.dcm", film(StudyInstanceUID="1.2")), ("b.dcm", film(PatientID="1.2"))),
}


@pytest.mark.parametrize("what", OTHERS)
def test_films_of_different_patients_have_different_keys(what: str) -> None:
    assert len({patient_key(name, content) for name, content in OTHERS[what]}) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", b"picture"),
        ("a.dcm", film()),
        ("a.dcm", film(PatientID="ANONYMOUS")),
        ("a.dcm", film(PatientID="")),
        ("a.dcm", b"words"),
        ("a.dcm", b""),
        ("a", bytes(128) + b"DICM" + b"\xff" * 50),
    ],
)
def test_where_nothing_is_known_there_is_no_key(name: str, content: bytes) -> None:
    assert patient_key(name, content) is None


def test_a_pattern_goes_before_all_else(tmp_path: Path) -> None:
    pattern = patient_pattern(r"^(\d+)_")
    (tmp_path / "7_a.dcm").write_bytes(film(**FIRST))
    keys = [patient_key(name, tmp_path / "7_a.dcm", pattern) for name in ("7_a.dcm", "7_b.dcm", "8_a.dcm", "x.dcm")]
    assert keys[0] == keys[1]
    assert keys[2] not in (None, keys[0])
    assert keys[3] is None


def test_a_file_that_is_gone_has_no_key(tmp_path: Path) -> None:
    assert patient_key("a.dcm", tmp_path / "a.dcm") is None
