"""A convolution's columns and weights as the matrices of one product, and where it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.arithmetic.geometry import Window
from convcli.engine.arrays import Array
from convcli.engine.conv2d.problem import ConvProblem, Part, shares_rows
from convcli.engine.im2col import view_windows
from convcli.engine.scratch import Scratch


class ColumnLayout:
    """How the columns are laid out: every window a column, or every row once for its windows.

    The matrices have an axis for the groups, and one for the output's rows where windows share.

    Parameters
    ----------
    problem : ConvProblem

    Attributes
    ----------
    has_shared_rows : bool
        Whether windows share the columns of rows.
    weights : ndarray, (G, [1,] C_out/G, K)
    bias : ndarray, (G, [1,] C_out/G, 1), or None
    """

    def __init__(self, problem: ConvProblem) -> None:
        self._problem = problem
        groups, filters = problem.groups, problem.filters
        self.has_shared_rows = shares_rows(problem.size)
        weights = filters.reshape(groups, len(filters) // groups, *filters.shape[1:])
        if self.has_shared_rows:  # a row's columns run over channels, then along it: (kh, C/G, kw)
            weights = weights.transpose(0, 1, 3, 2, 4)[:, None]
        self.weights: Array = weights.reshape(*weights.shape[:-3], -1)
        bias = problem.bias
        self.bias = None if bias is None else bias.reshape(*self.weights.shape[:-1], 1)

    def make_columns(self) -> Callable[[Part], Array]:
        """Return a function from a part to its columns, (G, [oh,] K, L), with its own memory.

        Parts that differ in their filters alone follow one another, and have the same columns.
        """
        problem, scratch = self._problem, Scratch()
        unroll = unroll_rows if self.has_shared_rows else unroll_windows
        last: list[tuple[object, Array]] = []

        def columns(part: Part) -> Array:
            region = part.image, part.rows, part.columns
            if not last or last[0][0] != region:
                padded = problem.input_region(*region, scratch)  # (C_in, ...)
                grouped = padded.reshape(problem.groups, -1, *padded.shape[1:])
                last[:] = [(region, unroll(grouped, problem.window, scratch))]
            return last[0][1]

        return columns

    def target(self, maps: Array, part: Part) -> Array:
        """Where a part's products are written, a view of the maps: (G, [oh,] C_out/G, L)."""
        groups = self._problem.groups
        grouped: Array = maps[part.image].reshape(groups, -1, *maps.shape[2:])
        if self.has_shared_rows:
            rows: Array = grouped[:, part.filters, part.rows, part.columns]
            return rows.swapaxes(1, 2)
        # A part has whole rows or is within one, so its positions follow one another.
        first = part.rows.start * maps.shape[3] + part.columns.start
        count = (part.rows.stop - part.rows.start) * (part.columns.stop - part.columns.start)
        flat: Array = grouped.reshape(*grouped.shape[:2], -1)
        return flat[:, part.filters, first : first + count]


def unroll_windows(padded: Array, window: Window, scratch: Scratch) -> Array:
    """Copy every window into a column: (G, C, ...) -> (G, C·kh·kw, oh·ow)."""
    if window.kernel == window.stride == (1, 1):
        return padded.reshape(*padded.shape[:2], -1)
    windows = view_windows(padded, window)
    columns = scratch("columns", windows.shape, padded.dtype)
    np.copyto(columns, windows)
    groups, c, kh, kw, oh, ow = windows.shape
    return columns.reshape(groups, c * kh * kw, oh * ow)


def unroll_rows(padded: Array, window: Window, scratch: Scratch) -> Array:
    """Copy the windows along each row into columns, once: (G, C, ...) -> (G, oh, kh·C·kw, ow).

    A row's columns are C·kw rows of `ow` values, and those of the next row follow. So the columns
    of a window's kh rows are a matrix already, and that of the next window starts inside it.
    """
    along = replace(window, kernel=(1, window.kernel[1]), stride=(1, window.stride[1]))
    windows = view_windows(padded, along)[:, :, 0].transpose(0, 3, 1, 2, 4)  # (G, rows, C, kw, ow)
    columns = scratch("columns", windows.shape, padded.dtype)
    np.copyto(columns, windows)
    groups, rows, c, kw, ow = windows.shape
    kh, stride = window.kernel[0], window.stride[0]
    per_group, per_row, _, per_column, per_value = columns.strides
    return as_strided(
        columns,
        (groups, (rows - kh) // stride + 1, kh * c * kw, ow),
        (per_group, stride * per_row, per_column, per_value),
    )
