"""Another precision rounds as NumPy rounds."""

import numpy as np
import pytest

from models.system.precision import converted


@pytest.mark.parametrize("size", [0, 1, 3, 2304])
def test_half_precision_and_back_is_what_numpy_makes_of_it(size: int) -> None:
    numbers = np.random.default_rng(0).normal(0, 1, (4, size)).astype(np.float32)
    numbers[:, : size // 3] *= 1e-7  # among the smallest that half precision has
    half = converted(numbers, np.float16)
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, numbers.astype(np.float16))
    np.testing.assert_array_equal(converted(half, np.float32), half.astype(np.float32))
    np.testing.assert_array_equal(converted(numbers, np.float32), numbers)
