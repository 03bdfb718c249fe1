"""Groups of similar radiographs, registered to their own mean: the numerics behind `make_samples.py`.

Films are float32 `(SIDE, SIDE)` in [0, 1]. A displacement is float32 `(2, H, W)`, in pixels, row component first: the warped
image at `p` is the image at `p + displacement(p)`.
"""

import numpy as np
from scipy import ndimage

SIDE = 224
GROUP_SIZE = 12
CANDIDATES = 26
LEVELS = ((4, 40), (2, 30), (1, 15))  # (reduction, demons iterations), coarse to fine
ROUNDS = 4  # how often the mean is estimated anew


def erase_markers(film: np.ndarray) -> np.ndarray:
    """Replace small, bright, isolated things near the border (side letters, time stamps, electrodes) by their surroundings."""
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
    known = (~found).astype(np.float32)
    surroundings = ndimage.gaussian_filter(film * known, 5) / np.maximum(ndimage.gaussian_filter(known, 5), 1e-3)
    return np.where(found, surroundings, film).astype(np.float32)


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


def resize_field(field: np.ndarray, side: int) -> np.ndarray:
    """A displacement in the pixels of a `(side, side)` image."""
    growth = side / field.shape[1]
    if growth == 1:
        return field
    return np.stack([ndimage.zoom(part, growth, order=1, mode="nearest", grid_mode=True) for part in field]) * growth


def register(fixed: np.ndarray, moving: np.ndarray, levels: tuple[tuple[int, int], ...] = LEVELS) -> np.ndarray:
    """The smooth displacement `(2, SIDE, SIDE)` that lays `moving` on `fixed`, both as `detail` returns them.

    Demons with symmetric forces (Thirion 1998; Vercauteren et al. 2009), each step and the whole field smoothed by a
    Gaussian, from coarse to fine.
    """
    displacement = np.zeros((2, 1, 1), np.float32)
    for factor, iterations in levels:
        goal, source = reduce(fixed, factor), reduce(moving, factor)
        goal_gradient = np.stack(np.gradient(goal))
        displacement = resize_field(displacement, len(goal))
        for _ in range(iterations):
            warped = warp(source, displacement)
            difference = goal - warped
            gradient = (goal_gradient + np.stack(np.gradient(warped))) / 2
            step = difference * gradient / (np.sum(gradient**2, 0) + 0.25 * difference**2 + 1e-3)
            displacement = displacement + np.stack([ndimage.gaussian_filter(part, 1.2) for part in step])
            displacement = np.stack([ndimage.gaussian_filter(part, 1.6) for part in displacement])
    return resize_field(displacement, SIDE)


def trimmed_mean(films: list[np.ndarray]) -> np.ndarray:
    """The pixel-wise mean without the two darkest and the two brightest films: what one film alone shows does not count."""
    return np.sort(np.stack(films), axis=0)[2:-2].mean(0)


def group_mean(films: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Register the films to their own mean, again and again, and keep the best fitting dozen.

    Args:
        films: `(n, SIDE, SIDE)` candidates of different patients, n > `GROUP_SIZE`.

    Returns:
        The mean `(SIDE, SIDE)` in a geometry that is the average of the dozen's own, and the dozen's indices.
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
        template = trimmed_mean([warp(films[i], fields[i] - common, 3) for i in chosen])
    return template, chosen


def different_patients(order: list[int], patients: list[str], count: int) -> list[int]:
    """The first `count` indices of `order` that belong to different patients."""
    seen: dict[str, int] = {}
    for index in order:
        seen.setdefault(patients[index], index)
    return list(seen.values())[:count]


def restore_detail(mean: np.ndarray, films: np.ndarray, *, limit: float = 4.0) -> np.ndarray:
    """Amplify what averaging weakened: each radial frequency is raised to the films' usual amplitude, at most `limit`-fold.

    The result has the films' mean histogram.
    """
    edge = len(mean) // 2
    padded = [np.pad(image, edge, mode="reflect") for image in (mean, *films)]
    spectra = [np.abs(np.fft.fft2(image)) for image in padded]
    frequencies = np.fft.fftfreq(len(padded[0]))
    radius = np.rint(np.hypot(frequencies[:, None], frequencies[None]) * len(padded[0])).astype(int)
    counts = np.bincount(radius.ravel())
    profiles = [np.bincount(radius.ravel(), spectrum.ravel()) / counts for spectrum in spectra]
    ratio = ndimage.gaussian_filter1d(np.mean(profiles[1:], 0) / np.maximum(profiles[0], 1e-9), 3)
    gain = np.clip(ratio, 1.0, limit)[radius]
    part = slice(edge, edge + len(mean))
    sharp = np.fft.ifft2(np.fft.fft2(padded[0]) * gain).real[part, part]
    order = np.argsort(sharp, axis=None, kind="stable")
    matched = np.empty(sharp.size)
    matched[order] = np.mean([np.sort(film, axis=None) for film in films], 0)
    return matched.reshape(sharp.shape)
