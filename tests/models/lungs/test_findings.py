"""What the finder's scores mean, and how a finding is mended."""

import numpy as np
import pytest

from models.lungs.findings import (
    LIKELY,
    MIRRORED,
    POSES,
    UNLIKELY,
    cut_off_finding,
    mirrored_note,
    pose_finding,
    poses,
)

FILM = np.random.default_rng(0).integers(0, 256, (6, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("upright", "others", "found", "code", "turned"),
    [
        pytest.param(LIKELY, (), True, None, 0, id="likely: nobody asked for other poses"),
        pytest.param(LIKELY, (), False, "no_lungs", 0, id="likely, but no lungs on the map"),
        pytest.param(-0.9, (0.8, -0.9, -0.7, -0.8), True, "turned", 90, id="90"),
        pytest.param(-0.9, (-0.9, 0.8, -0.7, -0.8), True, "turned", 180, id="180"),
        pytest.param(-0.9, (-0.9, -0.8, 0.7, -0.8), False, "turned", 270, id="270, however the map looks"),
        pytest.param(-0.4, (-0.9, -0.8, -0.7, 0.9), True, "inverted", 0, id="inverted"),
        pytest.param(-0.9, (-0.9, -0.8, -0.7, -0.9), True, "no_lungs", 0, id="upright in no pose"),
        pytest.param(UNLIKELY, (-0.9, -0.8, -0.7, -0.9), True, None, 0, id="doubtful, and no other pose is better"),
        pytest.param(LIKELY - 0.1, (LIKELY, -0.8, -0.7, -0.9), True, None, 0, id="another pose is hardly better"),
    ],
)
def test_what_uprightness_means(
    upright: float, others: tuple[float, ...], found: bool, code: str | None, turned: int
) -> None:
    finding = pose_finding(upright, others, found=found)
    assert (finding.code if finding else None) == code
    assert finding is None or finding.turned == turned


@pytest.mark.parametrize(
    ("pose", "picture"),
    [(90, np.rot90(FILM, -1)), (180, FILM[::-1, ::-1]), (270, np.rot90(FILM)), ("inverted", 255 - FILM)],
)
def test_mending_gives_the_upright_film_again(pose: int | str, picture: np.ndarray) -> None:
    others = [0.9 if each == pose else -0.9 for each in POSES]
    np.testing.assert_array_equal(poses(picture)[POSES.index(pose)], FILM)
    finding = pose_finding(-0.9, others, found=True)
    assert finding is not None
    assert finding.mendable
    assert "again" in finding.sentence
    np.testing.assert_array_equal(finding.mended(picture), FILM)


def test_no_lungs_cannot_be_mended() -> None:
    finding = pose_finding(-0.9, [-0.9] * 4, found=False)
    assert finding is not None
    assert not finding.mendable
    np.testing.assert_array_equal(finding.mended(FILM), FILM)


@pytest.mark.parametrize(
    ("places", "edges"),
    [
        (np.s_[5:20, 4:24], ()),
        (np.s_[0:20, 4:24], ("top",)),
        (np.s_[5:28, 0:28], ("bottom", "left", "right")),
        (np.s_[12:17, 0:10], ()),  # a patch that touches the edge is no lung
    ],
)
def test_lungs_cut_off_names_the_edges(places: tuple[slice, slice], edges: tuple[str, ...]) -> None:
    lung_map = np.zeros((28, 28), np.float32)
    lung_map[places] = 0.9
    finding = cut_off_finding(lung_map)
    assert (finding is None) == (not edges)
    assert finding is None or " and ".join(edges) + " edge" in finding.sentence


def test_a_mirrored_film_is_said_to_be_judged() -> None:
    assert mirrored_note(MIRRORED) is None
    note = mirrored_note(MIRRORED - 0.01)
    assert note is not None
    assert note.code == "mirrored"
    assert "judged" in note.sentence
