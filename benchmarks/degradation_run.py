"""One run of the degradation experiment: training with the paper's recipe, and what is measured in the network."""

from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.backbones.residual import cifar_resnet
from training.backbone.scratch_loop import WarmUp

BATCH: Final = 128
LARGEST_SIDE: Final = 32  # as in the paper; the first convolution halves larger pictures
MEASURED: Final = 512  # pictures that gradients and responses are measured on


class Trainer:
    """Trains networks; those of one architecture share one compiled step, which takes longer to trace than many to run."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[Any, ...], tuple[Any, Any, Any]] = {}

    def run(
        self,
        pixels: NDArray[np.float32],
        labels: NDArray[np.int64],
        setting: Any,
        *,
        shortcut: Any,
        progress: Callable[[int, int], None],
    ) -> dict[str, Any]:
        """Train one network from its seed; what is found, ready for JSON."""
        keras.utils.set_random_seed(setting.seed)
        network, step = self._start(setting.depth, shortcut, pixels.shape[1:], int(labels.max()) + 1, setting.steps)
        order = np.random.default_rng(setting.seed)
        measured = (tf.constant(pixels[:MEASURED]), tf.constant(labels[:MEASURED]))
        at_start, curve, queue = gradient_norms(network, *measured), [], np.empty(0, dtype=np.int64)
        for number in range(setting.steps):
            if len(queue) < BATCH:
                queue = order.permutation(len(labels))
            batch, queue = queue[:BATCH], queue[BATCH:]
            loss, wrong = step(tf.constant(pixels[batch]), tf.constant(labels[batch]))
            curve.append((float(loss), float(wrong)))
            progress(number + 1, setting.steps)
        probability = np.concatenate([network(pixels[start : start + 512]) for start in range(0, len(pixels), 512)])
        picked = np.maximum(probability[np.arange(len(labels)), labels], 1e-7)
        return {
            "side": pixels.shape[1],
            "loss": [round(loss, 5) for loss, _ in curve],
            "error": [round(wrong, 5) for _, wrong in curve],
            "training_error": float((probability.argmax(1) != labels).mean()),
            "training_loss": float(-np.log(picked).mean()),
            "gradient_norms": {"start": at_start, "end": gradient_norms(network, *measured)},
            "responses": response_deviations(network, measured[0]),
        }

    def _start(self, depth: int, shortcut: str, shape: Any, classes: int, steps: int) -> tuple[Any, Any]:
        """A network at its random start, and its training step."""
        stride = 1 if shape[0] <= LARGEST_SIDE else 2
        fresh = cifar_resnet(depth, input_shape=shape, classes=classes, shortcut=shortcut, entry_stride=stride)
        key = (depth, shortcut, shape, classes, steps)
        if key not in self._compiled:
            optimizer = keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=1e-4)
            optimizer.build(fresh.trainable_variables)
            self._compiled[key] = (fresh, optimizer, _training_step(fresh, optimizer, _rate(steps)))
        network, optimizer, step = self._compiled[key]
        network.set_weights(fresh.get_weights())
        for variable in optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        return network, step


def gradient_norms(network: Any, pixels: Any, labels: Any) -> list[float]:
    """The Euclidean norm of the loss's gradient at each 3×3 kernel, from the input to the output, in training mode."""
    before = network.get_weights()
    kernels = [layer.kernel.value for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    with tf.GradientTape() as tape:
        loss = _loss(labels, network(pixels, training=True))
    norms = [float(tf.norm(gradient)) for gradient in tape.gradient(loss, kernels)]
    network.set_weights(before)  # training mode has moved the statistics of batch normalisation
    return norms


def response_deviations(network: Any, pixels: Any) -> list[float]:
    """The standard deviation of each 3×3 layer's response, after batch normalisation and before what follows: figure 7."""
    responses = [layer.output for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return [float(tf.math.reduce_std(response)) for response in keras.Model(network.input, responses)(pixels)]


def _rate(steps: int) -> Any:
    falls = [steps // 2, steps * 3 // 4]
    return WarmUp(keras.optimizers.schedules.PiecewiseConstantDecay(falls, [0.1, 0.01, 0.001]), steps // 4)


def _training_step(network: Any, optimizer: Any, rate: Any) -> Any:
    # Not XLA: its convolutions take two to four times as long on processors.
    @tf.function
    def step(pixels: Any, labels: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            probability = network(pixels, training=True)
            loss = _loss(labels, probability)
        gradients = tape.gradient(loss, network.trainable_variables)
        # Once here; a schedule of the optimiser's would be traced again for the weight decay of each variable.
        optimizer.learning_rate.assign(rate(optimizer.iterations))
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        wrong = tf.argmax(probability, 1) != labels
        return loss, tf.reduce_mean(tf.cast(wrong, tf.float32))

    return step


def _loss(labels: Any, probability: Any) -> Any:
    return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, probability))
