"""Resampling of maps: the weighted sum of the positions around each output, axis by axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import product
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from convcli.arithmetic.operations import Resampling
from convcli.engine.arrays import Array
from convcli.engine.operations import LayerFunction, Weights
from convcli.engine.scratch import split_range
from convcli.parallel import parallel_for
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer

MAX_PART_BYTES = 1 << 20  # of the output that is made at once: what it takes stays in the cache
MAX_INT64 = (1 << 63) - 1

_Part: TypeAlias = tuple[slice, slice]  # channels, rows of the output


class Taps(NamedTuple):
    """The positions that each output takes along an axis, and their weights.

    Parameters
    ----------
    positions : ndarray of intp, (taps, outputs)
        Inside the axis.
    weights : ndarray of float64, (taps, outputs)
        Empty where one position is taken as it is.
    """

    positions: Array
    weights: Array


def _resample(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    axes = cast("tuple[Resampling, Resampling]", layer.operation.axes(layer, [inputs[0].shape]))
    return resample_as(layer, inputs[0], axes)


def resample_as(layer: Layer, values: Array, axes: tuple[Resampling, Resampling]) -> Array:
    """Resample a map, or part of one, (C, H, W), along its rows and columns as a layer does."""
    cubic, is_inside = layer.value("cubic"), layer.value("is_inside")
    rows, columns = (find_taps(axis, cubic, is_inside) for axis in axes)
    return resample(values, rows, columns)


def resample(values: Array, rows: Taps, columns: Taps) -> Array:
    """Resample the last two axes of a map, (C, H, W), in parts that fit the cache."""
    height, width = rows.positions.shape[1], columns.positions.shape[1]
    output = np.empty((len(values), height, width), values.dtype)

    def work(part: _Part) -> None:
        channels, outputs = part
        own = Taps(rows.positions[:, outputs], rows.weights[:, outputs])
        first, last = own.positions.min(), own.positions.max()
        source = values[channels, first : last + 1]
        own = own._replace(positions=own.positions - first)
        # First along the axis that leaves less for the other.
        if source.shape[1] * width <= own.positions.shape[1] * source.shape[2]:
            output[part] = _take(_take(source, columns, 2), own, 1)
        else:
            output[part] = _take(_take(source, own, 1), columns, 2)

    row_bytes = max(width, values.shape[2]) * values.itemsize
    max_rows = min(max(MAX_PART_BYTES // row_bytes, 1), height)
    groups = split_range(len(values), MAX_PART_BYTES // (row_bytes * max_rows))
    parallel_for(lambda: work, product(groups, split_range(height, max_rows)), is_short=True)
    return output


def _take(values: Array, taps: Taps, axis: int) -> Array:
    """Return the weighted sums of the positions of a map along an axis."""
    if not len(taps.weights):
        taken: Array = values.take(taps.positions[0], axis)
        return taken
    weights = taps.weights.astype(values.dtype).reshape(len(taps.weights), -1, *[1] * (2 - axis))
    total: Array = values.take(taps.positions[0], axis)
    total *= weights[0]
    for positions, weight in zip(taps.positions[1:], weights[1:], strict=True):
        part = values.take(positions, axis)
        part *= weight
        total += part
    return total


@lru_cache(maxsize=64)
def find_taps(axis: Resampling, cubic: float, is_inside: bool) -> Taps:
    """Return the taps of a resampling, with the coefficient of cubic ones.

    The weights of those outside count for the edge; with `is_inside`, the others are renormalized.
    """
    numerators, unit = _numerators(axis), axis.denominator
    if axis.taps not in ("linear", "cubic"):
        positions = _ROUNDINGS[axis.taps](numerators, unit).clip(0, axis.size - 1)
        return Taps(positions.astype(np.intp)[np.newaxis], np.empty((0, axis.outputs)))
    below = numerators // unit
    offsets = (0, 1) if axis.taps == "linear" else (-1, 0, 1, 2)
    share = ((numerators - below * unit) / unit).astype(np.float64)  # of the way to the next one
    weigh = _weigh_linear if axis.taps == "linear" else partial(_weigh_cubic, cubic=cubic)
    weights = np.stack([weigh(np.abs(share - offset)) for offset in offsets])
    positions = np.stack([below + offset for offset in offsets])
    inside = positions.clip(0, axis.size - 1)
    if is_inside:
        weights = np.where(positions == inside, weights, 0)
        weights /= weights.sum(axis=0)
    used = weights.any(axis=1)
    return Taps(inside[used].astype(np.intp), weights[used])


def _numerators(axis: Resampling) -> Array:
    """Return the positions of all outputs on the input, times the denominator: whole numbers."""
    largest = abs(axis.first) + axis.outputs * abs(axis.step) + 2 * axis.denominator
    is_small = 2 * largest < MAX_INT64
    outputs: Array = np.arange(axis.outputs, dtype=np.int64 if is_small else object)
    numerators: Array = axis.first + outputs * axis.step
    return numerators


_ROUNDINGS: dict[str, Callable[[Array, int], Array]] = {
    "floor": lambda numerators, unit: numerators // unit,
    "ceil": lambda numerators, unit: -(-numerators // unit),
    "round-down": lambda numerators, unit: -((unit - 2 * numerators) // (2 * unit)),
    "round-up": lambda numerators, unit: (2 * numerators + unit) // (2 * unit),
}


def _weigh_linear(distances: Array) -> Array:
    weights: Array = np.maximum(1 - distances, 0)
    return weights


def _weigh_cubic(distances: Array, cubic: float) -> Array:
    """Return the weights of positions at distances up to 2."""
    near = ((cubic + 2) * distances - (cubic + 3)) * distances * distances + 1
    far = ((distances - 5) * distances + 8) * distances * cubic - 4 * cubic
    return np.where(distances <= 1, near, far)


FUNCTIONS: dict[str, LayerFunction] = {"upsample": _resample, "resize": _resample}
