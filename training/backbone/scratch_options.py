"""The options of a training from scratch."""

import argparse

from training.config import SCRATCH_RATES, SCRATCH_SCHEDULES, ScratchTraining


def add_scratch(group: argparse._ActionsContainer) -> None:
    """Add `--from-scratch` and what goes with it."""
    default = ScratchTraining()
    group.add_argument(
        "--from-scratch",
        action="store_true",
        help="use no published weights: the backbone (auto: resnet18) learns from this folder alone, together with the head, "
        "on four fifths of the patients; the last fifth judges. Start it again after an interruption: it goes on from its "
        "last whole epoch",
    )
    group.add_argument(
        "--recipe",
        choices=list(SCRATCH_RATES),
        default=default.optimizer,
        help="adam, or sgd with momentum 0.9 as in the paper of residual networks (default: %(default)s)",
    )
    group.add_argument(
        "--schedule",
        choices=SCRATCH_SCHEDULES,
        default=default.schedule,
        help="how the rate falls: along a half cosine, or to a tenth after half and three quarters of the epochs "
        "(default: %(default)s)",
    )
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in SCRATCH_RATES.items())
    numbers: tuple[tuple[str, type, float | None, str], ...] = (
        ("--peak-rate", float, None, f"largest learning rate (default: {rates})"),
        ("--weight-decay", float, default.weight_decay, "share of the weights, times the rate (default: %(default)s)"),
        ("--warm-up", float, default.warm_up, "epochs in which the rate rises from 0 (default: %(default)s)"),
        ("--scratch-epochs", int, default.epochs, "passes at most; early stopping ends sooner (default: %(default)s)"),
        ("--patience", int, default.patience, "epochs without a better loss before it stops (default: %(default)s)"),
        ("--batch-size", int, default.batch_size, "films in a step (default: %(default)s)"),
    )
    for option, kind, value, meaning in numbers:
        group.add_argument(option, type=kind, default=value, metavar="N", help=meaning)


def scratch_training(options: argparse.Namespace) -> ScratchTraining | None:
    """What the options ask for; None without `--from-scratch`."""
    if not options.from_scratch:
        return None
    return ScratchTraining(
        optimizer=options.recipe,
        learning_rate=SCRATCH_RATES[options.recipe] if options.peak_rate is None else options.peak_rate,
        weight_decay=options.weight_decay,
        schedule=options.schedule,
        warm_up=options.warm_up,
        epochs=options.scratch_epochs,
        patience=options.patience,
        batch_size=options.batch_size,
    )
