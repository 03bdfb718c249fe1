"""Losses as an event file of TensorBoard, written without that package: any TensorBoard can read it, none is needed here."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf


class EventLog(keras.callbacks.Callback):
    """Writes every loss after every epoch into a new event file: TFRecords of `Event`, as TensorFlow's own writer does."""

    def __init__(self, folder: Path, name: str) -> None:
        """The file is written into `folder / name`, which TensorBoard shows as the run `name`."""
        super().__init__()
        self._folder = folder / name

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard knows event files by this word in their names.
        self._writer = tf.io.TFRecordWriter(str(self._folder / f"events.out.tfevents.{time.time_ns()}"))
        self._write(file_version="brain.Event:2")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = [tf.compat.v1.Summary.Value(tag=name, simple_value=value) for name, value in (logs or {}).items()]
        self._write(step=epoch + 1, summary=tf.compat.v1.Summary(value=values))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._writer.close()

    def _write(self, **content: Any) -> None:
        self._writer.write(tf.compat.v1.Event(wall_time=time.time(), **content).SerializeToString())
        self._writer.flush()


def write_losses(folder: Path, name: str, losses: tuple[Sequence[float], Sequence[float]]) -> None:
    """Write the training and, where there are any, the validation losses of a fit that is over."""
    log = EventLog(folder, name)
    log.on_train_begin()
    for epoch, training in enumerate(losses[0]):
        validation = {"val_loss": losses[1][epoch]} if losses[1] else {}
        log.on_epoch_end(epoch, {"loss": training, **validation})
    log.on_train_end()
