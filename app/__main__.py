"""Start the page that judges radiographs in the browser, and the HTTP API beside it.

    python -m app
    python -m app --port 8600 --bundle default
    python -m app token ward-3        # makes a token for a program on another machine
    python -m app audit verify        # whether the audit log is as it was written

The address answers within seconds; the model is loaded when the first page is opened, or the first program asks. Ctrl-C or
SIGTERM ends it. What the API takes stands at /api/docs. Without PNEUMOLENS_API_TOKENS=FILE it answers this machine alone;
PNEUMOLENS_API_RATE=N sets how many films a client may send in a minute. PNEUMOLENS_AUDIT=FILE keeps an audit log: a line for
each file that is judged, before its result is given. PNEUMOLENS_FOLDERS=DIR:DIR names folders of this machine that the page
Batch may judge. Research and education only: never a diagnosis.
"""

import argparse
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from app.api.routes import Settings, api_routes, read_settings
from app.api.tokens import TOKENS_VARIABLE, new_token, token_line
from app.audit.command import add_audit_command
from app.audit.log import AuditError
from app.batch.places import kept_days
from app.serving.serving import BUNDLE_VARIABLE, ENGINE_VARIABLE, LOOPBACK
from app.serving.sockets import answers_at_once
from models.backbones.weights import WeightsError, WeightsFile
from models.bundle import BundleError, load_bundle
from models.command_line.require_gpu import add_require_gpu
from models.devices.device import DeviceError, DeviceReport
from models.devices.doctor import require_gpu
from models.engines.load import ENGINES, engine_device
from models.predictor import backbone_weights
from models.system.process import give_back_memory, keep_what_is_imported

NO_DEVICE, WRONG_USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the bundle, print the address, serve; the exit status is 2 where the server could not be started, 1 without a
    GPU that is required."""
    options = build_parser().parse_args(arguments)
    if options.run is not None:
        return options.run(options)
    try:
        settings = read_settings()
        bundle = load_bundle(options.bundle)
        weights = backbone_weights(bundle)
        check_port(options.host, options.port)
        kept_days()
        if settings.audit:
            settings.audit.check()
        device = checked_device(options.engine, weights, required=options.require_gpu)
    except (AuditError, BundleError, WeightsError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USAGE
    except DeviceError as error:
        print(f"error: {error}", file=sys.stderr)
        return NO_DEVICE
    os.environ[BUNDLE_VARIABLE] = options.bundle or ""
    os.environ[ENGINE_VARIABLE] = options.engine
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(f"PneumoLens, bundle {bundle.spec.name}: {address(options.host, options.port)} (Ctrl-C ends it)", flush=True)
    print(device, flush=True)
    give_back_memory()
    return serve(options.host, options.port, settings)


def checked_device(engine: str, weights: WeightsFile, *, required: bool) -> DeviceReport:
    """What will compute; raises DeviceError where a GPU is required and does not."""
    device = engine_device(engine, weights)
    if required:
        require_gpu(device)
    return device


def make_token(options: argparse.Namespace) -> int:
    """Print a new token, and the line that lets it in."""
    token = new_token()
    try:
        line = token_line(options.name, token)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USAGE
    print("The token, shown this once; the program sends it as `Authorization: Bearer TOKEN`:", file=sys.stderr)
    print(token, flush=True)
    print(
        f"Its line for the file that {TOKENS_VARIABLE} names; restart the app afterwards:", file=sys.stderr, flush=True
    )
    print(line)
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m app", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on; 0.0.0.0 for all, which lets every machine in"
    )
    parser.add_argument("--port", type=int, default=8501, help="the port to listen on (default: 8501)")
    parser.add_argument(
        "--bundle",
        metavar="NAME",
        default=os.environ.get(BUNDLE_VARIABLE),
        help="keep to the bundle of this name (default: the current one, and whatever is promoted while the app runs)",
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what runs the backbone: keras (a GPU, where there is one) or openvino (faster on a processor); default: auto",
    )
    add_require_gpu(parser)
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(metavar="token | audit")
    token = commands.add_parser("token", help="make a token for the HTTP API, and print the line that lets it in")
    token.add_argument("name", help="whose it is: letters, digits, dots, dashes and underscores")
    token.set_defaults(run=make_token)
    add_audit_command(commands)
    return parser


def check_port(host: str, port: int) -> None:
    """Raise an OSError that says what to do where `port` cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise OSError(f"Cannot listen on {host}, port {port} ({error}). Choose another --port.") from error


def address(host: str, port: int) -> str:
    """The address to open in a browser on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


def serve(host: str, port: int, settings: Settings) -> int:
    """Serve page and API in this process until a signal ends it; everything else is in `.streamlit/config.toml`."""
    import streamlit as st

    from app.session import batch_runner, serving

    options: dict[str, object] = {"server.address": host, "server.port": port}
    if host in LOOPBACK:
        # Elsewhere the names by which the machine is reached are not known here: STREAMLIT_SERVER_ALLOWED_HOSTS says them.
        options["server.allowedHosts"] = list(LOOPBACK)
    # The server raises a signal again when it has shut down: without these, the process would seem to have been killed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    entry = Path(__file__).with_name("main.py")
    batches = batch_runner()  # now, and not with the first page, so that old ones are deleted in time
    try:
        routes = api_routes(lambda: serving().now, settings)
        page_and_api = st.App(entry, routes=routes, lifespan=answers_at_once)
        keep_what_is_imported()
        page_and_api.run(config=options)
    finally:
        batches.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
