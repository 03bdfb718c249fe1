"""The dense head: the only part of the network that learns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class HeadConfig:
    """The head's architecture; with `head.weights.h5` it is the whole of what training found.

    Attributes:
        width: units of the hidden layer; 0 leaves it out (logistic regression on the embedding).
        dropout: share of the hidden units dropped while fitting; in [0, 1).
    """

    width: int = 128
    dropout: float = 0.3

    def __post_init__(self) -> None:
        if self.width < 0:
            raise ValueError(f"width must be 0 or more. Received: {self.width}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1). Received: {self.dropout}")


def build_head(embedding_size: int, classes: int, config: HeadConfig, *, l2: float = 0.0, seed: int = 0) -> Any:
    """Build the head as a Keras model, embedding `(n, d)` → logits `(n, classes)`.

    `l2` is the weight decay used while fitting; it does not change what the head computes.
    """
    import keras

    def dense(units: int, name: str, activation: str | None, initializer: Any) -> Any:
        regularizer = keras.regularizers.L2(l2) if l2 else None
        return keras.layers.Dense(
            units, activation, kernel_initializer=initializer, kernel_regularizer=regularizer, name=name
        )

    embedding = keras.Input((embedding_size,), name="embedding_input")
    x = embedding
    if config.width:
        x = dense(config.width, "hidden", "relu", keras.initializers.HeNormal(seed=seed))(x)
        x = keras.layers.Dropout(config.dropout, seed=seed, name="hidden_dropout")(x)
    logits = dense(classes, "logits", None, keras.initializers.GlorotUniform(seed=seed))(x)
    return keras.Model(embedding, logits, name="head")


def fold_standardisation(head: Any, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> None:
    """Make a head that was fitted on `(embedding − mean) / deviation` take the embedding as it is.

    The standardisation `(d,)` moves into the first dense layer, so that it cannot be forgotten nor applied twice.
    """
    first = next(layer for layer in head.layers if layer.weights)
    kernel, bias = first.get_weights()
    kernel = kernel / deviation[:, None]
    first.set_weights([kernel, bias - mean @ kernel])


@dataclass(frozen=True)
class HeadGradient:
    """The numbers of a fitted head, for the gradient behind the heatmap, which is computed outside the graph.

    Attributes:
        hidden: kernel `(d, width)` and bias `(width,)`; None where the head has no hidden layer.
        kernel: of the layer of logits, `(width or d, classes)`.
    """

    hidden: tuple[NDArray[np.float32], NDArray[np.float32]] | None
    kernel: NDArray[np.float32]

    @classmethod
    def of(cls, head: Any) -> "HeadGradient":
        """Copy the numbers out of a Keras head."""
        weights = {layer.name: layer.get_weights() for layer in head.layers}
        hidden = (weights["hidden"][0], weights["hidden"][1]) if "hidden" in weights else None
        return cls(hidden, weights["logits"][0])

    def __call__(self, embedding: NDArray[np.float32], label_index: int) -> NDArray[np.float32]:
        """The gradient `(d,)` of a class's score with respect to one embedding `(d,)`.

        The score is the class's logit less the mean of the other classes' logits; for two classes, the log-odds.
        """
        others = np.delete(self.kernel, label_index, axis=1).mean(axis=1)
        direction = self.kernel[:, label_index] - others
        if self.hidden is not None:
            kernel, bias = self.hidden
            direction = kernel @ (direction * (embedding @ kernel + bias > 0))
        return np.asarray(direction, dtype=np.float32)
