"""The one door of the API: who is answered, how often, and what is counted of it."""

import time
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.access import admit
from app.api.metrics import Metrics
from app.api.openapi import PATHS, PUBLIC_PATHS
from app.api.problems import ProblemError, problem_response
from app.api.rate import RateLimit
from app.api.tokens import Tokens
from app.audit.entry import LOCAL_USER

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_OTHER: Final = "other"  # whatever strangers make up must not become a series of its own


class Door:
    """ASGI middleware. The client's name goes to the endpoints as `request.state.client`, what the audit log calls it as
    `request.state.user`.
    """

    def __init__(self, app: ASGIApp, *, tokens: Tokens, rate: RateLimit, metrics: Metrics) -> None:
        self._app = app
        self._tokens = tokens
        self._rate = rate
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in PATHS else _OTHER
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        started, status = time.monotonic(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._let_in(scope, receive, watch)
        finally:
            self._metrics.count_request(path, method, status, time.monotonic() - started)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        if not (self._tokens and scope["path"] in PUBLIC_PATHS):
            try:
                client = admit(connection, self._tokens)
                self._rate.take(client, 1)
            except ProblemError as problem:
                await problem_response(problem)(scope, receive, send)
                return
            connection.state.client = client
            connection.state.user = client if self._tokens else LOCAL_USER
        await self._app(scope, receive, send)
