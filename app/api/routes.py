"""The API as an ASGI application, and its routes beside those of the page."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.api.answers import Judged, device_json, file_json, judge, model_json, served_json
from app.api.docs_page import docs_page
from app.api.door import Door
from app.api.health import health_picture
from app.api.metrics import Metrics
from app.api.openapi import DOCS, DOCUMENT, HEALTH, METRICS, MODEL, PREDICT, document
from app.api.problems import ProblemError, problem_response
from app.api.rate import DEFAULT_RATE, RATE_VARIABLE, RateLimit, read_rate
from app.api.tokens import TOKENS_VARIABLE, Tokens, read_tokens
from app.api.uploads import MOST_BYTES, MOST_FILES, REQUESTS_AT_ONCE, uploaded_files
from app.audit.entry import audit_entry
from app.audit.log import AuditError, AuditLog, configured_log
from app.serving.serving import Served, served_device
from models.backbones.weights import WeightsError
from models.bundle import BundleError
from models.devices.device import DeviceError
from models.films.radiograph import MAX_BYTES
from models.predictor import Predictor

JUDGED_AT_ONCE: Final = 2 * (os.cpu_count() or 1)
"""Films of all requests that are decoded and judged at a time; the others wait, first come, first served."""


@dataclass(frozen=True)
class Settings:
    """What whoever runs the server decides of the API.

    Attributes:
        tokens: who is answered; none: this machine alone.
        rate: requests and films that a client may send in a minute.
        audit: the log that each judged file has its line in before it is answered; None: there is none.
    """

    tokens: Tokens = field(default_factory=Tokens)
    rate: int = DEFAULT_RATE
    audit: AuditLog | None = None


def read_settings() -> Settings:
    """The settings in the environment; a ValueError says what is wrong with them."""
    file = os.environ.get(TOKENS_VARIABLE)
    tokens = read_tokens(Path(file)) if file else Tokens()
    return Settings(tokens, read_rate(os.environ.get(RATE_VARIABLE)), configured_log())


def api_routes(served: Callable[[], Served], settings: Settings) -> list[BaseRoute]:
    """The routes that a server has beside its page.

    Args:
        served: gives the bundle that is served now, with its model; asked anew for each request.
    """
    api = build_api(served, settings)
    return [Route(path, endpoint=api) for path in ("/api", "/api/{below:path}", METRICS)]


def build_api(served: Callable[[], Served], settings: Settings) -> Starlette:
    """The API alone."""
    metrics, rate = Metrics(), RateLimit(settings.rate)
    endpoints = Endpoints(served, metrics, rate, settings.audit)
    api = Starlette(
        routes=[
            Route(PREDICT, endpoints.predict, methods=["POST"]),
            Route(MODEL, endpoints.model),
            Route(HEALTH, endpoints.health),
            Route(METRICS, endpoints.metrics),
            Route(DOCUMENT, endpoints.document),
            Route(DOCS, endpoints.docs),
        ],
        middleware=[Middleware(Door, tokens=settings.tokens, rate=rate, metrics=metrics)],
        exception_handlers={ProblemError: _tell_problem, HTTPException: _tell_status, Exception: _tell_error},
    )
    api.router.redirect_slashes = False
    return api


class Endpoints:
    """What the paths do. Each request is answered by one model from its first file to its last."""

    def __init__(self, served: Callable[[], Served], metrics: Metrics, rate: RateLimit, audit: AuditLog | None) -> None:
        self._served = served
        self._metrics = metrics
        self._rate = rate
        self._audit = audit
        self._reading = CapacityLimiter(REQUESTS_AT_ONCE)
        self._judging = CapacityLimiter(JUDGED_AT_ONCE)

    async def predict(self, request: Request) -> Response:
        """Judge the files of a form."""
        heatmap = _wants_heatmap(request)
        async with self._reading, uploaded_files(request) as files:
            self._rate.take(request.state.client, len(files) - 1)
            predictor = await self._predictor()
            judged = await self._judge_files(predictor, files, heatmap=heatmap)
        await self._record(predictor, judged, request.state.user)
        answers = [file_json(file.filename or "", one) for file, one in zip(files, judged, strict=True)]
        return JSONResponse({**served_json(predictor), "files": answers})

    async def model(self, request: Request) -> Response:
        """Describe the model."""
        limits = {
            "files": MOST_FILES,
            "bytes": MOST_BYTES,
            "bytes_of_a_file": MAX_BYTES,
            "files_per_minute": self._rate.per_minute,
        }
        return JSONResponse(model_json(await self._predictor(), limits))

    async def health(self, request: Request) -> Response:
        """Judge a picture of our own, all the way."""
        predictor, started = await self._predictor(), time.monotonic()
        judged = await to_thread.run_sync(judge, predictor, health_picture(), limiter=self._judging)
        if judged.refusal_code == "internal_error":
            raise ProblemError("model_unavailable", judged.outcome.sentence)
        seconds, warning, device = (
            time.monotonic() - started,
            self._served().warning or None,
            device_json(served_device()),
        )
        about = {**served_json(predictor), "device": device, "seconds": seconds, "warning": warning}
        return JSONResponse({"status": "ok", **about})

    async def metrics(self, request: Request) -> Response:
        """The counts, for Prometheus; this asks for no model, so that a broken one is seen."""
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def document(self, request: Request) -> Response:
        """The OpenAPI document."""
        return JSONResponse(document())

    async def docs(self, request: Request) -> Response:
        """The same for people."""
        return HTMLResponse(docs_page(document()))

    async def _predictor(self) -> Predictor:
        try:
            predictor = await to_thread.run_sync(lambda: self._served().loading.result())
        except (BundleError, WeightsError, DeviceError) as error:
            raise ProblemError("model_unavailable", f"The model cannot be loaded. {error}") from error
        self._metrics.show_model(predictor)
        return predictor

    async def _record(self, predictor: Predictor, judged: Sequence[Judged], user: str) -> None:
        """Put the files into the audit log; where that fails, nothing is answered."""
        if self._audit is None:
            return
        entries = [audit_entry(predictor, one.sha256, one.outcome, door="api", user=user) for one in judged]
        try:
            await to_thread.run_sync(self._audit.append, entries)
        except AuditError as error:
            raise ProblemError(error.code, error.sentence) from error

    async def _judge_files(self, predictor: Predictor, files: list[UploadFile], *, heatmap: bool) -> list[Judged]:
        judged: dict[int, Judged] = {}

        async def judge_one(place: int) -> None:
            step = partial(_read_and_judge, predictor, files[place], heatmap=heatmap)
            judged[place] = await to_thread.run_sync(step, limiter=self._judging)
            self._metrics.count_file(judged[place].outcome)

        async with anyio.create_task_group() as tasks:
            for place in range(len(files)):
                tasks.start_soon(judge_one, place)
        return [judged[place] for place in range(len(files))]


def _read_and_judge(predictor: Predictor, file: UploadFile, *, heatmap: bool) -> Judged:
    return judge(predictor, file.file.read(), heatmap=heatmap)


def _wants_heatmap(request: Request) -> bool:
    """Whether `?heatmap=png` was asked for; a parameter that is not known is told, as it may be one misspelt."""
    asked = request.query_params.multi_items()
    if any(parameter != ("heatmap", "png") for parameter in asked):
        raise ProblemError("bad_parameter", "The only parameter is heatmap, and its only value png: ?heatmap=png")
    return bool(asked)


async def _tell_problem(request: Request, problem: ProblemError) -> Response:
    return problem_response(problem)


async def _tell_status(request: Request, error: HTTPException) -> Response:
    """What Starlette's router raises: an unknown path or method."""
    if error.status_code == 405:
        detail = f"Use {(error.headers or {}).get('Allow', 'another method')} here; {DOCS} lists what there is."
        return problem_response(ProblemError("method_not_allowed", detail, error.headers))
    return problem_response(ProblemError("no_such_path", f"{DOCS} lists what there is."))


async def _tell_error(request: Request, error: Exception) -> Response:
    """An error that nobody foresaw; the server logs it."""
    return problem_response(ProblemError("internal_error", "Try it again, and report what the server's log says."))
