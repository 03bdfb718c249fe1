"""Downloads that answer or fail within seconds, whatever the network does."""

import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

_CONNECT_SECONDS: Final = 8


def download(url: str, path: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Write what an address sends to `path`; `progress` is called with the bytes that have come and those expected.

    Raises:
        OSError, HTTPException: where it cannot be reached, or breaks off.
    """
    with _connect(url) as answer, path.open("wb") as file:
        expected, come = int(answer.headers.get("Content-Length") or 0), 0
        while piece := answer.read(1 << 20):
            file.write(piece)
            come += len(piece)
            if progress:
                progress(come, expected)


def _connect(url: str) -> Any:
    """Open an address, or fail within `_CONNECT_SECONDS`.

    `urlopen` allows that time to each address of a host, and none to its name servers: behind a firewall that drops
    packets it would wait for minutes. The thread is a daemon because such a wait cannot be ended.
    """
    answers: SimpleQueue[Any] = SimpleQueue()

    def connect() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=_CONNECT_SECONDS))  # noqa: S310
        except (OSError, HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            answers.put(error)

    Thread(target=connect, daemon=True).start()
    try:
        answer = answers.get(timeout=_CONNECT_SECONDS)
    except Empty:
        raise TimeoutError(f"no answer within {_CONNECT_SECONDS} seconds") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
