"""Groups of similar radiographs, registered to their own mean: the numerics behind `make_samples.py`.

Films are float32 `(SIDE, SIDE)` in [0, 1]. A displacement is float32 `(2, H, W)`, in pixels, row component first: the warped
image at `p` is the image at `p + displacement(p)`.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

SIDE = 224
GROUP_SIZE = 12
CANDIDATES = 26
LEVELS = ((4, 40), (2, 30), (1, 15))  # (reduction, demons iterations), coarse to fine
MATCHED = np.linspace(0, 1, 17)  # the quantiles at which a mean gets its films' grey levels
ROUNDS = 4  # how often the mean is estimated anew


def markers(film: np.ndarray) -> np.ndarray:
    """Where a film has small, bright, isolated things near the border: side letters, time stamps, electrodes."""
    excess = film - ndimage.grey_opening(film, size=(9, 9))
    labelled, _ = ndimage.label(ndimage.binary_dilation(excess > 0.17))
    found = np.zeros(film.shape, bool)
    for number, box in enumerate(ndimage.find_objects(labelled), 1):
        rows, columns = ((part.start + part.stop) / 2 / SIDE for part in box)
        central = 0.2 < columns < 0.8 and rows > 0.3
        if central or max(part.stop - part.start for part in box) > 30:
            continue
        thing = labelled == number
        ring = ndimage.binary_dilation(thing, iterations=4) & ~ndimage.binary_dilation(thing, iterations=2)
        if np.percentile(film[thing], 70) - np.percentile(film[ring], 90) > 0.08:
            found |= ndimage.binary_dilation(thing, iterations=3)
    return found


def without(film: np.ndarray, found: np.ndarray) -> np.ndarray:
    """A film `(H, W)` with what `markers` found, `(SIDE, SIDE)`, replaced by its surroundings."""
    where = Image.fromarray(found).resize(film.shape[::-1], Image.Resampling.NEAREST)
    known = 1 - np.asarray(where, np.float32)
    sigma = 5 * len(film) / SIDE
    surroundings = ndimage.gaussian_filter(film * known, sigma)
    surroundings /= np.maximum(ndimage.gaussian_filter(known, sigma), 1e-3)
    return np.where(known == 0, surroundings, film).astype(np.float32)


def detail(film: np.ndarray, sigma: float = 10.0) -> np.ndarray:
    """Local mean removed, local deviation set to about 1: ribs and outlines, whatever the exposure."""
    centred = film - ndimage.gaussian_filter(film, sigma)
    spread = np.sqrt(ndimage.gaussian_filter(centred**2, sigma))
    return (centred / (spread + 0.02)).astype(np.float32)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two images."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def reduce(image: np.ndarray, factor: int) -> np.ndarray:
    """The mean of each `factor` × `factor` block."""
    height, width = (length // factor for length in image.shape)
    return image.reshape(height, factor, width, factor).mean((1, 3))


def warp(image: np.ndarray, displacement: np.ndarray, order: int = 1) -> np.ndarray:
    """`image` at every pixel's displaced position; beyond the border the border's value."""
    grid = np.indices(image.shape, dtype=np.float32)
    return ndimage.map_coordinates(image, grid + displacement, order=order, mode="nearest")


def resize_field(field: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A displacement in the pixels of an image of another shape."""
    growth = np.array(shape) / field.shape[1:]
    if (growth == 1).all():
        return field
    parts = (ndimage.zoom(part, growth, order=1, mode="nearest", grid_mode=True) for part in field)
    return np.stack([part * along for part, along in zip(parts, growth, strict=True)])


def register(fixed: np.ndarray, moving: np.ndarray, levels: tuple[tuple[int, int], ...] = LEVELS) -> np.ndarray:
    """The smooth displacement `(2, SIDE, SIDE)` that lays `moving` on `fixed`, both as `detail` returns them.

    Demons with symmetric forces (Thirion 1998; Vercauteren et al. 2009), each step and the whole field smoothed by a
    Gaussian, from coarse to fine.
    """
    displacement = np.zeros((2, 1, 1), np.float32)
    for factor, iterations in levels:
        goal, source = reduce(fixed, factor), reduce(moving, factor)
        goal_gradient = np.stack(np.gradient(goal))
        displacement = resize_field(displacement, goal.shape)
        for _ in range(iterations):
            warped = warp(source, displacement)
            difference = goal - warped
            gradient = (goal_gradient + np.stack(np.gradient(warped))) / 2
            step = difference * gradient / (np.sum(gradient**2, 0) + 0.25 * difference**2 + 1e-3)
            displacement = displacement + np.stack([ndimage.gaussian_filter(part, 1.2) for part in step])
            displacement = np.stack([ndimage.gaussian_filter(part, 1.6) for part in displacement])
    return resize_field(displacement, fixed.shape)


def trimmed_mean(films: list[np.ndarray]) -> np.ndarray:
    """The pixel-wise mean without the two darkest and the two brightest films: what one film alone shows does not count."""
    return np.sort(np.stack(films), axis=0)[2:-2].mean(0)


def group_mean(films: np.ndarray) -> tuple[list[int], list[np.ndarray]]:
    """Register the films to their own mean, again and again, and keep the best fitting dozen.

    Args:
        films: `(n, SIDE, SIDE)` candidates of different patients, n > `GROUP_SIZE`.

    Returns:
        The dozen's indices, and for each the displacement `(2, SIDE, SIDE)` that lays it on their mean, in a geometry that is
        the average of the dozen's own.
    """
    details = [detail(film) for film in films]
    template, chosen = np.mean(films, 0), list(range(len(films)))
    for turn in range(ROUNDS):
        goal = detail(template)
        fields = {i: register(goal, details[i], LEVELS[: turn + 1]) for i in chosen}
        if turn:
            # The dozen that the mean describes best.
            fit = {i: correlation(goal, warp(details[i], fields[i])) for i in chosen}
            chosen = sorted(chosen, key=lambda i: -fit[i])[:GROUP_SIZE]
        # Without its common part the displacement cannot drift towards one film's anatomy.
        common = np.mean([fields[i] for i in chosen], 0)
        displacements = [fields[i] - common for i in chosen]
        template = trimmed_mean([warp(films[i], field, 3) for i, field in zip(chosen, displacements, strict=True)])
    return chosen, displacements


def different_patients(order: list[int], patients: list[str], count: int) -> list[int]:
    """The first `count` indices of `order` that belong to different patients."""
    seen: dict[str, int] = {}
    for index in order:
        seen.setdefault(patients[index], index)
    return list(seen.values())[:count]


def restore_detail(mean: np.ndarray, films: list[np.ndarray], *, limit: float = 4.0) -> np.ndarray:
    """Amplify what averaging weakened: each radial frequency is raised to the films' usual amplitude, at most `limit`-fold.

    The result has the films' mean grey levels at `MATCHED`.
    """
    height, width = mean.shape
    top, left = height // 2, width // 2
    margins = (top, height - top), (left, width - left)
    spectrum, *spectra = (np.fft.rfft2(np.pad(image, margins, mode="reflect")) for image in (mean, *films))
    rows, columns = np.fft.fftfreq(2 * height), np.fft.rfftfreq(2 * width)
    radius = np.rint(np.hypot(rows[:, None], columns[None]) * 2 * height).astype(int)
    usual = np.mean([_profile(each, radius) for each in spectra], 0)
    ratio = ndimage.gaussian_filter1d(usual / np.maximum(_profile(spectrum, radius), 1e-9), 3)
    gain = np.clip(ratio, 1.0, limit)[radius]
    sharp = np.fft.irfft2(spectrum * gain, (2 * height, 2 * width))[top:, left:][:height, :width]
    # A match level by level would break the black round the shoulders into specks: so few levels are matched.
    goal = np.mean([np.quantile(film, MATCHED) for film in films], 0)
    return np.interp(sharp, np.quantile(sharp, MATCHED), goal)


def _profile(spectrum: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """The mean amplitude at each radial frequency."""
    return np.bincount(radius.ravel(), np.abs(spectrum).ravel()) / np.bincount(radius.ravel())
