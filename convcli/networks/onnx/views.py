"""Tensors that are the values of a layer in another order or grouping.

ONNX writes a shuffle of channels, a flattening or a change between (C, H, W) and (H, W, C) as
several nodes that move values, which only together are an operation of the notation. A view follows
them: the values of the layer are divided into factors, from the slowest to the fastest axis, and
each axis of the tensor is the product of some of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from convcli.arithmetic.values import Shape
from convcli.records import NamedTuple


class View(NamedTuple):
    """How the axes of a tensor follow from the values of a layer.

    Parameters
    ----------
    factors : tuple of int
        Whose product is the number of values, in the order in which the layer has them.
    axes : tuple of tuple of int
        For each axis of the tensor, the indices of the factors that it is the product of.
    """

    factors: tuple[int, ...]
    axes: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(dims: Shape) -> View:
        """Return the view of a tensor as it is.

        >>> View.of((1, 3, 4)).transpose((0, 2, 1)).dims
        (1, 4, 3)
        """
        return View(dims, tuple((axis,) for axis in range(len(dims))))

    @property
    def dims(self) -> Shape:
        """The shape of the tensor."""
        return tuple(math.prod(self.factors[index] for index in axis) for axis in self.axes)

    @property
    def order(self) -> tuple[int, ...]:
        """The factors in the order in which the tensor has them."""
        return tuple(index for axis in self.axes for index in axis)

    @property
    def permutation(self) -> tuple[int, ...] | None:
        """The layer's axis that each of the tensor's is; None if they are no such axes.

        >>> View.of((1, 3, 4)).transpose((0, 2, 1)).permutation
        (0, 2, 1)
        """
        order = self.order
        is_whole = len(self.axes) == len(order) == len(self.factors)
        return order if is_whole and all(len(axis) == 1 for axis in self.axes) else None

    @property
    def is_plain(self) -> bool:
        """Whether the values have the order that the layer has them in.

        >>> View.of((2, 1)).transpose((1, 0)).is_plain
        True
        """
        order = [index for index in self.order if self.factors[index] > 1]
        return order == sorted(order)

    def transpose(self, order: Sequence[int]) -> View:
        """Return the view with its axes in another order."""
        return View(self.factors, tuple(self.axes[axis] for axis in order))

    def reshape(self, dims: Shape) -> View | None:
        """Return the view of the same values in another shape; None if that splits no factors.

        >>> View.of((6, 4)).reshape((2, 3, 4)).transpose((1, 0, 2)).reshape((6, 4)).order
        (1, 0, 2)
        >>> View.of((6, 4)).transpose((1, 0)).reshape((3, 8)) is None
        True
        """
        sizes, order = normalize(self.factors, self.order)
        rest = [(index, sizes[index]) for index in order]  # factors, and what is left of them
        pieces: list[list[int]] = [[] for _ in sizes]  # of each factor
        axes: list[list[tuple[int, int]]] = []
        position = 0
        for side in dims:
            axis, wanted = [], side
            while wanted > 1:
                if position == len(rest):
                    return None
                index, size = rest[position]
                if wanted % size and size % wanted:
                    return None
                piece = min(wanted, size)
                axis.append((index, len(pieces[index])))
                pieces[index].append(piece)
                wanted //= piece
                rest[position] = (index, size // piece)
                position += size == piece
            axes.append(axis)
        if position != len(rest):
            return None
        firsts = [sum(map(len, pieces[:index])) for index in range(len(pieces))]
        return View(
            tuple(size for parts in pieces for size in parts),
            tuple(tuple(firsts[index] + piece for index, piece in axis) for axis in axes),
        )


def normalize(
    factors: Sequence[int], order: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return an order of factors with as few factors as there can be.

    Those of 1 are dropped, and neighbors that stay neighbors are one.

    >>> normalize((1, 2, 3, 4, 5), (0, 2, 1, 3, 4))
    ((2, 3, 20), (1, 0, 2))
    """
    runs: list[list[int]] = []
    kept = [index for index in order if factors[index] > 1]
    ranks = {index: rank for rank, index in enumerate(sorted(kept))}
    for index in kept:
        if runs and ranks[index] == ranks[runs[-1][-1]] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    starts = sorted(run[0] for run in runs)
    numbers = {start: number for number, start in enumerate(starts)}
    sizes = {run[0]: math.prod(factors[index] for index in run) for run in runs}
    return tuple(sizes[start] for start in starts), tuple(numbers[run[0]] for run in runs)
