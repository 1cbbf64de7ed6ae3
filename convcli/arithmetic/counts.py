"""How often each position of an input is used: by how many outputs."""

from __future__ import annotations

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.intervals import clip_positions, contributing_inputs
from convcli.arithmetic.layers import LayerSize
from convcli.records import NamedTuple


class Counts(NamedTuple):
    """How often the pixels of an input are used, by the rows and by the columns.

    Parameters
    ----------
    rows, columns : tuple of int
        In how many windows each row and each column of the input is; of a transposed convolution,
        to how many outputs it adds. A pixel is used as often as the product of both.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def pixels(self) -> list[list[int]]:
        """The count of each pixel; rows that are alike are one list."""
        lines = {row: [row * column for column in self.columns] for row in set(self.rows)}
        return [lines[row] for row in self.rows]

    @property
    def least(self) -> int:
        """The count of the pixel that is used least."""
        return min(self.rows) * min(self.columns)

    @property
    def most(self) -> int:
        """The count of the pixel that is used most."""
        return max(self.rows) * max(self.columns)

    @property
    def bounds(self) -> str:
        """Between which counts all lie, in words.

        >>> Counts((1, 2), (1, 0)).bounds, Counts((1, 1), (1,)).bounds
        ('0 to 2 times', '1 time')
        """
        if self.least == self.most:
            return f"{self.most:,} {'time' if self.most == 1 else 'times'}"
        return f"{self.least:,} to {self.most:,} times"

    @property
    def unused(self) -> int:
        """The number of pixels that no output uses."""
        used = sum(map(bool, self.rows)) * sum(map(bool, self.columns))
        return len(self.rows) * len(self.columns) - used


def count_uses(size: LayerSize) -> Counts:
    """Count how often each pixel of a layer's input is used."""
    rows, columns = size.layer.window.axes(size.size)
    return Counts(count_along(rows), count_along(columns))


def count_along(axis: Axis) -> tuple[int, ...]:
    """Count the outputs that use each position along an axis; padding is not counted.

    >>> count_along(Axis(size=5, kernel=3)), count_along(Axis(size=5, kernel=2, stride=3))
    ((1, 2, 3, 2, 1), (1, 1, 0, 1, 1))
    """
    return tuple(len(outputs_of(axis, position)) for position in range(axis.size))


def outputs_of(axis: Axis, position: int) -> range:
    """Return the outputs that use a position along an axis, which may lie in its padding.

    >>> outputs_of(Axis(size=5, kernel=3, before=1, after=1), 0)
    range(0, 2)
    """
    if axis.transposed:
        start = position * axis.stride - axis.before
        outputs = range(start, start + axis.effective_kernel, axis.dilation)
    else:  # it is what the transposed convolution would add to it
        outputs = contributing_inputs(axis, position)
    return clip_positions(outputs, axis.output)
