"""Truth and verdicts of images, whichever label is the positive one."""

import numpy as np
import pytest

from models.prediction import OperatingPoint
from training.metrics.judged import Judged


def test_the_positive_label_may_be_the_first() -> None:
    judged = Judged(
        np.array([0, 0, 1, 1]),
        np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9]]),
        ["a", "b", "c", "d"],
        ("NORMAL", "PNEUMONIA"),
        "NORMAL",
    )
    point = OperatingPoint("balanced", 0.5, (1, 1, 1), (1, 1, 1))
    np.testing.assert_array_equal(judged.confusion(point), [[2, 0], [0, 2]])
    assert judged.is_positive.tolist() == [True, True, False, False]
    np.testing.assert_allclose(judged.positive_probability, [0.9, 0.8, 0.2, 0.1])


def test_three_classes_have_no_positive_one() -> None:
    judged = Judged(np.array([0, 1, 2]), np.eye(3), ["a", "b", "c"], ("A", "B", "C"), None)
    np.testing.assert_array_equal(judged.confusion(None), np.eye(3, dtype=int))
    with pytest.raises(ValueError, match="two classes"):
        _ = judged.is_positive
