"""TensorFlow without its start-up notes, which would stand between a user and the answer."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def import_keras_quietly() -> None:
    """Import Keras, and TensorFlow with it; what native code writes to standard error meanwhile is dropped.

    `TF_CPP_MIN_LOG_LEVEL` alone does not do: some notes are written before TensorFlow reads it. Call it before threads
    start. Should the import fail, the notes are shown.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryFile() as notes:
        standard_error = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            import keras  # noqa: F401
        except ImportError:
            notes.seek(0)
            os.write(standard_error, notes.read())
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)


@contextmanager
def quiet_logger(name: str) -> Iterator[None]:
    """Let a library's logger pass errors only."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
