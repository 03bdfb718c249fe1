"""What is done where a device has not the memory for a batch: smaller ones, and at last a sentence."""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

import tensorflow as tf

from models.devices.device import DeviceError

Result = TypeVar("Result")

HALVINGS: Final = 3
"""How often a batch is halved at most: what an eighth of it does not fit into is too small for the network."""


class OutOfMemoryError(DeviceError):
    """Raised where a device has no memory even for the smallest batch that is tried."""


def with_halved_batches(size: int, work: Callable[[int], Result], *, halvings: int = HALVINGS) -> tuple[Result, int]:
    """Do `work` with batches of `size`; where the device has no memory for them, of half the size, so many times at most.

    Returns:
        What the work gave, and the size that fitted.

    Raises:
        OutOfMemoryError: none fitted; it says what to do.
    """
    try:
        return work(size), size
    except tf.errors.ResourceExhaustedError as error:
        if not halvings or size == 1:
            raise OutOfMemoryError(_advice(size, error)) from error
    size //= 2
    logging.getLogger("pneumolens").warning(
        "The device has no memory for so large a batch; on with %d at a time.", size
    )
    return with_halved_batches(size, work, halvings=halvings - 1)


def _advice(size: int, error: tf.errors.ResourceExhaustedError) -> str:
    said = next((line for line in error.message.splitlines() if "OOM" in line or "memory" in line), "")
    return (
        f"The device has no memory for a batch of {size}{f' ({said.strip()})' if said else ''}. End what else computes on it "
        "(`nvidia-smi` lists it), take a smaller backbone, or compute on the processor with --engine openvino."
    )
