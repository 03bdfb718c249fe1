"""Ridge regression from sums over places: what is summed has the size of the answer, however many films come."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SUMMED_AT_ONCE: Final = 16_384  # rows; single precision within them, double between them


class NormalEquations:
    """The sums that a ridge regression of `outputs` numbers on `inputs` numbers needs."""

    def __init__(self, inputs: int, outputs: int = 1) -> None:
        self._products = np.zeros((inputs, inputs))
        self._answers = np.zeros((inputs, outputs))

    def add(self, rows: NDArray[np.float32], targets: NDArray[np.float32]) -> None:
        """Take in rows `(n, inputs)` and what each should give, `(n, outputs)`."""
        for start in range(0, len(rows), _SUMMED_AT_ONCE):
            chunk, wanted = rows[start : start + _SUMMED_AT_ONCE], targets[start : start + _SUMMED_AT_ONCE]
            self._products += chunk.T @ chunk
            self._answers += chunk.T @ wanted

    def solve(self, penalty: float) -> NDArray[np.float32]:
        """The numbers `(inputs, outputs)` of least squared error plus `penalty` times their squares.

        The last input is taken for the constant, which is not penalised.
        """
        shrinkage = np.full(len(self._products), penalty)
        shrinkage[-1] = 0
        solution = np.linalg.solve(self._products + np.diag(shrinkage), self._answers)
        return solution.astype(np.float32)
