"""One network on several devices of one machine, each with its share of a batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.devices.device import DEVICES


def strategy_for(devices: str) -> Any:
    """What to build a network under, by `strategy.scope()`, so that it lives on one device or on all of them.

    All are the GPUs that TensorFlow can use, or, where there is none, the logical processors that it was told of.

    Raises:
        ValueError: for what is not one of `DEVICES`.
    """
    if devices not in DEVICES:
        raise ValueError(f"--devices must be one of {', '.join(DEVICES)}. Received: {devices!r}")
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if devices == "one" or len(found) == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in found])


def spread_call(strategy: Any, network: Any) -> Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """A network with several outputs as a function that gives each device its share of the rows.

    Shares are of one size: the last row is repeated, and what came of its copies is left out.
    """
    count = strategy.num_replicas_in_sync

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator] # TensorFlow ships no types
    def run(shares: Any) -> Any:
        return strategy.run(lambda rows: network(rows, training=False), args=(shares,))

    def call(rows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        each = -(-len(rows) // count)
        filled = filled_up(rows, each * count).reshape(count, each, *rows.shape[1:])
        given = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(filled[context.replica_id_in_sync_group])
        )
        outputs = [strategy.experimental_local_results(output) for output in run(given)]
        return [np.concatenate([np.asarray(part) for part in parts])[: len(rows)] for parts in outputs]

    return call


def filled_up(rows: NDArray[Any], count: int) -> NDArray[Any]:
    """Rows up to so many, the last one repeated."""
    return np.concatenate([rows, np.repeat(rows[-1:], count - len(rows), axis=0)])
