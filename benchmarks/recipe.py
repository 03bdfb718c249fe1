"""The reference recipe, as tutorials have it: what this product's training is measured against.

    python -m benchmarks.recipe --json recipe.json

Keras' ResNet50 without its top, frozen; Flatten, Dense(128, relu), Dense(2, softmax); `ImageDataGenerator` with rescale 1/255,
shear 0.2, zoom 0.2, horizontal flip and `validation_split=0.2`; batches of 32; Adam, categorical cross-entropy; 20 epochs; the
whole model as .h5. Some steps of training and of validation are run and timed apart, and scaled up to 20 epochs over 5,216
films: it takes about two minutes instead of ninety. In the recipe's favour, its start, the first steps and the last one are
left out.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.films import film_folder, random_resnet50
from benchmarks.measuring import FILMS, run_benchmark
from models.system.quiet import import_keras_quietly, quiet_logger

EPOCHS: Final = 20
BATCH_SIZE: Final = 32
VALIDATION_SHARE: Final = 0.2
SIDE: Final = 224
QUICK_FILMS: Final = 960
_WARM_UP: Final = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Time a sample of steps."""
    return run_benchmark("recipe", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Seconds for a step of training and one of validation, and for the whole recipe on 5,216 films."""
    import_keras_quietly()
    import keras

    steps, validation_steps = (10, 6) if options.quick else (30, 12)
    data = options.data or film_folder(QUICK_FILMS if options.quick else FILMS)
    weights = random_resnet50()
    with console.status(f"The recipe: {steps} steps of training, {validation_steps} of validation …"):
        backbone = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
        backbone.load_weights(str(weights))
        model = build_recipe(backbone)
        clock = _clock()
        training, validation = generators(data)
        model.fit(
            training,
            validation_data=validation,
            steps_per_epoch=steps,
            validation_steps=validation_steps,
            callbacks=[clock],
            verbose=0,
        )
        saving = _seconds_of_saving(model)
    train_seconds, validation_seconds = clock.mean("train"), clock.mean("test")
    total = scaled_seconds(train_seconds, validation_seconds) + saving
    console.print(
        f"The recipe: {train_seconds:.2f} s a step of training, {validation_seconds:.2f} s of validation; scaled up to "
        f"{EPOCHS} epochs over {FILMS:,} films: {total / 60:.1f} minutes, {EPOCHS * FILMS / total:.1f} films a second"
    )
    return {
        "sample": f"{steps} steps of training and {validation_steps} of validation, scaled to {EPOCHS} epochs of {FILMS} films",
        "seconds_a_training_step": train_seconds,
        "seconds_a_validation_step": validation_seconds,
        "seconds_of_saving": saving,
        "recipe_seconds": total,
        "recipe_films_per_second": EPOCHS * FILMS / total,
    }


def build_recipe(backbone: Any) -> Any:
    """The recipe's head on a frozen backbone, compiled."""
    import keras

    backbone.trainable = False
    x = keras.layers.Flatten()(backbone.output)
    x = keras.layers.Dense(128, activation="relu")(x)
    model = keras.Model(backbone.input, keras.layers.Dense(2, activation="softmax")(x))
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def augmenter(**settings: Any) -> Any:
    """The recipe's `ImageDataGenerator`: its shear is in degrees, as Keras has it."""
    import tensorflow as tf

    return tf.keras.preprocessing.image.ImageDataGenerator(
        rescale=1 / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True, **settings
    )


def generators(data: Path) -> tuple[Any, Any]:
    """Training and validation batches of a folder; the recipe augments both, and divides by file."""
    source = augmenter(validation_split=VALIDATION_SHARE)

    def flow(subset: str) -> Any:
        return source.flow_from_directory(
            str(data), target_size=(SIDE, SIDE), batch_size=BATCH_SIZE, class_mode="categorical", subset=subset, seed=0
        )

    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it found
        return flow("training"), flow("validation")


def scaled_seconds(train_seconds: float, validation_seconds: float, *, films: int = FILMS) -> float:
    """What 20 epochs take, of the steps that so many films make."""
    validation = round(films * VALIDATION_SHARE)
    steps, validation_steps = -(-(films - validation) // BATCH_SIZE), -(-validation // BATCH_SIZE)
    return EPOCHS * (steps * train_seconds + validation_steps * validation_seconds)


def _clock() -> Any:
    """A callback that notes when each step ended."""
    import keras

    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.ends: dict[str, list[float]] = {"train": [], "test": []}

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.ends["train"].append(time.perf_counter())

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            self.ends["test"].append(time.perf_counter())

        def mean(self, kind: str) -> float:
            """Seconds from one step's end to the next, without the first ones."""
            return float(np.diff(self.ends[kind][min(_WARM_UP, len(self.ends[kind]) - 2) :]).mean())

    return Clock()


def _seconds_of_saving(model: Any) -> float:
    with tempfile.TemporaryDirectory() as folder, quiet_logger("absl"):  # Keras advises against .h5
        started = time.perf_counter()
        model.save(str(Path(folder) / "recipe.h5"))
        return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
