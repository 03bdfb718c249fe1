"""Who is answered: holders of a token or, where none is configured, this machine alone."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from app.api.problems import ProblemError
from app.api.tokens import TOKENS_VARIABLE, Tokens

_OWN_NAMES: Final = ("localhost", "127.0.0.1", "::1")


def admit(connection: HTTPConnection, tokens: Tokens) -> str:
    """The client's name, for its rate; a ProblemError where it is not answered.

    What a browser sends from another site's page is refused, and so is, without tokens, a name that is not this machine's own:
    it may have been bound to this address by somebody else (DNS rebinding).
    """
    _check_origin(connection)
    if tokens:
        return _owner(connection, tokens)
    address = connection.client.host if connection.client else ""
    if not _is_loopback(address) or _hostname(connection.headers.get("host", "")) not in _OWN_NAMES:
        raise ProblemError(
            "loopback_only",
            "No token is configured, so only programs on this machine are answered, at 127.0.0.1. To let others in, make a "
            f"token with `python -m app token NAME` and name its file with {TOKENS_VARIABLE}.",
        )
    return address


def _owner(connection: HTTPConnection, tokens: Tokens) -> str:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    owner = tokens.owner(token.strip()) if scheme.lower() == "bearer" else None
    if owner is None:
        raise ProblemError(
            "token_required",
            "Send the header `Authorization: Bearer TOKEN` with a token that this server knows.",
            {"WWW-Authenticate": 'Bearer realm="PneumoLens"'},
        )
    return owner


def _check_origin(connection: HTTPConnection) -> None:
    origin = connection.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != connection.headers.get("host"):
        raise ProblemError(
            "foreign_origin", "The API answers programs, and pages of its own address. Leave the header Origin out."
        )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
