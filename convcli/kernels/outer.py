"""Large separable kernels: a column and a row instead of the matrix that is their product."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from convcli.arithmetic.values import MAX_KERNEL_SIDE, Pair
from convcli.errors import LimitError

Vector: TypeAlias = NDArray[np.float64]

MAX_WEIGHTS = MAX_KERNEL_SIDE**2  # of a matrix that is written out
RANK_TOLERANCE = 1e-12  # relative to the largest weight
_COMPARED_ROWS = 64  # at once


class OuterProduct:
    """A matrix of rank 1, (kh, kw), that is kept as its column and its row.

    Parameters
    ----------
    column, row : ndarray, (kh,) and (kw,)

    Examples
    --------
    >>> product = OuterProduct(np.array([1.0, 2.0]), np.array([3.0, -4.0, 0.0]))
    >>> product.shape, product.total, product.magnitude
    ((2, 3), -3.0, 21.0)
    >>> np.asarray(product).tolist()
    [[3.0, -4.0, 0.0], [6.0, -8.0, 0.0]]
    """

    ndim = 2

    def __init__(self, column: Vector, row: Vector) -> None:
        self.column, self.row = np.array(column, np.float64), np.array(row, np.float64)
        for vector in self.factors:
            vector.flags.writeable = False

    @property
    def factors(self) -> tuple[Vector, Vector]:
        """The column and the row."""
        return self.column, self.row

    @property
    def shape(self) -> Pair:
        """Rows and columns."""
        return len(self.column), len(self.row)

    @property
    def size(self) -> int:
        """The number of weights."""
        return math.prod(self.shape)

    @property
    def total(self) -> float:
        """The sum of the weights."""
        return math.fsum(self.column) * math.fsum(self.row)

    @property
    def magnitude(self) -> float:
        """The sum of the absolute weights."""
        return float(np.abs(self.column).sum() * np.abs(self.row).sum())

    def __truediv__(self, divisor: float) -> OuterProduct:
        return OuterProduct(self.column / divisor, self.row)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        del copy  # it is always made anew
        if self.size > MAX_WEIGHTS:
            rows, columns = self.shape
            raise LimitError(
                f"a kernel of {rows}x{columns} is too large to be written out: the most is "
                f"{MAX_WEIGHTS:,} weights"
            )
        return np.outer(self.column, self.row).astype(dtype or np.float64, copy=False)


def factorize(matrix: NDArray[np.float64]) -> OuterProduct | None:
    """Return a matrix as an outer product, to within rounding; None if its rank is not 1.

    >>> factorize(np.array([[1.0, 2.0], [2.0, 4.0]])).factors
    (array([0.5, 1. ]), array([2., 4.]))
    """
    top, left = np.unravel_index(np.argmax(np.abs(matrix)), matrix.shape)
    pivot = matrix[top, left]
    if pivot == 0:
        return OuterProduct(np.zeros(matrix.shape[0]), np.zeros(matrix.shape[1]))
    column, row = matrix[:, left] / pivot, matrix[top]
    for first in range(0, len(matrix), _COMPARED_ROWS):
        rows = slice(first, first + _COMPARED_ROWS)
        if np.abs(np.outer(column[rows], row) - matrix[rows]).max() > RANK_TOLERANCE * abs(pivot):
            return None
    return OuterProduct(column, row)
