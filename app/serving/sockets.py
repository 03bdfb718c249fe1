"""Answers leave at once.

Streamlit opens its listening socket without naming TCP, and so asyncio leaves Nagle's algorithm on (RFC 896): the body of an
answer, written after its head, would wait for the client to acknowledge the head, which takes 40 ms.
"""

import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Final

_OPEN_FILES: Final = Path("/dev/fd")
_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)


@asynccontextmanager
async def answers_at_once(app: object) -> AsyncIterator[None]:
    """For the life of a server, whose connections take over what its listening sockets are told."""
    for listening in listening_sockets():
        with closing(listening):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    yield


def listening_sockets() -> Iterator[socket.socket]:
    """Copies, to be closed, of this process' sockets that wait for connections; none where a system does not tell."""
    for file in _OPEN_FILES.iterdir() if _OPEN_FILES.is_dir() else ():
        with suppress(OSError):  # closed meanwhile
            if not stat.S_ISSOCK(os.fstat(int(file.name)).st_mode):
                continue
            one = socket.socket(fileno=os.dup(int(file.name)))
            if one.family in _INTERNET and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                yield one
            else:
                one.close()
