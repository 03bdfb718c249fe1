"""The options of whatever computes on a cluster: `predict` and `train`."""

import argparse

from models.cluster.connection import Cluster


def add_cores(parser: argparse._ActionsContainer) -> None:
    """What each worker has."""
    parser.add_argument(
        "--cores",
        type=int,
        default=Cluster.cores,
        metavar="N",
        help="of each worker, all of a smaller machine; it has a model, and a GPU where there are some, of its own "
        "(default: %(default)s)",
    )
