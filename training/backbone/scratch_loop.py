"""Epochs that survive being killed: after each, weights, optimiser and history are written as one file, whole or not at all."""

import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from models.system.files import atomic_path
from training.backbone.film_batches import FilmViews
from training.config import RunConfig, ScratchTraining
from training.data.learnable import balanced_weights
from training.embedding.views import Film

_DAMAGE = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class ScratchLoop:
    """Trains a network, logits from films; where `state` holds epochs of the same training, it goes on after them.

    Args:
        network: pixels `(n, size, size, 1)`, and lungs where the head pools over them → logits `(n, classes)`.
        learnt, watched: the films to learn from, and those whose loss stops the training.
        config: of the run, with `scratch`.
        state: the file.

    Attributes:
        done: epochs that have been made.
        best_epoch: the one whose weights are kept, from 1.
    """

    def __init__(
        self,
        network: Any,
        learnt: Sequence[Film],
        watched: Sequence[Film],
        config: RunConfig,
        *,
        state: Path,
        callbacks: Sequence[Any] = (),
    ) -> None:
        if config.scratch is None:
            raise ValueError("config.scratch must say how to train. Received: None")
        self._training: ScratchTraining = config.scratch
        self._config = config
        self._network = network
        self._learnt = learnt
        self._batch_size = min(self._training.batch_size, len(learnt))
        # A last, smaller batch would have statistics of its own; each epoch leaves other films out.
        self._steps = len(learnt) // self._batch_size
        self._watched = self._batches(watched, [0])
        self._callbacks = list(callbacks)
        self.state = state
        labels = np.array([film.label for film in learnt])
        self._weights = dict(enumerate(balanced_weights(labels, network.output_shape[-1]).tolist()))
        network.compile(
            optimizer_of(self._training, self._steps),
            SmoothedCrossentropy(network.output_shape[-1], config.head_training.label_smoothing),
            # XLA's convolutions take two to four times as long on processors.
            jit_compile=False,
        )
        network.optimizer.build(network.trainable_variables)
        self._losses: tuple[list[float], list[float]] = ([], [])
        self._best: list[NDArray[np.float32]] = []
        self._read()

    @property
    def done(self) -> int:
        return len(self._losses[1])

    @property
    def best_epoch(self) -> int:
        return int(np.argmin(self._losses[1])) + 1

    @property
    def stopped(self) -> bool:
        """Whether all epochs are made, or none of the last ones was better."""
        without_gain = self.done - self.best_epoch if self.done else 0
        return self.done >= self._training.epochs or without_gain >= self._training.patience

    def run(
        self, progress: Callable[[int, int], None], *, say: Callable[[str], None]
    ) -> tuple[list[float], list[float]]:
        """Make the epochs that are left, and put the best weights into the network; training and watched losses."""
        total = self._training.epochs * self._steps
        while not self.stopped:
            epoch, before = self.done, self.done * self._steps

            def moved(batch: int, logs: Any = None, before: int = before) -> None:
                progress(before + batch + 1, total)

            history = self._network.fit(
                self._batches(self._shuffled(epoch), [epoch + 1]),
                initial_epoch=epoch,
                epochs=epoch + 1,
                validation_data=self._watched,
                class_weight=self._weights,
                shuffle=False,
                callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=moved), *self._callbacks],
                verbose=0,
            ).history
            for losses, name in zip(self._losses, ("loss", "val_loss"), strict=True):
                losses.append(float(history[name][0]))
            if self.best_epoch == self.done:
                self._best = self._network.get_weights()
            self._write()
            say(f"Epoch {self.done}: loss {self._losses[0][-1]:.4f}, on the patients watched {self._losses[1][-1]:.4f}")
        self._network.set_weights(self._best)
        progress(total, total)
        return self._losses

    def _shuffled(self, epoch: int) -> list[Film]:
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._learnt))
        return [self._learnt[index] for index in order[: self._steps * self._batch_size]]

    def _batches(self, films: Sequence[Film], numbers: Sequence[int]) -> FilmViews:
        return FilmViews(
            [(film, numbers) for film in films],
            size=self._network.inputs[0].shape[1],
            config=self._config.augmentation,
            seed=self._config.seed,
            films_per_batch=self._batch_size,
            pooling=self._config.head.pooling,
        )

    def _write(self) -> None:
        arrays = {
            **{f"network{number}": array for number, array in enumerate(self._network.get_weights())},
            **{f"best{number}": array for number, array in enumerate(self._best)},
            **{f"optimizer{number}": np.asarray(one) for number, one in enumerate(self._network.optimizer.variables)},
        }
        with atomic_path(self.state) as temporary:
            np.savez(temporary, losses=np.array(json.dumps(self._losses)), **arrays)

    def _read(self) -> None:
        """Take up the state, where there is one that can be read."""
        variables, count = self._network.optimizer.variables, len(self._network.weights)
        try:
            with self.state.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                losses = json.loads(str(arrays["losses"]))
                network = [arrays[f"network{number}"] for number in range(count)]
                best = [arrays[f"best{number}"] for number in range(count)]
                moments = [arrays[f"optimizer{number}"] for number in range(len(variables))]
        except _DAMAGE:
            return
        self._network.set_weights(network)
        for variable, value in zip(variables, moments, strict=True):
            variable.assign(value)
        self._losses, self._best = (losses[0], losses[1]), best


class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits with class indices, a share of each label given to all classes alike."""

    def __init__(self, classes: int, smoothing: float) -> None:
        super().__init__()
        self._classes = classes
        self._smoothing = smoothing

    def call(self, labels: Any, logits: Any) -> Any:
        one_hot = ops.one_hot(ops.reshape(labels, (-1,)), self._classes)
        return keras.losses.categorical_crossentropy(one_hot, logits, from_logits=True, label_smoothing=self._smoothing)


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose rate rises evenly from nearly 0 over the first steps."""

    def __init__(self, schedule: Any, steps: int) -> None:
        self._schedule = schedule
        self._steps = max(1, steps)

    def __call__(self, step: Any) -> Any:
        return self._schedule(step) * ops.minimum((ops.cast(step, "float32") + 1) / self._steps, 1.0)


def optimizer_of(training: ScratchTraining, steps: int) -> Any:
    """The optimiser with its schedule, for epochs of so many steps."""
    rate, total = training.learning_rate, training.epochs * steps
    schedule: Any
    if training.schedule == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(rate, total)
    else:
        falls = [total // 2, max(total * 3 // 4, total // 2 + 1)]
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay(falls, [rate, rate / 10, rate / 100])
    warmed = WarmUp(schedule, round(training.warm_up * steps))
    if training.optimizer == "adam":
        return keras.optimizers.Adam(warmed, weight_decay=training.weight_decay)
    return keras.optimizers.SGD(warmed, momentum=0.9, weight_decay=training.weight_decay)
