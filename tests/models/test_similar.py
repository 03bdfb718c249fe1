"""Films that look alike lie together."""

import numpy as np

from models.similar import most_similar


def test_the_nearest_comes_first() -> None:
    others = [np.array(row, dtype=np.float32) for row in ([11, 10], [10, 11], [9, 9])]
    found = most_similar(np.array([13, 10], dtype=np.float32), others, count=2)
    assert [place for place, _ in found] == [0, 1]
    assert found[0][1] > found[1][1]


def test_what_all_films_share_does_not_count() -> None:
    """Far from the origin every cosine is nearly 1; from the middle of the films they point apart."""
    others = [np.array(row, dtype=np.float32) for row in ([1001, 1000], [999, 1000])]
    (place, cosine), (_, other) = most_similar(np.array([1002, 1000], dtype=np.float32), others, count=2)
    assert (place, round(cosine, 3), round(other, 3)) == (0, 1.0, -1.0)


def test_without_films_there_is_nothing_alike() -> None:
    assert most_similar(np.ones(3, dtype=np.float32), [], count=3) == []
    same = np.ones(3, dtype=np.float32)
    assert most_similar(same, [same], count=3) == [(0, 0.0)]
