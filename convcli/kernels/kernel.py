"""Kernel: a matrix of weights, and what belongs to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from convcli.arithmetic.values import Pair
from convcli.errors import KernelError, LimitError

MOST_SIDE = 1001
ZERO_SUM = 1e-12  # relative to the sum of the weights' sizes
RANK_TOLERANCE = 1e-12  # relative to the largest singular value: rounding, no more


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """A kernel, as correlation applies it.

    Parameters
    ----------
    name : str
        What it is called in lists, titles and output names.
    matrix : ndarray of float64, (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)
        Two axes filter each channel by itself, three sum over the channels into one map, four are
        a layer's weights. A file's scale is folded in.
    origin : (row, column), optional
        The weight that lies on the pixel being computed; see `anchor`.
    bias : float
        Added to every sum, in the image's units.
    about, source : str
        What it does; where its numbers come from.

    Examples
    --------
    >>> kernel = Kernel("mine", np.array([[1.0, 2.0, 1.0]]))
    >>> kernel.size, kernel.anchor, kernel.sum, kernel.rank
    ((1, 3), (0, 1), 4.0, 1)
    >>> np.asarray(kernel)
    array([[1., 2., 1.]])
    """

    name: str
    matrix: NDArray[np.float64]
    origin: Pair | None = None
    bias: float = 0.0
    about: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        try:
            matrix = np.array(self.matrix, np.float64)
        except (TypeError, ValueError) as error:
            raise KernelError(f"its weights are no array of numbers: {error}") from None
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)
        if matrix.ndim not in (2, 3, 4) or 0 in matrix.shape:
            raise KernelError(f"a kernel has two, three or four axes, not the shape {matrix.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(np.abs(matrix).sum()):
                raise KernelError("its weights are no finite numbers, or too large to be summed")
        check_sides(self.size)
        inside = (0 <= at < side for at, side in zip(self.anchor, self.size, strict=True))
        if not all(inside):
            raise KernelError(
                f"its origin {self.anchor} lies outside {self.size[0]}x{self.size[1]}"
            )

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.matrix, dtype, copy=copy)

    @property
    def size(self) -> Pair:
        """The (height, width) of its window."""
        return self.matrix.shape[-2], self.matrix.shape[-1]

    @property
    def anchor(self) -> Pair:
        """The origin, or `((kh - 1) // 2, (kw - 1) // 2)` where none is given."""
        return self.origin or ((self.size[0] - 1) // 2, (self.size[1] - 1) // 2)

    @property
    def sum(self) -> float:
        """The sum of the weights: what a flat area is multiplied by."""
        return math.fsum(self.matrix.flat)

    @property
    def rank(self) -> int | None:
        """The matrix's rank, 1 for a separable kernel; None for more than two axes."""
        if self.matrix.ndim != 2:
            return None
        return int(np.linalg.matrix_rank(self.matrix, rtol=RANK_TOLERANCE))

    def normalized(self) -> Kernel:
        """The kernel divided by the sum of its weights, so that flat areas keep their value.

        Raises
        ------
        KernelError
            Where that sum is zero.
        """
        total = self.sum
        if abs(total) <= ZERO_SUM * float(np.abs(self.matrix).sum()):
            raise KernelError("its weights sum to zero, so it cannot be normalized")
        return replace(self, matrix=self.matrix / total)


def check_sides(size: Pair) -> None:
    """Refuse a kernel of more than 1001 rows or columns, before memory is taken for it."""
    if max(size) > MOST_SIDE:
        raise LimitError(
            f"a kernel of {size[0]}x{size[1]} is too large: the most is {MOST_SIDE} a side"
        )
