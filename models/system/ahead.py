"""Work that is done on other cores before its turn comes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(pool: ThreadPoolExecutor, step: Callable[[Item], Made], items: Iterable[Item], count: int) -> Iterator[Made]:
    """What a step gives for each item, in order, while a pool is at work on the `count` next ones."""
    coming: deque[Future[Made]] = deque()
    for item in items:
        coming.append(pool.submit(step, item))
        if len(coming) > count:
            yield coming.popleft().result()
    while coming:
        yield coming.popleft().result()
