"""Handwritten digits: the small residual network trained from scratch, by a loop that can be read and by Keras' own `fit`.

Both take the same batches in the same order from the same start, so they give the same curve. The test part decides nothing:
what is reported is the last epoch, and choices are made with `hold_out`, which judges on a part of the training set instead.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.backbones.residual import digit_network
from training.digits.mnist import Pictures

LOOPS: Final = ("custom", "fit")
_JUDGED_AT_ONCE: Final = 500


@dataclass(frozen=True)
class DigitTraining:
    """How the digits are learnt.

    Attributes:
        epochs: passes over the training part.
        batch_size: pictures in a step; what a last, smaller batch would hold is left out of that epoch.
        learning_rate: of Adam.
        augment: turn, shift, stretch and shear each picture a little, anew in each epoch, and let the rate fall to 0 along a
            half cosine. Off: the pictures as they are, and a constant rate.
        loop: "custom" or "fit".
        seed: of the start, the order and the augmentation.
    """

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    augment: bool = False
    loop: str = "custom"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loop not in LOOPS:
            raise ValueError(f"--loop must be one of {', '.join(LOOPS)}. Received: {self.loop!r}")
        if min(self.epochs, self.batch_size) < 1 or self.learning_rate <= 0:
            raise ValueError(f"epochs, batch_size and learning_rate must be positive. Received: {self}")


class Epoch(NamedTuple):
    """Means over an epoch: of the training part while it is learnt, and of the test part after it."""

    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float


def hold_out(pictures: Pictures, count: int) -> Pictures:
    """Judge by the last `count` training pictures in place of the test part."""
    if not 0 < count < len(pictures.train):
        raise ValueError(f"--hold-out must be from 1 to {len(pictures.train) - 1}. Received: {count}")
    return Pictures(
        pictures.train[:-count], pictures.train_labels[:-count], pictures.train[-count:], pictures.train_labels[-count:]
    )


def train_digits(
    pictures: Pictures, training: DigitTraining, *, progress: Callable[[int, int], None] | None = None
) -> tuple[Any, list[Epoch]]:
    """Train the network from its random start; the network, and what each epoch brought."""
    steps = len(pictures.train) // training.batch_size
    if not steps:
        raise ValueError(f"There must be a batch of pictures or more. Received: {len(pictures.train)} pictures")
    keras.utils.set_random_seed(training.seed)
    classes = int(pictures.train_labels.max()) + 1
    network = digit_network(input_shape=pictures.train.shape[1:], classes=classes)
    rate: Any = training.learning_rate
    if training.augment:
        rate = keras.optimizers.schedules.CosineDecay(rate, steps * training.epochs)
    network.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
        jit_compile=False,  # XLA's convolutions take twice as long on processors
    )
    network.optimizer.build(network.trainable_variables)  # else the first step makes its variables, and is traced twice
    one_epoch = _custom_epoch(network) if training.loop == "custom" else _fit_epoch(network)
    test = (scaled(pictures.test), pictures.test_labels)
    curve = []
    for epoch in range(training.epochs):
        loss, accuracy = one_epoch(_batches(pictures, training, epoch))
        judged = network.evaluate(*test, batch_size=_JUDGED_AT_ONCE, verbose=0)
        curve.append(Epoch(loss, accuracy, *(float(value) for value in judged)))
        if progress is not None:
            progress(epoch + 1, training.epochs)
    return network, curve


def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey levels 0 to 255 as −1 to 1."""
    return pixels.astype(np.float32) / 127.5 - 1


def augment(pixels: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Turn by up to 12°, shift by up to 7 % of the side, zoom and stretch by up to 12 %, shear by up to 12°; fill with −1.

    `(n, h, w, 1)` → the same shape; each picture by its own draw, with one bilinear interpolation.
    """
    n, height, width, _ = pixels.shape
    turn, shear = np.deg2rad(random.uniform(-12, 12, (2, n)))
    down, across = np.exp(random.uniform(-0.12, 0.12, (2, n)))
    cosine, sine = np.cos(turn), np.sin(turn)
    # From places in the output to places in the input, x before y, about the middle.
    a, b = cosine * across, -sine * down + np.tan(shear)
    c, d = sine * across, cosine * down
    x, y = (width - 1) / 2, (height - 1) / 2
    left, up = random.uniform(-0.07, 0.07, (2, n)) * np.array([[width], [height]])
    zero = np.zeros(n)
    warp = np.stack([a, b, x - a * x - b * y + left, c, d, y - c * x - d * y + up, zero, zero], axis=1)
    warped = keras.ops.image.affine_transform(
        pixels, warp.astype(np.float32), interpolation="bilinear", fill_mode="constant", fill_value=-1
    )
    return np.asarray(warped)


def _batches(pictures: Pictures, training: DigitTraining, epoch: int) -> Any:
    """One epoch's batches as a `tf.data.Dataset`, a function of the seed and the epoch alone."""
    random = np.random.default_rng([training.seed, epoch])
    steps = len(pictures.train) // training.batch_size
    order = random.permutation(len(pictures.train))[: steps * training.batch_size]
    pieces = np.array_split(order, max(1, len(order) // 2000))

    def pixels() -> Iterator[NDArray[np.float32]]:
        for piece in pieces:
            plain = scaled(pictures.train[piece])
            yield augment(plain, random) if training.augment else plain

    data = tf.data.Dataset.from_tensor_slices((np.concatenate(list(pixels())), pictures.train_labels[order]))
    return data.batch(training.batch_size, drop_remainder=True).prefetch(4)


EpochOf = Callable[[Any], tuple[float, float]]


def _fit_epoch(network: Any) -> EpochOf:
    def run(batches: Any) -> tuple[float, float]:
        history = network.fit(batches, epochs=1, shuffle=False, verbose=0).history
        return float(history["loss"][0]), float(history["accuracy"][0])

    return run


def _custom_epoch(network: Any) -> EpochOf:
    """The loop that `fit` hides: forward, loss, backward, step."""
    loss_of, optimizer = network.loss, network.optimizer
    mean_loss, accuracy = keras.metrics.Mean(), keras.metrics.SparseCategoricalAccuracy()

    def step(pixels: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            probability = network(pixels, training=True)
            loss = loss_of(labels, probability)
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        mean_loss.update_state(loss)
        accuracy.update_state(labels, probability)

    compiled = tf.function(step)

    def run(batches: Any) -> tuple[float, float]:
        mean_loss.reset_state()
        accuracy.reset_state()
        for pixels, labels in batches:
            compiled(pixels, labels)
        return float(mean_loss.result()), float(accuracy.result())

    return run
