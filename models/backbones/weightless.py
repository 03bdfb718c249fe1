"""Networks of which only the shape is asked: their weights have shapes and no numbers."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def weightless() -> Iterator[None]:
    """Build networks within in a tenth of the time: most of it goes into the random numbers that weights start with.

    Keras would draw them after all, gigabytes for large networks, when it next traces a layer of whatever network. So it is
    made to forget them at the end, and names and policies that were set for all of Keras with them (`clear_session`).
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        keras.utils.clear_session(free_memory=False)
