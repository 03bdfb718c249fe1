"""What is built without numbers gets none later on."""

from typing import Any

import keras

from models.backbones.weightless import weightless


class Drawn:
    """Where a weight starts, and how often that was asked."""

    times = 0

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        self.times += 1
        return keras.ops.zeros(shape, dtype)


class Twice(keras.layers.Layer):
    """Keras finds the shape of what it gives by tracing it."""

    def call(self, inputs: Any) -> Any:
        return 2 * inputs


def test_no_number_is_drawn_even_when_another_network_is_built_later() -> None:
    asked = Drawn()
    with weightless():
        inputs = keras.Input((3,))
        network = keras.Model(inputs, keras.layers.Dense(4, kernel_initializer=asked)(inputs))
    assert [tuple(weight.shape) for weight in network.weights] == [(3, 4), (4,)]
    Twice()(keras.Input((3,)))
    assert asked.times == 0
