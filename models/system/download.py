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
_REACH_SECONDS: Final = 5


def download(url: str, path: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Write what an address sends to `path`; `progress` is called with the bytes that have come and those expected.

    Raises:
        OSError, HTTPException: where it cannot be reached, or breaks off.
    """
    with _connect(url, _CONNECT_SECONDS) as answer, path.open("wb") as file:
        expected, come = int(answer.headers.get("Content-Length") or 0), 0
        while piece := answer.read(1 << 20):
            file.write(piece)
            come += len(piece)
            if progress:
                progress(come, expected)


def check_reachable(url: str) -> None:
    """Raise an OSError where nobody answers within `_REACH_SECONDS`; any answer will do."""
    try:
        _connect(url, _REACH_SECONDS).close()
    except urllib.error.HTTPError:
        return


def _connect(url: str, seconds: float) -> Any:
    """Open an address, or fail within so many seconds.

    `urlopen` allows that time to each address of a host, and none to its name servers: behind a firewall that drops
    packets it would wait for minutes. The thread is a daemon because such a wait cannot be ended.
    """
    answers: SimpleQueue[Any] = SimpleQueue()

    def connect() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=seconds))  # noqa: S310
        except (OSError, HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            answers.put(error)

    Thread(target=connect, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no answer within {seconds} seconds") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
