"""`python -m app`, as a process."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.__main__ import main
from app.api.tokens import TOKENS_VARIABLE, read_tokens
from models.bundle import BUNDLES_VARIABLE, load_bundle
from models.system.quiet import without_tensorflow_chatter
from tests.conftest import ROOT, Server, StartServer

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)


def test_a_broken_bundle_is_told_before_anything_is_served(tmp_path: Path) -> None:
    bundle = load_bundle()
    shutil.copytree(bundle.folder, tmp_path / bundle.spec.name)
    with (tmp_path / bundle.spec.name / "head.weights.h5").open("ab") as file:
        file.write(b"!")
    result = run("--bundle", bundle.spec.name, **{BUNDLES_VARIABLE: str(tmp_path)})
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: head.weights.h5 in the bundle")
    assert len(result.stderr.splitlines()) == 1


def test_an_unknown_bundle_is_told_with_those_that_are_there() -> None:
    result = run("--bundle", "absent")
    assert result.returncode == 2
    assert "There is no bundle named 'absent'. There are: " in result.stderr


@pytest.mark.parametrize("port", ["taken", "70000"])
def test_a_port_that_cannot_be_had_is_told(port: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        result = run("--port", str(holder.getsockname()[1]) if port == "taken" else port)
    assert result.returncode == 2
    assert "Choose another --port." in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_tokens_are_made_here_and_a_file_without_any_is_told(tmp_path: Path) -> None:
    made = run("token", "ward-3")
    token, line = made.stdout.splitlines()
    assert made.returncode == 0
    (tmp_path / "tokens").write_text(f"{line}\n", encoding="utf-8")
    assert read_tokens(tmp_path / "tokens").owner(token) == "ward-3"
    assert main(["token", "two words"]) == 2

    result = run(**{TOKENS_VARIABLE: str(tmp_path / "absent")})
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {TOKENS_VARIABLE} must name a readable text file")


@pytest.fixture(scope="module")
def running(start_server: StartServer) -> Iterator[Server]:
    """A server that nobody ends meanwhile."""
    with start_server() as server:
        yield server


def test_page_and_api_are_on_one_server(running: Server) -> None:
    with urllib.request.urlopen(f"{running.url}/api/v1/health", timeout=60) as response:
        assert json.load(response)["bundle"]["sha256"] == load_bundle().sha256
    with urllib.request.urlopen(f"{running.url}/metrics", timeout=60) as response:
        assert b"pneumolens_model_info" in response.read()
    with urllib.request.urlopen(running.url, timeout=60) as response:
        assert b"<title>Streamlit</title>" in response.read()  # the page's own title comes with its script


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(start_server: StartServer, number: signal.Signals) -> None:
    with start_server() as server:
        assert server.url in server.log.read_text()
        server.process.send_signal(number)
        assert server.process.wait(20) == 0
        assert "Traceback" not in server.log.read_text()


def test_only_names_of_this_machine_reach_the_pages(running: Server) -> None:
    address = running.url.removeprefix("http://")

    def shake(host: str, origin: str) -> int:
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("GET", "/_stcore/stream", headers={**HANDSHAKE, "Host": host, "Origin": origin})
        status = connection.getresponse().status
        connection.close()
        return status

    assert shake(address, running.url) == 101
    assert shake("rebound.example", "http://rebound.example") == 403
    assert shake(address, "http://elsewhere.example") == 403


def test_what_is_not_chatter_reaches_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with without_tensorflow_chatter():
        os.write(2, b"I0000 00:00:1795328642.310059   10307 port.cc:153] oneDNN custom operations are on.\n")
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n")
        os.write(2, b"a real problem\n")
    assert capfd.readouterr().err == "a real problem\n"
