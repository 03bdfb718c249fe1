"""What a server's connections take over from the socket that it listens on."""

import asyncio
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from app.serving.sockets import answers_at_once


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a connection need not take over what its listener was told"
)
def test_no_answer_waits_for_the_one_before_to_be_acknowledged() -> None:
    async def accepted() -> int:
        async with answers_at_once(None):
            with closing(socket.create_connection(listener.getsockname())), closing(listener.accept()[0]) as connection:
                return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    with closing(socket.socket(family=socket.AF_INET)) as listener:  # as Streamlit makes it
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with ThreadPoolExecutor(1) as aside:  # the browser of other tests keeps a loop of its own in this thread
            assert aside.submit(asyncio.run, accepted()).result() == 1
