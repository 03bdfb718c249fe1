"""TensorFlow without its start-up notes, which would stand between a user and the answer."""

import gc
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

_CHATTER: Final = re.compile(rb"WARNING: All log messages before absl::|[IW]0000 00:00:|E0000 00:00:.*cuInit")


class MissingTensorFlowError(ValueError):
    """Raised by what needs TensorFlow where it is not installed, as in the CPU image."""


def tensorflow_is_installed() -> bool:
    """Whether it is, without loading it."""
    return find_spec("tensorflow") is not None


def import_keras_quietly() -> None:
    """Import Keras, and TensorFlow with it; call it before threads start.

    Raises:
        MissingTensorFlowError: TensorFlow is not installed.
    """
    if not tensorflow_is_installed():
        raise MissingTensorFlowError(
            "This needs TensorFlow, which is not installed here. Install the packages of requirements.lock; in a container, "
            "build the image with `--target full`, or gpu."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Left alone, TensorFlow takes all of a GPU's memory at once, and leaves none for a training run beside the app.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with without_tensorflow_chatter(), _imported_sooner():
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()  # the search for a GPU has its own words to say, the first time


def import_openvino_quietly() -> None:
    """Import OpenVINO without its telemetry: left alone, it reports every conversion to a host of its maker's.

    Call it before anything else imports OpenVINO.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # OpenVINO goes on without it
    import openvino  # noqa: F401


@contextmanager
def _imported_sooner() -> Iterator[None]:
    """Spare an import of Keras a fifth of its time: its million objects are no garbage, and never looked through."""
    if "keras" in sys.modules:
        yield
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


@contextmanager
def without_tensorflow_chatter() -> Iterator[None]:
    """Hold standard error back, then pass on what is not TensorFlow's start-up chatter.

    The lines are written by C++ before any setting of TensorFlow's can reach them.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        terminal = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    os.write(terminal, line)
            os.close(terminal)


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
