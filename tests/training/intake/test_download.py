"""Downloads: what comes is checked, what does not come is said at once, and nothing half-fetched stays."""

import functools
import hashlib
import http.server
import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import Workshop
from tests.training.intake.label_files import write_images
from training.data.manifest import read_manifest
from training.data.patients import DatasetError
from training.intake.download_kaggle import FILMS, arrange
from training.intake.download_medmnist import Source, fetch_medmnist
from training.intake.write_folder import new_folder

COUNTS = {"train": 6, "val": 2, "test": 4}


def unseen(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


@pytest.mark.parametrize(("what", "client"), [("kaggle", "kagglehub"), ("medmnist", "medmnist")])
def test_without_the_client_the_command_that_installs_it_is_named(
    tmp_path: Path, workshop: Workshop, what: str, client: str
) -> None:
    if find_spec(client):
        pytest.skip(f"{client} is installed")
    ran = workshop.run("download", what, "--to", tmp_path / "made")
    assert ran.status == 2
    assert ran.err.startswith("error [no_client]: ")
    assert "-m pip install" in ran.err
    assert list(tmp_path.iterdir()) == []


def archive(root: Path, *, missing: int = 0) -> Path:
    """The published archive, as it unpacks: every film twice, here all of one picture."""
    names = [f"chest_xray/{split}/{label}/{n}.jpeg" for (split, label), count in FILMS.items() for n in range(count)]
    names = names[missing:]
    write_images(root, [*names, *(f"chest_xray/{name}" for name in names), "chest_xray/__MACOSX/train/._0.jpeg"])
    return root


def test_the_archive_is_counted_and_its_digests_are_written(tmp_path: Path) -> None:
    with new_folder(tmp_path / "made") as made:
        sha256 = arrange(archive(made / "download"), made, progress=unseen)
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"train", "val", "test", "digests.csv"}
    table = (tmp_path / "made/digests.csv").read_bytes()
    assert hashlib.sha256(table).hexdigest() == sha256
    header, *rows = table.decode().splitlines()
    assert header == "file,sha256"
    assert len(rows) == 5856
    film = (tmp_path / "made/train/NORMAL/0.jpeg").read_bytes()
    assert f"train/NORMAL/0.jpeg,{hashlib.sha256(film).hexdigest()}" in rows


def test_an_archive_of_another_number_of_films_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    def fetch() -> None:
        with new_folder(tmp_path / "made") as made:
            arrange(archive(made / "download", missing=1), made, progress=unseen)

    with pytest.raises(DatasetError, match="1,340 train/NORMAL") as caught:
        fetch()
    assert caught.value.code == "download"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A file like PneumoniaMNIST's, with fewer films."""
    dice, arrays = np.random.default_rng(0), {}
    for split, count in COUNTS.items():
        arrays[f"{split}_images"] = dice.integers(0, 256, (count, 64, 64), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(count, dtype=np.uint8).reshape(-1, 1) % 2
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    (tmp_path / "served").mkdir()
    (tmp_path / "served/films.npz").write_bytes(stream.getvalue())
    return tmp_path / "served/films.npz"


@pytest.fixture
def server(published: Path) -> Iterator[str]:
    """The address of the file, on this machine."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = functools.partial(Handler, directory=str(published.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}/films.npz"
        serving.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def source(published: Path, url: str) -> Source:
    md5 = hashlib.md5(published.read_bytes(), usedforsecurity=False).hexdigest()
    return Source(url, md5, {"0": "normal", "1": "pneumonia"}, COUNTS)


@pytest.mark.parametrize("by_hand", [False, True])
def test_the_published_file_becomes_splits_and_classes(
    tmp_path: Path, published: Path, server: str, *, by_hand: bool
) -> None:
    file = published if by_hand else None
    assert fetch_medmnist(source(published, server), tmp_path / "made", file=file, progress=unseen) == 12
    manifest = read_manifest(tmp_path / "made")
    assert Counter((entry.split, entry.label) for entry in manifest.entries) == {
        (split, label): count // 2 for split, count in COUNTS.items() for label in ("NORMAL", "PNEUMONIA")
    }
    assert {path.name for path in (tmp_path / "made").iterdir()} == set(COUNTS)


def test_a_file_of_another_digest_is_refused_and_nothing_stays(tmp_path: Path, published: Path, server: str) -> None:
    wanted = source(published, server)
    published.write_bytes(published.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=f"MD5 {wanted.md5}") as caught:
        fetch_medmnist(wanted, tmp_path / "made", file=None, progress=unseen)
    assert caught.value.code == "download"
    assert list(tmp_path.iterdir()) == [published.parent]


def test_without_a_network_it_is_said_at_once_what_to_do(tmp_path: Path, published: Path) -> None:
    started = time.monotonic()
    with pytest.raises(DatasetError, match="name it with --file"):
        fetch_medmnist(source(published, "http://127.0.0.1:9/films.npz"), tmp_path / "made", file=None, progress=unseen)
    assert time.monotonic() - started < 10
    assert not (tmp_path / "made").exists()
