"""`--require-gpu`, of whatever may compute on a GPU: the app, `predict`, `train` and `doctor`."""

import argparse


def add_require_gpu(parser: argparse._ActionsContainer) -> None:
    """Add the option."""
    parser.add_argument(
        "--require-gpu",
        action="store_true",
        help="end with status 1 and the reason where no GPU computes; without it the processor does, and the log says why",
    )
