"""One engine for many callers: first come, first served, several in one batch where that costs nobody a longer wait."""

from collections import deque
from collections.abc import Sequence
from threading import Event, Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.engines.engine import Engine, Features

BATCH_SIZE: Final = 16


class _Call:
    """A caller. It does not know its films, so that these go when they are done with, and not when Python looks for cycles.

    Attributes:
        pending: how many of its films are not done.
        leads: whether it is this caller that runs the next batch.
        woken: set when it leads, and when all its films are done.
    """

    def __init__(self, films: int) -> None:
        self.pending = films
        self.leads = False
        self.woken = Event()


class _Ticket:
    """A film that waits, whose it is, and what came of it."""

    def __init__(self, pixels: NDArray[np.float32], call: _Call) -> None:
        self.pixels = pixels
        self.call = call
        self.features: Features | None = None


class SharedEngine:
    """Runs an engine for threads, pages and, by `asyncio.to_thread`, coroutines.

    There is no thread behind it: one of the callers runs batches of whoever has waited longest, and hands over to the
    next in the queue when it has its own answers (flat combining, Hendler et al. 2010, doi:10.1145/1810479.1810540; but
    with a queue, so that nobody is overtaken). A lone caller waits for nobody.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._waiting: deque[_Ticket] = deque()
        self._led = False
        self._guard = Lock()  # of the two above and of who leads; never held while the engine runs

    def run(self, films: Sequence[NDArray[np.float32]]) -> list[Features]:
        """The features of each film `(size, size, 1)`, in order, without the axis of the batch."""
        call = _Call(len(films))
        tickets = [_Ticket(film, call) for film in films]
        with self._guard:
            self._waiting.extend(tickets)
            if not self._led:
                self._led = call.leads = True
        try:
            while call.pending:
                if call.leads:
                    self._run_batch()
                else:
                    call.woken.wait()
        finally:
            self._leave(call)
        return [ticket.features for ticket in tickets if ticket.features is not None]

    def _run_batch(self) -> None:
        """Take the longest waiting through the engine; where it fails, they wait on."""
        with self._guard:
            batch = [self._waiting.popleft()]
            while self._waiting and self._fits(self._waiting[0], batch):
                batch.append(self._waiting.popleft())
        try:
            maps, pooled = self.engine.run(np.stack([ticket.pixels for ticket in batch]))
            for row, ticket in enumerate(batch):
                ticket.features = Features(maps[row], pooled[row])
                ticket.call.pending -= 1
        finally:
            with self._guard:
                self._waiting.extendleft(ticket for ticket in reversed(batch) if ticket.features is None)
        for ticket in batch:
            if not ticket.call.pending:
                ticket.call.woken.set()

    def _fits(self, ticket: _Ticket, batch: Sequence[_Ticket]) -> bool:
        """A call's own films go together; those of others join where that costs nobody a longer wait."""
        own = ticket.call is batch[0].call
        return len(batch) < (BATCH_SIZE if own else min(BATCH_SIZE, self.engine.films_at_once))

    def _leave(self, call: _Call) -> None:
        """Let nothing wait for a caller that has its answers, or an error, and let the next one lead."""
        with self._guard:
            if call.pending:
                self._waiting = deque(ticket for ticket in self._waiting if ticket.call is not call)
            if call.leads:
                self._led = bool(self._waiting)
                if self._waiting:
                    heir = self._waiting[0].call
                    heir.leads = True
                    heir.woken.set()
