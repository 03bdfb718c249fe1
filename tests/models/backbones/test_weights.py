"""Weights are found in the stated order, checked by their digests, and an error says what to do."""

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from models.backbones.table import Backbone, PublishedWeights, VendoredWeights, get_backbone
from models.backbones.weights import (
    WEIGHTS_VARIABLE,
    WeightsError,
    WeightsFile,
    choose_backbone,
    fetch_weights,
    find_weights,
)

CONTENT = b"numbers of a network " * 5000
FILE = "tiny_notop.h5"


class _Publisher(BaseHTTPRequestHandler):
    """Sends `CONTENT`; the address says in what state."""

    def do_GET(self) -> None:
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        body = CONTENT[::-1] if self.path.startswith("/other") else CONTENT
        chunked = self.path.startswith("/chunk")
        self.protocol_version = "HTTP/1.1" if chunked else "HTTP/1.0"
        self.send_response(200)
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        self.end_headers()
        if chunked:
            self.wfile.write(b"%x\r\n" % len(body))  # and the connection ends inside the piece
        self.wfile.write(body[: len(body) // 2] if chunked or self.path.startswith("/cut") else body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture(scope="module")
def publisher() -> Iterator[str]:
    """A server on this machine that publishes weights, whole and otherwise."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Publisher) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Keras cache."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras/models"


def _published(url: str = "http://127.0.0.1:9/nowhere") -> Backbone:
    """The row of ResNet-50, published elsewhere: port 9 is one that nothing listens on."""
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    return replace(get_backbone("resnet50"), weights=PublishedWeights(FILE, url, md5))


def _write(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_each_place_is_looked_into_in_order(
    publisher: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = _published(f"{publisher}/whole")
    downloaded = find_weights(row)
    assert downloaded == WeightsFile(cache / FILE, hashlib.sha256(CONTENT).hexdigest(), "published")

    assert find_weights(_published()) == downloaded  # found in the cache: no server is needed

    folder = _write(tmp_path / "folder" / FILE).parent
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(folder))
    assert find_weights(row) == replace(downloaded, path=folder / FILE)

    own = _write(tmp_path / "own.h5", b"my own")
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(own))
    assert find_weights(row) == WeightsFile(own, hashlib.sha256(b"my own").hexdigest(), "custom")

    named = _write(tmp_path / "named.h5")
    assert find_weights(row, weights=named) == replace(downloaded, path=named)


def test_vendored_weights_need_neither_cache_nor_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEIGHTS_VARIABLE, "resnet50.h5")  # speaks of published weights only
    found = find_weights(get_backbone("efficientnet_lite0"))
    assert (found.source, found.path.name) == ("vendored", "efficientnet_lite0.npz")
    assert not cache.exists()


@pytest.mark.parametrize("named", ["argument", "variable", "folder"])
def test_a_named_file_that_is_not_there(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path if named == "folder" else tmp_path / "absent.h5"
    if named != "argument":
        monkeypatch.setenv(WEIGHTS_VARIABLE, str(place))
    with pytest.raises(WeightsError, match=f"no weight file at .*Check --weights and {WEIGHTS_VARIABLE}"):
        find_weights(get_backbone("resnet50"), weights=place if named == "argument" else None)


def test_a_cached_file_with_another_digest_is_not_taken(cache: Path) -> None:
    damaged = _write(cache / FILE, CONTENT[:-1])
    with pytest.raises(WeightsError, match=f"MD5 must be .* Received: .* Delete {damaged} and try again"):
        find_weights(_published())


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_vendored_file_is_not_taken(damage: str, tmp_path: Path) -> None:
    row = get_backbone("efficientnet_lite0")
    path = tmp_path / "vendored.npz"
    if damage == "changed":
        content = bytearray(find_weights(row).path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"vendored.npz is damaged .*SHA256 must be .*comes with the product"):
        find_weights(replace(row, weights=VendoredWeights(str(path), row.weights.sha256)))


def test_a_download_reports_its_progress_and_is_not_repeated(publisher: str, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    path = fetch_weights(_published(f"{publisher}/whole"), tmp_path, progress=lambda *step: steps.append(step))
    assert path.read_bytes() == CONTENT
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert fetch_weights(_published(), tmp_path) == path


@pytest.mark.parametrize("state", ["cut", "chunk-cut", "other", "missing"])
def test_a_bad_download_leaves_nothing_behind(state: str, publisher: str, cache: Path) -> None:
    with pytest.raises(WeightsError, match=FILE):
        find_weights(_published(f"{publisher}/{state}"))
    assert list(cache.iterdir()) == []


def test_where_nothing_can_be_had_the_error_says_everything(cache: Path) -> None:
    row = _published()
    with pytest.raises(WeightsError) as error:
        find_weights(row)
    message = str(error.value)
    for told in ("resnet50", FILE, row.weights.md5, row.weights.url, str(cache), "--weights", WEIGHTS_VARIABLE):
        assert told in message
    assert "python -m training weights resnet50" in message
    assert "--backbone efficientnet_lite0" in message
    assert list(cache.iterdir()) == []


def test_without_download_no_server_is_asked(publisher: str, cache: Path) -> None:
    with pytest.raises(WeightsError, match="not on this machine"):
        find_weights(_published(f"{publisher}/whole"), download=False)


def test_a_server_that_keeps_silent_is_given_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.system.download._CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(WeightsError, match="the download failed"):
        find_weights(_published(f"http://127.0.0.1:{silent.getsockname()[1]}/"))
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_an_error_that_says_what_to_do(
    publisher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(_write(tmp_path / "a file, not a folder")))
    with pytest.raises(WeightsError, match="--weights FILE"):
        find_weights(_published(f"{publisher}/whole"))


def test_vendored_weights_cannot_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nothing to fetch"):
        fetch_weights(get_backbone("efficientnet_lite0"), tmp_path)


def test_auto_falls_back_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "absent.h5"))
    backbone, found, why = choose_backbone("auto")
    assert (backbone.id, found.source) == ("efficientnet_lite0", "vendored")
    assert why.startswith("auto: ")
    assert "absent.h5" in why


def test_auto_takes_resnet50_where_its_weights_are(cache: Path, tmp_path: Path) -> None:
    backbone, found, why = choose_backbone("auto", weights=_write(tmp_path / "own.h5"))
    assert (backbone.id, found.source) == ("resnet50", "custom")
    assert why.startswith("auto: ")


def test_auto_does_not_swallow_a_named_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.h5"):
        choose_backbone("auto", weights=tmp_path / "absent.h5")


def test_a_backbone_that_was_asked_for_is_taken() -> None:
    assert choose_backbone("efficientnet_lite0")[2] == "asked for"
    with pytest.raises(ValueError, match="must be one of"):
        choose_backbone("vgg")
