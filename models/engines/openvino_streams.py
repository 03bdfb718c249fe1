"""A network that OpenVINO runs on each core for itself: many films go through it half as fast again as in one batch."""

from collections import deque
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.engines.engine import Features

FILMS_AT_ONCE: Final = 2
"""Films of a request: what more of them need no longer fits into a core's cache."""


class Streams:
    """Requests that run beside each other; one call at a time."""

    def __init__(self, network: Any) -> None:
        """`network`: compiled for throughput, with feature maps and what is pooled of them as outputs."""
        self._requests = [
            network.create_infer_request() for _ in range(network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        ]
        self._shapes = [[side.get_length() for side in list(output.partial_shape)[1:]] for output in network.outputs]

    def run(self, pixels: NDArray[np.float32]) -> Features:
        """Pass films `(n, size, size, 1)` through the network."""
        found = [np.empty((len(pixels), *shape), np.float32) for shape in self._shapes]
        running: deque[tuple[Any, slice]] = deque()
        try:
            for number, start in enumerate(range(0, len(pixels), FILMS_AT_ONCE)):
                if len(running) == len(self._requests):
                    _keep(found, *running.popleft())
                place, request = slice(start, start + FILMS_AT_ONCE), self._requests[number % len(self._requests)]
                request.start_async({0: np.ascontiguousarray(pixels[place], np.float32)})
                running.append((request, place))
        finally:  # a request that still runs would be in the way of the next call
            for request, place in running:
                _keep(found, request, place)
        return Features(*found)


def _keep(found: list[NDArray[np.float32]], request: Any, place: slice) -> None:
    """Wait for a request and copy what it gives: it writes its next answer into the same memory."""
    request.wait()
    for number, array in enumerate(found):
        array[place] = request.get_output_tensor(number).data
