"""How many films a client may have judged in a minute: a bucket of permits that fills evenly."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from app.api.problems import ProblemError

RATE_VARIABLE: Final = "PNEUMOLENS_API_RATE"
"""Environment variable: requests and films that one client may send in a minute; unset, `DEFAULT_RATE`."""

DEFAULT_RATE: Final = 1200


def read_rate(text: str | None) -> int:
    """The rate that an environment variable states; a ValueError says what is wrong with it."""
    if text is None:
        return DEFAULT_RATE
    if not text.isascii() or not text.isdigit() or not 60 <= int(text) <= 1_000_000:
        raise ValueError(f"{RATE_VARIABLE} must be a whole number from 60 to 1000000, a minute. Received: {text!r}")
    return int(text)


@dataclass
class RateLimit:
    """The buckets of all clients; used by one event loop, so it needs no lock.

    There are as many as there are tokens, or addresses of this machine: who is not let in has none.

    Attributes:
        per_minute: permits that come in a minute, and that a bucket holds.
        clock: seconds.
    """

    per_minute: int
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, client: str, permits: int) -> None:
        """Take permits from a client's bucket; where there are too few, none is taken and a ProblemError says when to return."""
        now = self.clock()
        level, filled = self._buckets.get(client, (float(self.per_minute), now))
        level = min(float(self.per_minute), level + (now - filled) * self.per_minute / 60)
        missing = permits - level
        self._buckets[client] = (level if missing > 0 else level - permits, now)
        if missing > 0:
            seconds = max(1, math.ceil(missing * 60 / self.per_minute))
            raise ProblemError(
                "too_many_requests",
                f"A client may send {self.per_minute} requests and films a minute. Come back in {seconds} s.",
                {"Retry-After": str(seconds)},
            )
