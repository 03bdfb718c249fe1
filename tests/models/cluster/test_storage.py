"""Films at URIs: listed as folders are, read like files, refused like files."""

import shutil
from pathlib import Path

import pytest

from models.cluster.storage import is_uri, list_uri, read_source
from models.films.radiograph import Radiograph
from models.films.refusal import Refusal

SAMPLE = Path(__file__).parents[3] / "data_samples/normal_1.jpeg"


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """What object storage holds: two films, one of them deeper, and what is hidden."""
    for name in ("films/b/2.jpeg", "films/1.jpeg", "films/.hidden.jpeg", "films/.trash/3.jpeg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SAMPLE, tmp_path / name)
    return tmp_path


def test_what_lies_below_a_uri_is_listed_in_order_without_hidden_names(bucket: Path) -> None:
    uri = f"file://{bucket}/films"
    assert list_uri(uri) == [f"{uri}/1.jpeg", f"{uri}/b/2.jpeg"]
    assert list_uri(f"{uri}/1.jpeg") == [f"{uri}/1.jpeg"]


def test_a_film_at_a_uri_is_the_film_at_its_path(bucket: Path) -> None:
    there, here = read_source(f"file://{bucket}/films/1.jpeg"), read_source(str(SAMPLE))
    assert isinstance(there, Radiograph)
    assert isinstance(here, Radiograph)
    assert there.sha256 == here.sha256


@pytest.mark.parametrize("source", ["file:///nowhere/1.jpeg", "nosuch://bucket/1.jpeg", "/nowhere/1.jpeg", "file://"])
def test_what_cannot_be_read_is_refused_and_no_error(source: str) -> None:
    refusal = read_source(source)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "not_found"


@pytest.mark.parametrize("uri", ["file:///nowhere/films", "nosuch://bucket/films"])
def test_a_place_that_cannot_be_listed_is_named(uri: str) -> None:
    with pytest.raises(ValueError, match="must lie where they can be listed"):
        list_uri(uri)


def test_paths_are_not_uris() -> None:
    assert is_uri("s3://bucket/films")
    assert not is_uri("films/a:b/c")
    assert not is_uri("/films")
