"""Networks that are trained for a few steps."""

import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture
def untraced() -> Iterator[None]:
    """Networks run one operation after the other: to trace and optimise their graphs takes longer than their few steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    with warnings.catch_warnings():
        # Batches are made by Python anyway.
        warnings.filterwarnings("ignore", "Even though the .* does not apply to tf.data functions", UserWarning)
        yield
    tf.config.run_functions_eagerly(False)
