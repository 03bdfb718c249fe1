"""One engine for many callers: whoever finds it free takes along what others wait for."""

from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.engines import Engine, Features

BATCH_SIZE: Final = 16


class _Ticket:
    """A film that waits, whose it is, and what came of it."""

    def __init__(self, pixels: NDArray[np.float32], call: object) -> None:
        self.pixels = pixels
        self.call = call
        self.features: Features | None = None


class SharedEngine:
    """Runs an engine for threads, pages and, by `asyncio.to_thread`, coroutines.

    Films of several callers pass in one batch, so that throughput holds when many ask at once; a lone caller waits for
    nobody. There is no thread behind it: the caller that holds the lock runs the batch, and the others find their answers
    done (flat combining, Hendler et al. 2010, doi:10.1145/1810479.1810540).
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._waiting: deque[_Ticket] = deque()
        self._lock = Lock()

    def run(self, films: Sequence[NDArray[np.float32]]) -> list[Features]:
        """The features of each film `(size, size, 1)`, in order, without the axis of the batch."""
        call = object()
        tickets = [_Ticket(film, call) for film in films]
        self._waiting.extend(tickets)
        try:
            for ticket in tickets:
                while ticket.features is None:
                    with self._lock:
                        if ticket.features is None:
                            self._run_batch()
        finally:
            self._withdraw(tickets)
        return [ticket.features for ticket in tickets if ticket.features is not None]

    def _run_batch(self) -> None:
        """Take the longest waiting through the engine; where it fails, they wait on."""
        batch = [self._waiting.popleft()]
        while self._waiting and self._fits(self._waiting[0], batch):
            batch.append(self._waiting.popleft())
        try:
            maps, pooled = self.engine.run(np.stack([ticket.pixels for ticket in batch]))
            for row, ticket in enumerate(batch):
                ticket.features = Features(maps[row], pooled[row])
        finally:
            self._waiting.extendleft(ticket for ticket in reversed(batch) if ticket.features is None)

    def _fits(self, ticket: _Ticket, batch: Sequence[_Ticket]) -> bool:
        """A call's own films go together; those of others join where that costs nobody a longer wait."""
        own = ticket.call is batch[0].call
        return len(batch) < (BATCH_SIZE if own else min(BATCH_SIZE, self.engine.films_at_once))

    def _withdraw(self, tickets: Sequence[_Ticket]) -> None:
        """Let nothing wait for a caller that has left with an error."""
        if any(ticket.features is None for ticket in tickets):
            with self._lock:
                self._waiting = deque(ticket for ticket in self._waiting if ticket not in tickets)
