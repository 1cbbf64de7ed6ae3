"""im2col for layers: columns, matmul, reshape, part by part.

The values under each tap of the kernel, over all outputs of a part, are copied from the image at
once; its padding is added to the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.arrays import Array
from convcli.engine.conv2d.problem import ConvMethod, ConvProblem, Part
from convcli.engine.conv2d.products import multiply_into, pad_filters
from convcli.engine.conv2d.windows import can_copy_windows, copy_windows
from convcli.engine.im2col import view_windows
from convcli.engine.padding import PaddedImage
from convcli.engine.scratch import Scratch
from convcli.parallel import parallel_for

# Below, threads take longer, as they wait for each other at the end of each short call: measured
# with two cores of Zen 3, in a virtual machine, where a layer of 1 ms takes as long either way.
MIN_THREADED_S = 0.8e-3


def run_im2col(
    problem: ConvProblem, method: ConvMethod, maps: Array, parts: Sequence[Part] | None = None
) -> None:
    """Fill (N, C_out, oh, ow) maps, or only some parts of them."""
    layout = ColumnLayout(problem, has_shared_rows=method.has_shared_rows)

    def make_worker() -> Callable[[Part], None]:
        columns_of, scratch = layout.make_columns(), Scratch()
        return lambda part: layout.multiply_into(maps, part, columns_of(part), scratch)

    if parts is None:
        parts = problem.parts(has_shared_rows=method.has_shared_rows)
    in_threads = method.cost_s >= MIN_THREADED_S
    parallel_for(make_worker, parts, is_short=True, in_threads=in_threads)


class ColumnLayout:
    """The matrices of a convolution: a column for every window, or a copy of every row once.

    They have an axis for the groups, and one for the output's rows where windows share rows. The
    columns may end in 1, which the bias is multiplied by: it is then one of the weights.

    Parameters
    ----------
    problem : ConvProblem
    has_shared_rows : bool
        Whether windows share the columns of rows.

    Attributes
    ----------
    weights : ndarray, (G, [1,] at least C_out/G, K)
        With some filters at the end whose products are thrown away.
    bias : ndarray, (G, [1,] C_out/G, 1), or None
        What is added to the products, where no column ends in 1.
    """

    def __init__(self, problem: ConvProblem, *, has_shared_rows: bool) -> None:
        self._problem, self._has_shared_rows = problem, has_shared_rows
        groups, filters = problem.groups, problem.filters
        self._has_ones = problem.bias is not None and not problem.is_pointwise
        if prod(filters.shape[1:]) > prod(problem.output):
            self._has_ones = False  # copying the weights would take longer than adding the bias
        weights = filters.reshape(groups, len(filters) // groups, *filters.shape[1:])
        rows = 1
        if self._has_shared_rows:  # a row's columns run over channels, then along it: (kh, C/G, kw)
            weights, rows = weights.swapaxes(2, 3), problem.window.kernel[0]
        self.weights: Array = weights.reshape(*weights.shape[:2], -1)
        self.bias = None
        if problem.bias is not None:
            bias = problem.bias.reshape(*weights.shape[:2], 1)
            if self._has_ones:
                self.weights = _append_bias(self.weights, bias, rows)
            else:
                self.bias = bias
        self._count = self.weights.shape[1]
        self.weights = pad_filters(self.weights)
        if self._has_shared_rows:
            self.weights = self.weights[:, np.newaxis]
            self.bias = None if self.bias is None else self.bias[:, np.newaxis]

    def make_columns(self) -> Callable[[Part], Array]:
        """Return a function from a part to its columns, (G, [oh,] K, L), with its own memory.

        Parts that differ in their filters alone follow one another, and have the same columns.
        """
        scratch = Scratch()
        make = self._unroll_rows if self._has_shared_rows else self._unroll_windows
        last: list[tuple[object, Array]] = []

        def columns(part: Part) -> Array:
            region = part.image, part.rows, part.columns
            if not last or last[0][0] != region:
                image = self._problem.grouped(part.image)  # (G, C/G, H, W)
                last[:] = [(region, make(image, part, scratch))]
            return last[0][1]

        return columns

    def multiply_into(self, maps: Array, part: Part, columns: Array, scratch: Scratch) -> None:
        """Fill a part of the maps with its products, and finish them."""
        finish, target = self._problem.finish, self._target(maps, part)
        products, count = target, target.shape[-2]
        is_last = part.filters.stop == self._count
        weights = self.weights[..., part.filters.start : None if is_last else part.filters.stop, :]
        # NumPy changes values that lie side by side several times as fast as others.
        is_slow = finish is not None and not target.flags.c_contiguous
        if is_slow or weights.shape[-2] > count:
            shape = *target.shape[:-2], weights.shape[-2], target.shape[-1]
            products = scratch("products", shape, target.dtype)
        multiply_into(products, weights, columns)
        products = products[..., :count, :]
        if self.bias is not None:
            products += self.bias[..., part.filters, :]
        if finish is not None:
            finish(products)
        if not np.may_share_memory(products, target):
            np.copyto(target, products)

    def _unroll_windows(self, image: PaddedImage, part: Part, scratch: Scratch) -> Array:
        """Copy every window into a column: (G, C/G·kh·kw [+ 1], oh·ow)."""
        problem = self._problem
        rows, columns = problem.tap_ranges(0, part.rows), problem.tap_ranges(1, part.columns)
        groups, channels = image.image.shape[:2]
        if problem.is_pointwise:
            inside = image.region(rows[0], columns[0], scratch)
            return inside.reshape(groups, channels, -1)
        count, sides = channels * len(rows) * len(columns), (len(rows[0]), len(columns[0]))
        shape = groups, count + self._has_ones, prod(sides)
        target = scratch("columns", shape, problem.images.dtype)
        target[:, count:] = 1
        windows = target[:, :count].reshape(groups, channels, len(rows), len(columns), *sides)
        if sides[1] == problem.output[1] and can_copy_windows(image, problem.window, sides):
            copy_windows(image, problem.window, part.rows, windows, scratch)
        else:
            under = range(rows[0][0], rows[-1][-1] + 1), range(columns[0][0], columns[-1][-1] + 1)
            np.copyto(windows, view_windows(image.region(*under, scratch), problem.window))
        return target

    def _unroll_rows(self, image: PaddedImage, part: Part, scratch: Scratch) -> Array:
        """Copy the windows along each row into columns, once: (G, oh, K, ow).

        A row's columns are C/G·kw rows of `ow` values, and those of the next row follow. So the
        columns of a window's kh rows are a matrix already, and that of the next starts inside it.
        """
        problem = self._problem
        taps, rows = problem.tap_ranges(1, part.columns), problem.input_rows(part.rows)
        groups, channels = image.image.shape[:2]
        count, width = channels * len(taps), len(taps[0])
        shape = groups, len(rows), count + self._has_ones, width
        target = scratch("columns", shape, problem.images.dtype)
        target[:, :, count:] = 1
        windows = target[:, :, :count].reshape(groups, len(rows), channels, len(taps), width)
        for v, across in enumerate(taps):
            image.copy_into(windows[:, :, :, v].swapaxes(1, 2), rows, across)
        kh, stride = problem.window.kernel[0], problem.window.stride[0]
        per_group, per_row, per_column, per_value = target.strides
        return as_strided(
            target,
            (groups, part.rows.stop - part.rows.start, kh * shape[2], width),
            (per_group, stride * per_row, per_column, per_value),
        )

    def _target(self, maps: Array, part: Part) -> Array:
        """Return a view of the maps for a part's products: (G, [oh,] C_out/G, L)."""
        groups = self._problem.groups
        grouped: Array = maps[part.image].reshape(groups, -1, *maps.shape[2:])
        if self._has_shared_rows:
            rows: Array = grouped[:, part.filters, part.rows, part.columns]
            return rows.swapaxes(1, 2)
        # A part has whole rows or is within one, so its positions follow one another.
        first = part.rows.start * maps.shape[3] + part.columns.start
        count = (part.rows.stop - part.rows.start) * (part.columns.stop - part.columns.start)
        flat: Array = grouped.reshape(*grouped.shape[:2], -1)
        return flat[:, part.filters, first : first + count]


def _append_bias(weights: Array, bias: Array, rows: int) -> Array:
    """Append to the weights of each of a kernel's rows a further one: the bias, to the first's."""
    by_row = weights.reshape(*weights.shape[:2], rows, -1)
    extended = np.zeros((*by_row.shape[:3], by_row.shape[3] + 1), weights.dtype)
    extended[..., :-1] = by_row
    extended[..., 0, -1:] = bias
    return extended.reshape(*weights.shape[:2], -1)
