"""Tokens that let programs in: made here, kept by their SHA-256 alone.

A token has 256 random bits, so that a plain digest cannot be searched; scrypt and its like are for what people choose.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

TOKENS_VARIABLE: Final = "PNEUMOLENS_API_TOKENS"
"""Environment variable: a file with a line for each token; unset, the API answers this machine alone."""

NAME: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)
_LINE: Final = re.compile(rf"({NAME.pattern}) sha256:([0-9a-f]{{64}})", re.ASCII)
_PREFIX: Final = "pneumolens_"


class TokensError(ValueError):
    """Raised where the file of tokens cannot be used."""


@dataclass(frozen=True)
class Tokens:
    """The tokens that are let in.

    Attributes:
        digests: SHA-256 of each token, hexadecimal, by the name that it was given.
    """

    digests: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.digests)

    def owner(self, token: str) -> str | None:
        """The name of a token; None for a strange one. How long that takes says nothing of which."""
        digest = token_digest(token)
        owner = None
        for name, known in self.digests.items():
            if hmac.compare_digest(digest, known):
                owner = name
        return owner


def new_token() -> str:
    """A token that nobody can guess."""
    return _PREFIX + secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def token_line(name: str, token: str) -> str:
    """The line of a token in the file."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"A token's name must be 1 to 64 letters, digits, dots, dashes or underscores. Received: {name!r}"
        )
    return f"{name} sha256:{token_digest(token)}"


def read_tokens(path: Path) -> Tokens:
    """Read the file of tokens: `NAME sha256:DIGEST`, one a line; empty lines and those that start with # are left out.

    Raises:
        TokensError: where there is no such file, or no token in it, or where a line is not of this form: a wrong line must
            neither shut a program out silently nor leave the door open.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TokensError(
            f"{TOKENS_VARIABLE} must name a readable text file. Received: {path} ({error}). Make a line for it with "
            "`python -m app token NAME`."
        ) from error
    digests: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None or found[1] in digests:
            raise TokensError(
                f"{path}, line {number}, must be a new name and its digest, `NAME sha256:DIGEST`, as `python -m app token NAME` "
                "prints them."
            )
        digests[found[1]] = found[2]
    if not digests:
        raise TokensError(
            f"{path} holds no token. Make a line with `python -m app token NAME`, or unset {TOKENS_VARIABLE}."
        )
    return Tokens(digests)
