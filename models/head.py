"""The dense head: the only part of the network that learns."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.backbones.pooling import ROWS

POOLINGS: Final = tuple(ROWS)
"""How a feature map becomes an embedding: its mean over the lungs, or over all places, its maximum, or mean and maximum."""

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""A dense layer's kernel `(inputs, units)` and bias `(units,)`."""


@dataclass(frozen=True)
class HeadConfig:
    """The head's architecture; with `head.weights.h5` it is the whole of what training found.

    Attributes:
        width: units of the hidden layer; 0 leaves it out (logistic regression on the embedding).
        dropout: share of the hidden units dropped while fitting; in [0, 1).
        pooling: one of `POOLINGS`.
    """

    width: int = 0
    dropout: float = 0.3
    pooling: str = "mean"

    def __post_init__(self) -> None:
        if self.width < 0:
            raise ValueError(f"width must be 0 or more. Received: {self.width}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1). Received: {self.dropout}")
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}. Received: {self.pooling!r}")

    def input_size(self, channels: int) -> int:
        """The numbers of an embedding that is pooled from so many channels."""
        return len(ROWS[self.pooling]) * channels


def select_pooling(pooled: NDArray[np.float32], pooling: str) -> NDArray[np.float32]:
    """Of what is pooled `(…, 3, d)`, the embedding that `pooling` names: `(…, d)`, or `(…, 2 d)` where it takes two."""
    chosen = select_rows(pooled, pooling)
    return chosen.reshape(*chosen.shape[:-2], -1)


def select_rows(pooled: NDArray[np.float32], pooling: str) -> NDArray[np.float32]:
    """Of what is pooled `(…, 3, d)`, the rows that `pooling` takes, `(…, p, d)`: a view, of however many films."""
    first, last = ROWS[pooling][0], ROWS[pooling][-1]
    return pooled[..., first : last + 1 : max(last - first, 1), :]


@dataclass(frozen=True, eq=False)
class DenseHead:
    """A fitted head in plain numbers: it needs neither Keras nor TensorFlow.

    Attributes:
        hidden: the hidden layer, ReLU behind it; None where there is none.
        logits_layer: the layer of logits.
    """

    hidden: Layer | None
    logits_layer: Layer

    @classmethod
    def of(cls, head: Any) -> "DenseHead":
        """Copy the numbers out of a Keras head."""
        weights = {layer.name: tuple(layer.get_weights()) for layer in head.layers}
        return cls(weights.get("hidden"), weights["logits"])

    @classmethod
    def load(cls, path: Path, *, embedding_size: int, classes: int, width: int) -> "DenseHead":
        """Read the weights that Keras saved of a head; a ValueError or an OSError where they are of another one."""
        import h5py

        layers: dict[str, Layer] = {}
        with h5py.File(path) as file:
            for group in file["layers"].values():
                if {"0", "1"} <= set(group["vars"]):
                    layers[group["vars"].attrs["name"]] = (group["vars/0"][()], group["vars/1"][()])
        expected = {"logits": (width or embedding_size, classes)}
        if width:
            expected["hidden"] = (embedding_size, width)
        found = {name: kernel.shape for name, (kernel, _) in layers.items()}
        if found != expected:
            raise ValueError(f"its kernels must be {expected}. Received: {found}")
        return cls(layers.get("hidden"), layers["logits"])

    def save(self, path: Path) -> None:
        """Write the weights where `load` finds them, and Keras too, for a model of `build_head`."""
        import h5py

        layers = {"hidden": self.hidden, "logits": self.logits_layer}
        stream = io.BytesIO()  # HDF5 itself tells of a full disk in ways that nobody can catch
        with h5py.File(stream, "w") as file:
            present = [(name, layer) for name, layer in layers.items() if layer is not None]
            # Keras finds a layer by its class and number, not by its name.
            for group, (name, layer) in zip(("dense", "dense_1"), present, strict=False):
                variables = file.create_group(f"layers/{group}/vars")
                variables.attrs["name"] = name
                for number, array in enumerate(layer):
                    variables[str(number)] = array
        path.write_bytes(stream.getvalue())

    def logits(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits `(n, classes)` of embeddings `(n, d)`."""
        x = embeddings
        if self.hidden is not None:
            kernel, bias = self.hidden
            x = np.maximum(x @ kernel + bias, 0)
        kernel, bias = self.logits_layer
        return np.asarray(x @ kernel + bias, dtype=np.float32)

    def gradient(self, embedding: NDArray[np.float32], label_index: int) -> NDArray[np.float32]:
        """The gradient `(d,)` of a class's score with respect to one embedding `(d,)`.

        The score is the class's logit less the mean of the other classes' logits; for two classes, the log-odds.
        """
        last = self.logits_layer[0]
        direction = last[:, label_index] - np.delete(last, label_index, axis=1).mean(axis=1)
        if self.hidden is not None:
            kernel, bias = self.hidden
            direction = kernel @ (direction * (embedding @ kernel + bias > 0))
        return np.asarray(direction, dtype=np.float32)

    def without_standardisation(self, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> "DenseHead":
        """The head that takes the embedding as it is, made of one that was fitted on `(embedding − mean) / deviation`.

        The standardisation `(d,)` moves into the first layer, so that it cannot be forgotten nor applied twice.
        """
        kernel, bias = self.hidden or self.logits_layer
        kernel = kernel / deviation[:, None]
        first = (kernel, bias - mean @ kernel)
        return DenseHead(first, self.logits_layer) if self.hidden else DenseHead(None, first)

    def to_keras(self, config: HeadConfig) -> Any:
        """The same head as a Keras model, for saving, exporting and fine-tuning."""
        kernel = (self.hidden or self.logits_layer)[0]
        head = build_head(len(kernel), self.logits_layer[0].shape[1], config)
        for name, layer in (("hidden", self.hidden), ("logits", self.logits_layer)):
            if layer is not None:
                head.get_layer(name).set_weights(layer)
        return head


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
